"""`PolyData`: points with triangles and closed lines, what files of surfaces and of planar contours hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["PolyData", "merged", "triangles_of", "triangles_of_strips"]


@dataclass(frozen=True, eq=False)
class PolyData:
    """One object of a file, in the file's own frame and millimetres.

    Parameters
    ----------
    points:
        (n, 3) float64.
    triangles:
        (m, 3) numbers of points.
    loops:
        closed lines, each an array of numbers of points; the first is not repeated.
    fields:
        texts of the file by name: `name`, `color` ("r g b", 0 to 1), `space` (LPS or RAS).
    """

    points: np.ndarray
    triangles: np.ndarray
    loops: tuple[np.ndarray, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)


def triangles_of(offsets: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """Polygons as fans of triangles; `offsets` are the ends of each polygon in `connectivity`."""
    if len(offsets) == 0:
        return np.zeros((0, 3), np.int64)
    starts = np.concatenate([[0], offsets[:-1]]).astype(np.int64)
    counts = np.maximum(offsets - starts - 2, 0)
    polygon = np.repeat(np.arange(len(starts)), counts)
    place = np.arange(len(polygon)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = starts[polygon]
    return np.column_stack([connectivity[first], connectivity[first + place + 1], connectivity[first + place + 2]])


def triangles_of_strips(offsets: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """Triangle strips as triangles; every second one is turned so that all face the same side."""
    parts = [np.zeros((0, 3), np.int64)]
    for strip in np.split(connectivity, offsets[:-1]) if len(offsets) else ():
        part = np.column_stack([strip[:-2], strip[1:-1], strip[2:]])
        part[1::2] = part[1::2, ::-1]
        parts.append(part)
    return np.concatenate(parts)


def merged(data: PolyData) -> PolyData:
    """Points at exactly the same place become one, and triangles that are a line or a point go."""
    points, index = np.unique(data.points, axis=0, return_inverse=True)
    triangles = index.reshape(-1)[data.triangles]
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (c != a)]
    return PolyData(points, triangles, tuple(index.reshape(-1)[loop] for loop in data.loops), data.fields)
