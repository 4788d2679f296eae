"""Function "Compare photons": generated ones against real ones; figures as a table, both sides as plots, a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from slicer import vtkMRMLTableNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .comparison_display import areFigures, plotNames, removeFigures, showFigures, showPlot
from .model_input import ModelInput
from .scene_inputs import JobFiles
from .scene_results import provenanceOf
from .section import Job, Section, optionOf, shortText, taskNamed
from .tables import ROW_HEIGHT

__all__ = ["CompareParameters", "CompareSection"]

TASK = taskNamed("phsp", "compare")
PHOTONS, DRAWS, MAKE, CLASSIFIER, SEED, DEVICE = (
    optionOf(TASK, name) for name in ("photons", "draws", "make", "classifier", "seed", "device")
)
MILLION = 1_000_000


@parameterNodeWrapper
class CompareParameters:
    """What is compared, and how; saved with the scene.

    compareReal, compareGenerated, compareFloor, compareTrain:
        phase spaces; all but the first may be "".
    compareModelName, compareModelFolder:
        see ModelInput; the name "-" compares the file compareGenerated.
    comparePhotons ... compareDevice:
        as the settings of the task; compareMillions is `make`.
    compareFolder, compareReplace:
        where results are kept as files; "" keeps none.
    compareTable:
        the figures that the page shows.
    """

    compareReal: str
    compareModelName: Annotated[str, Default("-")]
    compareModelFolder: str
    compareGenerated: str
    compareFloor: str
    compareTrain: str
    compareQuick: bool
    comparePhotons: Annotated[int, WithinRange(PHOTONS.minimum, PHOTONS.maximum), Default(PHOTONS.default)]
    compareDraws: Annotated[int, WithinRange(DRAWS.minimum, DRAWS.maximum), Default(DRAWS.default)]
    compareMillions: Annotated[float, WithinRange(1e-4, MAKE.maximum / MILLION), Default(MAKE.default / MILLION)]
    compareClassifier: Annotated[bool, Default(CLASSIFIER.default)]
    compareDose: bool
    compareSeed: Annotated[int, WithinRange(SEED.minimum, MILLION), Default(SEED.default)]
    compareDevice: Annotated[str, Choice(list(DEVICE.choices)), Default(DEVICE.default)]
    compareFolder: str
    compareReplace: bool
    compareTable: vtkMRMLTableNode


class CompareSection(Section):
    """Settings of `dose3d phsp compare` and its result in the scene."""

    name = "phaseSpaceCompare"
    title = _("Compare photons")
    uiFile = "Dose3DPhaseSpaceCompare.ui"
    parametersClass = CompareParameters
    resultPart = "compareResultCollapsibleButton"
    paths = {
        "compareRealEdit": "compareReal",
        "compareModelFolderEdit": "compareModelFolder",
        "compareGeneratedEdit": "compareGenerated",
        "compareFloorEdit": "compareFloor",
        "compareTrainEdit": "compareTrain",
        "compareFolderEdit": "compareFolder",
    }
    readyText = _("Compare generated photons with real ones")
    task = TASK

    def setup(self) -> None:
        self.model = ModelInput(self, "compareModel", _("A generated phase space"))
        self.ui.compareTableView.verticalHeader().setVisible(False)
        self.ui.compareTableView.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.wire("comparePlotButton", "clicked()", self.onPlotButton)
        self.wire("compareRemoveButton", "clicked()", self.onRemoveButton)

    # Handlers

    def onPlotButton(self) -> None:
        """Show original and generated photons in a plot view."""
        showPlot(self.currentParameters().compareTable, self.ui.comparePlotSelector.currentText)
        self.page.panel.say(_("The plot is shown in a plot view; the Layout menu brings the former views back."))

    def onRemoveButton(self) -> None:
        """Take the figures and their plot out of the scene."""
        removeFigures(self.currentParameters().compareTable)
        self.page.panel.say(_("Removed from the scene."))
        self.page.onParametersChanged()

    # What the page shows

    def refresh(self) -> None:
        parameters = self.currentParameters()
        self.model.refresh()
        for name in ("compareGeneratedLabel", "compareGeneratedEdit"):
            getattr(self.ui, name).setVisible(not self.model.isModel)
        self.ui.compareMillionsSpinBox.setEnabled(self.model.isModel)
        self._refreshResult(parameters.compareTable)

    def _refreshResult(self, node) -> None:
        isShown = areFigures(node)
        if self.ui.compareTableView.mrmlTableNode() is not (node if isShown else None):
            self.ui.compareTableView.setMRMLTableNode(node if isShown else None)
            self.ui.compareTableView.resizeColumnsToContents()
        self.ui.compareTableView.setVisible(isShown)
        selector, names = self.ui.comparePlotSelector, plotNames(node)
        if [selector.itemText(index) for index in range(selector.count)] != names:
            selector.clear()
            selector.addItems(names)
        reason = "" if isShown else _("Nothing was compared yet.")
        texts = {
            "comparePlotSelector": _("What the plot shows of original and generated photons"),
            "comparePlotButton": _("Show original and generated photons in a plot view"),
            "compareRemoveButton": _("Remove the figures and their plot"),
        }
        for name, text in texts.items():
            getattr(self.ui, name).setEnabled(isShown)
            getattr(self.ui, name).toolTip = reason or text

    # The job

    def problem(self) -> str:
        parameters = self.currentParameters()
        if not parameters.compareReal:
            return _("Choose the real phase space.")
        if not self.model.isModel and not parameters.compareGenerated:
            return _("Choose the generated phase space, or a model.")
        generated = "" if self.model.isModel else parameters.compareGenerated
        for path in (parameters.compareReal, generated, parameters.compareFloor, parameters.compareTrain):
            if path and not Path(path).is_file():
                return _("{path} is no file: choose another one.").format(path=shortText(path))
        return self.model.problem() if self.model.isModel else ""

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import phsp_compare

        parameters = self.currentParameters()
        folder = parameters.compareFolder
        isModel = self.model.isModel
        settings = phsp_compare.Settings(
            real=Path(parameters.compareReal),
            generated=None if isModel else Path(parameters.compareGenerated),
            output=Path(folder) if folder else files.output("comparison"),
            model=(self.model.model,) if isModel else (),
            floor=Path(parameters.compareFloor) if parameters.compareFloor else None,
            train=Path(parameters.compareTrain) if parameters.compareTrain else None,
            photons=parameters.comparePhotons,
            draws=parameters.compareDraws,
            make=round(MILLION * parameters.compareMillions),
            classifier=parameters.compareClassifier,
            dose=parameters.compareDose,
            quick=parameters.compareQuick,
            device=parameters.compareDevice,
            seed=parameters.compareSeed,
            overwrite=parameters.compareReplace and bool(folder),
        )
        return Job(self.task, settings, self.show)

    def show(self, result) -> None:
        """Bring the figures into the scene; those of the last comparison with the same name go."""
        folder = Path(result.output)
        record = json.loads((folder / result.files["comparison"]).read_text(encoding="utf-8"))
        title = _("{name} compared with {real}").format(name=next(iter(record["models"])), real=record["real"]["name"])
        parameters = self.currentParameters()
        before = parameters.compareTable
        if areFigures(before) and before.GetName() == title:
            removeFigures(before)
        parameters.compareTable = showFigures(record, title, provenanceOf(folder))
        self.refresh()
