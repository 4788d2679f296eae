"""The body as knowledge: no dose outside it, and no smoothness asked for across its surface.

A body that is wrong by some millimetres costs more than it brings, so it is held against the cells first: its surface
is moved outwards and inwards, place by place, to where a smooth dose explains the cells best. Where they are explained
better still without it, there is none. Cells that measured dose where the body is not are named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..geometry.grid import Grid
from .coarse import coarsened
from .interpolate import spread
from .scale import ScaleProblem
from .tikhonov import tikhonov

__all__ = ["BodyFit", "contradicting_cells", "fit_body", "signed_distance"]

OFFSETS_MM = (-6.0, -4.5, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.5, 6.0, 9.0, 14.0, 20.0)
"""Tried, mm outwards; the large ones are for parts that a contour lacks."""
_WEIGHT_MM2 = 0.1
_TOLERANCE = 1e-3
_NEAR_MM = 12.0
"""Scores are averaged over so far: a contour is wrong over centimetres, not from cell to cell."""
_STAY = 0.05
"""A surface moves where this share of what is left at its place is explained by it."""
_OUTSIDE = 0.02
"""A cell of which less than this lies in the body is outside."""
_FULL = 0.5
_CLEAR = 5.0
_LEAST_SHARE = 0.02
"""Dose outside is scattered and leaking radiation up to 2 % of the highest; above that the contour is in question."""


@dataclass(frozen=True, eq=False)
class BodyFit:
    """What the cells say of a body.

    Parameters
    ----------
    body:
        bool [k, j, i], None where it was given up.
    offset_mm:
        mean, lowest and highest (2nd and 98th percentile) way of the surface outwards.
    contradicting:
        per acquisition the indices of cells with dose outside the body that was given.
    """

    body: np.ndarray | None
    offset_mm: tuple[float, float, float]
    contradicting: tuple[np.ndarray, ...]


def fit_body(problem: ScaleProblem) -> BodyFit:
    """Hold the problem's body against its cells."""
    contradicting, nothing = contradicting_cells(problem), (0.0, 0.0, 0.0)
    whole = _with_parts(problem)
    if not whole.any() or whole.all():
        return BodyFit(None, nothing, contradicting)
    rough = coarsened(replace(problem, body=whole))
    if not rough.problem.body.any() or rough.problem.body.all():
        return BodyFit(None, nothing, contradicting)
    distance = signed_distance(rough.problem.body, rough.problem.grid)
    offset = _offsets(rough.problem, distance)
    body = whole if not offset.any() else signed_distance(whole, problem.grid) < rough.refined(offset)
    held = replace(rough.problem, body=distance < offset if offset.any() else rough.problem.body)
    if not body.any() or _total(replace(held, body=None)) < _total(held):
        return BodyFit(None, nothing, contradicting)
    moved = _way(problem.body, signed_distance(body, problem.grid), problem.grid)
    low, high = np.percentile(moved, [2, 98]) if moved.size else (0.0, 0.0)
    return BodyFit(body, (float(moved.mean()) if moved.size else 0.0, float(low), float(high)), contradicting)


def _way(before: np.ndarray, distance_after: np.ndarray, grid: Grid) -> np.ndarray:
    """mm outwards of the points of the surface before, (m,)."""
    distance = signed_distance(before, grid)
    return (distance - distance_after)[np.abs(distance) < 1.01 * max(grid.spacing_mm)]


def _with_parts(problem: ScaleProblem) -> np.ndarray:
    """The body with the places of cells outside it that are full of dose: a part that it lacks may be larger than any
    offset. A cell is full when it has at least half of the highest value around it: one across the surface has less.
    """
    body, highest = problem.body, max(float(np.nanmax(v, initial=0.0)) for v in problem.values)
    for a, (operator, values) in enumerate(zip(problem.operators, problem.values, strict=True)):
        values = np.where(problem.known(a), values, np.nan)
        share = np.nan_to_num(operator.apply(problem.body.astype(np.float64)))
        around = _highest_around(operator.cells.centers_mm, values)
        full = (share < _FULL) & (values >= _LEAST_SHARE * highest) & (values >= _FULL * around)
        if full.any():
            mark = np.where(np.isnan(values), np.nan, full)
            body = body | (spread(operator.cells, problem.grid, "nearest")(mark) > 0)
    return body


def _highest_around(centers_mm: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n,) the highest value of the nearest 27 cells, itself among them."""
    from scipy.spatial import cKDTree

    _, near = cKDTree(centers_mm).query(centers_mm, min(27, len(centers_mm)))
    return np.nan_to_num(values)[near.reshape(len(centers_mm), -1)].max(axis=1)


def _offsets(problem: ScaleProblem, distance: np.ndarray) -> np.ndarray:
    """By how much the surface moves at each place, mm, [k, j, i]; 0 everywhere where it fits as it is."""
    from scipy.ndimage import gaussian_filter

    sigma = [_NEAR_MM / step for step in problem.grid.spacing_mm]
    costs = {}
    for offset in sorted(OFFSETS_MM, key=abs):
        cost = gaussian_filter(_cost(replace(problem, body=distance < offset)), sigma, mode="nearest")
        costs[offset] = cost if offset else (1 - _STAY) * cost
    order = np.array(sorted(costs, key=abs))
    best = order[np.argmin([costs[offset] for offset in order], axis=0)]
    # Far from the surface no offset changes anything: what is smoothed is weighted by how much the choice matters.
    matters = np.ptp([costs[offset] for offset in order], axis=0)
    under = gaussian_filter(matters, [s / 2 for s in sigma], mode="nearest")
    over = gaussian_filter(matters * best, [s / 2 for s in sigma], mode="nearest")
    return np.divide(over, under, out=np.zeros_like(over), where=under > 1e-12 * under.max())


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


def _cost(problem: ScaleProblem) -> np.ndarray:
    """What the best smooth dose leaves, [k, j, i] Gy^2: squared misfit of cells and penalised differences there."""
    inside, grid = problem.inside, problem.grid
    dose = tikhonov(problem.operators, problem.values, inside, _WEIGHT_MM2, None, _TOLERANCE)
    cost = np.zeros(grid.shape)
    for operator, values in zip(problem.operators, problem.values, strict=True):
        cost += operator.adjoint(np.nan_to_num(operator.apply(dose) - values) ** 2)
    weight = _WEIGHT_MM2 * grid.voxel_volume_mm3 / 1000.0
    for axis, step in enumerate(grid.spacing_mm):
        values, mask, part = (np.moveaxis(array, axis, 0) for array in (dose, inside, cost))
        square = np.where(mask[1:] & mask[:-1], ((values[1:] - values[:-1]) / step) ** 2, 0.0)
        part[1:] += weight / 2 * square
        part[:-1] += weight / 2 * square
    return cost


def _total(problem: ScaleProblem) -> float:
    return float(_cost(problem).sum())
