"""Read VTK's XML poly data (.vtp): triangles, strips and lines, in every encoding that VTK writes but LZ4.

The format: VTK File Formats, https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html, "XML file formats".
"""

from __future__ import annotations

import base64
import lzma
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..core.errors import InputError
from .polydata import PolyData, triangles_of, triangles_of_strips

__all__ = ["read_vtp", "read_xml"]

_TYPES = {"Float32": "f4", "Float64": "f8", "String": "u1", **{f"{kind}{bits}": f"{letter}{bits // 8}"
          for kind, letter in (("Int", "i"), ("UInt", "u")) for bits in (8, 16, 32, 64)}}  # fmt: skip
_INFLATE = {"vtkZLibDataCompressor": zlib.decompress, "vtkLZMADataCompressor": lzma.decompress}
_REMEDY = "save it again as .vtp, .vtk or .stl"


@dataclass(frozen=True)
class _Encoding:
    """What the file's root says of its numbers, and its appended part."""

    order: str
    header: str
    compressor: str
    appended: bytes
    is_raw: bool


def read_vtp(path: Path) -> PolyData:
    """The poly data of a file, pieces joined.

    Raises
    ------
    InputError
        not readable as such.
    """
    root, appended = read_xml(path)
    try:
        body = root.find("PolyData")
        if body is None:
            raise InputError(path, f"holds {root.get('type', 'nothing')}, not PolyData", _REMEDY)
        encoding = _encoding(root, appended)
        if encoding.compressor and encoding.compressor not in _INFLATE:
            raise InputError(path, f"is compressed by {encoding.compressor}", "save it again with ZLib compression")
        pieces = [_piece(piece, encoding) for piece in body.iter("Piece")]
        return _joined(pieces, _fields(body, encoding))
    except (ValueError, KeyError, IndexError, zlib.error, lzma.LZMAError, TypeError, AttributeError) as error:
        raise InputError(path, f"is damaged ({error})", _REMEDY) from error


def read_xml(path: Path) -> tuple[ElementTree.Element, bytes]:
    """The tree of a VTK XML file, and what follows the underscore of its appended data (which need not be XML)."""
    content = path.read_bytes()
    appended, mark = b"", content.find(b"<AppendedData")
    if mark >= 0:
        begin, end = content.index(b">", mark) + 1, content.rfind(b"</AppendedData>")
        appended = content[begin:end].split(b"_", 1)[-1]
        content = content[:begin] + b"</AppendedData></VTKFile>"
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise InputError(path, "has declarations that VTK doesn't write", _REMEDY)
    try:
        return ElementTree.fromstring(content), appended
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(path, f"is no VTK XML file ({error})", _REMEDY) from error


def _encoding(root: ElementTree.Element, appended: bytes) -> _Encoding:
    order = ">" if root.get("byte_order") == "BigEndian" else "<"
    part = root.find("AppendedData")
    is_raw = part is not None and part.get("encoding") == "raw"
    header = order + _TYPES[root.get("header_type", "UInt32")]
    return _Encoding(order, header, root.get("compressor", ""), appended, is_raw)


def _piece(piece: ElementTree.Element, encoding: _Encoding) -> PolyData:
    points = _array(piece.find("Points/DataArray"), encoding).astype(np.float64).reshape(-1, 3)
    polygons, strips = triangles_of(*_cells(piece, "Polys", encoding)), _cells(piece, "Strips", encoding)
    offsets, connectivity = _cells(piece, "Lines", encoding)
    triangles = np.concatenate([polygons, triangles_of_strips(*strips)])
    if max(triangles.max(initial=-1), connectivity.max(initial=-1)) >= len(points):
        raise ValueError("a cell names a point that is not there")
    return PolyData(points, triangles, _loops(offsets, connectivity))


def _loops(offsets: np.ndarray, connectivity: np.ndarray) -> tuple[np.ndarray, ...]:
    """Lines that end where they begin; others are no contours and are left out."""
    lines = np.split(connectivity, offsets[:-1]) if len(offsets) else []
    return tuple(line[:-1] for line in lines if len(line) > 3 and line[0] == line[-1])


def _cells(piece: ElementTree.Element, kind: str, encoding: _Encoding) -> tuple[np.ndarray, np.ndarray]:
    arrays = {item.get("Name"): item for item in piece.findall(f"{kind}/DataArray")}
    if "offsets" not in arrays:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    offsets, connectivity = (_array(arrays[name], encoding).astype(np.int64) for name in ("offsets", "connectivity"))
    if len(offsets) and (np.diff(offsets, prepend=0).min() < 0 or offsets[-1] != len(connectivity)):
        raise ValueError(f"offsets of {kind} do not fit its cells")
    return offsets, connectivity


def _fields(body: ElementTree.Element, encoding: _Encoding) -> dict[str, str]:
    """Name, colour and frame as Slicer stores them in the field data."""
    wanted = {"Segment_Name": "name", "SPACE": "space", "Segment_DefaultColor": "color"}
    found = {}
    for item in body.findall("FieldData/*"):
        if (name := wanted.get(item.get("Name", ""))) is not None:
            values = _array(item, encoding)
            text = item.get("type") == "String"
            found[name] = values.tobytes().split(b"\0")[0].decode("utf-8") if text else " ".join(map(str, values))
    return found


def _array(item: ElementTree.Element, encoding: _Encoding) -> np.ndarray:
    kind = np.dtype(encoding.order + _TYPES[item.get("type", "")])
    text = item.text or ""
    if item.get("format") == "ascii":
        return np.array(text.split(), np.float64 if kind.kind == "f" else np.int64).astype(kind)
    if item.get("format") == "appended":
        data = encoding.appended[int(item.get("offset", "0")) :]
        return np.frombuffer(_unpacked(data if encoding.is_raw else _base64(data), encoding), kind)
    return np.frombuffer(_unpacked(_base64(text.encode("ascii")), encoding), kind)


def _base64(text: bytes) -> bytes:
    """Header and data may each end in their own padding; numbers of the next appended array may follow."""
    parts = re.findall(rb"[A-Za-z0-9+/]+={0,2}", re.sub(rb"\s+", b"", text))
    return b"".join(base64.b64decode(part + b"=" * (-len(part) % 4)) for part in parts)


def _unpacked(data: bytes, encoding: _Encoding) -> bytes:
    """The bytes behind the header: one length, or number and sizes of compressed blocks."""
    header = np.dtype(encoding.header)

    def numbers(first: int, count: int) -> list[int]:
        return [int(n) for n in np.frombuffer(data, header, count, first * header.itemsize)]

    if not encoding.compressor:
        (length,) = numbers(0, 1)
        return data[header.itemsize : header.itemsize + length]
    (count,) = numbers(0, 1)
    place, blocks = (3 + count) * header.itemsize, []
    for size in numbers(3, count):
        blocks.append(_INFLATE[encoding.compressor](data[place : place + size]))
        place += size
    return b"".join(blocks)


def _joined(pieces: list[PolyData], fields: dict[str, Any]) -> PolyData:
    if not pieces:
        raise ValueError("it has no piece")
    starts = np.cumsum([0, *(len(piece.points) for piece in pieces)])
    return PolyData(
        np.concatenate([piece.points for piece in pieces]),
        np.concatenate([piece.triangles + start for piece, start in zip(pieces, starts, strict=False)]),
        tuple(loop + start for piece, start in zip(pieces, starts, strict=False) for loop in piece.loops),
        fields,
    )
