"""A cubic target in a cubic body, and a dose that grows along x: figures in them follow from a straight line."""

from __future__ import annotations

import numpy as np
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet

GRID = Grid.axial((40, 40, 40), (2.0, 2.0, 2.0), (-39.0, -39.0, -39.0))
TARGET_MM, BODY_MM = 48.0, 72.0


def box_structures() -> StructureSet:
    """PTV of 48 mm each way about 0, in a body of 72 mm."""
    found = []
    for name, side, kind in (("PTV", TARGET_MM, "PTV"), ("Body", BODY_MM, "EXTERNAL")):
        array = np.zeros(GRID.shape, bool)
        kept = slice(20 - round(side / 4), 20 + round(side / 4))
        array[kept, kept, kept] = True
        found.append(Structure(name, Mask.from_array(array, GRID), interpreted_type=kind))
    return StructureSet(GRID, tuple(found))


def slope_dose(middle_gy: float = 20.0, gray_per_mm: float = 0.1) -> Volume:
    """`middle_gy` at x = 0, growing towards L (LPS x)."""
    x = GRID.affine[0, 3] + GRID.affine[0, 0] * np.arange(GRID.shape[2])
    return Volume(np.broadcast_to(middle_gy + gray_per_mm * x, GRID.shape).astype(np.float32), GRID)
