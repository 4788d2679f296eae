"""Function "Find structures": a CT goes through a trained network and comes back as a segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import qt
from Dose3DLib.bundles.bundle import Bundle, find_bundle
from Dose3DLib.bundles.folder import shipped_bundles
from Dose3DLib.core.errors import Dose3DError
from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, parameterNodeWrapper

from .ct_input import CtInput
from .region import fitRoi, roiNumbers, roiProblem
from .scene_inputs import JobFiles, isInScene
from .scene_results import SegmentationPlace, provenanceOf, showInSlices
from .section import Job, Section, optionOf, shortText, taskNamed

__all__ = ["FindParameters", "FindSection"]

TASK = taskNamed("segment", "run")
MODEL, DEVICE = optionOf(TASK, "model"), optionOf(TASK, "device")


@parameterNodeWrapper
class FindParameters:
    """What is looked for, and where; saved with the scene.

    ctSource, ctVolume, ctPath:
        the CT in Hounsfield units, see CtInput.
    modelName, modelFolder:
        a shipped model; when the name is "", the bundle in the folder.
    leftOutOrgans:
        organs of the model that are not looked for; names of other models stay without effect.
    regionOfInterest:
        the organs are looked for in this box only.
    device:
        where the network runs.
    resultFolder, replaceResult:
        where masks, report and RTSTRUCT are kept as files; "" keeps none.
    outputSegmentation:
        where the structures go; a new one is made when there is none.
    """

    ctSource: str
    ctVolume: vtkMRMLScalarVolumeNode
    ctPath: str
    modelName: Annotated[str, Default(MODEL.default)]
    modelFolder: str
    leftOutOrgans: list[str]
    regionOfInterest: vtkMRMLMarkupsROINode
    device: Annotated[str, Choice(list(DEVICE.choices)), Default(DEVICE.default)]
    resultFolder: str
    replaceResult: bool
    outputSegmentation: vtkMRMLSegmentationNode


class FindSection(Section):
    """Settings of `dose3d segment run` and its result as a segmentation."""

    name = "find"
    title = _("Find structures on a CT")
    uiFile = "Dose3DSegment.ui"
    parametersClass = FindParameters
    resultPart = "resultCollapsibleButton"
    paths = {"ctPathEdit": "ctPath", "modelFolderEdit": "modelFolder", "resultFolderEdit": "resultFolder"}
    readyText = _("Find the structures")
    task = TASK

    def setup(self) -> None:
        self.ct = CtInput(self, "ct")
        self.place = SegmentationPlace()
        self._bundleKey = self._bundle = None
        self._shipped = shipped_bundles()
        titles = [_modelTitle(name) for name in self._shipped]
        self.ui.modelSelector.addItems([*titles, _("Model in a folder")])
        self.wire("modelSelector", "currentIndexChanged(int)", self.onModelChanged)
        self.wire("organsList", "itemChanged(QListWidgetItem*)", self.onOrganChecked)
        self.wire("allOrgansButton", "clicked()", self.onAllOrgansButton)
        self.wire("noOrgansButton", "clicked()", self.onNoOrgansButton)
        self.wire("roiSelector", "nodeAddedByUser(vtkMRMLNode*)", self.onRoiAdded)
        self.wire("undoButton", "clicked()", self.onUndoButton)

    def chooseDefaults(self) -> None:
        self.ct.chooseDefaults()

    def onSceneClosed(self) -> None:
        self.place.forget()

    # Handlers

    def onModelChanged(self, index: int) -> None:
        """A shipped model, or the folder below."""
        if self.parameters and not self.page.refreshing:
            self.parameters.modelName = self._shipped[index] if index < len(self._shipped) else ""

    def onOrganChecked(self, item) -> None:
        """Keep which organs are left out."""
        if self.parameters and not self.page.refreshing:
            self._leaveOut(lambda name, checked: not checked)

    def onAllOrgansButton(self) -> None:
        """Look for all."""
        self._leaveOut(lambda name, checked: False)

    def onNoOrgansButton(self) -> None:
        """Look for none: a start for choosing a few."""
        self._leaveOut(lambda name, checked: True)

    def onRoiAdded(self, node) -> None:
        """A new region begins as the box around the CT."""
        if self.ct.volume is not None:
            fitRoi(node, self.ct.volume)
            self.page.onParametersChanged()

    def onUndoButton(self) -> None:
        """Bring back what the segmentation held before the last result."""
        self.place.undo()
        self.page.panel.say(_("Undone: the segmentation is as it was before the last result."))
        self.refresh()

    def _leaveOut(self, isLeftOut) -> None:
        items = [self.ui.organsList.item(row) for row in range(self.ui.organsList.count)]
        left = [item.text() for item in items if isLeftOut(item.text(), item.checkState() == qt.Qt.Checked)]
        self.parameters.leftOutOrgans = left

    # What the page shows

    def refresh(self) -> None:
        self.ct.refresh()
        isFolder = self.currentParameters().modelName not in self._shipped
        name = self.currentParameters().modelName
        self.ui.modelSelector.currentIndex = len(self._shipped) if isFolder else self._shipped.index(name)
        self.ui.modelFolderLabel.setVisible(isFolder)
        self.ui.modelFolderEdit.setVisible(isFolder)
        self._refreshOrgans()
        self.ui.estimateLabel.text = self._estimateText()
        self.ui.undoButton.setEnabled(self.place.canUndo)
        obstacle = "" if self.place.canUndo else _("Nothing to undo: no result was brought into this scene yet.")
        self.ui.undoButton.toolTip = obstacle or _("Bring back what the segmentation held before the last result")

    def _refreshOrgans(self) -> None:
        organs = self.bundle().organs if self.bundle() else ()
        shown = self.ui.organsList
        if tuple(shown.item(row).text() for row in range(shown.count)) != organs:
            shown.clear()
            shown.addItems(list(organs))
        left = self.currentParameters().leftOutOrgans
        for row in range(shown.count):
            shown.item(row).setCheckState(qt.Qt.Unchecked if shown.item(row).text() in left else qt.Qt.Checked)

    def _estimateText(self) -> str:
        grid = self.ct.grid()
        if grid is None or self.bundle() is None:
            return _("Time and memory: known when a volume of the scene and a model are chosen")
        from Dose3DLib.segmentation.estimate import estimate

        expected = estimate(grid, self.bundle(), self.currentParameters().device, self._box())
        text = _("about {time}, {memory:.1f} GB of memory ({reason})")
        return text.format(
            time=_durationText(expected.seconds), memory=expected.memory_bytes / 1e9, reason=expected.reason
        )

    # The job

    def bundle(self) -> Bundle | None:
        """The chosen model, None when it cannot be used; read again when its files change."""
        name = self._model()
        metadata = Path(name) / "configs" / "metadata.json"
        key = (name, metadata.stat().st_mtime_ns if metadata.is_file() else None)
        if key != self._bundleKey:
            self._bundleKey = key
            try:
                self._bundle = find_bundle(name) if name else None
            except Dose3DError:
                self._bundle = None
        return self._bundle

    def _model(self) -> str:
        parameters = self.currentParameters()
        return parameters.modelName if parameters.modelName in self._shipped else parameters.modelFolder

    def organs(self) -> tuple[str, ...]:
        """The chosen organs in the model's order."""
        known = self.bundle().organs if self.bundle() else ()
        return tuple(name for name in known if name not in self.currentParameters().leftOutOrgans)

    def _roi(self):
        node = self.currentParameters().regionOfInterest
        return node if isInScene(node) else None

    def _box(self) -> tuple[float, ...]:
        """The task's `roi`: six numbers, or none."""
        return roiNumbers(self._roi()) if self._roi() is not None and not self._regionProblem() else ()

    def problem(self) -> str:
        return self.ct.problem() or self._modelProblem() or self._regionProblem()

    def _modelProblem(self) -> str:
        if not self._model():
            return _("Choose the folder of a model.")
        if self.bundle() is None:
            return _refusal(self._model())
        return "" if self.organs() else _("Check at least one organ.")

    def _regionProblem(self) -> str:
        return roiProblem(self._roi(), self.ct.volume) if self._roi() is not None else ""

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import segment_run

        parameters, source, organs = self.currentParameters(), self.ct.source(files), self.organs()
        settings = segment_run.Settings(
            ct=source.path,
            series=source.series,
            output=Path(parameters.resultFolder) if parameters.resultFolder else files.output("structures"),
            model=self._model(),
            organs=() if organs == self.bundle().organs else organs,
            roi=self._box(),
            device=parameters.device,
            overwrite=parameters.replaceResult and bool(parameters.resultFolder),
        )
        volume, path = self.ct.volume, self.ct.path
        return Job(self.task, settings, lambda result: self.show(result, volume, path))

    def show(self, result, volume, path: str) -> None:
        """Bring the masks into the scene and select them on the page."""
        from Dose3DLib.geometry.mask_files import read_masks

        structures = read_masks(Path(result.output) / "masks", None)
        volume = self.ct.nodeForResult(volume, path)
        chosen = self.currentParameters().outputSegmentation
        target = chosen if isInScene(chosen) else None
        name = _("{volume} structures").format(volume=volume.GetName())
        node = self.place.put(structures, name, volume, target, provenanceOf(Path(result.output)))
        self.currentParameters().outputSegmentation = node
        self.page.handOn(node)
        showInSlices(volume)
        self.refresh()


def _modelTitle(name: str) -> str:
    return f"{name}: {find_bundle(name).metadata.get('task', '')}".rstrip(": ")


def _refusal(model: str) -> str:
    try:
        find_bundle(model)
    except Dose3DError as error:
        return shortText(error, 300)
    return ""


def _durationText(seconds: float) -> str:
    if seconds < 90:
        return _("{seconds} s").format(seconds=max(1, round(seconds)))
    return _("{minutes} min").format(minutes=round(seconds / 60))
