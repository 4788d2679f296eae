"""The records of an IAEA phase space (INDC(NDS)-0484): a memory map, decoded in pieces; files may have 10^9 records."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ..particles import SPECIES, Particles
from .iaea_header import IaeaHeader

__all__ = ["IaeaRecords", "record_dtype"]

_LOOKED_AT = 1000
_MOST_ODD = 0.1
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
        self._map = np.memmap(self.path, self._dtype, mode="r", shape=(self.count,))
        self.notes = [*self._size_notes(size, rest)]
        self._w_from_direction = "w" in header.stored or "w" not in header.constants
        self._check_first()

    def read(self, start: int, stop: int) -> Particles:
        """Decode the records from `start` up to `stop`, not included."""
        return self._decode(np.array(self._map[start:stop]))

    def take(self, indices: np.ndarray) -> Particles:
        """Decode some records; sorted indices read a disk fastest."""
        return self._decode(np.array(self._map[indices]))

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
        odd = ~np.isin(np.abs(first["type"].astype(np.int16)), list(SPECIES)) | ~np.isfinite(first["energy"])
        if odd.mean() > _MOST_ODD:
            cause = f"{odd.sum()} of its first {len(first)} records hold no known particle"
            raise InputError(self.path, cause, _REMEDY)
        if odd.any():
            self.notes.append(f"{odd.sum()} of the first {len(first)} records hold no known particle")
        if not self._w_from_direction:
            self._check_constant_w(first)

    def _check_constant_w(self, first: np.ndarray) -> None:
        """Some headers call w constant although the directions differ; then only its sign can be meant."""
        u, v = (self._variable(first, name).astype(np.float64) for name in ("u", "v"))
        norm = u**2 + v**2 + self.header.constants["w"] ** 2
        if np.abs(norm - 1).max() > _UNIT_TOLERANCE:
            self._w_from_direction = True
            self.notes.append("the header's constant W makes no unit vectors with U and V: W is computed from them")

    def _decode(self, records: np.ndarray) -> Particles:
        energy = records["energy"].astype(np.float32)
        u, v, w = self._directions(records)
        extras = {name: _native(records[name]) for name in (*self.header.extra_floats, *self.header.extra_longs)}
        return Particles(
            np.abs(records["type"].astype(np.int16)).astype(np.int8),
            np.abs(energy),
            *(self._variable(records, name) for name in ("x", "y", "z")),
            u, v, w,
            self._variable(records, "weight"),
            np.signbit(energy),
            extras,
        )  # fmt: skip

    def _variable(self, records: np.ndarray, name: str) -> np.ndarray:
        if name in self.header.stored:
            return _native(records[name])
        return np.full(len(records), self.header.constants[name], np.float32)

    def _directions(self, records: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """U, V, W; where rounding makes U^2 + V^2 exceed 1, W is 0 and U, V are brought to length 1."""
        u, v = self._variable(records, "u"), self._variable(records, "v")
        if not self._w_from_direction:
            return u, v, np.full(len(records), self.header.constants["w"], np.float32)
        across = u.astype(np.float64) ** 2 + v.astype(np.float64) ** 2
        w = np.sqrt(np.maximum(1 - across, 0)).astype(np.float32)
        w[self._points_back(records)] *= -1
        long = across > 1
        if long.any():
            length = np.sqrt(across[long])
            u[long], v[long] = u[long] / length, v[long] / length
        return u, v, w

    def _points_back(self, records: np.ndarray) -> np.ndarray:
        """Where W is negative: by the sign of the type, or of the constant where the header has one."""
        constant = 0.0 if "w" in self.header.stored else self.header.constants.get("w", 0.0)
        return (records["type"] < 0) | (constant < 0)


def _native(values: np.ndarray) -> np.ndarray:
    """A copy in this machine's byte order, contiguous."""
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))
