"""Function "Load structures": RTSTRUCT, DICOM SEG, .seg.nrrd, a label map or a folder of masks as a segmentation."""

from __future__ import annotations

from pathlib import Path

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from .ct_input import CtInput
from .scene_inputs import JobFiles
from .scene_results import SegmentationPlace
from .section import Job, Section, shortText, taskNamed

__all__ = ["LoadParameters", "LoadSection", "looksLikeDicom"]


@parameterNodeWrapper
class LoadParameters:
    """Which structures, of which CT; saved with the scene.

    structuresPath:
        a file or a folder of masks.
    loadCtSource, loadCtVolume, loadCtPath:
        the CT that they belong to, see CtInput; DICOM structures need its series.
    standardNames:
        rename structures that the table knows to their TG-263 names.
    loadedSegmentation:
        where the structures go; a new one is made when there is none.
    """

    structuresPath: str
    loadCtSource: str
    loadCtVolume: vtkMRMLScalarVolumeNode
    loadCtPath: str
    standardNames: bool
    loadedSegmentation: vtkMRMLSegmentationNode


class LoadSection(Section):
    """Settings of `dose3d structures convert` towards the scene."""

    name = "load"
    title = _("Load structures from a file")
    uiFile = "Dose3DSegmentLoad.ui"
    parametersClass = LoadParameters
    resultPart = "loadResultCollapsibleButton"
    paths = {"structuresPathEdit": "structuresPath", "loadCtPathEdit": "loadCtPath"}
    readyText = _("Load the structures into the scene")
    task = taskNamed("structures", "convert")

    def setup(self) -> None:
        self.ct = CtInput(self, "loadCt", required=False)
        self.place = SegmentationPlace()
        self.wire("loadUndoButton", "clicked()", self.onUndoButton)

    def onSceneClosed(self) -> None:
        self.place.forget()

    def onUndoButton(self) -> None:
        """Bring back what the segmentation held before the structures came."""
        self.place.undo()
        self.page.panel.say(_("Undone: the segmentation is as it was before the structures were loaded."))
        self.refresh()

    def refresh(self) -> None:
        self.ct.refresh()
        self.ui.loadUndoButton.setEnabled(self.place.canUndo)
        obstacle = "" if self.place.canUndo else _("Nothing to undo: no structures were loaded into this scene yet.")
        self.ui.loadUndoButton.toolTip = obstacle or _("Bring back what the segmentation held before")

    def problem(self) -> str:
        path = self.currentParameters().structuresPath
        if not path:
            return _("Choose a file with structures, or a folder of masks.")
        if not Path(path).exists():
            return _("{path} does not exist: choose another file or folder.").format(path=shortText(path))
        if looksLikeDicom(Path(path)) and not self.ct.path and self.ct.volume is None:
            return _("DICOM structures need the CT that they belong to: select it.")
        return self.ct.problem()

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import structures_convert

        path = Path(self.currentParameters().structuresPath)
        # Structures that are no DICOM know their own place; the CT would only bring them onto another grid.
        source = self.ct.source(files) if looksLikeDicom(path) else None
        settings = structures_convert.Settings(
            structures=path,
            output=files.output("structures.seg.nrrd"),
            ct=source.path if source else None,
            series=source.series if source else None,
            standard_names=self.currentParameters().standardNames,
        )
        volume, ctPath = self.ct.volume, self.ct.path
        return Job(self.task, settings, lambda result: self.show(result, path, volume, ctPath))

    def show(self, result, path: Path, volume, ctPath: str) -> None:
        """Bring the structures into the scene and select them on the page."""
        volume = self.ct.nodeForResult(volume, ctPath)
        node = self.place.putConverted(result, path, volume, self.currentParameters().loadedSegmentation)
        self.currentParameters().loadedSegmentation = node
        self.page.handOn(node)
        self.refresh()


def looksLikeDicom(path: Path) -> bool:
    """By name or by the mark at byte 128; cheap enough for each change of the page."""
    if not path.is_file():
        return False
    if path.suffix.lower() in (".dcm", ".ima", ""):
        return True
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
