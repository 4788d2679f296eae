"""Interpolations of cells, judged by NumPy's and SciPy's own on the same nodes, and by formulas that they keep."""

from __future__ import annotations

import numpy as np
import pytest
from builders.scale_builder import lattice_cells, places, small_grid
from Dose3DLib.dose.interpolate import line_matrix, spread
from Dose3DLib.dose.lattice import cell_lattice, fill_missing
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid
from scipy.interpolate import LinearNDInterpolator, RegularGridInterpolator
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

KINDS = ("nearest", "linear", "cubic")


def linear_field(points: np.ndarray) -> np.ndarray:
    return 20 + 0.3 * points[..., 0] - 0.2 * points[..., 1] + 0.1 * points[..., 2]


def staggered() -> Cells:
    """Every other layer of a lattice moved by half a pitch."""
    cells = lattice_cells()
    odd = (np.round(cells.centers_mm[:, 1] / 12 + 2.5).astype(int) % 2)[:, None]
    return Cells(cells.labels, cells.centers_mm + odd * [6, 0, 0], cells.sizes_mm, cells.axes)


def points_of(grid: Grid) -> np.ndarray:
    return np.stack(places(grid), axis=-1)


def test_a_lattice_is_known_and_a_staggered_one_is_not():
    found = cell_lattice(lattice_cells())
    assert found.shape == (6, 6, 6)
    assert np.allclose(found.coordinates_mm[0], [-30, -18, -6, 6, 18, 30])
    assert cell_lattice(staggered()) is None


def test_a_lattice_with_gaps_keeps_them():
    cells = lattice_cells()
    moved = cells.centers_mm + (cells.centers_mm[:, :1] > 0) * [11.0, 0, 0]
    found = cell_lattice(Cells(cells.labels, moved, cells.sizes_mm, cells.axes))
    assert np.allclose(found.coordinates_mm[0], [-30, -18, -6, 17, 29, 41])


def test_nearest_is_that_of_a_tree():
    cells, grid = lattice_cells(), small_grid()
    values = np.random.default_rng(0).uniform(0, 60, len(cells))
    _, number = cKDTree(cells.centers_mm).query(points_of(grid))
    tie = np.isclose(np.abs(np.mod(points_of(grid), 12.0)), 0, atol=1e-9).any(axis=-1)
    assert np.array_equal(spread(cells, grid, "nearest")(values)[~tie], values[number][~tie])


def test_linear_is_scipys_on_the_same_nodes():
    cells, grid = lattice_cells(), small_grid()
    values = np.random.default_rng(1).uniform(0, 60, len(cells))
    at = np.linspace(-30, 30, 6)
    other = RegularGridInterpolator((at, at, at), values.reshape(6, 6, 6))
    assert np.allclose(spread(cells, grid, "linear")(values), other(np.clip(points_of(grid), -30, 30)), atol=1e-10)


def test_cubic_is_scipys_mirrored_spline():
    cells, grid = lattice_cells(), small_grid()
    values = np.random.default_rng(2).uniform(0, 60, len(cells))
    index = np.moveaxis((np.clip(points_of(grid), -30, 30) + 30) / 12, -1, 0)
    other = map_coordinates(values.reshape(6, 6, 6), index, order=3, mode="mirror")
    assert np.allclose(spread(cells, grid, "cubic")(values), other, atol=1e-8)


@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_scattered_cells_keep_a_linear_field(kind):
    cells, grid = staggered(), small_grid()
    dose = spread(cells, grid, kind)(linear_field(cells.centers_mm))
    inner = (np.abs(points_of(grid)) < 24).all(axis=-1)
    assert np.allclose(dose[inner], linear_field(points_of(grid))[inner], atol=1e-6 if kind == "linear" else 0.05)


def test_scattered_linear_is_scipys_within_the_hull():
    cells, grid = staggered(), small_grid()
    jitter = np.random.default_rng(9).uniform(-0.5, 0.5, cells.centers_mm.shape)  # Delaunay's choice is then unique
    cells = Cells(cells.labels, cells.centers_mm + jitter, cells.sizes_mm, cells.axes)
    values = np.random.default_rng(3).uniform(0, 60, len(cells))
    other = LinearNDInterpolator(cells.centers_mm, values)(points_of(grid))
    inside = np.isfinite(other)
    found = spread(cells, grid, "linear")(values)
    assert inside.mean() > 0.2
    assert np.allclose(found[inside], other[inside], atol=1e-8)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)])
def test_a_point_a_row_a_plane_and_a_box(kind, keep):
    """Detectors of one cell, one row or one plane: constant across, nothing is extrapolated."""
    cells = lattice_cells()
    chosen = np.all([np.isclose(cells.centers_mm[:, a], 6) | bool(keep[a]) for a in range(3)], axis=0)
    values = linear_field(cells.centers_mm[chosen])
    dose = spread(cells.take(chosen), small_grid(), kind)(values)
    assert dose.min() >= values.min() - 2
    assert dose.max() <= values.max() + 2
    assert dose[16, 16, 16] == pytest.approx(values.mean(), abs=6)


@pytest.mark.parametrize("make", [lattice_cells, staggered])
@pytest.mark.parametrize("kind", KINDS)
def test_cells_without_a_value(kind, make):
    cells, grid = make(), small_grid()
    values = linear_field(cells.centers_mm)
    values[np.random.default_rng(5).permutation(len(cells))[:20]] = np.nan
    dose = spread(cells, grid, kind)(values)
    inner = (np.abs(points_of(grid)) < 20).all(axis=-1)
    error = np.abs(dose - linear_field(points_of(grid)))[inner]
    assert error.max() < (12 if kind == "nearest" else 4)


def test_no_cell_has_a_value():
    for make in (lattice_cells, staggered):
        dose = spread(make(), small_grid(), "linear")(np.full(216, np.nan))
        assert (dose == 0).all()


def test_an_oblique_grid():
    """Turned by 20 degrees about z the linear field is found as well."""
    a = np.radians(20)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) * 3
    affine[:3, 3] = -affine[:3, :3] @ [10, 10, 10]
    grid = Grid((21, 21, 21), affine)
    cells = lattice_cells()
    inner = (np.abs(points_of(grid)) < 29).all(axis=-1)
    for kind in ("linear", "cubic"):
        dose = spread(cells, grid, kind)(linear_field(cells.centers_mm))
        assert np.abs(dose - linear_field(points_of(grid)))[inner].max() < (1e-9 if kind == "linear" else 0.5)


def test_missing_nodes_of_a_linear_field_are_exact():
    nodes = np.add.outer(np.add.outer(np.arange(5.0), 2 * np.arange(5.0)), -np.arange(5.0))
    holes = nodes.copy()
    holes[2, 2, 2] = holes[1, 3, 2] = np.nan
    assert np.allclose(fill_missing(holes), nodes)


def test_line_matrices_sum_to_one():
    nodes = np.array([0.0, 10, 25, 37])
    for kind in KINDS:
        assert np.allclose(line_matrix(nodes, np.linspace(-9, 50, 31), kind).sum(axis=1), 1)
