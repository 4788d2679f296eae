"""How much of each voxel lies in a box that stands in any direction to the grid, exactly, for many boxes at once.

A box is a parallelepiped in the grid's index space, whatever the grid: anisotropic, turned or sheared. By the
divergence theorem the integral of a voxel's basis function over the box is one over the box's surface, of the
function's integral along i. The six faces are cut by the planes where the basis functions change; on each piece, a
convex polygon, the integrand is a polynomial, which a quadrature of its degree integrates exactly over triangles.
Nothing is sampled and nothing converges.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .cells import Cells
from .grid import Grid

__all__ = ["box_weights"]

_ENTRIES = 100_000
"""Voxels of the blocks around the boxes that are worked on at a time: more would not fit a processor's cache."""
_SLIVER = 1e-12
"""A polygon that passes a plane by less than this (in voxels) is not cut."""
_NOTHING = 1e-15
"""Shares of a box's volume that are rounding."""

_CORNERS = np.array([[a, b, c] for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (-0.5, 0.5)])
_FACES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
"""Corners of each face, counterclockwise as seen from outside."""

_Polygons = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Corners (3 axes, m, n), how many of the m each polygon has (n,), and the index of the box that it belongs to (n,)."""


def _degree_4() -> tuple[np.ndarray, np.ndarray]:
    """Barycentric points (6, 3) and weights (6,) that integrate polynomials of degree 4 over a triangle exactly.

    G. R. Cowper, Int. J. Numer. Methods Eng. 7 (1973) 405.
    """
    root = np.sqrt(38 - 44 * np.sqrt(0.4))
    first, second = (8 - np.sqrt(10) + root) / 18, (8 - np.sqrt(10) - root) / 18
    step = np.sqrt(213125 - 53320 * np.sqrt(10))
    weights = np.repeat([(620 + step) / 3720, (620 - step) / 3720], 3)
    points = [np.roll([1 - 2 * a, a, a], turn) for a in (first, second) for turn in range(3)]
    return np.array(points), weights


_POINTS, _WEIGHTS = _degree_4()


def box_weights(cells: Cells, grid: Grid, linear: bool) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Integrals of the voxels' basis functions over the boxes, each divided by the box's volume, some boxes at a time.

    Parameters
    ----------
    linear:
        the basis is trilinear between voxel centres and constant in the outer half voxel; else 1 in the voxel.

    Yields
    ------
    indices of cells (m,), flat C-order indices of voxels (m,) and values (m,). A pair may come twice: values add up.
    The values of a cell sum up to the share of its volume that lies in the grid.
    """
    shift = 1.0 if linear else 0.5  # then basis functions change at whole numbers
    edges = (np.linalg.inv(grid.affine[:3, :3]) @ cells.axes)[::-1]  # rows k, j, i; columns the boxes' axes
    order = _order_of_axes(edges)
    edges, shape = edges[order], np.array(grid.shape)[order]
    centers = grid.to_index(cells.centers_mm)[:, ::-1][:, order] + shift
    corners = centers[:, None] + (_CORNERS * cells.sizes_mm[:, None]) @ edges.T
    low = np.full(3, shift - 0.5)
    scale = np.linalg.det(edges) * cells.sizes_mm.prod(axis=1)  # below 0 where the axes are a left-handed set
    strides = np.array([grid.shape[1] * grid.shape[2], grid.shape[2], 1])[order]
    for part in _parts(corners, low, low + shape):
        blocks, first = _blocks(corners[part], low, low + shape, linear)
        blocks /= scale[part][:, None, None, None]
        found = np.nonzero(blocks > _NOTHING)
        at = first[found[0]] + np.stack(found[1:], axis=1) - linear
        # in the outer half voxels both nodes are the border's voxel
        yield part[found[0]], np.clip(at, 0, shape - 1) @ strides, blocks[found]


def _order_of_axes(edges: np.ndarray) -> list[int]:
    """k, j, i, the last one such that fewest faces throw a shadow along it: only these are looked at."""
    shadows = np.abs([np.cross(edges[(axis + 1) % 3], edges[(axis + 2) % 3]) for axis in range(3)])
    faces = (shadows > _NOTHING * shadows.max()).sum(axis=1)
    last = 2 - int(np.argmin(faces[::-1]))
    return [axis for axis in range(3) if axis != last] + [last]


def _parts(corners: np.ndarray, low: np.ndarray, high: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of boxes that may reach into the grid, so many at a time as memory allows."""
    bottom, top = corners.min(axis=1), corners.max(axis=1)
    inside = np.flatnonzero(((top > low) & (bottom < high)).all(axis=1))
    extent = np.prod(np.ceil(np.minimum(top, high) - np.maximum(bottom, low))[inside] + 2, axis=1)
    order = np.argsort(extent, kind="stable")  # boxes of one size share the shape of their blocks
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and extent[order[stop]] * (stop + 1 - start) <= _ENTRIES:
            stop += 1
        yield inside[order[start:stop]]
        start = stop


def _blocks(corners: np.ndarray, low: np.ndarray, high: np.ndarray, linear: bool) -> tuple[np.ndarray, np.ndarray]:
    """Integrals in blocks of one shape, (n, a, b, c), and each block's first interval (n, 3)."""
    faces = np.ascontiguousarray(corners[:, _FACES].reshape(-1, 4, 3).transpose(2, 1, 0))
    seen = np.abs(_areas(faces[:, :3])) > _NOTHING
    owner = np.repeat(np.arange(len(corners)), len(_FACES))[seen]
    polygons = _clip((faces[..., seen], np.full(len(owner), 4), owner), low, high)
    for axis in range(3):
        polygons = _slice(polygons, axis)
    triangles, owner = _triangles(polygons)
    first = np.floor(np.maximum(corners.min(axis=1), low)).astype(np.int64)
    last = np.floor(np.minimum(corners.max(axis=1), high)).astype(np.int64)
    shape = (len(corners), *((last - first).max(axis=0) + 1))
    start = first.T[:, owner]
    at = np.floor(triangles.sum(axis=1) / 3).astype(np.int64) - start
    np.clip(at, 0, np.array(shape[1:])[:, None] - 1, out=at)
    triangles -= (start + at)[:, None]
    flat = np.ravel_multi_index((owner, *at), shape)
    return (_linear_blocks if linear else _constant_blocks)(triangles, flat, shape), first


def _clip(polygons: _Polygons, low: np.ndarray, high: np.ndarray) -> _Polygons:
    """The surface within the grid along the first two axes; what is beyond it along the last is put on its border.

    Along the last axis the surface has to stay closed: every line along it enters the box as often as it leaves.
    """
    for axis in range(3):
        for plane, keeps_above in ((low[axis], True), (high[axis], False)):
            sides = _cut(polygons, axis, np.full(len(polygons[2]), plane))
            polygons, beyond = sides[::-1] if keeps_above else sides
            if axis == 2:
                beyond[0][2] = plane
                polygons = _together([polygons, beyond])
    return polygons


def _slice(polygons: _Polygons, axis: int) -> _Polygons:
    """The same surface in pieces none of which passes a plane of a whole number along the axis."""
    done: list[_Polygons] = []
    while len(polygons[2]):
        low, high = (find.reduce(polygons[0][axis], axis=0) for find in (np.minimum, np.maximum))
        plane = np.floor(low + _SLIVER) + 1
        passes = high > plane + _SLIVER
        done.append(_some(polygons, ~passes))
        below, polygons = _cut(_some(polygons, passes), axis, plane[passes])
        done.append(below)
    return _together(done or [polygons])


def _cut(polygons: _Polygons, axis: int, plane: np.ndarray) -> tuple[_Polygons, _Polygons]:
    """The parts below and above a plane of each; orientations stay (I. Sutherland, G. Hodgman, CACM 17 (1974) 32)."""
    corners, count, owner = polygons
    number = np.arange(corners.shape[1])[:, None]
    there, after = number < count, np.where(number + 1 < count, number + 1, 0)
    apart = corners[axis] - plane
    above, following = apart > 0, np.take_along_axis(apart, after, axis=0)
    crosses = there & (above != (following > 0))
    share = np.divide(apart, apart - following, out=np.zeros_like(apart), where=crosses)
    met = corners + (np.take_along_axis(corners, after[None], axis=1) - corners) * share
    met[axis] = plane
    size = 2 * len(number), len(owner)
    candidates = np.stack([corners, met], axis=2).reshape(3, *size)
    sides = [np.stack([there & side, crosses], axis=1).reshape(size) for side in (~above, above)]
    return _packed(candidates, sides[0], owner), _packed(candidates, sides[1], owner)


def _packed(candidates: np.ndarray, chosen: np.ndarray, owner: np.ndarray) -> _Polygons:
    """Polygons of the chosen candidates (3, m, n); the first corner fills up those that have fewer than others."""
    count = chosen.sum(axis=0)
    kept = np.flatnonzero(count >= 3)
    chosen, count = chosen[:, kept], count[kept]
    row, column = np.nonzero(chosen)
    corners = np.empty((3, int(count.max(initial=3)), len(kept)))
    corners[:] = candidates[:, chosen.argmax(axis=0), kept][:, None]
    corners[:, (chosen.cumsum(axis=0) - 1)[row, column], column] = candidates[:, row, kept[column]]
    return corners, count, owner[kept]


def _some(polygons: _Polygons, chosen: np.ndarray) -> _Polygons:
    return polygons[0][..., chosen], polygons[1][chosen], polygons[2][chosen]


def _together(parts: list[_Polygons]) -> _Polygons:
    most = max(part[0].shape[1] for part in parts)
    wide = [np.concatenate([c, np.repeat(c[:, :1], most - c.shape[1], axis=1)], axis=1) for c, _, _ in parts]
    return np.concatenate(wide, axis=2), *(np.concatenate([part[n] for part in parts]) for n in (1, 2))


def _triangles(polygons: _Polygons) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (3 axes, 3 corners, n) from each polygon's first corner, and the box of each (n,)."""
    corners, count, owner = polygons
    fans = [np.flatnonzero(count > n + 1) for n in range(1, corners.shape[1] - 1)]
    triangles = [corners[:, [0, n, n + 1]][..., some] for n, some in enumerate(fans, 1)]
    return np.concatenate(triangles, axis=2), np.concatenate([owner[some] for some in fans])


def _areas(triangles: np.ndarray) -> np.ndarray:
    """(n,) signed areas of the shadows that triangles throw along the last axis."""
    a, b = triangles[:2, 1] - triangles[:2, 0], triangles[:2, 2] - triangles[:2, 0]
    return (a[0] * b[1] - a[1] * b[0]) / 2


def _constant_blocks(triangles: np.ndarray, flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Volumes of the voxels' parts in the boxes; `triangles` count from the corner of their voxel `flat`."""
    areas = _areas(triangles)
    return _summed(flat, areas * triangles[2].sum(axis=0) / 3, shape) + _after(_summed(flat, areas, shape))


def _linear_blocks(triangles: np.ndarray, flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Integrals of trilinear functions; interval m is between the nodes m and m + 1, so blocks have one node more."""
    t = [_POINTS @ along for along in triangles]
    area = _WEIGHTS[:, None] * _areas(triangles)
    half = area * t[2]
    total = np.zeros((shape[0], *(n + 1 for n in shape[1:])))
    for a in range(2):
        for b in range(2):
            basis = (t[0] if a else 1 - t[0]) * (t[1] if b else 1 - t[1])
            sums = [(basis * moment).sum(axis=0) for moment in (area, half)]
            sums.append((basis * half * t[2]).sum(axis=0) / 2)
            wholly, first, second = (_summed(flat, one, shape) for one in sums)
            part = total[:, a : a + shape[1], b : b + shape[2]]
            part[..., :-1] += wholly / 2 + first - second + _after(wholly)
            part[..., 1:] += second
    return total


def _summed(flat: np.ndarray, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Float blocks even where there is nothing to sum, of which `bincount` makes integers."""
    return np.bincount(flat, values, np.prod(shape)).reshape(shape).astype(np.float64, copy=False)


def _after(blocks: np.ndarray) -> np.ndarray:
    """For each voxel the sum over those that follow along the last axis: before the surface a voxel counts wholly."""
    sums = np.cumsum(blocks[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([sums[..., 1:], np.zeros_like(sums[..., :1])], axis=-1)
