"""Iterative back-projection: what the cells would measure in the present dose is missing from what they did measure,
and this difference, interpolated, is added, some times over.
"""

from __future__ import annotations

import numpy as np

from .interpolate import spread
from .scale import ScaleProblem

__all__ = ["back_projection"]

ROUNDS = 10


def back_projection(problem: ScaleProblem, rounds: int = ROUNDS) -> np.ndarray:
    """The dose [k, j, i], Gy, after `rounds` linear corrections from 0; of several acquisitions the mean correction."""
    spreads = [spread(operator.cells, problem.grid, "linear") for operator in problem.operators]
    dose = np.zeros(problem.grid.shape)
    for _ in range(rounds):
        correction = np.zeros(problem.grid.shape)
        for operator, values, linear in zip(problem.operators, problem.values, spreads, strict=True):
            correction += linear(values - operator.apply(dose))
        dose = np.where(problem.inside, dose + correction / len(spreads), 0.0)
    return dose
