"""Averages over cells: what must hold on any grid, and the integrals themselves against qhull's polyhedra."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest
from Dose3DLib.dose.cell_operator import CellOperator, cell_means, cell_operator
from Dose3DLib.dose.mass_weighting import mass_weighted
from Dose3DLib.geometry.box_overlap import box_weights
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid, Volume
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, HalfspaceIntersection
from scipy.spatial.transform import Rotation

MODELS = ("linear", "constant")


def turned(*degrees: float) -> np.ndarray:
    return Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()


def grid_of(steps: np.ndarray, shape=(9, 12, 14), origin=(-20.0, 7.0, 3.0)) -> Grid:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps, origin
    return Grid(shape, affine)


GRIDS = {
    "anisotropic": grid_of(np.diag([1.5, 2.0, 3.0])),
    "left-handed": grid_of(np.diag([1.5, 2.0, -3.0])),
    "axes exchanged": grid_of(np.diag([1.5, 2.0, 3.0])[:, [2, 0, 1]]),
    "oblique": grid_of(turned(10, -25, 40) @ np.diag([1.5, 2.0, 3.0])),
    "sheared": grid_of(np.array([[1.5, 0, 0], [0, 2.0, 0.9], [0, 0, 3.0]])),
    "a single slice": grid_of(np.diag([1.5, 2.0, 5.0]), (1, 12, 14)),
}
TURNS = {
    "along": np.eye(3),
    "quarter": turned(0, 90, 0),
    "yaw": turned(0, 0, 33),
    "pitch": turned(20, 0, 0),
    "any": turned(17, -33, 61),
    "nearly along": turned(3e-6, -2e-6, 1e-6),
}
FAMILY = [(grid, turn, model) for grid in GRIDS for turn in TURNS for model in MODELS]


def middle_of(grid: Grid) -> np.ndarray:
    return grid.corners_mm().mean(axis=0)


def tiling(grid: Grid, axes: np.ndarray, size=(5.0, 6.0, 7.0)) -> Cells:
    """Cells that fill space around the whole grid."""
    reach = np.abs(grid.corners_mm() - middle_of(grid)).max() * 1.8 + max(size)
    steps = [np.arange(-np.ceil(reach / length), np.ceil(reach / length) + 1) * length for length in size]
    places = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    return cells_at(middle_of(grid) + (places + 0.3) @ axes.T, size, axes)


def cells_at(centers: np.ndarray, size, axes: np.ndarray) -> Cells:
    centers = np.reshape(centers, (-1, 3))
    return Cells(tuple(map(str, range(len(centers)))), centers, np.broadcast_to(size, centers.shape), axes)


@cache
def operator_of(grid: str, turn: str, model: str) -> CellOperator:
    return cell_operator(tiling(GRIDS[grid], TURNS[turn]), GRIDS[grid], model)


def lps_of(grid: Grid) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    return grid.to_lps(np.stack([i, j, k], axis=-1))


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


def overlap_by_qhull(cell: np.ndarray, size: np.ndarray, axes: np.ndarray, low: np.ndarray, grid: Grid) -> np.ndarray:
    """Vertices (LPS) of the cell's part in the unit cube of index space (i, j, k) at `low`, or none."""
    inverse = np.linalg.inv(grid.affine[:3, :3])
    planes = [np.r_[sign * axes[:, a], -sign * axes[:, a] @ cell - size[a] / 2] for a in range(3) for sign in (-1, 1)]
    for a in range(3):
        start = low[a] + inverse[a] @ grid.affine[:3, 3]
        planes += [np.r_[-inverse[a], start], np.r_[inverse[a], -start - 1]]
    planes = np.array(planes)
    inner = deepest(planes)
    return None if inner is None else HalfspaceIntersection(planes, inner).intersections


def deepest(planes: np.ndarray) -> np.ndarray | None:
    from scipy.optimize import linprog

    norms = np.linalg.norm(planes[:, :3], axis=1)
    found = linprog([0, 0, 0, -1], np.c_[planes[:, :3], norms], -planes[:, 3], bounds=[(None, None)] * 3 + [(0, None)])
    return found.x[:3] if found.status == 0 and found.x[3] > 1e-6 else None


def hill_integral(vertices: np.ndarray, grid: Grid, voxel: np.ndarray) -> float:
    """Of the trilinear hill of a voxel (i, j, k) over a polyhedron in which it is a polynomial (degree 3).

    Tetrahedra between the faces and the middle, each by A. H. Stroud's rule T3:3-1.
    """
    total = 0.0
    points = np.r_[[[0.25] * 4], np.full((4, 4), 1 / 6) + np.eye(4) / 3]
    for face in ConvexHull(vertices).simplices:
        corners = np.r_[[vertices.mean(axis=0)], vertices[face]]
        volume = abs(np.linalg.det(corners[1:] - corners[0])) / 6
        hill = np.clip(1 - np.abs(grid.to_index(points @ corners) - voxel), 0, None).prod(axis=1)
        total += volume * (np.array([-0.8] + [0.45] * 4) @ hill)
    return total


@pytest.mark.parametrize("grid", ["anisotropic", "left-handed", "oblique", "sheared"])
@pytest.mark.parametrize("turn", ["yaw", "any"])
def test_volumes_are_those_of_qhull(grid, turn):
    grid, axes = GRIDS[grid], TURNS[turn]
    size = np.array([4.0, 5.0, 3.0])
    cell = middle_of(grid) + [0.4, -0.7, 0.2]
    row = cell_operator(cells_at(cell, size, axes), grid, "constant").matrix.toarray().reshape(grid.shape)
    for k, j, i in np.argwhere(row > 1e-4)[::3]:
        part = overlap_by_qhull(cell, size, axes, np.array([i, j, k]) - 0.5, grid)
        assert row[k, j, i] * size.prod() == pytest.approx(ConvexHull(part).volume, rel=1e-6)


@pytest.mark.parametrize("grid", ["anisotropic", "left-handed", "sheared"])
def test_trilinear_integrals_are_those_of_qhull(grid):
    """The dose of one voxel: its trilinear hill, summed over the eight cubes around its centre."""
    grid, axes = GRIDS[grid], TURNS["any"]
    size = np.array([4.0, 5.0, 3.0])
    cell = middle_of(grid) + [0.4, -0.7, 0.2]
    row = cell_operator(cells_at(cell, size, axes), grid, "linear").matrix.toarray().reshape(grid.shape)
    for k, j, i in np.argwhere(row > 1e-3)[::7]:
        total = 0.0
        for low in np.indices((2, 2, 2)).reshape(3, -1).T + [i - 1, j - 1, k - 1]:
            part = overlap_by_qhull(cell, size, axes, low, grid)
            if part is not None:
                total += hill_integral(part, grid, np.array([i, j, k]))
        assert row[k, j, i] * size.prod() == pytest.approx(total, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_both_ways_agree_where_both_apply(model):
    grid = GRIDS["anisotropic"]
    random = np.random.default_rng(2)
    centers = middle_of(grid) + random.uniform(-15, 15, (40, 3))
    cells = Cells(tuple(map(str, range(40))), centers, random.uniform(0.3, 15, (40, 3)), np.eye(3))
    operator = cell_operator(cells, grid, model)
    general = np.zeros(operator.matrix.shape)
    for row, column, share in box_weights(cells, grid, model == "linear"):
        np.add.at(general, (row, column), share)
    assert general == pytest.approx(operator.fraction[:, None] * operator.matrix.toarray(), abs=1e-12)


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


@pytest.mark.parametrize(("turn", "seconds"), [("along", 1.0), ("yaw", 5.0)])
def test_a_large_dose_onto_a_thousand_cells(turn, seconds, crowd):
    grid = Grid.axial((186, 512, 512), (3.0, 0.9766, 0.9766), (-250.0, -250.0, -279.0))
    dose = np.broadcast_to(np.float32(2.0), grid.shape)
    places = np.stack(np.meshgrid(*[np.arange(-4.5, 5) * 12] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = cells_at(places @ TURNS[turn].T, (10.0, 10.0, 10.0), TURNS[turn])
    cell_operator(cells.take(np.arange(2)), grid)  # imports
    start = time.perf_counter()
    operator = cell_operator(cells, grid)
    used = operator.matrix.indices  # as apply does, without a dense dose in memory
    values = np.add.reduceat(
        operator.matrix.data * dose[np.unravel_index(used, grid.shape)], operator.matrix.indptr[:-1]
    )
    assert time.perf_counter() - start < seconds * crowd
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
