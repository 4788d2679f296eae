"""`CellOperator`: exact averages of a dose over the cells of a detector, as one sparse matrix.

Every method that goes between cells and voxels uses this one matrix, so that what is measured, what is fitted and what
is projected mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..geometry.cells import Cells
from ..geometry.grid import Grid

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["CellOperator", "Model", "cell_operator"]

Model = Literal["linear", "constant"]
"""What a dose is between voxel centres: trilinear (constant in the outer half voxel), or one value per voxel."""

_ALIGNED = 1e-9
"""Cells whose axes are this close to the grid's are taken as parallel to them."""
_WHOLE = 1e-9
"""A cell with less than this outside the grid lies in it: the rest is rounding."""


@dataclass(frozen=True, eq=False)
class CellOperator:
    """Averages over cells.

    Parameters
    ----------
    cells, grid, model:
        what it was made for.
    matrix:
        (n, voxels) CSR, voxels in C order of [k, j, i]; rows sum to 1 over the part of a cell inside the grid, and are
        empty where a cell lies outside.
    fraction:
        (n,) share of each cell's volume inside the grid: outside it the dose is unknown, never 0 Gy.
    """

    cells: Cells
    grid: Grid
    model: Model
    matrix: csr_matrix
    fraction: np.ndarray

    def apply(self, dose: np.ndarray) -> np.ndarray:
        """Mean dose per cell, (n,) float64; NaN for a cell outside the grid. `dose` is [k, j, i]."""
        # Only the voxels in use: a clinical dose has 50 million, and the product would copy them all in doubles.
        used = np.asarray(dose).reshape(-1)[self.matrix.indices].astype(np.float64)
        row = np.repeat(np.arange(len(self.cells)), np.diff(self.matrix.indptr))
        values = np.bincount(row, self.matrix.data * used, len(self.cells))
        return np.where(self.fraction > 0, values, np.nan)

    def adjoint(self, values: np.ndarray) -> np.ndarray:
        """The transposed matrix times a value per cell, [k, j, i] float64."""
        return (self.matrix.T @ np.asarray(values, np.float64)).reshape(self.grid.shape)


def cell_operator(cells: Cells, grid: Grid, model: Model = "linear") -> CellOperator:
    """The operator of these cells on this grid.

    A uniform dose gives exactly itself, and the integral over cells that tile the grid is the grid's own. With
    "linear", a linear dose gives its value at the cell's centre, where the cell is farther than half a voxel from the
    grid's border.
    """
    from scipy.sparse import csr_matrix

    order, aligned = _axes_of_grid(cells, grid)
    if not aligned:
        raise NotImplementedError("cells that stand oblique to the grid")
    middle = grid.to_index(cells.centers_mm)[:, ::-1]  # k, j, i
    length = cells.sizes_mm[:, order] / np.array(grid.spacing_mm)
    first, weights, inside = zip(
        *(_along(middle[:, a], length[:, a], grid.shape[a], model) for a in range(3)), strict=True
    )
    fraction = np.prod(inside, axis=0)
    fraction = np.where(fraction > 1 - _WHOLE, 1.0, fraction)
    values = np.einsum("nk,nj,ni->nkji", *weights)
    k, j, i = (f[:, None] + np.arange(w.shape[1]) for f, w in zip(first, weights, strict=True))
    column = (k[:, :, None, None] * grid.shape[1] + j[:, None, :, None]) * grid.shape[2] + i[:, None, None, :]
    row = np.broadcast_to(np.arange(len(cells))[:, None, None, None], values.shape)
    kept = values > 0
    matrix = csr_matrix((values[kept], (row[kept], column[kept])), (len(cells), int(np.prod(grid.shape))))
    return CellOperator(cells, grid, model, matrix, fraction)


def _axes_of_grid(cells: Cells, grid: Grid) -> tuple[np.ndarray, bool]:
    """For the grid's axes k, j, i the cells' axis along it, and whether each pair is parallel."""
    directions = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    cosines = np.abs(directions[:, ::-1].T @ cells.axes)
    order = cosines.argmax(axis=1)
    return order, bool((cosines[np.arange(3), order] > 1 - _ALIGNED).all() and len(set(order)) == 3)


def _along(middle: np.ndarray, length: np.ndarray, count: int, model: Model) -> tuple[np.ndarray, ...]:
    """Along one axis of `count` voxels, in voxels: first voxel (n,), weights (n, m) of sum 1, share inside (n,)."""
    low, high = (np.clip(middle + sign * length / 2, -0.5, count - 0.5) for sign in (-1, 1))
    reach = 0.5 if model == "constant" else 1.0
    first = np.clip(np.ceil(low - reach), 0, count - 1).astype(np.int64)
    last = np.clip(np.floor(high + reach), 0, count - 1).astype(np.int64)
    width = int((last - first).max(initial=0)) + 1
    first = np.minimum(first, max(count - width, 0))
    voxel = first[:, None] + np.arange(min(width, count))
    integral = _integral(high[:, None], voxel, count, model) - _integral(low[:, None], voxel, count, model)
    share = (high - low) / length
    weights = np.divide(integral, (high - low)[:, None], out=np.zeros_like(integral), where=share[:, None] > 0)
    return first, np.maximum(weights, 0.0), share


def _integral(end: np.ndarray, voxel: np.ndarray, count: int, model: Model) -> np.ndarray:
    """Integral of each voxel's share in the dose from the grid's border to `end`."""
    t = end - voxel
    if model == "constant":
        return np.clip(t + 0.5, 0.0, 1.0)
    rising, falling = np.clip(t, -1.0, 0.0), np.clip(t, 0.0, 1.0)
    left = np.where(voxel == 0, np.clip(t + 0.5, 0.0, 0.5), (1 + rising) ** 2 / 2)
    right = np.where(voxel == count - 1, np.clip(t, 0.0, 0.5), falling - falling**2 / 2)
    return left + right
