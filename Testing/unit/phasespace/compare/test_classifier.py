"""The classifier two-sample test against known areas, and the area against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.phasespace.compare.classifier import classifier_auc, roc_area
from Dose3DLib.phasespace.compare.sides import Side
from scipy.stats import norm
from sklearn.metrics import roc_auc_score


def side_of(values: np.ndarray, per_history: int = 1) -> Side:
    photons = np.zeros((len(values), 6), np.float32)
    photons[:, : values.shape[1]] = values
    return Side(photons, np.arange(len(values)) // per_history, "normal")


def auc_of(a: np.ndarray, b: np.ndarray, per_history: int = 1, seed: int = 0):
    return classifier_auc(a, b, (side_of(a, per_history), side_of(b)), np.random.default_rng(seed))


def test_equal_laws_cannot_be_told_apart():
    a, b = np.random.default_rng(0).standard_normal((2, 6000, 3))
    found = auc_of(a, b)
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.06


def test_shifted_normals_give_the_area_of_the_formula():
    a, b = np.random.default_rng(1).standard_normal((2, 8000, 2))
    b[:, 0] += 1.0
    found = auc_of(a, b)
    assert found.value == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.015)
    assert found.low < norm.cdf(1 / np.sqrt(2)) < found.high + 0.01


def test_photons_of_a_history_are_not_split_between_training_and_judging():
    """Copies of a photon within its history would give it away if one were learned and the other judged."""
    rng = np.random.default_rng(2)
    a = np.repeat(rng.standard_normal((400, 4)), 10, axis=0)
    b = rng.standard_normal((4000, 4))
    assert auc_of(a, b, per_history=10).value < 0.65
    assert auc_of(a, b, per_history=1).value > 0.8


def test_too_few_to_judge_say_nothing():
    a, b = np.random.default_rng(3).standard_normal((2, 20, 2))
    found = auc_of(a, b)
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize("digits", [9, 0])
def test_area_against_scikit_learn_with_and_without_ties(digits):
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 500)
    scores = np.round(rng.standard_normal(500) + labels, digits)
    assert roc_area(scores, labels) == pytest.approx(roc_auc_score(labels, scores), rel=1e-12)
