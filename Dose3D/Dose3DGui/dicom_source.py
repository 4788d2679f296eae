"""Slicer's DICOM database: the series that a volume was loaded from, and files of ours into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

__all__ = ["DicomSeries", "addToDatabase", "databaseProblem", "dicomFolder"]

INSTANCES_ATTRIBUTE = "DICOM.instanceUIDs"
POSITION, SERIES_UID, ROWS, COLUMNS = "0020,0032", "0020,000e", "0028,0010", "0028,0011"
TOLERANCE_MM = 0.1
"""The database keeps positions as text; a cropped or resampled volume is off by a voxel at least."""


@dataclass(frozen=True)
class DicomSeries:
    """The folder that holds all files of the series, and its Series Instance UID (the folder may hold others)."""

    folder: Path
    uid: str


def dicomFolder(node) -> DicomSeries | None:
    """The series of a volume that came through Slicer's DICOM database and still has its geometry; else None.

    None also for files that were moved away, lie in several folders, or when the volume was cropped or resampled
    (Slicer may copy the attribute to what it makes from a volume).
    """
    uids = (node.GetAttribute(INSTANCES_ATTRIBUTE) or "").split()
    database = slicer.dicomDatabase if uids else None
    if not database or not database.isOpen or not _hasGeometry(node, uids, database):
        return None
    files = [database.fileForInstance(uid) for uid in uids]
    folders = {Path(name).parent for name in files if name}
    if len(folders) != 1 or not all(name and Path(name).is_file() for name in (files[0], files[-1])):
        return None
    return DicomSeries(folders.pop(), database.instanceValue(uids[0], SERIES_UID))


def _hasGeometry(node, uids: list[str], database) -> bool:
    """Whether number, size and first and last place of the slices are the series', in either order."""
    if node.GetImageData() is None:
        return False
    columns, rows, count = node.GetImageData().GetDimensions()
    size = [database.instanceValue(uids[0], tag) for tag in (COLUMNS, ROWS)]
    if count != len(uids) or [str(columns), str(rows)] != size:
        return False
    ends = _sliceEnds(node, count)
    places = [_position(database.instanceValue(uid, POSITION)) for uid in (uids[0], uids[-1])]
    if any(place is None for place in places):
        return False
    return any(_agree(ends, order) for order in (places, places[::-1]))


def _agree(ends: list[np.ndarray], places: list[np.ndarray]) -> bool:
    return all(np.abs(a - b).max() <= TOLERANCE_MM for a, b in zip(ends, places, strict=True))


def _sliceEnds(node, count: int) -> list[np.ndarray]:
    """LPS millimetres of the first voxel of the first and of the last slice."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    points = [matrix.MultiplyPoint((0, 0, k, 1))[:3] for k in (0, count - 1)]
    return [np.array(point) * (-1, -1, 1) for point in points]


def _position(text: str) -> np.ndarray | None:
    try:
        place = np.array([float(number) for number in text.split("\\")])
    except ValueError:
        return None
    return place if place.shape == (3,) else None


def databaseProblem() -> str:
    """Why Slicer's DICOM database cannot take anything, or ""."""
    database = slicer.dicomDatabase
    if not database or not database.isOpen:
        return _("Slicer's DICOM database is not open: open the module DICOM once, which makes it.")
    return ""


def addToDatabase(paths: list[Path]) -> None:
    """Copy files and folders of DICOM files into the database.

    Raises
    ------
    RuntimeError
        the database is not open, or did not take a file.
    """
    if databaseProblem():
        raise RuntimeError(databaseProblem())
    files = [str(file) for path in paths for file in (sorted(path.rglob("*.dcm")) if path.is_dir() else [path])]
    database, before = slicer.dicomDatabase, len(slicer.dicomDatabase.allFiles())
    for file in files:
        database.insert(file, True, False)
    database.updateDisplayedFields()
    taken = len(database.allFiles()) - before
    if taken < len(files):
        text = _("Slicer's DICOM database took {taken} of {count} files; see its error log.")
        raise RuntimeError(text.format(taken=taken, count=len(files)))
