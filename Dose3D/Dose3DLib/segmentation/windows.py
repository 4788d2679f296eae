"""Where the windows of the sliding window lie: how much work an image is, and which part of it a region needs."""

from __future__ import annotations

import math

import numpy as np

from ..geometry.box import Box
from ..geometry.grid import Grid

__all__ = ["OVERLAP", "region_grid", "window_count", "window_starts"]

OVERLAP = 0.25
"""Share of a window that the next one covers again."""

_BORDER = 2
"""Voxels around a region whose values interpolation may ask for."""


def window_starts(size: int, patch: int, overlap: float = OVERLAP) -> list[int]:
    """First voxels of MONAI's windows along one axis; the last one is moved back so that it ends with the image."""
    step = max(int(patch * (1 - overlap)), 1)
    count = 1 + math.ceil(max(size - patch, 0) / step)
    return [max(0, min(n * step, size - patch)) for n in range(count)]


def window_count(shape: tuple[int, ...], patch: tuple[int, ...], overlap: float = OVERLAP) -> int:
    """How many windows MONAI's sliding window takes for an image (k, j, i)."""
    return math.prod(len(window_starts(n, p, overlap)) for n, p in zip(shape, patch, strict=True))


def region_grid(grid: Grid, region: Box, patch: tuple[int, int, int]) -> Grid:
    """The part of the network's grid that holds all windows which see the region, and nothing else.

    A network that normalizes each window answers otherwise in windows that lie elsewhere. With the very windows of the
    whole image an organ is in the region what it is without one. `grid` is axis-aligned LPS; where the region lies
    outside it, the nearest windows are taken.
    """
    corners = grid.to_index(np.stack([region.low_mm, region.high_mm]))[:, ::-1]
    offset, shape = [], []
    for size, window, (low, high) in zip(grid.shape, patch, corners.T, strict=True):
        first = int(np.clip(np.floor(low) - _BORDER, 0, size - 1))
        last = int(np.clip(np.ceil(high) + _BORDER, 0, size - 1))
        starts = [start for start in window_starts(size, window) if start <= last and start + window > first]
        offset.append(starts[0])
        shape.append(min(starts[-1] + window, size) - starts[0])
    return grid.crop(tuple(offset), tuple(shape))
