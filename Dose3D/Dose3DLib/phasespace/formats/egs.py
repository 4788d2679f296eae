"""Phase spaces of EGSnrc and BEAMnrc, `.egsphspN`, in both modes (NRC report PIRS-509: BEAMnrc users manual).

Records of 28 bytes (MODE0) or 32 (MODE2, with ZLAST), the first of which is the header. There is no Z: the plane is
known from the simulation's input only. Energies of charged particles include the rest energy in the file; the charge
is in bits 29 and 30 of LATCH; the sign of the weight is that of W; the sign of the energy starts a history.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import InputError
from ..particles import Particles
from ..phase_space import PhaseSpace
from .records import ELECTRON_REST_MEV, MappedRecords, check_first, file_size, with_third_cosine

if TYPE_CHECKING:
    from ..write import FileFacts

__all__ = ["EgsMode0Writer", "EgsMode2Writer", "EgsWriter", "is_egs", "open_egs"]

MOST_PARTICLES = 2**31 - 1
"""Counts are int32."""
EXACT_HISTORIES = 2**24
"""Histories are a float32: whole numbers up to here only."""

_HEADER = [("mode", "S5"), ("particles", "i4"), ("photons", "i4"), ("highest", "f4"), ("lowest", "f4"),
           ("histories", "f4")]  # fmt: skip
_RECORD = [("LATCH", "i4"), ("energy", "f4"), ("x", "f4"), ("y", "f4"), ("u", "f4"), ("v", "f4"), ("weight", "f4")]
_ELECTRON, _POSITRON = 1 << 30, 1 << 29
_HIGHEST_MEV = 1e4
_REMEDY = "name a phase space of EGSnrc in MODE0 or MODE2, or copy it again"


def is_egs(first_bytes: bytes) -> bool:
    """Whether a file that begins so is one."""
    return first_bytes[:5] in (b"MODE0", b"MODE2")


def _record(mode: str, order: str) -> np.dtype:
    names = [*_RECORD, ("ZLAST", "f4")] if mode == "MODE2" else _RECORD
    return np.dtype([(name, order + kind) for name, kind in names])


def _header(order: str) -> np.dtype:
    return np.dtype([(name, kind if kind[0] == "S" else order + kind) for name, kind in _HEADER])


def open_egs(path: Path, plane: float | None = None) -> PhaseSpace:
    """Open a phase space of EGSnrc.

    Parameters
    ----------
    path:
        the one file.
    plane:
        Z of all particles in cm, which the file does not hold; 0 is taken, with a note, where it is not given.

    Raises
    ------
    InputError
        no such file, another format, or bytes that cannot be records of this one.
    """
    path = Path(path)
    size = file_size(path, _REMEDY)
    with path.open("rb") as file:
        start = file.read(_header("<").itemsize)
    if len(start) < _header("<").itemsize or not is_egs(start):
        raise InputError(path, "does not begin with MODE0 or MODE2", _REMEDY)
    mode = start[:5].decode("ascii")
    length = _record(mode, "<").itemsize
    count, rest = size // length - 1, size % length
    header, order = _header_of(start, count)
    if count <= 0:
        raise InputError(path, "holds no particles", _REMEDY)
    records = MappedRecords(path, _record(mode, order), _decoder(plane), length, count)
    notes = [*_notes(header, count, rest, plane), *check_first(path, records, _REMEDY)]
    return _phase_space(path, mode, header, records, notes, plane)


def _header_of(start: bytes, count: int) -> tuple[np.void, str]:
    """The header in the byte order in which its count is the file's; else in this machine's order."""
    headers = {order: np.frombuffer(start, _header(order), 1)[0] for order in "<>"}
    for order, header in headers.items():
        if header["particles"] == count:
            return header, order
    order = next((order for order in "<>" if _is_likely(headers[order])), "<" if sys.byteorder == "little" else ">")
    return headers[order], order


def _is_likely(header: np.void) -> bool:
    """Of a cut-off file: counts and energies of the wrong byte order are absurd."""
    return 0 <= header["photons"] <= header["particles"] and 1e-3 < header["highest"] < _HIGHEST_MEV


def _decoder(plane: float | None):
    z = 0.0 if plane is None else plane

    def decode(records: np.ndarray) -> Particles:
        signed, weight = records["energy"].astype(np.float32), records["weight"].astype(np.float32)
        latch = records["LATCH"].astype(np.int32)
        species = np.ones(len(records), np.int8)
        species[(latch & _POSITRON) != 0] = 3
        species[(latch & _ELECTRON) != 0] = 2
        energy = np.abs(signed)
        charged = species != 1
        energy[charged] = np.maximum(energy[charged] - np.float64(ELECTRON_REST_MEV), 0)
        x, y, u, v = (records[name].astype(np.float32) for name in "xyuv")
        extras = {"LATCH": latch & ~np.int32(_ELECTRON | _POSITRON)}
        if "ZLAST" in records.dtype.names:
            extras = {"ZLAST": records["ZLAST"].astype(np.float32), **extras}
        directions = with_third_cosine(u, v, np.signbit(weight))
        return Particles(species, energy, x, y, np.full(len(records), z, np.float32), *directions,
                         np.abs(weight), np.signbit(signed), extras)  # fmt: skip

    return decode


def _notes(header: np.void, count: int, rest: int, plane: float | None) -> list[str]:
    notes = []
    if rest:
        notes.append(f"the file ends within a record: its last {rest} bytes are left out")
    if header["particles"] != count:
        notes.append(
            f"the header says {header['particles']} particles, the file holds {count}: the file is right. "
            "The header's number of histories may be that of another file."
        )
    if plane is None:
        notes.append("files of EGSnrc do not hold Z: 0 cm is taken where none is given (phsp convert --input-plane)")
    if header["histories"] > EXACT_HISTORIES:
        notes.append("the number of histories is a float32 in this format, here rounded to seven digits")
    return notes


def _phase_space(path, mode, header, records, notes, plane) -> PhaseSpace:
    histories = float(header["histories"])
    known = np.isfinite(histories) and histories > 0
    if not known:
        notes.append("the header holds no number of histories")
    meanings = {
        "LATCH": "flags of EGS; bits 30 and 29: electron, positron",
        "energy": "total, MeV; negative starts a history",
        "weight": "statistical weight, with the sign of W",
        "ZLAST": "last interaction, cm",
    }
    meanings |= dict.fromkeys("xy", "position, cm") | dict.fromkeys("uv", "direction cosine")
    names = {"i4": "int32", "f4": "float32"}
    dtype = records.map.dtype
    layout = [(name, names[dtype[name].str[1:]], meanings[name]) for name in dtype.names]
    layout.append(("z", "constant", "unknown" if plane is None else f"{plane:g}"))
    texts = {"PHOTONS": str(header["photons"]), "MAXIMUM_KINETIC_ENERGY": f"{header['highest']:g}",
             "MINIMUM_ELECTRON_ENERGY": f"{header['lowest']:g}"}  # fmt: skip
    return PhaseSpace((path,), f"EGSnrc {mode}", "", "", round(histories) if known else None, tuple(layout), records,
                      texts, tuple(notes), {"z": plane or 0.0}, _stated(header), plane is not None)  # fmt: skip


def _stated(header: np.void) -> float | None:
    highest = float(header["highest"])
    return highest if np.isfinite(highest) and highest > 0 else None


class EgsWriter:
    """Writes MODE0 or MODE2 by chunks, the header last.

    Z is not stored. LATCH and, in MODE2, ZLAST are written where the particles have them as extras, else 0.

    Raises
    ------
    InputError
        more particles than int32 counts, species other than photons, electrons and positrons, or negative weights.
    """

    mode = "MODE2"

    def __init__(self, path: Path, facts: FileFacts):
        self._path, self._facts = Path(path), facts
        self._dtype = _record(self.mode, "=")
        self._particles = self._photons = self._starts = 0
        self._highest, self._lowest = 0.0, np.inf
        self._check_count(facts.count or 0)
        self._file = self._path.open("wb")
        self._file.write(bytes(self._dtype.itemsize))

    def write(self, particles: Particles) -> None:
        """Append particles."""
        self._check(particles)
        records = np.zeros(len(particles), self._dtype)
        for name in "xyuv":
            records[name] = getattr(particles, name)
        charged = particles.species != 1
        energy = particles.energy.astype(np.float64)
        energy[charged] += ELECTRON_REST_MEV
        records["energy"] = np.where(particles.is_new_history, -energy, energy)
        records["weight"] = np.copysign(particles.weight, particles.w)
        records["LATCH"] = self._latch(particles)
        if self.mode == "MODE2" and "ZLAST" in particles.extras:
            records["ZLAST"] = particles.extras["ZLAST"]
        self._file.write(records.tobytes())
        self._count(particles)

    def close(self) -> tuple[Path, ...]:
        """Write the header, and give the file."""
        # The number of histories that the particles show is the least that there were.
        histories = self._starts if self._facts.histories is None else self._facts.histories
        header = np.zeros(1, _header("="))
        lowest = self._lowest if np.isfinite(self._lowest) else 0.0
        header[0] = (self.mode, self._particles, self._photons, self._highest, lowest, histories)
        with self._file as file:
            file.seek(0)
            file.write(header.tobytes())
        return (self._path,)

    def _latch(self, particles: Particles) -> np.ndarray:
        latch = np.zeros(len(particles), np.int32)
        if "LATCH" in particles.extras:
            latch |= particles.extras["LATCH"].astype(np.int32) & ~np.int32(_ELECTRON | _POSITRON)
        latch[particles.species == 2] |= _ELECTRON
        latch[particles.species == 3] |= _POSITRON
        return latch

    def _count(self, particles: Particles) -> None:
        self._particles += len(particles)
        self._photons += int(np.count_nonzero(particles.species == 1))
        self._starts += int(np.count_nonzero(particles.is_new_history))
        if len(particles):
            self._highest = max(self._highest, float(particles.energy.max()))
        electrons = particles.energy[particles.species == 2]
        if len(electrons):
            self._lowest = min(self._lowest, float(electrons.min()))

    def _check_count(self, count: int) -> None:
        if count > MOST_PARTICLES:
            cause = f"EGSnrc counts particles in int32: {MOST_PARTICLES:,} at most"
            raise InputError(self._path, cause, "write another format, or fewer particles")

    def _check(self, particles: Particles) -> None:
        self._check_count(self._particles + len(particles))
        if not np.isin(particles.species, (1, 2, 3)).all():
            cause = "EGSnrc holds photons, electrons and positrons only, and there are others"
            raise InputError(self._path, cause, "leave them out by a filter of species")
        if (particles.weight < 0).any():
            cause = "weights are negative, and EGSnrc keeps the sign of W in the weight"
            raise InputError(self._path, cause, "write another format")


class EgsMode0Writer(EgsWriter):
    """Writes MODE0: without ZLAST."""

    mode = "MODE0"


class EgsMode2Writer(EgsWriter):
    """Writes MODE2: with ZLAST."""
