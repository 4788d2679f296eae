"""Writes IAEA phase spaces (INDC(NDS)-0484, 2006): records as they come, the header with its statistics at the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ..particles import Particles
from ..write import FileFacts, files_of
from .iaea_header import VARIABLES
from .iaea_header_text import constant_survives, header_text
from .statistics import Statistics

__all__ = ["IaeaWriter"]

_PIECE = 65536
"""Records packed at a time: 1 to 2 MB, which stay in the processor's cache."""

_COSINE_TOLERANCE = 1e-5


class IaeaWriter:
    """Packs particles into records; W itself takes no bytes, its sign is that of the type.

    Constants that four decimals hold go into the header; others are stored with each record, as are values that are
    no constants. Extra values are written as they come.

    Raises
    ------
    InputError
        (from `write`) particles that no file should hold, or that don't share what was said to be constant.
    """

    def __init__(self, path: Path, facts: FileFacts):
        self.path, self._facts = Path(path), facts
        self._constants = {name: value for name, value in facts.constants.items() if constant_survives(value)}
        self._stored = tuple(name for name in VARIABLES if name not in self._constants)
        self._buffer = np.zeros(_PIECE, self._dtype())
        self._found = Statistics()
        self._file = self.path.open("wb")

    def write(self, particles: Particles) -> None:
        """Append particles in their order."""
        for start in range(0, len(particles), _PIECE):
            piece = particles.select(slice(start, start + _PIECE))
            self._found.add(piece)
            self._check_constants(piece)
            self._pack(piece)
            self._file.write(memoryview(self._buffer[: len(piece)].view(np.uint8)))

    def close(self) -> tuple[Path, ...]:
        """Finish the records, then write the header beside them."""
        self._file.close()
        records, header = files_of(self.path, "iaea")
        text = header_text(self._facts, self._stored, self._constants, self._buffer.itemsize, self._found)
        header.write_text(text, encoding="utf-8")
        return records, header

    def _dtype(self) -> np.dtype:
        order = {"little": "<", "big": ">"}[self._facts.byte_order]
        kinds = {"float32": f"{order}f4", "int32": f"{order}i4"}
        names = ["energy", *(name for name in self._stored if name != "w")]
        extras = sorted(self._facts.extras, key=lambda extra: extra[1] == "int32")  # floats come first
        return np.dtype([("type", "i1"), *((n, kinds["float32"]) for n in names), *((n, kinds[k]) for n, k in extras)])

    def _pack(self, piece: Particles) -> None:
        records = self._buffer[: len(piece)]
        records["type"] = piece.species
        back = piece.w < 0
        if back.any():
            np.negative(records["type"], out=records["type"], where=back)
        records["energy"] = _signed(piece.energy, piece.is_new_history)
        for name in self._stored:
            if name != "w":
                records[name] = getattr(piece, name)
        for name, _ in self._facts.extras:
            records[name] = piece.extras[name]

    def _check_constants(self, piece: Particles) -> None:
        for name, value in self._constants.items():
            if name in ("u", "v", "w"):
                same = np.abs(getattr(piece, name) - value).max() <= _COSINE_TOLERANCE
            else:
                same = self._found.share(name, np.float32(value))
            if not same:
                cause = f"not all have the {name} of {value:g} that the header was to state"
                raise InputError("particles", cause, "write it with each particle")


def _signed(energy: np.ndarray, is_negative: np.ndarray) -> np.ndarray:
    """Set the sign bits; several times as fast as to choose between the two signs."""
    bits = is_negative.astype(np.uint32)
    bits <<= 31
    bits |= np.ascontiguousarray(energy, np.float32).view(np.uint32)
    return bits.view(np.float32)
