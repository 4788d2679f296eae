"""What a network (or a file) gave, kept beside the segmentation that a human goes on to edit.

The original is a hidden segmentation of the scene which the edited one refers to: a scene that is saved and loaded
brings it back. Its segments are copies, since Segment Editor changes label maps in place.
"""

from __future__ import annotations

import slicer

from .scene_inputs import isInScene

__all__ = ["keepOriginal", "originalOf", "removeOrphans", "restoreOriginal"]

ROLE = "Dose3D.original"
"""Node reference from the segmentation that is reviewed to its original."""
MARK = "Dose3D.IsOriginal"


def originalOf(node):
    """The hidden original of a segmentation, None when it has none."""
    original = node.GetNodeReference(ROLE) if node is not None else None
    return original if isInScene(original) else None


def keepOriginal(node) -> list | None:
    """Keep the present segments of a segmentation as its original.

    Returns the segments of the original that it had before, for `restoreOriginal`; None when it had none of its own.
    """
    original, former = _ownOriginal(node), None
    if original is None:
        original = _addHidden(node)
    else:
        former = _segments(original.GetSegmentation())
        original.GetSegmentation().RemoveAllSegments()
    original.GetSegmentation().DeepCopy(node.GetSegmentation())
    original.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    return former


def restoreOriginal(node, former: list | None) -> None:
    """Bring back what `keepOriginal` replaced; without any the segmentation has no original again."""
    original = originalOf(node)
    if original is None:
        return
    if former is None:
        node.SetNodeReferenceID(ROLE, None)
        removeOrphans()
        return
    segmentation = original.GetSegmentation()
    segmentation.RemoveAllSegments()
    for segmentId, segment in former:
        segmentation.AddSegment(segment, segmentId)


def removeOrphans() -> None:
    """Remove originals that no segmentation refers to any more (theirs was deleted)."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    used = {node.GetNodeReferenceID(ROLE) for node in nodes}
    for node in nodes:
        if node.GetAttribute(MARK) and node.GetID() not in used:
            slicer.mrmlScene.RemoveNode(node)


def _ownOriginal(node):
    """The original, unless another segmentation (a clone) refers to it as well: that one keeps it."""
    original = originalOf(node)
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if original else []
    sharers = [one for one in nodes if one.GetNodeReferenceID(ROLE) == original.GetID()]
    return original if len(sharers) == 1 else None


def _addHidden(node):
    """A segmentation without a display node, which no list and no view shows, but which is saved."""
    original = slicer.vtkMRMLSegmentationNode()
    original.SetName(f"{node.GetName()} (original)")
    original.SetHideFromEditors(1)
    original.SetAttribute(MARK, "1")
    slicer.mrmlScene.AddNode(original)
    node.SetNodeReferenceID(ROLE, original.GetID())
    return original


def _segments(segmentation) -> list:
    ids = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
    return [(segmentId, segmentation.GetSegment(segmentId)) for segmentId in ids]
