"""From a problem to its answer: body held against the cells, method, plan, projection, and what is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.progress import Progress
from .body import BodyFit, fit_body
from .methods import fitted, method
from .noise_weight import noise_weight
from .null_space import null_space_map
from .plan_prior import TrustedPlan, trusted_plan
from .projection import misfit, project
from .scale import ScaleProblem
from .uncertainty import draw_samples, half_width

__all__ = ["Scaled", "scale_dose"]


@dataclass(frozen=True, eq=False)
class Scaled:
    """A dose on the problem's grid, and what is known of it.

    Parameters
    ----------
    dose:
        [k, j, i] Gy.
    half_width:
        [k, j, i] Gy, of the 95 % band around it.
    unseen:
        [k, j, i], 0 seen to 1 not seen by the cells (`null_space`).
    samples:
        doses [k, j, i] that agree with the cells as well.
    problem:
        with the body that was used.
    body:
        what became of the body that was given; None where none was.
    plan:
        how far the plan was trusted; None where there was none.
    weight_mm2:
        of Tikhonov's penalty; None for other methods.
    misfit_before, misfit:
        root mean square of (cell mean of the dose - measured) / sd, before and after the projection.
    model:
        of the network: name, hash, device.
    """

    dose: np.ndarray
    half_width: np.ndarray
    unseen: np.ndarray
    samples: tuple[np.ndarray, ...]
    problem: ScaleProblem
    body: BodyFit | None
    plan: TrustedPlan | None
    weight_mm2: float | None
    misfit_before: float
    misfit: float
    model: dict[str, Any] = field(default_factory=dict)


def scale_dose(
    problem: ScaleProblem, name: str, samples: int = 0, seed: int = 0, progress: Progress | None = None
) -> Scaled:
    """Solve by one of `methods.METHODS`.

    Raises
    ------
    InputError
        a method that cannot do it.
    """
    progress, rng = progress or Progress(), np.random.default_rng(seed)
    body = None
    with progress.stage("body", 0.2):
        if problem.body is not None:
            body = fit_body(problem)
            problem = replace(problem, body=body.body)
    if name == "network":
        return _by_network(problem, body, samples, seed, progress)
    with progress.stage("dose", 0.6):
        weight = noise_weight(problem, rng) if name == "tikhonov" else None
        solve = method(name) if weight is None else _fixed(weight)
        plan = None if problem.plan is None else trusted_plan(problem, solve, rng)
        dose = solve(problem) if plan is None else plan.dose
    return _finished(problem, dose, (body, plan, weight), (samples, rng), progress)


def _fixed(weight: float) -> Callable[[ScaleProblem], np.ndarray]:
    return lambda problem: fitted(problem, weight)


def _finished(problem: ScaleProblem, dose: np.ndarray, how: tuple, draws: tuple, progress: Progress) -> Scaled:
    """Projection, uncertainty, null space, samples."""
    body, plan, weight = how
    before = misfit(problem, np.maximum(dose, 0.0))
    with progress.stage("projection", 0.7):
        dose = project(problem, dose)
    with progress.stage("uncertainty", 1.0):
        unseen = null_space_map(problem)
        width = half_width(problem, dose, unseen)
        drawn = draw_samples(problem, dose, width, draws[0], draws[1], progress)
    return Scaled(dose, width, unseen, drawn, problem, body, plan, weight, before, misfit(problem, dose))


def _by_network(problem: ScaleProblem, body: BodyFit | None, samples: int, seed: int, progress: Progress) -> Scaled:
    from .superres.infer import super_resolve

    with progress.stage("null space", 0.1):
        unseen = null_space_map(problem)
    with progress.part(1.0):
        found = super_resolve(problem, samples, seed, progress, unseen=unseen)
        doses = tuple(np.asarray(one.array, np.float64) for one in found.samples)
        dose, width = (np.asarray(one.array, np.float64) for one in (found.mean, found.half_width))
        left = misfit(problem, dose)
    return Scaled(dose, width, unseen, doses, problem, body, None, None, left, left, dict(found.facts or {}))
