"""Leaves particles out so that a phase space remains: the flag of a history passes on to its next kept particle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from .particles import SPECIES, Particles

__all__ = ["INCREMENT", "HistoryKeeper", "Selection", "is_possible", "kept"]

INCREMENT = "incremental history"
"""Name of the extra value that counts the histories since the last record, the empty ones among them."""

_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Selection:
    """What is kept; None and an empty tuple keep all. Bounds belong to what is kept.

    Parameters
    ----------
    species:
        names of `particles.SPECIES`.
    energy_mev:
        lowest and highest kinetic energy; either may be None.
    radius_cm:
        smallest and largest distance from the z axis in the plane of the particle.
    rectangle_cm:
        lowest x, highest x, lowest y, highest y.
    angle_degrees:
        smallest and largest angle between the direction and +z: (None, 90) is what goes downstream.
    """

    species: tuple[str, ...] = ()
    energy_mev: tuple[float | None, float | None] = (None, None)
    radius_cm: tuple[float | None, float | None] = (None, None)
    rectangle_cm: tuple[float, float, float, float] | None = None
    angle_degrees: tuple[float | None, float | None] = (None, None)

    def mask(self, particles: Particles) -> np.ndarray:
        """True where a particle is kept."""
        chosen = np.ones(len(particles), bool)
        if self.species:
            codes = [code for code, name in SPECIES.items() if name in self.species]
            chosen &= np.isin(particles.species, codes)
        _within(chosen, particles.energy, self.energy_mev)
        if self.radius_cm != (None, None):
            _within(chosen, np.hypot(particles.x.astype(np.float64), particles.y), self.radius_cm)
        if self.rectangle_cm is not None:
            _within(chosen, particles.x, self.rectangle_cm[:2])
            _within(chosen, particles.y, self.rectangle_cm[2:])
        if self.angle_degrees != (None, None):
            across = np.hypot(particles.u.astype(np.float64), particles.v)  # exact also where w is nearly 1
            _within(chosen, np.degrees(np.arctan2(across, particles.w)), self.angle_degrees)
        return chosen

    def words(self) -> str:
        """What is kept, for headers; empty where that is all."""
        parts = [" and ".join(f"{name}s" for name in self.species)] if self.species else []
        parts += _range_words("energy", self.energy_mev, "MeV") + _range_words("radius", self.radius_cm, "cm")
        if self.rectangle_cm is not None:
            parts.append("x from {:g} to {:g} and y from {:g} to {:g} cm".format(*self.rectangle_cm))
        return ", ".join(parts + _range_words("angle to +z", self.angle_degrees, "degrees"))


class HistoryKeeper:
    """Takes pieces of a file one after the other and keeps what marks its histories.

    The first kept particle of a history gets the flag; numbers of histories since the last record become those since
    the last kept one. The very first kept particle starts a history whatever its flag says.
    """

    def __init__(self) -> None:
        self._starts, self._increment = True, 0

    def select(self, particles: Particles, chosen: np.ndarray) -> Particles:
        """Those of a boolean array, mended."""
        if chosen.all() and not self._increment and (not self._starts or particles.is_new_history[:1].all()):
            self._starts = self._starts and len(particles) == 0  # nothing to mend, as in most pieces of most files
            return particles
        places = np.flatnonzero(chosen)
        left = particles.select(places) if len(places) < len(particles) else particles
        flags, self._starts = _first_of_each(particles.is_new_history, places, self._starts)
        extras = dict(left.extras)
        if INCREMENT in extras:
            total = np.concatenate([[0], np.cumsum(particles.extras[INCREMENT], dtype=np.int64)])
            reached = np.concatenate([[-self._increment], total[places + 1]])
            extras[INCREMENT] = np.clip(np.diff(reached), 0, 2**31 - 1).astype(np.int32)
            self._increment = int(total[-1] - reached[-1])
        return replace(left, is_new_history=flags, extras=extras)


def kept(chunks: Iterable[Particles], selection: Selection) -> Iterator[Particles]:
    """The selected particles of all chunks, histories mended."""
    keeper = HistoryKeeper()
    for chunk in chunks:
        yield keeper.select(chunk, selection.mask(chunk))


def is_possible(particles: Particles) -> np.ndarray:
    """False where a record is no particle: numbers that are not finite, no energy, no direction, unknown species."""
    good = np.isin(particles.species, list(SPECIES)) & (particles.energy > 0) & np.isfinite(particles.energy)
    for values in (particles.x, particles.y, particles.z, particles.weight):
        good &= np.isfinite(values)
    length = particles.u.astype(np.float64) ** 2
    length += particles.v.astype(np.float64) ** 2
    length += particles.w.astype(np.float64) ** 2
    return good & (np.abs(length - 1) <= _UNIT_TOLERANCE)


def _first_of_each(starts: np.ndarray, places: np.ndarray, pending: bool) -> tuple[np.ndarray, bool]:
    """Flags of the kept places, and whether a history has begun since the last of them."""
    history = np.cumsum(starts, dtype=np.int64)
    before = np.concatenate([[-1 if pending else 0], history[places]])
    flags = before[1:] != before[:-1]
    return flags, bool(len(history) and history[-1] != before[-1]) if len(history) else pending


def _within(chosen: np.ndarray, values: np.ndarray, limits: tuple[float | None, float | None]) -> None:
    low, high = limits
    if low is not None:
        chosen &= values >= low
    if high is not None:
        chosen &= values <= high


def _range_words(name: str, limits: tuple[float | None, float | None], unit: str) -> list[str]:
    low, high = limits
    if low is None and high is None:
        return []
    if low is None:
        return [f"{name} up to {high:g} {unit}"]
    return [f"{name} from {low:g} {unit}" if high is None else f"{name} from {low:g} to {high:g} {unit}"]
