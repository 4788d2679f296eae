"""The surface of boxes that may touch, closed: every edge belongs to two triangles.

Boxes along common axes cut space into blocks between their faces; the surface lies between blocks of material and empty
ones. Where two blocks of material meet along an edge only, four triangles would share it, which is no surface of a
solid: there a thin column of material joins them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["MOST_BLOCKS", "WELD_MM", "Mesh", "box_mesh", "joined_boxes", "union_mesh"]

WELD_MM = 0.01
"""Half the width of the columns that join boxes which meet along an edge."""
MOST_BLOCKS = 20_000_000
"""Blocks of the finest division that is tried (20 MB)."""
_TOUCHING_MM = 1e-6
_WELD_ROUNDS = 50


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles: `points_mm` (n, 3), `triangles` (m, 3) indices, counter-clockwise seen from outside."""

    points_mm: np.ndarray
    triangles: np.ndarray

    @property
    def volume_mm3(self) -> float:
        """By the divergence theorem; cavities count negative."""
        a, b, c = (self.points_mm[self.triangles[:, n]] for n in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def box_mesh(low_mm: np.ndarray, high_mm: np.ndarray) -> Mesh:
    """One closed box of 12 triangles."""
    return _surface([np.array([a, b]) for a, b in zip(low_mm, high_mm, strict=True)], np.ones((1, 1, 1), bool))


def joined_boxes(low_mm: np.ndarray, high_mm: np.ndarray) -> list[np.ndarray]:
    """Indices of the boxes of each group that hangs together by touching; corners (n, 3)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    centers, halves = (low_mm + high_mm) / 2, (high_mm - low_mm) / 2
    pairs = cKDTree(centers).query_pairs(2 * halves.max() + _TOUCHING_MM, p=np.inf, output_type="ndarray")
    gap = np.abs(centers[pairs[:, 0]] - centers[pairs[:, 1]]) - halves[pairs[:, 0]] - halves[pairs[:, 1]]
    first, second = pairs[(gap <= _TOUCHING_MM).all(axis=1)].T
    graph = coo_matrix((np.ones(len(first), bool), (first, second)), (len(centers), len(centers)))
    count, group = connected_components(graph, directed=False)
    order = np.argsort(group, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group, minlength=count))[:-1])


def union_mesh(
    low_mm: np.ndarray, high_mm: np.ndarray, hollow: tuple[np.ndarray, np.ndarray] | None = None
) -> Mesh | None:
    """The surface of the boxes together, without the `hollow` boxes (corners) inside them; None if it is too large.

    The boxes are (n, 3) corners; the hollows lie inside boxes and touch no face of them.
    """
    planes = _planes(low_mm, high_mm, hollow, 0.0)
    solid = _filled(planes, low_mm, high_mm, hollow)
    if solid is None:
        return None
    if _crossed(solid).any():
        planes = _planes(low_mm, high_mm, hollow, WELD_MM)
        solid = _filled(planes, low_mm, high_mm, hollow)
        if solid is None:
            return None
        _weld(solid)
    return _surface(planes, solid)


def _planes(
    low: np.ndarray, high: np.ndarray, hollow: tuple[np.ndarray, np.ndarray] | None, weld: float
) -> list[np.ndarray]:
    """Per axis where blocks begin and end; with `weld` a thin block on both sides of each face of a box."""
    planes = []
    for axis in range(3):
        faces = np.concatenate([low[:, axis], high[:, axis]])
        faces = np.concatenate([faces - weld, faces, faces + weld]) if weld else faces
        inner = [] if hollow is None else [hollow[0][:, axis], hollow[1][:, axis]]
        planes.append(_distinct(np.concatenate([faces, *inner])))
    return planes


def _distinct(values: np.ndarray) -> np.ndarray:
    """Sorted, without those that only rounding tells apart."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], np.diff(ordered) > _TOUCHING_MM])]


def _filled(
    planes: list[np.ndarray], low: np.ndarray, high: np.ndarray, hollow: tuple[np.ndarray, np.ndarray] | None
) -> np.ndarray | None:
    """True for blocks of material, [x, y, z]."""
    shape = [len(p) - 1 for p in planes]
    if np.prod([float(n) for n in shape]) > MOST_BLOCKS:
        return None
    solid = np.zeros(shape, bool)
    for value, (lows, highs) in ((True, (low, high)), (False, hollow or (low[:0], high[:0]))):
        first, end = (
            np.stack([np.searchsorted(p, c[:, n] - _TOUCHING_MM) for n, p in enumerate(planes)], axis=1)
            for c in (lows, highs)
        )
        for (a, b, c), (d, e, f) in zip(first, end, strict=True):
            solid[a:d, b:e, c:f] = value
    return solid


def _crossed(solid: np.ndarray) -> np.ndarray:
    """Which blocks stand at an edge where material meets material across the corner only; same shape."""
    marked = np.zeros_like(solid)
    for axis in range(3):
        s, m = np.moveaxis(solid, axis, 2), np.moveaxis(marked, axis, 2)
        a, b, c, d = s[:-1, :-1], s[1:, :-1], s[:-1, 1:], s[1:, 1:]
        cross = (a & d & ~b & ~c) | (b & c & ~a & ~d)
        for view in (m[:-1, :-1], m[1:, :-1], m[:-1, 1:], m[1:, 1:]):
            view |= cross
    return marked


def _weld(solid: np.ndarray) -> None:
    """Fill the empty blocks at such edges, in place, until there are none; they are thin, by `_planes`."""
    for _ in range(_WELD_ROUNDS):
        marked = _crossed(solid)
        if not marked.any():
            return
        solid |= marked


def _surface(planes: list[np.ndarray], solid: np.ndarray) -> Mesh:
    """Two triangles for each face between a block of material and an empty one."""
    padded = np.pad(solid, 1)
    corners = []
    for axis in range(3):
        for outward in (1, -1):
            empty = ~np.roll(padded, -outward, axis)
            at = np.argwhere(padded & empty) - 1  # no wrap: the padding is empty
            corners.append(_quads(at, axis, outward))
    quads = np.concatenate(corners)  # (m, 4, 3) plane indices
    counts = [len(p) for p in planes]
    flat = np.ravel_multi_index(tuple(quads.reshape(-1, 3).T), counts)
    used, index = np.unique(flat, return_inverse=True)
    places = np.unravel_index(used, counts)
    points = np.stack([p[n] for p, n in zip(planes, places, strict=True)], axis=1)
    index = index.reshape(-1, 4)
    return Mesh(points, np.concatenate([index[:, [0, 1, 2]], index[:, [0, 2, 3]]]))


def _quads(at: np.ndarray, axis: int, outward: int) -> np.ndarray:
    """(m, 4, 3) plane indices of the corners of the blocks' faces, counter-clockwise seen from outside."""
    u, v = (axis + 1) % 3, (axis + 2) % 3
    quad = np.repeat(at[:, None], 4, axis=1)
    quad[:, :, axis] += outward > 0
    for n, (a, b) in enumerate(((0, 0), (1, 0), (1, 1), (0, 1))):
        quad[:, n, u] += a
        quad[:, n, v] += b
    return quad if outward > 0 else quad[:, ::-1]
