"""A side of a comparison from a file: whole histories, in bounded memory, photons only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ...core.progress import Progress
from ..particles import Particles
from ..phase_space import CHUNK, PhaseSpace
from ..photons import PHOTON, history_ids, photon_array
from .sides import Side, take

__all__ = ["FEWEST", "PLANE_TOLERANCE_CM", "check_planes", "read_side"]

FEWEST = 100
"""Photons that a side must have for any figure to mean something."""

PLANE_TOLERANCE_CM = 0.01
"""Sides farther apart do not lie on the same plane."""

_PIECE = 4096


def read_side(source: PhaseSpace, limit: int, rng: np.random.Generator, progress: Progress, name: str = "") -> Side:
    """The photons of a file with their histories: all, or pieces at random places with about `limit` particles.

    Pieces begin and end with a history. Photons that are not finite numbers are left out. Where weights differ,
    photons are drawn in proportion to them, as many as carry the same statistics; those of weight zero or below are
    left out. Each is said as a warning.

    Raises
    ------
    InputError
        the file has fewer than `FEWEST` photons, or its photons do not lie on one plane.
    """
    path = source.files[0]
    parts = [_photons(part, ids) for part, ids in _parts(source, limit, rng, progress)]
    if not parts:
        raise InputError(path, "has no whole history in the pieces that were read", "raise --limit to read all of it")
    photons, history, weight, z = (np.concatenate([part[n] for part in parts]) for n in range(4))
    if len(photons) < source.count and source.count > limit:
        progress.warn(f"{path.name}: {len(photons):,} photons at random places of its {source.count:,} particles")
    plane = _plane(path, z) if source.is_plane_known else float("nan")
    side = _finite(Side(photons, history, name or path.name, plane), weight, progress, rng)
    if len(side) < FEWEST:
        cause = f"has {len(side):,} photons that can be compared, at least {FEWEST} are needed"
        raise InputError(path, cause, "name a file with more photons")
    return side


def _parts(source: PhaseSpace, limit: int, rng: np.random.Generator, progress: Progress) -> Iterator[tuple]:
    """Particles with the numbers of their histories."""
    if source.count == 0:
        raise InputError(source.files[0], "has no particles", "name a file with photons")
    pieces = _all_pieces(source) if source.count <= limit else _random_pieces(source, limit, rng)
    offset = 0
    for share, particles, goes_on in pieces:
        progress.report(share, source.files[0].name)
        ids = np.cumsum(particles.is_new_history) if goes_on else history_ids(particles.is_new_history) + 1
        yield particles, ids + offset
        offset += int(ids[-1]) if len(ids) else 0


def _all_pieces(source: PhaseSpace) -> Iterator[tuple[float, Particles, bool]]:
    """The whole file: a history may go on from one piece to the next."""
    for start in range(0, source.count, CHUNK):
        yield start / source.count, source.read(start, start + CHUNK), True


def _random_pieces(source: PhaseSpace, limit: int, rng: np.random.Generator) -> Iterator[tuple[float, Particles, bool]]:
    """Pieces at random places, cut to whole histories."""
    places = source.count // _PIECE
    chosen = np.sort(rng.choice(places, min(places, max(1, limit // _PIECE)), replace=False))
    for n, place in enumerate(chosen.tolist()):
        particles = source.read(place * _PIECE, (place + 1) * _PIECE)
        starts = np.flatnonzero(particles.is_new_history)
        if len(starts) > 1:
            inside = np.zeros(len(particles), bool)
            inside[starts[0] : starts[-1]] = True
            yield n / len(chosen), particles.select(inside), False


def _photons(particles: Particles, ids: np.ndarray) -> tuple[np.ndarray, ...]:
    chosen = particles.species == PHOTON
    photons = particles.select(chosen)
    return photon_array(photons), ids[chosen], photons.weight, photons.z


def _plane(path: Path, z: np.ndarray) -> float:
    """Z that all photons share; NaN where the file does not know it."""
    known = z[np.isfinite(z)]
    if not len(known):
        return float("nan")
    if known.max() - known.min() > PLANE_TOLERANCE_CM:
        cause = f"its photons lie between z = {known.min():.4g} and {known.max():.4g} cm, not on one plane"
        raise InputError(path, cause, "shift them to one plane first (dose3d phsp convert)")
    return float(np.median(known))


def _finite(side: Side, weight: np.ndarray, progress: Progress, rng: np.random.Generator) -> Side:
    finite = np.isfinite(side.photons).all(axis=1)
    good = finite & (weight > 0)
    if not finite.all():
        progress.warn(f"{side.name}: {(~finite).sum():,} photons are not finite numbers and left out")
    if (weight[finite] <= 0).any():
        progress.warn(f"{side.name}: {(weight[finite] <= 0).sum():,} photons of weight zero or below are left out")
    side, weight = take(side, good), weight[good].astype(np.float64)
    if not len(weight) or weight.max() - weight.min() <= 1e-6 * weight.max():
        return side
    number = int(weight.sum() ** 2 / (weight**2).sum())
    progress.warn(f"{side.name}: weights differ; {number:,} photons are drawn in proportion to them")
    # Systematic resampling: each photon comes as often as its weight says, rounded up or down.
    levels = (np.arange(number) + rng.random()) / number * weight.sum()
    return take(side, np.minimum(np.searchsorted(np.cumsum(weight), levels), len(weight) - 1))


def check_planes(first: Side, second: Side, progress: Progress) -> None:
    """Refuse sides on different planes; one whose plane is unknown passes with a warning.

    Raises
    ------
    InputError
    """
    planes = first.plane_cm, second.plane_cm
    if not np.isfinite(planes).all():
        progress.warn(f"the plane of {first.name} or {second.name} is not known; they are taken to lie on the same one")
    elif abs(planes[0] - planes[1]) > PLANE_TOLERANCE_CM:
        cause = f"lies at z = {planes[1]:.4g} cm, {first.name} at {planes[0]:.4g} cm"
        raise InputError(second.name, cause, "shift one to the plane of the other first (dose3d phsp convert)")
