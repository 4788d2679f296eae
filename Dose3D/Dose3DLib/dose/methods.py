"""The ways from cells to a dose, by the names that users know them by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .back_projection import back_projection
from .coarse import coarsened
from .interpolate import Kind, spread
from .kriging import LEAST_IN_BODY, body_shares, joined, kriging
from .noise_weight import noise_weight
from .scale import ScaleProblem
from .tikhonov import tikhonov

__all__ = ["METHODS", "method"]

METHODS = ("nearest", "linear", "cubic", "ibp", "tikhonov", "kriging", "network")
_SEED = 0


def method(name: str) -> Callable[[ScaleProblem], np.ndarray]:
    """The classical method of this name: from a problem to doses [k, j, i], Gy, 0 outside the body."""
    return {
        "nearest": lambda problem: _interpolated(problem, "nearest"),
        "linear": lambda problem: _interpolated(problem, "linear"),
        "cubic": lambda problem: _interpolated(problem, "cubic"),
        "ibp": back_projection,
        "kriging": kriging,
        "tikhonov": fitted,
    }[name]


def _interpolated(problem: ScaleProblem, kind: Kind) -> np.ndarray:
    """Several acquisitions are interpolated as one set of points.

    Of a cell across the body's surface the mean over its part in the body counts; one that is outside counts nothing.
    """
    cells, values, _ = joined(problem)
    if problem.body is not None:
        share = body_shares(problem)
        values = np.where(share >= LEAST_IN_BODY, values / np.maximum(share, LEAST_IN_BODY), np.nan)
    return np.where(problem.inside, spread(cells, problem.grid, kind)(values), 0.0)


def fitted(problem: ScaleProblem, weight_mm2: float | None = None) -> np.ndarray:
    """Tikhonov's dose; its weight from the noise where None."""
    weight = noise_weight(problem, np.random.default_rng(_SEED)) if weight_mm2 is None else weight_mm2
    rough = coarsened(problem)
    if rough.problem is problem:
        return tikhonov(problem.operators, problem.values, problem.inside, weight)
    coarse = rough.problem
    start = rough.refined(tikhonov(coarse.operators, coarse.values, coarse.inside, weight))
    return tikhonov(problem.operators, problem.values, problem.inside, weight, start)
