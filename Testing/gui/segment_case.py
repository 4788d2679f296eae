"""What the tests of Dose3D Segment share: files of the phantom, doors that run a copied call, small structures."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import slicer
from Dose3DLib.core.interpreter import library_path, python_executable
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.scene.nodes import add_segmentation, add_volume
from gui_case import GuiCase, qt, slow

__all__ = ["GRID", "TWO", "SegmentCase", "qt", "same", "slow", "voxels", "wanted"]

GRID = Grid.axial((9, 40, 44), (3.0, 1.5, 1.5), (-33.0, -30.0, 12.0))


def box(name: str, low: int, high: int, color: tuple[int, int, int], kind: str = "ORGAN") -> Structure:
    array = np.zeros(GRID.shape, bool)
    array[2:7, low:high, low:high] = True
    return Structure(name, Mask.from_array(array, GRID), color=color, interpreted_type=kind)


TWO = StructureSet(GRID, (box("Brainstem", 5, 15, (10, 200, 30)), box("Parotid_L", 20, 34, (250, 100, 0))))


class SegmentCase(GuiCase):
    """The page; `self.folder` goes after the test, and temporary files of jobs lie in it."""

    moduleName = "Dose3DSegment"

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="Łódź-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "rooms").mkdir()
        self.patch(patch.object(tempfile, "tempdir", str(self.folder / "rooms")))

    def patch(self, change):
        """A change for the length of the test."""
        change.start()
        self.addCleanup(change.stop)

    def parameters(self, section: str):
        return self.widget.sections[section].currentParameters()

    def filesLeft(self) -> list[str]:
        """Temporary files, but for the report that may stay."""
        return [path.name for path in (self.folder / "rooms").iterdir() if not path.name.startswith("Dose3D-report-")]

    def addCt(self, name: str = "CT"):
        """The phantom, chosen on the page."""
        node = self.addPhantom(name)
        self.selectNode(self.ui.ctVolumeSelector, node)
        return node

    def addSmallCt(self, name: str = "Small"):
        array = np.arange(np.prod(GRID.shape), dtype=np.int16).reshape(GRID.shape) % 3000 - 1000
        return add_volume(slicer.mrmlScene, Volume(array, GRID), name)

    def addStructures(self, volume=None, name: str = "Organs"):
        return add_segmentation(slicer.mrmlScene, TWO, name, volume)

    def save(self, node, name: str) -> Path:
        """Give a node a file of its own, as "Save" does."""
        path = self.folder / name
        node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(str(path))
        self.assertTrue(node.GetStorageNode().WriteData(node))
        return path

    def organs(self) -> dict:
        """Name -> item of the check list."""
        shown = self.ui.organsList
        return {shown.item(row).text(): shown.item(row) for row in range(shown.count)}

    def runAll(self, words: list[str], folder: Path) -> None:
        """A command of the other doors, as a user runs it: in a folder of his own."""
        environment = {**os.environ, "PYTHONPATH": library_path()}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def runCommand(self, folder: Path) -> None:
        """Run the command that is on the clipboard."""
        program, *words = shlex.split(slicer.app.clipboard().text())
        self.assertEqual(program, "dose3d")
        self.runAll([python_executable(), "-m", "Dose3DLib.cli", *words], folder)

    def runPython(self, folder: Path) -> None:
        """Run the Python lines that are on the clipboard."""
        self.runAll([python_executable(), "-c", slicer.app.clipboard().text()], folder)


def voxels(node) -> dict[str, np.ndarray]:
    """Name -> sorted RAS millimetres of the voxels of each segment, in the node's own frame."""
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    found, segmentation = {}, node.GetSegmentation()
    kind = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    for index in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(index)
        image, matrix = segment.GetRepresentation(kind), vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        affine = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
        extent = image.GetExtent()
        labels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
        ijk = np.argwhere(labels == segment.GetLabelValue())[:, ::-1] + np.array(extent[::2])
        points = ijk @ affine[:3, :3].T + affine[:3, 3]
        found[segment.GetName()] = points[np.lexsort(np.round(points, 2).T)]
    return found


def wanted(structures: StructureSet = TWO) -> dict[str, np.ndarray]:
    """The same of structures in memory."""
    found = {}
    for structure in structures:
        points = structures.grid.to_lps(np.argwhere(structure.mask.to_array())[:, ::-1]) * (-1, -1, 1)
        found[structure.name] = points[np.lexsort(np.round(points, 2).T)]
    return found


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return sorted(a) == sorted(b) and all(
        a[name].shape == b[name].shape and np.abs(a[name] - b[name]).max(initial=0) < 0.01 for name in a
    )
