"""The edges of planar polygons as flat arrays, so that rasterising needs no loop over points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .structure import PlanarContours

__all__ = ["SNAP_PER_PIXEL", "Edges", "polygon_edges", "snap"]

SNAP_PER_PIXEL = 2.0**20
"""Coordinates count as equal within 1 / this (a millionth of a pixel).

Files round to 1e-4 mm or so, and the way through a matrix adds 1e-12; without snapping, a point that lies on a pixel
centre by construction would fall on either side by chance.
"""

LARGEST_INDEX = 2.0**31
"""Coordinates beyond this many pixels are clipped: no image reaches there, and integers must hold them."""


@dataclass(frozen=True, eq=False)
class Edges:
    """Polygon edges with the end of smaller j first, so that an edge walked there and back gives equal numbers.

    Parameters
    ----------
    k:
        slice of each edge, shape (n,).
    low, high:
        the ends (i, j), pixel centres at whole numbers, shape (n, 2); low j <= high j.
    """

    k: np.ndarray
    low: np.ndarray
    high: np.ndarray


def snap(values: np.ndarray) -> np.ndarray:
    """Round to the nearest millionth of a pixel."""
    return np.rint(values * SNAP_PER_PIXEL) / SNAP_PER_PIXEL


def polygon_edges(contours: PlanarContours) -> Edges:
    """All edges of all polygons, in order, closing edges included; horizontal ones too.

    Raises
    ------
    ValueError
        a coordinate is not finite.
    """
    polygons = [(k, np.asarray(p, dtype=np.float64)) for k in sorted(contours) for p in contours[k] if len(p)]
    if not polygons:
        return Edges(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)))
    points = np.concatenate([p for _, p in polygons])
    if not np.isfinite(points).all():
        raise ValueError("contours hold coordinates that are not finite numbers")
    lengths = np.array([len(p) for _, p in polygons])
    ends = np.cumsum(lengths)
    points = snap(np.clip(points, -LARGEST_INDEX, LARGEST_INDEX))
    following = np.arange(1, len(points) + 1)
    following[ends - 1] = ends - lengths
    k = np.repeat(np.array([k for k, _ in polygons], dtype=np.int64), lengths)
    return _ordered(k, points, points[following])


def _ordered(k: np.ndarray, first: np.ndarray, second: np.ndarray) -> Edges:
    down = (first[:, 1] < second[:, 1]) | ((first[:, 1] == second[:, 1]) & (first[:, 0] <= second[:, 0]))
    return Edges(k, np.where(down[:, None], first, second), np.where(down[:, None], second, first))
