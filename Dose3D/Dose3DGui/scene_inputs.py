"""Nodes of the scene as files for a job, and what a job's result says about itself on a node.

A node that lies in an unmodified file of its own, or came from Slicer's DICOM database, is used where it is; any other
is written to a temporary file, in its own coordinates: what transforms a volume will transform its structures.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
import vtk
from Dose3DLib.geometry.grid import LPS_TO_RAS, Grid
from slicer.i18n import tr as _

from .dicom_source import dicomFolder

__all__ = [
    "JobFiles",
    "NotSaved",
    "VolumeSource",
    "gridOfVolume",
    "isInScene",
    "savedFile",
    "segmentationSource",
    "setProvenance",
    "volumeSource",
    "writeNode",
]

PROVENANCE_PREFIX = "Dose3D."


class NotSaved(Exception):
    """A node exists only in the scene, and nothing may be written for it; the text says what to do."""


@dataclass(frozen=True)
class VolumeSource:
    """Where a job finds a volume.

    Parameters
    ----------
    path:
        folder of the DICOM series, or an image file.
    isDicom:
        `path` is a DICOM folder.
    isSaved:
        `path` stays after the job (the user's own file); otherwise it is temporary.
    series:
        Series Instance UID when isDicom; the folder may hold others.
    """

    path: Path
    isDicom: bool = False
    isSaved: bool = False
    series: str | None = None


class JobFiles:
    """The files of one job: those that are there already, and temporary ones below one folder.

    Parameters
    ----------
    mayWrite:
        False for "Copy as ...": nothing is written, a node without a file raises NotSaved, and results get a name in
        the working folder instead of a temporary one.
    """

    def __init__(self, mayWrite: bool = True):
        self.mayWrite = mayWrite
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """The temporary folder, made on first use; the job panel removes it when the job has ended."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="Dose3D-"))
        return self._folder

    def volume(self, node) -> VolumeSource:
        """See `volumeSource`; raises NotSaved when it would have to be written and `mayWrite` is False."""
        source = volumeSource(node, self.folder if self.mayWrite else None)
        if source is None:
            raise NotSaved(_notSaved(node))
        return source

    def segmentation(self, node) -> Path:
        """A .seg.nrrd of the segmentation; raises NotSaved as `volume` does."""
        path = segmentationSource(node, self.folder if self.mayWrite else None)
        if path is None:
            raise NotSaved(_notSaved(node))
        return path

    def output(self, name: str) -> Path:
        """Where a result that only the scene needs goes: a temporary place, or `name` itself for a copied call."""
        return self.folder / name if self.mayWrite else Path(name)

    def discard(self) -> None:
        """Remove the temporary files; what is to stay was moved away before."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def volumeSource(node, folder: Path | None) -> VolumeSource | None:
    """The files of a volume: its DICOM series, else its own unmodified file, else a new file in `folder`.

    None when it would have to be written and there is no folder.
    """
    series = dicomFolder(node)
    if series is not None:
        return VolumeSource(series.folder, isDicom=True, isSaved=True, series=series.uid)
    saved = savedFile(node, (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd"))
    if saved is not None:
        return VolumeSource(saved, isSaved=True)
    if folder is None:
        return None
    path = _freePath(folder, _plainName(node, "CT"), ".nrrd")
    writeNode(node, path)
    return VolumeSource(path)


def segmentationSource(node, folder: Path | None) -> Path | None:
    """The .seg.nrrd of a segmentation: its own unmodified file, else a new one in `folder`; None as `volumeSource`."""
    saved = savedFile(node, (".seg.nrrd",))
    if saved is not None or folder is None:
        return saved
    path = _freePath(folder, _plainName(node, "structures"), ".seg.nrrd")
    writeNode(node, path)
    return path


def savedFile(node, endings: tuple[str, ...]) -> Path | None:
    """The file that holds exactly what the node shows, when there is one with one of the endings."""
    storage = node.GetStorageNode()
    name = storage.GetFullNameFromFileName() if storage else ""
    if not name or not name.lower().endswith(endings) or not Path(name).is_file():
        return None
    return None if node.GetModifiedSinceRead() or storage.GetNumberOfFileNames() > 1 else Path(name)


def writeNode(node, path: Path) -> None:
    """Write a volume or a segmentation without compression (speed), without touching the node's own storage.

    Raises
    ------
    RuntimeError
        Slicer could not write it.
    """
    isSegmentation = node.IsA("vtkMRMLSegmentationNode")
    storage = slicer.vtkMRMLSegmentationStorageNode() if isSegmentation else slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetUseCompression(0)
    if not storage.WriteData(_asLabelMaps(node) if isSegmentation else node):
        text = _("“{name}” could not be written to {path}; free some space there or set TMPDIR.")
        raise RuntimeError(text.format(name=node.GetName(), path=path.parent))


def _asLabelMaps(node):
    """The segmentation itself, or a copy made of label maps where it holds contours or surfaces only."""
    labelMaps = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    if node.GetSegmentation().GetSourceRepresentationName() == labelMaps:
        return node
    copy = slicer.vtkMRMLSegmentationNode()
    copy.CopyContent(node)
    copy.CreateBinaryLabelmapRepresentation()
    copy.SetSourceRepresentationToBinaryLabelmap()
    return copy


def gridOfVolume(node) -> Grid:
    """The volume's own grid in LPS, without the transforms above it."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    ijkToRas = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
    return Grid(node.GetImageData().GetDimensions()[::-1], LPS_TO_RAS @ ijkToRas)


def isInScene(node) -> bool:
    """Whether the node is still there; a user may remove it while a job runs."""
    return node is not None and slicer.mrmlScene.IsNodePresent(node) > 0


def setProvenance(node, **facts: str) -> None:
    """Keep facts on a node as attributes `Dose3D.Task`, `Dose3D.Version` ... They are saved with the scene."""
    for name, value in facts.items():
        node.SetAttribute(f"{PROVENANCE_PREFIX}{name}", str(value))


def _plainName(node, otherwise: str) -> str:
    """The node's name without what some file system refuses."""
    kept = "".join(c for c in node.GetName() or "" if c.isprintable() and c not in '<>:"/\\|?*')
    return kept.strip(" .-")[:60] or otherwise


def _freePath(folder: Path, stem: str, ending: str) -> Path:
    path, number = folder / f"{stem}{ending}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{ending}"
    return path


def _notSaved(node) -> str:
    text = _("“{name}” exists only in the scene, or was changed since it was saved: save it to a file first.")
    return text.format(name=node.GetName())
