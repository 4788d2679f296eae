"""Function "Measure dose with a detector": what cells see of a dose, as a file and as coloured boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from slicer import vtkMRMLModelNode, vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .cells_display import LAYOUT, CellsResult, fileProvenance, lastCellsFile, showReadings
from .ct_input import CtInput
from .dose_input import DoseInput
from .number_lines import numbersIn, numbersProblem
from .scene_inputs import JobFiles
from .section import Job, Section, optionOf, shortText, taskNamed

__all__ = ["MeasureParameters", "MeasureSection"]

TASK = taskNamed("detector", "measure")
MODEL, WEIGHTING, NOISE, SEED = (optionOf(TASK, name) for name in ("model", "weighting", "noise", "seed"))
MASS = "mass"
MOST_SEEDS = 1_000_000


@parameterNodeWrapper
class MeasureParameters:
    """What is measured with what; saved with the scene.

    measureDoseSource, measureDoseVolume, measureDosePath / measureCtSource ...:
        the dose, and the CT of the densities; see DoseInput and CtInput.
    measureLayout, measureOutput:
        files of the detector and of its readings.
    measureIsocenter:
        x y z in mm (LPS) in one line; "" leaves the detector where its file puts it.
    measureModel ... measureReplace:
        the settings of `detector measure` of these names.
    measureShown, measureColumn:
        the cells that the page shows, and what colours them.
    """

    measureDoseSource: str
    measureDoseVolume: vtkMRMLScalarVolumeNode
    measureDosePath: str
    measureLayout: str
    measureOutput: str
    measureIsocenter: str
    measureModel: Annotated[str, Choice(list(MODEL.choices)), Default(MODEL.default)]
    measureWeighting: Annotated[str, Choice(list(WEIGHTING.choices)), Default(WEIGHTING.default)]
    measureCtSource: str
    measureCtVolume: vtkMRMLScalarVolumeNode
    measureCtPath: str
    measureNoise: Annotated[float, WithinRange(NOISE.minimum, NOISE.maximum), Default(NOISE.default)]
    measureSeed: Annotated[int, WithinRange(SEED.minimum, MOST_SEEDS), Default(SEED.default)]
    measureReplace: bool
    measureShown: vtkMRMLModelNode
    measureColumn: str


class MeasureSection(Section):
    """Settings of `dose3d detector measure` and the measured cells."""

    name = "measure"
    title = _("Measure dose with a detector")
    uiFile = "Dose3DMeasure.ui"
    parametersClass = MeasureParameters
    resultPart = "measureResultCollapsibleButton"
    paths = {
        "measureDosePathEdit": "measureDosePath",
        "measureLayoutEdit": "measureLayout",
        "measureOutputEdit": "measureOutput",
        "measureCtPathEdit": "measureCtPath",
    }
    readyText = _("Measure the dose in each cell")
    task = TASK

    def setup(self) -> None:
        self.dose = DoseInput(self, "measureDose")
        self.ct = CtInput(self, "measureCt", required=False)
        self.cells = CellsResult(self, "measure")

    def chooseDefaults(self) -> None:
        self.dose.chooseDefaults()
        if not self.parameters.measureLayout and lastCellsFile(LAYOUT):
            self.parameters.measureLayout = lastCellsFile(LAYOUT)

    # What the page shows

    @property
    def byMass(self) -> bool:
        return self.currentParameters().measureWeighting == MASS

    def refresh(self) -> None:
        self.dose.refresh()
        self.ct.refresh(self.byMass)
        self.ui.measureSeedSpinBox.setEnabled(self.currentParameters().measureNoise > 0)
        self.cells.refresh()

    # The job

    def problem(self) -> str:
        return self.dose.problem() or self._fileProblem() or (self._ctProblem() if self.byMass else "")

    def _fileProblem(self) -> str:
        parameters = self.currentParameters()
        if not parameters.measureLayout:
            return _("Choose the file of the detector's layout.")
        if not Path(parameters.measureLayout).is_file():
            text = _("{path} is no file: choose another layout.")
            return text.format(path=shortText(parameters.measureLayout))
        if not parameters.measureOutput:
            return _("Choose a .csv file to write the doses of the cells to.")
        return numbersProblem(parameters.measureIsocenter, _("Isocentre"), (3,))

    def _ctProblem(self) -> str:
        return self.ct.problem() if self.ct.isGiven else _("The mean over mass needs densities: select the CT.")

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import detector_measure

        parameters = self.currentParameters()
        ct = self.ct.source(files) if self.byMass else None
        settings = detector_measure.Settings(
            dose=self.dose.file(files),
            layout=Path(parameters.measureLayout),
            output=Path(parameters.measureOutput),
            isocenter=numbersIn(parameters.measureIsocenter),
            model=parameters.measureModel,
            weighting=parameters.measureWeighting,
            ct=ct.path if ct else None,
            series=ct.series if ct else None,
            noise=parameters.measureNoise,
            seed=parameters.measureSeed,
            overwrite=parameters.measureReplace,
        )
        return Job(self.task, settings, self.show)

    def show(self, result) -> None:
        """Bring the measured cells into the scene."""
        from Dose3DLib.detector.readings_csv import read_readings

        path = Path(result.output)
        self.cells.take(showReadings(read_readings(path), path, result.summary, fileProvenance(result)))
        self.refresh()
