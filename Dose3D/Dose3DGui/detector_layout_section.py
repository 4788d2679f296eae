"""Function "Detector layout": which cells a detector has and where they stand, as a file and as cells in the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from Dose3DLib.detector.presets import presets
from slicer import vtkMRMLModelNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .cells_display import CellsResult, fileProvenance, showLayout
from .ct_input import CtInput
from .number_lines import namesIn, numbersIn, numbersProblem
from .scene_inputs import JobFiles
from .section import Job, Section, optionOf, shortText, taskNamed
from .structures_input import StructuresInput

__all__ = ["LayoutParameters", "LayoutSection"]

TASK = taskNamed("detector", "layout")
COLUMNS, FRAME, POSITION, TURN_AXIS, THRESHOLD, MINIMUM = (
    optionOf(TASK, name) for name in ("columns", "frame", "patient_position", "turn_axis", "threshold", "minimum")
)
PRESETS = presets()
PRESET, LATTICE, FILL, FILE = SOURCES = ("preset", "lattice", "fill", "file")
ANY, BY_PLAN = "cell by cell", "as the plan says"
MOST_CELLS, FARTHEST_MM = 1_000_000, 1000.0


@parameterNodeWrapper
class LayoutParameters:
    """Which cells, where, and where they are written; saved with the scene.

    layoutSource:
        one of SOURCES; layoutPreset, layoutCount or layoutFile say which cells, and structures are filled.
    layoutStructuresSource ..., layoutCtSource ...:
        see StructuresInput and CtInput.
    layoutSize ... layoutGap:
        numbers with blanks between them, in mm; "" for the task's default.
    layoutFill:
        names of structures with semicolons between them.
    layoutMost:
        0 for any number.
    layoutShown, layoutColumn:
        the cells that the page shows, and what colours them.
    """

    layoutSource: Annotated[str, Default(PRESET)]
    layoutPreset: Annotated[str, Choice(list(PRESETS)), Default(next(iter(PRESETS)))]
    layoutFile: str
    layoutCount: Annotated[str, Default("4 4 4")]
    layoutStructuresSource: str
    layoutStructuresNode: vtkMRMLSegmentationNode
    layoutStructuresPath: str
    layoutCtSource: str
    layoutCtVolume: vtkMRMLScalarVolumeNode
    layoutCtPath: str
    layoutOutput: str
    layoutReport: str
    layoutReplace: bool
    layoutSize: str
    layoutWall: str
    layoutPitch: str
    layoutRowShift: Annotated[float, WithinRange(-FARTHEST_MM, FARTHEST_MM)]
    layoutLayerShift: Annotated[float, WithinRange(-FARTHEST_MM, FARTHEST_MM)]
    layoutPhase: str
    layoutGapEvery: str
    layoutGap: str
    layoutFill: str
    layoutThreshold: Annotated[float, WithinRange(THRESHOLD.minimum, THRESHOLD.maximum), Default(THRESHOLD.default)]
    layoutMinimum: Annotated[int, WithinRange(MINIMUM.minimum, MOST_CELLS), Default(MINIMUM.default)]
    layoutMost: Annotated[int, WithinRange(0, MOST_CELLS)]
    layoutColumns: Annotated[str, Choice([ANY, *COLUMNS.choices]), Default(ANY)]
    layoutIsocenter: str
    layoutPlan: str
    layoutFrame: Annotated[str, Choice(list(FRAME.choices)), Default(FRAME.default)]
    layoutPosition: Annotated[str, Choice([BY_PLAN, *POSITION.choices]), Default(BY_PLAN)]
    layoutAngle: Annotated[float, WithinRange(-360, 360)]
    layoutTurnAxis: Annotated[str, Choice(list(TURN_AXIS.choices)), Default(TURN_AXIS.default)]
    layoutCentered: bool
    layoutShown: vtkMRMLModelNode
    layoutColumn: str


ROWS = {
    "layoutPresetSelector": (PRESET,),
    "layoutFileEdit": (FILE,),
    "layoutCountEdit": (LATTICE,),
    "layoutPitchEdit": (LATTICE, FILL),
    "layoutRowShiftSpinBox": (LATTICE, FILL),
    "layoutLayerShiftSpinBox": (LATTICE, FILL),
    "layoutPhaseEdit": (LATTICE, FILL),
    "layoutGapEveryEdit": (LATTICE, FILL),
    "layoutGapEdit": (LATTICE, FILL),
    "layoutFillEdit": (FILL,),
    "layoutThresholdSpinBox": (FILL,),
    "layoutMinimumSpinBox": (FILL,),
    "layoutMostSpinBox": (FILL,),
    "layoutColumnsSelector": (FILL,),
}
"""Rows of the form and the sources that they are about; the others are always there."""


class LayoutSection(Section):
    """Settings of `dose3d detector layout` and its cells."""

    name = "layout"
    title = _("Detector layout")
    uiFile = "Dose3DSegmentLayout.ui"
    parametersClass = LayoutParameters
    resultPart = "layoutResultCollapsibleButton"
    paths = {
        "layoutFileEdit": "layoutFile",
        "layoutStructuresPathEdit": "layoutStructuresPath",
        "layoutCtPathEdit": "layoutCtPath",
        "layoutOutputEdit": "layoutOutput",
        "layoutReportEdit": "layoutReport",
        "layoutPlanEdit": "layoutPlan",
    }
    readyText = _("Make the layout")
    task = TASK

    def setup(self) -> None:
        self.structures = StructuresInput(self, "layoutStructures", required=False)
        self.ct = CtInput(self, "layoutCt", required=False)
        self.cells = CellsResult(self, "layout")
        self.wire("layoutSourceSelector", "currentIndexChanged(int)", self.onSourceChanged)

    def takeResult(self, segmentation) -> None:
        """Structures that were found are those to be filled."""
        self.currentParameters().layoutStructuresNode = segmentation

    # Handlers

    def onSourceChanged(self, index: int) -> None:
        """Keep the choice with the scene."""
        if self.parameters and not self.page.refreshing:
            self.parameters.layoutSource = SOURCES[index]

    # What the page shows

    @property
    def source(self) -> str:
        found = self.currentParameters().layoutSource
        return found if found in SOURCES else PRESET

    def refresh(self) -> None:
        source, parameters = self.source, self.currentParameters()
        self.ui.layoutSourceSelector.currentIndex = SOURCES.index(source)
        self.structures.refresh()
        self.ct.refresh()
        for field, sources in ROWS.items():
            stem = next(field.removesuffix(end) for end in ("Selector", "Edit", "SpinBox") if field.endswith(end))
            for name in (field, f"{stem}Label"):
                getattr(self.ui, name).setVisible(source in sources)
        self.ui.layoutPresetText.setVisible(source == PRESET)
        self.ui.layoutPresetText.text = PRESETS[parameters.layoutPreset].what
        self.ui.layoutCenteredCheckBox.setVisible(source != FILL)
        self.ui.layoutTurnAxisSelector.setEnabled(parameters.layoutAngle != 0)
        self.cells.refresh()

    # The job

    def problem(self) -> str:
        return self._sourceProblem() or self._patientProblem() or self._numbersProblem() or self._outputProblem()

    def _sourceProblem(self) -> str:
        parameters = self.currentParameters()
        if self.source == FILE:
            if not parameters.layoutFile:
                return _("Choose the file of a layout.")
            if not Path(parameters.layoutFile).is_file():
                return _("{path} is no file: choose another one.").format(path=shortText(parameters.layoutFile))
        if self.source == LATTICE and not parameters.layoutCount.strip():
            return _("Write how many cells there are along x y z of the detector.")
        if self.source == FILL and not self.structures.isGiven:
            return _("Choose the structures that are filled with cells.")
        return ""

    def _patientProblem(self) -> str:
        if self.structures.needsCt and not self.ct.isGiven:
            return _("DICOM structures need the CT that they belong to: select it.")
        plan = self.currentParameters().layoutPlan
        if plan and not Path(plan).is_file():
            return _("{path} is no file: choose another plan.").format(path=shortText(plan))
        return self.structures.problem() or self.ct.problem()

    def _numbersProblem(self) -> str:
        parameters = self.currentParameters()
        both, three = (1, 3), (3,)
        lines = [
            (parameters.layoutCount, _("Cells along x y z"), both, "layoutCountEdit"),
            (parameters.layoutSize, _("Cell"), both, ""),
            (parameters.layoutWall, _("Wall"), (1,), ""),
            (parameters.layoutPitch, _("Pitch"), both, "layoutPitchEdit"),
            (parameters.layoutPhase, _("Phase"), both, "layoutPhaseEdit"),
            (parameters.layoutGapEvery, _("Gap after cells"), both, "layoutGapEveryEdit"),
            (parameters.layoutGap, _("Gap"), both, "layoutGapEdit"),
            (parameters.layoutIsocenter, _("Isocentre"), three, ""),
        ]
        shown = [line for line in lines if not line[3] or self.source in ROWS[line[3]]]
        return next(filter(None, (numbersProblem(text, what, counts) for text, what, counts, _row in shown)), "")

    def _outputProblem(self) -> str:
        return "" if self.currentParameters().layoutOutput else _("Choose a .csv file to write the layout to.")

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import detector_layout

        parameters = self.currentParameters()
        ct, wall = self.ct.source(files), numbersIn(parameters.layoutWall)
        hasLattice = self.source in (LATTICE, FILL)
        report = Path(parameters.layoutReport) if parameters.layoutReport else None
        settings = detector_layout.Settings(
            **self._cells(parameters),
            **(self._lattice(parameters) if hasLattice else {}),
            **self._place(parameters),
            structures=self.structures.file(files),
            ct=ct.path if ct else None,
            series=ct.series if ct else None,
            size=numbersIn(parameters.layoutSize),
            wall=wall[0] if wall else None,
            output=Path(parameters.layoutOutput),
            report_output=report,
            overwrite=parameters.layoutReplace,
        )
        return Job(self.task, settings, self.show, report=report / "report.html" if report else None)

    def _cells(self, parameters) -> dict:
        """The settings that say which cells there are."""
        if self.source == PRESET:
            return {"preset": parameters.layoutPreset}
        if self.source == FILE:
            return {"from_file": Path(parameters.layoutFile)}
        if self.source == LATTICE:
            return {"count": numbersIn(parameters.layoutCount)}
        return {
            "fill": namesIn(parameters.layoutFill),
            "threshold": parameters.layoutThreshold,
            "minimum": parameters.layoutMinimum,
            "cells": parameters.layoutMost or None,
            "columns": None if parameters.layoutColumns == ANY else parameters.layoutColumns,
        }

    @staticmethod
    def _lattice(parameters) -> dict:
        return {
            "pitch": numbersIn(parameters.layoutPitch),
            "row_shift": parameters.layoutRowShift,
            "layer_shift": parameters.layoutLayerShift,
            "phase": numbersIn(parameters.layoutPhase),
            "gap_every": numbersIn(parameters.layoutGapEvery),
            "gap": numbersIn(parameters.layoutGap),
        }

    def _place(self, parameters) -> dict:
        return {
            "isocenter": numbersIn(parameters.layoutIsocenter),
            "plan": Path(parameters.layoutPlan) if parameters.layoutPlan else None,
            "frame": parameters.layoutFrame,
            "patient_position": None if parameters.layoutPosition == BY_PLAN else parameters.layoutPosition,
            "angle": parameters.layoutAngle,
            "turn_axis": parameters.layoutTurnAxis if parameters.layoutAngle else TURN_AXIS.default,
            "centered": parameters.layoutCentered and self.source != FILL,
        }

    def show(self, result) -> None:
        """Bring the cells into the scene."""
        from Dose3DLib.detector.layout_csv import read_layout

        path = Path(result.output)
        self.cells.take(showLayout(read_layout(path), path, result.summary, fileProvenance(result)))
        self.refresh()
