"""Floors, verdicts and bootstrap errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders.beam_builder import PLANE_CM, beam_photons
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.compare.floor import Figure, Floor, bootstrap_errors, most_photons, real_pairs
from Dose3DLib.phasespace.compare.sides import Side

FLOOR = Floor(tuple(np.arange(1, 21) / 10))


def side_of(count: int, per_history: int = 2, seed: int = 0) -> Side:
    return Side(beam_photons(count, seed), np.arange(count) // per_history, "beam", PLANE_CM)


def test_median_and_95th_percentile():
    assert FLOOR.median == pytest.approx(1.05)
    assert FLOOR.high == pytest.approx(np.percentile(np.arange(1, 21) / 10, 95))


@pytest.mark.parametrize(
    ("value", "words"), [(1.9, "at the floor"), (4.2, "4 x the floor"), (2345.0, "2,230 x the floor")]
)
def test_the_verdict_of_a_distance(value, words):
    assert Figure("sliced W1", "joint", value, FLOOR).verdict == words


def test_an_area_is_measured_from_one_half():
    floor = Floor((0.49, 0.5, 0.503))
    figure = Figure("AUC six", "joint", 0.55, floor, base=0.5)
    assert figure.ratio is None, "the median of real against real is no difference at all"
    assert figure.verdict == f"{0.55 - floor.high:+.2g} above the floor"
    assert Figure("AUC six", "joint", 0.47, floor, base=0.5).verdict == "at the floor"


@pytest.mark.parametrize(("error", "words"), [(0.06, "within error"), (0.025, "4 errors off"), (0.0, "differs")])
def test_the_verdict_of_a_property(error, words):
    figure = Figure("mean energy", "properties", 0.1, Floor((0.2, 0.3)), real=1.4, generated=1.5, error=error)
    assert figure.verdict == f"at the floor; {words}"
    assert (figure.floor_verdict, figure.error_verdict) == ("at the floor", words)


def test_a_figure_is_json():
    text = json.dumps(Figure("W1 x", "marginals", 0.1, FLOOR, by_construction=True).to_dict(), allow_nan=False)
    read = json.loads(text)
    assert read["by_construction"] is True
    assert read["floor"]["p95"] == pytest.approx(FLOOR.high)
    assert len(read["floor"]["draws"]) == 20
    assert read["verdict"] == "at the floor"


def test_pairs_of_one_file_share_no_history():
    side = side_of(1000)
    pairs = list(real_pairs(side, None, 400, 5, np.random.default_rng(0)))
    assert len(pairs) == 5
    for a, b in pairs:
        assert len(a) == len(b) == 400
        assert not set(a.history) & set(b.history)
    assert not np.array_equal(pairs[0][0].photons, pairs[1][0].photons)


def test_pairs_of_two_files_take_one_side_of_each():
    first, second = side_of(500, seed=1), side_of(700, seed=2)
    for a, b in real_pairs(first, second, 500, 3, np.random.default_rng(0)):
        assert {*map(tuple, a.photons.tolist())} <= {*map(tuple, first.photons.tolist())}
        assert {*map(tuple, b.photons.tolist())} <= {*map(tuple, second.photons.tolist())}


def test_more_than_half_a_file_has_no_floor():
    side = side_of(1000)
    most = most_photons(side, None)
    assert 490 <= most <= 500
    list(real_pairs(side, None, most, 3, np.random.default_rng(0)))
    with pytest.raises(InputError, match=r"--floor with a second real file"):
        next(real_pairs(side, None, most + 1, 3, np.random.default_rng(0)))


@pytest.mark.parametrize("per_history", [1, 5])
def test_errors_of_means_know_about_histories(per_history):
    """Photons of a history that are all alike count as one."""
    rng = np.random.default_rng(7)
    photons = np.repeat(beam_photons(2000, 7), per_history, axis=0)
    side = Side(photons, np.arange(len(photons)) // per_history, "beam")
    found = bootstrap_errors(side, lambda one: {"mean energy": float(one.photons[:, 5].mean(dtype=float))}, rng)
    expected = beam_photons(2000, 7)[:, 5].std(dtype=float) / np.sqrt(2000)
    assert found["mean energy"] == pytest.approx(expected, rel=0.15)


def test_errors_of_a_large_side_come_from_a_part_of_it():
    side = side_of(150_000, per_history=1)
    rng = np.random.default_rng(8)
    found = bootstrap_errors(side, lambda one: {"mean": float(one.photons[:, 5].mean(dtype=float))}, rng, 60)
    assert found["mean"] == pytest.approx(side.photons[:, 5].std(dtype=float) / np.sqrt(150_000), rel=0.3)
