"""A whole comparison of beams that are alike, and of ones that have lost something."""

from __future__ import annotations

import numpy as np
import pytest
from builders.beam_builder import LINE_SHARE, PLANE_CM, beam_photons
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.phasespace.compare.baselines import shuffled
from Dose3DLib.phasespace.compare.comparison import (
    JOINT,
    Plan,
    compare,
    lay_ground,
    naive_figures,
    rank,
    ranking_figures,
)
from Dose3DLib.phasespace.compare.sides import Side

PLAN = Plan(photons=1500, draws=20, model_draws=3, classifier=False)


def side_of(count: int, seed: int, name: str = "beam") -> Side:
    return Side(beam_photons(count, seed), np.arange(count) // 2, name, PLANE_CM)


@pytest.fixture(scope="module")
def ground():
    return lay_ground(side_of(6000, 0, "real"), None, 10**9, PLAN, Progress())


def test_a_beam_of_the_same_law_is_at_the_floor(ground):
    figures = compare(ground, side_of(5000, 1), PLAN, Progress())
    above = [figure.name for figure in figures if not figure.at_floor]
    assert len(above) <= len(figures) / 6, above
    off = [figure.name for figure in figures if figure.within_error is False]
    assert len(off) <= 4, off
    assert all(len(figure.floor.draws) == 20 for figure in figures)


def test_a_beam_without_dependence_is_not(ground):
    figures = {
        f.name: f for f in compare(ground, shuffled(side_of(5000, 1), np.random.default_rng(0)), PLAN, Progress())
    }
    for name in ("sliced W1", "MMD physics", "MMD six", "map x-u", "map energy-r", "correlation worst"):
        assert not figures[name].at_floor, name
        assert figures[name].ratio > 1
    assert figures["MMD six"].p < 0.01
    assert figures["W1 x"].at_floor
    assert figures["KS energy"].at_floor
    assert not figures["spot sigma x"].within_error
    assert figures["mean energy"].within_error


def test_what_is_right_by_construction_is_marked(ground):
    figures = compare(ground, side_of(3000, 2), PLAN, Progress(), ("r", "energy"))
    marked = {figure.name for figure in figures if figure.by_construction}
    marginals = {"W1 r", "KS r", "W1 energy", "KS energy"}
    assert marked == marginals | {"mean energy", "511 keV window", "511 keV exact"}, "and what follows from them"


def test_shares_are_in_percent_on_both_sides_and_in_the_floor(ground):
    figure = next(f for f in compare(ground, side_of(5000, 1), PLAN, Progress()) if f.name == "511 keV exact")
    assert figure.unit == "%"
    assert figure.real == pytest.approx(100 * LINE_SHARE, rel=0.2)
    assert figure.generated == pytest.approx(100 * LINE_SHARE, rel=0.2)
    # The difference of two shares p of 1500 photons has the deviation sqrt(2 p / 1500), in percent here.
    assert 0.2 < figure.floor.high / (100 * np.sqrt(2 * LINE_SHARE / 1500)) < 4


def test_areas_have_intervals_and_a_poor_model_is_judged_once():
    plan = Plan(photons=800, draws=2, model_draws=2)
    ground = lay_ground(side_of(4000, 0), side_of(4000, 3), 10**9, plan, Progress())
    assert set(ground.floors) >= {"AUC six", "AUC physics"}
    figures = {
        f.name: f for f in compare(ground, shuffled(side_of(2000, 1), np.random.default_rng(0)), plan, Progress())
    }
    low, high = figures["AUC physics"].interval
    assert 0.8 < low <= figures["AUC physics"].value <= high
    assert figures["AUC physics"].base == 0.5


def test_the_smallest_side_sets_the_size_of_draws():
    progress = Progress()
    ground = lay_ground(side_of(3000, 0), side_of(4000, 1), 700, PLAN, progress)
    assert ground.photons == 700
    assert "draws have 700 photons a side instead of 1,500" in progress.warnings[0]


def test_halves_are_said_and_limit_the_draws():
    ground = lay_ground(side_of(1000, 0), None, 10**9, Plan(draws=2, classifier=False), Progress())
    assert 490 <= ground.photons <= 500
    assert ground.origin == "halves of beam, split anew by history for each draw"


def test_one_history_has_no_floor():
    side = Side(beam_photons(500), np.zeros(500, np.int64), "one", PLANE_CM)
    with pytest.raises(InputError, match="too few photons or histories"):
        lay_ground(side, None, 10**9, PLAN, Progress())


def test_the_same_seed_gives_the_same_figures(ground):
    first, second = (compare(ground, side_of(2000, 1), PLAN, Progress()) for _ in range(2))
    assert [one.to_dict() for one in first] == [one.to_dict() for one in second]


def test_cancel_is_heard_between_draws():
    left = iter([False] * 4)
    progress = Progress(cancelled=lambda: next(left, True))
    with pytest.raises(Cancelled):
        lay_ground(side_of(1000, 0), None, 10**9, PLAN, progress)


def test_naive_generators_fail_where_they_must(ground):
    found = naive_figures(ground, PLAN, Progress())
    assert set(found) == {"Gaussian copula", "every variable shuffled"}
    for figures in found.values():
        assert figures["map x-u"] > 2 * ground.floors["map x-u"].high
        assert figures["KS energy"] <= 1.5 * ground.floors["KS energy"].high
    assert found["every variable shuffled"]["sliced W1"] > found["Gaussian copula"]["sliced W1"]


def test_models_are_ranked_by_joint_figures_only(ground):
    figures = ranking_figures(compare(ground, side_of(2000, 1), PLAN, Progress()))
    assert set(figures) == set(JOINT) - {"AUC six", "AUC physics"}
    models = {"good": {"sliced W1": 0.1, "MMD six": 0.1}, "bad": {"sliced W1": 0.3, "MMD six": 0.3}}
    models["middle"] = {"sliced W1": 0.2, "MMD six": 0.1}
    assert rank(models) == {"good": 1.25, "middle": 1.75, "bad": 3.0}
    assert list(rank(models)) == ["good", "middle", "bad"]
    assert rank({"alone": {"sliced W1": 1.0}}) == {"alone": 1.0}
