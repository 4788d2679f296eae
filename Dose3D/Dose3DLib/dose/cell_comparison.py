"""Two doses as the cells of a detector see them, beside what gamma says in the patient's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.cells import Cells
from ..geometry.gamma import PASS_TOLERANCE, gamma_at_places, passing_share
from ..geometry.grid import Grid, Volume
from ..geometry.resample import sample_inside
from .cell_operator import cell_operator
from .comparison import Comparison

__all__ = ["CellComparison", "compare_in_cells", "moving_mean"]

_WHOLE = 1 - 1e-6
_ALIGNED = 1e-6


@dataclass(frozen=True, eq=False)
class CellComparison:
    """Per cell; arrays are (n,), NaN where nothing is known.

    Parameters
    ----------
    reference, evaluated:
        mean doses.
    fraction:
        share of the cell's volume in which both doses are known.
    judged:
        cells whose reference mean reaches the threshold and whose evaluated mean is known.
    within:
        judged cells whose means differ by no more than the dose difference of the criteria.
    gamma:
        of judged cells: least distance of the reference's mean to what a cell of that size would see of the evaluated
        dose anywhere; NaN where that is not known.
    passing:
        share of the cell's volume, where gamma is known in the patient's grid, in which it passes.
    """

    cells: Cells
    reference: np.ndarray
    evaluated: np.ndarray
    fraction: np.ndarray
    judged: np.ndarray
    within: np.ndarray
    gamma: np.ndarray
    passing: np.ndarray

    @property
    def share_within(self) -> float:
        """Share of the judged cells that are within; NaN where none is judged."""
        return float(self.within[self.judged].mean()) if self.judged.any() else float("nan")

    @property
    def passing_share(self) -> float:
        """Share of the cells with a gamma whose gamma is at most 1; NaN where there is none."""
        return passing_share(self.gamma)


def compare_in_cells(found: Comparison, cells: Cells) -> CellComparison:
    """Exact means of both doses over the cells, and gamma of these means.

    A cell that lies in a grid in part has the mean of that part; `fraction` says how much.
    """
    ours, theirs = (cell_operator(cells, one.grid) for one in (found.reference, found.evaluated))
    reference, evaluated = ours.apply(found.reference.array), theirs.apply(found.evaluated.array)
    criteria = found.criteria
    share = criteria.dose_percent / 100
    width = share * (reference if criteria.is_local else np.full(len(cells), criteria.normalisation))
    with np.errstate(invalid="ignore"):
        judged = np.isfinite(evaluated) & (reference >= criteria.threshold_percent / 100 * criteria.normalisation)
        judged &= width > 0
        within = judged & (np.abs(evaluated - reference) <= width * (1 + PASS_TOLERANCE))
    known = np.isfinite(found.gamma)
    whole = cell_operator(cells, found.reference.grid, "constant")
    passes = known & (np.nan_to_num(found.gamma, nan=np.inf) <= 1 + PASS_TOLERANCE)
    weight = whole.apply(known.astype(np.float32))
    passing = np.divide(whole.apply(passes.astype(np.float32)), weight, out=np.full(len(cells), np.nan),
                        where=np.nan_to_num(weight) > 1e-9)  # fmt: skip
    fraction = np.minimum(ours.fraction, theirs.fraction)
    gamma = _gamma(found, cells, np.where(judged & (fraction > _WHOLE), reference, np.nan))
    return CellComparison(cells, reference, evaluated, fraction, judged, within, gamma, passing)


def _gamma(found: Comparison, cells: Cells, means: np.ndarray) -> np.ndarray:
    """Gamma of the cells' means to the evaluated dose as a cell of the same size sees it, wherever it stands."""
    result = np.full(len(cells), np.nan)
    known = np.isfinite(means)
    for size in np.unique(cells.sizes_mm[known], axis=0):
        some = np.flatnonzero(known & (cells.sizes_mm == size).all(axis=1))
        centers = cells.centers_mm[some]
        reach = found.criteria.distance_mm * found.criteria.highest
        seen = moving_mean(_along_cells(found.evaluated, cells.axes, centers, size / 2 + reach), cells.axes, size)
        result[some] = gamma_at_places(centers, means[some], seen, found.criteria)
    return result


def _along_cells(dose: Volume, axes: np.ndarray, centers_mm: np.ndarray, margin_mm: np.ndarray) -> Volume:
    """The dose around the cells: a part of it where its grid runs along their axes, else resampled as fine as it is."""
    directions = dose.grid.affine[:3, :3] / np.linalg.norm(dose.grid.affine[:3, :3], axis=0)
    if (np.abs(directions.T @ axes).max(axis=0) > 1 - _ALIGNED).all():
        return _part(dose, centers_mm, float(np.linalg.norm(margin_mm)))
    step = min(dose.grid.spacing_mm)
    along = centers_mm @ axes
    low, high = along.min(axis=0) - margin_mm - step, along.max(axis=0) + margin_mm + step
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = step * axes, axes @ low
    shape = tuple(int(n) for n in np.ceil((high - low) / step).astype(int)[::-1] + 1)
    grid = Grid(shape, affine)
    return Volume(sample_inside(dose, grid), grid)


def _part(dose: Volume, centers_mm: np.ndarray, margin_mm: float) -> Volume:
    """The block of a dose that holds all places at most so far from the cells' centres."""
    index = dose.grid.to_index(centers_mm)[:, ::-1]
    margin = margin_mm / np.array(dose.grid.spacing_mm)
    first = np.clip(np.floor(index.min(axis=0) - margin).astype(int), 0, None)
    last = np.clip(np.ceil(index.max(axis=0) + margin).astype(int) + 1, None, dose.grid.shape)
    block = dose.array[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    return Volume(block, dose.grid.crop(tuple(first.tolist()), block.shape))


def moving_mean(dose: Volume, axes: np.ndarray, size_mm: np.ndarray) -> Volume:
    """Means of a trilinear dose over a box around each grid point; NaN where the box reaches beyond the grid.

    `axes` (3, 3) are the box's, parallel to the grid's in any order; `size_mm` (3,) is along them.
    """
    from scipy.ndimage import convolve1d

    grid = dose.grid
    directions = grid.affine[:3, 2::-1] / np.array(grid.spacing_mm)
    length = np.asarray(size_mm)[np.abs(directions.T @ axes).argmax(axis=1)] / np.array(grid.spacing_mm)
    result = dose.array.astype(np.float64)
    for axis, half in enumerate(length / 2):
        far = int(np.ceil(half)) + 1
        offset = np.arange(-far, far + 1)
        weight = _hat_integral(half - offset) - _hat_integral(-half - offset)
        result = convolve1d(result, weight / (2 * half), axis, mode="nearest")
        lost = int(np.ceil(half - _ALIGNED))
        ends = np.moveaxis(result, axis, 0)
        ends[:lost], ends[max(len(ends) - lost, 0) :] = np.nan, np.nan
    return Volume(result, grid)


def _hat_integral(end: np.ndarray) -> np.ndarray:
    """Integral of max(0, 1 - |t|) from below to `end`."""
    t = np.clip(end, -1, 1)
    return np.where(t < 0, (1 + t) ** 2 / 2, 1 - (1 - t) ** 2 / 2)
