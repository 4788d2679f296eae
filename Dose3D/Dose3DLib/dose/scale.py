"""`ScaleProblem`: what is known when a dose on a fine grid is wanted from the means over a detector's cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.grid import Grid, Volume
from ..geometry.structure import StructureSet
from .cell_operator import CellOperator

__all__ = ["ScaleProblem"]


@dataclass(frozen=True, eq=False)
class ScaleProblem:
    """One or several acquisitions of one dose, and what else is known of the patient.

    Parameters
    ----------
    operators:
        one per acquisition, all on `grid`.
    values:
        per acquisition (n,) Gy; NaN for a cell without a value.
    sd:
        per acquisition (n,) Gy, standard deviation of each value; above 0.
    grid:
        where the dose is wanted: the part of the user's grid that the cells can tell something of.
    body:
        bool [k, j, i] on `grid`, voxels whose centre lies in the patient; None where it is not known.
    ct:
        HU on `grid`; None where there is none.
    structures:
        on `grid`; None where there are none.
    plan:
        expected dose, Gy, on `grid`; None where there is none.
    """

    operators: tuple[CellOperator, ...]
    values: tuple[np.ndarray, ...]
    sd: tuple[np.ndarray, ...]
    grid: Grid
    body: np.ndarray | None = None
    ct: Volume | None = None
    structures: StructureSet | None = None
    plan: Volume | None = None

    def __post_init__(self) -> None:
        if not self.operators or not len(self.operators) == len(self.values) == len(self.sd):
            raise ValueError("every acquisition needs an operator, values and standard deviations")
        for operator, values, sd in zip(self.operators, self.values, self.sd, strict=True):
            if operator.grid.shape != self.grid.shape or not len(operator.cells) == len(values) == len(sd):
                raise ValueError("operators, values and standard deviations do not fit each other")
        arrays = [self.body, *(v.array for v in (self.ct, self.plan) if v is not None)]
        if any(a is not None and a.shape != self.grid.shape for a in arrays):
            raise ValueError("body, CT and plan must lie on the problem's grid")

    @property
    def inside(self) -> np.ndarray:
        """bool [k, j, i]: voxels that may hold dose; all where the body is not known."""
        return np.ones(self.grid.shape, bool) if self.body is None else self.body

    def known(self, acquisition: int) -> np.ndarray:
        """(n,) bool: cells of this acquisition that have a value and reach into the grid."""
        return np.isfinite(self.values[acquisition]) & (self.operators[acquisition].fraction > 0)
