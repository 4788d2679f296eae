"""How much smoothness: the weight of Tikhonov's penalty that leaves in the cells just what their noise explains.

Discrepancy principle with the fit's own degrees of freedom: the largest weight for which
|A x - c|^2 <= sd^2 (n - trace of the fit's matrix). A fit of n cells that do not overlap can follow each of them, and
leaves little; a residual as large as the noise itself (Morozov's principle) would smooth such a fit too much. The trace
is estimated with a random vector (M. F. Hutchinson, Commun. Stat. Simul. 19 (1990) 433).
"""

from __future__ import annotations

import numpy as np

from .coarse import coarsened
from .scale import ScaleProblem
from .tikhonov import tikhonov

__all__ = ["LADDER_MM2", "noise_weight"]

LADDER_MM2 = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03)
"""Weights that are tried, from smooth to rough; the last one where none leaves as little as the noise."""
_TOLERANCE = 1e-3


def noise_weight(problem: ScaleProblem, rng: np.random.Generator) -> float:
    """The weight in mm2; found on voxels of 3 mm where the problem's are finer."""
    problem = coarsened(problem).problem
    known = [problem.known(a) for a in range(len(problem.operators))]
    variance = np.concatenate([np.asarray(sd)[k] ** 2 for sd, k in zip(problem.sd, known, strict=True)])
    signs = [np.where(k, rng.choice([-1.0, 1.0], len(k)), np.nan) for k in known]
    scaled = [s * sd for s, sd in zip(signs, problem.sd, strict=True)]
    dose = probe = None
    for weight in LADDER_MM2:
        dose = _fit(problem, problem.values, weight, dose)
        probe = _fit(problem, scaled, weight, probe)
        left, follows = _difference(problem, dose, problem.values), _difference(problem, probe, scaled)
        # With the signs scaled by each cell's sd, -z'(Hz - z) estimates the sum of variances that the fit leaves.
        expected = sum(float(np.nansum(-d * s)) for d, s in zip(follows, scaled, strict=True))
        if sum(float(np.nansum(d**2)) for d in left) <= min(expected, float(variance.sum())):
            return weight
    return LADDER_MM2[-1]


def _fit(
    problem: ScaleProblem, values: list[np.ndarray] | tuple[np.ndarray, ...], weight: float, start: np.ndarray | None
) -> np.ndarray:
    return tikhonov(problem.operators, values, problem.inside, weight, start, _TOLERANCE)


def _difference(
    problem: ScaleProblem, dose: np.ndarray, values: list[np.ndarray] | tuple[np.ndarray, ...]
) -> list[np.ndarray]:
    """Fitted minus given means; NaN where a cell has none."""
    return [o.apply(dose) - v for o, v in zip(problem.operators, values, strict=True)]
