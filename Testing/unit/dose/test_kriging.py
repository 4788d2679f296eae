"""Kriging, judged by dense linear algebra on the same covariances and by numerical integrals."""

from __future__ import annotations

import numpy as np
import pytest
from builders.scale_builder import ball_problem, lattice_cells, places, small_grid
from Dose3DLib.core.errors import InputError
from Dose3DLib.dose import kriging as module
from Dose3DLib.dose.cell_operator import cell_operator
from Dose3DLib.dose.kriging import Prior, kriging, unseen_share
from Dose3DLib.dose.matern import between_means, mean_with_point
from Dose3DLib.dose.null_space import null_space_map, seen_volume_share
from Dose3DLib.dose.scale import ScaleProblem
from Dose3DLib.geometry.cells import Cells

LENGTH = 12.0


def kernel(r: np.ndarray) -> np.ndarray:
    s = np.sqrt(3) / LENGTH * np.abs(r)
    return (1 + s) * np.exp(-s)


@pytest.mark.parametrize("distance", [0.0, 3.0, 10.0, 41.0])
def test_means_of_the_covariance_are_its_integrals(distance):
    t = (np.arange(2000) + 0.5) / 2000
    a, b = (t - 0.5) * 10, (t - 0.5) * 7
    point = kernel(distance + a).mean()
    assert mean_with_point(np.array(distance), np.array(10.0), LENGTH) == pytest.approx(point, rel=1e-5)
    both = kernel(distance + a[:, None] - b).mean()
    found = between_means(np.array(distance), np.array(10.0), np.array(7.0), LENGTH)
    assert found == pytest.approx(both, rel=1e-5)


def small_problem() -> ScaleProblem:
    grid = small_grid(count=12, spacing_mm=4.0)
    operator = cell_operator(lattice_cells(3), grid)
    values = np.random.default_rng(0).uniform(10, 60, 27)
    return ScaleProblem((operator,), (values,), (np.full(27, 0.7),), grid)


def dense(problem: ScaleProblem) -> tuple[np.ndarray, np.ndarray]:
    """Mean and share of the variance left, from the voxels' full covariance."""
    points = np.stack(places(problem.grid), axis=-1).reshape(-1, 3)
    full = np.prod([kernel(points[:, None, a] - points[:, a]) for a in range(3)], axis=0) * 70**2
    matrix = problem.operators[0].matrix.toarray()
    across = full @ matrix.T
    inverse = np.linalg.inv(matrix @ across + 0.7**2 * np.eye(27))
    left = 1 - np.einsum("ij,jk,ik->i", across, inverse, across) / 70**2
    return (across @ inverse @ problem.values[0]).reshape(problem.grid.shape), left.reshape(problem.grid.shape)


def test_on_a_lattice_it_is_the_dense_answer():
    problem = small_problem()
    mean, left = dense(problem)
    assert np.allclose(kriging(problem), mean, atol=1e-6)
    assert np.allclose(unseen_share(problem), left, atol=1e-6)


def test_scattered_is_the_dense_answer_of_exact_means():
    problem = small_problem()
    cells = problem.operators[0].cells
    centers = cells.centers_mm + np.random.default_rng(1).uniform(-1, 1, cells.centers_mm.shape)
    moved = Cells(cells.labels, centers, cells.sizes_mm, cells.axes)
    scattered = ScaleProblem((cell_operator(moved, problem.grid),), problem.values, problem.sd, problem.grid)
    assert module.cell_lattice(moved) is None
    points = np.stack(places(problem.grid), axis=-1).reshape(-1, 3)
    t = ((np.arange(40) + 0.5) / 40 - 0.5) * 10
    across, among = np.full((len(points), 27), 70.0**2), np.full((27, 27), 70.0**2)
    for a in range(3):
        across *= kernel(points[:, a, None, None] - centers[:, a, None] + t).mean(axis=-1)
        apart = centers[:, a, None] - centers[:, a]
        among *= kernel(apart[..., None, None] + t[:, None] - t).mean(axis=(-1, -2))
    inverse = np.linalg.inv(among + 0.7**2 * np.eye(27))
    mean = (across @ inverse @ problem.values[0]).reshape(problem.grid.shape)
    left = (1 - np.einsum("ij,jk,ik->i", across, inverse, across) / 70**2).reshape(problem.grid.shape)
    assert np.abs(kriging(scattered) - mean).max() < 0.5
    assert np.abs(unseen_share(scattered) - left).max() < 0.02


def test_too_many_cells_off_a_lattice(monkeypatch):
    problem, _ = ball_problem(((0, 0, 0), (6, 6, 6)))
    monkeypatch.setattr(module, "MOST_SCATTERED", 600)
    assert unseen_share(problem).shape == problem.grid.shape  # tiles see few cells at a time
    with pytest.raises(InputError, match="choose tikhonov"):
        kriging(problem)


def test_a_dose_of_the_priors_kind_is_found_again():
    problem, truth = ball_problem()
    dose = kriging(problem)
    assert np.abs(dose - truth)[problem.body].mean() < 2.0
    assert np.abs(dose - truth)[problem.body].mean() < 0.1 * truth[problem.body].mean()
    assert (dose[~problem.body] == 0).all()


def test_a_cell_without_a_value_is_not_seen_any_more():
    problem, _ = ball_problem()
    values = problem.values[0].copy()
    at = len(values) // 2
    values[at] = np.nan
    less = ScaleProblem(problem.operators, (values,), problem.sd, problem.grid, problem.body)
    i, j, k = np.rint(problem.grid.to_index(problem.operators[0].cells.centers_mm[at])).astype(int)
    before, after = null_space_map(problem), null_space_map(less)
    assert after[k, j, i] > 2 * before[k, j, i]
    assert seen_volume_share(before, problem.body) >= seen_volume_share(after, problem.body)


def test_far_away_nothing_is_seen():
    grid = small_grid(count=40, spacing_mm=5.0)
    operator = cell_operator(lattice_cells(2), grid)
    problem = ScaleProblem((operator,), (np.ones(8),), (np.ones(8),), grid)
    found = null_space_map(problem, Prior())
    assert found[0, 0, 0] > 0.99
    assert found.min() < 0.3
