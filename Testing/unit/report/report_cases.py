"""Analytic cases that the report tests share."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet

RED, GREEN, BLUE = (230, 20, 20), (20, 220, 20), (20, 60, 240)


def ball(grid: Grid, center_mm: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    """(k, j, i) bool: voxel centres within a ball in LPS."""
    k, j, i = np.indices(grid.shape)
    points = grid.to_lps(np.stack([i, j, k], axis=-1))
    return np.linalg.norm(points - center_mm, axis=-1) <= radius_mm


@lru_cache
def head(grid: Grid) -> tuple[Volume, StructureSet]:
    """A head-like ball of water with two balls of bone: one at the left front, one at the right back and lower."""
    body = ball(grid, (0, 0, 0), 70)
    left, right = ball(grid, (30, -25, 10), 15), ball(grid, (-30, 25, -20), 12)
    hu = np.full(grid.shape, -1000, np.int16)
    hu[body] = 20
    hu[left | right] = 180
    return Volume(hu, grid), StructureSet(
        grid,
        (
            Structure("BODY", Mask.from_array(body, grid), color=BLUE, interpreted_type="EXTERNAL"),
            Structure("Left", Mask.from_array(left, grid), color=RED),
            Structure("Right", Mask.from_array(right, grid), color=GREEN),
            Structure("Larynx", Mask.empty(grid), color=(150, 80, 190)),
        ),
    )


@lru_cache
def axial_grid() -> Grid:
    """Anisotropic, with wide air around the head and an odd place in space."""
    return Grid.axial((60, 100, 110), (3.0, 2.0, 1.8), (-98.0, -101.0, -88.0))


@lru_cache
def sheared_grid() -> Grid:
    """A gantry tilted by about 20 degrees: each slice is shifted backwards."""
    affine = np.array(axial_grid().affine)
    affine[:3, 2] = [0.0, 1.1, 3.0]
    affine[1, 3] = -130.0
    return Grid((60, 100, 110), affine)
