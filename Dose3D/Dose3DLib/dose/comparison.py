"""Two doses against each other on the grid of the reference: differences and gamma, overall and in regions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.gamma import GammaCriteria, gamma_index, passing_share
from ..geometry.grid import SAME_GRID_TOLERANCE_MM, Grid, Volume
from ..geometry.mask import Mask
from ..geometry.resample import sample_inside

__all__ = ["Comparison", "RegionFigures", "compare_doses", "mask_on_grid", "region_figures"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What two doses have to do with each other.

    Parameters
    ----------
    reference, evaluated:
        the doses, each on its grid, in one unit.
    criteria:
        of gamma, with its normalisation dose.
    difference:
        evaluated minus reference, float32 on the reference's grid; NaN where one has no value.
    gamma, gamma_grid_points:
        on the reference's grid: with the evaluated dose trilinear between its grid points, and at these alone; NaN
        where there is none. The second is None where it was not asked for.
    region:
        bool, voxels of the reference at or above the threshold (local and global alike).
    same_grid:
        both have one grid; nothing was resampled for the difference.
    """

    reference: Volume
    evaluated: Volume
    criteria: GammaCriteria
    difference: Volume
    gamma: np.ndarray
    gamma_grid_points: np.ndarray | None
    region: np.ndarray
    same_grid: bool


@dataclass(frozen=True)
class RegionFigures:
    """Figures of a region of the reference's grid; doses in its unit, shares 0 to 1, None where nothing is known.

    Parameters
    ----------
    voxels, unknown:
        number of the region's voxels, and of those where the evaluated dose has no value.
    mean_reference, mean_evaluated, mean_difference, sd_difference, mean_absolute, lowest, highest:
        over the voxels with both; differences are evaluated minus reference.
    points, passing, passing_grid_points:
        number of voxels with a gamma, share of them with at most 1, and the same without interpolation.
    mean_gamma, highest_gamma:
        over these; capped as the criteria say.
    """

    name: str
    voxels: int
    unknown: int
    mean_reference: float | None
    mean_evaluated: float | None
    mean_difference: float | None
    sd_difference: float | None
    mean_absolute: float | None
    lowest: float | None
    highest: float | None
    points: int
    passing: float | None
    passing_grid_points: float | None
    mean_gamma: float | None
    highest_gamma: float | None


def compare_doses(
    reference: Volume, evaluated: Volume, criteria: GammaCriteria, points: np.ndarray | None = None,
    report: Callable[[float], None] | None = None,
) -> Comparison:  # fmt: skip
    """Difference and both gammas; `points` are flat indices that gamma is restricted to.

    Raises
    ------
    InputError
        the slices of the evaluated dose are sheared.
    """
    if criteria.normalisation is None:
        criteria = replace(criteria, normalisation=float(reference.array.max()))
    same = reference.grid.same_as(evaluated.grid, SAME_GRID_TOLERANCE_MM)
    there = evaluated.array if same else sample_inside(evaluated, reference.grid)
    difference = (there.astype(np.float64) - reference.array).astype(np.float32)
    with np.errstate(invalid="ignore"):
        region = reference.array >= criteria.threshold_percent / 100 * criteria.normalisation
    plain = gamma_index(reference, evaluated, replace(criteria, grid_points_only=True), points=points)
    gamma = gamma_index(reference, evaluated, criteria, points=points, report=report)
    return Comparison(reference, evaluated, criteria, Volume(difference, reference.grid), gamma, plain, region, same)


def region_figures(found: Comparison, name: str, region: np.ndarray) -> RegionFigures:
    """Figures of the voxels of a bool region of the reference's grid."""
    difference, dose = found.difference.array[region].astype(np.float64), found.reference.array[region]
    known = np.isfinite(difference)
    difference, dose = difference[known], dose[known].astype(np.float64)
    values: list[float | None] = [None] * 7
    if known.any():
        values = [dose.mean(), (dose + difference).mean(), difference.mean(), difference.std(),
                  np.abs(difference).mean(), difference.min(), difference.max()]  # fmt: skip
    gamma = found.gamma[region]
    gamma = gamma[np.isfinite(gamma)]
    shares: list[float | None] = [None] * 4
    if gamma.size:
        plain = None if found.gamma_grid_points is None else passing_share(found.gamma_grid_points[region])
        shares = [passing_share(gamma), plain, gamma.mean(), gamma.max()]
    numbers = [None if v is None else float(v) for v in (*values, *shares)]
    return RegionFigures(name, int(region.sum()), int((~known).sum()), *numbers[:7], int(gamma.size), *numbers[7:])


def mask_on_grid(mask: Mask, grid: Grid) -> np.ndarray:
    """Which voxel centres of a grid lie in a mask of any other grid, bool [k, j, i]."""
    if mask.grid.same_as(grid):
        return mask.to_array()
    result = np.zeros(grid.shape, bool)
    if mask.is_empty:
        return result
    first, last = _box(mask, grid)
    if (last <= first).any():
        return result
    k, j, i = (np.arange(a, b) for a, b in zip(first, last, strict=True))
    jj, ii = np.meshgrid(j, i, indexing="ij")
    for slice_ in k:
        index = mask.grid.to_index(grid.to_lps(np.stack([ii, jj, np.full_like(ii, slice_)], axis=-1)))
        at = np.rint(index).astype(int)[..., ::-1] - mask.offset
        inside = ((at >= 0) & (at < mask.block.shape)).all(axis=-1)
        found = np.zeros(ii.shape, bool)
        found[inside] = mask.block[tuple(at[inside].T)]
        result[slice_, j[0] : j[-1] + 1, i[0] : i[-1] + 1] = found
    return result


def _box(mask: Mask, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """First and one past the last (k, j, i) of the grid that the mask may reach."""
    ends = mask.grid.crop(mask.offset, mask.block.shape).affine
    corners = np.array(np.meshgrid(*((-0.5, n - 0.5) for n in mask.block.shape[::-1]), indexing="ij")).reshape(3, -1).T
    index = grid.to_index(corners @ ends[:3, :3].T + ends[:3, 3])[:, ::-1]
    first = np.clip(np.floor(index.min(axis=0)).astype(int), 0, grid.shape)
    return first, np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, grid.shape)
