"""A plan as prior: what the cells say is carried as the difference from what they should have measured.

The plan may be scaled first to what the cells measured in all. Where the plan is wrong it can mislead: `trusted_plan`
holds back a part of the cells, predicts them with and without the plan, and mixes both by how well each did near by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .scale import ScaleProblem

__all__ = ["TrustedPlan", "planned_difference", "plan_scale", "trusted_plan"]

Solve = Callable[[ScaleProblem], np.ndarray]
"""A method: the dose [k, j, i] of a problem."""

FOLDS = 3
_NEAR_MM = 15.0
"""Within this, errors of held back cells are averaged: the trust in a plan changes from beam to beam, not from cell to
cell."""
_LEAST_GY = 0.05


def plan_scale(problem: ScaleProblem) -> float:
    """s that makes s times the plan's cell means fit the measured ones best (least squares); 1 where the plan is 0."""
    over, under = 0.0, 0.0
    for a, operator in enumerate(problem.operators):
        known = problem.known(a)
        planned = operator.apply(problem.plan.array)[known]
        over += float(planned @ np.asarray(problem.values[a], np.float64)[known])
        under += float(planned @ planned)
    return over / under if under > 0 else 1.0


def planned_difference(problem: ScaleProblem, solve: Solve, scale: float | None = None) -> np.ndarray:
    """`scale` times the plan plus the difference of the cells from it, spread by `solve`; fitted scale where None."""
    factor = plan_scale(problem) if scale is None else scale
    plan = factor * problem.plan.array.astype(np.float64)
    rest = [v - o.apply(plan) for o, v in zip(problem.operators, problem.values, strict=True)]
    return plan + solve(replace(problem, values=tuple(rest), plan=None))


@dataclass(frozen=True, eq=False)
class TrustedPlan:
    """`dose` [k, j, i] Gy; `trust` [k, j, i], 1 where all of it comes from the plan with its difference, 0 where none;
    `with_plan` and `without`: root mean square, Gy, by which held back cells were missed."""

    dose: np.ndarray
    trust: np.ndarray
    with_plan: float
    without: float
