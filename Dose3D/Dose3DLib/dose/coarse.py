"""A problem on larger voxels, for what needs no fine ones: where the body ends, how much smoothness, a start.

Cells are centimetres large; a fit on voxels of 3 mm differs little from one on 1 mm, and takes a twentieth of the time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..geometry.grid import Grid
from .cell_operator import cell_operator
from .interpolate import line_matrix, through_axes
from .scale import ScaleProblem

__all__ = ["Coarse", "coarsened"]

_VOXEL_MM = 3.2
"""Voxels are joined as long as they stay below this."""


@dataclass(frozen=True, eq=False)
class Coarse:
    """The `problem` on voxels that join `factors` (k, j, i) of the fine grid of `shape`; the last may reach out."""

    problem: ScaleProblem
    factors: tuple[int, int, int]
    shape: tuple[int, int, int]

    def refined(self, array: np.ndarray) -> np.ndarray:
        """Linear onto the fine grid."""
        if max(self.factors) == 1:
            return array
        matrices = [
            line_matrix((np.arange(m) + 0.5) * f, np.arange(n) + 0.5, "linear")
            for m, f, n in zip(array.shape, self.factors, self.shape, strict=True)
        ]
        return through_axes(array, matrices)


def coarsened(problem: ScaleProblem) -> Coarse:
    """Without CT, structures and plan; the problem itself where its voxels are large already."""
    grid = problem.grid
    factors = tuple(max(1, min(int(_VOXEL_MM / step), n)) for step, n in zip(grid.spacing_mm, grid.shape, strict=True))
    if max(factors) == 1:
        return Coarse(problem, (1, 1, 1), grid.shape)
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_lps(np.array([(f - 1) / 2 for f in factors[::-1]]))
    affine[:3, :3] *= factors[::-1]
    larger = Grid(tuple(-(-n // f) for n, f in zip(grid.shape, factors, strict=True)), affine)
    operators = tuple(cell_operator(one.cells, larger) for one in problem.operators)
    body = None if problem.body is None else _joined(problem.body, factors) >= 0.5
    found = replace(problem, operators=operators, grid=larger, body=body, ct=None, structures=None, plan=None)
    return Coarse(found, (factors[0], factors[1], factors[2]), grid.shape)


def _joined(mask: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    """Share of each large voxel; at the end the last small ones are repeated."""
    padded = np.pad(mask, [(0, -n % f) for n, f in zip(mask.shape, factors, strict=True)], mode="edge")
    shape = [part for n, f in zip(padded.shape, factors, strict=True) for part in (n // f, f)]
    return padded.reshape(shape).mean(axis=(1, 3, 5))
