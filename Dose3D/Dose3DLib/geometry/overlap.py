"""Finds contours of one structure that overlap without one holding the other: there the rule of filling matters."""

from __future__ import annotations

import numpy as np

from .contours import contours_to_mask
from .grid import Grid
from .mask import Mask
from .structure import PlanarContours

__all__ = ["MOST_PAIRS", "overlapping_slices"]

MOST_PAIRS = 500
"""Pairs of polygons looked at for one structure: a label map of noise must not cost minutes."""


def overlapping_slices(contours: PlanarContours, grid: Grid) -> list[int]:
    """Slices on which two polygons share voxels while each has some of its own.

    Holes and islands, which lie within their polygon as a whole, are no overlap.
    """
    found, looked_at = [], 0
    for k, polygons in contours.items():
        pairs = _touching_boxes(polygons) if len(polygons) > 1 else []
        looked_at += len(pairs)
        if looked_at > MOST_PAIRS:
            break
        masks = {n: contours_to_mask({k: [polygons[n]]}, grid) for n in {n for pair in pairs for n in pair}}
        if any(_overlap(masks[a], masks[b]) for a, b in pairs):
            found.append(k)
    return sorted(found)


def _touching_boxes(polygons: list[np.ndarray]) -> list[tuple[int, int]]:
    low = np.array([p.min(axis=0) for p in polygons])
    high = np.array([p.max(axis=0) for p in polygons])
    touch = (low[:, None] < high[None]).all(axis=2)
    touch &= touch.T
    return [(int(a), int(b)) for a, b in np.argwhere(np.triu(touch, 1))]


def _overlap(a: Mask, b: Mask) -> bool:
    start = np.maximum(a.offset, b.offset)
    stop = np.minimum(np.add(a.offset, a.block.shape), np.add(b.offset, b.block.shape))
    if (stop <= start).any():
        return False
    shared = int(np.count_nonzero(_part(a, start, stop) & _part(b, start, stop)))
    return 0 < shared < min(a.voxels, b.voxels)


def _part(mask: Mask, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    return mask.block[tuple(slice(a - o, b - o) for a, b, o in zip(start, stop, mask.offset, strict=True))]
