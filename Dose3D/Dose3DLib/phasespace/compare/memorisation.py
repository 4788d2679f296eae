"""Does a model repeat the photons that it learned from? Distances to the nearest photon of train, beside those of test.

A copy of the training file passes every two-sample figure. Here it shows: generated photons must not lie nearer to
train than real photons that were never trained on do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .bootstrap import groups_of_histories, resampled
from .sides import FEATURES, draw, features, focus_of

if TYPE_CHECKING:
    from .sides import Focus, Side

__all__ = ["COORDINATES", "Memorisation", "compare_with_train", "nearest_distances"]

COORDINATES = ("x", "y", "focus x", "focus y", "log E")
"""Features that determine a photon (with its unit vector), and nothing twice."""

_PHOTONS = 50_000
_CLOSE = 0.01  # of the test photons are called close
_DUPLICATE = 1e-6  # standardised: float32 holds 1e-7
_BINS = 60


@dataclass(frozen=True)
class Memorisation:
    """Nearest-neighbour distances in standardised features.

    Parameters
    ----------
    photons, train_photons:
        generated (as many of test) photons looked at, and those of train that they may be near to.
    median_generated, median_test:
        medians of the distances to train.
    close_share, close_interval:
        share of generated photons nearer to train than the nearest 1 % of test, and its 95 % interval; 0.01 is none.
    nearer, nearer_interval:
        probability that a generated photon lies nearer to train than one of test (ties count half), 0.5 is none.
    duplicates, test_duplicates:
        photons that are in train to float precision.
    limits, generated, test:
        histogram of log10 of the distances, shares a bin; for a picture.
    """

    photons: int
    train_photons: int
    median_generated: float
    median_test: float
    close_share: float
    close_interval: tuple[float, float]
    nearer: float
    nearer_interval: tuple[float, float]
    duplicates: int
    test_duplicates: int
    limits: tuple[float, ...]
    generated: tuple[float, ...]
    test: tuple[float, ...]

    @property
    def repeats(self) -> bool:
        """Surely more copies of train photons than test has (three Poisson errors; coarse files have some)."""
        return self.duplicates - self.test_duplicates > 3 * np.sqrt(self.duplicates + self.test_duplicates)

    @property
    def is_memorised(self) -> bool:
        """Copies of train photons, or surely more photons close to train than test has."""
        return bool(self.repeats or self.close_interval[0] > _CLOSE)

    @property
    def verdict(self) -> str:
        """One sentence."""
        low, high = (100 * value for value in self.close_interval)
        share = (
            f"{100 * self.close_share:.2f} % ({low:.2f} to {high:.2f}) of the generated photons lie as near to train"
        )
        if self.repeats:
            return f"repeats photons: {self.duplicates:,} of {self.photons:,} are in train"
        if self.is_memorised:
            return f"nearer to train than test is: {share} as the nearest 1 % of test"
        return f"no sign of memorisation: {share} as the nearest 1 % of test"


def compare_with_train(
    generated: Side, train: Side, test: Side, rng: np.random.Generator, photons: int = _PHOTONS
) -> Memorisation:
    """Distances of generated photons to train against those of test photons, equally many of both.

    `test` must share no history with `train`: photons of one history are alike without anybody's copying.
    """
    count = min(photons, len(generated), len(test))
    generated, test = draw(generated, count, rng), draw(test, count, rng)
    focus = focus_of(train)
    ours, theirs = nearest_distances([generated, test], train, focus)
    limit = np.quantile(theirs, _CLOSE)
    group = [groups_of_histories(side.history, rng) for side in (generated, test)]
    limits = _limits(ours, theirs)
    return Memorisation(
        photons=count,
        train_photons=len(train),
        median_generated=float(np.median(ours)),
        median_test=float(np.median(theirs)),
        close_share=float((ours <= limit).mean()),
        close_interval=_close_interval(ours, theirs, group, rng),
        nearer=_nearer(ours, theirs),
        nearer_interval=_nearer_interval(ours, theirs, group, rng),
        duplicates=int((ours <= _DUPLICATE).sum()),
        test_duplicates=int((theirs <= _DUPLICATE).sum()),
        limits=tuple(np.round(limits, 5).tolist()),
        generated=_shares(ours, limits),
        test=_shares(theirs, limits),
    )


def nearest_distances(sides: list[Side], train: Side, focus: Focus) -> list[np.ndarray]:
    """Distance of each photon to the nearest photon of train, (n,) for each side, in deviations of train."""
    from scipy.spatial import cKDTree

    points = _points(train, focus)
    scale = points.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    tree = cKDTree(points / scale, balanced_tree=False, compact_nodes=False)
    return [tree.query(_points(side, focus) / scale)[0] for side in sides]


def _points(side: Side, focus: Focus) -> np.ndarray:
    chosen = [FEATURES.index(name) for name in COORDINATES]
    return features(side.photons, focus)[:, chosen].astype(np.float64)


def _close_interval(
    ours: np.ndarray, theirs: np.ndarray, group: list[np.ndarray], rng: np.random.Generator
) -> tuple[float, float]:
    """95 % interval of the close share; the limit moves with the test photons that are drawn."""
    limits = np.quantile(theirs, np.geomspace(_CLOSE / 4, 4 * _CLOSE, 120))
    below = [_cumulative(distances, one, limits, rng) for distances, one in zip((ours, theirs), group, strict=True)]
    shares = []
    for generated, test in zip(*below, strict=True):
        shares.append(np.interp(_CLOSE, test, generated))
    return _interval(np.array(shares))


def _cumulative(distances: np.ndarray, group: np.ndarray, limits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(replicates, limits) shares of the photons up to each limit."""
    places = np.searchsorted(limits, distances, side="left")
    table = np.zeros((int(group.max()) + 1, len(limits) + 1))
    np.add.at(table, (group, places), 1.0)
    totals = resampled(table, rng)
    return np.cumsum(totals[:, :-1], axis=1) / totals.sum(axis=1, keepdims=True)


def _nearer(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(_above(np.sort(theirs), ours).mean())


def _above(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Share of ordered numbers above each value, ties half."""
    low, high = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return 1 - (low + high) / 2 / len(ordered)


def _nearer_interval(
    ours: np.ndarray, theirs: np.ndarray, group: list[np.ndarray], rng: np.random.Generator
) -> tuple[float, float]:
    """95 % interval by the two parts of the error of a rank statistic, each over groups of histories."""
    parts = [_above(np.sort(theirs), ours), 1 - _above(np.sort(ours), theirs)]
    errors = []
    for values, one in zip(parts, group, strict=True):
        table = np.column_stack([np.bincount(one, values), np.bincount(one)])
        totals = resampled(table, rng)
        errors.append(np.std(totals[:, 0] / totals[:, 1]))
    middle, error = float(parts[0].mean()), float(np.hypot(*errors))
    return middle - 1.96 * error, middle + 1.96 * error


def _interval(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def _limits(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    logs = np.log10(np.maximum(np.r_[ours, theirs], _DUPLICATE))
    low, high = float(logs.min()), float(np.percentile(logs, 99.9))
    return np.linspace(low, max(high, low + 0.1), _BINS + 1)


def _shares(distances: np.ndarray, limits: np.ndarray) -> tuple[float, ...]:
    logs = np.clip(np.log10(np.maximum(distances, _DUPLICATE)), limits[0], limits[-1])
    return tuple((np.histogram(logs, limits)[0] / len(distances)).tolist())
