"""Function "Cells to patient": a dose from what a detector's cells measured, and how sure it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .cells_display import READINGS, lastCellsFile
from .ct_input import CtInput
from .dose_input import DoseInput
from .file_list import FileList
from .scale_display import ScaleDisplay
from .scene_inputs import JobFiles, isInScene
from .section import Job, Section, optionOf, shortText, taskNamed
from .structures_input import StructuresInput
from .tables import FactsTable

__all__ = ["ScaleParameters", "ScaleSection"]

TASK = taskNamed("dose", "scale")
METHOD, CARRY, BODY, NOISE, SAMPLES, SEED = (
    optionOf(TASK, name) for name in ("method", "carry", "body", "noise", "samples", "seed")
)
MOST_SEEDS = 1_000_000


@parameterNodeWrapper
class ScaleParameters:
    """What was measured, where the dose is wanted, what else is known; saved with the scene.

    scaleMeasured, scaleLayout:
        files of cells, taken together; the layout that all of them are of, where they do not say it themselves.
    scaleGridSource ..., scalePlanSource ..., scaleDetectorPlanSource ..., scaleStructuresSource ..., scaleCtSource ...:
        see CtInput, DoseInput and StructuresInput; the CT is that of DICOM structures, where the grid is none.
    scaleMethod ... scaleSeed:
        the settings of `dose scale` of these names.
    scaleOutput, scaleReport, scaleReplace:
        where dose and report are kept; "" keeps them in the scene only.
    scaleShown, scaleOpacity, scaleIsodoses, scaleUncertainty:
        the dose that the page shows, and how.
    """

    scaleMeasured: list[str]
    scaleLayout: str
    scaleGridSource: str
    scaleGridVolume: vtkMRMLScalarVolumeNode
    scaleGridPath: str
    scalePlanSource: str
    scalePlanVolume: vtkMRMLScalarVolumeNode
    scalePlanPath: str
    scaleDetectorPlanSource: str
    scaleDetectorPlanVolume: vtkMRMLScalarVolumeNode
    scaleDetectorPlanPath: str
    scaleStructuresSource: str
    scaleStructuresNode: vtkMRMLSegmentationNode
    scaleStructuresPath: str
    scaleCtSource: str
    scaleCtVolume: vtkMRMLScalarVolumeNode
    scaleCtPath: str
    scaleMethod: Annotated[str, Choice(list(METHOD.choices)), Default(METHOD.default)]
    scaleCarry: Annotated[str, Choice(list(CARRY.choices)), Default(CARRY.default)]
    scaleBody: Annotated[str, Default(BODY.default)]
    scaleNoise: Annotated[float, WithinRange(NOISE.minimum, NOISE.maximum), Default(NOISE.default)]
    scaleSamples: Annotated[int, WithinRange(SAMPLES.minimum, SAMPLES.maximum), Default(SAMPLES.default)]
    scaleSeed: Annotated[int, WithinRange(SEED.minimum, MOST_SEEDS), Default(SEED.default)]
    scaleOutput: str
    scaleReport: str
    scaleReplace: bool
    scaleShown: vtkMRMLScalarVolumeNode
    scaleOpacity: Annotated[float, WithinRange(0, 1), Default(0.45)]
    scaleIsodoses: Annotated[bool, Default(True)]
    scaleUncertainty: bool


class ScaleSection(Section):
    """Settings of `dose3d dose scale` and its dose."""

    name = "scale"
    title = _("Cells to patient")
    uiFile = "Dose3DScale.ui"
    parametersClass = ScaleParameters
    resultPart = "scaleResultCollapsibleButton"
    paths = {
        "scaleLayoutEdit": "scaleLayout",
        "scaleGridPathEdit": "scaleGridPath",
        "scalePlanPathEdit": "scalePlanPath",
        "scaleDetectorPlanPathEdit": "scaleDetectorPlanPath",
        "scaleStructuresPathEdit": "scaleStructuresPath",
        "scaleCtPathEdit": "scaleCtPath",
        "scaleOutputEdit": "scaleOutput",
        "scaleReportEdit": "scaleReport",
    }
    readyText = _("Find the dose in the patient")
    task = TASK

    def setup(self) -> None:
        self.measured = FileList(self, "scaleMeasured", "scaleMeasured", _("Add at least one file of measured cells."))
        self.grid = CtInput(self, "scaleGrid")
        self.plan = DoseInput(self, "scalePlan", required=False)
        self.detectorPlan = DoseInput(self, "scaleDetectorPlan", required=False)
        self.structures = StructuresInput(self, "scaleStructures", required=False)
        self.ct = CtInput(self, "scaleCt", required=False)
        self.display = ScaleDisplay()
        self.shownFacts = FactsTable(self.ui.scaleTable)
        self._applied = None
        self.wire("scaleRemoveButton", "clicked()", self.onRemoveButton)

    def chooseDefaults(self) -> None:
        self.grid.chooseDefaults()
        if not self.parameters.scaleMeasured and lastCellsFile(READINGS):
            self.parameters.scaleMeasured = [lastCellsFile(READINGS)]

    def takeResult(self, segmentation) -> None:
        """Structures that were found are those of the patient."""
        self.currentParameters().scaleStructuresNode = segmentation

    # Handlers

    def onRemoveButton(self) -> None:
        """Take dose, isodoses and map out of the scene."""
        self.display.remove(self.currentParameters().scaleShown)
        self.page.panel.say(_("Removed from the scene."))
        self.page.onParametersChanged()

    # What the page shows

    def refresh(self) -> None:
        self.measured.refresh()
        for part in (self.grid, self.plan, self.structures):
            part.refresh()
        self.detectorPlan.refresh(self.plan.isGiven)
        self.ct.refresh(self.structures.isGiven)
        parameters = self.currentParameters()
        carries = self.plan.isGiven and self.detectorPlan.isGiven
        for name in ("scaleCarryLabel", "scaleCarrySelector"):
            getattr(self.ui, name).setVisible(carries)
        self.ui.scaleSeedSpinBox.setEnabled(parameters.scaleSamples > 0)
        self._refreshResult(parameters)

    def _refreshResult(self, parameters) -> None:
        node = parameters.scaleShown
        isShown = self.display.isScaled(node)
        self.shownFacts.show(self.display.facts(node))
        texts = {
            "scaleUncertaintyCheckBox": _("Show half the width of the 95 % interval in Gy instead of the dose"),
            "scaleIsodosesCheckBox": _("Show the isodoses as lines in the slices and as surfaces in 3-D"),
            "scaleOpacitySlider": _("Opacity of the dose over the CT in the slice views, 0 to 1"),
            "scaleRemoveButton": _("Remove the dose, its isodoses and the map"),
        }
        for name, text in texts.items():
            getattr(self.ui, name).setEnabled(isShown)
            getattr(self.ui, name).toolTip = text if isShown else _("No dose was found yet.")
        look = (parameters.scaleOpacity, parameters.scaleUncertainty)
        wanted = (node.GetID(), *look, parameters.scaleIsodoses) if isShown else None
        if wanted is not None and wanted != self._applied:  # users may rearrange the layers
            self.display.setLayers(node, *look)
            self.display.setIsodosesVisible(node, parameters.scaleIsodoses)
        self._applied = wanted

    # The job

    def problem(self) -> str:
        parameters = self.currentParameters()
        first = self.measured.problem() or self.grid.problem() or self.plan.problem() or self.structures.problem()
        if first:
            return first
        if parameters.scaleLayout and not Path(parameters.scaleLayout).is_file():
            return _("{path} is no file: choose another layout.").format(path=shortText(parameters.scaleLayout))
        if self.plan.isGiven and self.detectorPlan.problem():
            return self.detectorPlan.problem()
        return self.ct.problem() if self.structures.isGiven else ""

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import dose_scale

        parameters = self.currentParameters()
        layout, grid = parameters.scaleLayout, self.grid.source(files)
        ct = self.ct.source(files) if self.structures.isGiven else None
        carries = self.plan.isGiven and self.detectorPlan.isGiven
        report = Path(parameters.scaleReport) if parameters.scaleReport else files.output("report")
        settings = dose_scale.Settings(
            measured=tuple(f"{path}:{layout}" if layout else path for path in parameters.scaleMeasured),
            grid=grid.path,
            series=grid.series,
            plan=self.plan.file(files),
            plan_in_detector=self.detectorPlan.file(files) if carries else None,
            carry=parameters.scaleCarry if carries else CARRY.default,
            structures=self.structures.file(files),
            ct=ct.path if ct else None,
            body=parameters.scaleBody.strip() or BODY.default,
            method=parameters.scaleMethod,
            noise=parameters.scaleNoise,
            samples=parameters.scaleSamples,
            seed=parameters.scaleSeed,
            output=Path(parameters.scaleOutput) if parameters.scaleOutput else files.output("dose.nrrd"),
            report=report,
            overwrite=parameters.scaleReplace,
        )
        method, volume = settings.method, self.grid.volume
        return Job(
            self.task,
            settings,
            lambda result: self.show(result, method, report, volume),
            report=report / "report.html",
        )

    def show(self, result, method: str, report: Path, gridNode) -> None:
        """Bring dose and map into the scene and the views; those before by the same method go."""
        from Dose3DLib.core.progress import Progress
        from Dose3DLib.tasks.dose_source import load_dose

        parameters, before = self.currentParameters(), self.currentParameters().scaleShown
        dose = load_dose(Path(result.output), Progress()).volume
        gridNode = gridNode if isInScene(gridNode) else None
        name = _("Dose from cells ({method})").format(method=method)
        made = self.display.showScaled(dose, name, result.summary, report, gridNode)
        if self.display.isScaled(before) and before.GetName() == name:
            self.display.remove(before)
        self._applied = None
        parameters.scaleShown = made
        parameters.scaleUncertainty = False
        self.refresh()
        if slicer.app.layoutManager() is not None:  # there is none without a main window
            slicer.util.resetSliceViews()
        self.display.goToHighest(made)
