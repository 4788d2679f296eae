"""One `Frame` a slice, from a classic single-frame file or from the functional groups of an enhanced one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

from ..core.errors import InputError
from .scan import ScannedFile
from .values import EXPORT_AGAIN, number, required_numbers, text

__all__ = ["CT_CLASSES", "ENHANCED_CLASSES", "Frame", "checked_orientation", "checked_spacing", "frames_of"]

ENHANCED_CLASSES = {EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage}
CT_CLASSES = {CTImageStorage, *ENHANCED_CLASSES}

UNIT_TOLERANCE = 1e-3
"""Direction cosines are written with 4 to 6 digits; beyond this they are not unit vectors at right angles."""
PIXEL_SPACING_RANGE_MM = (1e-3, 50.0)
"""From micro-CT to far above any clinical pixel."""
LARGEST_IMAGE = 65535


@dataclass(frozen=True, eq=False)
class Frame:
    """A slice: where its pixels are and where it lies (LPS mm, DICOM PS3.3 C.7.6.2.1.1).

    `position` is the centre of the first pixel, `orientation` the directions of growing column and growing row index
    (3 + 3 cosines), `pixel_spacing` the distances of rows and of columns, in that order;
    HU = stored * slope + intercept.
    """

    file: ScannedFile
    frame_number: int | None
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    shape: tuple[int, int]
    slope: float
    intercept: float
    rescaled: bool

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def name(self) -> str:
        """File name, and frame number in an enhanced file: what an error message calls the slice."""
        return self.path.name if self.frame_number is None else f"{self.path.name} frame {self.frame_number}"

    @property
    def sop_instance_uid(self) -> str:
        return text(self.file.header, "SOPInstanceUID")

    @property
    def sop_class_uid(self) -> str:
        return text(self.file.header, "SOPClassUID")


def frames_of(file: ScannedFile) -> list[Frame]:
    """All slices of a CT file.

    Raises
    ------
    InputError
        the file is cut short, or its geometry or rescale is missing or absurd.
    """
    if not file.complete:
        raise InputError(file.path, "the file is cut short (pixels incomplete)", "copy or export the series again")
    _check_pixel_format(file)
    if text(file.header, "SOPClassUID") in ENHANCED_CLASSES:
        return _enhanced_frames(file)
    if (number(file.header, "NumberOfFrames", file.path) or 1) > 1:
        raise InputError(
            file.path, "several frames in one CT Image have no positions", "export as single slices or as Enhanced CT"
        )
    return [_frame(file, None, [file.header])]


def _check_pixel_format(file: ScannedFile) -> None:
    """Native decoders trust these numbers; wrong ones can end the whole process."""
    header, path = file.header, file.path
    allocated = required_numbers(header, "BitsAllocated", 1, path)[0]
    stored = number(header, "BitsStored", path, allocated)
    high = number(header, "HighBit", path, stored - 1)
    if allocated not in (8, 16, 32) or not 0 < stored <= allocated or not stored - 1 <= high < allocated:
        cause = f"pixels of {stored:g} bits up to bit {high:g} in {allocated:g} bits are absurd"
        raise InputError(path, cause, EXPORT_AGAIN)
    if number(header, "PixelRepresentation", path, 0) not in (0, 1):
        raise InputError(path, "Pixel Representation (0028,0103) is neither 0 nor 1", EXPORT_AGAIN)
    samples = number(header, "SamplesPerPixel", path, 1)
    if samples != 1:
        raise InputError(path, f"it is a colour image ({samples:g} samples a pixel)", "export the CT itself")


def _enhanced_frames(file: ScannedFile) -> list[Frame]:
    try:
        shared = list(file.header.get("SharedFunctionalGroupsSequence") or [])
        each = list(file.header.get("PerFrameFunctionalGroupsSequence") or [])
    except Exception as error:  # pydicom raises all kinds on damaged sequences
        raise InputError(file.path, "its functional groups cannot be read", EXPORT_AGAIN) from error
    count = int(number(file.header, "NumberOfFrames", file.path) or 0)
    if count < 1 or count != len(each):
        cause = f"{count} frames but {len(each)} functional groups, so the slices have no known place"
        raise InputError(file.path, cause, EXPORT_AGAIN)
    return [_frame(file, n + 1, [group, *shared[:1]]) for n, group in enumerate(each)]


def _frame(file: ScannedFile, frame_number: int | None, groups: list[Dataset]) -> Frame:
    nested = frame_number is not None

    def part(sequence: str, keyword: str) -> Dataset:
        return _group(groups, sequence, keyword) if nested else file.header

    path = file.path
    measures = part("PixelMeasuresSequence", "PixelSpacing")
    place = part("PlanePositionSequence", "ImagePositionPatient")
    direction = part("PlaneOrientationSequence", "ImageOrientationPatient")
    rescale = part("PixelValueTransformationSequence", "RescaleSlope")
    slope, intercept = number(rescale, "RescaleSlope", path), number(rescale, "RescaleIntercept", path)
    if slope == 0:
        raise InputError(path, "Rescale Slope is 0, which erases the image", EXPORT_AGAIN)
    return Frame(
        file=file,
        frame_number=frame_number,
        position=required_numbers(place, "ImagePositionPatient", 3, path),
        orientation=checked_orientation(required_numbers(direction, "ImageOrientationPatient", 6, path), path),
        pixel_spacing=checked_spacing(required_numbers(measures, "PixelSpacing", 2, path), path),
        shape=_checked_shape(file.header, path),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        rescaled=slope is not None and intercept is not None,
    )


def _group(groups: list[Dataset], sequence: str, keyword: str) -> Dataset:
    """The first item of a functional group that holds the attribute, per frame before shared (PS3.3 C.7.6.16)."""
    for group in groups:
        items = group.get(sequence)
        if items and keyword in items[0]:
            return items[0]
    return Dataset()


def checked_orientation(orientation: tuple[float, ...], path: Path) -> tuple[float, ...]:
    """The six direction cosines, or `InputError` when they are not two unit vectors at right angles."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    faults = abs(np.linalg.norm(row) - 1), abs(np.linalg.norm(column) - 1), abs(row @ column)
    if max(faults) > UNIT_TOLERANCE:
        cause = f"Image Orientation (Patient) {list(orientation)} is not two unit vectors at right angles"
        raise InputError(path, cause, EXPORT_AGAIN)
    return orientation


def checked_spacing(spacing: tuple[float, ...], path: Path) -> tuple[float, ...]:
    """Row and column spacing in mm, or `InputError` when outside `PIXEL_SPACING_RANGE_MM`."""
    low, high = PIXEL_SPACING_RANGE_MM
    if not all(low <= value <= high for value in spacing):
        raise InputError(path, f"Pixel Spacing {list(spacing)} mm is absurd", EXPORT_AGAIN)
    return spacing


def _checked_shape(header: Dataset, path: Path) -> tuple[int, int]:
    rows, columns = (required_numbers(header, keyword, 1, path)[0] for keyword in ("Rows", "Columns"))
    if not (1 <= rows <= LARGEST_IMAGE and 1 <= columns <= LARGEST_IMAGE):
        raise InputError(path, f"an image of {rows:g} x {columns:g} pixels is absurd", EXPORT_AGAIN)
    return int(rows), int(columns)
