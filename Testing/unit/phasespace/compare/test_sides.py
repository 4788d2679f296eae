"""Draws by whole histories, and features that a physicist would look at."""

from __future__ import annotations

import numpy as np
import pytest
from builders.beam_builder import FOCUS_CM, PLANE_CM, SPOT_CM, beam_photons
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.compare import sides
from Dose3DLib.phasespace.compare.sides import FEATURES, Side, draw, features, focus_of, halves


def side_of(count: int, per_history: int = 3, seed: int = 0) -> Side:
    return Side(beam_photons(count, seed), np.arange(count) // per_history, "beam", PLANE_CM)


def test_a_draw_has_whole_histories_but_for_the_last_and_repeats_no_photon():
    side = side_of(900)
    part = draw(side, 301, np.random.default_rng(1))
    assert len(part) == 301
    _, counts = np.unique(part.history, return_counts=True)
    assert sorted(counts)[:1] == [1]
    assert (counts == 3).sum() == 100
    assert len(np.unique(part.photons, axis=0)) == 301
    for photon, history in zip(part.photons, part.history, strict=True):
        assert history in side.history[(side.photons == photon).all(axis=1)]


def test_draws_depend_on_the_generator_alone():
    side = side_of(300)
    first, again, other = (draw(side, 90, np.random.default_rng(seed)).photons for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_more_than_there_are_cannot_be_drawn():
    with pytest.raises(InputError, match=r"has 30 photons, 31 are to be drawn"):
        draw(side_of(30), 31, np.random.default_rng(0))


def test_halves_share_no_history_and_lose_no_photon():
    side = side_of(1000)
    a, b = halves(side, np.random.default_rng(3))
    assert not set(a.history) & set(b.history)
    assert len(a) + len(b) == 1000
    assert abs(len(a) - len(b)) <= 4


def test_a_single_history_cannot_be_split():
    with pytest.raises(InputError, match="is of one history"):
        halves(side_of(50, per_history=50), np.random.default_rng(0))


def test_the_focus_is_where_the_beam_was_made():
    focus = focus_of(side_of(60_000))
    assert focus.distance_cm == pytest.approx(PLANE_CM - FOCUS_CM, abs=0.1)
    # A tenth of the photons comes from a wide source: the robust width is a little above the spot's.
    assert SPOT_CM < focus.sigma_x_cm < 1.2 * SPOT_CM


def test_the_focus_is_found_where_the_plane_is_unknown():
    side = side_of(20_000)
    unknown = Side(side.photons, side.history, "beam", float("nan"))
    assert focus_of(unknown).distance_cm == pytest.approx(focus_of(side).distance_cm, abs=1e-3)


def test_places_at_the_focus_come_in_pieces(monkeypatch):
    photons, focus = beam_photons(1000), focus_of(side_of(5000))
    whole = focus.positions(photons)
    monkeypatch.setattr(sides, "CHUNK", 300)
    assert np.array_equal(focus.positions(photons), whole)


def test_features_against_one_photon_by_hand():
    focus = focus_of(side_of(20_000))
    direction = np.array([4, 3, 12]) / 13
    photon = np.array([[3.0, 4.0, *direction, 2.0]], np.float32)
    found = dict(zip(FEATURES, features(photon, focus)[0], strict=True))
    at_x, at_y = 3 - focus.distance_cm / 3, 4 - focus.distance_cm / 4
    assert found["r"] == pytest.approx(5.0)
    assert found["log E"] == pytest.approx(np.log(2), rel=1e-6)
    assert found["focus x"] == pytest.approx(np.arcsinh(at_x / focus.sigma_cm), rel=1e-5)
    assert found["focus radial"] == pytest.approx(np.arcsinh((0.6 * at_x + 0.8 * at_y) / focus.sigma_cm), rel=1e-5)
    assert found["focus tangential"] == pytest.approx(np.arcsinh((0.6 * at_y - 0.8 * at_x) / focus.sigma_cm), rel=1e-4)
    assert found["transverse momentum"] == pytest.approx(2 * 5 / 13, rel=1e-6)


def test_features_of_impossible_photons_are_finite():
    photons = np.array([[0, 0, 1, 0, 0, 1], [1, 1, 0, 0, 0, 0], [1, 0, 0.1, 0, -0.9, -2]], np.float32)
    assert np.isfinite(features(photons, focus_of(side_of(5000)))).all()


def test_the_length_of_a_direction_says_nothing():
    photons, focus = beam_photons(50), focus_of(side_of(5000))
    longer = photons.copy()
    longer[:, 2:5] *= 1.001
    assert features(longer, focus) == pytest.approx(features(photons, focus), rel=1e-3, abs=2e-4)
