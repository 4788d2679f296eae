"""Averages over cells: what must hold on any grid and for any cells; the integrals themselves: test_box_overlap.py."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest
from builders.box_builder import GRIDS, TURNS, cells_at, grid_of, lps_of, middle_of, tiling, turned
from Dose3DLib.dose.cell_operator import CellOperator, cell_means, cell_operator
from Dose3DLib.dose.mass_weighting import mass_weighted
from Dose3DLib.geometry.grid import Grid, Volume
from hypothesis import given, settings
from hypothesis import strategies as st

MODELS = ("linear", "constant")


FAMILY = [(grid, turn, model) for grid in GRIDS for turn in TURNS for model in MODELS]


@cache
def operator_of(grid: str, turn: str, model: str) -> CellOperator:
    return cell_operator(tiling(GRIDS[grid], TURNS[turn]), GRIDS[grid], model)


@pytest.mark.parametrize(("grid", "turn", "model"), FAMILY)
def test_energy_of_a_tiling_is_kept(grid, turn, model):
    """Every voxel's volume is divided among the cells: the integral of any dose is kept."""
    operator = operator_of(grid, turn, model)
    grid, cells = operator.grid, operator.cells
    kept = operator.adjoint(cells.volumes_mm3 * operator.fraction)
    assert np.abs(kept / grid.voxel_volume_mm3 - 1).max() < 1e-6
    dose = np.random.default_rng(1).gamma(1.0, 20.0, grid.shape)
    energy = np.nansum(operator.apply(dose) * cells.volumes_mm3 * operator.fraction)
    assert energy == pytest.approx(dose.sum() * grid.voxel_volume_mm3, rel=1e-6)


@pytest.mark.parametrize(("grid", "turn", "model"), FAMILY)
def test_a_uniform_dose_gives_itself(grid, turn, model):
    operator = operator_of(grid, turn, model)
    values = operator.apply(np.full(operator.grid.shape, 17.3, np.float32))
    inside = operator.fraction > 0
    assert inside.any()
    assert (~inside).any()
    assert np.abs(values[inside] / np.float32(17.3) - 1).max() < 1e-12
    assert np.isnan(values[~inside]).all()  # unknown, never 0
    assert not np.diff(operator.matrix.indptr)[~inside].any()


@pytest.mark.parametrize(("grid", "turn"), [(g, t) for g in GRIDS for t in TURNS if g != "a single slice"])
def test_a_linear_dose_gives_its_value_at_the_centre(grid, turn):
    grid = GRIDS[grid]
    slope, size = np.array([0.31, -0.2, 0.17]), (3.0, 4.0, 3.5)
    cells = tiling(grid, TURNS[turn], size)
    inner = grid.to_index(cells.corners_mm())
    inner = ((inner >= 0) & (inner <= np.array(grid.shape[::-1]) - 1)).all(axis=(1, 2))
    assert inner.sum() >= 3
    values = cell_operator(cells, grid, "linear").apply(lps_of(grid) @ slope + 40)
    assert values[inner] == pytest.approx(cells.centers_mm[inner] @ slope + 40, rel=1e-10)


@pytest.mark.parametrize(("grid", "turn", "model"), FAMILY)
def test_the_adjoint_is_the_adjoint(grid, turn, model):
    operator, random = operator_of(grid, turn, model), np.random.default_rng(5)
    dose, values = random.normal(size=operator.grid.shape), random.normal(size=len(operator.cells))
    seen = np.where(operator.fraction > 0, operator.apply(dose), 0)
    assert seen @ values == pytest.approx((dose * operator.adjoint(values)).sum(), rel=1e-6)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("angle", [1e-9, 1e-8, 1e-6, 1e-4])
def test_a_small_turn_changes_little(model, angle):
    grid = GRIDS["anisotropic"]
    cell, size = middle_of(grid), (6.0, 8.0, 9.0)  # faces in the planes between voxels
    straight = cell_operator(cells_at(cell, size, np.eye(3)), grid, model).matrix
    other = cell_operator(cells_at(cell, size, turned(0, 0, np.degrees(angle))), grid, model).matrix
    assert abs(straight - other).max() < 10 * angle


@pytest.mark.parametrize("turn", ["along", "any"])
def test_a_cell_that_is_cut_has_the_mean_of_the_part_inside(turn):
    grid = Grid.axial((40, 40, 40), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))  # from 0 to 40 mm
    cell = cells_at([40.0, 20.0, 20.0], (8.0, 8.0, 8.0), TURNS[turn])
    operator = cell_operator(cell, grid, "constant")
    assert operator.fraction == pytest.approx([0.5], abs=1e-12)  # by symmetry
    assert operator.apply(np.full(grid.shape, 2.0)) == pytest.approx([2.0])
    beside = cell_operator(cells_at([60.0, 20, 20], (8.0, 8, 8), TURNS[turn]), grid)
    assert beside.fraction.tolist() == [0]
    assert np.isnan(beside.apply(np.ones(grid.shape))).all()


@pytest.mark.parametrize("turn", ["along", "any"])
@pytest.mark.parametrize("model", MODELS)
def test_a_cell_around_the_whole_grid_has_its_mean(turn, model):
    grid = GRIDS["anisotropic"]
    dose = np.random.default_rng(0).uniform(0, 70, grid.shape)
    operator = cell_operator(cells_at(middle_of(grid), (90.0, 80.0, 100.0), TURNS[turn]), grid, model)
    assert operator.apply(dose) == pytest.approx([dose.mean()], rel=1e-10)
    assert operator.fraction == pytest.approx([np.prod(grid.shape) * grid.voxel_volume_mm3 / 720_000], rel=1e-10)


@pytest.mark.parametrize("turn", ["along", "any"])
def test_a_cell_smaller_than_a_voxel_has_the_dose_at_its_place(turn):
    grid = GRIDS["anisotropic"]
    slope = np.array([0.31, -0.2, 0.17])
    cell = middle_of(grid) + [0.2, 0.3, -0.4]
    operator = cell_operator(cells_at(cell, (1e-3, 1e-3, 1e-3), TURNS[turn]), grid)
    assert operator.apply(lps_of(grid) @ slope) == pytest.approx([cell @ slope], rel=1e-6)


@pytest.mark.parametrize("turn", ["along", "any"])
def test_means_of_many_cells_are_made_by_parts(turn, monkeypatch):
    operator = operator_of("anisotropic", turn, "linear")
    dose = np.random.default_rng(3).uniform(0, 70, operator.grid.shape)
    told: list[float] = []
    monkeypatch.setattr("Dose3DLib.dose.cell_operator._ENTRIES", 40_000)
    values, fraction = cell_means(operator.cells, Volume(dose, operator.grid), report=told.append)
    assert len(told) > 3
    assert told == sorted(told)
    assert values == pytest.approx(operator.apply(dose), rel=1e-12, nan_ok=True)
    assert fraction == pytest.approx(operator.fraction, rel=1e-12)


def test_no_cell_is_no_fault():
    operator = cell_operator(cells_at(np.zeros((0, 3)), (1.0, 1, 1), TURNS["any"]), GRIDS["oblique"])
    assert operator.apply(np.zeros(operator.grid.shape)).shape == (0,)


@pytest.mark.parametrize(("turn", "seconds"), [("along", 1.0), ("yaw", 3.0)])
def test_a_large_dose_onto_a_thousand_cells(turn, seconds):
    """Seconds of the processor: others that use it too don't count."""
    grid = Grid.axial((186, 512, 512), (3.0, 0.9766, 0.9766), (-250.0, -250.0, -279.0))
    dose = np.broadcast_to(np.float32(2.0), grid.shape)
    places = np.stack(np.meshgrid(*[np.arange(-4.5, 5) * 12] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = cells_at(places @ TURNS[turn].T, (10.0, 10.0, 10.0), TURNS[turn])
    cell_operator(cells.take(np.arange(2)), grid)  # imports
    start = time.process_time()
    operator = cell_operator(cells, grid)
    used = operator.matrix.indices  # as apply does, without a dense dose in memory
    values = np.add.reduceat(
        operator.matrix.data * dose[np.unravel_index(used, grid.shape)], operator.matrix.indptr[:-1]
    )
    assert time.process_time() - start < seconds
    assert values == pytest.approx(np.full(1000, 2.0))


@st.composite
def cases(draw):
    number = st.floats(-1, 1, allow_nan=False)
    angles = [draw(st.one_of(st.sampled_from([0.0, 90.0, 180.0]), st.floats(-180, 180))) for _ in range(3)]
    steps = np.diag([draw(st.floats(0.4, 6)) * draw(st.sampled_from([-1, 1])) for _ in range(3)])
    steps[0, 2], steps[1, 2] = draw(number), draw(number)
    shape = tuple(draw(st.integers(1, 7)) for _ in range(3))
    grid = grid_of(turned(*[draw(st.sampled_from([0.0, 30.0])) for _ in range(3)]) @ steps, shape)
    centers = middle_of(grid) + np.array(
        [[draw(number) * 20 for _ in range(3)] for _ in range(draw(st.integers(1, 4)))]
    )
    size = [draw(st.floats(0.05, 40)) for _ in range(3)]
    return cells_at(centers, size, turned(*angles)), grid, draw(st.sampled_from(MODELS))


@settings(max_examples=150, deadline=None)
@given(cases())
def test_whatever_the_cells_and_the_grid(case):
    cells, grid, model = case
    operator = cell_operator(cells, grid, model)
    rows = np.asarray(operator.matrix.sum(axis=1)).ravel()
    inside = operator.fraction > 0
    assert np.isfinite(operator.matrix.data).all()
    assert (operator.matrix.data >= 0).all()
    assert ((operator.fraction >= 0) & (operator.fraction <= 1)).all()
    assert rows == pytest.approx(np.where(inside, 1.0, 0.0), abs=1e-9)
    dose = np.random.default_rng(0).uniform(1, 3, grid.shape)
    values = operator.apply(dose)
    assert ((values[inside] >= dose.min() - 1e-9) & (values[inside] <= dose.max() + 1e-9)).all()


def test_mass_weighted_is_energy_per_mass():
    """Half of the cell in water with 2 Gy, half in lung of a quarter of its density with 10 Gy."""
    grid = Grid.axial((10, 10, 10), (2.0, 2.0, 2.0), (1.0, 1.0, 1.0))
    dose = np.full(grid.shape, 2.0)
    dose[:, :, 5:] = 10.0
    ct_grid = Grid.axial((30, 30, 50), (1.0, 1.0, 0.5), (-4.75, -5.0, -5.0))
    hu = np.where(lps_of(ct_grid)[..., 0] < 10, 0, -750).astype(np.int16)
    cells = cells_at([[10.0, 10.0, 10.0], [3.0, 10.0, 10.0]], (4.0, 4.0, 4.0), np.eye(3))
    operator = cell_operator(cells, grid, "constant")
    weighted = mass_weighted(operator, Volume(hu, ct_grid), lambda values: 1 + values / 1000)
    assert operator.apply(dose) == pytest.approx([6.0, 2.0])
    assert weighted.apply(dose) == pytest.approx([(1 * 2 + 0.25 * 10) / 1.25, 2.0])
    assert weighted.fraction.tolist() == [1, 1]


def test_mass_weighted_needs_the_whole_cell_on_the_ct():
    grid = Grid.axial((10, 10, 10), (2.0, 2.0, 2.0), (1.0, 1.0, 1.0))
    ct = Volume(np.zeros((20, 20, 10), np.int16), Grid.axial((20, 20, 10), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5)))
    cells = cells_at([[5.0, 10.0, 10.0], [10.0, 10.0, 10.0], [15.0, 10.0, 10.0]], (4.0, 4.0, 4.0), np.eye(3))
    weighted = mass_weighted(cell_operator(cells, grid, "constant"), ct, lambda values: 1 + values / 1000)
    assert weighted.fraction.tolist() == [1, 0, 0]
    assert np.isnan(weighted.apply(np.ones(grid.shape))).tolist() == [False, True, True]


def test_mass_weighting_of_voxels_that_are_no_boxes_is_refused():
    operator = cell_operator(tiling(GRIDS["sheared"], np.eye(3)), GRIDS["sheared"])
    with pytest.raises(ValueError, match="sheared"):
        mass_weighted(operator, Volume(np.zeros(GRIDS["sheared"].shape), GRIDS["sheared"]), lambda values: values + 1)
