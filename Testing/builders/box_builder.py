"""Grids of every kind, boxes turned in every way, and boxes that fill space around a grid."""

from __future__ import annotations

import numpy as np
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid
from scipy.spatial.transform import Rotation


def turned(*degrees: float) -> np.ndarray:
    return Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()


def grid_of(steps: np.ndarray, shape=(9, 12, 14), origin=(-20.0, 7.0, 3.0)) -> Grid:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps, origin
    return Grid(shape, affine)


GRIDS = {
    "anisotropic": grid_of(np.diag([1.5, 2.0, 3.0])),
    "left-handed": grid_of(np.diag([1.5, 2.0, -3.0])),
    "axes exchanged": grid_of(np.diag([1.5, 2.0, 3.0])[:, [2, 0, 1]]),
    "oblique": grid_of(turned(10, -25, 40) @ np.diag([1.5, 2.0, 3.0])),
    "sheared": grid_of(np.array([[1.5, 0, 0], [0, 2.0, 0.9], [0, 0, 3.0]])),
    "a single slice": grid_of(np.diag([1.5, 2.0, 5.0]), (1, 12, 14)),
}
TURNS = {
    "along": np.eye(3),
    "quarter": turned(0, 90, 0),
    "yaw": turned(0, 0, 33),
    "pitch": turned(20, 0, 0),
    "any": turned(17, -33, 61),
    "nearly along": turned(3e-3, -2e-3, 1e-3),
    "along but for rounding": turned(3e-6, -2e-6, 1e-6),
}


def middle_of(grid: Grid) -> np.ndarray:
    return grid.corners_mm().mean(axis=0)


def tiling(grid: Grid, axes: np.ndarray, size=(5.0, 6.0, 7.0)) -> Cells:
    """Cells that fill space around the whole grid."""
    reach = np.abs(grid.corners_mm() - middle_of(grid)).max() * 1.8 + max(size)
    steps = [np.arange(-np.ceil(reach / length), np.ceil(reach / length) + 1) * length for length in size]
    places = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    return cells_at(middle_of(grid) + (places + 0.3) @ axes.T, size, axes)


def cells_at(centers: np.ndarray, size, axes: np.ndarray) -> Cells:
    centers = np.reshape(centers, (-1, 3))
    return Cells(tuple(map(str, range(len(centers)))), centers, np.broadcast_to(size, centers.shape), axes)


def lps_of(grid: Grid) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    return grid.to_lps(np.stack([i, j, k], axis=-1))
