"""`Structure` and `StructureSet`: what a segmentation, a label map and an RTSTRUCT have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .grid import Grid
from .mask import Mask

__all__ = ["PlanarContours", "Structure", "StructureSet"]

PlanarContours = dict[int, list[np.ndarray]]
"""Closed polygons by slice index k; each array is (n, 2), continuous (i, j) of the grid; no point is repeated.

Pixel centres are whole numbers, pixel edges halves. All polygons of a slice together are filled by the even-odd rule,
so holes are polygons of their own and islands in holes work (DICOM PS3.3 C.8.8.6.3 leaves the rule open; see the
page on contours).
"""

_TARGET_TYPES = ("PTV", "CTV", "GTV")
"""RT ROI Interpreted Types of targets (DICOM PS3.3 C.8.8.8.1)."""


@dataclass(frozen=True, eq=False)
class Structure:
    """One region of interest.

    Parameters
    ----------
    name:
        as it is written everywhere; TG-263 where the structure is known to the table.
    mask:
        voxels on the set's grid.
    contours:
        the polygons it came from, when it came from contours: they are the truth for volumes and fractional occupancy.
    color:
        RGB, 0..255.
    interpreted_type:
        RT ROI Interpreted Type (DICOM PS3.3 C.8.8.8.1), such as ORGAN, EXTERNAL, PTV; "" when unknown.
    number:
        ROI or segment number in the source, None for a new structure.
    """

    name: str
    mask: Mask
    contours: PlanarContours | None = None
    color: tuple[int, int, int] = (128, 174, 128)
    interpreted_type: str = "ORGAN"
    number: int | None = None

    @property
    def is_target(self) -> bool:
        """By its type, or by a name that begins as TG-263 has it (PTV70, CTV_High, zPTV)."""
        known = self.interpreted_type.upper() in _TARGET_TYPES
        return known or re.match(r"z?_?(PTV|CTV|GTV|ITV)", self.name.strip(), re.IGNORECASE) is not None


@dataclass(frozen=True, eq=False)
class StructureSet:
    """Structures on one grid; they may overlap. `notes` are sentences for the user about how they were read."""

    grid: Grid
    structures: tuple[Structure, ...]
    notes: tuple[str, ...] = field(default=())

    def __iter__(self) -> Iterator[Structure]:
        return iter(self.structures)

    def __len__(self) -> int:
        return len(self.structures)

    def __getitem__(self, name: str) -> Structure:
        """The first structure of that exact name; KeyError when there is none."""
        for structure in self.structures:
            if structure.name == name:
                return structure
        raise KeyError(name)

    @property
    def names(self) -> list[str]:
        return [structure.name for structure in self.structures]
