"""Compares the checksums of compressed voxels, which ITK's readers of NRRD and MetaImage do not: a damaged file would
give other voxels, or what happened to be in memory, without a word."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import BinaryIO

from ..core.errors import InputError

__all__ = ["check_compressed_voxels"]

_GZIP, _ZLIB = 31, 15
"""`wbits` of zlib: with the frame and checksum of gzip, or of zlib."""
_LONGEST_LINE = 1 << 20


def check_compressed_voxels(path: Path) -> None:
    """Read the compressed voxels of a NRRD or MetaImage file, or of the file that it names, to their checksum.

    Whatever is not understood is left to the reader of the voxels.

    Raises
    ------
    InputError
        voxels that do not agree with their checksum, or end before it.
    """
    is_nrrd = path.suffix.lower() in (".nrrd", ".nhdr")
    with path.open("rb") as file:
        fields = _nrrd_fields(file) if is_nrrd else _meta_fields(file)
        if fields.get(b"encoding") in (b"gzip", b"gz"):
            wbits = _GZIP
        elif fields.get(b"compresseddata", b"").lower() == b"true":
            wbits = _ZLIB
        else:
            return
        elsewhere = fields.get(b"datafile") or fields.get(b"elementdatafile", b"LOCAL")
        if elsewhere.upper() == b"LOCAL":
            _check(path, file, wbits)
    beside = path.parent / os.fsdecode(elsewhere)
    if elsewhere.upper() != b"LOCAL" and beside.is_file():
        with beside.open("rb") as file:
            _check(beside, file, wbits)


def _nrrd_fields(file: BinaryIO) -> dict[bytes, bytes]:
    """`name: value` lines up to the empty one (teem.sourceforge.net/nrrd/format.html)."""
    fields = {}
    while line := file.readline(_LONGEST_LINE).rstrip(b"\r\n"):
        name, _, value = line.partition(b":")
        fields[name.lower().replace(b" ", b"")] = value.strip()
    return fields


def _meta_fields(file: BinaryIO) -> dict[bytes, bytes]:
    """`Name = value` lines; ElementDataFile is the last one (itk.org/Wiki/MetaIO/Documentation)."""
    fields: dict[bytes, bytes] = {}
    while b"elementdatafile" not in fields and (line := file.readline(_LONGEST_LINE)):
        name, _, value = line.partition(b"=")
        fields[name.strip().lower()] = value.strip()
    return fields


def _check(path: Path, file: BinaryIO, wbits: int) -> None:
    stream = zlib.decompressobj(wbits)
    try:
        while not stream.eof and (chunk := file.read(1 << 20)):
            stream.decompress(chunk)
    except zlib.error as error:
        raise InputError(path, f"is damaged ({error})", "copy or export it again") from error
    if not stream.eof:
        raise InputError(path, "is cut short", "copy or export it again")
