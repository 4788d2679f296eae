"""`CellOperator`: exact averages of a dose over the cells of a detector, as one sparse matrix.

Every method that goes between cells and voxels uses this one matrix, so that what is measured, what is fitted and what
is projected mean the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..geometry.box_overlap import box_weights
from ..geometry.cells import Cells
from ..geometry.grid import Grid, Volume

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["CellOperator", "Model", "cell_means", "cell_operator"]

Model = Literal["linear", "constant"]
"""What a dose is between voxel centres: trilinear (constant in the outer half voxel), or one value per voxel."""

_ALIGNED = 1e-7
"""Cells whose axes are this close to the grid's (radians) are taken as parallel to them: 1e-6 mm on a cell of 10 mm."""
_WHOLE = 1e-9
"""A cell with less than this outside the grid lies in it: the rest is rounding."""
_TOUCH = 1e-12
"""A cell with less than this inside the grid lies outside: it touches it, or not even that."""
_ENTRIES = 4_000_000
"""Weights that are made at a time, to spare memory."""


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
    """The operator of these cells on this grid: exact, however both are turned, stretched or sheared.

    A uniform dose gives exactly itself, and the integral over cells that tile the grid is the grid's own. With
    "linear", a linear dose gives its value at the cell's centre, where the cell is farther than half a voxel from the
    grid's border.
    """
    order, aligned = _axes_of_grid(cells, grid)
    parts = _aligned_parts(cells, grid, model, order) if aligned else box_weights(cells, grid, model == "linear")
    size = (len(cells), int(np.prod(grid.shape)))
    matrix, fraction = _means(list(parts), size)
    return CellOperator(cells, grid, model, matrix, np.where(fraction > 1 - _WHOLE, 1.0, fraction))


def cell_means(
    cells: Cells,
    dose: Volume,
    model: Model = "linear",
    change: Callable[[CellOperator], CellOperator] | None = None,
    report: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean dose (NaN outside the grid) and fraction of each cell, (n,) each, without the matrix of all at once.

    Parameters
    ----------
    change:
        what is done to each part's operator, for instance mass weighting.
    report:
        is told the share that is done.
    """
    values, fraction = np.full(len(cells), np.nan), np.zeros(len(cells))
    voxels = np.prod(cells.sizes_mm.max(axis=0, initial=1.0) / min(dose.grid.spacing_mm) + 2)
    step = max(1, int(_ENTRIES / voxels))
    for start in range(0, len(cells), step):
        at = np.arange(start, min(start + step, len(cells)))
        operator = cell_operator(cells.take(at), dose.grid, model)
        operator = operator if change is None else change(operator)
        values[at], fraction[at] = operator.apply(dose.array), operator.fraction
        if report is not None:
            report(at[-1] / len(cells))
    return values, fraction


def _means(
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]], size: tuple[int, int]
) -> tuple[csr_matrix, np.ndarray]:
    """Rows, each divided by its sum, and these sums; pairs that come twice are added."""
    from scipy.sparse import csr_matrix

    if not parts:
        return csr_matrix(size), np.zeros(size[0])
    row, column, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    fraction = np.bincount(row, values, size[0])
    fraction[fraction < _TOUCH] = 0.0
    kept = fraction[row] > 0
    values = values[kept] / fraction[row[kept]]
    return csr_matrix((values, (row[kept], column[kept])), size), fraction


def _aligned_parts(
    cells: Cells, grid: Grid, model: Model, order: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, columns and shares of a cell's volume as `box_weights` yields them, for cells along the grid's axes."""
    middle = grid.to_index(cells.centers_mm)[:, ::-1]  # k, j, i
    length = cells.sizes_mm[:, order] / np.array(grid.spacing_mm)
    step = max(1, int(_ENTRIES / np.prod(length.max(axis=0, initial=1.0) + 2)))
    for start in range(0, len(cells), step):
        some = slice(start, start + step)
        first, weights = zip(*(_along(middle[some, a], length[some, a], grid.shape[a], model) for a in range(3)),
                             strict=True)  # fmt: skip
        values = np.einsum("nk,nj,ni->nkji", *weights)
        kept = np.nonzero(values)
        k, j, i = (first[a][kept[0]] + kept[a + 1] for a in range(3))
        yield start + kept[0], (k * grid.shape[1] + j) * grid.shape[2] + i, values[kept]


def _axes_of_grid(cells: Cells, grid: Grid) -> tuple[np.ndarray, bool]:
    """For the grid's axes k, j, i the cells' axis along it, and whether each pair is parallel."""
    directions = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    cosines = np.abs(directions[:, ::-1].T @ cells.axes)
    order = cosines.argmax(axis=1)
    cosines[np.arange(3), order] = 0.0
    return order, bool(cosines.max() < _ALIGNED)


def _along(middle: np.ndarray, length: np.ndarray, count: int, model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Along one axis of `count` voxels, in voxels: first voxel (n,), weights (n, m), whose sum is the share inside."""
    low, high = (np.clip(middle + sign * length / 2, -0.5, count - 0.5) for sign in (-1, 1))
    reach = 0.5 if model == "constant" else 1.0
    first = np.clip(np.ceil(low - reach), 0, count - 1).astype(np.int64)
    last = np.clip(np.floor(high + reach), 0, count - 1).astype(np.int64)
    width = int((last - first).max(initial=0)) + 1
    first = np.minimum(first, max(count - width, 0))
    voxel = first[:, None] + np.arange(min(width, count))
    integral = _integral(high[:, None], voxel, count, model) - _integral(low[:, None], voxel, count, model)
    return first, np.maximum(integral, 0.0) / length[:, None]


def _integral(end: np.ndarray, voxel: np.ndarray, count: int, model: Model) -> np.ndarray:
    """Integral of each voxel's share in the dose from the grid's border to `end`."""
    t = end - voxel
    if model == "constant":
        return np.clip(t + 0.5, 0.0, 1.0)
    rising, falling = np.clip(t, -1.0, 0.0), np.clip(t, 0.0, 1.0)
    left = np.where(voxel == 0, np.clip(t + 0.5, 0.0, 0.5), (1 + rising) ** 2 / 2)
    right = np.where(voxel == count - 1, np.clip(t, 0.0, 0.5), falling - falling**2 / 2)
    return left + right
