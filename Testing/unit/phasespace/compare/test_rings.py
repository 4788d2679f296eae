"""Rings against discs of known fluence and energy."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from builders.beam_builder import beam_photons
from Dose3DLib.phasespace.compare.bootstrap import group_sums, groups_of_histories, resampled
from Dose3DLib.phasespace.compare.rings import compare_rings
from Dose3DLib.phasespace.compare.sides import Side

RADIUS = 6.0


def beam(seed: int, count: int = 120_000) -> Side:
    return Side(beam_photons(count, seed, RADIUS), np.arange(count), f"beam {seed}", 27.0)


def test_a_uniform_disc_has_the_fluence_of_its_area():
    rings = compare_rings(beam(1), beam(2), np.random.default_rng(0))
    assert rings.limits_cm[-1] == pytest.approx(RADIUS * np.sqrt(0.99), rel=1e-3)
    expected = 1 / (np.pi * RADIUS**2)
    values, errors = np.array(rings.fluence.real), np.array(rings.fluence.real_error)
    assert np.abs(values - expected).max() < 4 * errors.max()
    counts = 120_000 * expected * np.pi * np.diff(np.square(rings.limits_cm))
    assert errors == pytest.approx(expected / np.sqrt(counts), rel=0.25), "Poisson, since each history has one photon"


def test_mean_energy_falls_as_the_beam_does_and_like_beams_agree():
    rings = compare_rings(beam(1), beam(2), np.random.default_rng(0))
    photons = beam(1).photons
    radius = np.hypot(photons[:, 0] - rings.center_cm[0], photons[:, 1] - rings.center_cm[1])
    inside = (radius >= rings.limits_cm[3]) & (radius < rings.limits_cm[4])
    assert rings.energy.real[3] == pytest.approx(photons[inside, 5].mean(dtype=np.float64), rel=1e-5)
    assert rings.energy.real[0] > rings.energy.real[-1] + 0.3
    for figure in rings.figures:
        assert figure.within > 0.8, figure.name
    assert sum(figure.verdict == "within error" for figure in rings.figures) >= 4


def test_energies_shuffled_over_the_radius_are_noticed():
    real = beam(1)
    photons = real.photons.copy()
    photons[:, 5] = np.random.default_rng(3).permutation(photons[:, 5])
    rings = compare_rings(real, Side(photons, real.history, "shuffled", 27.0), np.random.default_rng(0))
    assert rings.fluence.verdict == "within error"
    assert rings.energy.worst > 3 * rings.energy.floor[1]
    assert "off by" in rings.energy.verdict
    assert all("off by" in one.verdict for one in (rings.spectra[0], rings.spectra[-1]))


def test_the_annihilation_line_lies_within_one_bin():
    rings = compare_rings(beam(1), beam(2), np.random.default_rng(0))
    assert not [one for one in rings.energies_mev if 0.5095 < one < 0.5125]


def test_results_are_json_and_repeat_with_the_seed():
    first, second = (compare_rings(beam(1, 5000), beam(2, 5000), np.random.default_rng(7)) for _ in range(2))
    assert json.dumps(asdict(first)) == json.dumps(asdict(second))


def test_empty_rings_of_one_side_are_none_and_differ():
    hole = beam(2)
    radius = np.hypot(hole.photons[:, 0], hole.photons[:, 1])
    hollow = Side(hole.photons[radius > 2], hole.history[radius > 2], "hollow", 27.0)
    rings = compare_rings(beam(1), hollow, np.random.default_rng(0))
    assert rings.energy.generated[0] is None
    assert rings.energy.worst == np.inf
    assert rings.energy.verdict != "within error"


def test_bootstrap_by_groups_gives_the_error_of_a_mean_over_histories():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.standard_normal(20_000), 3)  # three equal photons a history
    group = groups_of_histories(np.repeat(np.arange(20_000), 3), rng)
    sums = group_sums(group, np.zeros(len(values), int), 1, values)
    counts = group_sums(group, np.zeros(len(values), int), 1)
    totals = resampled(np.stack([sums, counts], axis=-1), rng)
    assert np.std(totals[:, 0, 0] / totals[:, 0, 1]) == pytest.approx(1 / np.sqrt(20_000), rel=0.2)


def test_histories_in_pieces_stay_in_one_group():
    rng = np.random.default_rng(0)
    history = np.array([4, 4, 9, 4, 9, 2])
    group = groups_of_histories(history, rng, groups=50)
    for one in (2, 4, 9):
        assert len(set(group[history == one])) == 1


@pytest.mark.parametrize("kind", ["a hundred photons", "pencil", "one energy"])
def test_unusual_beams_have_figures_without_a_warning(kind: str):
    photons = beam_photons(100 if kind == "a hundred photons" else 2000, 3)
    if kind == "pencil":
        photons[:, :2] = 0.0
    if kind == "one energy":
        photons[:, 5] = 1.0
    side = Side(photons, np.arange(len(photons)), kind, 27.0)
    rings = compare_rings(side, side, np.random.default_rng(0))
    assert all(one.worst == 0.0 for one in rings.figures)
    json.dumps(asdict(rings))
