"""Closed surfaces cut at the slices of a grid: the polygons where each plane meets the triangles, without tolerances.

A point belongs to the side above a plane when its k is at least the plane's. So each triangle that a plane meets has
two edges that go through, the neighbour across an edge meets the plane at the same point of it, and polygons close.
"""

from __future__ import annotations

import numpy as np

from .contours import walk_cycles
from .grid import Grid
from .polydata import PolyData
from .structure import PlanarContours

__all__ = ["open_edges", "slice_surface"]


def open_edges(surface: PolyData) -> int:
    """Number of edges that an odd number of triangles share; a closed surface has none."""
    if len(surface.triangles) == 0:
        return 0
    _, counts = np.unique(_edges(surface.triangles), axis=0, return_counts=True)
    return int(np.count_nonzero(counts % 2))


def slice_surface(surface: PolyData, grid: Grid) -> PlanarContours:
    """Polygons of a closed surface at the slices of a grid, those beside it left out.

    `surface.points` are LPS mm. Nested and overlapping parts are filled by the even-odd rule, as all contours are.
    """
    points = grid.to_index(surface.points)
    triangle, plane = _meetings(points[surface.triangles, 2], grid.shape[0])
    if len(triangle) == 0:
        return {}
    edges, number = np.unique(_edges(surface.triangles), axis=0, return_inverse=True)
    number = number.reshape(-1, 3)[triangle]
    is_above = points[surface.triangles, 2][triangle] >= plane[:, None]
    through = is_above != np.roll(is_above, -1, axis=1)
    halves = number[through]
    slices = np.repeat(plane, 2)
    places = _places(points, edges[halves], slices)
    return _polygons(slices * len(edges) + halves, slices, places)


def _edges(triangles: np.ndarray) -> np.ndarray:
    """Both ends of the three edges of each triangle, the smaller number first, (3 m, 2)."""
    pairs = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=-1)
    return np.sort(pairs.reshape(-1, 2), axis=1)


def _meetings(heights: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles and the slices 0 to count - 1 that they meet; `heights` are k of the corners, (m, 3)."""
    first = np.clip(np.floor(heights.min(axis=1)) + 1, 0, count).astype(np.int64)
    end = np.clip(np.floor(heights.max(axis=1)) + 1, 0, count).astype(np.int64)
    counts = np.maximum(end - first, 0)
    triangle = np.repeat(np.arange(len(heights)), counts)
    return triangle, np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts - first, counts)


def _places(points: np.ndarray, edges: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Where edges go through planes, (n, 2) of (i, j)."""
    low, high = points[edges[:, 0]], points[edges[:, 1]]
    share = (plane - low[:, 2]) / (high[:, 2] - low[:, 2])
    return low[:, :2] + share[:, None] * (high - low)[:, :2]


def _polygons(nodes: np.ndarray, slices: np.ndarray, places: np.ndarray) -> PlanarContours:
    """Chain pieces into polygons: halves 2 s and 2 s + 1 are the ends of piece s, equal nodes are the same point.

    Halves at a node pair up, so each polygon is walked twice, once each way; the walk of even beginning stays.
    """
    order = np.argsort(nodes, kind="stable")
    mate = np.empty_like(order)
    mate[order[0::2]], mate[order[1::2]] = order[1::2], order[0::2]
    walk, first, lengths = walk_cycles(mate[np.arange(len(order)) ^ 1])
    ends = np.cumsum(lengths)
    contours: PlanarContours = {}
    for start, end in zip((ends - lengths).tolist(), ends.tolist(), strict=True):
        halves = walk[start:end]
        if halves[0] % 2:
            continue
        polygon = places[halves]
        polygon = polygon[(polygon != np.roll(polygon, 1, axis=0)).any(axis=1)]
        if len(polygon) > 2:
            contours.setdefault(int(slices[halves[0]]), []).append(polygon)
    return dict(sorted(contours.items()))
