"""How much of each cell a structure fills: exact from contours, and from masks by the outlines of their voxels.

A structure is a stack of prisms: each slice's polygons by the even-odd rule, as thick as the slices are apart. Where
one axis of the cells runs along the slices' normal, however they are turned about it, a cell cuts a rectangle out of
each slice. The plane is stretched, piece by piece, until the edges of all rectangles fall on pixel borders; then the
shares of pixels are exact areas (to 1e-6), and a cell is a block of whole pixels. Cells that are tilted against the
slices are cut into small boxes, which are looked up in a fine raster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.cells import Cells
from ..geometry.contours import mask_to_contours
from ..geometry.grid import Grid
from ..geometry.occupancy import contours_to_occupancy
from ..geometry.structure import PlanarContours, Structure, StructureSet

__all__ = ["cell_occupancy", "main_structures", "with_covers"]

_ALONG = 1e-9
"""Axes whose cosine with the normal differs from 1 by less run along it."""

_LARGEST_STACK = 20_000_000
"""Pixels between edges times slices that are held at once; more cells are worked on in parts."""

_FINEST_MM = 0.5
"""Tilted cells are cut into boxes at most this long (8000 in a cube of 10 mm), pixels of slices, too."""
_MOST_PARTS = 40
"""Parts along one axis of a tilted cell at most: larger cells need no finer ones."""


def cell_occupancy(cells: Cells, structures: StructureSet) -> dict[str, np.ndarray]:
    """Share of each cell's volume within each structure, by the structure's name; (n,) float64 from 0 to 1.

    What of a cell lies outside the image counts as outside of every structure.
    """
    return {structure.name: _occupancy(cells, structure, structures.grid) for structure in structures}


def main_structures(occupancy: dict[str, np.ndarray], volumes_cc: dict[str, float], count: int) -> np.ndarray:
    """(count,) names: the structure that fills most of a cell, of equal ones the smallest; "" where none does.

    A body outline or a target around another one fills as much as what lies inside it, and says less.
    """
    names = sorted(occupancy, key=lambda name: volumes_cc.get(name, np.inf))
    if not names:
        return np.full(count, "", dtype=object).astype(str)
    shares = np.stack([occupancy[name] for name in names])
    best = np.argmax(shares > shares.max(axis=0) - 1e-6, axis=0)
    return np.where(shares.max(axis=0) > 1e-9, np.array(names, dtype=str)[best], "")


def with_covers(cells: Cells, wall_mm: float | np.ndarray) -> Cells:
    """The same cells, larger by `wall_mm` on each side (one number, or one an axis)."""
    return Cells(cells.labels, cells.centers_mm, cells.sizes_mm + 2 * np.asarray(wall_mm), cells.axes)


def _occupancy(cells: Cells, structure: Structure, grid: Grid) -> np.ndarray:
    contours = structure.contours if structure.contours is not None else mask_to_contours(structure.mask)
    if not contours or not len(cells):
        return np.zeros(len(cells))
    normal = np.abs(cells.axes.T @ grid.normal)
    upright = int(np.argmax(normal))
    if normal[upright] < 1 - _ALONG:
        return _tilted(cells, contours, grid)
    return np.clip(_upright(_Standing(cells, grid, upright), contours), 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class _Standing:
    """Cells whose axis `upright` runs along the slices' normal, and the frame in which they are rectangles."""

    cells: Cells
    grid: Grid
    upright: int

    def flat(self, k: int, polygon: np.ndarray) -> np.ndarray:
        """(n, 2) indices (i, j) in slice k to mm along the two other axes of the cells."""
        points = self.grid.to_lps(np.column_stack([polygon, np.full(len(polygon), k)]))
        return points @ self.cells.axes[:, self.others]

    @property
    def others(self) -> list[int]:
        return [axis for axis in range(3) if axis != self.upright]

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(n, 2) lower and upper ends along the two other axes."""
        middle, half = self.cells.centers_mm @ self.cells.axes[:, self.others], self.cells.sizes_mm[:, self.others] / 2
        return middle - half, middle + half

    def heights(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) lower and upper ends along the normal, in slices: slice k reaches from k - 1/2 to k + 1/2."""
        start = self.grid.normal @ self.grid.affine[:3, 3]
        middle = (self.cells.centers_mm @ self.grid.normal - start) / self.grid.slice_distance_mm
        half = self.cells.sizes_mm[:, self.upright] / (2 * self.grid.slice_distance_mm)
        return middle - half, middle + half

    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the cells in two parts that lie apart from each other."""
        low, _ = self.bounds()
        axis = int(np.argmax(np.ptp(low, axis=0)))
        order = np.argsort(low[:, axis], kind="stable")
        return order[: len(order) // 2], order[len(order) // 2 :]


def _upright(standing: _Standing, contours: PlanarContours) -> np.ndarray:
    """(n,) shares; large sets of cells that share few edges are worked on in parts."""
    low, high = standing.bounds()
    edges = [_distinct(np.concatenate([low[:, a], high[:, a]])) for a in (0, 1)]
    bottom, top = standing.heights()
    slices = [k for k in contours if bottom.min() < k + 0.5 and top.max() > k - 0.5]
    if not slices:
        return np.zeros(len(standing.cells))
    if len(edges[0]) * len(edges[1]) * len(slices) > _LARGEST_STACK and len(standing.cells) > 1:
        shares = np.empty(len(standing.cells))
        for part in standing.halves():
            shares[part] = _upright(_Standing(standing.cells.take(part), standing.grid, standing.upright), contours)
        return shares
    first = min(slices)
    flat = {k - first: [standing.flat(k, polygon) for polygon in contours[k]] for k in slices}
    sums = _area_sums(flat, edges, max(slices) - first + 1)
    corners = [_place(edges[a], side[:, a]) for a in (0, 1) for side in (low, high)]
    areas = _blocks(sums, corners)  # (slices, cells)
    k = np.arange(first, max(slices) + 1)[:, None]
    thick = np.clip(np.minimum(top, k + 0.5) - np.maximum(bottom, k - 0.5), 0.0, None)
    return (areas * thick).sum(axis=0) / ((high - low).prod(axis=1) * (top - bottom))


def _distinct(values: np.ndarray) -> np.ndarray:
    """Sorted values without those that differ by rounding only."""
    values = np.unique(values)
    return values[np.concatenate([[True], np.diff(values) > 1e-7])]


def _place(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.searchsorted(edges, values + 1e-6) - 1


def _area_sums(contours: PlanarContours, edges: list[np.ndarray], count: int) -> np.ndarray:
    """(slices, v edges, u edges) mm^2 of the structure below both edges, within the lowest ones."""
    grid = Grid.axial((count, len(edges[1]) - 1, len(edges[0]) - 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    stretched = {k: [_stretched(polygon, edges) for polygon in polygons] for k, polygons in contours.items()}
    (k0, j0, i0), block = contours_to_occupancy(stretched, grid)
    sums = np.zeros((count, len(edges[1]), len(edges[0])))
    k1, j1, i1 = np.add((k0, j0, i0), block.shape)
    area = np.diff(edges[1])[j0:j1, None] * np.diff(edges[0])[None, i0:i1]
    sums[k0:k1, j0 + 1 : j1 + 1, i0 + 1 : i1 + 1] = block * area
    return sums.cumsum(axis=1).cumsum(axis=2)


def _blocks(sums: np.ndarray, corners: list[np.ndarray]) -> np.ndarray:
    left, right, down, up = corners
    return sums[:, up, right] - sums[:, down, right] - sums[:, up, left] + sums[:, down, left]


def _stretched(polygon: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    """A polygon with edge n of each axis at n - 1/2; with points where it crosses edges, so its sides stay straight."""
    polygon = np.asarray(polygon, np.float64)
    step = np.roll(polygon, -1, axis=0) - polygon
    side, along = _crossings(polygon, step, edges)
    points = polygon[side] + along[:, None] * step[side]
    return np.column_stack([_pixels(points[:, a], edges[a]) for a in (0, 1)])


def _crossings(start: np.ndarray, step: np.ndarray, edges: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sides and places on them (from 0 to below 1) in walking order: each start, then where edges are crossed."""
    sides, places = [np.arange(len(start))], [np.zeros(len(start))]
    for axis in (0, 1):
        low, high = np.minimum(start[:, axis], start[:, axis] + step[:, axis]), np.abs(step[:, axis])
        first = np.searchsorted(edges[axis], low, side="right")
        count = np.searchsorted(edges[axis], low + high, side="left") - first
        count = np.maximum(count, 0)
        side = np.repeat(np.arange(len(start)), count)
        edge = np.arange(len(side)) - np.repeat(np.cumsum(count) - count - first, count)
        sides.append(side)
        places.append((edges[axis][edge] - start[side, axis]) / step[side, axis])
    side, place = np.concatenate(sides), np.concatenate(places)
    order = np.lexsort((place, side))
    return side[order], place[order]


def _pixels(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Piecewise linear: edge n goes to n - 1/2; outside the edges one pixel is 1 mm."""
    inside = np.interp(values, edges, np.arange(len(edges)) - 0.5)
    return inside + np.minimum(values - edges[0], 0.0) + np.maximum(values - edges[-1], 0.0)


def _tilted(cells: Cells, contours: PlanarContours, grid: Grid) -> np.ndarray:
    """Middles of small boxes, looked up in a fine raster of the slices; within 0.005 for cells of 10 mm."""
    fine, parts = _refined(grid)
    stretched = {k: [(np.asarray(p) + 0.5) * parts - 0.5 for p in polygons] for k, polygons in contours.items()}
    offset, block = contours_to_occupancy(stretched, fine)
    middle = fine.to_index(cells.centers_mm)[:, ::-1] - offset
    turn = (np.linalg.inv(fine.affine[:3, :3]) @ cells.axes)[::-1]  # mm along the cells' axes to (k, j, i)
    reach = np.abs(turn * cells.sizes_mm[:, None]).sum(axis=2) / 2
    shares, size, inner = np.zeros(len(cells)), np.zeros(3), np.zeros((0, 3))
    for n in np.flatnonzero(((middle + reach > -0.5) & (middle - reach < np.array(block.shape) - 0.5)).all(axis=1)):
        if not np.array_equal(size, cells.sizes_mm[n]):  # mostly all have one size
            size = cells.sizes_mm[n]
            inner = _raster(size) @ turn.T
        index = np.rint(middle[n] + inner).astype(np.int64)
        k, j, i = index[((index >= 0) & (index < block.shape)).all(axis=1)].T
        shares[n] = float(block[k, j, i].sum()) / len(index)
    return shares


def _raster(size: np.ndarray) -> np.ndarray:
    """(n, 3) mm: middles of the small boxes of a cell around its centre."""
    counts = np.minimum(np.ceil(size / _FINEST_MM), _MOST_PARTS).astype(int)
    axes = [(np.arange(count) + 0.5) / count - 0.5 for count in counts]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) * size


def _refined(grid: Grid) -> tuple[Grid, np.ndarray]:
    """The grid with pixels cut into parts that are short enough, slices as they are; and the parts along i and j."""
    parts = np.ceil(np.array(grid.spacing_mm[:0:-1]) / _FINEST_MM).astype(int)
    affine = grid.affine.copy()
    affine[:3, :2] /= parts
    affine[:3, 3] = grid.to_lps(np.array([*((1 / parts - 1) / 2), 0.0]))
    return Grid((grid.shape[0], grid.shape[1] * int(parts[1]), grid.shape[2] * int(parts[0])), affine), parts
