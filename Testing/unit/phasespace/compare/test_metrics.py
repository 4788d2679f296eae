"""Distances against formulas, scipy and POT."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from builders.beam_builder import LINE_SHARE, PLANE_CM, SPOT_CM, beam_photons
from Dose3DLib.phasespace.compare import metrics
from Dose3DLib.phasespace.compare.metrics import (
    correlations,
    distances,
    kolmogorov_smirnov,
    make_reference,
    map_distance,
    pair_names,
    properties,
    sliced_wasserstein,
    wasserstein_1,
)
from Dose3DLib.phasespace.compare.sides import Side
from scipy import stats


def side_of(photons: np.ndarray, name: str = "beam") -> Side:
    return Side(photons, np.arange(len(photons)), name, PLANE_CM)


def test_w1_of_shifted_normals_is_the_shift():
    values = np.random.default_rng(0).standard_normal(5000)
    assert wasserstein_1(values, values + 0.3) == pytest.approx(0.3, rel=1e-9)
    assert wasserstein_1(values, values) == 0.0


def test_w1_of_a_wider_normal_is_what_the_formula_says():
    a, b = np.random.default_rng(1).standard_normal((2, 200_000))
    # W1 of N(0, 1) and N(0, s) is (s - 1) E|z|.
    assert wasserstein_1(a, 1.5 * b) == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=0.02)


def test_w1_against_scipy():
    rng = np.random.default_rng(2)
    a, b = rng.gamma(2, size=700), rng.normal(size=700)
    assert wasserstein_1(a, b) == pytest.approx(stats.wasserstein_distance(a, b), rel=1e-9)


def test_w1_wants_equally_many_values():
    with pytest.raises(ValueError, match="same number"):
        wasserstein_1(np.zeros(3), np.zeros(4))


def test_ks_of_shifted_normals_is_what_the_formula_says():
    a, b = np.random.default_rng(3).standard_normal((2, 200_000))
    assert kolmogorov_smirnov(a, b + 0.5) == pytest.approx(2 * stats.norm.cdf(0.25) - 1, abs=0.005)


@pytest.mark.parametrize("rounded", [False, True])
def test_ks_against_scipy_with_and_without_equal_values(rounded):
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=900), rng.normal(0.1, 1.2, size=700)
    if rounded:
        a, b = np.round(a, 1), np.round(b, 1)
    assert kolmogorov_smirnov(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)


def test_sliced_w1_against_pot():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(800, 6)), rng.normal(0.2, 1.1, size=(800, 6))
    directions = rng.normal(size=(50, 6))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    expected = ot.sliced_wasserstein_distance(a, b, projections=directions.T, p=1)
    assert sliced_wasserstein(a, b, directions) == pytest.approx(float(expected), rel=1e-9)


def test_directions_are_200_unit_vectors_and_always_the_same():
    first, second = (make_reference(side_of(beam_photons(500, seed))).directions for seed in (0, 1))
    assert first.shape == (200, 6)
    assert np.linalg.norm(first, axis=1) == pytest.approx(1, rel=1e-6)
    assert np.array_equal(first, second)


def test_correlations_against_numpy_and_without_spread(monkeypatch):
    monkeypatch.setattr(metrics, "CHUNK", 700)
    photons = beam_photons(3000)
    assert correlations(photons) == pytest.approx(np.corrcoef(photons.astype(float), rowvar=False), abs=1e-9)
    photons[:, 1] = 2.0
    found = correlations(photons)
    assert found[1].tolist() == [0, 1, 0, 0, 0, 0]


def test_map_distance_is_the_share_in_other_pixels():
    edges = (np.linspace(0, 2, 3), np.linspace(0, 2, 3))
    a = (np.array([0.5, 0.5, 1.5, 1.5]), np.array([0.5, 0.5, 0.5, 1.5]))
    b = (np.array([0.5, 1.5, 1.5, 1.5]), np.array([0.5, 0.5, 0.5, 1.5]))
    assert map_distance(a, b, edges) == pytest.approx(0.25)
    assert map_distance(a, a, edges) == 0.0
    outside = (np.full(4, 9.0), np.full(4, 9.0))  # counts in the last pixel, so nothing gets lost
    assert map_distance(a, outside, edges) == pytest.approx(0.75)


def test_properties_of_a_beam_made_by_formula():
    side = side_of(beam_photons(60_000))
    found = properties(side, make_reference(side))
    assert found["511 keV exact"] == pytest.approx(LINE_SHARE, rel=0.1)
    assert found["511 keV window"] > found["511 keV exact"]
    assert found["spot sigma x"] == pytest.approx(SPOT_CM, rel=0.15)
    assert found["mean energy"] == pytest.approx(side.photons[:, 5].mean(dtype=float), rel=1e-6)
    # A tenth has a spread of 2 cm in x and y: within R = 8 sigma of the spot lie 1 - exp(-R^2 / 8) of it.
    radius = 8 * make_reference(side).focus.sigma_cm
    assert found["scattered share"] == pytest.approx(0.1 * np.exp(-(radius**2) / 8), rel=0.05)
    assert found["impossible photons"] == 0


def test_impossible_photons_are_counted():
    photons = beam_photons(1000)
    photons[:30, 5] *= -1
    photons[20:50, 4] *= -1
    reference = make_reference(side_of(beam_photons(1000)))
    assert properties(side_of(photons), reference)["impossible photons"] == pytest.approx(0.05)


def test_distances_are_in_deviations_of_the_real_side():
    real = side_of(beam_photons(4000))
    photons = real.photons.copy()
    photons[:, 5] += 0.25
    found = distances(real, side_of(photons), make_reference(real))
    assert found["W1 energy"] == pytest.approx(0.25 / real.photons[:, 5].std(), rel=1e-3)
    assert found["W1 worst"] == found["W1 energy"]
    assert found["KS worst"] == found["KS energy"]
    assert found["mean energy"] == pytest.approx(0.25, rel=1e-3)
    assert found["W1 x"] == found["W1 r"] == 0
    assert found["511 keV exact"] > 0.005, "the line has moved away"


def test_nothing_differs_from_itself():
    real = side_of(beam_photons(2000))
    assert set(distances(real, real, make_reference(real)).values()) == {0.0}


def test_a_lost_dependence_shows_in_joint_figures_only():
    real = side_of(beam_photons(20_000))
    photons = real.photons.copy()
    photons[:, 0] = np.random.default_rng(0).permutation(photons[:, 0])
    found = distances(real, side_of(photons), make_reference(real))
    assert found["KS worst"] == 0
    assert found["correlation x u"] > 0.9
    assert found["correlation worst"] == max(found[name] for name in pair_names())
    assert found["map x-u"] > 0.5
    assert found["sliced W1"] > 0.05
