"""How far the dose may be from the truth, and doses that may be it: all agree with the cells.

The half width of the 95 % band grows with the gradient of the dose: a + b * gradient, constants by whether the body is
known, chosen on training patients of OpenKBP so that the band covers 95 % of their voxels (`tools`); where cells see
little it widens. Samples are draws of a Gaussian field around the dose, conditioned on the cells.
"""

from __future__ import annotations

import numpy as np

from ..core.progress import Progress
from ..geometry.grid import Grid
from .kriging import joined
from .scale import ScaleProblem

__all__ = ["draw_samples", "gradient", "half_width", "widened"]

QUANTILE = 2.88
FLOOR_GY, PER_GRADIENT_MM = 0.41, 0.86
"""With 10 mm cells every 12 mm."""
WITHOUT_BODY = 1.3
"""The skin is blurred then; training patients of OpenKBP ask for 0.9 to 2.1."""
USUAL_SHARE = 0.579
"""Of space that cells of 10 mm every 12 mm fill."""
USUAL_UNSEEN = 0.4
"""Cells of 10 mm every 12 mm leave less than this of the prior variance everywhere between them."""
CORRELATION_MM = 4.0
"""Over which errors of a fit from 10 mm cells are alike."""
NORMAL_95 = 1.96


def half_width(problem: ScaleProblem, dose: np.ndarray, unseen: np.ndarray | None = None) -> np.ndarray:
    """Of the 95 % band, Gy, [k, j, i]; 0 outside the body.

    Where `unseen` (see `null_space`) is above what a lattice of cells leaves between them, the band widens, up to the
    highest dose where no cell sees anything.
    """
    slope = gradient(dose, problem.inside, problem.grid)
    width = QUANTILE * (FLOOR_GY + PER_GRADIENT_MM * slope) * _sparseness(problem)
    if problem.body is None:
        width = WITHOUT_BODY * width
    if unseen is not None:
        width = widened(width, unseen, float(dose.max()))
    return np.where(problem.inside, width, 0.0)


def widened(width: np.ndarray, unseen: np.ndarray, highest_gy: float) -> np.ndarray:
    """A band as wide as the highest dose where no cell sees anything, and so from where a lattice sees least on."""
    beyond = np.clip((unseen - USUAL_UNSEEN) / (1 - USUAL_UNSEEN), 0.0, 1.0)
    return np.maximum(width, beyond * highest_gy)


def _sparseness(problem: ScaleProblem) -> float:
    """Above 1 for fewer cells than usual in their region, down to 0.5 for several acquisitions."""
    cells, _, _ = joined(problem)
    span = np.ptp(cells.centers_mm @ cells.axes, axis=0)
    pitch = float((np.prod(span + cells.sizes_mm.max(axis=0)) / len(cells)) ** (1 / 3))
    share = float(cells.volumes_mm3.sum() / np.prod(span + np.maximum(pitch, cells.sizes_mm.max(axis=0))))
    return float(np.clip(np.sqrt(USUAL_SHARE / share), 0.5, 3.0))


def gradient(dose: np.ndarray, inside: np.ndarray, grid: Grid) -> np.ndarray:
    """Length of the gradient, Gy/mm, from differences of neighbours that both lie inside."""
    total = np.zeros(dose.shape)
    for axis, step in enumerate(grid.spacing_mm):
        values, mask = np.moveaxis(dose, axis, 0), np.moveaxis(inside, axis, 0)
        both = mask[1:] & mask[:-1]
        change = np.where(both, (values[1:] - values[:-1]) / step, 0.0)
        over, count = np.zeros(values.shape), np.zeros(values.shape)
        over[1:] += change
        over[:-1] += change
        count[1:] += both
        count[:-1] += both
        total += np.moveaxis(np.divide(over, count, out=np.zeros_like(over), where=count > 0), 0, axis) ** 2
    return np.sqrt(total)


def draw_samples(
    problem: ScaleProblem, dose: np.ndarray, width: np.ndarray, count: int, rng: np.random.Generator, progress: Progress
) -> tuple[np.ndarray, ...]:
    """So many doses [k, j, i] that agree with the cells within their noise and differ by what cells cannot see."""
    if not count:
        return ()
    from .superres.posterior import DoseField

    field, found = DoseField(problem, dose, width / NORMAL_95, CORRELATION_MM), []
    for number in range(count):
        found.append(np.where(problem.inside, field.sample(rng), 0.0))
        progress.report((number + 1) / count)
    return tuple(found)
