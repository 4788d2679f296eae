"""Masks to polygons along pixel edges and polygons back to masks, both exact.

A pixel belongs to a structure when its centre lies inside by the even-odd rule over all polygons of its slice; a
centre exactly on an edge belongs to the side of growing i or j (half-open intervals), so that areas that touch share no
pixel and leave none out. `mask_to_contours` walks along the edges of the pixels, half a pixel away from every
centre; therefore any reader with a pixel-centre rule gets the same voxels back, even from rounded coordinates.
"""

from __future__ import annotations

import numpy as np

from .edges import Edges, polygon_edges, snap
from .grid import Grid
from .mask import Mask
from .structure import PlanarContours

__all__ = ["contours_to_mask", "mask_to_contours", "walk_cycles"]

CHUNK_PIXELS = 4_000_000
"""Slices are traced in groups of about this many pixels: the working arrays stay near the processor's cache."""


def mask_to_contours(mask: Mask) -> PlanarContours:
    """Outline a mask along its pixel edges.

    Pixels that touch at a corner only become polygons of their own; holes are polygons of opposite orientation. In the
    (i, j) plane with j downwards outer polygons run clockwise. Each begins with its topmost edge (of several, the
    leftmost), and polygons are sorted by it, so equal masks give equal lists. Only corners are listed: no point is
    collinear.

    Returns
    -------
    PlanarContours
        (n, 2) float64 arrays of (i, j) on the full grid; slices without voxels have no entry.
    """
    contours: PlanarContours = {}
    depth, rows, columns = mask.block.shape
    step = max(1, CHUNK_PIXELS // ((rows + 2) * (columns + 2)))
    k0, j0, i0 = mask.offset
    for first in range(0, depth, step):
        slices, points, ends = _trace(mask.block[first : first + step])
        points += (i0 - 0.5, j0 - 0.5)
        start = 0
        for k, end in zip((slices + (first + k0)).tolist(), ends.tolist(), strict=True):
            contours.setdefault(k, []).append(points[start:end])
            start = end
    return contours


def _trace(block: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slice of each loop, corners (i, j) of all loops in a row (corner (0, 0) is the block's), end of each loop."""
    corners, inside_below = _corners(block)
    if len(corners) == 0:
        return np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros(0, np.int64)
    # In row order corners pair up into horizontal edges; the body is kept to the right of the walk.
    rightward = inside_below[0::2]
    even = np.arange(0, len(corners), 2)
    tail, head = np.where(rightward, even, even + 1), np.where(rightward, even + 1, even)
    following = _vertical_partner(corners, inside_below, block.shape)[head] // 2
    order, loop_of_first, lengths = walk_cycles(following)
    visited = np.column_stack([tail[order], head[order]]).ravel()
    k, j, i = np.unravel_index(corners[visited], _corner_shape(block.shape))
    ends = np.cumsum(2 * lengths)
    return k[ends - 1], np.column_stack([i, j]).astype(np.float64), ends


def _corner_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return shape[0], shape[1] + 1, shape[2] + 1


def _corners(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat positions of the corners in row order, and whether the pixel below and right of each is set.

    A corner where two pixels touch diagonally is listed twice: it ends one horizontal edge and begins the next.
    """
    depth, rows, columns = block.shape
    padded = np.zeros((depth, rows + 2, columns + 2), bool)
    padded[:, 1:-1, 1:-1] = block
    change = padded[:, :, :-1] ^ padded[:, :, 1:]
    double = change[:, :-1] & change[:, 1:]
    double &= padded[:, :-1, :-1] ^ padded[:, 1:, :-1]
    found = np.flatnonzero((change[:, :-1] ^ change[:, 1:]) | double)
    corners = np.repeat(found, 1 + double.ravel()[found])
    k, j, i = np.unravel_index(corners, _corner_shape(block.shape))
    return corners, padded[k, j + 1, i + 1]


def _vertical_partner(corners: np.ndarray, inside_below: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """For each corner the other end of its vertical edge (corners pair up in column order).

    At a diagonal touch the two corners are told apart so that each pixel keeps its own: with the lower right pixel set
    the left edge meets the upper one, otherwise the left edge meets the lower one.
    """
    k, j, i = np.unravel_index(corners, _corner_shape(shape))
    key = ((k * (shape[2] + 1) + i) * (shape[1] + 1) + j) * 2
    second = np.zeros(len(corners), bool)
    second[1:] = corners[1:] == corners[:-1]
    twin = second.copy()
    twin[:-1] |= second[1:]
    key += twin & (second == inside_below)
    order = np.argsort(key)
    partner = np.empty_like(order)
    partner[order[0::2]], partner[order[1::2]] = order[1::2], order[0::2]
    return partner


def walk_cycles(following: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cycles of a permutation by pointer doubling: members in walking order, first member, length of each cycle.

    Each cycle starts at its smallest member, and cycles are sorted by it. After s rounds a member knows the smallest
    one among the next 2^s and how far it is, so a loop of a thousand edges takes ten rounds.
    """
    count = len(following)
    smallest, away, jump, step = np.arange(count), np.zeros(count, np.int64), following, 1
    while not np.array_equal(smallest[following], smallest):
        ahead = smallest[jump]
        nearer = ahead < smallest
        away = np.where(nearer, away[jump] + step, away)
        smallest = np.where(nearer, ahead, smallest)
        jump, step = jump[jump], step * 2
    firsts = np.flatnonzero(smallest == np.arange(count))
    lengths = np.bincount(smallest, minlength=count)[firsts]
    starts = np.zeros(count, np.int64)
    starts[firsts] = np.cumsum(lengths) - lengths
    size = np.zeros(count, np.int64)
    size[firsts] = lengths
    slot = starts[smallest] + (size[smallest] - away) % size[smallest]
    order = np.empty(count, np.int64)
    order[slot] = np.arange(count)
    return order, firsts, lengths


def contours_to_mask(contours: PlanarContours, grid: Grid) -> Mask:
    """Fill polygons: a voxel is set when its centre is inside by the even-odd rule over all polygons of its slice.

    Parameters
    ----------
    contours:
        by slice; parts outside the image are cut off.
    grid:
        the image's grid.

    Raises
    ------
    ValueError
        a slice number outside the grid, or a coordinate that is not finite.
    """
    if contours and (min(contours) < 0 or max(contours) >= grid.shape[0]):
        raise ValueError(f"contours on slices {min(contours)} to {max(contours)} of a grid with {grid.shape[0]}")
    k, j, i = _crossings(polygon_edges(contours), grid.shape[1], grid.shape[2])
    end = i.max(initial=0)
    opens = i < end  # what only closes a run at the right end needs no column of its own
    k, j, i = k[opens], j[opens], i[opens]
    if len(k) == 0:
        return Mask.empty(grid)
    start = np.array([k.min(), j.min(), i.min()])
    shape = np.array([k.max() + 1, j.max() + 1, end]) - start
    toggles = np.zeros((shape[0], shape[1], -(-shape[2] // 8) * 8), np.uint8)
    np.add.at(toggles.reshape(-1), np.ravel_multi_index((k - start[0], j - start[1], i - start[2]), toggles.shape), 1)
    toggles &= 1
    _xor_along_rows(toggles)
    block = np.ascontiguousarray(toggles[:, :, : shape[2]]).view(bool)
    return Mask(grid, tuple(int(n) for n in start), block)


def _xor_along_rows(bits: np.ndarray) -> None:
    """`np.bitwise_xor.accumulate(bits, axis=2)` in place, eight bytes at a time (rows are a multiple of eight)."""
    words = bits.view("<u8")
    for shift in (8, 16, 32):
        words ^= words << np.uint64(shift)
    for n in range(1, words.shape[2]):
        words[:, :, n] ^= (words[:, :, n - 1] >> np.uint64(56)) * np.uint64(0x0101010101010101)


def _crossings(edges: Edges, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where polygons cross the rows of pixel centres: slice, row and the first pixel right of it (`columns`: none)."""
    first = np.clip(np.ceil(edges.low[:, 1]), 0, rows).astype(np.int64)
    last = np.clip(np.ceil(edges.high[:, 1]), 0, rows).astype(np.int64)
    count = last - first
    edge = np.repeat(np.arange(len(count)), count)
    j = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - first, count)
    low, rise = edges.low, edges.high - edges.low
    slope = np.divide(rise[:, 0], rise[:, 1], out=np.zeros(len(rise)), where=rise[:, 1] > 0)
    crossing = low[edge, 0] + (j - low[edge, 1]) * slope[edge]
    i = np.clip(np.ceil(snap(crossing)), 0, columns).astype(np.int64)
    return edges.k[edge], j, i
