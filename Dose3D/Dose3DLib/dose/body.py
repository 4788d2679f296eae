"""The body as knowledge: no dose outside it, and no smoothness asked for across its surface.

A body that is wrong by some millimetres costs more than it brings, so it is held against the cells first: it is made
larger and smaller, and the version with which a smooth dose explains the cells best is taken; where having no body
explains them better still, there is none. Cells that measured dose where the body is not are named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..geometry.grid import Grid
from .scale import ScaleProblem
from .tikhonov import smoothness_matrix, tikhonov

__all__ = ["BodyFit", "contradicting_cells", "fit_body", "signed_distance"]

OFFSETS_MM = (-5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
_WEIGHT_MM2 = 0.1
_TOLERANCE = 1e-3
_OUTSIDE = 0.02
"""A cell of which less than this lies in the body is outside."""
_CLEAR = 5.0
_LEAST_SHARE = 0.02
"""Dose outside is scattered and leaking radiation up to 2 % of the highest; above that the contour is in question."""


@dataclass(frozen=True, eq=False)
class BodyFit:
    """`body` bool [k, j, i], None where it was given up; `offset_mm`, by which it was enlarged (below 0: reduced);
    `contradicting`: per acquisition the indices of cells with dose outside the body that was given."""

    body: np.ndarray | None
    offset_mm: float
    contradicting: tuple[np.ndarray, ...]


def fit_body(problem: ScaleProblem) -> BodyFit:
    """Hold the problem's body against its cells."""
    distance = signed_distance(problem.body, problem.grid)
    scores = {offset: _score(replace(problem, body=distance < offset)) for offset in OFFSETS_MM}
    best = min(scores, key=lambda offset: (scores[offset], abs(offset)))
    found = contradicting_cells(problem)
    if _score(replace(problem, body=None)) < scores[best]:
        return BodyFit(None, 0.0, found)
    return BodyFit(distance < best if best else problem.body, best, found)


def signed_distance(body: np.ndarray, grid: Grid) -> np.ndarray:
    """mm from the surface, below 0 inside; the surface runs half way between voxel centres. [k, j, i]"""
    from scipy.ndimage import distance_transform_edt

    spacing = grid.spacing_mm
    half = min(spacing) / 2
    outside = distance_transform_edt(~body, spacing) if body.any() else np.full(body.shape, np.inf)
    inside = distance_transform_edt(body, spacing) if not body.all() else np.full(body.shape, np.inf)
    return np.where(body, half - inside, outside - half)


def contradicting_cells(problem: ScaleProblem) -> tuple[np.ndarray, ...]:
    """Per acquisition the indices of cells outside the body whose value is well above noise and 2 % of the highest."""
    highest = max(float(np.nanmax(v, initial=0.0)) for v in problem.values)
    found = []
    for a, (operator, values, sd) in enumerate(zip(problem.operators, problem.values, problem.sd, strict=True)):
        share = np.nan_to_num(operator.apply(problem.inside.astype(np.float64)))
        limit = np.maximum(_CLEAR * sd, _LEAST_SHARE * highest)
        found.append(np.flatnonzero(problem.known(a) & (share < _OUTSIDE) & (values > limit)))
    return tuple(found)


def _score(problem: ScaleProblem) -> float:
    """What the best smooth dose leaves: squared misfit of the cells and the penalty on its differences, Gy^2."""
    inside = problem.inside
    dose = tikhonov(problem.operators, problem.values, inside, _WEIGHT_MM2, None, _TOLERANCE)
    left = sum(
        float(np.nansum((o.apply(dose) - v) ** 2)) for o, v in zip(problem.operators, problem.values, strict=True)
    )
    x = dose[inside]
    weight = _WEIGHT_MM2 * problem.grid.voxel_volume_mm3 / 1000.0
    return left + weight * float(x @ (smoothness_matrix(inside, problem.grid) @ x))
