"""Analytic cases that the scene tests share: asymmetric, overlapping, with holes, an empty one, non-ASCII names."""

from __future__ import annotations

import numpy as np
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet

SHAPE = (10, 14, 12)


def make_grid(kind: str) -> Grid:
    """An axial, oblique or sheared (tilted gantry) grid with three different spacings."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag([1.5, 2.0, 3.0])
    if kind == "oblique":
        a, b = np.radians(20), np.radians(-35)
        turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        tip = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
        affine[:3, :3] = turn @ tip @ affine[:3, :3]
    elif kind == "sheared":
        affine[:3, 2] = [0.0, -0.8, 3.0]
    affine[:3, 3] = [-40.0, 25.0, -310.5]
    return Grid(SHAPE, affine)


def make_case(kind: str = "axial") -> tuple[Volume, StructureSet]:
    """A volume whose voxels all differ along every axis, and five structures."""
    grid = make_grid(kind)
    k, j, i = np.indices(SHAPE)
    volume = Volume((100 * k + 10 * j + i - 900).astype(np.int16), grid)
    body = (k >= 1) & (j >= 1) & (j < 13) & (i >= 1) & (i < 11)
    ring = (k == 4) & (abs(j - 6) <= 2) & (abs(i - 5) <= 2) & ~((j == 6) & (i == 5))
    hook = ((k == 4) | (k == 5)) & (((i == 2) & (j >= 3) & (j < 9)) | ((j == 8) & (i >= 2) & (i < 5)))
    dot = (k == 9) & (j == 13) & (i == 11)
    return volume, StructureSet(
        grid,
        (
            Structure("BODY", Mask.from_array(body, grid), color=(200, 224, 180), interpreted_type="EXTERNAL"),
            Structure("Brainstem", Mask.from_array(ring, grid), color=(47, 127, 216)),
            Structure("Łódź µ", Mask.from_array(hook, grid), color=(255, 0, 1)),
            Structure("Parotid_L", Mask.from_array(dot, grid), color=(34, 168, 74)),
            Structure("Larynx", Mask.empty(grid), color=(150, 80, 190)),
        ),
    )
