"""Bring a mask or label map from its own grid onto an image's grid: exactly where it can be, resampled on request.

Files of other tools have their axes in another order or turned (dcm2niix flips rows), or are cropped. As long as their
voxels coincide with the image's, nothing is lost and nothing needs asking.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError
from .grid import SAME_GRID_TOLERANCE_MM, Grid

__all__ = ["place_labels", "same_voxels_map"]

Block = tuple[tuple[int, int, int], np.ndarray]


def same_voxels_map(source: Grid, target: Grid, tolerance_mm: float = SAME_GRID_TOLERANCE_MM) -> np.ndarray | None:
    """The whole-number 4 x 4 matrix from source to target indices (i, j, k), None when their voxels don't coincide."""
    exact = np.linalg.solve(target.affine, source.affine)
    matrix = np.rint(exact)
    turned = np.abs(matrix[:3, :3])
    if not ((turned.sum(0) == 1).all() and (turned.sum(1) == 1).all()):
        return None
    corners = np.array([[a * (n - 1) for a, n in zip(c, source.shape[::-1], strict=True)] for c in np.ndindex(2, 2, 2)])
    moved = target.to_lps(corners @ matrix[:3, :3].T + matrix[:3, 3])
    return matrix.astype(int) if np.abs(moved - source.to_lps(corners)).max() <= tolerance_mm else None


def place_labels(
    array: np.ndarray, source: Grid, target: Grid | None, what: object, resample: bool = False
) -> tuple[Block, str]:
    """Bring labels (0 = nothing) onto `target`: (offset (k, j, i), block of the array there) and a note, mostly "".

    Raises
    ------
    InputError
        the voxels don't coincide, or labels lie outside the target, and `resample` is False; `what` is the file named.
    """
    if target is None or source.same_as(target):
        return ((0, 0, 0), array), ""
    matrix = same_voxels_map(source, target)
    if matrix is not None:
        block = _turn(array, source, matrix)
        inside, lost = _clip(block, target.shape)
        if lost and not resample:
            cause = f"has {lost} labelled voxels outside the CT"
            raise InputError(what, cause, "choose the CT it was made on, or add --resample to cut them off")
        return inside, f"{what}: {lost} labelled voxels outside the CT were cut off" if lost else ""
    if not resample:
        raise InputError(
            what, f"is on another grid than the CT ({difference(source, target)})", "choose its CT or add --resample"
        )
    return _nearest(array, source, target), f"{what}: resampled to the CT's grid (nearest voxel)"


def difference(source: Grid, target: Grid) -> str:
    """How two grids differ, for a user: sizes, spacings, and the largest distance of corners in mm."""
    parts = []
    if source.shape != target.shape:
        parts.append(f"{_size(source)} against {_size(target)} voxels")
    spacings = [sorted(grid.spacing_mm) for grid in (source, target)]
    if not np.allclose(*spacings, atol=1e-3):
        parts.append(
            " against ".join(" x ".join(f"{s:.4g}" for s in grid.spacing_mm[::-1]) for grid in (source, target)) + " mm"
        )
    between = np.linalg.norm(source.corners_mm()[:, None] - target.corners_mm()[None], axis=2).min(axis=1).max()
    parts.append(f"corners up to {between:.3g} mm apart")
    return ", ".join(parts)


def _size(grid: Grid) -> str:
    return "x".join(str(n) for n in grid.shape[::-1])


def _turn(array: np.ndarray, source: Grid, matrix: np.ndarray) -> Block:
    """Reorder and flip axes so that they run as the target's; the offset may be negative."""
    order = [int(np.flatnonzero(matrix[row, :3])[0]) for row in range(3)]
    signs = [int(matrix[row, order[row]]) for row in range(3)]
    block = array.transpose([2 - order[2 - axis] for axis in range(3)])
    block = block[tuple(slice(None, None, signs[2 - axis]) for axis in range(3))]
    last = np.array(source.shape[::-1]) - 1
    start = [matrix[row, 3] + (signs[row] < 0) * -last[order[row]] for row in range(3)]
    return (int(start[2]), int(start[1]), int(start[0])), block


def _clip(block: Block, shape: tuple[int, int, int]) -> tuple[Block, int]:
    """Keep what lies inside `shape`; also how many labelled voxels that loses."""
    offset, array = block
    low = [max(0, -o) for o in offset]
    high = [max(s, min(n, limit - o)) for s, n, limit, o in zip(low, array.shape, shape, offset, strict=True)]
    inside = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    lost = 0 if inside.shape == array.shape else int(np.count_nonzero(array)) - int(np.count_nonzero(inside))
    return (tuple(max(0, o) if n else 0 for o, n in zip(offset, inside.shape, strict=True)), inside), lost


def _nearest(array: np.ndarray, source: Grid, target: Grid) -> Block:
    """The label of the nearest source voxel at each target voxel, within the box that the labels can reach."""
    box = _reach(array, source, target)
    if box is None:
        return (0, 0, 0), np.zeros((0, 0, 0), array.dtype)
    low, high = box
    matrix = np.linalg.solve(source.affine, target.affine)
    i = np.arange(low[0], high[0])[None, :, None] * matrix[:3, 0]
    j = np.arange(low[1], high[1])[:, None, None] * matrix[:3, 1]
    plane = i + j + matrix[:3, 3]
    result = np.zeros((high[2] - low[2], high[1] - low[1], high[0] - low[0]), array.dtype)
    limits = np.array(source.shape[::-1])
    for n, k in enumerate(range(low[2], high[2])):
        index = np.rint(plane + k * matrix[:3, 2]).astype(np.int32)
        inside = ((index >= 0) & (index < limits)).all(axis=2)
        at = index[inside]
        result[n][inside] = array[at[:, 2], at[:, 1], at[:, 0]]
    return (int(low[2]), int(low[1]), int(low[0])), result


def _reach(array: np.ndarray, source: Grid, target: Grid) -> tuple[np.ndarray, np.ndarray] | None:
    """First and end target index (i, j, k) of the labelled voxels' box; None when there is nothing in reach."""
    edges = []
    for axis in (2, 1, 0):
        hits = np.flatnonzero(array.any(axis=tuple(a for a in range(3) if a != axis)))
        if hits.size == 0:
            return None
        edges.append((hits[0] - 0.5, hits[-1] + 0.5))
    corners = np.array([[edges[a][c[a]] for a in range(3)] for c in np.ndindex(2, 2, 2)])
    index = target.to_index(source.to_lps(corners))
    low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, target.shape[::-1])
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, target.shape[::-1])
    return (low, high) if all(a < b for a, b in zip(low, high, strict=True)) else None
