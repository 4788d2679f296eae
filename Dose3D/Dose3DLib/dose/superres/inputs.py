"""What the network sees: the classical dose, where cells measured, CT, body, targets and the plan, voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...geometry.grid import Grid
from ..scale import ScaleProblem
from ..tikhonov import tikhonov

__all__ = ["CHANNELS", "base_dose", "dose_scale", "model_input", "target_masks"]

CHANNELS = (
    "base", "cells", "coverage", "ct", "has_ct", "body", "depth", "highest_target", "any_target", "target_level",
    "lost_detail", "plan", "has_plan", "noise", "in_plane", "slice_distance",
)  # fmt: skip
"""Order of the channels. Doses are in units of `dose_scale`, CT in 1000 HU, distances in 30 mm and cut at 1."""

_PENUMBRA_MM = 2.0
"""Standard deviation of the blur at the edge of a target in the sketch whose detail the cells lose."""
_DISTANCE_MM = 30.0
_SINGLE_WITH_BODY, _ELSE = 0.03, 0.3
"""Weights of the fit [mm^2]: the skin takes the steepest steps away where the body is known."""


def dose_scale(problem: ScaleProblem) -> float:
    """Gy that count as 1: the 99th percentile of the cells' doses, whatever the prescription."""
    values = np.concatenate([v[np.isfinite(v)] for v in problem.values])
    return max(float(np.percentile(values, 99)), 1e-3) if values.size else 1.0


def base_dose(problem: ScaleProblem) -> np.ndarray:
    """[k, j, i] Gy: Tikhonov's fit, or with a plan the scaled plan and the fit of what differs from it."""
    if problem.plan is None:
        return np.maximum(_fit(problem, problem.values), 0.0)
    planned = [operator.apply(problem.plan.array) for operator in problem.operators]
    factor = _scale(problem, planned)
    rest = [c - factor * p for c, p in zip(problem.values, planned, strict=True)]
    scaled = factor * np.where(problem.inside, problem.plan.array, 0.0)
    return np.maximum(scaled + _fit(problem, rest), 0.0)


def _fit(problem: ScaleProblem, values: Sequence[np.ndarray]) -> np.ndarray:
    weight = _SINGLE_WITH_BODY if problem.body is not None and len(problem.operators) == 1 else _ELSE
    return tikhonov(problem.operators, values, problem.inside, weight)


def _scale(problem: ScaleProblem, planned: list[np.ndarray]) -> float:
    known = [problem.known(n) for n in range(len(planned))]
    c = np.concatenate([v[k] for v, k in zip(problem.values, known, strict=True)])
    p = np.concatenate([v[k] for v, k in zip(planned, known, strict=True)])
    return float(c @ p / max(p @ p, 1e-12))


def target_masks(problem: ScaleProblem) -> list[np.ndarray]:
    """bool [k, j, i] of each target with voxels on the grid."""
    found = [] if problem.structures is None else list(problem.structures)
    return [s.mask.to_array() for s in found if s.is_target and not s.mask.is_empty]


def model_input(problem: ScaleProblem, base: np.ndarray, targets: list[np.ndarray]) -> np.ndarray:
    """(len(CHANNELS), k, j, i) float32, see `CHANNELS`.

    Parameters
    ----------
    base:
        of `base_dose`.
    targets:
        of `target_masks`; without them the distances say "far outside".
    """
    grid, scale = problem.grid, dose_scale(problem)
    cells, coverage = _measured(problem)
    one = np.ones(grid.shape, np.float32)
    ct = 0 * one if problem.ct is None else np.clip(problem.ct.array, -1000, 1000) / 1000
    plan = 0 * one if problem.plan is None else problem.plan.array / scale
    depth = one if problem.body is None else signed_distance(problem.body, grid)
    sd = float(np.median(np.concatenate([s[np.isfinite(s)] for s in problem.sd]))) / scale
    planes = [
        base / scale, cells / scale, coverage, ct, one * (problem.ct is not None), problem.inside, depth,
        *_target_planes(problem, targets, base / scale), plan, one * (problem.plan is not None),
        one * min(10 * sd, 1.0), one * (grid.spacing_mm[2] / 4), one * (grid.spacing_mm[0] / 4),
    ]  # fmt: skip
    return np.stack([np.asarray(p, np.float32) for p in planes])


def _measured(problem: ScaleProblem) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the cells that cover a voxel [Gy], and the number of cells that cover it."""
    total, cover = np.zeros(problem.grid.shape), np.zeros(problem.grid.shape)
    for n, operator in enumerate(problem.operators):
        known = problem.known(n)
        share = operator.cells.volumes_mm3 * operator.fraction * known / problem.grid.voxel_volume_mm3
        total += operator.adjoint(np.where(known, problem.values[n], 0.0) * share)
        cover += operator.adjoint(share)
    return np.divide(total, cover, out=np.zeros_like(total), where=cover > 1e-6), cover


def _target_planes(problem: ScaleProblem, targets: list[np.ndarray], base: np.ndarray) -> list[np.ndarray]:
    """Distances to the target of the highest dose and to all, each target's own median of the classical dose, and what
    of these levels the cells would lose."""
    grid = problem.grid
    level = np.zeros(grid.shape, np.float32)
    if not targets:
        outside = np.full(grid.shape, -1.0, np.float32)
        return [outside, outside, level, level]
    ordered = sorted(((float(np.median(base[mask])), n) for n, mask in enumerate(targets)))
    for median, n in ordered:
        level[targets[n]] = median
    highest, union = targets[ordered[-1][1]], np.logical_or.reduce(targets)
    return [signed_distance(highest, grid), signed_distance(union, grid), level, _lost_detail(problem, level, base)]


def _lost_detail(problem: ScaleProblem, level: np.ndarray, base: np.ndarray) -> np.ndarray:
    """A sketch of the dose, the classical one with the targets flat at their levels, less what the fit makes of it."""
    from scipy.ndimage import gaussian_filter

    flat = np.where(level > 0, level, base)
    sketch = gaussian_filter(flat, _PENUMBRA_MM / np.array(problem.grid.spacing_mm)) * problem.inside
    values = [np.where(problem.known(n), o.apply(sketch), np.nan) for n, o in enumerate(problem.operators)]
    return sketch - _fit(problem, values)


def signed_distance(mask: np.ndarray, grid: Grid) -> np.ndarray:
    """To the border of a mask, positive inside, in units of 30 mm and cut at +-1; float32 [k, j, i]."""
    from scipy.ndimage import distance_transform_edt

    if mask.all() or not mask.any():
        return np.full(mask.shape, 1.0 if mask.all() else -1.0, np.float32)
    inside, outside = (distance_transform_edt(part, sampling=grid.spacing_mm) for part in (mask, ~mask))
    half = min(grid.spacing_mm) / 2  # the border lies between the voxels, not on their centres
    distance = np.where(mask, inside - half, half - outside)
    return np.clip(distance / _DISTANCE_MM, -1, 1).astype(np.float32)
