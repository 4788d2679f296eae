"""Is this a CT that the model knows? Said, not hidden."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import InputError
from ..geometry.grid import Volume
from ..geometry.structure import Structure, StructureSet

__all__ = ["doubts", "refuse_other_images"]

_NO_AIR_HU = -200.0
_FEW = 0.5
_UNSURE = "the network is unsure of its edge"


def refuse_other_images(volume: Volume, name: str) -> None:
    """Raise InputError for an image whose values cannot be Hounsfield units: MR, PET, windowed or offset CT.

    Every CT shows air around or in the patient, far below -200 HU, and soft tissue well under 500 HU.
    """
    low, high = float(np.min(volume.array)), float(np.max(volume.array))
    if not np.isfinite([low, high]).all():
        raise InputError(name, "holds values that are not numbers", "export the CT again")
    if low > _NO_AIR_HU:
        raise InputError(
            name,
            f"its values ({low:g} to {high:g}) hold no air, so they are no Hounsfield units (an MR, an unscaled CT?)",
            "give a CT in Hounsfield units",
        )
    if high < _NO_AIR_HU:
        raise InputError(name, f"its values ({low:g} to {high:g}) hold nothing but air", "give a CT of a patient")


def doubts(found: StructureSet, confidence: dict[str, float], expected: dict[str, Any], region: str) -> list[str]:
    """Sentences about what was found, against what the model's training patients show.

    Organs that are missing, of a size or at a place beyond all training patients, or that the network is unsure of, are
    named; when they are more than half, the CT probably shows another part of the body than `region`.

    Parameters
    ----------
    confidence:
        organ -> 0..1 of `cleanup.boundary_confidence`.
    expected:
        the bundle's `organs` (organ -> `volume_cc` [low, high], `confidence` low) and `offsets_mm` ("A to B" -> [low,
        high], each L, P, S: from the centre of A to that of B).
    region:
        what the model knows; "" when only a part of the CT was looked at, where organs may be cut or absent: then the
        network's own unsureness is all that is said.
    """
    organs = [organ for organ in expected["organs"] if organ in found.names]
    missing = [organ for organ in organs if found[organ].mask.is_empty]
    centers = {organ: _center(found[organ]) for organ in organs if organ not in missing}
    if not region:
        unsure = [organ for organ in centers if confidence[organ] < expected["organs"][organ]["confidence"]]
        return [f"Look at {organ}: {_UNSURE}." for organ in unsure]
    odd = {organ: _oddities(found[organ], confidence.get(organ, 0.0), expected, centers) for organ in centers}
    plausible = sum(not reasons for reasons in odd.values())
    said = []
    if plausible < _FEW * len(organs):
        said.append(
            f"This CT does not look like {region}: only {plausible} of {len(organs)} organs are plausible. "
            "Do not trust the result."
        )
    if missing:
        said.append("Not found: " + ", ".join(missing) + ".")
    return said + [f"Look at {organ}: {', '.join(reasons)}." for organ, reasons in odd.items() if reasons]


def _oddities(
    structure: Structure, confidence: float, expected: dict[str, Any], centers: dict[str, np.ndarray]
) -> list[str]:
    facts, volume = expected["organs"][structure.name], structure.mask.volume_cc
    low, high = facts["volume_cc"]
    reasons = []
    if not low <= volume <= high:
        reasons.append(f"{volume:.1f} cc (training patients {low:g} to {high:g})")
    if confidence < facts["confidence"]:
        reasons.append(_UNSURE)
    wrong, others = _misplaced(structure.name, expected["offsets_mm"], centers)
    if others and 2 * wrong > others:
        reasons.append("not where it should be beside the other organs")
    return reasons


def _misplaced(organ: str, offsets: dict[str, list[list[float]]], centers: dict[str, np.ndarray]) -> tuple[int, int]:
    """To how many of the other organs its place is wrong, and how many there are."""
    wrong = others = 0
    for pair, (low, high) in offsets.items():
        first, second = pair.split(" to ")
        if organ in (first, second) and first in centers and second in centers:
            others += 1
            offset = centers[second] - centers[first]
            wrong += bool((offset < low).any() or (offset > high).any())
    return wrong, others


def _center(structure: Structure) -> np.ndarray:
    """LPS centre of mass, mm."""
    mask = structure.mask
    return mask.grid.to_lps((np.argwhere(mask.block).mean(axis=0) + mask.offset)[::-1])
