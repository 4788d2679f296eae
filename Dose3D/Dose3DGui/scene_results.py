"""Structures as a segmentation of the scene: into a new node or a chosen one, with provenance, and back again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import slicer
from Dose3DLib.scene.nodes import add_segmentation

from .review_original import keepOriginal, removeOrphans, restoreOriginal
from .scene_inputs import isInScene, setProvenance

__all__ = ["SegmentationPlace", "provenanceOf", "removeWithDisplay", "showInSlices"]

UNREVIEWED = "UNAPPROVED"
"""DICOM's Approval Status (300E,0002) of what no human has looked at."""


@dataclass(frozen=True)
class _Before:
    """What a segmentation held before; `segments` is None for a node that was not there."""

    node: object
    segments: list | None = None
    display: object = None
    attributes: dict | None = None
    transform: str | None = None
    reference: str | None = None


class SegmentationPlace:
    """Puts structures into the scene and can take the last ones back.

    Slicer's own undo is switched off by default and does not hold segmentations, so the former segments are kept here:
    the very objects, not copies, since a new result replaces and never changes them.
    """

    def __init__(self):
        self._before: _Before | None = None
        self._formerOriginal: list | None = None

    @property
    def canUndo(self) -> bool:
        return self._before is not None and isInScene(self._before.node)

    def put(self, structures, name: str, volumeNode, target=None, provenance: dict[str, str] | None = None):
        """Add the structures as a new segmentation `name`, or in place of what `target` holds; returns the node.

        `volumeNode` (or None) gives reference geometry and transform; `provenance` becomes `Dose3D.*` attributes.
        """
        made = add_segmentation(slicer.mrmlScene, structures, name, volumeNode)
        if target is None:
            self._before = _Before(made)
        else:
            self._before = _remember(target)
            _replaceContent(target, made)
            removeWithDisplay(made)
            made = target
        _setAttributes(made, {})
        setProvenance(made, ReviewStatus=UNREVIEWED, **(provenance or {}))
        self._formerOriginal = keepOriginal(made)
        return made

    def putConverted(self, result, source: Path, volumeNode, target=None):
        """Put what `structures convert` wrote as .seg.nrrd; it is called as the file or folder that it came from.

        A `target` that has left the scene is taken for none.
        """
        import Dose3DLib
        from Dose3DLib.geometry.segnrrd import read_seg_nrrd

        facts = {"Task": "structures convert", "Version": Dose3DLib.__version__, "Source": str(source)}
        structures = read_seg_nrrd(Path(result.output))
        return self.put(structures, source.name, volumeNode, target if isInScene(target) else None, facts)

    def undo(self) -> None:
        """Bring back what the segmentation held, or remove the one that was made."""
        before, self._before = self._before, None
        if before is None or not isInScene(before.node):
            return
        if before.segments is None:
            removeWithDisplay(before.node)
            removeOrphans()
        else:
            restoreOriginal(before.node, self._formerOriginal)
            _restore(before)

    def forget(self) -> None:
        """The scene goes away."""
        self._before = self._formerOriginal = None


def removeWithDisplay(node) -> None:
    """Remove a displayable node and its display nodes, which the scene would keep."""
    displays = [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    for gone in (node, *filter(None, displays)):
        slicer.mrmlScene.RemoveNode(gone)


def showInSlices(volume) -> None:
    """Show a volume in the slice views; views that show it already stay as the user has set them."""
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    if any(node.GetBackgroundVolumeID() != volume.GetID() for node in composites):
        slicer.util.setSliceViewerLayers(background=volume, fit=True)


def provenanceOf(folder: Path, name: str = "provenance.json") -> dict[str, str]:
    """A result's provenance.json in the few words that a node carries; names as attributes have them."""
    record = json.loads((folder / name).read_text(encoding="utf-8"))
    facts = {"Task": record["task"], "Version": record["software"]["Dose3D"], "Created": record["made_utc"]}
    if "model" in record:
        facts["Model"] = f"{record['model']['name']} {record['model'].get('version', '')}".strip()
        facts["ModelSHA256"] = record["model"]["weights_sha256"] or ""
    if "device" in record:
        facts["Device"] = record["device"]
    return facts


def _segments(segmentation) -> list:
    ids = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
    return [(segmentId, segmentation.GetSegment(segmentId)) for segmentId in ids]


def _attributes(node) -> dict[str, str]:
    return {name: node.GetAttribute(name) for name in node.GetAttributeNames() if name.startswith("Dose3D.")}


def _setAttributes(node, wanted: dict[str, str]) -> None:
    """Exactly these `Dose3D.*` attributes."""
    for name in _attributes(node):
        node.RemoveAttribute(name)
    for name, value in wanted.items():
        node.SetAttribute(name, value)


def _remember(node) -> _Before:
    display = slicer.vtkMRMLSegmentationDisplayNode()
    if node.GetDisplayNode() is not None:
        display.CopyContent(node.GetDisplayNode())
    reference = node.GetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole())
    return _Before(
        node, _segments(node.GetSegmentation()), display, _attributes(node), node.GetTransformNodeID(), reference
    )


def _replaceContent(target, made) -> None:
    """All that a result decides: segments, how they are shown, transform and reference geometry."""
    _fill(target, _segments(made.GetSegmentation()), made.GetDisplayNode())
    target.SetAndObserveTransformNodeID(made.GetTransformNodeID())
    _setReference(target, made.GetNodeReferenceID(made.GetReferenceImageGeometryReferenceRole()))


def _restore(before: _Before) -> None:
    _fill(before.node, before.segments, before.display)
    _setAttributes(before.node, before.attributes)
    before.node.SetAndObserveTransformNodeID(before.transform)
    _setReference(before.node, before.reference)


def _fill(node, segments: list, display) -> None:
    segmentation = node.GetSegmentation()
    segmentation.RemoveAllSegments()
    for segmentId, segment in segments:
        segmentation.AddSegment(segment, segmentId)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().CopyContent(display)


def _setReference(node, volumeId: str | None) -> None:
    volume = slicer.mrmlScene.GetNodeByID(volumeId) if volumeId else None
    if volume is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
