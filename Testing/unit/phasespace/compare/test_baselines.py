"""Naive generators keep what they promise and lose the rest."""

from __future__ import annotations

import numpy as np
import pytest
from builders.beam_builder import PLANE_CM, beam_photons
from Dose3DLib.phasespace.compare.baselines import gaussian_copula, shuffled
from Dose3DLib.phasespace.compare.metrics import correlations, kolmogorov_smirnov
from Dose3DLib.phasespace.compare.sides import Side, focus_of


@pytest.fixture(scope="module")
def real() -> Side:
    return Side(beam_photons(20_000), np.arange(20_000) // 2, "beam", PLANE_CM)


def test_shuffled_keeps_every_marginal_and_no_dependence(real):
    found = shuffled(real, np.random.default_rng(0))
    assert np.array_equal(np.sort(found.photons, axis=0), np.sort(real.photons, axis=0))
    assert np.abs(correlations(found.photons) - np.eye(6)).max() < 0.03


def test_the_copula_keeps_marginals_and_normal_dependence_but_not_the_spot(real):
    found = gaussian_copula(real, 15_000, np.random.default_rng(1))
    assert found.photons.shape == (15_000, 6)
    for column in (0, 1, 2, 3, 5):
        assert kolmogorov_smirnov(found.photons[:, column], real.photons[:, column]) < 0.025
    assert np.linalg.norm(found.photons[:, 2:5], axis=1) == pytest.approx(1, abs=1e-6)
    assert correlations(found.photons)[0, 2] == pytest.approx(correlations(real.photons)[0, 2], abs=0.03)
    focus = focus_of(real)
    x, _ = focus.positions(found.photons).T
    assert np.median(np.abs(x)) > 3 * focus.sigma_x_cm


def test_a_variable_that_does_not_vary_is_no_obstacle(real):
    photons = real.photons.copy()
    photons[:, 5] = 1.25
    flat = Side(photons, real.history, "one energy", PLANE_CM)
    assert set(gaussian_copula(flat, 500, np.random.default_rng(2)).photons[:, 5].tolist()) == {1.25}
