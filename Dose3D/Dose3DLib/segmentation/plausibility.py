"""Is this a CT that the model knows? Said, not hidden."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import InputError
from ..geometry.grid import Volume
from ..geometry.structure import StructureSet

__all__ = ["doubts", "refuse_other_images"]

_NO_AIR_HU = -200.0
_FEW = 0.5


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


def doubts(structures: StructureSet, expected: dict[str, dict[str, Any]], region: str) -> list[str]:
    """Sentences about what was found, against the model's `expected` volumes (organ -> {"volume_cc": [low, high]}).

    Organs that are missing or far from every volume in the training data are named; when they are more than half,
    the CT probably shows another part of the body than `region`.
    """
    missing = [organ for organ in expected if structures[organ].mask.is_empty]
    odd = []
    for organ, facts in expected.items():
        low, high = facts["volume_cc"]
        volume = structures[organ].mask.volume_cc
        if organ not in missing and not low <= volume <= high:
            odd.append(f"{organ} has {volume:.1f} cm3, in the training data {low:g} to {high:g}")
    plausible = len(expected) - len(missing) - len(odd)
    said = []
    if plausible < _FEW * len(expected):
        said.append(
            f"This CT does not look like {region}: only {plausible} of {len(expected)} organs are plausible. "
            "Do not trust the result."
        )
    if missing:
        said.append("Not found: " + ", ".join(missing) + ".")
    return said + [f"{text}: look at it." for text in odd]
