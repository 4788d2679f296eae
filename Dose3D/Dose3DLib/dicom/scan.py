"""Looks through a folder tree and reads of each DICOM file only the header attributes that sorting needs."""

from __future__ import annotations

import os
import stat
import struct
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.tag import Tag

from ..core.errors import InputError
from ..core.progress import Progress
from .values import text

__all__ = ["Scan", "ScannedFile", "read_header", "scan"]

KEYWORDS = (
    "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesDescription", "StudyDescription", "PatientID",
    "AcquisitionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "SamplesPerPixel", "NumberOfFrames",
    "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleIntercept", "RescaleSlope", "RescaleType",
    "LossyImageCompression", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
TAGS: list = [Tag(keyword) for keyword in KEYWORDS]
PIXEL_TAGS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
RT_GROUPS = {0x3004, 0x3006, 0x300A, 0x300C}
"""Bulk of RT objects: they are never a CT, so reading ends there."""
UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM = 0xFFFEE000


@dataclass(frozen=True, eq=False)
class ScannedFile:
    """Header of one file (`KEYWORDS` only); `complete` is False when the file ends within or before its pixels."""

    path: Path
    header: Dataset
    complete: bool


@dataclass(frozen=True, eq=False)
class Scan:
    """All DICOM files with a series found under `root`, and how many others were `skipped`, by reason."""

    root: Path
    files: tuple[ScannedFile, ...]
    skipped: Counter = field(default_factory=Counter)


def scan(root: Path, progress: Progress | None = None, recursive: bool = True) -> Scan:
    """Read the headers of all files in a folder (and below).

    Raises
    ------
    InputError
        there is no such folder, it may not be opened, or there is no file in it.
    """
    progress = progress or Progress()
    closed: list[OSError] = []
    paths = list(_files_below(root, recursive, closed))
    if not paths and closed:
        raise InputError(closed[0].filename or root, closed[0].strerror or str(closed[0]), "check who may use it")
    if not paths:
        raise InputError(root, "there is no file in this folder", "name the folder that holds the CT's DICOM files")
    found, skipped = [], Counter({"could not be opened": len(closed)} if closed else {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n, path in enumerate(paths):
            progress.check()
            if n % 16 == 0:
                progress.report(n / len(paths), f"{n} of {len(paths)} files")
            scanned = read_header(path)
            if isinstance(scanned, str):
                skipped[scanned] += 1
            else:
                found.append(scanned)
    return Scan(Path(root), tuple(found), skipped)


def _files_below(root: Path, recursive: bool, closed: list[OSError]) -> Iterator[Path]:
    """Sorted by name; linked folders are followed, each folder once, so that links in a circle end.

    `closed` receives an error for each folder that cannot be opened.
    """
    seen = set()
    for folder, folders, names in os.walk(root, onerror=closed.append, followlinks=True):
        place = os.path.realpath(folder)
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names))
        if not recursive:
            return


def read_header(path: Path) -> ScannedFile | str:
    """Header of a DICOM file with a series, or the reason (a few words) why it is none."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return "not a file"  # to open a pipe would wait for its writer
        with open(path, "rb") as handle:
            start = handle.read(132)
            handle.seek(0)
            if not _looks_like_dicom(start):
                return "not DICOM"
            header = read_partial(handle, _stop, specific_tags=TAGS, force=True)
            if not text(header, "SeriesInstanceUID") or not text(header, "SOPClassUID"):
                return "DICOM without series or class (damaged, or a DICOMDIR)"
            return ScannedFile(path, header, _is_complete(handle, header))
    except OSError:
        return "could not be opened"
    except Exception:  # pydicom raises all kinds on damaged headers
        return "damaged header"


def _looks_like_dicom(start: bytes) -> bool:
    """Preamble with DICM, or, without preamble, a first tag of group 2 or 8 in either byte order."""
    return start[128:132] == b"DICM" or start[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")


def _stop(tag: int, vr: str | None, length: int) -> bool:
    return tag in PIXEL_TAGS or tag >> 16 in RT_GROUPS


def _is_complete(handle: BinaryIO, header: Dataset) -> bool:
    """Whether the file goes on to the end of its pixels."""
    syntax = getattr(header, "file_meta", Dataset()).get("TransferSyntaxUID")
    if syntax is not None and syntax.is_deflated:
        return True
    implicit, little = header.original_encoding
    order = "<" if little else ">"
    element = handle.read(12)
    if len(element) < 8:
        return False
    group, number = struct.unpack(order + "HH", element[:4])
    if group << 16 | number not in PIXEL_TAGS:
        return True
    start, raw = (8, element[4:8]) if implicit else (12, element[8:12])
    if len(raw) < 4:
        return False
    length = struct.unpack(order + "L", raw)[0]
    end = handle.tell() - len(element) + start + length
    size = os.fstat(handle.fileno()).st_size
    return _fragments_end(handle, size) if length == UNDEFINED_LENGTH else end <= size


def _fragments_end(handle: BinaryIO, size: int) -> bool:
    """Whether encapsulated pixels (PS3.5 A.4) go on to their Sequence Delimitation Item; what is in between is judged
    by the decoder."""
    while True:
        header = handle.read(8)
        if len(header) < 8:
            return False
        group, number, length = struct.unpack("<HHL", header)
        if group << 16 | number != ITEM:
            return True
        if handle.seek(length, os.SEEK_CUR) > size:
            return False
