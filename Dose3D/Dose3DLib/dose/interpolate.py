"""A dose from cells taken as points: nearest, linear and cubic; axis by axis where the cells stand on a lattice.

Values beyond the outermost cells are those at the hull: nothing is extrapolated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..geometry.cells import Cells
from ..geometry.grid import Grid
from .lattice import CellLattice, cell_lattice, coordinates_along

__all__ = ["Kind", "Spread", "coarse_coordinates", "from_lattice", "line_matrix", "spread", "through_axes"]

Kind = Literal["nearest", "linear", "cubic"]

Spread = Callable[[np.ndarray], np.ndarray]
"""From values of cells (n,) to doses of voxels [k, j, i]; cells without a value are NaN."""

_COARSE = 3.0
"""Smooth functions of scattered cells are evaluated at this many points per distance of neighbours, then splined."""
_FLAT_MM = 0.05
"""Centres within this of one plane (or line) lie on it."""
_MOST_GLOBAL = 2000
"""With more scattered cells, cubic radial functions use the nearest 60 cells of each point."""


def spread(cells: Cells, grid: Grid, kind: Kind) -> Spread:
    """The interpolation of these cells onto this grid, prepared once."""
    lattice = cell_lattice(cells)
    if lattice is None:
        return {"nearest": _nearest, "linear": _linear, "cubic": _cubic}[kind](cells, grid)
    along = coordinates_along(cells.axes, grid)
    if along is None:
        return _on_lattice(lattice, cells, grid, kind)
    matrices = [line_matrix(lattice.coordinates_mm[axis], at, kind) for axis, at in along]
    order = [axis for axis, _ in along]
    return lambda values: through_axes(lattice.nodes(values).transpose(order), matrices)


def line_matrix(nodes_mm: np.ndarray, at_mm: np.ndarray, kind: Kind) -> np.ndarray:
    """(len(at), len(nodes)): what interpolates values at ascending nodes of a line, constant beyond them.

    The cubic spline is level at its ends, so that it goes on without a bend.
    """
    count = len(nodes_mm)
    at = np.clip(at_mm, nodes_mm[0], nodes_mm[-1])
    if count == 1:
        return np.ones((len(at), 1))
    if kind == "nearest":
        middles = (nodes_mm[1:] + nodes_mm[:-1]) / 2
        return np.eye(count)[np.searchsorted(middles, at)]
    if kind == "linear":
        return np.stack([np.interp(at, nodes_mm, unit) for unit in np.eye(count)], axis=1)
    from scipy.interpolate import CubicSpline

    return CubicSpline(nodes_mm, np.eye(count), bc_type="clamped")(at)


def through_axes(nodes: np.ndarray, matrices: list[np.ndarray]) -> np.ndarray:
    """Apply one matrix per axis of a three-dimensional array."""
    for axis, matrix in enumerate(matrices):
        nodes = np.moveaxis(np.tensordot(matrix, nodes, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(nodes)


def _on_lattice(lattice: CellLattice, cells: Cells, grid: Grid, kind: Kind) -> Spread:
    """Onto a grid that stands oblique to the lattice: point by point."""
    from scipy.interpolate import RegularGridInterpolator

    used = [axis for axis, n in enumerate(lattice.shape) if n > 1]
    nodes = tuple(lattice.coordinates_mm[axis] for axis in used)
    method = "linear" if kind == "cubic" and min((len(n) for n in nodes), default=0) < 4 else kind

    def interpolate(values: np.ndarray) -> np.ndarray:
        full = lattice.nodes(values)
        if not used:
            return np.full(grid.shape, float(full.ravel()[0]))
        function = RegularGridInterpolator(nodes, full.reshape([lattice.shape[a] for a in used]), method)
        dose = np.empty(grid.shape)
        for k in range(grid.shape[0]):
            own = slice_points(grid, k) @ cells.axes[:, used]
            dose[k] = function(np.clip(own, [n[0] for n in nodes], [n[-1] for n in nodes]))
        return dose

    return interpolate


def slice_points(grid: Grid, k: int) -> np.ndarray:
    """LPS of the voxel centres of slice k, (j, i, 3)."""
    j, i = np.meshgrid(np.arange(grid.shape[1]), np.arange(grid.shape[2]), indexing="ij")
    return grid.to_lps(np.stack([i, j, np.full_like(i, k)], axis=-1))


def _nearest(cells: Cells, grid: Grid) -> Spread:
    """The value of the nearest cell that has one."""
    from scipy.spatial import cKDTree

    points = np.stack([slice_points(grid, k) for k in range(grid.shape[0])])

    def interpolate(values: np.ndarray) -> np.ndarray:
        known = np.isfinite(values)
        if not known.any():
            return np.zeros(grid.shape)
        _, number = cKDTree(cells.centers_mm[known]).query(points, workers=-1)
        return np.asarray(values)[known][number]

    return interpolate


@dataclass(frozen=True, eq=False)
class _Span:
    """The line, plane or space that points fill: `origin`, and orthonormal `directions` (3, d)."""

    origin: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray) -> _Span:
        origin = points.mean(axis=0)
        _, size, directions = np.linalg.svd(points - origin, full_matrices=False)
        rank = int((size / np.sqrt(len(points)) > _FLAT_MM).sum())
        return cls(origin, directions[:rank].T)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return (points - self.origin) @ self.directions


def _linear(cells: Cells, grid: Grid) -> Spread:
    """Barycentric in the Delaunay tetrahedra (triangles, sections) of the centres; outside them the nearest cell."""
    outside = _nearest(cells, grid)

    def interpolate(values: np.ndarray) -> np.ndarray:
        known = np.isfinite(values)
        dose = outside(values)
        span = _Span.of(cells.centers_mm[known]) if known.any() else None
        if span is None or span.directions.shape[1] == 0:
            return dose
        function = _simplices(span(cells.centers_mm[known]), np.asarray(values)[known])
        for k in range(grid.shape[0]):
            found = function(span(slice_points(grid, k)))
            dose[k] = np.where(np.isfinite(found), found, dose[k])
        return dose

    return interpolate


def _simplices(points: np.ndarray, values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    if points.shape[1] == 1:
        order = np.argsort(points[:, 0])
        return lambda at: np.interp(at[..., 0], points[order, 0], values[order])
    from scipy.interpolate import LinearNDInterpolator

    return LinearNDInterpolator(points, values)


def _cubic(cells: Cells, grid: Grid) -> Spread:
    """Cubic radial functions with a linear part, on a coarse grid, from there by cubic spline."""
    inner = _nearest_distance(cells)

    def interpolate(values: np.ndarray) -> np.ndarray:
        known = np.isfinite(values)
        if known.sum() < 2:
            return _nearest(cells, grid)(values)
        span = _Span.of(cells.centers_mm[known])
        function = _radial(span(cells.centers_mm[known]), np.asarray(values)[known])
        own = cells.centers_mm[known] @ cells.axes
        coordinates = coarse_coordinates(own.min(axis=0), own.max(axis=0), inner / _COARSE)
        points = np.stack(np.meshgrid(*coordinates, indexing="ij"), axis=-1) @ cells.axes.T
        values_there = function(span(points.reshape(-1, 3))).reshape(points.shape[:3])
        return from_lattice(coordinates, values_there, cells.axes, grid)

    return interpolate


def _radial(points: np.ndarray, values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    from scipy.interpolate import RBFInterpolator

    many = len(points) > _MOST_GLOBAL
    degree = 1 if len(points) > points.shape[1] + 1 else 0
    kernel = "cubic" if degree else "linear"
    return RBFInterpolator(points, values, neighbors=60 if many else None, kernel=kernel, degree=degree)


def _nearest_distance(cells: Cells) -> float:
    """The usual distance of a cell to its nearest neighbour, mm; its size where it stands alone."""
    from scipy.spatial import cKDTree

    if len(cells) < 2:
        return float(cells.sizes_mm.max())
    distance, _ = cKDTree(cells.centers_mm).query(cells.centers_mm, k=2)
    return float(max(np.median(distance[:, 1]), 1.0))


def coarse_coordinates(low_mm: np.ndarray, high_mm: np.ndarray, step_mm: float) -> tuple[np.ndarray, ...]:
    """Along three axes evenly spaced coordinates from low to high, `step_mm` apart or less."""
    counts = np.maximum(np.ceil((high_mm - low_mm) / step_mm).astype(int) + 1, 2)
    return tuple(
        np.linspace(a, b, n) for a, b, n in zip(low_mm, np.maximum(high_mm, low_mm + 1e-3), counts, strict=True)
    )


def from_lattice(coordinates: tuple[np.ndarray, ...], values: np.ndarray, axes: np.ndarray, grid: Grid) -> np.ndarray:
    """A smooth function at all voxels, [k, j, i], by a cubic spline through its values (a, b, c) on a lattice.

    Parameters
    ----------
    coordinates:
        evenly spaced, along each of the orthonormal `axes` (columns, LPS). Beyond them the border's value counts.
    """
    from scipy.ndimage import map_coordinates

    along = coordinates_along(axes, grid)
    if along is not None:
        matrices = [line_matrix(coordinates[axis], at, "cubic") for axis, at in along]
        return through_axes(values.transpose([axis for axis, _ in along]), matrices)
    low = np.array([c[0] for c in coordinates])
    steps = np.array([c[1] - c[0] for c in coordinates])
    dose = np.empty(grid.shape)
    for k in range(grid.shape[0]):
        at = np.clip((slice_points(grid, k) @ axes - low) / steps, 0, np.array(values.shape) - 1)
        dose[k] = map_coordinates(values, np.moveaxis(at, -1, 0), order=3, mode="mirror")
    return dose
