"""Exact areas under polygons: the fraction of each voxel that a structure covers, and its volume.

Polygons are cut into horizontal slabs between all their points, crossings and pixel rows; within a slab edges don't
cross, so that the even-odd rule is plain counting from left to right. What lies between an odd and the next edge is a
trapezoid, whose share of each pixel is exact, nested, overlapping and self-crossing polygons included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .edges import Edges, polygon_edges
from .grid import Grid
from .structure import PlanarContours

__all__ = ["contours_to_occupancy", "contours_volume_cc"]

MOST_ROUNDS = 12
"""Rounds of looking for crossings; each finds those of neighbours, so two or three are enough for drawn contours."""

CROSSING_TOLERANCE_PX = 1e-7
"""Edges out of order by less than this at a slab's border meet there, they don't cross."""


LARGEST_GROUP = 200_000
"""Slices are worked on together up to about this many points, and eight times as many pixels."""


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Edges cut at slabs: slice, j and i at top and bottom, sign +1 where the structure begins, -1 where it ends."""

    k: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    left: np.ndarray
    right: np.ndarray
    sign: np.ndarray


def contours_volume_cc(contours: PlanarContours, grid: Grid) -> float:
    """Volume in cm^3: area by the even-odd rule times slice distance, parts outside the image included."""
    area = 0.0
    for pieces in _by_slices(contours, None):
        middle = (pieces.left + pieces.right) / 2
        area -= float(np.sum(pieces.sign * middle * (pieces.bottom - pieces.top)))
    return area * grid.voxel_volume_mm3 / 1000.0


def contours_to_occupancy(contours: PlanarContours, grid: Grid) -> tuple[tuple[int, int, int], np.ndarray]:
    """Fraction of each voxel's area in its slice that the polygons cover, by the even-odd rule.

    Returns
    -------
    offset:
        first voxel (k, j, i) of the block.
    block:
        float32, 0 to 1; voxels outside it are 0. Shape (0, 0, 0) when nothing is covered.
    """
    inside = {k: polygons for k, polygons in contours.items() if 0 <= k < grid.shape[0]}
    box = _box(inside, grid)
    if box is None:
        return (0, 0, 0), np.zeros((0, 0, 0), np.float32)
    (k0, j0, i0), shape = box
    block = np.zeros(shape, np.float32)
    for pieces in _by_slices(inside, (j0, j0 + shape[1]), shape[1] * shape[2] // 8):
        first, last = int(pieces.k.min()), int(pieces.k.max()) + 1
        block[first - k0 : last - k0] = _cover(pieces, (first, j0, i0), (last - first, *shape[1:]))
    return (k0, j0, i0), block


def _box(contours: PlanarContours, grid: Grid) -> tuple[tuple[int, int, int], tuple[int, int, int]] | None:
    """First voxel and shape of the part of the image that the polygons can touch."""
    polygons = [np.asarray(p) for k in contours for p in contours[k] if len(p) > 2]
    if not polygons:
        return None
    low = np.min([p.min(axis=0) for p in polygons], axis=0)
    high = np.max([p.max(axis=0) for p in polygons], axis=0)
    start = np.clip(np.floor(low + 0.5), 0, grid.shape[:0:-1]).astype(int)
    stop = np.clip(np.ceil(high + 0.5), 0, grid.shape[:0:-1]).astype(int)
    if (stop <= start).any():
        return None
    k0, k1 = min(contours), max(contours) + 1
    return (k0, int(start[1]), int(start[0])), (k1 - k0, int(stop[1] - start[1]), int(stop[0] - start[0]))


def _by_slices(contours: PlanarContours, rows: tuple[int, int] | None, weight: int = 0) -> Iterator[_Pieces]:
    """Pieces of a few slices at a time (points plus `weight` a slice, to bound memory), cut at pixel rows, too."""
    group, held = {}, 0
    for k in sorted(contours):
        group[k] = contours[k]
        held += sum(map(len, contours[k])) + weight
        if held > LARGEST_GROUP:
            yield from _pieces(group, rows)
            group, held = {}, 0
    yield from _pieces(group, rows)


def _pieces(contours: PlanarContours, rows: tuple[int, int] | None) -> Iterator[_Pieces]:
    edges = polygon_edges(contours)
    steep = edges.high[:, 1] > edges.low[:, 1]
    edges = Edges(edges.k[steep], edges.low[steep], edges.high[steep])
    if len(edges.k) == 0:
        return
    levels = _Levels(edges, rows)
    for _ in range(MOST_ROUNDS):
        slab, k, top, bottom, left, right = levels.cut(edges)
        order = np.lexsort((left + right, slab))
        slab, k, top, bottom, left, right = (a[order] for a in (slab, k, top, bottom, left, right))
        crossings = _crossings(slab, k, (top, bottom), (left, right))
        if crossings is None or not levels.add(*crossings):
            break
    first = np.flatnonzero(np.diff(slab, prepend=-1))
    place = np.arange(len(slab)) - np.repeat(first, np.diff(first, append=len(slab)))
    yield _Pieces(k, top, bottom, left, right, 1.0 - 2.0 * (place & 1))


class _Levels:
    """Where each slice is cut: sorted j values of all slices in one array, made comparable by a shift per slice."""

    def __init__(self, edges: Edges, rows: tuple[int, int] | None):
        self.low = min(edges.low[:, 1].min(), -1.0 if rows is None else rows[0] - 1.0)
        self.span = max(edges.high[:, 1].max(), 1.0 if rows is None else rows[1] + 1.0) - self.low + 1.0
        self.slices = slices = np.unique(edges.k)
        own = [self._key(edges.k, edges.low[:, 1]), self._key(edges.k, edges.high[:, 1])]
        if rows is not None:
            borders = np.arange(rows[0], rows[1] + 1) - 0.5
            own.append(self._key(np.repeat(slices, len(borders)), np.tile(borders, len(slices))))
        self.keys = np.unique(np.concatenate(own))

    def _key(self, k: np.ndarray, j: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.slices, k) * self.span + (j - self.low)

    def add(self, k: np.ndarray, j: np.ndarray) -> bool:
        """Cut at further places; False when they were known."""
        before = len(self.keys)
        self.keys = np.unique(np.concatenate([self.keys, self._key(k, j)]))
        return len(self.keys) > before

    def cut(self, edges: Edges) -> tuple[np.ndarray, ...]:
        """Slab number, slice, top, bottom, i at the top and at the bottom of each piece of each edge."""
        start = np.searchsorted(self.keys, self._key(edges.k, edges.low[:, 1]))
        count = np.searchsorted(self.keys, self._key(edges.k, edges.high[:, 1])) - start
        edge = np.repeat(np.arange(len(count)), count)
        slab = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - start, count)
        k = edges.k[edge]
        shift = self.low - np.searchsorted(self.slices, k) * self.span
        top, bottom = self.keys[slab] + shift, self.keys[slab + 1] + shift
        low, rise = edges.low[edge], edges.high[edge] - edges.low[edge]
        slope = rise[:, 0] / rise[:, 1]
        return slab, k, top, bottom, low[:, 0] + (top - low[:, 1]) * slope, low[:, 0] + (bottom - low[:, 1]) * slope


def _crossings(
    slab: np.ndarray, k: np.ndarray, levels: tuple[np.ndarray, np.ndarray], ends: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Slices and j of the crossings of neighbours in the order at mid-slab; None when there are none."""
    (top, bottom), (left, right) = levels, ends
    same = slab[1:] == slab[:-1]
    at_top, at_bottom = left[1:] - left[:-1], right[1:] - right[:-1]
    found = same & ((at_top < -CROSSING_TOLERANCE_PX) | (at_bottom < -CROSSING_TOLERANCE_PX))
    if not found.any():
        return None
    share = at_top[found] / (at_top[found] - at_bottom[found])
    height = (bottom - top)[1:][found]
    return k[1:][found], top[1:][found] + np.clip(share, 0, 1) * height


def _cover(pieces: _Pieces, start: tuple[int, int, int], shape: tuple[int, int, int]) -> np.ndarray:
    """Signed area right of each piece, added up along the rows (the accumulation buffer of font renderers)."""
    j = np.floor((pieces.top + pieces.bottom) / 2 + 0.5).astype(np.int64) - start[1]
    seen = (j >= 0) & (j < shape[1])
    row = ((pieces.k - start[0]) * shape[1] + j)[seen]
    height = (pieces.sign * (pieces.bottom - pieces.top))[seen]
    # In pixels with the left border of the block at 0; cell -1 is all that lies left of it, the last all right of it.
    low = np.minimum(pieces.left, pieces.right)[seen] + 0.5 - start[2]
    high = np.maximum(pieces.left, pieces.right)[seen] + 0.5 - start[2]
    first = np.clip(np.floor(low), -1, shape[2]).astype(np.int64)
    last = np.maximum(np.clip(np.ceil(high) - 1, -1, shape[2]).astype(np.int64), first)
    count = last - first + 1
    piece = np.repeat(np.arange(len(count)), count)
    cell = np.arange(len(piece)) - np.repeat(np.cumsum(count) - count - first, count)
    begin = np.where(cell == first[piece], low[piece], cell)
    end = np.where(cell == last[piece], high[piece], cell + 1)
    width = (high - low)[piece]
    part = height[piece] * np.divide(end - begin, width, out=np.ones(len(piece)), where=count[piece] > 1)
    aside = np.where(cell < 0, 0.0, (begin + end) / 2 - cell)
    target = row[piece] * (shape[2] + 2) + np.maximum(cell, 0)
    size = shape[0] * shape[1] * (shape[2] + 2)
    cover = np.bincount(target, part * (1 - aside), size) + np.bincount(target + 1, part * aside, size)
    cover = cover.reshape(shape[0], shape[1], shape[2] + 2)[:, :, : shape[2]]
    return np.clip(np.cumsum(cover, axis=2), 0.0, 1.0)
