"""Phase spaces as numpy arrays, `.npy` and `.npz`, in the way of gaga: Ekine, X, Y, (Z,) dX, dY, dZ; mm and MeV.

Read are arrays with named fields, tables of six or seven columns in that order, and in `.npz` also an array a column.
Written are named fields of four bytes each. `.npy` has no room for the number of histories and the unit; `.npz` has.
"""

from __future__ import annotations

import ast
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ...core.errors import InputError
from ..particles import Particles
from ..phase_space import PhaseSpace
from .columns import ARRAY_NAMES, EXTRAS, UNITS, ColumnDecoder, ColumnRecords
from .records import check_first, file_size, pdg_of_species

if TYPE_CHECKING:
    from ..write import FileFacts

__all__ = ["NpyWriter", "NpzWriter", "is_npy", "is_npz", "open_npy", "open_npz"]

_TABLES = {6: ("Ekine", "X", "Y", "dX", "dY", "dZ"), 7: ("Ekine", "X", "Y", "Z", "dX", "dY", "dZ")}
_REMEDY = "name an array of the columns Ekine, X, Y, Z, dX, dY, dZ, with names or in this order"
_CUT = "is cut off or damaged"
_LARGEST_HEADER = 1 << 16
_HEADER_LENGTH = 1024


def is_npy(first_bytes: bytes) -> bool:
    """Whether a file that begins so is a numpy array."""
    return first_bytes.startswith(b"\x93NUMPY")


def is_npz(first_bytes: bytes) -> bool:
    """Whether a file that begins so is a zip archive, as `.npz` are."""
    return first_bytes.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def open_npy(path: Path, unit: str = "mm", plane: float | None = None) -> PhaseSpace:
    """Open an array in a memory map.

    Parameters
    ----------
    path:
        the file.
    unit:
        of lengths: mm, cm or m.
    plane:
        Z in cm, where there is no such column.

    Raises
    ------
    InputError
        no such file, no numpy array of such columns, cut off, or an unknown unit.
    """
    path = Path(path)
    size = file_size(path, _REMEDY)
    with path.open("rb") as file:
        if not is_npy(file.read(6)):
            raise InputError(path, "is no numpy array", _REMEDY)
        file.seek(0)
        array = _map(path, file, size)
    columns = _columns_of(array, path)
    decoder = ColumnDecoder(columns, unit, plane, path)
    return _phase_space(path, "numpy array", columns, decoder, None, "")


def open_npz(path: Path, unit: str | None = None, plane: float | None = None) -> PhaseSpace:
    """Open arrays of an archive: in a memory map, unless they are compressed, which are read as a whole.

    `unit` is that of lengths; by default the one that the archive says, else mm. See `open_npy` for the rest.
    """
    path = Path(path)
    size = file_size(path, _REMEDY)
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            arrays = {info.filename.removesuffix(".npy"): _member(path, archive, info, file, size)
                      for info in archive.infolist()}  # fmt: skip
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError, RuntimeError,
            OSError, MemoryError) as error:  # fmt: skip
        raise InputError(path, f"{_CUT} ({str(error) or type(error).__name__})".replace("\n", " "), _REMEDY) from error
    columns = _columns_of_archive(arrays, path)
    said = _scalar(arrays, "length_unit", str)
    chosen = unit or (said if said in UNITS else "mm")
    decoder = ColumnDecoder(columns, chosen, plane, path, said=unit is None and said in UNITS)
    histories = _scalar(arrays, "histories", int)
    return _phase_space(path, "numpy arrays", columns, decoder, histories, _scalar(arrays, "title", str) or "")


def _phase_space(path, kind, columns, decoder, histories, title) -> PhaseSpace:
    lengths = {len(columns[name]) for name in decoder.wanted}
    if len(lengths) > 1:
        raise InputError(path, "its columns are of different lengths", _REMEDY)
    records = ColumnRecords(columns, decoder)
    notes = [*decoder.notes, *check_first(path, records, _REMEDY)]
    if histories is None:
        notes.append("the file holds no number of histories")
    layout = tuple((name, str(columns[name].dtype), "") for name in columns)
    return PhaseSpace((path,), kind, title, "", histories, layout, records, {}, tuple(notes),
                      decoder.constants, is_plane_known=decoder.is_plane_known)  # fmt: skip


def _map(path: Path, file: BinaryIO, end: int) -> np.ndarray:
    """The array whose header is next in `file`, mapped; it must end before `end`."""
    dtype, shape, fortran = _header(path, file)
    offset = file.tell()
    if dtype.itemsize == 0 or offset + dtype.itemsize * math.prod(shape) > end:
        raise InputError(path, _CUT, "copy it again")
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")


def _header(path: Path, file: BinaryIO) -> tuple[np.dtype, tuple[int, ...], bool]:
    """Type, shape and order of an array; never a pickle."""
    try:
        major = file.read(8)[6]
        length = int.from_bytes(file.read(2 if major == 1 else 4), "little")
        if length > _LARGEST_HEADER:
            raise ValueError("a header that long is none")
        found = ast.literal_eval(file.read(length).decode("latin-1").strip())
        dtype, shape = np.lib.format.descr_to_dtype(found["descr"]), found["shape"]
        if dtype.hasobject or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise ValueError("objects are not read")
        return dtype, tuple(shape), bool(found["fortran_order"])
    except (ValueError, KeyError, IndexError, TypeError, SyntaxError, MemoryError, RecursionError, AttributeError) as e:
        raise InputError(path, "its header is none of a numpy array of numbers", _REMEDY) from e


def _columns_of(array: np.ndarray, path: Path) -> dict[str, np.ndarray]:
    """Columns by name, views of the array."""
    if array.dtype.names:
        fields = {name: array[name] for name in array.dtype.names if array.dtype[name].kind in "fiub"}
        if array.ndim == 1 and fields:
            return {name: field for name, field in fields.items() if field.ndim == 1}
    elif array.ndim == 2 and array.dtype.kind in "fiu" and array.shape[1] in _TABLES:
        return {name: array[:, n] for n, name in enumerate(_TABLES[array.shape[1]])}
    raise InputError(path, f"holds an array of shape {array.shape} and type {array.dtype}"[:200], _REMEDY)


def _columns_of_archive(arrays: dict[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """Of the one table or array with names there is, else an array a column."""
    tables = [array for array in arrays.values() if array.dtype.names or array.ndim == 2]
    if len(tables) == 1:
        return _columns_of(tables[0], path)
    columns = {name: array for name, array in arrays.items() if array.ndim == 1 and array.dtype.kind in "fiub"}
    if not columns:
        raise InputError(path, "holds no table and no columns", _REMEDY)
    return columns


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: BinaryIO, size: int) -> np.ndarray:
    if info.compress_type != zipfile.ZIP_STORED:
        with archive.open(info) as member:
            return np.lib.format.read_array(member, allow_pickle=False)
    file.seek(info.header_offset)
    local = file.read(30)
    name, more = struct.unpack("<HH", local[26:30])
    start = info.header_offset + 30 + name + more
    file.seek(start)
    return _map(path, file, min(start + info.file_size, size))


def _scalar(arrays: dict[str, np.ndarray], name: str, kind: type):
    """A single value of an archive, None where there is none."""
    array = arrays.get(name)
    if array is None or array.size != 1:
        return None
    try:
        return kind(array.reshape(-1)[0])
    except (ValueError, TypeError, OverflowError):
        return None


class NpyWriter:
    """Writes one array with named fields of four bytes, lengths in mm, by chunks; its header last.

    Fields: Ekine, X, Y, Z, dX, dY, dZ, Weight, PDGCode, NewHistory (1 where a history starts), and extras.

    Raises
    ------
    InputError
        particles of no known species.
    """

    def __init__(self, path: Path, facts: FileFacts):
        self._path, self._facts, self._count = Path(path), facts, 0
        self._extras = [name for name, _ in facts.extras if name in EXTRAS]
        kinds = {np.float32: "<f4", np.int32: "<i4"}
        self._dtype = np.dtype(
            [(name, "<f4") for name in ARRAY_NAMES.values()] + [(name, kinds[EXTRAS[name]]) for name in self._extras]
        )
        self._file = self._path.open("wb")
        self._file.write(bytes(_HEADER_LENGTH))

    def write(self, particles: Particles) -> None:
        """Append particles."""
        records = np.empty(len(particles), self._dtype)
        for axis in "xyz":
            records[ARRAY_NAMES[axis]] = getattr(particles, axis) / np.float64(UNITS["mm"])
        for role in ("energy", "u", "v", "w", "weight"):
            records[ARRAY_NAMES[role]] = getattr(particles, role)
        records[ARRAY_NAMES["pdg"]] = pdg_of_species(particles.species, self._path)
        records[ARRAY_NAMES["starts"]] = particles.is_new_history
        for name in self._extras:
            records[name] = particles.extras[name]
        self._file.write(records.tobytes())
        self._count += len(particles)

    def close(self) -> tuple[Path, ...]:
        """Write the header, and give the file."""
        with self._file as file:
            file.seek(0)
            file.write(_npy_header(self._dtype, self._count))
        return (self._path,)


def _npy_header(dtype: np.dtype, count: int) -> bytes:
    """Of version 1 of the format, as long as the room that was left for it."""
    text = repr({"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (count,)})
    body = text.encode("latin-1").ljust(_HEADER_LENGTH - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(body)) + body


class NpzWriter:
    """Writes an archive, not compressed so that it can be mapped: `particles` as in `.npy`, `histories`, `title`,
    `length_unit`."""

    def __init__(self, path: Path, facts: FileFacts):
        self._path, self._facts = Path(path), facts
        self._part = self._path.with_name(self._path.name + ".particles.npy")
        self._writer, self._starts = NpyWriter(self._part, facts), 0

    def write(self, particles: Particles) -> None:
        """Append particles."""
        self._writer.write(particles)
        self._starts += int(np.count_nonzero(particles.is_new_history))

    def close(self) -> tuple[Path, ...]:
        """Put all into the archive, and give it."""
        try:
            self._writer.close()
            # The number that the particles show is the least that there were.
            histories = self._starts if self._facts.histories is None else self._facts.histories
            single = {"histories": np.int64(histories), "length_unit": "mm", "title": self._facts.title}
            with zipfile.ZipFile(self._path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                archive.write(self._part, "particles.npy")
                for name, value in single.items():
                    with archive.open(f"{name}.npy", "w") as member:
                        np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)
        finally:
            self._part.unlink(missing_ok=True)
        return (self._path,)
