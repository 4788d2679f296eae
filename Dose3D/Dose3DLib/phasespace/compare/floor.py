"""`Floor`: what a figure is when both sides are real, and `Figure`: a figure of a model beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...core.errors import InputError
from .sides import Side, draw, halves, take

__all__ = ["DRAWS", "Figure", "Floor", "bootstrap_errors", "most_photons", "real_pairs"]

DRAWS = 20
"""Real-against-real draws at least: the 95th percentile of fewer is their largest."""

REPLICATES = 200
_BOOTSTRAP_PHOTONS = 100_000
_WITHIN = 2.0


@dataclass(frozen=True)
class Floor:
    """The spread of a figure over draws in which both sides are real, of the same size, without common histories."""

    draws: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.draws))

    @property
    def high(self) -> float:
        """The 95th percentile: what a perfect model stays below 19 times of 20."""
        return float(np.percentile(self.draws, 95))


@dataclass(frozen=True)
class Figure:
    """One figure of a comparison.

    Parameters
    ----------
    name, group, unit:
        "W1 x", "marginals", "" or "cm" ...
    value:
        of generated against real, or the absolute difference of a property.
    floor:
        of real against real at the same number of photons.
    base:
        the value of no difference at all: 0, or 0.5 of an AUC. Ratios are of the distances to it.
    real, generated, error:
        a property on each side with all photons, and the standard error of the difference; None for distances.
    interval:
        95 % bootstrap interval of the value, None where there is none.
    p:
        of a permutation test, None where there is none.
    by_construction:
        True when the model has this right whatever it learned.
    """

    name: str
    group: str
    value: float
    floor: Floor | None = None
    unit: str = ""
    base: float = 0.0
    real: float | None = None
    generated: float | None = None
    error: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    by_construction: bool = False

    @property
    def at_floor(self) -> bool | None:
        """Not above the 95th percentile of real against real; None without floor."""
        return None if self.floor is None else bool(self.value <= self.floor.high)

    @property
    def ratio(self) -> float | None:
        """To the median of real against real; None without floor, or where that is nothing."""
        if self.floor is None or self.floor.median - self.base <= 0:
            return None
        return (self.value - self.base) / (self.floor.median - self.base)

    @property
    def within_error(self) -> bool | None:
        """The difference of all photons is not more than two standard errors; None for distances."""
        if self.real is None or self.generated is None or self.error is None:
            return None
        return bool(abs(self.generated - self.real) <= _WITHIN * self.error)

    @property
    def verdict(self) -> str:
        """Against the floor, and against the error where there is one, in words."""
        return "; ".join(filter(None, (self.floor_verdict, self.error_verdict)))

    @property
    def floor_verdict(self) -> str:
        """At the floor, or how far above; empty without floor."""
        if self.floor is None:
            return ""
        if self.at_floor:
            return "at the floor"
        if self.base or self.ratio is None:
            return f"{self.value - self.floor.high:+.2g} above the floor"
        return f"{float(f'{self.ratio:.3g}'):,g} x the floor"

    @property
    def error_verdict(self) -> str:
        """Within error, or how many errors off; empty for distances."""
        if self.within_error is None:
            return ""
        if self.within_error:
            return "within error"
        return f"{abs(self.generated - self.real) / self.error:.3g} errors off" if self.error else "differs"

    def to_dict(self) -> dict[str, Any]:
        """JSON values; the floor with its draws."""
        words = {"verdict": self.verdict, "at_floor": self.at_floor, "ratio": self.ratio}
        floor = None
        if self.floor is not None:
            floor = {"median": self.floor.median, "p95": self.floor.high, "draws": list(self.floor.draws)}
        return {**asdict(self), "floor": floor, **words, "within_error": self.within_error}


def most_photons(real: Side, other: Side | None) -> int:
    """The largest draw for which real can be held against real: both sides, or the halves of the only one."""
    return len(real) // 2 - _largest_history(real) if other is None else min(len(real), len(other))


def _largest_history(side: Side) -> int:
    return int(np.unique(side.history, return_counts=True)[1].max()) if len(side) else 0


def real_pairs(real: Side, other: Side | None, n: int, draws: int, rng: np.random.Generator) -> Iterator[tuple]:
    """`draws` pairs of real sides of n photons without common histories, from two files or from halves of one.

    Raises
    ------
    InputError
        there are fewer photons than that.
    """
    if n < 1 or n > most_photons(real, other):
        cause = f"has too few photons or histories for real-against-real draws of {n:,} photons"
        raise InputError(real.name, cause, "lower --photons, or give --floor with a second real file")
    for _ in range(draws):
        first, second = (real, other) if other is not None else halves(real, rng)
        yield draw(first, n, rng), draw(second, n, rng)


def bootstrap_errors(
    side: Side, figures: Callable[[Side], dict[str, float]], rng: np.random.Generator, replicates: int = REPLICATES
) -> dict[str, float]:
    """Standard errors of figures of one side, by resampling whole histories with replacement.

    Of a large side a part is resampled, and the error brought to all photons by the root of their numbers.
    """
    part = draw(side, _BOOTSTRAP_PHOTONS, rng) if len(side) > _BOOTSTRAP_PHOTONS else side
    order = np.argsort(part.history, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(part.history[order]) != 0])
    lengths = np.diff(np.r_[starts, len(part)])
    drawn: dict[str, list[float]] = {}
    for _ in range(replicates):
        chosen = rng.integers(len(starts), size=len(starts))
        places = np.repeat(starts[chosen], lengths[chosen]) + _count_up(lengths[chosen])
        for name, value in figures(take(part, order[places])).items():
            drawn.setdefault(name, []).append(value)
    scale = np.sqrt(len(part) / len(side))
    return {name: float(np.std(values, ddof=1) * scale) for name, values in drawn.items()}


def _count_up(lengths: np.ndarray) -> np.ndarray:
    """0, 1, .. up to each length in turn."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
