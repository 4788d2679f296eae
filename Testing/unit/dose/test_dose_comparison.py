"""Two doses against each other: figures by NumPy and formulas, masks on other grids, cells by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from builders.dose_builder import ball_dose
from Dose3DLib.dose.cell_comparison import compare_in_cells, moving_mean
from Dose3DLib.dose.comparison import compare_doses, mask_on_grid, region_figures
from Dose3DLib.dose.profiles import profiles
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.gamma import GammaCriteria, gamma_index
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.resample import sample_points

TURN = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])


def places_of(grid: Grid) -> np.ndarray:
    k, j, i = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    return grid.to_lps(np.stack([i, j, k], axis=-1))


@pytest.fixture(scope="module")
def found():
    return compare_doses(ball_dose(), ball_dose(center_mm=(11.5, -5, 20)), GammaCriteria(1, 1.2))


def test_figures_of_a_region(found):
    region = found.region
    figures = region_figures(found, "all", region)
    difference = found.evaluated.array.astype(float) - found.reference.array
    # Both grids move with their ball, so voxel for voxel they are equal; in the patient they are not.
    assert np.abs(difference).max() == 0
    there = sample_points(found.evaluated, places_of(found.reference.grid)).astype(float)
    difference = (there - found.reference.array)[region]
    known = np.isfinite(difference)
    assert figures.voxels == region.sum() == (found.reference.array >= 6).sum()
    assert figures.unknown == (~known).sum()
    assert figures.mean_difference == pytest.approx(difference[known].mean(), abs=1e-5)
    assert figures.sd_difference == pytest.approx(difference[known].std(), abs=1e-5)
    assert figures.lowest == pytest.approx(difference[known].min(), abs=1e-5)
    assert figures.mean_evaluated - figures.mean_reference == pytest.approx(figures.mean_difference)
    gamma = found.gamma[np.isfinite(found.gamma)]
    assert figures.points == gamma.size
    assert figures.passing == pytest.approx((gamma <= 1 + 1e-5).mean())
    assert figures.mean_gamma == pytest.approx(gamma.mean())
    assert figures.passing_grid_points < figures.passing, "at 2.5 mm grid points only, gamma is too high"


def test_a_region_without_voxels_has_no_figures(found):
    figures = region_figures(found, "none", np.zeros_like(found.region))
    assert (figures.voxels, figures.points) == (0, 0)
    assert figures.mean_difference is figures.passing is figures.passing_grid_points is figures.highest_gamma is None


def test_the_normalisation_is_the_references_highest_dose(found):
    assert found.criteria.normalisation == pytest.approx(60)
    assert not found.same_grid
    other = compare_doses(ball_dose(), ball_dose(), GammaCriteria(3, 2, normalisation=40.0))
    assert other.same_grid
    assert other.region.sum() == (ball_dose().array >= 4).sum()


@pytest.mark.parametrize("turn", [None, np.diag([-1.0, 1.0, -1.0]), TURN])
def test_a_mask_of_another_grid(turn):
    ball = ball_dose(spacing_mm=(3.0, 1.5, 1.7), affine_turn=turn)
    mask = Mask.from_array(ball.array >= 25, ball.grid)
    grid = ball_dose().grid
    inside = mask_on_grid(mask, grid)
    distance = np.linalg.norm(places_of(grid) - [10, -5, 20], axis=-1)
    radius = 30 * (1 - 25 / 60)
    assert not inside[distance > radius + 2.5].any()
    assert inside[distance < radius - 2.5].all()
    index = np.rint(ball.grid.to_index(places_of(grid))).astype(int)[..., ::-1]
    fits = ((index >= 0) & (index < ball.grid.shape)).all(axis=-1)
    expected = np.zeros(grid.shape, bool)
    expected[fits] = (ball.array >= 25)[tuple(index[fits].T)]
    assert (inside == expected).all()


def test_masks_that_reach_nowhere():
    grid = ball_dose().grid
    assert not mask_on_grid(Mask.empty(ball_dose(spacing_mm=(2, 2, 2)).grid), grid).any()
    far = ball_dose(center_mm=(900, 0, 0))
    assert not mask_on_grid(Mask.from_array(far.array > 0, far.grid), grid).any()


def test_cells_beside_the_patients_gamma():
    """Of doses that are constant by halves, each cell's figures are known."""
    grid = Grid.axial((12, 12, 12), (2.0, 2.0, 2.0), (-11, -11, -11))
    reference = Volume(np.full(grid.shape, 50.0, np.float32), grid)
    evaluated = Volume(reference.array.copy(), grid)
    evaluated.array[..., 6:] = 60.0
    found = compare_doses(reference, evaluated, GammaCriteria(3, 0.1))
    cells = Cells(
        ("left", "right", "half", "out"), [[-6, 0, 0], [6, 0, 0], [0, 0, 0], [90, 0, 0]], [[6, 6, 6]] * 4, np.eye(3)
    )
    seen = compare_in_cells(found, cells)
    assert seen.evaluated[:3] == pytest.approx([50, 60, 55])
    assert np.isnan(seen.evaluated[3])
    assert seen.judged.tolist() == [True, True, True, False]
    assert seen.within.tolist() == [True, False, False, False]
    assert seen.share_within == pytest.approx(1 / 3)
    assert seen.fraction.tolist() == [1, 1, 1, 0]
    passes = gamma_index(reference, evaluated, GammaCriteria(3, 0.1)) <= 1
    assert passes[..., :6].all()
    assert not passes[..., 6:].any()
    assert seen.passing[:3] == pytest.approx([1, 0, 0.5])
    assert np.isnan(seen.passing[3])


def test_cells_of_local_criteria_and_of_none():
    grid = Grid.axial((12, 12, 12), (2.0, 2.0, 2.0), (-11, -11, -11))
    reference = Volume(np.full(grid.shape, 20.0, np.float32), grid)
    reference.array[0, 0, 0] = 100.0
    evaluated = Volume(reference.array * np.float32(1.04), grid)
    cells = Cells(("a",), [[0, 0, 0]], [[6, 6, 6]], np.eye(3))
    for is_local, within in ((True, False), (False, True)):
        found = compare_doses(reference, evaluated, GammaCriteria(3, 1, is_local))
        assert compare_in_cells(found, cells).within.tolist() == [within], "0.8 Gy of 20 or of 100"
    far = Cells(("a",), [[900, 0, 0]], [[6, 6, 6]], np.eye(3))
    assert np.isnan(compare_in_cells(found, far).share_within)


def test_profiles_cross_in_their_place():
    dose = ball_dose(affine_turn=TURN)
    x, y, z = profiles((dose, ball_dose(maximum=30)), (10.0, -5.0, 26.0))
    assert [one.axis for one in (x, y, z)] == [0, 1, 2]
    assert x.name == "x (to the left)"
    at = z.at_mm
    assert np.interp(20.0, at, z.doses[0]) == pytest.approx(60, abs=2.5), "the middle of the ball"
    known = np.isfinite(x.doses[0]) & np.isfinite(x.doses[1]) & (x.doses[0] > 5)
    expected = 60 * np.clip(1 - np.hypot(x.at_mm - 10, 6.0) / 30, 0, None)
    assert x.doses[0][known] == pytest.approx(expected[known], abs=0.8)
    assert x.doses[1][known] == pytest.approx(expected[known] / 2, abs=0.5)
    assert np.isnan(x.doses[0]).any(), "a turned grid does not fill its box"


@pytest.mark.parametrize("axes", [np.eye(3), np.diag([-1.0, 1, -1]), np.eye(3)[[2, 0, 1]]])
def test_moving_means_are_those_of_cells_that_stand_there(axes):
    """Judged by averages of many trilinear samples in each box."""
    dose = ball_dose()
    size = np.array([9.0, 5.0, 12.5])
    seen = moving_mean(dose, axes, size)
    parts = (np.arange(40) + 0.5) / 40 - 0.5
    inside = np.stack(np.meshgrid(parts, parts, parts, indexing="ij"), -1).reshape(-1, 3) * size @ axes.T
    for index in ((16, 20, 20), (12, 25, 17), (20, 14, 26)):
        center = dose.grid.to_lps(np.array(index[::-1]))
        assert seen.array[index] == pytest.approx(sample_points(dose, center + inside).mean(), abs=0.02)
    assert np.isnan(seen.array[0, 20, 20])
    assert np.isnan(seen.array[16, 20, 40])


@pytest.mark.parametrize("axes", [np.eye(3), TURN])
def test_gamma_of_cells_has_the_formula_of_a_slope(axes):
    """Cell means of a linear dose are linear, so gamma of shifted slopes is that of the voxels."""
    grid = Grid.axial((30, 30, 30), (2.0, 2.0, 2.0), (-29, -29, -29))
    slope = np.array([0.3, -0.2, 0.1])
    reference = Volume((50 + places_of(grid) @ slope).astype(np.float64), grid)
    evaluated = Volume(reference.array + 1.1, grid)
    found = compare_doses(reference, evaluated, GammaCriteria(3, 2))
    centers = np.array([[0.3, 0, 0], [8, -5, 3], [-7, 6, -9.4], [26, 0, 0]])
    cells = Cells(tuple("abcd"), centers, [[10, 10, 10], [10, 10, 10], [6, 8, 10], [10, 10, 10]], axes)
    seen = compare_in_cells(found, cells)
    expected = 1.1 / np.hypot(0.03 * reference.array.max(), 2 * np.linalg.norm(slope))
    assert seen.gamma[:3] == pytest.approx([expected] * 3, rel=1e-3)
    assert np.isnan(seen.gamma[3]), "it reaches beyond the grid"
    assert seen.passing_share == 1.0
