"""Problems on larger voxels: the same cells, body and place, and a start that is near."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.scale_builder import lattice_cells, places, small_grid, smooth_dose
from Dose3DLib.dose.body import fit_body, signed_distance
from Dose3DLib.dose.cell_operator import cell_operator
from Dose3DLib.dose.coarse import coarsened
from Dose3DLib.dose.methods import fitted
from Dose3DLib.dose.scale import ScaleProblem
from Dose3DLib.dose.tikhonov import tikhonov


@pytest.fixture(scope="module")
def fine() -> tuple[ScaleProblem, np.ndarray]:
    """Voxels of 1.5 mm, 65 along each axis: no whole number of larger ones."""
    grid = small_grid(1.5, 65)
    x, y, z = places(grid)
    body = x**2 + y**2 + z**2 < 33.0**2
    truth = np.where(body, smooth_dose(grid), 0.0)
    operator = cell_operator(lattice_cells(7), grid)
    values = operator.apply(truth)
    return ScaleProblem((operator,), (values,), (np.full(len(values), 0.3),), grid, body), truth


def test_the_same_cells_on_larger_voxels(fine):
    problem, truth = fine
    rough = coarsened(problem)
    assert rough.factors == (2, 2, 2)
    assert rough.problem.grid.shape == (33, 33, 33)
    assert rough.problem.body.sum() * 8 == pytest.approx(problem.body.sum(), rel=0.03)
    coarse_truth = np.where(rough.problem.body, smooth_dose(rough.problem.grid), 0.0)
    inner = np.linalg.norm(problem.operators[0].cells.centers_mm, axis=1) < 20  # cells that the surface does not cut
    assert np.allclose(rough.problem.operators[0].apply(coarse_truth)[inner], problem.values[0][inner], atol=0.5)


def test_a_linear_field_is_refined_exactly(fine):
    problem, _ = fine
    rough = coarsened(problem)
    field = [x + 2 * y - z for x, y, z in (places(rough.problem.grid), places(problem.grid))]
    inner = (slice(2, -2),) * 3
    assert np.allclose(rough.refined(field[0])[inner], field[1][inner])


def test_large_voxels_are_left_alone():
    grid = small_grid(3.0, 16)
    operator = cell_operator(lattice_cells(2), grid)
    problem = ScaleProblem((operator,), (np.ones(8),), (np.ones(8),), grid)
    assert coarsened(problem).problem is problem


def test_the_start_changes_the_time_not_the_dose(fine):
    problem, _ = fine
    direct = tikhonov(problem.operators, problem.values, problem.inside, 0.1)
    assert np.abs(fitted(problem, 0.1) - direct).max() < 0.1


def test_a_wrong_body_is_mended_on_fine_voxels(fine):
    problem, truth = fine
    wrong = signed_distance(problem.body, problem.grid) < 3
    found = fit_body(replace(problem, body=wrong))
    before, after = ((one ^ problem.body).sum() for one in (wrong, found.body))
    assert after < 0.4 * before
