"""Copies of training photons must be found, honest photons must not be accused."""

from __future__ import annotations

import numpy as np
import pytest
from builders.beam_builder import beam_photons
from Dose3DLib.phasespace.compare.memorisation import compare_with_train
from Dose3DLib.phasespace.compare.sides import Side

COUNT = 20_000


def beam(seed: int, count: int = COUNT) -> Side:
    return Side(beam_photons(count, seed), np.arange(count), f"beam {seed}", 27.0)


@pytest.fixture(scope="module")
def train() -> Side:
    return beam(1, 60_000)


@pytest.fixture(scope="module")
def test_side() -> Side:
    return beam(2)


def judged(photons: np.ndarray, train: Side, test: Side):
    return compare_with_train(
        Side(photons, np.arange(len(photons)), "generated", 27.0), train, test, np.random.default_rng(0)
    )


def test_new_photons_of_the_same_beam_are_not_accused(train, test_side):
    found = judged(beam_photons(COUNT, 3), train, test_side)
    assert not found.is_memorised
    assert found.verdict.startswith("no sign of memorisation")
    assert found.close_interval[0] < 0.01 < found.close_interval[1]
    assert found.nearer_interval[0] < 0.5 < found.nearer_interval[1]
    assert found.duplicates == found.test_duplicates == 0
    assert sum(found.generated) == pytest.approx(1) == sum(found.test)


def test_a_copy_of_train_is_found(train, test_side):
    found = judged(train.photons[:COUNT], train, test_side)
    assert found.is_memorised
    assert found.duplicates == COUNT
    assert found.verdict.startswith("repeats photons: 20,000 of 20,000")


def test_one_percent_of_copies_is_found(train, test_side):
    photons = beam_photons(COUNT, 3)
    photons[:200] = train.photons[:200]
    found = judged(photons, train, test_side)
    assert found.duplicates == 200
    assert found.is_memorised


def test_train_photons_shaken_a_little_are_found_without_a_duplicate(train, test_side):
    photons = train.photons[:COUNT].copy()
    photons[:, :2] += 0.02 * np.random.default_rng(4).standard_normal((COUNT, 2))
    found = judged(photons, train, test_side)
    assert found.duplicates == 0
    assert found.is_memorised
    assert found.verdict.startswith("nearer to train than test is")
    assert found.nearer_interval[0] > 0.5


def test_a_beam_that_is_too_wide_lies_farther_away_and_is_not_accused(train, test_side):
    photons = beam_photons(COUNT, 3)
    photons[:, 5] *= 1.5
    found = judged(photons, train, test_side)
    assert not found.is_memorised
    assert found.nearer < 0.5


def test_the_interval_holds_the_truth_most_times(train):
    """Test against test, split anew: the share below the limit is 1 % by definition."""
    pool, held = beam(5, 12_000), 0
    small = Side(train.photons[:20_000], train.history[:20_000], "train", 27.0)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        order = rng.permutation(12_000)
        parts = [Side(pool.photons[part], pool.history[part], "part", 27.0) for part in (order[:6000], order[6000:])]
        low, high = compare_with_train(parts[0], small, parts[1], rng).close_interval
        held += low <= 0.01 <= high
    assert held >= 6
