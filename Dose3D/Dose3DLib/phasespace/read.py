"""`open_phase_space`: the reader that fits a file, whatever its format; IAEA so far.

A new format is one more file with a class like `IaeaRecords`, and a line in `open_phase_space`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from ..core.errors import InputError
from .iaea_header import EXTRA_FLOATS, EXTRA_LONGS, IaeaHeader, read_header
from .iaea_records import IaeaRecords, record_dtype
from .particles import Particles

__all__ = ["CHUNK", "PhaseSpace", "open_phase_space", "pair_of"]

CHUNK = 1 << 18
"""Particles decoded at a time: about 10 MB."""

_PAIRS = {".iaeaphsp": ".iaeaheader", ".phsp": ".header"}
_REMEDY = "name one of a pair of files that end in .IAEAphsp and .IAEAheader, or .phsp and .header"


class _Records(Protocol):
    count: int

    def read(self, start: int, stop: int) -> Particles: ...
    def take(self, indices: np.ndarray) -> Particles: ...


@dataclass(frozen=True, eq=False)
class PhaseSpace:
    """An open phase space, of any format.

    Parameters
    ----------
    files:
        all that belong to it, the records first.
    kind:
        name of the format.
    title, coordinate_system:
        the file's own words, maybe empty.
    histories:
        primary particles that were simulated, None when unknown; records are fewer or more.
    layout:
        (field, type, meaning) of a record, in order.
    header:
        names and texts of all else that the file says about itself.
    notes:
        sentences for the user.
    """

    files: tuple[Path, ...]
    kind: str
    title: str
    coordinate_system: str
    histories: int | None
    layout: tuple[tuple[str, str, str], ...]
    records: _Records
    header: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return self.records.count

    def read(self, start: int, stop: int) -> Particles:
        """The particles from `start` up to `stop`, not included."""
        return self.records.read(start, min(stop, self.count))

    def take(self, indices: np.ndarray) -> Particles:
        """The particles at some places."""
        return self.records.take(indices)

    def chunks(self, size: int = CHUNK) -> Iterator[Particles]:
        """All particles in order, `size` at a time."""
        for start in range(0, self.count, size):
            yield self.read(start, start + size)

    def sample(self, number: int, generator: np.random.Generator) -> Particles:
        """`number` particles drawn at random without repetition (all when there are fewer), in the file's order."""
        if number >= self.count:
            return self.read(0, self.count)
        return self.take(np.sort(generator.choice(self.count, number, replace=False, shuffle=False)))


def open_phase_space(path: Path) -> PhaseSpace:
    """Open a phase space by any file of it; no particle is read but the first thousand.

    Raises
    ------
    InputError
        no such file, another format, a part of the pair is missing, or header and records don't go together.
    """
    records, header_path = pair_of(Path(path))
    header = read_header(header_path)
    return _iaea(records, header_path, header)


def pair_of(path: Path) -> tuple[Path, Path]:
    """Records and header of an IAEA pair by one of the two, whatever the case of their names."""
    if path.name.lower().endswith(".gz"):
        raise InputError(path, "is compressed", "decompress it first (gunzip): particles are read at their places")
    suffix = path.suffix.lower()
    if suffix not in (*_PAIRS, *_PAIRS.values()):
        raise InputError(path, "does not end like an IAEA phase space", _REMEDY)
    try:
        if not path.is_file():
            raise InputError(path, "is a folder" if path.is_dir() else "does not exist", _REMEDY)
        beside = [
            other for other in path.parent.iterdir() if other.stem.lower() == path.stem.lower() and other.is_file()
        ]
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "check the path") from error
    others = {**_PAIRS, **{header: records for records, header in _PAIRS.items()}}
    # Headers of .phsp are called .header by Varian, and .IAEAheader by some sites.
    wanted = [others[suffix], *(name for name in others if (name in _PAIRS) != (suffix in _PAIRS))]
    beside.sort(key=lambda other: (other.stem != path.stem, other.name))
    found = next((one for name in wanted for one in beside if one.suffix.lower() == name), None)
    if found is None:
        raise InputError(path, f"there is no {path.stem}{others[suffix]} beside it", _REMEDY)
    return (path, found) if suffix in _PAIRS else (found, path)


def _iaea(path: Path, header_path: Path, header: IaeaHeader) -> PhaseSpace:
    records = IaeaRecords(path, header)
    return PhaseSpace(
        files=(path, header_path),
        kind="IAEA",
        title=header.title,
        coordinate_system=header.coordinate_system,
        histories=header.histories,
        layout=_layout(header),
        records=records,
        header=dict(header.texts),
        notes=(*header.notes, *records.notes),
    )


def _layout(header: IaeaHeader) -> tuple[tuple[str, str, str], ...]:
    meanings = {"type": "species; negative when W is negative", "energy": "kinetic, MeV; negative starts a history"}
    meanings |= dict.fromkeys("xyz", "position, cm") | dict.fromkeys("uv", "direction cosine")
    meanings |= {"weight": "statistical weight"}
    meanings |= {name: "last interaction, cm" for name in EXTRA_FLOATS.values() if name.endswith("LAST")}
    meanings |= {EXTRA_LONGS[1]: "histories since the last record", "LATCH": "flags of EGS", "ILB": "flags of PENELOPE"}
    dtype = record_dtype(header)
    rows = [(name, {"i1": "int8", "f4": "float32", "i4": "int32"}[dtype[name].str[1:]], meanings.get(name, ""))
            for name in dtype.names]  # fmt: skip
    constants = [(name, "constant", f"{value:g}") for name, value in header.constants.items()]
    return (*rows, *constants)
