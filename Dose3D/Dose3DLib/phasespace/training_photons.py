"""Photons of files for training: whole histories held out, the rest in pools that fit into memory.

A file is cut into blocks of whole histories, since photons of one history are correlated: some blocks are held out,
the others are read as one pool, or, where files are larger than memory, as pools that follow one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress
from .particles import Particles
from .phase_space import PhaseSpace
from .photons import PHOTON, is_usable, photon_array

__all__ = ["LEAST_PHOTONS", "LeftOut", "Pool", "TrainingPhotons"]

LEAST_PHOTONS = 1000
"""With fewer photons there is nothing to learn a distribution from."""

_BLOCKS = 64
_SMALLEST, _LARGEST = 256, 1 << 16
_LOOK_AHEAD = 4096
"""Longer than any history's record."""
_HELD_OUT, _MOST_HELD_OUT = 0.05, 100_000
_POOL = 4_000_000
_SAME_PLANE_CM = 1e-3


@dataclass
class LeftOut:
    """What of the read particles a model of photons does not have; energies are weighted sums, MeV."""

    particles: int = 0
    photons: int = 0
    unusable: int = 0
    energy: float = 0.0
    photon_energy: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """Shares of particles and energy that are not photons, and of photons that cannot be learned."""
        return {
            "particle_share": 1 - self.photons / max(self.particles, 1),
            "energy_share": 1 - self.photon_energy / self.energy if self.energy else 0.0,
            "unusable_photon_share": self.unusable / max(self.photons, 1),
        }


@dataclass(frozen=True, eq=False)
class Pool:
    """Photons (n, 6), the number of the file each is of (n,), and its statistical weight (n,)."""

    photons: np.ndarray
    file: np.ndarray
    weight: np.ndarray


@dataclass(eq=False)
class TrainingPhotons:
    """Photons of several files in the same plane.

    Attributes
    ----------
    held_out:
        a pool that training never sees.
    left_out:
        of the blocks that the first pool and the held-out one come from.
    pools:
        1, or more where the photons of the files don't fit into one.

    Raises
    ------
    InputError
        too few photons, other planes, negative weights; names the file.
    """

    spaces: Sequence[PhaseSpace]
    seed: int = 0
    pool_size: int = _POOL
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.left_out = LeftOut()
        self._plane: float | None = None
        blocks = [(n, b) for n, space in enumerate(self.spaces) for b in range(_blocks(space)[0])]
        order = np.random.default_rng(self.seed).permutation(len(blocks))
        self._all = sum(space.count for space in self.spaces)
        wanted = min(_HELD_OUT * self._all, _MOST_HELD_OUT)
        size = self._all / max(len(blocks), 1)
        held = min(max(1, round(wanted / size)), len(blocks) - 1)
        self._held, self._kept = ([blocks[i] for i in part] for part in (order[:held], order[held:]))
        self.held_out = self._read(self._held)
        self.pools = max(1, -(-self._all // self.pool_size))
        self._first = self._read(self._of_pool(0))
        self._check()
        self.pool = lru_cache(maxsize=1)(self._pool)

    @property
    def plane_cm(self) -> float:
        """z of all photons."""
        return self._plane

    @property
    def histories_per_photon(self) -> float | None:
        """Primary particles a photon over all files; None where a file does not say how many were simulated."""
        histories = [space.histories for space in self.spaces]
        if any(not number for number in histories):
            return None
        photons = self._all * self.left_out.photons / max(self.left_out.particles, 1)
        return sum(histories) / photons

    @property
    def mean_weight(self) -> float:
        """Statistical weight of a photon."""
        return float(self._first.weight.mean(dtype=np.float64))

    def _pool(self, number: int) -> Pool:
        """The pool of a number; the same for the same seed."""
        return self._first if number == 0 else self._read(self._of_pool(number))

    def _of_pool(self, number: int) -> list[tuple[int, int]]:
        if self.pools == 1:
            return sorted(self._kept)
        size = self._all / (len(self._kept) + len(self._held))
        order = np.random.default_rng([self.seed, number]).permutation(len(self._kept))
        return sorted(self._kept[i] for i in order[: max(1, int(self.pool_size / size))])

    def _read(self, blocks: Sequence[tuple[int, int]]) -> Pool:
        parts = []
        for at, (file, block) in enumerate(blocks):
            self.progress.report(at / len(blocks), f"block {at + 1} of {len(blocks)}")
            photons, weight = self._photons(file, _whole_histories(self.spaces[file], block))
            parts.append((photons, np.full(len(photons), file), weight))
        empty = (np.empty((0, 6), np.float32), np.empty(0, np.int64), np.empty(0, np.float32))
        return Pool(*(np.concatenate(arrays) for arrays in zip(*(parts or [empty]), strict=True)))

    def _photons(self, file: int, particles: Particles) -> tuple[np.ndarray, np.ndarray]:
        """Usable photons of a piece and their weights; the account of what is left out is kept."""
        energy = particles.energy.astype(np.float64) * particles.weight
        is_photon = particles.species == PHOTON
        self.left_out.particles += len(particles)
        self.left_out.energy += float(np.nansum(energy))
        self.left_out.photon_energy += float(np.nansum(energy[is_photon]))
        self.left_out.photons += int(is_photon.sum())
        photons = particles.select(is_photon)
        self._check_plane(file, photons.z)
        array, weight = photon_array(photons), photons.weight
        if (weight < 0).any():
            cause = "holds photons of negative weight, which no distribution has"
            raise InputError(self.spaces[file].files[0], cause, "use the file before others were subtracted from it")
        usable = is_usable(array) & (weight > 0) & np.isfinite(weight)
        self.left_out.unusable += int((~usable).sum())
        return array[usable], weight[usable]

    def _check_plane(self, file: int, z: np.ndarray) -> None:
        if len(z) == 0:
            return
        plane = self._plane = float(np.median(z)) if self._plane is None else self._plane
        if not np.abs(z.astype(np.float64) - plane).max() <= _SAME_PLANE_CM:
            cause = f"has photons at z = {float(z.min()):g} to {float(z.max()):g} cm, others at {plane:g} cm"
            remedy = "bring all to one plane first: dose3d phsp convert IN OUT --plane Z"
            raise InputError(self.spaces[file].files[0], cause, remedy)

    def _check(self) -> None:
        name = self.spaces[0].files[0]
        if self.left_out.photons == 0:
            raise InputError(name, "holds no photons", "give a phase space of photons")
        if len(self._first.photons) < LEAST_PHOTONS or len(self.held_out.photons) < LEAST_PHOTONS // 50:
            found = len(self._first.photons) + len(self.held_out.photons)
            raise InputError(name, f"holds only {found} photons to learn from", f"give at least {LEAST_PHOTONS}")
        for file, space in enumerate(self.spaces):
            if not (self._first.file == file).any():
                raise InputError(space.files[0], "holds too few photons to learn from", "leave it out")


def _blocks(space: PhaseSpace) -> tuple[int, int]:
    """Number of blocks of a file, and their size in records."""
    size = int(np.clip(space.count // _BLOCKS, _SMALLEST, _LARGEST))
    return -(-space.count // size), size


def _whole_histories(space: PhaseSpace, block: int) -> Particles:
    """The histories that start in a block: its ends are moved to the next start of a history."""
    _, size = _blocks(space)
    start, stop = block * size, min((block + 1) * size, space.count)
    particles = space.read(start, min(stop + _LOOK_AHEAD, space.count))
    starts = np.flatnonzero(particles.is_new_history)
    first = 0 if block == 0 else int(starts[0]) if len(starts) else len(particles)
    behind = starts[starts >= stop - start]
    last = int(behind[0]) if len(behind) else len(particles)
    return particles.select(slice(first, max(first, last)))
