"""RTDOSE in and out (DICOM PS3.3 A.18.3, C.8.8.3): dose on its own grid, in Gy."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array
from pydicom.uid import RTDoseStorage

from ..core.errors import InputError
from ..geometry.grid import Grid, Volume
from .frames import checked_orientation, checked_spacing
from .pixels import ensure_transfer_syntax
from .values import EXPORT_AGAIN, numbers, required_numbers, text

__all__ = ["PLANE_TOLERANCE_MM", "RtDose", "read_rtdose"]

PLANE_TOLERANCE_MM = 0.02
"""Dose planes are evenly spaced within this, and an absolute offset vector starts within this of the position's z:
planning systems write offsets with 2 to 3 decimals."""
AXIAL_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class RtDose:
    """A dose.

    Parameters
    ----------
    volume:
        float32; Gy, unless `units` is RELATIVE. k grows along cross(row direction, column direction).
    header:
        the data set without pixels.
    notes:
        sentences for the user.
    units:
        Dose Units, GY or RELATIVE.
    """

    volume: Volume
    header: Dataset
    notes: tuple[str, ...] = ()
    units: str = "GY"


def read_rtdose(path: Path) -> RtDose:
    """Read a dose of 16 or 32 bits in any orientation, planes ascending or descending, offsets relative or absolute.

    Raises
    ------
    InputError
        no RTDOSE, damaged, one plane only, planes unevenly spaced, or offsets that are neither relative nor absolute.
    """
    path = Path(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = _read(path)
        stored = _decode(dataset, path)
        grid, order, notes = _geometry(dataset, stored.shape, path)
        array = _scaled(stored, order, _scaling(dataset, path))
    del dataset.PixelData
    units = text(dataset, "DoseUnits").upper() or "GY"
    return RtDose(Volume(array, grid), dataset, (*notes, *_notes(dataset, units)), units)


def _read(path: Path) -> Dataset:
    if not path.is_file():
        raise InputError(path, "there is no such file", "name an RTDOSE file")
    try:
        dataset = pydicom.dcmread(path, force=True)
    except Exception as error:  # pydicom raises all kinds on damaged files
        raise InputError(path, "the file cannot be read as DICOM", "name an RTDOSE file") from error
    uid = text(dataset, "SOPClassUID")
    if uid != RTDoseStorage:
        cause = f"this is no RTDOSE but {pydicom.uid.UID(uid).name}" if uid else "this is no DICOM object"
        raise InputError(path, cause, "name an RTDOSE file")
    return dataset


def _decode(dataset: Dataset, path: Path) -> np.ndarray:
    """Stored values, [plane, row, column]."""
    if "PixelData" not in dataset:
        raise InputError(path, "there are no dose values in it (a DVH only?)", "export the dose as a grid")
    try:
        ensure_transfer_syntax(dataset)
        stored = pixel_array(dataset, raw=True)
    except Exception as error:  # decoders raise all kinds on damaged pixels
        reason = " ".join(str(error).split())[:200]
        raise InputError(path, f"its dose values cannot be decoded ({reason})", EXPORT_AGAIN) from error
    if stored.ndim != 3 or stored.shape[0] < 2:
        raise InputError(path, "it holds one dose plane only", "export the dose as a grid of several planes")
    return stored


def _scaling(dataset: Dataset, path: Path) -> float:
    scaling = required_numbers(dataset, "DoseGridScaling", 1, path)[0]
    if scaling <= 0:
        raise InputError(path, f"Dose Grid Scaling is {scaling:g}", EXPORT_AGAIN)
    return scaling


def _scaled(stored: np.ndarray, order: np.ndarray, scaling: float) -> np.ndarray:
    array = np.empty(stored.shape, np.float32)
    for k, source in enumerate(order):
        array[k] = stored[source] * np.float64(scaling)
    return array


def _geometry(dataset: Dataset, shape: tuple[int, ...], path: Path) -> tuple[Grid, np.ndarray, list[str]]:
    """Grid, the source plane of each k, and notes."""
    position = np.array(required_numbers(dataset, "ImagePositionPatient", 3, path))
    directions = checked_orientation(required_numbers(dataset, "ImageOrientationPatient", 6, path), path)
    spacing = checked_spacing(required_numbers(dataset, "PixelSpacing", 2, path), path)
    row, column = np.array(directions[:3]), np.array(directions[3:])
    normal = np.cross(row, column)
    depths, notes = _depths(dataset, shape[0], position, normal, path)
    order = np.argsort(depths, kind="stable")
    depths = depths[order]
    step = (depths[-1] - depths[0]) / (shape[0] - 1)
    if step <= PLANE_TOLERANCE_MM or np.abs(np.diff(depths) - step).max() > 2 * PLANE_TOLERANCE_MM:
        gaps = np.diff(depths)
        cause = f"its planes are unevenly spaced, {gaps.min():.3f} to {gaps.max():.3f} mm"
        raise InputError(path, cause, "export the dose on an even grid")
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = row * spacing[1], column * spacing[0], normal * step
    affine[:3, 3] = position + normal * depths[0]
    return Grid((shape[0], shape[1], shape[2]), affine), order, notes


def _depths(
    dataset: Dataset, count: int, position: np.ndarray, normal: np.ndarray, path: Path
) -> tuple[np.ndarray, list[str]]:
    """Distance of each plane from `position` along `normal` (PS3.3 C.8.8.3.2, relative or absolute offsets)."""
    found = numbers(dataset, "GridFrameOffsetVector", count, path)
    if found is None:
        raise InputError(path, "Grid Frame Offset Vector (3004,000c) is missing", EXPORT_AGAIN)
    offsets = np.array(found)
    if offsets[0] == 0:
        return offsets, []
    axial = abs(abs(normal[2]) - 1) < AXIAL_TOLERANCE
    if axial and abs(offsets[0] - position[2]) <= PLANE_TOLERANCE_MM:
        return (offsets - offsets[0]) * np.sign(normal[2]), []
    cause = f"its plane offsets start at {offsets[0]:g}, neither 0 nor the z of its position, {position[2]:g} mm"
    raise InputError(path, cause, EXPORT_AGAIN)


def _notes(dataset: Dataset, units: str) -> list[str]:
    notes = []
    if units != "GY":
        notes.append(f"the dose is {units}, not in Gy: it can be compared, but not read as absorbed dose")
    kind = text(dataset, "DoseType").upper()
    if kind not in ("", "PHYSICAL"):
        notes.append(f"the dose is of type {kind}")
    summation = text(dataset, "DoseSummationType").upper()
    if summation not in ("", "PLAN"):
        notes.append(f"the dose is the sum over {summation}, not over one plan")
    return notes
