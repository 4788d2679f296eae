"""Projection, weight by the noise, back-projection, physical step, plan and body: what each promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.scale_builder import ball_problem, places
from Dose3DLib.core.progress import Progress
from Dose3DLib.dose.back_projection import back_projection
from Dose3DLib.dose.body import contradicting_cells, fit_body, signed_distance
from Dose3DLib.dose.methods import METHODS, fitted, method
from Dose3DLib.dose.noise_weight import noise_weight
from Dose3DLib.dose.null_space import null_space_map
from Dose3DLib.dose.physical_step import carry
from Dose3DLib.dose.plan_prior import plan_scale, planned_difference, trusted_plan
from Dose3DLib.dose.projection import misfit, project
from Dose3DLib.dose.scale import ScaleProblem
from Dose3DLib.dose.uncertainty import USUAL_UNSEEN, draw_samples, half_width
from Dose3DLib.geometry.grid import Volume
from scipy.ndimage import gaussian_filter

CLASSICAL = [name for name in METHODS if name != "network"]


def mean_error(dose: np.ndarray, truth: np.ndarray, inside: np.ndarray) -> float:
    return float(np.abs(dose - truth)[inside].mean())


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("shifts", [((0, 0, 0),), ((0, 0, 0), (6, 6, 6))])
def test_every_method_finds_the_hill(name, shifts):
    problem, truth = ball_problem(shifts, noise=0.01)
    dose = method(name)(problem)
    limit = {"nearest": 5.0, "linear": 3.5, "cubic": 2.5, "kriging": 2.5}.get(name, 2.0)  # the mean dose is 33 Gy
    assert mean_error(dose, truth, problem.body) < limit
    assert (dose[~problem.body] == 0).all()


def test_more_acquisitions_are_better():
    errors = []
    for shifts in [((0, 0, 0),), ((0, 0, 0), (6, 6, 6)), ((0, 0, 0), (0, 6, 6), (6, 0, 6), (6, 6, 0))]:
        problem, truth = ball_problem(shifts)
        errors.append(mean_error(fitted(problem, 0.1), truth, problem.body))
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_tenth_of_the_cells_without_a_value(name):
    problem, truth = ball_problem(noise=0.01)
    values = problem.values[0].copy()
    values[np.random.default_rng(0).permutation(len(values))[: len(values) // 10]] = np.nan
    dose = method(name)(replace(problem, values=(values,)))
    assert np.isfinite(dose).all()
    assert mean_error(dose, truth, problem.body) < (5.0 if name == "nearest" else 4.0)


def test_the_projection_meets_the_cells_by_the_smallest_change():
    problem, truth = ball_problem(noise=0.01)
    start = np.where(problem.body, 1.1 * truth + 1, 0.0)
    found = project(problem, start)
    assert misfit(problem, start) > 3
    operator = problem.operators[0]
    touched = operator.apply(problem.body.astype(float)) > 0.01  # the others are met by 0 Gy
    left = ((operator.apply(found) - problem.values[0]) / problem.sd[0])[touched]
    assert np.sqrt(np.mean(left**2)) == pytest.approx(1.0, abs=0.05)
    assert found.min() >= 0
    assert (found[~problem.body] == 0).all()
    # Any other dose that meets the cells is farther away: the truth is one.
    assert np.linalg.norm(found - start) < np.linalg.norm(truth - start)


def test_what_agrees_already_is_left_alone():
    problem, truth = ball_problem()
    assert np.array_equal(project(problem, truth), truth)


def test_a_cell_that_the_body_leaves_nothing_does_not_spoil_the_projection():
    problem, truth = ball_problem()
    values = problem.values[0].copy()
    values[0] = 30.0  # in a corner, far outside the ball
    found = project(replace(problem, values=(values,)), truth)
    assert mean_error(found, truth, problem.body) < 0.1


def test_the_weight_follows_the_noise():
    four = ((0, 0, 0), (0, 6, 6), (6, 0, 6), (6, 6, 0))
    weights = [noise_weight(ball_problem(four, noise)[0], np.random.default_rng(0)) for noise in (0.0005, 0.02, 0.1)]
    assert weights == sorted(weights)
    assert weights[-1] > weights[0]


def test_the_chosen_weight_is_near_the_best():
    problem, truth = ball_problem(((0, 0, 0), (0, 6, 6), (6, 0, 6), (6, 6, 0)), noise=0.05)
    chosen = mean_error(fitted(problem), truth, problem.body)
    best = min(mean_error(fitted(problem, w), truth, problem.body) for w in (0.03, 0.3, 1, 3, 10))
    assert chosen < 1.35 * best


def test_back_projection_reduces_the_misfit_each_round():
    problem, _ = ball_problem()
    left = [misfit(problem, back_projection(problem, rounds)) for rounds in (1, 3, 10)]
    assert left == sorted(left, reverse=True)


def test_the_physical_step():
    measured, detector, patient = np.array([10.0, 50, 2, np.nan]), np.array([8.0, 40, 1, 5]), np.array([9.0, 44, 3, 6])
    assert np.allclose(carry(measured, detector, patient, "difference")[:3], [11, 54, 4])
    ratio = carry(measured, detector, patient, "ratio")
    assert np.allclose(ratio[:3], [9 * 10 / 8, 44 * 50 / 40, 3 + 1])  # the third is below 10 % of 40: difference
    assert np.isnan(ratio[3])


def with_plan(factor: float = 1.0, shift: int = 0) -> tuple[ScaleProblem, np.ndarray]:
    problem, truth = ball_problem(noise=0.01)
    plan = np.where(problem.body, factor * np.roll(truth, shift, axis=2), 0.0)
    return replace(problem, plan=Volume(plan, problem.grid)), truth


def test_the_scale_of_a_plan():
    assert plan_scale(with_plan(1.25)[0]) == pytest.approx(0.8, rel=0.01)


def test_a_right_plan_is_kept_and_trusted():
    problem, truth = with_plan(1.25)
    found = trusted_plan(problem, lambda one: fitted(one, 0.1), np.random.default_rng(0))
    assert mean_error(found.dose, truth, problem.body) < 0.3
    assert found.trust[problem.body].mean() > 0.9
    assert found.with_plan < found.without


def test_a_wrong_plan_is_not_worse_than_none():
    problem, truth = with_plan()
    rng = np.random.default_rng(8)
    waves = gaussian_filter(rng.standard_normal(problem.grid.shape), 2.5)
    wrong = np.where(problem.body, np.maximum(30 + 20 * waves / waves.std(), 0), 0.0)
    problem = replace(problem, plan=Volume(wrong, problem.grid))
    solve = lambda one: fitted(one, 0.1)  # noqa: E731
    free = mean_error(solve(replace(problem, plan=None)), truth, problem.body)
    naive = mean_error(planned_difference(problem, solve), truth, problem.body)
    trusted = mean_error(trusted_plan(problem, solve, rng).dose, truth, problem.body)
    assert naive > 2 * free
    assert trusted < 1.1 * free


@pytest.mark.parametrize("offset", [-3.0, 3.0])
def test_a_body_wrong_by_3_mm_is_not_worse_than_none(offset):
    problem, truth = ball_problem(noise=0.01)
    wrong = signed_distance(problem.body, problem.grid) < offset
    none = mean_error(fitted(replace(problem, body=None), 0.3), truth, problem.body)
    blind = mean_error(fitted(replace(problem, body=wrong), 0.03), truth, problem.body)
    found = fit_body(replace(problem, body=wrong))
    fit = mean_error(fitted(replace(problem, body=found.body), 0.03), truth, problem.body)
    assert np.sign(found.offset_mm[0]) == -np.sign(offset)
    assert fit < none
    assert fit < blind


def test_a_right_body_stays():
    problem, _ = ball_problem(noise=0.01)
    found = fit_body(problem)
    assert max(map(abs, found.offset_mm)) <= 1
    assert all(cells.size == 0 for cells in found.contradicting)


def test_cells_with_dose_outside_the_body_are_named():
    problem, _ = ball_problem()
    values = problem.values[0].copy()
    values[3] = 20.0
    found = contradicting_cells(replace(problem, values=(values,)))
    assert found[0].tolist() == [3]


def test_signed_distance_of_a_ball():
    problem, _ = ball_problem()
    x, y, z = places(problem.grid)
    exact = np.sqrt(x**2 + y**2 + z**2) - 33.0
    assert np.abs(signed_distance(problem.body, problem.grid) - exact).max() < 3.0
    assert np.abs(signed_distance(problem.body, problem.grid) - exact).mean() < 0.8


def test_the_band_widens_with_the_gradient_and_where_no_cell_sees():
    problem, truth = ball_problem()
    x, _, _ = places(problem.grid)
    ramp = np.where(problem.body, 30 + 0.5 * x, 0.0)
    width = half_width(problem, ramp)
    inner = signed_distance(problem.body, problem.grid) < -6
    assert np.allclose(width[inner], 2.88 * (0.41 + 0.86 * 0.5), rtol=0.02)  # cells of 10 mm every 12 mm
    assert width[problem.body].max() < 2.88 * (0.41 + 0.86 * 0.6)  # the step at the surface is no gradient
    assert (width[~problem.body] == 0).all()
    assert half_width(replace(problem, body=None), ramp)[16, 16, 16] > 1.2 * width[16, 16, 16]
    two, _ = ball_problem(((0, 0, 0), (6, 6, 6)))
    assert 0.6 * width[16, 16, 16] < half_width(two, ramp)[16, 16, 16] < 0.85 * width[16, 16, 16]
    unseen = np.where(x > 0, 1.0, 0.2)
    wider = half_width(problem, ramp, unseen)
    assert (wider[problem.body & (x > 0)] == ramp.max()).all()
    assert np.array_equal(wider[x < 0], width[x < 0])


def test_a_lattice_of_cells_leaves_no_more_than_is_usual():
    problem, _ = ball_problem()
    at = np.stack(places(problem.grid))
    assert null_space_map(problem)[(np.abs(at) < 36).all(axis=0)].max() < USUAL_UNSEEN


def test_samples_agree_with_the_cells_and_spread_as_the_band():
    problem, truth = ball_problem(noise=0.01)
    dose = fitted(problem, 0.1)
    width = np.where(problem.body, 3.0, 0.0)
    drawn = draw_samples(problem, dose, width, 6, np.random.default_rng(0), Progress())
    assert all(misfit(problem, one) < 2.0 for one in drawn)
    spread = np.std(drawn, axis=0)[problem.body]
    assert 0.3 < spread.mean() < 3.0 / 1.96
    again = draw_samples(problem, dose, width, 1, np.random.default_rng(0), Progress())
    assert np.array_equal(again[0], drawn[0])
