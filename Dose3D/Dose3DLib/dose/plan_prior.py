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


def trusted_plan(problem: ScaleProblem, solve: Solve, rng: np.random.Generator) -> TrustedPlan:
    """The dose with the plan where held back cells are better predicted with it, and without it elsewhere.

    In `FOLDS` rounds a part of the cells is held back and predicted both ways; the squared errors, averaged over
    neighbourhoods, weigh both results. A cell's own neighbours are then missing as well for both, so that the errors
    are too large, but comparable.
    """
    factor = plan_scale(problem)
    errors = [np.full((2, len(v)), np.nan) for v in problem.values]
    parts = [rng.permutation(len(v)) % FOLDS for v in problem.values]
    for fold in range(FOLDS):
        kept = tuple(np.where(part == fold, np.nan, v) for v, part in zip(problem.values, parts, strict=True))
        reduced = replace(problem, values=kept)
        doses = planned_difference(reduced, solve, factor), solve(replace(reduced, plan=None))
        for a, (operator, part) in enumerate(zip(problem.operators, parts, strict=True)):
            held = (part == fold) & problem.known(a)
            for way, dose in enumerate(doses):
                errors[a][way, held] = (operator.apply(dose) - problem.values[a])[held]
    trust = _trust(problem, errors)
    both = planned_difference(problem, solve, factor), solve(replace(problem, plan=None))
    everything = np.concatenate(errors, axis=1)
    missed = [float(np.sqrt(np.nanmean(one**2))) if np.isfinite(one).any() else 0.0 for one in everything]
    return TrustedPlan(trust * both[0] + (1 - trust) * both[1], trust, *missed)


def _trust(problem: ScaleProblem, errors: list[np.ndarray]) -> np.ndarray:
    """Weight of the result with the plan, [k, j, i]: 1 / (1 + (squared error with / squared error without)^2)."""
    from scipy.ndimage import gaussian_filter

    sigma = [_NEAR_MM / step for step in problem.grid.spacing_mm]
    means = []
    for way in range(2):
        over, under = np.zeros(problem.grid.shape), np.full(problem.grid.shape, 1e-12)
        for operator, error in zip(problem.operators, errors, strict=True):
            known = np.isfinite(error[way])
            over += operator.adjoint(np.where(known, error[way] ** 2, 0.0))
            under += operator.adjoint(known.astype(np.float64))
        means.append(gaussian_filter(over, sigma) / np.maximum(gaussian_filter(under, sigma), 1e-9) + _LEAST_GY**2)
    return 1.0 / (1.0 + (means[0] / means[1]) ** 2)
