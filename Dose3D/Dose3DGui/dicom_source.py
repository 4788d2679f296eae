"""Slicer's DICOM database: the series that a volume was loaded from, and files of ours into it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from .volumes import hasImage

__all__ = ["DicomSeries", "addToDatabase", "databaseProblem", "dicomFolder"]

INSTANCES_ATTRIBUTE = "DICOM.instanceUIDs"
POSITION, SERIES_UID, ROWS, COLUMNS = "0020,0032", "0020,000e", "0028,0010", "0028,0011"
TOLERANCE_MM = 0.1
"""The database keeps positions as text; a cropped or resampled volume is off by a voxel at least."""
COMPARED_SLICES = 9


@dataclass(frozen=True)
class DicomSeries:
    """The folder that holds all files of the series, and its Series Instance UID (the folder may hold others)."""

    folder: Path
    uid: str


def dicomFolder(node) -> DicomSeries | None:
    """The series of a volume that came through Slicer's DICOM database and still has its geometry; else None.

    None also for files that were moved away, lie in several folders, or when the volume was cropped, resampled or
    painted (Slicer may copy the attribute to what it makes from a volume). The voxels are compared in a few slices.
    """
    uids = (node.GetAttribute(INSTANCES_ATTRIBUTE) or "").split()
    database = slicer.dicomDatabase if uids else None
    if not database or not database.isOpen or not _hasGeometry(node, uids, database):
        return None
    files = [database.fileForInstance(uid) for uid in uids]
    folders = {Path(name).parent for name in files if name}
    if len(folders) != 1 or not all(name and Path(name).is_file() for name in (files[0], files[-1])):
        return None
    chosen = sorted({round(place * (len(files) - 1) / (COMPARED_SLICES - 1)) for place in range(COMPARED_SLICES)})
    compared = tuple((k, files[k]) for k in chosen)
    if not _showsFiles(node.GetID(), node.GetImageData().GetMTime(), node.GetMTime(), compared):
        return None
    return DicomSeries(folders.pop(), database.instanceValue(uids[0], SERIES_UID))


def _hasGeometry(node, uids: list[str], database) -> bool:
    """Whether number, size and first and last place of the slices are the series', in either order."""
    if not hasImage(node):
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


@lru_cache(maxsize=8)
def _showsFiles(nodeId: str, imageTime: int, nodeTime: int, files: tuple[tuple[int, str], ...]) -> bool:
    """Whether slices of the volume hold the values of these files (number of the slice, file), in either order.

    The times are part of the question, so that it is asked again when the volume changes, and only then.
    """
    from Dose3DLib.dicom.slice_values import slice_values

    array = slicer.util.arrayFromVolume(slicer.mrmlScene.GetNodeByID(nodeId))
    values = [slice_values(name) for _, name in files]
    if any(one is None or one.shape != array.shape[1:] for one in values):
        return False
    pairs = [(k, one) for (k, _), one in zip(files, values, strict=True)]
    return any(all(np.allclose(stack[k], one, atol=0.5) for k, one in pairs) for stack in (array, array[::-1]))


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


def addToDatabase(paths: list[Path], room: Path) -> None:
    """Copy files and folders of DICOM files into the database, by way of the empty folder `room`.

    Raises
    ------
    RuntimeError
        the database is not open, or did not take a file.
    """
    from DICOMLib import DICOMUtils

    if databaseProblem():
        raise RuntimeError(databaseProblem())
    room.mkdir()
    for path in paths:
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, room / path.name)
    count, before = sum(p.is_file() for p in room.rglob("*")), len(slicer.dicomDatabase.allFiles())
    DICOMUtils.importDicom(str(room), slicer.dicomDatabase, True)
    taken = len(slicer.dicomDatabase.allFiles()) - before
    if taken < count:
        text = _("Slicer's DICOM database took {taken} of {count} files; see its error log.")
        raise RuntimeError(text.format(taken=taken, count=count))
