"""The smoothest dose that agrees with the cells: least squares with a penalty on first differences (Tikhonov).

Minimises  sum over cells |A x - c|^2 + w (v / 1000 mm^3) sum over neighbours |difference / distance|^2  over the voxels
that may hold dose (v: a voxel's volume), by conjugate gradients; several acquisitions are one sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.grid import Grid
from .cell_operator import CellOperator

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["smoothness_matrix", "tikhonov"]

MOST_ITERATIONS = 2000


def tikhonov(
    operators: Sequence[CellOperator],
    values: Sequence[np.ndarray],
    inside: np.ndarray,
    weight_mm2: float = 0.3,
    start: np.ndarray | None = None,
    tolerance: float = 1e-5,
) -> np.ndarray:
    """The fitted dose, [k, j, i] float64, 0 outside `inside`; it may be slightly negative.

    Parameters
    ----------
    operators, values:
        per acquisition, on one grid; cells without a value are NaN and left out.
    inside:
        bool [k, j, i], voxels that may hold dose. Differences across its border are not penalised.
    weight_mm2:
        of the penalty.
    start:
        first guess, [k, j, i]; the cells' values spread over their voxels where None.
    tolerance:
        of the residual, relative to the right-hand side.
    """
    from scipy.sparse import vstack
    from scipy.sparse.linalg import cg

    grid = operators[0].grid
    chosen = np.flatnonzero(inside)
    known = [np.isfinite(c) & (o.fraction > 0) for o, c in zip(operators, values, strict=True)]
    matrix = vstack([o.matrix[k][:, chosen] for o, k in zip(operators, known, strict=True)], format="csr")
    measured = np.concatenate([np.asarray(c, np.float64)[k] for c, k in zip(values, known, strict=True)])
    transposed = matrix.T.tocsr()
    smooth = smoothness_matrix(inside, grid) * (weight_mm2 * grid.voxel_volume_mm3 / 1000.0)
    first = _spread(transposed, measured) if start is None else np.asarray(start, np.float64).ravel()[chosen]
    found, _ = cg(
        _Normal(matrix, transposed, smooth).operator(),
        transposed @ measured,
        x0=first,
        rtol=tolerance,
        maxiter=MOST_ITERATIONS,
    )
    dose = np.zeros(grid.shape)
    dose.ravel()[chosen] = found
    return dose


class _Normal:
    """The normal equations, applied without forming their product."""

    def __init__(self, matrix: csr_matrix, transposed: csr_matrix, smooth: csr_matrix):
        self.matrix, self.transposed, self.smooth = matrix, transposed, smooth

    def operator(self):
        from scipy.sparse.linalg import LinearOperator

        size = self.smooth.shape[0]
        return LinearOperator((size, size), matvec=self._product, dtype=np.float64)

    def _product(self, x: np.ndarray) -> np.ndarray:
        return self.transposed @ (self.matrix @ x) + self.smooth @ x


def smoothness_matrix(inside: np.ndarray, grid: Grid) -> csr_matrix:
    """x' M x is the sum of |difference / distance|^2 [1/mm^2] of neighbours that both lie inside; (m, m) CSR."""
    from scipy.sparse import coo_matrix, diags

    number = np.full(inside.shape, -1, np.int64)
    number[inside] = np.arange(np.count_nonzero(inside))
    size, total = int(number.max(initial=-1)) + 1, None
    for axis, step in enumerate(grid.spacing_mm):
        a, b = np.moveaxis(number, axis, 0)[:-1].ravel(), np.moveaxis(number, axis, 0)[1:].ravel()
        both = (a >= 0) & (b >= 0)
        a, b = a[both], b[both]
        half = coo_matrix((np.full(a.size, 1 / step**2), (a, b)), (size, size)).tocsr()
        sum_ = half + half.T
        part = diags(np.asarray(sum_.sum(axis=1)).ravel()) - sum_
        total = part if total is None else total + part
    return total.tocsr()


def _spread(transposed: csr_matrix, measured: np.ndarray) -> np.ndarray:
    """The mean of the cells that touch a voxel, and of all where none does."""
    weight = transposed @ np.ones(measured.size)
    mean = float(measured.mean()) if measured.size else 0.0
    return np.divide(transposed @ measured, weight, out=np.full(weight.size, mean), where=weight > 1e-12)
