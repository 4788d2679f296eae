"""What a phase space holds, in numbers and histograms, gathered piece by piece so that no file is too large."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from .particles import SPECIES, Particles

__all__ = ["Histogram", "SpeciesSummary", "Summary", "summarise"]

_BINS = 100
_MAP_BINS = 100
_DIRECTION_BINS = 90
_HIGHEST_MEV, _FARTHEST_CM = 1e6, 1e6


@dataclass(frozen=True, eq=False)
class Histogram:
    """Sums of weights in bins: `edges` has one number more than `values` has entries."""

    edges: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class SpeciesSummary:
    """One species: number of records, sum of weights, weighted mean and extreme energies in MeV."""

    count: int
    weight: float
    mean_mev: float
    lowest_mev: float
    highest_mev: float


@dataclass(frozen=True, eq=False)
class Summary:
    """What was found in `count` particles.

    Parameters
    ----------
    new_histories:
        records that start a primary history.
    species:
        by name; only those that occur. Unknown type codes are "unknown".
    ranges:
        lowest and highest x, y, z [cm], u, v, w, weight.
    spectrum, theta:
        of the photons (of all particles where there is none): energy [MeV], angle to the z axis [degrees].
    fluence:
        sums of weights of the same on x, y [cm], shape (x, y), with `x_edges`, `y_edges`.
    shown:
        what the histograms are of, "photon" or "all".
    """

    count: int
    new_histories: int
    species: dict[str, SpeciesSummary]
    ranges: dict[str, tuple[float, float]]
    spectrum: Histogram
    theta: Histogram
    fluence: np.ndarray
    x_edges: np.ndarray
    y_edges: np.ndarray
    shown: str = "photon"
    notes: tuple[str, ...] = field(default=())


def summarise(first: Particles, chunks: Iterable[Particles]) -> Summary:
    """Gather all chunks; `first` (any part of the file) sets the range of the histograms, which grows as needed.

    Histograms that grow double their bins' width, so no particle is left out and none is read twice.
    """
    shown = "photon" if (first.species == 1).any() else "all"
    gathered = _Gathering(first, shown)
    for chunk in chunks:
        gathered.add(chunk)
    return gathered.finish()


class _Axis:
    """Equal bins that double their width when a value lies outside; counts are merged two and two."""

    def __init__(self, low: float, high: float, bins: int):
        self.low, self.bins = low, bins
        self.width = max((high - low) / bins, 1e-6)

    @property
    def edges(self) -> np.ndarray:
        return self.low + self.width * np.arange(self.bins + 1)

    def covers(self, values: np.ndarray) -> bool:
        return float(values.min()) >= self.low and float(values.max()) < self.low + self.width * self.bins

    def grow(self, values: np.ndarray, totals: np.ndarray, axis: int) -> np.ndarray:
        """Widen until all values have a bin; gives the merged totals."""
        while not self.covers(values):
            below = float(values.min()) < self.low
            half = self.bins // 2
            pairs = np.moveaxis(totals, axis, 0)
            merged = np.zeros_like(pairs)
            start = half if below else 0
            merged[start : start + half] = pairs[0::2] + pairs[1::2]
            self.low -= self.width * self.bins if below else 0.0
            self.width *= 2
            totals = np.moveaxis(merged, 0, axis)
        return totals

    def places(self, values: np.ndarray) -> np.ndarray:
        return np.clip(((values.astype(np.float64) - self.low) / self.width).astype(np.int64), 0, self.bins - 1)


def _can_be(particles: Particles) -> np.ndarray:
    """False where numbers are not finite or so large that they can only be damage: beyond 10 km or 1 TeV."""
    good = (particles.energy < _HIGHEST_MEV) & np.isfinite(particles.weight)
    for values in (particles.x, particles.y, particles.z):
        good &= np.abs(values) < _FARTHEST_CM
    return good & np.isfinite(particles.u) & np.isfinite(particles.v)


class _Gathering:
    """Running sums of a summary."""

    def __init__(self, first: Particles, shown: str):
        self._shown = shown
        first = first.select(_can_be(first))
        energy = float(first.energy.max(initial=1e-3))
        self._energy = _Axis(0.0, 1.05 * energy, _BINS)
        reach = 1.02 * max(float(np.abs(values).max(initial=0.0)) for values in (first.x, first.y))
        self._x, self._y = (_Axis(-max(reach, 1e-3), max(reach, 1e-3), _MAP_BINS) for _ in range(2))
        self._spectrum = np.zeros(_BINS)
        self._theta = np.zeros(_DIRECTION_BINS)
        self._map = np.zeros((_MAP_BINS, _MAP_BINS))
        self._species: dict[str, list[float]] = {}
        self._ranges: dict[str, tuple[float, float]] = {}
        self._count = self._new = self._odd = 0

    def add(self, chunk: Particles) -> None:
        self._count += len(chunk)
        self._new += int(np.count_nonzero(chunk.is_new_history))
        good = _can_be(chunk)
        if not good.all():
            self._odd += int(np.count_nonzero(~good))
            chunk = chunk.select(good)
        if len(chunk) == 0:
            return
        for name in ("x", "y", "z", "u", "v", "w", "weight"):
            self._extend(name, getattr(chunk, name))
        self._count_species(chunk)
        self._fill(chunk.select(chunk.species == 1) if self._shown == "photon" else chunk)

    def _extend(self, name: str, values: np.ndarray) -> None:
        low, high = self._ranges.get(name, (np.inf, -np.inf))
        self._ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))

    def _count_species(self, chunk: Particles) -> None:
        weights = chunk.weight.astype(np.float64)
        for code in np.unique(chunk.species):
            chosen = chunk.species == code
            energy, weight = chunk.energy[chosen], weights[chosen]
            sums = self._species.setdefault(SPECIES.get(int(code), "unknown"), [0, 0.0, 0.0, np.inf, 0.0])
            sums[0] += len(energy)
            sums[1] += float(weight.sum())
            sums[2] += float(weight @ energy.astype(np.float64))
            sums[3] = min(sums[3], float(energy.min()))
            sums[4] = max(sums[4], float(energy.max()))

    def _fill(self, chunk: Particles) -> None:
        if len(chunk) == 0:
            return
        weights = chunk.weight.astype(np.float64)
        self._spectrum = self._energy.grow(chunk.energy, self._spectrum, 0)
        self._spectrum += np.bincount(self._energy.places(chunk.energy), weights, _BINS)
        angle = np.degrees(np.arccos(np.clip(chunk.w.astype(np.float64), -1, 1)))
        places = np.clip((angle / 180 * _DIRECTION_BINS).astype(int), 0, _DIRECTION_BINS - 1)
        self._theta += np.bincount(places, weights, _DIRECTION_BINS)
        self._map = self._x.grow(chunk.x, self._map, 0)
        self._map = self._y.grow(chunk.y, self._map, 1)
        flat = self._x.places(chunk.x) * _MAP_BINS + self._y.places(chunk.y)
        self._map += np.bincount(flat, weights, _MAP_BINS**2).reshape(_MAP_BINS, _MAP_BINS)

    def finish(self) -> Summary:
        species = {
            name: SpeciesSummary(int(n), weight, energy / weight if weight else float("nan"), low, high)
            for name, (n, weight, energy, low, high) in sorted(self._species.items(), key=lambda item: -item[1][0])
        }
        notes = []
        if "unknown" in species:
            notes.append(f"{species['unknown'].count} particles are of no known species")
        if self._odd:
            notes.append(
                f"{self._odd} particles hold values that are not numbers or cannot be; they are counted but not shown"
            )
        angles = np.linspace(0.0, 180.0, _DIRECTION_BINS + 1)
        return Summary(
            self._count, self._new, species, self._ranges, Histogram(self._energy.edges, self._spectrum),
            Histogram(angles, self._theta), self._map, self._x.edges, self._y.edges, self._shown, tuple(notes),
        )  # fmt: skip
