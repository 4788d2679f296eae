"""Structures of a function: a segmentation of the scene, or files on the disk."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _

from .load_section import looksLikeDicom
from .scene_inputs import JobFiles, isInScene
from .section import Section, shortText

__all__ = ["StructuresInput"]

SCENE, FILES = "scene", "files"


class StructuresInput:
    """Three rows of a section's form: where the structures are, the segmentation, the path.

    The section's parameters have `<prefix>Source` (str), `<prefix>Node` (vtkMRMLSegmentationNode), `<prefix>Path`
    (str); its .ui has `<prefix>SourceSelector` (QComboBox with the two items), `<prefix>NodeSelector`,
    `<prefix>PathEdit` and their labels. The section lists the path in its `paths`.

    Parameters
    ----------
    required:
        False when the function can do without structures.
    """

    def __init__(self, section: Section, prefix: str, required: bool = True):
        self._section, self._prefix, self._required = section, prefix, required
        section.wire(f"{prefix}SourceSelector", "currentIndexChanged(int)", self.onSourceChanged)

    def onSourceChanged(self, index: int) -> None:
        """Keep the choice with the scene."""
        if self._section.parameters and not self._section.page.refreshing:
            setattr(self._section.parameters, f"{self._prefix}Source", (SCENE, FILES)[index])

    def refresh(self, isVisible: bool = True) -> None:
        """Show the row that counts; none while the function has no use for structures."""
        self._widget("SourceSelector").currentIndex = int(self.isFiles)
        rows = {"Source": isVisible, "Node": isVisible and not self.isFiles, "Path": isVisible and self.isFiles}
        for name, shown in rows.items():
            self._widget(f"{name}Label").setVisible(shown)
            self._widget(f"{name}{'Edit' if name == 'Path' else 'Selector'}").setVisible(shown)

    @property
    def isFiles(self) -> bool:
        return self._member("Source") == FILES

    @property
    def node(self):
        """The chosen segmentation, None when there is none or when files are chosen."""
        found = None if self.isFiles else self._member("Node")
        return found if isInScene(found) else None

    @property
    def path(self) -> str:
        """The chosen path, "" when a segmentation is chosen."""
        return self._member("Path") if self.isFiles else ""

    @property
    def isGiven(self) -> bool:
        return bool(self.path) or self.node is not None

    @property
    def needsCt(self) -> bool:
        """Whether the files are DICOM, which refers to a CT."""
        return bool(self.path) and looksLikeDicom(Path(self.path))

    def problem(self) -> str:
        """Why there are no structures to work on, or ""."""
        if not self.isGiven:
            if not self._required:
                return ""
            files = _("Choose a file with structures, or a folder of masks.")
            return files if self.isFiles else _("Select the segmentation, or choose files on the disk.")
        if self.isFiles and not Path(self.path).exists():
            text = _("{path} does not exist: choose another file or folder.")
            return text.format(path=shortText(self.path))
        if self.node is not None and self.node.GetSegmentation().GetNumberOfSegments() == 0:
            text = _("“{name}” has no segments: select another segmentation.")
            return text.format(name=self.node.GetName())
        return ""

    def file(self, files: JobFiles) -> Path | None:
        """The structures as a path for the task; None when there are none.

        Raises
        ------
        NotSaved
            the segmentation would have to be written, and `files` may not.
        """
        if self.isFiles:
            return Path(self.path) if self.path else None
        return files.segmentation(self.node) if self.node is not None else None

    def _member(self, name: str):
        return getattr(self._section.currentParameters(), f"{self._prefix}{name}")

    def _widget(self, name: str):
        return getattr(self._section.ui, f"{self._prefix}{name}")
