"""Function "Convert structures": from files or the scene, to a file, a folder or the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, parameterNodeWrapper

from .ct_input import CtInput
from .load_section import looksLikeDicom
from .scene_inputs import JobFiles, isInScene
from .scene_results import SegmentationPlace
from .section import Job, Section, optionOf, shortText, taskNamed
from .tables import fillTable, prepareTable

__all__ = ["StructuresParameters", "StructuresSection"]

TASK = taskNamed("structures", "convert")
OVERLAPS = optionOf(TASK, "overlaps")
SCENE, FILES = "scene", "files"


@parameterNodeWrapper
class StructuresParameters:
    """What is converted into what; saved with the scene.

    convertSource, convertSegmentation, convertPath:
        the structures: "scene" or "files", the segmentation, the path.
    namesPath:
        names of a label map's labels.
    convertCtSource, convertCtVolume, convertCtPath:
        the CT, see CtInput.
    convertTarget, convertOutput, convertedSegmentation:
        where they go: "files" or "scene", the path, the segmentation.
    convertSeg ... convertReplace:
        the settings of `structures convert` of these names.
    """

    convertSource: str
    convertSegmentation: vtkMRMLSegmentationNode
    convertPath: str
    namesPath: str
    convertCtSource: str
    convertCtVolume: vtkMRMLScalarVolumeNode
    convertCtPath: str
    convertTarget: str
    convertOutput: str
    convertSeg: bool
    convertOverlaps: Annotated[str, Choice(list(OVERLAPS.choices)), Default(OVERLAPS.default)]
    convertStandardNames: bool
    convertResample: bool
    convertSlices: bool
    convertLenient: bool
    convertReplace: bool
    convertedSegmentation: vtkMRMLSegmentationNode


class StructuresSection(Section):
    """Settings of `dose3d structures convert`."""

    name = "structures"
    title = _("Convert structures")
    uiFile = "Dose3DStructures.ui"
    parametersClass = StructuresParameters
    resultPart = "convertResultCollapsibleButton"
    paths = {
        "convertPathEdit": "convertPath",
        "namesPathEdit": "namesPath",
        "convertCtPathEdit": "convertCtPath",
        "convertOutputEdit": "convertOutput",
    }
    readyText = _("Convert the structures")
    task = TASK

    def setup(self) -> None:
        self.ct = CtInput(self, "convertCt", required=False)
        self.place = SegmentationPlace()
        prepareTable(self.ui.convertTable, [_("Structure"), _("Volume")])
        self.wire("convertSourceSelector", "currentIndexChanged(int)", self.onSourceChanged)
        self.wire("convertTargetSelector", "currentIndexChanged(int)", self.onTargetChanged)
        self.wire("convertUndoButton", "clicked()", self.onUndoButton)

    def onSceneClosed(self) -> None:
        self.place.forget()
        fillTable(self.ui.convertTable, [])

    # Handlers

    def onSourceChanged(self, index: int) -> None:
        """Keep the choice with the scene."""
        if self.parameters and not self.page.refreshing:
            self.parameters.convertSource = (SCENE, FILES)[index]

    def onTargetChanged(self, index: int) -> None:
        """Keep the choice with the scene."""
        if self.parameters and not self.page.refreshing:
            self.parameters.convertTarget = (FILES, SCENE)[index]

    def onUndoButton(self) -> None:
        """Bring back what the segmentation held before."""
        self.place.undo()
        self.page.panel.say(_("Undone: the segmentation is as it was before the structures came."))
        self.refresh()

    # What the page shows

    @property
    def fromScene(self) -> bool:
        return self.currentParameters().convertSource != FILES

    @property
    def toScene(self) -> bool:
        return self.currentParameters().convertTarget == SCENE

    @property
    def _hasCt(self) -> bool:
        return bool(self.ct.path) or self.ct.volume is not None

    def refresh(self) -> None:
        self.ct.refresh()
        self.ui.convertSourceSelector.currentIndex = 0 if self.fromScene else 1
        self.ui.convertTargetSelector.currentIndex = 1 if self.toScene else 0
        rows = {
            "convertSegmentation": ("Selector", self.fromScene),
            "convertPath": ("Edit", not self.fromScene),
            "namesPath": ("Edit", not self.fromScene and self._isLabelMap(self.currentParameters().convertPath)),
            "convertOutput": ("Edit", not self.toScene),
            "convertOverlaps": ("Selector", self._isLabelMap(self.outputName())),
        }
        for name, (kind, isVisible) in rows.items():
            getattr(self.ui, f"{name}Label").setVisible(isVisible)
            getattr(self.ui, f"{name}{kind}").setVisible(isVisible)
        self.ui.convertSegCheckBox.setVisible(self._isDicomOutput())
        self.ui.convertReplaceCheckBox.setVisible(not self.toScene)
        self.ui.convertUndoButton.setEnabled(self.place.canUndo)
        obstacle = "" if self.place.canUndo else _("Nothing to undo: no structures were brought into this scene yet.")
        self.ui.convertUndoButton.toolTip = obstacle or _("Bring back what the segmentation held before")

    def outputName(self) -> str:
        """Where the task writes: the path of the page, a temporary .seg.nrrd for the scene."""
        return "structures.seg.nrrd" if self.toScene else self.currentParameters().convertOutput

    @staticmethod
    def _isLabelMap(name: str) -> bool:
        from Dose3DLib.geometry.volume_files import image_suffix

        return bool(image_suffix(name)) and not name.lower().endswith(".seg.nrrd")

    def _isDicomOutput(self) -> bool:
        return self.outputName().lower().endswith(".dcm")

    # The job

    def problem(self) -> str:
        return self._sourceProblem() or self.ct.problem() or self._targetProblem()

    def _sourceProblem(self) -> str:
        parameters = self.currentParameters()
        if self.fromScene:
            node = parameters.convertSegmentation
            if not isInScene(node):
                return _("Select the segmentation, or choose files on the disk.")
            if node.GetSegmentation().GetNumberOfSegments() == 0:
                return _("“{name}” has no segments: select another segmentation.").format(name=node.GetName())
            return _("Both are in the scene: choose a file or a folder to write to.") if self.toScene else ""
        if not parameters.convertPath:
            return _("Choose a file with structures, or a folder of masks.")
        if not Path(parameters.convertPath).exists():
            text = _("{path} does not exist: choose another file or folder.")
            return text.format(path=shortText(parameters.convertPath))
        if looksLikeDicom(Path(parameters.convertPath)) and not self._hasCt:
            return _("DICOM structures need the CT that they belong to: select it.")
        return ""

    def _targetProblem(self) -> str:
        parameters = self.currentParameters()
        if not self.toScene and not parameters.convertOutput:
            return _("Choose where to write: a file, or a folder for masks.")
        if self._isDicomOutput() and not self._hasCt:
            return _("DICOM needs the CT that the structures belong to: select it.")
        if parameters.convertResample and not self._hasCt:
            return _("Structures are brought onto the grid of a CT: select it.")
        return ""

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import structures_convert

        parameters = self.currentParameters()
        ct, output = self.ct.source(files), self.outputName()
        path = files.segmentation(parameters.convertSegmentation) if self.fromScene else Path(parameters.convertPath)
        hasNames = not self.fromScene and self._isLabelMap(parameters.convertPath) and parameters.namesPath
        settings = structures_convert.Settings(
            structures=path,
            output=files.output(output) if self.toScene else Path(output),
            ct=ct.path if ct else None,
            series=ct.series if ct else None,
            names=Path(parameters.namesPath) if hasNames else None,
            seg=parameters.convertSeg and self._isDicomOutput(),
            overlaps=parameters.convertOverlaps if self._isLabelMap(output) else OVERLAPS.default,
            standard_names=parameters.convertStandardNames,
            lenient=parameters.convertLenient,
            resample=parameters.convertResample,
            resample_slices=parameters.convertSlices and ct is not None,
            overwrite=parameters.convertReplace and not self.toScene,
        )
        if not self.toScene:
            return Job(self.task, settings, self.showWritten)
        volume, ctPath = self.ct.volume, self.ct.path
        return Job(self.task, settings, lambda result: self.show(result, path, volume, ctPath))

    def showWritten(self, result) -> None:
        """List what was written."""
        fillTable(self.ui.convertTable, list(result.summary.items()))

    def show(self, result, path: Path, volume, ctPath: str) -> None:
        """Bring the structures into the scene and select them on the page."""
        volume = self.ct.nodeForResult(volume, ctPath)
        node = self.place.putConverted(result, path, volume, self.currentParameters().convertedSegmentation)
        self.currentParameters().convertedSegmentation = node
        self.showWritten(result)
        self.refresh()
