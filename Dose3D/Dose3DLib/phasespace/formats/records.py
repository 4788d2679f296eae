"""What readers of all formats share: records in a memory map, files in blocks, directions, codes of species, checks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ..particles import SPECIES, Particles

__all__ = [
    "BLOCK",
    "ELECTRON_REST_MEV",
    "PDG",
    "Blocks",
    "MappedRecords",
    "check_first",
    "file_size",
    "pdg_of_species",
    "species_of_pdg",
    "unit_directions",
    "with_third_cosine",
]

ELECTRON_REST_MEV = 0.5109989461
"""Energy at rest of electron and positron, MeV (CODATA 2014, as in EGSnrc)."""

PDG = {22: 1, 11: 2, -11: 3, 2112: 4, 2212: 5}
"""Codes of the Particle Data Group -> type codes of `particles.SPECIES`."""

BLOCK = 1 << 16
"""Records of a block, where a file is read by blocks."""

_LOOKED_AT = 1000
_MOST_ODD = 0.1
_ROUNDING = 1e-6


class MappedRecords:
    """Records of one length in a memory map, nothing of them in memory.

    Parameters
    ----------
    path, dtype, offset, count:
        the file, one record of it, where the first begins and how many there are.
    decode:
        makes `Particles` from an array of records.
    """

    def __init__(self, path: Path, dtype: np.dtype, decode: Callable[[np.ndarray], Particles], offset: int, count: int):
        self.count, self._decode = count, decode
        self.map = np.memmap(path, dtype, mode="r", offset=offset, shape=(count,)) if count else np.empty(0, dtype)

    def read(self, start: int, stop: int) -> Particles:
        """Decode the records from `start` up to `stop`, not included."""
        return self.decode(np.array(self.map[start:stop]))

    def take(self, indices: np.ndarray) -> Particles:
        """Decode some records; sorted indices read a disk fastest."""
        return self.decode(np.array(self.map[indices]))

    def decode(self, records: np.ndarray) -> Particles:
        """Particles of an array of records."""
        with np.errstate(invalid="ignore", over="ignore"):  # nonsense stays nonsense, and is told by `check_first`
            return self._decode(records)


class Blocks(ABC):
    """Records that are read by whole blocks: lines of text, compressed baskets, or where some are no particles.

    Parameters
    ----------
    firsts:
        (blocks + 1,) number of the first particle of each block, and of all.
    """

    def __init__(self, firsts: np.ndarray):
        self._firsts = np.asarray(firsts, np.int64)
        self.count = int(self._firsts[-1])
        self._last: tuple[int, Particles] | None = None

    @abstractmethod
    def load(self, block: int) -> Particles:
        """All particles of a block."""

    def read(self, start: int, stop: int) -> Particles:
        """The particles from `start` up to `stop`, not included."""
        stop = max(min(stop, self.count), start)
        first, last = np.searchsorted(self._firsts, [start, max(stop - 1, start)], "right") - 1
        parts = []
        for block in range(first, min(last + 1, len(self._firsts) - 1)):
            offset = self._firsts[block]
            parts.append(self._block(block).select(slice(max(start - offset, 0), stop - offset)))
        return joined(parts) if parts else self._block(0).select(slice(0, 0))

    def take(self, indices: np.ndarray) -> Particles:
        """Some particles, in the order of the indices; sorted ones are fastest."""
        indices = np.asarray(indices, np.int64)
        order = np.argsort(indices, kind="stable")
        blocks = np.searchsorted(self._firsts, indices[order], "right") - 1
        parts = [
            self._block(block).select(indices[order[blocks == block]] - self._firsts[block])
            for block in np.unique(blocks)
        ]
        if not parts:
            return self._block(0).select(slice(0, 0))
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return joined(parts).select(back)

    def _block(self, block: int) -> Particles:
        """The last one is kept: chunks and blocks seldom end together."""
        if self._last is None or self._last[0] != block:
            self._last = (block, self.load(int(block)))
        return self._last[1]


def joined(parts: list[Particles]) -> Particles:
    """Particles one after the other."""
    if len(parts) == 1:
        return parts[0]
    names = [one.name for one in fields(Particles) if one.name != "extras"]
    extras = {name: np.concatenate([part.extras[name] for part in parts]) for name in parts[0].extras}
    return Particles(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names}, extras=extras)


def species_of_pdg(codes: np.ndarray) -> np.ndarray:
    """int8 type codes; 0 where the code is none of `PDG`."""
    species = np.zeros(len(codes), np.int8)
    for pdg, code in PDG.items():
        species[codes == pdg] = code
    return species


def pdg_of_species(species: np.ndarray, path: object) -> np.ndarray:
    """int32 codes of the Particle Data Group.

    Raises
    ------
    InputError
        a particle of no known species.
    """
    table = np.zeros(256, np.int32)
    for pdg, code in PDG.items():
        table[code] = pdg
    codes = table[species.astype(np.uint8)]
    if not codes.all():
        cause = f"{np.count_nonzero(codes == 0)} particles are of no known species"
        raise InputError(path, cause, "leave them out by a filter of species")
    return codes


def with_third_cosine(u: np.ndarray, v: np.ndarray, backwards: np.ndarray) -> tuple[np.ndarray, ...]:
    """(u, v, w) float32 of unit length; where rounding makes u^2 + v^2 exceed 1, w is 0 and u, v are shortened."""
    across = u.astype(np.float64) ** 2 + v.astype(np.float64) ** 2
    w = np.sqrt(np.maximum(1 - across, 0)).astype(np.float32)
    w[backwards] *= -1
    long = across > 1
    if long.any():
        length = np.sqrt(across[long])
        u, v = u.copy(), v.copy()
        u[long], v[long] = u[long] / length, v[long] / length
    return u, v, w


def unit_directions(u: np.ndarray, v: np.ndarray, w: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Directions of length one: as they are where only rounding is missing, else brought to it."""
    u, v = u.astype(np.float64), v.astype(np.float64)
    w = np.sqrt(np.maximum(1 - u**2 - v**2, 0)) if w is None else w.astype(np.float64)
    length = np.sqrt(u**2 + v**2 + w**2)
    length[np.abs(length - 1) < _ROUNDING] = 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return tuple((cosine / length).astype(np.float32) for cosine in (u, v, w))


def file_size(path: Path, remedy: str) -> int:
    """Bytes of a file.

    Raises
    ------
    InputError
        no such file, a folder, an empty file, or one that must not be read.
    """
    try:
        if not path.is_file():
            raise InputError(path, "is a folder" if path.is_dir() else "does not exist", remedy)
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "check the path") from error
    if size == 0:
        raise InputError(path, "is empty", "copy it again")
    return size


def check_first(path: Path, records, remedy: str) -> tuple[str, ...]:
    """Species and numbers that cannot be are the best sign of a wrong layout; a few of them are only told.

    Parameters
    ----------
    path, remedy:
        for the message.
    records:
        whatever has `count` and `read(start, stop)`.

    Raises
    ------
    InputError
        a tenth of the first thousand records hold no particle.
    """
    if records.count == 0:
        raise InputError(path, "holds no particles", remedy)
    first = records.read(0, min(_LOOKED_AT, records.count))
    odd = ~np.isin(first.species, list(SPECIES))
    for values in (first.energy, first.x, first.y, first.z, first.u, first.v, first.w, first.weight):
        odd |= ~np.isfinite(values)
    with np.errstate(invalid="ignore", over="ignore"):
        odd |= (first.energy < 0) | (np.hypot(first.u, first.v) > 1.001)
    if odd.mean() > _MOST_ODD:
        raise InputError(path, f"{odd.sum()} of its first {len(first)} records hold no known particle", remedy)
    return (f"{odd.sum()} of the first {len(first)} records hold no known particle",) if odd.any() else ()
