"""Classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017): how well gradient-boosted trees tell two sides apart.

An area under the ROC curve of 0.5 says that the sides cannot be told apart, 1 that every photon betrays itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sides import Side

__all__ = ["Auc", "classifier_auc", "roc_area"]

_TREES, _LEAVES = 200, 63
_TRAIN_SHARE = 0.7
_REPLICATES = 200


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve on histories that the classifier did not see, with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def classifier_auc(a: np.ndarray, b: np.ndarray, sides: tuple[Side, Side], rng: np.random.Generator) -> Auc:
    """Train on 70 % of the histories of both sides and judge on the others.

    Parameters
    ----------
    a, b:
        (n, d) and (m, d) variables of the two sides.
    sides:
        of which a and b are the variables; only their histories are looked at.

    Returns
    -------
    `Auc`; (0.5, 0, 1), which says nothing, where there are not enough histories to train and to judge.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    trains = [_chosen_histories(side.history, rng) for side in sides]
    values, labels = np.concatenate([a, b]), np.repeat([0, 1], [len(a), len(b)])
    history = np.concatenate([sides[0].history, sides[1].history])
    train = np.concatenate(trains)
    if any(len(np.unique(labels[part])) < 2 for part in (train, ~train)) or train.sum() < 100:
        return Auc(0.5, 0.0, 1.0)
    model = HistGradientBoostingClassifier(
        max_iter=_TREES, max_leaf_nodes=_LEAVES, early_stopping=True, random_state=int(rng.integers(2**31))
    )
    model.fit(values[train], labels[train])
    scores = model.decision_function(values[~train])
    return _with_interval(scores, labels[~train], history[~train], rng)


def _chosen_histories(history: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    _, dense = np.unique(history, return_inverse=True)
    number = int(dense.max()) + 1
    return (rng.permutation(number) < _TRAIN_SHARE * number)[dense]


def _with_interval(scores: np.ndarray, labels: np.ndarray, history: np.ndarray, rng: np.random.Generator) -> Auc:
    """Resample histories by Poisson weights, the same for all photons of one."""
    order = np.argsort(scores, kind="stable")
    scores, labels = scores[order], labels[order]
    _, dense = np.unique(np.stack([labels, history[order]]), axis=1, return_inverse=True)
    dense = dense.ravel()
    number = int(dense.max()) + 1
    drawn = [_area(scores, labels, rng.poisson(1.0, number)[dense]) for _ in range(_REPLICATES)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Auc(_area(scores, labels, np.ones(len(scores))), float(low), float(high))


def roc_area(scores: np.ndarray, labels: np.ndarray) -> float:
    """Probability that a photon of side 1 scores higher than one of side 0; ties count half."""
    order = np.argsort(scores, kind="stable")
    return _area(scores[order], labels[order], np.ones(len(scores)))


def _area(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Weighted area for scores in ascending order; NaN where a side has no weight."""
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    zeros = np.add.reduceat(weights * (labels == 0), starts)
    ones = np.add.reduceat(weights * (labels == 1), starts)
    total = zeros.sum() * ones.sum()
    return float(((np.cumsum(zeros) - zeros / 2) * ones).sum() / total) if total else float("nan")
