"""How much of each voxel lies in a box that stands in any direction to the grid, exactly, for many boxes at once.

A box is a parallelepiped in the grid's index space, whatever the grid: anisotropic, turned or sheared. By the
divergence theorem the integral of a voxel's basis function over the box is one over the box's surface, of the
function's integral along i. The surface's 12 triangles are cut by the planes where the basis functions change; on each
piece the integrand is a polynomial, which a quadrature of its degree integrates exactly. Nothing is sampled and nothing
converges.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .cells import Cells
from .grid import Grid

__all__ = ["box_weights"]

_ENTRIES = 400_000
"""Voxels of the blocks around the boxes that are worked on at a time: some 100 MB."""
_SLIVER = 1e-12
"""A triangle that passes a plane by less than this (in voxels) is not cut."""
_NOTHING = 1e-15
"""Shares of a box's volume that are rounding."""

_CORNERS = np.array([[a, b, c] for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (-0.5, 0.5)])
_FACES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
"""Corners of each face, counterclockwise as seen from outside."""
_TRIANGLES = np.concatenate([_FACES[:, [0, 1, 2]], _FACES[:, [0, 2, 3]]])


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
    shape = np.array(grid.shape)
    inverse = np.linalg.inv(grid.affine[:3, :3])
    edges = (inverse @ cells.axes)[::-1]  # rows k, j, i; columns the boxes' axes
    shift = 1.0 if linear else 0.5
    centers = grid.to_index(cells.centers_mm)[:, ::-1] + shift
    corners = centers[:, None] + (_CORNERS * cells.sizes_mm[:, None]) @ edges.T
    low = np.full(3, shift - 0.5)
    high = low + shape
    sign = np.sign(np.linalg.det(edges))
    volumes = cells.sizes_mm.prod(axis=1) * abs(np.linalg.det(edges))
    for part in _parts(corners, low, high):
        blocks, first = _blocks(corners[part], low, high, linear)
        yield from _entries(part, blocks * (sign / volumes[part])[:, None, None, None], first, shape, linear)


def _parts(corners: np.ndarray, low: np.ndarray, high: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of boxes that may reach into the grid, so many at a time as memory allows."""
    bottom, top = corners.min(axis=1), corners.max(axis=1)
    inside = np.flatnonzero(((top > low) & (bottom < high)).all(axis=1))
    extent = np.ceil(np.minimum(top, high) - np.maximum(bottom, low)).max(axis=1)[inside] + 2
    order = inside[np.argsort(extent, kind="stable")]  # boxes of one size share the shape of their blocks
    entries = np.sort(extent) ** 3
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and entries[stop] * (stop + 1 - start) <= _ENTRIES:
            stop += 1
        yield order[start:stop]
        start = stop


def _blocks(corners: np.ndarray, low: np.ndarray, high: np.ndarray, linear: bool) -> tuple[np.ndarray, np.ndarray]:
    """Integrals in blocks of one shape, (n, k, j, i), and each block's first interval (n, 3)."""
    triangles = corners[:, _TRIANGLES].reshape(-1, 3, 3)
    owner = np.repeat(np.arange(len(corners)), len(_TRIANGLES))
    triangles, owner = _clip(triangles, owner, low, high)
    for axis in range(3):
        triangles, owner = _slice(triangles, owner, axis)
    first = np.floor(np.maximum(corners.min(axis=1), low)).astype(np.int64)
    last = np.floor(np.minimum(corners.max(axis=1), high)).astype(np.int64)
    shape = tuple((last - first).max(axis=0) + 1)
    at = np.floor(triangles.mean(axis=1)).astype(np.int64)
    inner = np.clip(at - first[owner], 0, np.array(shape) - 1)
    fractions = triangles - (first[owner] + inner)[:, None]
    if linear:
        return _linear_blocks(fractions, owner, inner, (len(corners), *shape)), first
    return _constant_blocks(fractions, owner, inner, (len(corners), *shape)), first


def _clip(triangles: np.ndarray, owner: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The surface within the grid along k and j; what is beyond it along i is put on its border.

    Along i the surface has to stay closed: every line along i enters the box as often as it leaves it.
    """
    for axis in range(3):
        for plane, keeps_above in ((low[axis], True), (high[axis], False)):
            below, above = _cut(triangles, owner, axis, np.full(len(triangles), plane))
            kept, other = (above, below) if keeps_above else (below, above)
            if axis == 2:
                other[0][:, :, 2] = plane
                kept = tuple(np.concatenate(pair) for pair in zip(kept, other, strict=True))
            triangles, owner = kept
    return triangles, owner


def _slice(triangles: np.ndarray, owner: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The same surface in pieces none of which passes a plane of a whole number along the axis."""
    done: list[tuple[np.ndarray, np.ndarray]] = []
    while len(triangles):
        along = triangles[:, :, axis]
        plane = np.floor(along.min(axis=1) + _SLIVER) + 1
        passes = along.max(axis=1) > plane + _SLIVER
        done.append((triangles[~passes], owner[~passes]))
        below, (triangles, owner) = _cut(triangles[passes], owner[passes], axis, plane[passes])
        done.append(below)
    return np.concatenate([part[0] for part in done] or [triangles]), np.concatenate(
        [part[1] for part in done] or [owner]
    )


def _cut(
    triangles: np.ndarray, owner: np.ndarray, axis: int, plane: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Triangles below and above a plane of each; those that pass it are cut into three. Orientations stay."""
    apart = triangles[:, :, axis] - plane[:, None]
    above = apart > 0
    count = above.sum(axis=1)
    crossed = np.flatnonzero((count == 1) | (count == 2))
    lone_is_above = count[crossed] == 1
    lone = np.where(lone_is_above, above[crossed].argmax(axis=1), (~above[crossed]).argmax(axis=1))
    turn = (lone[:, None] + np.arange(3)) % 3
    p, q, r = np.moveaxis(np.take_along_axis(triangles[crossed], turn[:, :, None], axis=1), 1, 0)
    dp, dq, dr = np.take_along_axis(apart[crossed], turn, axis=1).T
    pq, pr = p + (q - p) * (dp / (dp - dq))[:, None], p + (r - p) * (dp / (dp - dr))[:, None]
    pq[:, axis] = pr[:, axis] = plane[crossed]
    tip, rest = np.stack([p, pq, pr], axis=1), np.stack([pq, q, r, pq, r, pr], axis=1).reshape(-1, 2, 3, 3)
    whole_below, whole_above = count == 0, count == 3
    sides = []
    for whole, tips in ((whole_below, ~lone_is_above), (whole_above, lone_is_above)):
        pieces = [triangles[whole], tip[tips], rest[~tips].reshape(-1, 3, 3)]
        owners = [owner[whole], owner[crossed[tips]], np.repeat(owner[crossed[~tips]], 2)]
        sides.append((np.concatenate(pieces), np.concatenate(owners)))
    return sides[0], sides[1]


def _areas(triangles: np.ndarray) -> np.ndarray:
    """(n,) signed areas of the shadows that triangles throw along i."""
    a, b = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2


def _constant_blocks(triangles: np.ndarray, owner: np.ndarray, at: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Volumes of the voxels' parts in the boxes; `triangles` count from the corner of the voxel `at` (m, 3)."""
    areas = _areas(triangles)
    flat = np.ravel_multi_index((owner, *at.T), shape)
    partly = np.bincount(flat, areas * triangles[:, :, 2].mean(axis=1), np.prod(shape)).reshape(shape)
    wholly = np.bincount(flat, areas, np.prod(shape)).reshape(shape)
    return partly + _after(wholly)


def _linear_blocks(triangles: np.ndarray, owner: np.ndarray, at: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Integrals of trilinear functions; interval m is between the nodes m and m + 1, so blocks have one node more."""
    areas = _areas(triangles)
    t = np.einsum("nvx,pv->xnp", triangles, _POINTS)
    along = areas[:, None] * _WEIGHTS * np.stack([np.ones_like(t[2]), t[2], t[2] ** 2 / 2])  # (3, n, points)
    nodes = (shape[0], *(n + 1 for n in shape[1:]))
    total = np.zeros(nodes)
    flat = np.ravel_multi_index((owner, *at.T), shape)
    for k in range(2):
        for j in range(2):
            basis = (t[0] if k else 1 - t[0]) * (t[1] if j else 1 - t[1])
            wholly, first, second = (
                np.bincount(flat, np.einsum("np,np->n", basis, moment), np.prod(shape)).reshape(shape)
                for moment in along
            )
            part = total[:, k : k + shape[1], j : j + shape[2]]
            part[..., :-1] += wholly / 2 + first - second + _after(wholly)
            part[..., 1:] += second
    return total


def _after(blocks: np.ndarray) -> np.ndarray:
    """For each voxel the sum over those that follow along i: before the surface a voxel counts wholly."""
    sums = np.cumsum(blocks[..., ::-1], axis=-1)[..., ::-1]
    return np.concatenate([sums[..., 1:], np.zeros_like(sums[..., :1])], axis=-1)


def _entries(
    part: np.ndarray, blocks: np.ndarray, first: np.ndarray, shape: np.ndarray, linear: bool
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What is not 0 in the blocks; in the outer half voxels both nodes are the border's voxel."""
    found = np.nonzero(blocks > _NOTHING)
    cell, *inner = found
    voxel = [np.clip(first[cell, a] + inner[a] - linear, 0, shape[a] - 1) for a in range(3)]
    yield part[cell], (voxel[0] * shape[1] + voxel[1]) * shape[2] + voxel[2], blocks[found]
