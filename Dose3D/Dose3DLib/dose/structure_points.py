"""A structure as points that each stand for a known part of its volume: what a DVH is counted from.

Contours are the truth where there are any: each polygon stands for a slab of half a slice each side, its plane is cut
into pixels finer than those of the dose, and the share of each pixel that the polygons cover is exact. A mask is its
voxels, cut finer or put together so that there are enough points and not too many.

Each point lies somewhere in its cell, by a sequence that fills space evenly and is the same each time: in the middles
of a lattice whole planes of points would have one dose, and the curve as many steps.

Planning systems differ in how a structure ends: some count half a slice beyond the last contour, some nothing
(`ends`). Of a structure on three slices that is a third of the volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.grid import Grid
from ..geometry.mask import Mask
from ..geometry.occupancy import contours_to_occupancy
from ..geometry.structure import PlanarContours, Structure

__all__ = ["StructurePoints", "structure_points"]

FEWEST_POINTS, MOST_POINTS = 60_000, 1_500_000
"""About how many points a structure gets: the figures of a small one need many, a whole body must not need too many."""

_LEAST_SHARE = 1e-9
"""Less of a cell than this is rounding."""

_EVEN = np.array([0.8191725133961645, 0.6710436067037893, 0.5497004779019703])
"""Powers 1, 2, 3 of the inverse of the real root of x^4 = x + 1: multiples of these, without their whole part, fill a
cube evenly (Roberts 2018, "The unreasonable effectiveness of quasirandom sequences")."""

_DOSE_STEPS = 2.0
"""Points are at least this much closer than the voxels of the dose."""


@dataclass(frozen=True, eq=False)
class StructurePoints:
    """Places within a structure and their volumes.

    Parameters
    ----------
    places_mm:
        (n, 3) LPS.
    volumes_cc:
        (n,) float64; their sum is the structure's volume.
    slices:
        number of slices that the structure was drawn or marked on.
    gaps:
        number of slices between the first and the last of them that it was not.
    """

    places_mm: np.ndarray
    volumes_cc: np.ndarray
    slices: int
    gaps: int = 0

    @property
    def volume_cc(self) -> float:
        return float(self.volumes_cc.sum())


def structure_points(structure: Structure, grid: Grid, dose_spacing_mm: float, ends: bool = True) -> StructurePoints:
    """Points of a structure on its set's grid, finer than `dose_spacing_mm`; of an empty one none.

    Without `ends` contours reach no further than from the first plane to the last; those on one slice alone keep it.
    """
    if structure.contours is not None:
        return _from_contours(structure.contours, grid, dose_spacing_mm, ends)
    return _from_mask(structure.mask, dose_spacing_mm)


def _step_mm(volume_mm3: float, dose_spacing_mm: float) -> float:
    """Edge of the cubes that the points stand for."""
    wanted = min(dose_spacing_mm / _DOSE_STEPS, np.cbrt(volume_mm3 / FEWEST_POINTS))
    return float(max(wanted, np.cbrt(volume_mm3 / MOST_POINTS)))


def _from_contours(contours: PlanarContours, grid: Grid, dose_spacing_mm: float, ends: bool) -> StructurePoints:
    """On a lattice of its own within each slice, so that parts outside the image count, too."""
    polygons = {k: [np.asarray(p, float) for p in contours[k] if len(p) > 2] for k in sorted(contours)}
    polygons = {k: parts for k, parts in polygons.items() if parts}
    if not polygons:
        return _none()
    every = np.concatenate([p for parts in polygons.values() for p in parts])
    low, high, first = every.min(axis=0), every.max(axis=0), min(polygons)
    area = sum(_area(parts) for parts in polygons.values())
    step = _step_mm(area * grid.voxel_volume_mm3, dose_spacing_mm)
    cuts = _cuts(grid.slice_distance_mm / step, ends)
    step = float(np.sqrt(step**3 * cuts / grid.slice_distance_mm))
    fine = [step / spacing for spacing in grid.spacing_mm[:0:-1]]  # of i and j, in pixels
    counts = [max(int(np.ceil((h - o) / f)), 1) for h, o, f in zip(high, low, fine, strict=True)]
    sizes = np.array([max((h - o) / n, 1e-9) for h, o, n in zip(high, low, counts, strict=True)])
    moved = {k - first: [(p - low) / sizes - 0.5 for p in parts] for k, parts in polygons.items()}
    plain = Grid.axial((max(moved) + 1, counts[1], counts[0]), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    offset, block = contours_to_occupancy(moved, plain)
    k, j, i = np.nonzero(block > _LEAST_SHARE)
    shares = block[k, j, i].astype(np.float64)
    inward_j, inward_i = _inward(block, (k, j, i))
    i = low[0] + (i + inward_i + offset[2] + 0.5) * sizes[0]
    j = low[1] + (j + inward_j + offset[1] + 0.5) * sizes[1]
    volumes = shares * sizes[0] * sizes[1] * grid.voxel_volume_mm3 / 1000 / cuts
    halved = None if ends else set(polygons)
    return _through_slabs(
        (k + offset[0] + first, j, i), (volumes, shares), (sizes[0], sizes[1], 1 / cuts), grid, halved
    )


def _cuts(wanted: float, ends: bool) -> int:
    """Parts of a slab; an even number where it may be halved."""
    return max(1, round(wanted)) if ends else 2 * max(1, round(wanted / 2))


def _through_slabs(
    index: tuple[np.ndarray, np.ndarray, np.ndarray],
    amounts: tuple[np.ndarray, np.ndarray],
    sizes: tuple[float, float, float],
    grid: Grid,
    halved: set[int] | None,
) -> StructurePoints:
    """Each point repeated through its slice, `sizes` (i, j, k) apart; with `halved` slices, not beyond the last.

    `amounts` are the volumes of the points and the share of its pixel that each covers: within it they are spread.
    """
    (k, j, i), (volumes, shares) = index, amounts
    cuts, drawn = round(1 / sizes[2]), np.unique(k)
    depth = np.tile((np.arange(cuts) + 0.5) / cuts - 0.5, len(k))
    k, volumes = np.repeat(k, cuts), np.repeat(volumes, cuts)
    every = np.column_stack([np.repeat(i, cuts), np.repeat(j, cuts), k + depth])
    wide = np.repeat(shares, cuts)
    every += _spread(len(every)) * np.column_stack([wide * sizes[0], wide * sizes[1], np.full(len(wide), sizes[2])])
    if halved is not None:
        first = np.isin(k, [n for n in halved if n - 1 not in halved and n + 1 in halved])
        last = np.isin(k, [n for n in halved if n + 1 not in halved and n - 1 in halved])
        keep = ~(first & (depth < 0) | last & (depth > 0))
        every, volumes = every[keep], volumes[keep]
    return StructurePoints(grid.to_lps(every), volumes, len(drawn), _gaps(drawn))


def _gaps(slices: np.ndarray) -> int:
    """Numbers missing between the first and the last of sorted ones."""
    return int(slices[-1] - slices[0]) + 1 - len(slices) if len(slices) else 0


def _inward(block: np.ndarray, index: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """How far (j, i), in pixels, the middle of what is covered of each pixel lies from the pixel's: towards the inside.

    Exact where the border runs along the pixels; the inside is where the neighbours are covered more.
    """
    k, j, i = index
    padded = np.pad(block, ((0, 0), (1, 1), (1, 1)))
    down = padded[k, j + 2, i + 1] - padded[k, j, i + 1]
    across = padded[k, j + 1, i + 2] - padded[k, j + 1, i]
    largest = np.maximum(np.maximum(np.abs(down), np.abs(across)), 1e-6)
    away = (1 - block[k, j, i]) / 2
    return away * down / largest, away * across / largest


def _spread(count: int) -> np.ndarray:
    """Places in a cube from -0.5 to 0.5, (count, 3)."""
    return (np.arange(1, count + 1)[:, None] * _EVEN + 0.5) % 1.0 - 0.5


def _area(parts: list[np.ndarray]) -> float:
    """About the area of polygons in pixels: enough to choose a step by."""
    areas = [abs(np.sum(p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1))) / 2 for p in parts]
    return float(sum(areas))


def _from_mask(mask: Mask, dose_spacing_mm: float) -> StructurePoints:
    if mask.is_empty:
        return _none()
    step = _step_mm(1000 * mask.volume_cc, dose_spacing_mm)
    ratios = np.array([spacing / step for spacing in mask.grid.spacing_mm])
    cuts = np.maximum(np.ceil(ratios - 1e-6), 1).astype(int)
    pool = np.maximum(np.floor(1 / ratios + 1e-6), 1).astype(int)
    share, middles = _pooled(mask.block, pool)
    k, j, i = np.nonzero(share)
    volumes = share[k, j, i] * np.prod(pool) * mask.grid.voxel_volume_mm3 / 1000 / np.prod(cuts)
    parts = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / n - 0.5 for n in cuts), indexing="ij"), -1).reshape(-1, 3)
    every = ((middles[k, j, i] + mask.offset)[:, None, :] + parts[None]).reshape(-1, 3)
    every += _spread(len(every)) * pool / cuts
    slices = np.flatnonzero(mask.block.any(axis=(1, 2)))
    places = mask.grid.to_lps(every[:, ::-1])
    return StructurePoints(places, np.repeat(volumes, len(parts)), len(slices), _gaps(slices))


def _pooled(block: np.ndarray, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of groups of voxels, and the middle (k, j, i) of the voxels of each that are set."""
    padded = np.pad(block, [(0, -n % p) for n, p in zip(block.shape, pool, strict=True)])
    shape = [part for n, p in zip(padded.shape, pool, strict=True) for part in (n // p, p)]
    groups = padded.reshape(shape)
    share = groups.mean(axis=(1, 3, 5))
    middles = np.empty((*share.shape, 3))
    for axis, size in enumerate(pool):
        others = tuple(2 * a + 1 for a in range(3) if a != axis)
        counts = np.moveaxis(groups.sum(axis=others), axis + 1, -1)  # by place in the group
        inside = counts @ np.arange(size) / np.maximum(counts.sum(axis=-1), 1)
        starts = np.arange(share.shape[axis]) * size
        middles[..., axis] = inside + starts.reshape([-1 if a == axis else 1 for a in range(3)])
    return share, middles


def _none() -> StructurePoints:
    return StructurePoints(np.zeros((0, 3)), np.zeros(0), 0)
