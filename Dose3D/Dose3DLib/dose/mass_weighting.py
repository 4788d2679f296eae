"""Means over the mass in a cell instead of its volume: what an absorbed dose in a mixture of materials is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..geometry.cells import Cells
from ..geometry.grid import Grid, Volume
from .cell_operator import CellOperator, cell_operator

__all__ = ["mass_weighted"]

_CHUNK = 50_000
"""Dose voxels whose density is averaged at a time, to spare memory."""
_RECTANGULAR = 1e-6


def mass_weighted(operator: CellOperator, ct: Volume, density_of: Callable[[np.ndarray], np.ndarray]) -> CellOperator:
    """The operator with each weight times the mean density of its dose voxel: energy per mass of a cell.

    The density of a dose voxel is the exact mean over the voxels of the CT that it overlaps; it is not resolved within.
    A cell that reaches out of the CT, or has no mass, has no mass-weighted dose: its row is empty and its fraction 0.

    Parameters
    ----------
    ct:
        HU.
    density_of:
        density in g/cm^3 of an array of HU.

    Raises
    ------
    ValueError
        the dose's grid is sheared, so that its voxels are no boxes.
    """
    from scipy.sparse import csr_matrix

    matrix = operator.matrix
    used, position = np.unique(matrix.indices, return_inverse=True)
    density = np.concatenate(
        [_densities(operator.grid, used[n : n + _CHUNK], ct, density_of) for n in range(0, len(used), _CHUNK)] or [used]
    )
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    values = matrix.data * density[position]
    mass = np.bincount(row, values, matrix.shape[0])  # NaN for a cell that has a voxel outside the CT
    known = mass > 0
    keep = known[row]
    values = values[keep] / mass[row[keep]]
    weighted = csr_matrix((values, (row[keep], matrix.indices[keep])), matrix.shape)
    return replace(operator, matrix=weighted, fraction=np.where(known, operator.fraction, 0.0))


def _densities(
    grid: Grid, voxels: np.ndarray, ct: Volume, density_of: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """g/cm^3 of dose voxels by their flat indices; NaN for one that is not wholly in the CT."""
    boxes = _boxes(grid, voxels)
    operator = cell_operator(boxes, ct.grid, "constant")
    row = np.repeat(np.arange(len(boxes)), np.diff(operator.matrix.indptr))
    density = np.asarray(density_of(ct.array.reshape(-1)[operator.matrix.indices]), np.float64)
    means = np.bincount(row, operator.matrix.data * density, len(boxes))
    return np.where(operator.fraction == 1, means, np.nan)


def _boxes(grid: Grid, voxels: np.ndarray) -> Cells:
    steps = grid.affine[:3, :3]
    spacing = np.linalg.norm(steps, axis=0)
    if np.abs((steps / spacing).T @ (steps / spacing) - np.eye(3)).max() > _RECTANGULAR:
        raise ValueError("the dose's grid is sheared: its voxels are no boxes")
    k, j, i = np.unravel_index(voxels, grid.shape)
    centers = grid.to_lps(np.stack([i, j, k], axis=-1))
    return Cells(tuple(map(str, voxels)), centers, np.broadcast_to(spacing, centers.shape), steps / spacing)
