"""What no detector can be: two cells, or their covers, in the same place."""

from __future__ import annotations

import numpy as np

from ..geometry.cells import Cells

__all__ = ["FARTHEST_MM", "SMALLEST_MM", "TOLERANCE_MM", "fitting_wall", "odd_numbers", "overlapping_pair"]

TOLERANCE_MM = 1e-3
"""Boxes that share less than this have rounded numbers, no fault."""

FARTHEST_MM, SMALLEST_MM = 1e5, 0.01
"""A cell more than 100 m away, or shorter than this, comes from numbers in another unit or from a damaged file."""

_CHUNK = 8192


def odd_numbers(centers_mm: np.ndarray, sizes_mm: np.ndarray) -> str:
    """What is wrong with positions (n, 3) or sizes (any shape) that no detector in a patient has; "" for plain ones."""
    farthest = float(np.abs(centers_mm).max(initial=0.0))
    if not farthest <= FARTHEST_MM:
        return f"has a cell {farthest:.3g} mm away"
    least, most = float(np.min(sizes_mm, initial=1.0)), float(np.max(sizes_mm, initial=1.0))
    if not (least >= SMALLEST_MM and most <= FARTHEST_MM):
        return f"has a cell of {least if least < SMALLEST_MM else most:.3g} mm"
    return ""


def overlapping_pair(cells: Cells, wall_mm: float = 0.0) -> tuple[int, int, float] | None:
    """The first two cells found whose boxes, each `wall_mm` larger on every side, overlap, and by how much (mm).

    The depth is the shortest way along one axis that would part them.
    """
    from scipy.spatial import cKDTree

    halves = cells.sizes_mm / 2 + wall_mm
    centers = cells.centers_mm @ cells.axes  # along the boxes' own axes, which they share
    scale = np.median(halves, axis=0) if len(cells) else np.ones(3)
    # Less the tolerance, so that the neighbours in a lattice that only touch are not met at all.
    tree, reach = cKDTree(centers / scale), ((2 * halves - TOLERANCE_MM) / scale).max(axis=1, initial=0.0)
    start, step = 0, 1
    while start < len(cells):
        stop = min(start + step, len(cells))
        near = tree.query_ball_point(centers[start:stop] / scale, reach[start:stop], p=np.inf)
        found = _deepest(centers, halves, start, near)
        if found is not None:
            return found
        start, step = stop, min(2 * step, _CHUNK)  # where all overlap, the first cells show it
    return None


def _deepest(centers: np.ndarray, halves: np.ndarray, start: int, near: np.ndarray) -> tuple[int, int, float] | None:
    """A cell reaches any smaller one that it overlaps within twice its own half-lengths: each pair is met once."""
    first = np.repeat(np.arange(start, start + len(near)), [len(others) for others in near])
    second = np.concatenate([np.asarray(others, np.intp) for others in near]) if len(near) else first
    first, second = first[first != second], second[first != second]
    depth = (halves[first] + halves[second] - np.abs(centers[first] - centers[second])).min(axis=1)
    if not len(depth) or depth.max() <= TOLERANCE_MM:
        return None
    n = int(np.argmax(depth))
    a, b = sorted((int(first[n]), int(second[n])))
    return a, b, float(depth[n])


def fitting_wall(cells: Cells, wanted_mm: float) -> float:
    """The thickest cover up to `wanted_mm` whose neighbours at most touch; 0 for cells that touch already."""
    wall = float(wanted_mm)
    while wall > 0:
        found = overlapping_pair(cells, wall)
        if found is None:
            return wall
        wall = max(0.0, round(wall - found[2] / 2, 6))
    return 0.0
