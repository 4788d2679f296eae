"""Electrons, positrons and all else that a model of photons leaves out: carried over from a phase space by resampling.

A particle is drawn with replacement, with all that it had but its extras, and stands at a random place among the
generated photons: one in each stretch of 1/rate photons, uniformly within it. Their number is therefore right to one
particle, and where they stand and which they are depends on the seed and the photon before them alone: fewer photons
give the beginning of the same file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from .particles import SPECIES, Particles
from .phase_space import PhaseSpace
from .photons import PHOTON

__all__ = ["LARGEST_POOL", "Others", "OthersPool", "holds_no_plane", "mixed", "read_others"]

LARGEST_POOL = 1_000_000
"""Particles kept of a file to draw from, about 45 MB; of more a random choice."""

_PLANE_TOLERANCE_CM = 0.01
_STRETCHES = 4096
_STREAM = 0x07E5
"""Keeps these random numbers apart from others of the same seed."""


@dataclass(frozen=True, eq=False)
class OthersPool:
    """What a phase space holds besides photons.

    Parameters
    ----------
    name:
        of the file.
    particles:
        to draw from: all of them, or a random choice of `LARGEST_POOL`; no extras, each starts a history.
    count:
        how many the file holds.
    photon_weight:
        sum of the weights of the file's photons.
    histories:
        the file's original histories; None when it does not say.
    """

    name: str
    particles: Particles
    count: int
    photon_weight: float
    histories: int | None

    def per_photon(self, histories_per_photon: float | None, weight: float) -> float:
        """How many belong to one generated photon that stands for so many histories and has this weight.

        By histories where file and model know them, so that each history brings as many as in the file whatever the
        weights and however the photons were selected; else by the weight of the photons beside them.
        """
        if self.histories and histories_per_photon:
            return self.count / self.histories * histories_per_photon
        return self.count * weight / self.photon_weight if self.photon_weight > 0 else 0.0


def read_others(
    source: PhaseSpace, plane_cm: float, generator: np.random.Generator, report: Callable[[float], None]
) -> OthersPool:
    """Gather what a phase space holds besides photons, in one pass and constant memory; `report` hears the share read.

    Particles of a file whose format does not hold z (EGSnrc) are taken to lie in the plane.

    Raises
    ------
    InputError
        the file holds photons only, or its particles lie in another plane than `plane_cm`.
    """
    pool, keys, count, photon_weight, done = None, np.empty(0), 0, 0.0, 0
    for chunk in source.chunks():
        photons = chunk.species == PHOTON
        photon_weight += float(chunk.weight[photons].sum(dtype=np.float64))
        chosen = chunk.select(np.isin(chunk.species, list(SPECIES)) & ~photons)
        count += len(chosen)
        pool, keys = _chosen(pool, keys, chosen, generator)
        done += len(chunk)
        report(done / max(source.count, 1))
    path = source.files[0]
    if count == 0:
        raise InputError(path, "holds photons only, nothing to carry over", "leave out --others")
    if holds_no_plane(source):
        pool = Particles(**{**_fields(pool), "z": np.full(len(pool), plane_cm, np.float32)})
    _check_plane(path, pool, plane_cm)
    return OthersPool(path.name, pool, count, photon_weight, source.histories)


def holds_no_plane(source: PhaseSpace) -> bool:
    """Whether the format does not say where the particles lie."""
    return any(name == "z" and kind == "constant" and meaning == "unknown" for name, kind, meaning in source.layout)


def _chosen(
    pool: Particles | None, keys: np.ndarray, more: Particles, generator: np.random.Generator
) -> tuple[Particles, np.ndarray]:
    """Those of both with the smallest random keys: a uniform choice, whatever the pieces in which they come."""
    more = _plain(more)
    keys = np.concatenate([keys, generator.random(len(more))])
    pool = more if pool is None else _joined(pool, more)
    if len(keys) > LARGEST_POOL:
        kept = np.sort(np.argpartition(keys, LARGEST_POOL)[:LARGEST_POOL])
        pool, keys = pool.select(kept), keys[kept]
    return pool, keys


def _plain(particles: Particles) -> Particles:
    """Without extras, whose meaning ends with the history they belonged to; drawn alone, each starts one."""
    return Particles(**{**_fields(particles), "is_new_history": np.ones(len(particles), bool)})


def _fields(particles: Particles) -> dict[str, np.ndarray]:
    return {name: value for name, value in vars(particles).items() if name != "extras"}


def _joined(one: Particles, other: Particles) -> Particles:
    pairs = zip(_fields(one).items(), _fields(other).values(), strict=True)
    return Particles(**{name: np.concatenate([a, b]) for (name, a), b in pairs})


def _check_plane(path: Path, particles: Particles, plane_cm: float) -> None:
    low, high = float(particles.z.min()), float(particles.z.max())
    if not max(abs(low - plane_cm), abs(high - plane_cm)) <= _PLANE_TOLERANCE_CM:
        where = f"z = {low:g} cm" if low == high else f"z = {low:g} to {high:g} cm"
        remedy = f"bring it there: dose3d phsp convert {path.name} OUTPUT --plane {plane_cm:g}"
        raise InputError(path, f"lies in another plane ({where}) than the model ({plane_cm:g} cm)", remedy)


class Others:
    """Particles of a pool at random places among photons that are counted from 0.

    Parameters
    ----------
    pool:
        what is drawn from.
    rate:
        how many a photon brings, above 0.
    seed:
        of places and choices.
    """

    def __init__(self, pool: OthersPool, rate: float, seed: int):
        self.pool, self.rate, self._seed = pool, rate, seed
        self._draws = lru_cache(maxsize=4)(self._draw)

    def count(self, photons: int) -> int:
        """How many stand among the first so many photons."""
        whole = int(photons * self.rate)
        places, _ = self._stretches(whole, whole + 1)
        return whole + int(places[0] < photons)

    def between(self, start: int, stop: int) -> tuple[np.ndarray, Particles]:
        """Those among the photons from `start` up to `stop`: the photon that each stands before, sorted, and they."""
        places, choices = self._stretches(int(start * self.rate), int(stop * self.rate) + 1)
        inside = (places >= start) & (places < stop)
        return places[inside].astype(np.int64), self.pool.particles.select(choices[inside])

    def _stretches(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Places and choices of the stretches from `first` up to `last`."""
        parts = [self._draws(number) for number in range(first // _STRETCHES, (last - 1) // _STRETCHES + 1)]
        skipped = first // _STRETCHES * _STRETCHES
        places, choices = (
            np.concatenate(arrays)[first - skipped : last - skipped] for arrays in zip(*parts, strict=True)
        )
        return places, choices

    def _draw(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """A run of stretches by its number alone: nothing has to be drawn before it."""
        generator = np.random.default_rng([self._seed, _STREAM, number])
        stretch = number * _STRETCHES + np.arange(_STRETCHES)
        places = (stretch + generator.random(_STRETCHES)) / self.rate
        return places, generator.integers(len(self.pool.particles), size=_STRETCHES)


def mixed(photons: Particles, places: np.ndarray, others: Particles) -> Particles:
    """Photons with others before the photons of these places (sorted, 0 up to the number of photons)."""
    if len(others) == 0:
        return photons
    at = places + np.arange(len(others))
    is_photon = np.ones(len(photons) + len(others), bool)
    is_photon[at] = False
    fields = {}
    for name, values in _fields(photons).items():
        fields[name] = np.empty(len(is_photon), values.dtype)
        fields[name][is_photon] = values
        fields[name][at] = getattr(others, name)
    return Particles(**fields)
