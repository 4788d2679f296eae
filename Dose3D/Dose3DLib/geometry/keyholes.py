"""Holes joined to the outline around them by a channel of zero width (DICOM PS3.3 C.8.8.6.3, "keyhole").

Some readers fill each polygon of a slice for itself, and holes that are polygons of their own vanish in them. A keyhole
is right under every rule of filling. The channel runs along the edge of a pixel row, half a pixel away from all
centres.
"""

from __future__ import annotations

import numpy as np

from .contours import walk_cycles
from .structure import PlanarContours

__all__ = ["join_holes"]


def join_holes(contours: PlanarContours) -> PlanarContours:
    """Turn the holes of pixel-edge polygons, as `mask_to_contours` makes them, into keyholes.

    From its upper left corner each hole is joined to the nearest edge on the left, which bounds the same body. Slices
    without holes are returned as they are.
    """
    joined = dict(contours)
    with_holes = {k: polygons for k, polygons in contours.items() if any(_runs_left(p) for p in polygons)}
    if with_holes:
        joined.update(_join(with_holes))
    return joined


def _runs_left(polygon: np.ndarray) -> bool:
    """Polygons begin with their topmost edge, and the body is right of the walk: below it, but for holes."""
    return bool(polygon[1, 0] < polygon[0, 0])


def _join(contours: PlanarContours) -> PlanarContours:
    polygons = [(k, p) for k in sorted(contours) for p in contours[k]]
    lengths = np.array([len(p) for _, p in polygons])
    starts = np.cumsum(lengths) - lengths
    points = np.concatenate([p for _, p in polygons])
    slices = np.repeat([k for k, _ in polygons], lengths)
    following = np.arange(1, len(points) + 1)
    following[starts + lengths - 1] = starts
    corners = starts[[_runs_left(p) for _, p in polygons]] + 1
    edges, targets = _nearest_on_the_left(points, slices, following, corners)
    points, slices, following = _bridge(points, slices, following, (corners, edges, targets))
    return _polygons(points, slices, following)


def _nearest_on_the_left(
    points: np.ndarray, slices: np.ndarray, following: np.ndarray, corners: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each corner the first upward edge on its left (they have the body on their right) and the point hit."""
    rises = points[:, 1] - points[following, 1]
    upward = np.flatnonzero(rises > 0)
    steps = np.rint(rises[upward]).astype(np.int64) + 1
    edge = np.repeat(upward, steps)
    row = points[edge, 1] - (np.arange(len(edge)) - np.repeat(np.cumsum(steps) - steps, steps))
    low, extent = points.min(axis=0), points.max(axis=0) - points.min(axis=0) + 1

    def key(k: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return np.rint((k * extent[1] + j - low[1]) * extent[0] + i - low[0]).astype(np.int64)

    keys = key(slices[edge], points[edge, 0], row)
    order = np.argsort(keys, kind="stable")
    wanted = key(slices[corners], points[corners, 0], points[corners, 1])
    found = edge[order[np.searchsorted(keys[order], wanted) - 1]]
    return found, np.column_stack([points[found, 0], points[corners, 1]])


def _bridge(
    points: np.ndarray, slices: np.ndarray, following: np.ndarray, bridges: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add per hole three points: target, corner again, target again, and lead the walk through them."""
    corners, edges, targets = bridges
    order = np.lexsort([-targets[:, 1], edges])
    corners, edges, targets = corners[order], edges[order], targets[order]
    count = len(corners)
    there, again, back = (np.arange(count) + len(points) + n * count for n in range(3))
    longer = np.concatenate([following, corners, back, np.zeros(count, np.int64)])
    longer[corners - 1] = again  # the walk reaches a hole's corner from the polygon's first point
    longer[back] = longer[edges]
    first = np.diff(edges, prepend=-1) != 0
    longer[back[:-1][~first[1:]]] = there[1:][~first[1:]]
    longer[edges[first]] = there[first]
    extended = np.concatenate([points, targets, points[corners], targets])
    return extended, np.concatenate([slices, *[slices[corners]] * 3]), longer


def _polygons(points: np.ndarray, slices: np.ndarray, following: np.ndarray) -> PlanarContours:
    order, firsts, lengths = walk_cycles(following)
    joined: PlanarContours = {}
    end = 0
    for first, length in zip(firsts.tolist(), lengths.tolist(), strict=True):
        polygon = points[order[end : end + length]]
        end += length
        fresh = (polygon != np.roll(polygon, 1, axis=0)).any(axis=1)
        joined.setdefault(int(slices[first]), []).append(polygon[fresh])
    return joined
