"""CT series in: any orientation, any transfer syntax, classic or enhanced, as a Volume in HU on its own grid."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from ..core.errors import InputError
from ..core.progress import Progress
from ..geometry.grid import Grid, Volume
from .frames import Frame, frames_of
from .pixels import read_hounsfield
from .series import Selection, SeriesSummary, list_series, select_ct_series
from .stack import Stack, make_stack
from .values import EXPORT_AGAIN, text

__all__ = ["CtReference", "CtSeries", "ImageReference", "SeriesSummary", "list_series", "read_ct", "read_ct_reference"]

HEADERS_SHARE = 0.2
"""Of the time that reading a CT takes."""
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class ImageReference:
    """What an RTSTRUCT, SEG or RTDOSE needs to refer to a slice; `frame_number` counts from 1 in enhanced files."""

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None


@dataclass(frozen=True, eq=False)
class CtReference:
    """A CT series without its pixels.

    Parameters
    ----------
    grid:
        LPS mm; k grows along cross(row direction, column direction).
    header:
        the first slice's data set without pixels: patient, study, series and frame of reference.
    slices:
        by k; None for a slice that was interpolated.
    notes:
        sentences for the user: what was ignored, skipped, assumed.
    """

    grid: Grid
    header: Dataset
    slices: tuple[ImageReference | None, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CtSeries:
    """A CT series; `volume` is in HU (int16 when exact, else float32)."""

    reference: CtReference
    volume: Volume


def read_ct_reference(
    path: Path, series_uid: str | None = None, resample_slices: bool = False, progress: Progress | None = None
) -> CtReference:
    """Geometry and identity of a CT from its headers; pixels are not read.

    Parameters
    ----------
    path:
        a folder tree, or one file of the series.
    series_uid:
        chooses among several CT series.
    resample_slices:
        accept missing or uneven slices; the grid is then an even one between the end slices.

    Raises
    ------
    InputError
        no CT, several series and none chosen, or a series that is not one even stack of slices.
    """
    return _read_stack(Path(path), series_uid, resample_slices, progress or Progress())[0]


def read_ct(
    path: Path, series_uid: str | None = None, resample_slices: bool = False, progress: Progress | None = None
) -> CtSeries:
    """A CT in Hounsfield units; arguments and errors as for `read_ct_reference`, and broken pixels are an error, too.

    Missing slices are interpolated linearly when `resample_slices` is set.
    """
    progress = progress or Progress()
    with progress.stage("read headers", HEADERS_SHARE):
        reference, stack = _read_stack(Path(path), series_uid, resample_slices, progress)
    with progress.stage("decode slices", 1.0):
        array, notes = read_hounsfield(stack, progress)
    reference = replace(reference, notes=(*reference.notes, *notes))
    return CtSeries(reference, Volume(array, stack.grid))


def _read_stack(path: Path, series_uid: str | None, resample: bool, progress: Progress) -> tuple[CtReference, Stack]:
    selection = select_ct_series(path, series_uid, progress)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stack = _stack(selection, resample)
        notes = (*selection.notes, *stack.notes, *_header_notes(selection, stack))
        return CtReference(stack.grid, _full_header(stack.frames[0]), _references(stack), notes), stack


def _stack(selection: Selection, resample: bool) -> Stack:
    """A refusal also tells of files that could not be read: they may be the slices that are missing."""
    try:
        return make_stack([frame for file in selection.files for frame in frames_of(file)], resample)
    except InputError as error:
        if not selection.skipped:
            raise
        raise InputError(error.what, f"{error.cause} ({selection.skipped})", error.remedy) from error


def _references(stack: Stack) -> tuple[ImageReference | None, ...]:
    return tuple(
        _reference(stack.frames[int(source)]) if float(source).is_integer() else None for source in stack.sources
    )


def _reference(frame: Frame) -> ImageReference:
    return ImageReference(frame.sop_class_uid, frame.sop_instance_uid, frame.frame_number)


def _full_header(frame: Frame) -> Dataset:
    try:
        header = pydicom.dcmread(frame.path, stop_before_pixels=True, force=True)
        for keyword in PIXEL_KEYWORDS:
            header.pop(Tag(keyword), None)
        return header
    except Exception as error:  # pydicom raises all kinds on damaged headers
        raise InputError(frame.path, "its header cannot be read", EXPORT_AGAIN) from error


def _header_notes(selection: Selection, stack: Stack) -> list[str]:
    header, notes = stack.frames[0].file.header, []
    if not text(header, "FrameOfReferenceUID"):
        notes.append("the CT has no Frame of Reference UID; planning systems may refuse structures drawn on it")
    if any(text(file.header, "LossyImageCompression") == "01" for file in selection.files):
        notes.append("the CT was compressed with loss")
    unit = text(header, "RescaleType")
    if unit not in ("", "HU"):
        notes.append(f"Rescale Type is {unit}, not HU")
    return notes
