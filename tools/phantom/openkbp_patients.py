"""OpenKBP patients for the population phantom: which ones, as SimpleITK images in LPS millimetres."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openkbp
import SimpleITK as sitk
from openkbp import NAMES

SMALLEST_SECTION_CM2 = 50.0
LARGEST_PIXEL_MM = 5.0
REFERENCE_SOFT_TISSUE_HU = 40
"""Every patient's soft-tissue peak is moved to this; the set's run from +21 to +62 HU (5th to 95th percentile)."""


@dataclass(frozen=True)
class Patient:
    """One patient: CT in HU (float32) and organ masks by TG-263 name, as SimpleITK images in LPS millimetres.

    `extent_mm` are the lower and upper z between which the scan has slices.
    """

    name: str
    ct: sitk.Image
    masks: dict[str, sitk.Image]
    extent_mm: tuple[float, float]


def select_patients(data: Path) -> list[str]:
    """Names of the training patients that fulfil the rule, in the index's order.

    The rule: CT present, all seven organs drawn, pixels under 5 mm, no note about shifted HU or displaced structures,
    and no slice between the scan's ends with a section below 50 cm2 (strips around contours, blank slices).
    """
    index = json.loads((data / "index.json").read_text())["patients"]
    names = []
    for name, facts in index.items():
        good = facts["set"] == "train" and facts["has_ct"] and "hu_note" not in facts and "note" not in facts
        good = good and set(NAMES.values()) <= set(facts["structures"])
        good = good and facts["spacing_mm_zyx"][1] < LARGEST_PIXEL_MM
        if good and _smallest_section_cm2(data / facts["file"]) >= SMALLEST_SECTION_CM2:
            names.append(name)
    return names


def read_patient(data: Path, name: str) -> Patient:
    """Read one patient; the couch-free CT gets its soft-tissue peak moved to the common one."""
    index = json.loads((data / "index.json").read_text())["patients"][name]
    file = openkbp.read_patient(data / index["file"])
    hu, spacing = file.ct.array, file.ct.grid.spacing_mm
    z = np.flatnonzero((hu > -900).any(axis=(1, 2)))
    shift = REFERENCE_SOFT_TISSUE_HU - index["soft_tissue_peak_hu"]
    hu = np.where(hu > -500, hu + shift, hu).astype(np.float32)
    low, high = ((n - (hu.shape[0] - 1) / 2) * spacing[0] for n in (z[0], z[-1]))
    organs = {organ: _image(mask.astype(np.float32), spacing) for organ, mask in file.masks.items()}
    return Patient(name, _image(hu, spacing), organs, (float(low), float(high)))


def _image(array: np.ndarray, spacing_zyx: tuple[float, float, float]) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(s) for s in spacing_zyx[::-1]])
    image.SetOrigin([-(n - 1) / 2 * float(s) for n, s in zip(array.shape[::-1], spacing_zyx[::-1], strict=True)])
    return image


def _smallest_section_cm2(path: Path) -> float:
    ct = openkbp.read_patient(path).ct
    _, row, column = ct.grid.spacing_mm
    area = (ct.array > -900).sum(axis=(1, 2)) * row * column / 100
    z = np.flatnonzero(area)
    return float(area[z[0] : z[-1] + 1].min())
