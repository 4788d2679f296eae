"""The records of an IAEA phase space (INDC(NDS)-0484): a memory map, decoded in pieces; files may have 10^9 records."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ..particles import SPECIES, Particles
from .iaea_header import VARIABLES, IaeaHeader

__all__ = ["IaeaRecords", "record_dtype"]

_PIECE = 16384
_LOOKED_AT = 1000
_MOST_ODD = 0.1
_LOWEST_MEV, _HIGHEST_MEV = 1e-10, 1e6
_UNIT_TOLERANCE = 1e-3
_REMEDY = "check $RECORD_CONTENTS and $BYTE_ORDER, and that header and records belong together"


def record_dtype(header: IaeaHeader) -> np.dtype:
    """One packed record: type, energy, the stored variables but w, extra floats, extra longs."""
    order = header.byte_order
    fields = [("type", "i1"), ("energy", f"{order}f4")]
    fields += [(name, f"{order}f4") for name in header.stored if name != "w"]
    fields += [(name, f"{order}f4") for name in header.extra_floats]
    fields += [(name, f"{order}i4") for name in header.extra_longs]
    return np.dtype(fields)


class IaeaRecords:
    """A file of records, nothing of it in memory.

    Attributes
    ----------
    count:
        records in the file: its size decides, whatever the header says.
    notes:
        sentences for the user: sizes that disagree, directions that had to be mended.

    Raises
    ------
    InputError
        no such file, no whole record in it, or bytes that cannot be records of this header.
    """

    def __init__(self, path: Path, header: IaeaHeader):
        self.path, self.header = Path(path), header
        self._dtype = record_dtype(header)
        size = self._size()
        self.count, rest = divmod(size, self._dtype.itemsize)
        if self.count == 0:
            cause = "is empty" if size == 0 else f"holds {size} bytes, less than a record ({self._dtype.itemsize})"
            raise InputError(self.path, cause, "copy it again")
        self._map = np.asarray(np.memmap(self.path, self._dtype, mode="r", shape=(self.count,)))
        self.notes = [*self._size_notes(size, rest)]
        self._w_from_direction = "w" in header.stored or "w" not in header.constants
        self._check_first()

    def read(self, start: int, stop: int) -> Particles:
        """Decode the records from `start` up to `stop`, not included."""
        return self._decode(self._map[start:stop])

    def take(self, indices: np.ndarray) -> Particles:
        """Decode some records; sorted indices read a disk fastest."""
        return self._decode(self._map[indices])

    def _size(self) -> int:
        try:
            if not self.path.is_file():
                raise InputError(self.path, "is no file", "name the records of a phase space")
            return self.path.stat().st_size
        except OSError as error:
            raise InputError(self.path, error.strerror or str(error), "check the path") from error

    def _size_notes(self, size: int, rest: int) -> list[str]:
        header, notes = self.header, []
        if rest:
            notes.append(f"the file ends within a record: its last {rest} bytes are left out")
        if header.particles is not None and header.particles != self.count:
            notes.append(
                f"the header says {header.particles} particles, the file holds {self.count}: the file is right. "
                "The header's number of histories may be that of another file."
            )
        if header.checksum is not None and header.checksum != size:
            notes.append(f"the header says {header.checksum} bytes ($CHECKSUM), the file has {size}")
        return notes

    def _check_first(self) -> None:
        """Types and numbers that cannot be are the best sign of a wrong record length or byte order."""
        first = np.array(self._map[:_LOOKED_AT])
        odd = self._odd(first)
        if odd.mean() > _MOST_ODD:
            self._refuse(first, int(odd.sum()))
        if odd.any():
            self.notes.append(f"{odd.sum()} of the first {len(first)} records hold no known particle")
        if not self._w_from_direction:
            self._check_constant_w(first)

    def _refuse(self, first: np.ndarray, number: int) -> None:
        swapped = first.view(self._dtype.newbyteorder())
        if self._odd(swapped).mean() <= _MOST_ODD:
            other = {"<": "4321 (big endian)", ">": "1234 (little endian)"}[self.header.byte_order]
            cause = f"its records make sense only in byte order {other}, not in that of the header"
            raise InputError(self.path, cause, f"set $BYTE_ORDER to {other[:4]} in the header")
        raise InputError(self.path, f"{number} of its first {len(first)} records hold no known particle", _REMEDY)

    def _odd(self, records: np.ndarray) -> np.ndarray:
        """Where a record is no particle of a beam: its type, its energy, or what should be a direction cosine."""
        energy = np.abs(records["energy"])
        odd = ~np.isin(np.abs(records["type"].astype(np.int16)), list(SPECIES))
        odd |= ~((energy >= _LOWEST_MEV) & (energy <= _HIGHEST_MEV))
        for name in {"u", "v"} & set(self.header.stored):
            odd |= ~(np.abs(records[name]) <= 1 + _UNIT_TOLERANCE)
        return odd

    def _check_constant_w(self, first: np.ndarray) -> None:
        """Some headers call w constant although the directions differ; then only its sign can be meant."""
        constants = self.header.constants
        u, v = (first[name].astype(np.float64) if name in self.header.stored else constants[name] for name in "uv")
        if np.abs(u**2 + v**2 + constants["w"] ** 2 - 1).max() > _UNIT_TOLERANCE:
            self._w_from_direction = True
            self.notes.append("the header's constant W makes no unit vectors with U and V: W is computed from them")

    def _decode(self, records: np.ndarray) -> Particles:
        """Piece by piece: a piece is still in the processor's cache when its next field is copied."""
        found = self._empty(len(records))
        for start in range(0, len(records), _PIECE):
            part = slice(start, min(start + _PIECE, len(records)))
            self._fill(found.select(part), records[part])
        return found

    def _empty(self, count: int) -> Particles:
        """Room for particles, whose constants stand already."""
        numbers = {name: np.empty(count, np.float32) for name in ("energy", *VARIABLES)}
        for name, value in self.header.constants.items():
            if name != "w" or not self._w_from_direction:
                numbers[name].fill(value)
        extras = {name: np.empty(count, np.float32) for name in self.header.extra_floats}
        extras |= {name: np.empty(count, np.int32) for name in self.header.extra_longs}
        return Particles(np.empty(count, np.int8), is_new_history=np.empty(count, bool), extras=extras, **numbers)

    def _fill(self, into: Particles, records: np.ndarray) -> None:
        """Copy the fields in this machine's byte order and bring them to what they mean."""
        into.species[:] = records["type"]
        back = self._points_back(into.species)
        np.abs(into.species, out=into.species)
        into.energy[:] = records["energy"]
        np.signbit(into.energy, out=into.is_new_history)
        np.abs(into.energy, out=into.energy)
        for name in self.header.stored:
            if name != "w":
                getattr(into, name)[:] = records[name]
        for name, values in into.extras.items():
            values[:] = records[name]
        if self._w_from_direction:
            _complete_directions(into, back)

    def _points_back(self, types: np.ndarray) -> np.ndarray | bool:
        """Where W is negative: by the sign of the type, or of the constant where the header has one."""
        constant = 0.0 if "w" in self.header.stored else self.header.constants.get("w", 0.0)
        return constant < 0 or types < 0


def _complete_directions(into: Particles, back: np.ndarray | bool) -> None:
    """W from U and V; where rounding makes U^2 + V^2 exceed 1, W is 0 and U, V are brought to length 1."""
    across = np.multiply(into.u, into.u, dtype=np.float64)
    across += np.multiply(into.v, into.v, dtype=np.float64)
    rest = np.subtract(1.0, across)
    if not rest.min(initial=1.0) >= 0:
        long = across > 1
        length = np.sqrt(across[long])
        with np.errstate(invalid="ignore"):  # infinite cosines become no numbers
            into.u[long], into.v[long], rest[long] = into.u[long] / length, into.v[long] / length, 0.0
    np.sqrt(rest, out=into.w, casting="same_kind")
    if np.any(back):
        np.negative(into.w, out=into.w, where=back)
