"""Reads an RTSTRUCT file into a pydicom data set and, beside it, the contours as raw text.

pydicom makes an object of each of some five thousand contours and thirty thousand elements, which takes seconds. Here a
walker over the bytes (DICOM PS3.5 section 7.5, both byte orders, explicit or implicit VR, items of defined or undefined
length) takes ROI Contour Sequence (3006,0039) out of the file, and pydicom reads the rest. Whatever the walker does not
know (deflated, damage) is left to pydicom as a whole. pydicom reads a file that ends early as far as it goes, without a
word; the walker refuses it.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ..core.errors import InputError

__all__ = ["RawContour", "RawRoi", "load_rtstruct"]

_ROI_CONTOUR, _CONTOURS, _IMAGES = 0x30060039, 0x30060040, 0x30060016
_COLOR, _NUMBER, _TYPE, _DATA, _SOP_INSTANCE = 0x3006002A, 0x30060084, 0x30060042, 0x30060050, 0x00081155
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_TRANSFER_SYNTAX, _UNDEFINED = 0x00020010, 0xFFFFFFFF
_LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}


@dataclass(frozen=True)
class RawContour:
    """One item of Contour Sequence: geometric type, Contour Data as text, UIDs of its images."""

    kind: str
    text: bytes
    images: tuple[str, ...]


@dataclass(frozen=True)
class RawRoi:
    """One item of ROI Contour Sequence: Referenced ROI Number and colour as text, contours."""

    number: str
    color: str
    contours: list[RawContour] = field(default_factory=list)


class _Unusual(Exception):
    """The walker does not know this form."""


class _CutShort(Exception):
    """The file ends within an element."""


def load_rtstruct(path: Path) -> tuple[Dataset, list[RawRoi]]:
    """All of the file but its ROI Contour Sequence as a data set, and that sequence.

    Raises
    ------
    InputError
        not readable, not DICOM, or damaged.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "give an RTSTRUCT file") from error
    try:
        start, end, rois = _take_out(data)
        return _parse(path, data[:start] + data[end:]), rois
    except (_CutShort, struct.error) as error:
        raise InputError(path, "is cut short or damaged", "copy or export the structures again") from error
    except (_Unusual, UnicodeDecodeError):
        dataset = _parse(path, data)
        return dataset, _rois_by_pydicom(path, dataset)


def _parse(path: Path, data: bytes) -> Dataset:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        if "SOPClassUID" not in dataset:
            raise InputError(path, "is not a DICOM file, or damaged", "give an RTSTRUCT file")
        return dataset
    except InputError:
        raise
    except Exception as error:  # pydicom raises all kinds on foreign and damaged files
        raise InputError(path, f"is not a DICOM file, or damaged ({error})", "give an RTSTRUCT file") from error


def _take_out(data: bytes) -> tuple[int, int, list[RawRoi]]:
    """Where ROI Contour Sequence begins and ends in the file, and its items; walks on to the end of the file."""
    position, walker = _start(data)
    found = None
    try:
        while data[position : position + 8].strip(b"\0"):  # some writers pad the file with zeros
            tag, value, length = walker.element(position)
            end = walker.end(value, length)
            if tag == _ROI_CONTOUR:
                found = position, end, [walker.roi(*item) for item in walker.items(value, length)]
            position = end
    except _Unusual:
        if found is None:
            raise
    return found or (len(data), len(data), [])


def _start(data: bytes) -> tuple[int, _Walker]:
    """Where the data set begins, and a walker that knows its encoding."""
    first = 132 if data[128:132] == b"DICM" else 0
    if data[first : first + 2] == b"\x08\x00":  # no file meta information
        return first, _Walker(data, data[first + 4 : first + 6].isalpha())
    if first == 0 or data[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
        raise _Unusual
    body = 144 + struct.unpack_from("<I", data, 140)[0]
    meta = _Walker(data, True)
    syntax = meta.text(meta.values(132, body), _TRANSFER_SYNTAX)
    if syntax not in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian):
        raise _Unusual
    return body, _Walker(data, syntax != ImplicitVRLittleEndian, ">" if syntax == ExplicitVRBigEndian else "<")


class _Walker:
    """Elements and items of a data set in `data`; `order` as in `struct`."""

    def __init__(self, data: bytes, explicit: bool, order: str = "<"):
        self.data, self.explicit = data, explicit
        self._short = struct.Struct(order + "HH2sH").unpack_from
        self._long, self._length = struct.Struct(order + "HHI").unpack_from, struct.Struct(order + "I").unpack_from
        self._known_images: dict[bytes, tuple[str, ...]] = {}

    def element(self, position: int) -> tuple[int, int, int]:
        """Tag, start of the value, length of the value."""
        if not self.explicit:
            group, number, length = self._long(self.data, position)
            return group << 16 | number, position + 8, length
        group, number, vr, length = self._short(self.data, position)
        if group == 0xFFFE:
            return group << 16 | number, position + 8, self._length(self.data, position + 4)[0]
        if vr in _LONG_VRS:
            length = self._length(self.data, position + 8)[0]
            if vr == b"UN" and length == _UNDEFINED:
                raise _Unusual
            return group << 16 | number, position + 12, length
        if not vr.isalpha():
            raise _Unusual
        return group << 16 | number, position + 8, length

    def end(self, value: int, length: int) -> int:
        """Where a value ends; one of undefined length is a sequence and must be walked through."""
        if length == _UNDEFINED:
            ends = [value, *(end for _, end in self.items(value, length))]
            return self._after_items(ends[-1])
        if value + length > len(self.data):
            raise _CutShort
        return value + length

    def _after_items(self, position: int) -> int:
        tag, value, _ = self.element(position)
        if tag == _ITEM_END:
            tag, value, _ = self.element(value)
        if tag != _SEQUENCE_END:
            raise _Unusual
        return value

    def items(self, value: int, length: int) -> Iterator[tuple[int, int]]:
        """Start and end of the content of each item."""
        stop = len(self.data) if length == _UNDEFINED else value + length
        while value < stop:
            tag, content, size = self.element(value)
            if tag == _SEQUENCE_END and length == _UNDEFINED:
                return
            if tag != _ITEM:
                raise _Unusual
            if size == _UNDEFINED:
                end = self._item_end(content)
                yield content, end
                value = self.element(end)[1]
            else:
                yield content, content + size
                value = content + size
        if value != stop:
            raise _Unusual

    def _item_end(self, position: int) -> int:
        while True:
            tag, value, length = self.element(position)
            if tag == _ITEM_END:
                return position
            position = self.end(value, length)

    def values(self, start: int, end: int) -> dict[int, tuple[int, int]]:
        """Start and length of the value of each element of an item."""
        found, element = {}, self.element
        while start < end:
            tag, value, length = element(start)
            found[tag] = value, length
            start = value + length if length != _UNDEFINED else self.end(value, length)
        if end > len(self.data):
            raise _CutShort
        if start != end:
            raise _Unusual
        return found

    def text(self, found: dict[int, tuple[int, int]], tag: int) -> str:
        value, length = found.get(tag, (0, 0))
        return self.data[value : value + length].decode("ascii").strip(" \0")

    def roi(self, start: int, end: int) -> RawRoi:
        found = self.values(start, end)
        contours = found.get(_CONTOURS)
        items = self.items(*contours) if contours else ()
        return RawRoi(self.text(found, _NUMBER), self.text(found, _COLOR), [self.contour(*item) for item in items])

    def contour(self, start: int, end: int) -> RawContour:
        found = self.values(start, end)
        value, length = found.get(_DATA, (0, 0))
        images = found.get(_IMAGES)
        return RawContour(
            self.text(found, _TYPE), self.data[value : value + length], self.images(*images) if images else ()
        )

    def images(self, value: int, length: int) -> tuple[str, ...]:
        """Contours of one slice refer to it by the same bytes: each form is parsed once."""
        key = self.data[value : value + length] if length != _UNDEFINED else None
        if key not in self._known_images or key is None:
            items = [self.values(*item) for item in self.items(value, length)]
            self._known_images[key] = tuple(self.text(item, _SOP_INSTANCE) for item in items)
        return self._known_images[key]


def _rois_by_pydicom(path: Path, dataset: Dataset) -> list[RawRoi]:
    try:
        return [_roi(item) for item in dataset.get("ROIContourSequence") or []]
    except Exception as error:  # pydicom raises all kinds on damaged files
        raise InputError(path, f"its contours are damaged ({error})", "export the structures again") from error


def _roi(item: Dataset) -> RawRoi:
    contours = [_contour(contour) for contour in item.get("ContourSequence") or []]
    return RawRoi(_raw_text(item, _NUMBER).decode("ascii"), _raw_text(item, _COLOR).decode("ascii"), contours)


def _contour(item: Dataset) -> RawContour:
    images = item.get("ContourImageSequence") or []
    uids = tuple(_raw_text(image, _SOP_INSTANCE).decode("ascii") for image in images)
    return RawContour(_raw_text(item, _TYPE).decode("ascii"), _raw_text(item, _DATA), uids)


def _raw_text(item: Dataset, tag: int) -> bytes:
    if tag not in item:
        return b""
    value = item.get_item(tag).value
    if isinstance(value, bytes):
        return value.strip(b" \0")
    parts = value if isinstance(value, list | tuple | pydicom.multival.MultiValue) else [value]
    return "\\".join("" if part is None else str(part) for part in parts).encode("ascii", "replace")
