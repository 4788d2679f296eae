"""Fifty runs of a cheap job, the page left and opened again each time: nothing grows, neither scene nor memory."""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path
from unittest.mock import patch

import slicer

from gui_case import SHARED_DATA  # noqa: F401  # isort: skip (first: inside Slicer it makes the next ones known)
from Dose3DLib.geometry.segnrrd import write_seg_nrrd
from segment_case import slow
from test_structures_page import TWO, StructuresCase

WARM, RUNS = 10, 50
MOST_GROWTH_MB = 20.0
"""Between run 10 and run 50. A leak of half a megabyte a run would pass 20 MB; allocator noise does not."""


def resident_mb() -> float:
    """This process's memory that is in use, MB; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def children() -> set[str]:
    """Process ids of this process's children, ended ones that nobody waited for among them; Linux only."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def observers() -> dict[str, int]:
    """Observers of the scene and, together, of the nodes of each class, as VTK prints them."""
    scene, found = slicer.mrmlScene, {"scene": str(slicer.mrmlScene).count("Tag: ")}
    for index in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(index)
        found[node.GetClassName()] = found.get(node.GetClassName(), 0) + str(node).count("Tag: ")
    return found


class TestFiftyRuns(StructuresCase):
    """A file of structures becomes a segmentation of the scene, by way of the worker."""

    def setUp(self):
        super().setUp()
        if not Path("/proc/self/statm").exists():
            self.skipTest("memory and processes are read from /proc, which Linux has")
        (self.folder / "rooms").mkdir()
        change = patch.object(tempfile, "tempdir", str(self.folder / "rooms"))
        change.start()
        self.addCleanup(change.stop)
        write_seg_nrrd(TWO, self.folder / "Łódź µ.seg.nrrd")
        self.useFile(self.folder / "Łódź µ.seg.nrrd")
        self.choose(self.ui.convertTargetSelector, "Segmentation of the scene")

    def runAndReopen(self) -> None:
        self.assertIn("Done", self.runJob())
        slicer.util.selectModule("Dose3DSegment")
        slicer.util.selectModule(self.moduleName)
        self.spin(1)

    def state(self) -> dict:
        """Everything that may not grow, after what nobody holds any more is gone."""
        self.spin(50)
        gc.collect()
        return {
            "nodes": sorted(node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLNode")),
            "observers": observers(),
            "page": len(self.widget.Observations),
            "files": sorted(path.name for path in (self.folder / "rooms").iterdir()),
            "processes": len(children()),
        }

    @slow
    def test_nothing_grows(self):
        for _ in range(WARM):
            self.runAndReopen()
        before, memory = self.state(), resident_mb()
        for _ in range(RUNS - WARM):
            self.runAndReopen()
        self.assertEqual(self.state(), before)
        self.assertEqual(before["files"], [])
        growth = resident_mb() - memory
        print(f"memory after run {WARM}: {memory:.0f} MB, after run {RUNS}: {growth:+.1f} MB")
        self.assertLess(growth, MOST_GROWTH_MB)
        self.assertEqual(self.segmentNames(self.segmentation()), [one.name for one in TWO])
