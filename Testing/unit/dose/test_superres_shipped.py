"""The shipped network from problem to dose, band and possible doses."""

import numpy as np
import pytest
from builders.cells_builder import ball_dose, ball_problem
from Dose3DLib.core.errors import InputError
from Dose3DLib.dose.superres.infer import SuperResolved, super_resolve
from Dose3DLib.dose.superres.inputs import base_dose


@pytest.fixture(scope="module")
def found() -> SuperResolved:
    return super_resolve(ball_problem(), samples=3, seed=1)


def misfit(problem, dose: np.ndarray) -> float:
    """RMS in standard deviations of the cells."""
    operator = problem.operators[0]
    return float(np.sqrt(np.mean(((operator.matrix @ dose.ravel() - problem.values[0]) / problem.sd[0]) ** 2)))


def test_it_agrees_with_the_cells_and_is_dose_of_the_patient_only(found):
    problem = ball_problem()
    inside = problem.operators[0].matrix @ problem.body.ravel() > 0.99
    error = problem.operators[0].matrix @ found.mean.array.ravel() - problem.values[0]
    assert np.sqrt(np.mean((error / problem.sd[0])[inside] ** 2)) < 1.0
    assert not found.mean.array[~problem.body].any()
    assert not found.half_width.array[~problem.body].any()
    assert found.mean.array.min() >= 0


def test_it_finds_the_targets_edge_better_than_the_classical_fit(found):
    problem, (dose, body, target) = ball_problem(), ball_dose()
    base = base_dose(problem)
    assert np.abs(found.mean.array - dose)[target].mean() < 0.9 * np.abs(base - dose)[target].mean()
    assert np.abs(found.mean.array - dose)[body].mean() < np.abs(base - dose)[body].mean()


def test_possible_doses_differ_and_agree_with_the_cells(found):
    problem = ball_problem()
    first, second, third = (one.array for one in found.samples)
    assert (first != second).any()
    assert (second != third).any()
    for one in (first, second, third):
        assert misfit(problem, one) < misfit(problem, base_dose(problem)) + 1.0


def test_same_seed_same_doses(found):
    again = super_resolve(ball_problem(), samples=1, seed=1)
    assert (again.mean.array == found.mean.array).all()
    assert (again.samples[0].array == found.samples[0].array).all()


def test_where_no_cell_sees_anything_the_band_says_so(found):
    problem = ball_problem()
    unseen = np.zeros(problem.grid.shape)
    unseen[:4] = 1.0
    wide = super_resolve(problem, unseen=unseen).half_width.array
    inside = problem.body
    assert wide[:4][inside[:4]].min() > 0.9 * found.mean.array.max()
    assert (wide[4:] == found.half_width.array[4:]).all()


@pytest.mark.parametrize("model", ["head_neck_ct", "head_neck_dos"])
def test_another_model_is_refused(model):
    with pytest.raises(InputError, match="head_neck_dose"):
        super_resolve(ball_problem(), model=model)
