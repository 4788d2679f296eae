"""Reads the OpenKBP patients of the project's data sets (one .npz a patient; see the data card beside them).

OpenKBP: A. Babier et al., Medical Physics 48 (2021) 5549-5561, doi 10.1002/mp.14845; MIT License, (c) 2021 Aaron
Babier.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from Dose3DLib.geometry.grid import Grid, Volume

__all__ = [
    "NAMES",
    "TARGETS",
    "WRONG_IN_TRAIN",
    "WRONG_IN_VAL",
    "OpenKbpDose",
    "OpenKbpPatient",
    "read_dose_patient",
    "read_patient",
]

NAMES = {
    "Brainstem": "Brainstem",
    "SpinalCord": "SpinalCord",
    "Parotid_L": "LeftParotid",
    "Parotid_R": "RightParotid",
    "Mandible": "Mandible",
    "Esophagus": "Esophagus",
    "Larynx": "Larynx",
}
"""TG-263 name -> name in the files."""

TARGETS = ("PTV56", "PTV63", "PTV70")

WRONG_IN_VAL = ("pt_215", "pt_216", "pt_221")
"""Fixed before any training: cords that are neck regions (215, 216), structures displaced from the CT (221)."""

WRONG_IN_TRAIN = {"pt_89": ("Esophagus", "SpinalCord"), "pt_151": ("SpinalCord",)}
"""Labels that are taken as unknown: an esophagus of one slice outside the CT, a cord with a gap of nine slices."""


@dataclass(frozen=True, eq=False)
class OpenKbpPatient:
    """CT in HU (int16) and masks by TG-263 name (bool, same shape); an organ that was not drawn is absent."""

    name: str
    ct: Volume
    masks: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class OpenKbpDose:
    """CT, dose in 0.01 Gy (uint16), voxels where dose may be, and the targets that there are; all of one shape."""

    ct: Volume
    dose_cgy: np.ndarray
    dose_mask: np.ndarray
    targets: dict[str, np.ndarray]


def read_patient(path: Path) -> OpenKbpPatient:
    """Read one .npz; the grid's centre is the origin, axes are LPS."""
    file = np.load(path)
    shape = tuple(int(n) for n in file["shape"])
    crop = tuple(
        slice(s, s + n) for s, n in zip(file["crop_start"].astype(int), file["crop_shape"].astype(int), strict=True)
    )
    names = file["structure_names"].tolist()
    stack = _bits(file, "structures", len(names))
    hu = _on_grid(np.where(_bits(file, "ct_mask", 1)[0], _integers(file).cumsum(0) + 40, -1000), shape, crop, -1000)
    masks = {tg263: _on_grid(stack[names.index(n)], shape, crop, False) for tg263, n in NAMES.items() if n in names}
    spacing = tuple(float(s) for s in file["spacing_zyx"])
    origin = tuple(-(n - 1) / 2 * s for n, s in zip(shape[::-1], spacing[::-1], strict=True))
    return OpenKbpPatient(path.stem, Volume(hu.astype(np.int16), Grid.axial(shape, spacing, origin)), masks)


def read_dose_patient(path: Path) -> OpenKbpDose:
    """Read one .npz with its dose; ValueError where the source's dose or its mask is missing."""
    file = np.load(path)
    if "dose_planes" not in file or "possible_dose_mask" not in file:
        raise ValueError(f"{path.name} holds no dose")
    shape = tuple(int(n) for n in file["shape"])
    crop = tuple(
        slice(s, s + n) for s, n in zip(file["crop_start"].astype(int), file["crop_shape"].astype(int), strict=True)
    )
    names = file["structure_names"].tolist()
    stack = _bits(file, "structures", len(names))
    mask = _bits(file, "possible_dose_mask", 1)[0]
    dose = _on_grid(_integers(file, "dose_planes").cumsum(1).cumsum(0) * mask, shape, crop, 0)
    targets = {name: _on_grid(stack[names.index(name)], shape, crop, False) for name in TARGETS if name in names}
    return OpenKbpDose(read_patient(path).ct, dose.astype(np.uint16), _on_grid(mask, shape, crop, False), targets)


def _bits(file: np.lib.npyio.NpzFile, key: str, count: int) -> np.ndarray:
    shape = tuple(int(n) for n in file["crop_shape"])
    return np.unpackbits(file[key], count=count * int(np.prod(shape))).reshape(count, *shape).astype(bool)


def _integers(file: np.lib.npyio.NpzFile, key: str = "ct_planes") -> np.ndarray:
    """Zig-zag coded differences, low and high byte in planes of their own."""
    low, high = file[key].astype(np.int32)
    coded = low | high << 8
    return coded >> 1 ^ -(coded & 1)


def _on_grid(block: np.ndarray, shape: tuple[int, ...], crop: tuple[slice, ...], fill: float) -> np.ndarray:
    full = np.full(shape, fill, block.dtype)
    full[crop] = block
    return full
