"""Contour Data texts to polygons on the slices of a grid, all contours of a file at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.grid import Grid
from .decimals import decode_decimals
from .values import LARGEST_SANE_VALUE

__all__ = ["OFF_PLANE_MM", "Fault", "PlacedContours", "place_contours"]

OFF_PLANE_MM = 0.02
"""Points nearer than this to their slice lie on it: files round to 0.01 mm."""


@dataclass(frozen=True)
class Fault:
    """Why a contour has no place; `damage` tells broken data from contours that merely don't lie in this CT."""

    reason: str
    damage: bool


NO_NUMBERS = Fault("holds something else than finite numbers in patient space", True)
NO_TRIPLES = Fault("does not hold three numbers a point", True)
FEW_POINTS = Fault("under 3 points", False)
BEYOND = Fault("beyond the CT's slices", False)
ASKEW = Fault("not parallel to the CT's slices", False)


@dataclass(frozen=True, eq=False)
class PlacedContours:
    """By number of the contour: slice k and (n, 2) polygon in (i, j), or the fault; distances over `OFF_PLANE_MM`."""

    slices: dict[int, int]
    polygons: dict[int, np.ndarray]
    faults: dict[int, Fault]
    off_plane_mm: dict[int, float]


def place_contours(texts: list[bytes], grid: Grid) -> PlacedContours:
    """Decode contours and find their slices: the nearest one, at most half a slice distance away.

    Repeated neighbouring points, the last one when it repeats the first among them, are dropped. Points off the plane
    go to it along the normal.
    """
    values, ends = decode_decimals(texts)
    counts = np.diff(ends, prepend=0)
    faults = {n: NO_TRIPLES for n in np.flatnonzero(counts % 3).tolist()}
    bad = ~(np.abs(values) <= LARGEST_SANE_VALUE)
    for n in np.searchsorted(ends, np.flatnonzero(bad), side="right").tolist():
        faults[n] = NO_NUMBERS
    sound = np.ones(len(texts), bool)
    sound[list(faults)] = False
    points = values[np.repeat(sound, counts)].reshape(-1, 3)
    owner = np.repeat(np.flatnonzero(sound), counts[sound] // 3)
    points, owner = _without_repeats(points, owner)
    sizes = np.bincount(owner, minlength=len(texts))
    for n in np.flatnonzero(sound & (sizes < 3)).tolist():
        faults[n] = FEW_POINTS
    enough = sizes[owner] >= 3
    return _on_slices(points[enough], owner[enough], grid, faults)


def _without_repeats(points: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(owner) == 0:
        return points, owner
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    previous = np.arange(len(owner)) - 1
    previous[starts] = np.append(starts[1:], len(owner)) - 1
    fresh = (points != points[previous]).any(axis=1)
    return points[fresh], owner[fresh]


def _on_slices(points: np.ndarray, owner: np.ndarray, grid: Grid, faults: dict[int, Fault]) -> PlacedContours:
    if len(owner) == 0:
        return PlacedContours({}, {}, faults, {})
    ijk = grid.to_index(points)
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    sizes = np.diff(starts, append=len(owner))
    k = ijk[:, 2]
    nearest = np.floor(np.add.reduceat(k, starts) / sizes + 0.5).astype(np.int64)
    off = k - np.repeat(nearest, sizes)
    # Along the normal, not along the slice step: they differ in a sheared stack.
    distance_mm = grid.slice_distance_mm
    normal = np.linalg.solve(grid.affine[:3, :3], grid.normal * distance_mm)
    ij = ijk[:, :2] - off[:, None] * normal[:2]
    off_planes = np.maximum.reduceat(np.abs(off), starts)
    slices, polygons, off_plane_mm = {}, {}, {}
    columns = (owner[starts], starts, sizes, nearest, off_planes)
    for n, start, size, slice_number, off_plane in zip(*(column.tolist() for column in columns), strict=True):
        if off_plane > 0.5 + 1e-9:
            faults[n] = ASKEW
        elif not 0 <= slice_number < grid.shape[0]:
            faults[n] = BEYOND
        else:
            slices[n], polygons[n] = slice_number, ij[start : start + size]
            if off_plane * distance_mm > OFF_PLANE_MM:
                off_plane_mm[n] = off_plane * distance_mm
    return PlacedContours(slices, polygons, faults, off_plane_mm)
