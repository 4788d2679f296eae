"""Gamma against formulas, and against a search in small steps."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.phasespace.compare.gamma import GammaCriteria, gamma_index, passing_share
from scipy.interpolate import RegularGridInterpolator

CRITERIA = GammaCriteria(dose_share=0.03, distance_cm=0.3, threshold_share=0.0, highest=10.0)
AXIS = np.arange(-8, 8.01, 0.5)


def test_two_flat_doses_differ_by_their_dose_alone():
    gamma = gamma_index([AXIS, AXIS], np.full((33, 33), 100.0), np.full((33, 33), 101.5), CRITERIA)
    assert gamma == pytest.approx(np.full((33, 33), 0.5))


def test_shifted_slopes_in_one_two_and_three_dimensions():
    """gamma of two parallel planes is their distance: |offset| / sqrt(dd^2 + (slope dta)^2) in the units of each."""
    slopes = (3.0, 2.0, 1.0)
    axis = np.arange(-2, 2.01, 0.5)
    criteria = GammaCriteria(0.03, 0.3, 0.0, highest=2.0)
    for dimensions in (1, 2, 3):
        grid = np.meshgrid(*[axis] * dimensions, indexing="ij")
        reference = 100 + sum(slope * one for slope, one in zip(slopes, grid, strict=False))
        gamma = gamma_index([axis] * dimensions, reference, reference + 2.0, criteria)
        dose = 0.03 * reference.max()
        steepness = np.sqrt(sum(slope**2 for slope in slopes[:dimensions]))
        inner = gamma[(slice(2, -2),) * dimensions]
        assert inner == pytest.approx(np.full(inner.shape, 2.0 / np.hypot(dose, steepness * 0.3)), rel=1e-9)


def test_a_step_edge_that_moved_by_the_distance_has_gamma_one():
    """A very steep edge: only distance counts."""
    axis = np.arange(0, 10.001, 0.01)
    reference = np.clip((5.0 - axis) * 1e4, 0, 100.0)
    gamma = gamma_index([axis], reference, np.clip((5.3 - axis) * 1e4, 0, 100.0), CRITERIA)
    assert gamma[np.argmin(np.abs(axis - 5.01))] == pytest.approx(0.29 / 0.3, abs=0.01)


@pytest.mark.parametrize(("shift", "scale"), [(0.15, 1.0), (0.0, 1.02), (0.1, 1.02), (0.4, 0.95)])
def test_shifted_gaussians_against_a_search_in_small_steps(shift: float, scale: float):
    """Linear along one axis, the evaluated dose is the same to simplices and to a linear interpolator."""
    axis = np.linspace(-3, 3, 31)
    reference, evaluated = (100 * s * np.exp(-((axis - d) ** 2) / 2) for s, d in ((1.0, 0.0), (scale, shift)))
    criteria = GammaCriteria(0.03, 0.3, 0.1, 2.0)
    gamma = gamma_index([axis], reference, evaluated, criteria)
    steps = np.linspace(-0.6, 0.6, 4801)
    for at, dose, found in zip(axis, reference, gamma, strict=True):
        if dose < 10:
            assert np.isnan(found)
            continue
        there = np.interp(at + steps, axis, evaluated, left=np.inf, right=np.inf)
        searched = np.sqrt((steps / 0.3) ** 2 + ((there - dose) / 3.0) ** 2).min()
        assert found == pytest.approx(min(searched, 2.0), abs=2e-3)


def test_in_the_plane_it_is_near_to_a_bilinear_search():
    """Between grid points bilinear and simplices differ a little, by the curvature."""
    axis = np.linspace(-3, 3, 41)
    a, b = np.meshgrid(axis, axis, indexing="ij")
    reference, evaluated = (100 * s * np.exp(-((a - d) ** 2 + b**2) / 2) for s, d in ((1.0, 0.0), (1.02, 0.15)))
    gamma = gamma_index([axis, axis], reference, evaluated, GammaCriteria(0.03, 0.3, 0.1, 2.0))
    between = RegularGridInterpolator((axis, axis), evaluated, bounds_error=False, fill_value=np.inf)
    steps = np.stack(np.meshgrid(*[np.linspace(-0.6, 0.6, 121)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    for i, j in ((20, 20), (20, 26), (24, 15), (30, 22)):
        there = between(np.array([axis[i], axis[j]]) + steps)
        distances = np.square(steps).sum(axis=1) / 0.09 + ((there - reference[i, j]) / 3.0) ** 2
        assert gamma[i, j] == pytest.approx(np.sqrt(distances.min()), abs=0.03)


def test_gamma_needs_both_doses_on_one_grid_and_some_dose():
    with pytest.raises(ValueError, match="grid of the axes"):
        gamma_index([AXIS], np.ones(33), np.ones(32))
    assert np.isnan(gamma_index([AXIS], np.zeros(33), np.ones(33))).all()


def test_passing_share_counts_only_points_with_a_gamma():
    assert passing_share(np.array([0.2, 1.0, 1.01, np.nan])) == pytest.approx(2 / 3)
    assert np.isnan(passing_share(np.array([np.nan])))


def test_an_axis_of_one_point_changes_nothing():
    reference = 100 * np.exp(-(AXIS**2) / 8)
    evaluated = 100 * np.exp(-((AXIS - 0.2) ** 2) / 8)
    line = gamma_index([AXIS], reference, evaluated, CRITERIA)
    sheet = gamma_index([np.array([3.0]), AXIS], reference[None], evaluated[None], CRITERIA)
    assert sheet[0] == pytest.approx(line)
