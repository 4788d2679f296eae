"""The CT of a function: a volume of the scene, or files on the disk."""

from __future__ import annotations

from pathlib import Path

import slicer
from Dose3DLib.core.errors import InputError
from slicer.i18n import tr as _

from .scene_inputs import JobFiles, VolumeSource, gridOfVolume, isInScene
from .section import Section, shortText
from .volumes import hasImage

__all__ = ["FILES", "SCENE", "CtInput"]

SCENE, FILES = "scene", "files"


class CtInput:
    """Three rows of a section's form: where the CT is, the volume, the path.

    The section's parameters have `<prefix>Source` (str), `<prefix>Volume` (node), `<prefix>Path` (str); its .ui has
    `<prefix>SourceSelector` (QComboBox with the two items), `<prefix>VolumeSelector`, `<prefix>PathEdit` and their
    labels `<prefix>VolumeLabel`, `<prefix>PathLabel`. The section lists the path in its `paths`.

    Parameters
    ----------
    required:
        False when the function can do without a CT.
    """

    def __init__(self, section: Section, prefix: str, required: bool = True):
        self._section, self._prefix, self._required = section, prefix, required
        section.wire(f"{prefix}SourceSelector", "currentIndexChanged(int)", self.onSourceChanged)

    def onSourceChanged(self, index: int) -> None:
        """Keep the choice with the scene."""
        if self._section.parameters and not self._section.page.refreshing:
            setattr(self._section.parameters, f"{self._prefix}Source", (SCENE, FILES)[index])

    def refresh(self, isVisible: bool = True) -> None:
        """Show the row that counts; none while the function has no use for a CT."""
        self._widget("SourceSelector").currentIndex = int(self.isFiles)
        for part in ("SourceLabel", "SourceSelector"):
            self._widget(part).setVisible(isVisible)
        for part in ("VolumeLabel", "VolumeSelector"):
            self._widget(part).setVisible(isVisible and not self.isFiles)
        for part in ("PathLabel", "PathEdit"):
            self._widget(part).setVisible(isVisible and self.isFiles)

    def chooseDefaults(self) -> None:
        """The first scalar volume of the scene, while none is chosen."""
        if self._required and self.volume is None:
            first = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if first is not None:
                setattr(self._section.parameters, f"{self._prefix}Volume", first)

    @property
    def isFiles(self) -> bool:
        return self._member("Source") == FILES

    @property
    def volume(self):
        """The chosen volume node, None when there is none or when files are chosen."""
        node = None if self.isFiles else self._member("Volume")
        return node if isInScene(node) else None

    @property
    def path(self) -> str:
        """The chosen path, "" when a volume is chosen."""
        return self._member("Path") if self.isFiles else ""

    @property
    def isGiven(self) -> bool:
        """Whether there is a CT, be it one that cannot be used."""
        return bool(self.path) or self.volume is not None

    def problem(self) -> str:
        """Why there is no CT to work on, or ""."""
        if self.isFiles:
            return self._pathProblem()
        if self.volume is None:
            return _("Select the CT volume, or choose files on the disk.") if self._required else ""
        if not hasImage(self.volume):
            return _("“{name}” holds no image: select another volume.").format(name=self.volume.GetName())
        return ""

    def _pathProblem(self) -> str:
        if not self.path:
            return _("Choose the folder of the CT series, one of its files, or an image file.")
        if not Path(self.path).exists():
            return _("{path} does not exist: choose another file or folder.").format(path=shortText(self.path))
        return ""

    def source(self, files: JobFiles) -> VolumeSource | None:
        """The CT as a path for the task; None when there is none and it is not required."""
        if self.isFiles:
            path = Path(self.path)
            return VolumeSource(path, isDicom=path.is_dir(), isSaved=True)
        return files.volume(self.volume) if self.volume is not None else None

    def grid(self):
        """The grid of the chosen volume; None for files, which are not opened before the job."""
        return gridOfVolume(self.volume) if self.volume is not None and hasImage(self.volume) else None

    def nodeForResult(self, volume, path: str):
        """The volume node that a result belongs to: the one the job began with, or its files as a new volume.

        Raises
        ------
        RuntimeError
            the volume was removed meanwhile.
        """
        if path:
            return _loaded(Path(path))
        if volume is not None and not isInScene(volume):
            raise RuntimeError(_("The CT volume was removed from the scene; its structures were not added."))
        return volume

    def _member(self, name: str):
        return getattr(self._section.currentParameters(), f"{self._prefix}{name}")

    def _widget(self, name: str):
        return getattr(self._section.ui, f"{self._prefix}{name}")


def _loaded(path: Path):
    """A CT from files as a volume of the scene; the one that an earlier result brought is used again."""
    from Dose3DLib.core.progress import Progress
    from Dose3DLib.scene.nodes import add_volume, show_volume
    from Dose3DLib.tasks.ct_source import load_ct

    place = str(path.resolve())
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if node.GetAttribute("Dose3D.LoadedFrom") == place:
            return node
    try:
        source = load_ct(path, None, False, Progress())
    except InputError as error:  # the job has read it: it went away meanwhile
        raise RuntimeError(str(error)) from error
    node = add_volume(slicer.mrmlScene, source.volume, source.patient.get("series") or path.name)
    node.SetAttribute("Dose3D.LoadedFrom", place)
    show_volume(slicer.mrmlScene, node)
    return node
