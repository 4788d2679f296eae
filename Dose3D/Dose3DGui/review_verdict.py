"""Who reviewed a segmentation, when and with which result: attributes of the node, taken back when it is edited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import slicer

from .review_original import MARK
from .scene_inputs import isInScene
from .section import optionOf, taskNamed

__all__ = ["STATUSES", "Verdict", "VerdictWatch", "setVerdict", "takeBack", "verdictOf"]

STATUSES = optionOf(taskNamed("structures", "review"), "status").choices
"""DICOM's Approval Status (300E,0002)."""
_NAMES = {"status": "ReviewStatus", "reviewer": "Reviewer", "reviewedAt": "ReviewedAt", "voxels": "ReviewedVoxels",
          "former": "ReviewTakenBack"}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What the node says; `voxels` is the fingerprint of what was reviewed, `former` a verdict that an edit ended."""

    status: str = "UNAPPROVED"
    reviewer: str = ""
    reviewedAt: str = ""
    voxels: str = ""
    former: str = ""

    @property
    def isGiven(self) -> bool:
        return self.status != "UNAPPROVED"

    @property
    def words(self) -> str:
        return f"{self.status}, {self.reviewer}, {self.reviewedAt.replace('T', ' ')}"


def verdictOf(node) -> Verdict:
    """The verdict on a segmentation; UNAPPROVED where none was given."""
    found = {field: node.GetAttribute(f"Dose3D.{name}") or "" for field, name in _NAMES.items()}
    return Verdict(**{**found, "status": found["status"] if found["status"] in STATUSES else "UNAPPROVED"})


def setVerdict(node, verdict: Verdict) -> None:
    """Keep a verdict on the segmentation, which is saved with it."""
    for field, name in _NAMES.items():
        value = getattr(verdict, field)
        if value:
            node.SetAttribute(f"Dose3D.{name}", value)
        else:
            node.RemoveAttribute(f"Dose3D.{name}")


def takeBack(node) -> str:
    """Make an approved or rejected segmentation UNAPPROVED again; the verdict that ended, "" when there was none."""
    verdict = verdictOf(node)
    if not verdict.isGiven:
        return ""
    setVerdict(node, Verdict(former=verdict.words))
    return verdict.words


class VerdictWatch:
    """Watches all segmentations of the scene for edits, whatever module makes them.

    Colours, visibility and surfaces are no edits; voxels, names and which structures there are.

    Parameters
    ----------
    page:
        a VTKObservationMixin, whose observers go with it.
    edited:
        called with the node.
    """

    def __init__(self, page, edited: Callable[[object], None]):
        self._page, self._edited = page, edited
        self._names: dict[str, tuple[object, list[str]]] = {}

    def watch(self) -> None:
        """Take in new segmentations, leave those that have gone."""
        self.forgetGone()
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            if node.GetID() not in self._names and not node.GetAttribute(MARK):
                self._names[node.GetID()] = node, _names(node)
                for event in self._editEvents():
                    self._page.addObserver(node, event, self.onEdited)
                self._page.addObserver(node, slicer.vtkSegmentation.SegmentModified, self.onSegmentModified)

    def forgetGone(self) -> None:
        """Leave what is no longer in the scene."""
        for key, (node, _) in list(self._names.items()):
            if not isInScene(node):
                self._forget(key)

    def forgetAll(self) -> None:
        """The scene goes away."""
        for key in list(self._names):
            self._forget(key)

    def onEdited(self, node, event) -> None:
        """Voxels have changed, or a structure came or went."""
        self._names[node.GetID()] = node, _names(node)
        self._edited(node)

    def onSegmentModified(self, node, event) -> None:
        """A new name is an edit, a new colour is none."""
        if self._names.get(node.GetID(), (node, None))[1] != _names(node):
            self.onEdited(node, event)

    def _forget(self, key: str) -> None:
        node, _ = self._names.pop(key)
        for event in self._editEvents():
            self._page.removeObserver(node, event, self.onEdited)
        self._page.removeObserver(node, slicer.vtkSegmentation.SegmentModified, self.onSegmentModified)

    @staticmethod
    def _editEvents() -> tuple[int, ...]:
        kind = slicer.vtkSegmentation
        return kind.SourceRepresentationModified, kind.SegmentAdded, kind.SegmentRemoved


def _names(node) -> list[str]:
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]
