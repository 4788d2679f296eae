"""A dose in the scene: colours, isodoses, difference; found again by references that are saved with the scene."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
import vtk
from Dose3DLib.dose.colors import DoseColors, difference_colors
from Dose3DLib.scene.color_nodes import legend_of
from Dose3DLib.scene.dose_nodes import DoseLook, Isodose, add_isodoses, style_difference, style_dose
from Dose3DLib.scene.nodes import scalar_volume
from slicer.i18n import tr as _

from .maps import loadMap, removeMap, showLayers
from .scene_inputs import isInScene, setProvenance
from .scene_results import provenanceOf

__all__ = ["DoseDisplay", "DoseResult"]

ISODOSE, DIFFERENCE, CT = "dose3dIsodose", "dose3dDifference", "dose3dCt"
"""Roles of the references from a dose to what belongs to it."""

SUMMARY = "Dose3D.Summary"
MADE = "Dose3D.MadeFor"
"""Marks a dose that came from a file: removing the result removes it, too."""

COLORS = 256


@dataclass(frozen=True)
class DoseResult:
    """The output of `dose show`."""

    folder: Path

    def summary(self) -> dict:
        """summary.json."""
        return json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))

    def volume(self):
        """The dose as it was read, a `Volume`."""
        from Dose3DLib.geometry.volume_files import read_volume

        return read_volume(self.folder / "dose.nrrd")


class DoseDisplay:
    """Shows results of `dose show` in the scene, and changes how they are shown."""

    def show(self, result: DoseResult, node, ctNode, name: str):
        """Style a dose volume (a new one when `node` is None) with isodoses and difference; returns the node.

        What an earlier result had brought for this dose is removed.
        """
        summary = result.summary()
        if node is None:
            node = scalar_volume(slicer.mrmlScene, result.volume(), name)
            node.SetAttribute(MADE, "dose show")
        self.dress(node, summary, ctNode)
        if "difference" in summary:
            self._addDifference(result, node, summary)
        setProvenance(node, **provenanceOf(result.folder))
        return node

    def dress(self, node, summary: dict, ctNode) -> None:
        """Give a dose volume the colours and isodoses of `summary` (as summary.json of `dose show`) instead of its own.

        What an earlier result had brought for this dose is removed.
        """
        self._removeParts(node)
        levels = summary["levels"]
        top = summary["maximum"]
        colors = DoseColors(tuple(level["dose"] for level in levels), top)
        table = colors.table(np.linspace(0.0, top, COLORS))
        style_dose(slicer.mrmlScene, node, DoseLook(table, 0.0, top, levels[0]["dose"], summary["units"], _("Dose")))
        isodoses = [Isodose(level["dose"], level["label"], tuple(level["color"])) for level in levels]
        for surface in add_isodoses(slicer.mrmlScene, slicer.util.arrayFromVolume(node), isodoses, node):
            node.AddNodeReferenceID(ISODOSE, surface.GetID())
        node.SetNodeReferenceID(CT, ctNode.GetID() if ctNode is not None else None)
        node.SetAttribute(SUMMARY, json.dumps(_short(summary)))

    def _addDifference(self, result: DoseResult, node, summary: dict) -> None:
        name = _("{dose} difference").format(dose=node.GetName())
        difference = loadMap(result.folder / "difference.nrrd", name)
        found = summary["difference"]
        limit = max(abs(found["lowest"]), abs(found["highest"])) or 1e-3 * summary["maximum"]
        look = DoseLook(difference_colors(COLORS), -limit, limit, None, summary["units"], _("Difference"))
        style_difference(slicer.mrmlScene, difference, look)
        difference.SetAndObserveTransformNodeID(node.GetTransformNodeID())
        difference.SetAttribute(MADE, "dose show")
        setProvenance(difference, **provenanceOf(result.folder))
        node.SetNodeReferenceID(DIFFERENCE, difference.GetID())

    # What belongs to a dose

    def isodoses(self, node) -> list:
        """The surfaces of a dose."""
        return [node.GetNthNodeReference(ISODOSE, n) for n in range(node.GetNumberOfNodeReferences(ISODOSE))]

    def difference(self, node):
        """The difference volume of a dose, or None."""
        found = node.GetNodeReference(DIFFERENCE)
        return found if isInScene(found) else None

    def summary(self, node) -> dict:
        """Numbers of a dose that was shown, {} for another volume."""
        return json.loads(node.GetAttribute(SUMMARY) or "{}")

    def isShown(self, node) -> bool:
        """Whether a volume is a dose that a result was shown on."""
        return isInScene(node) and bool(node.GetAttribute(SUMMARY))

    # How it is shown

    def setLayers(self, node, opacity: float, showsDifference: bool) -> None:
        """The dose or its difference over the CT in all slice views; only the shown one has its colour legend."""
        ct, difference = node.GetNodeReference(CT), self.difference(node)
        shown = difference if showsDifference and difference is not None else node
        showLayers(shown, (node, difference), ct, opacity)

    def setIsodosesVisible(self, node, visible: bool) -> None:
        """Lines in the slices and surfaces in 3-D."""
        for surface in self.isodoses(node):
            surface.GetDisplayNode().SetVisibility(visible)

    def goToHighest(self, node) -> None:
        """All slice views cut through the voxel of the highest dose."""
        x, y, z = self.summary(node)["maximum_at_lps_mm"]
        place = _toWorld(node, [-x, -y, z])
        for index in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
            slicer.mrmlScene.GetNthNodeByClass(index, "vtkMRMLSliceNode").JumpSliceByCentering(*place)

    def remove(self, node) -> None:
        """Take back what a result brought: isodoses, difference, and a dose that came from a file."""
        self._removeParts(node)
        legend = legend_of(node)
        if node.GetAttribute(MADE):
            removeMap(node)
            return
        if legend is not None:
            slicer.mrmlScene.RemoveNode(legend)
        node.RemoveAttribute(SUMMARY)

    def _removeParts(self, node) -> None:
        for part in [*self.isodoses(node), self.difference(node)]:
            removeMap(part)
        node.RemoveNodeReferenceIDs(ISODOSE)
        node.RemoveNodeReferenceIDs(DIFFERENCE)


def _toWorld(node, ras: list[float]) -> list[float]:
    """A place of the node's own frame under the transforms above it, which may be non-linear."""
    transform, moved = vtk.vtkGeneralTransform(), [0.0, 0.0, 0.0]
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    transform.TransformPoint(ras, moved)
    return moved


def _short(summary: dict) -> dict:
    kept = ("units", "maximum", "maximum_at_lps_mm", "d2cc", "difference", "levels")
    return {name: summary[name] for name in kept if name in summary}
