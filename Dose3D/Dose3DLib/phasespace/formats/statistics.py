"""Running statistics of written particles, as headers state them: counts, weights, energies and extent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ...core.errors import InputError
from ..particles import SPECIES, Particles

__all__ = ["SpeciesFigures", "Statistics"]

_UNIT_TOLERANCE = 1e-5
_REMEDY = "leave such particles out"


@dataclass
class SpeciesFigures:
    """One species: records, sums of weights and of weight times energy, extremes; energies in MeV."""

    count: int = 0
    weight: float = 0.0
    weighted_energy: float = 0.0
    weights: tuple[float, float] = (np.inf, -np.inf)
    energies: tuple[float, float] = (np.inf, -np.inf)

    @property
    def mean_energy(self) -> float:
        """Mean by weight; 0 where the weights cancel."""
        return self.weighted_energy / self.weight if self.weight else 0.0


@dataclass
class Statistics:
    """What was added so far. Give pieces that fit into the cache: all arrays are passed over several times.

    Parameters
    ----------
    count, new_histories:
        records, and those of them that start a history.
    species:
        figures by type code.
    extents:
        lowest and highest of "x", "y", "z", cm.
    """

    count: int = 0
    new_histories: int = 0
    species: dict[int, SpeciesFigures] = field(default_factory=dict)
    extents: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, piece: Particles) -> None:
        """Gather a piece.

        Raises
        ------
        InputError
            particles that no file should hold: numbers that are not finite, no energy, no direction, unknown species.
        """
        if len(piece) == 0:
            return
        _check_direction(piece)
        for name in ("x", "y", "z"):
            self._extend(name, getattr(piece, name))
        for code, energy, weight in _by_species(piece):
            self._add_species(code, energy, weight)
        self.count += len(piece)
        self.new_histories += int(np.count_nonzero(piece.is_new_history))

    def share(self, name: str, value: np.float32) -> bool:
        """True where all particles so far have this x, y, z or weight."""
        ends = [figures.weights for figures in self.species.values()] if name == "weight" else [self.extents[name]]
        return all(low == value == high for low, high in ends)

    def _extend(self, name: str, values: np.ndarray) -> None:
        low, high = self.extents.get(name, (np.inf, -np.inf))
        lowest, highest = _extremes(values, f"positions {name.upper()}")
        self.extents[name] = (min(low, lowest), max(high, highest))

    def _add_species(self, code: int, energy: np.ndarray, weight: np.ndarray) -> None:
        lowest, highest = _extremes(energy, "energies")
        if lowest <= 0:
            raise InputError("particles", "some have an energy of 0 or less", _REMEDY)
        light, heavy = _extremes(weight, "weights")
        figures = self.species.setdefault(code, SpeciesFigures())
        figures.count += len(energy)
        figures.energies = min(figures.energies[0], lowest), max(figures.energies[1], highest)
        figures.weights = min(figures.weights[0], light), max(figures.weights[1], heavy)
        if light == heavy:
            figures.weight += light * len(weight)
            figures.weighted_energy += light * float(energy.sum())  # numpy sums in pairs: good to seven digits
        else:
            figures.weight += float(weight.sum(dtype=np.float64))
            figures.weighted_energy += float(weight.astype(np.float64) @ energy.astype(np.float64))


def _by_species(piece: Particles) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Type code, energies and weights of each species; without a copy where there is only one."""
    first, last = int(piece.species.min()), int(piece.species.max())
    codes = [first] if first == last else [int(code) for code in np.unique(piece.species)]
    for code in codes:
        if code not in SPECIES:
            raise InputError("particles", f"some are of an unknown species (type {code})", _REMEDY)
        chosen = slice(None) if first == last else piece.species == code
        yield code, piece.energy[chosen], piece.weight[chosen]


def _extremes(values: np.ndarray, name: str) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError("particles", f"some {name} are not finite", _REMEDY)
    return low, high


def _check_direction(piece: Particles) -> None:
    """Only U, V and the sign of W survive in most formats, therefore these must be those of a unit vector."""
    across = piece.u * piece.u
    across += piece.v * piece.v
    if not across.max() <= 1 + _UNIT_TOLERANCE:
        raise InputError("particles", "some directions are no unit vectors", _REMEDY)
