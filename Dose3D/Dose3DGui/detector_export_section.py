"""Function "Export detector": a layout as files for simulations, printers, viewers and planning systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .cells_display import LAYOUT, lastCellsFile
from .ct_input import CtInput
from .number_lines import numbersIn, numbersProblem
from .scene_inputs import JobFiles
from .section import Job, Section, optionOf, shortText, taskNamed
from .tables import FactsTable

__all__ = ["DetectorExportParameters", "DetectorExportSection"]

TASK = taskNamed("detector", "export")
FORMAT, POSITION, FRAME, AROUND, MARGIN, SPACING, GROUP, PARTS, HU, SIZE = (
    optionOf(TASK, name)
    for name in (
        "format", "patient_position", "frame", "surroundings", "margin", "spacing", "group", "parts", "hu_cell", "size",
    )
)  # fmt: skip
USUAL, BY_PLAN = "usual", "as the plan says"
MOST_MM = 1000.0


@parameterNodeWrapper
class DetectorExportParameters:
    """What is exported, and as what; saved with the scene.

    detectorLayout, detectorOutput:
        the layout's file; where it is written.
    detectorCtSource, detectorCtVolume, detectorCtPath:
        the CT that DICOM objects refer to; see CtInput.
    detectorHu:
        HU of cells, walls and surroundings in one line; "" for the usual ones.
    detectorFormat ... detectorReplace:
        the settings of `detector export` of these names; "usual" leaves the choice to the task.
    """

    detectorLayout: str
    detectorFormat: Annotated[str, Choice(list(FORMAT.choices)), Default(FORMAT.choices[0])]
    detectorOutput: str
    detectorReplace: bool
    detectorCtSource: str
    detectorCtVolume: vtkMRMLScalarVolumeNode
    detectorCtPath: str
    detectorPlan: str
    detectorIsocenter: str
    detectorPosition: Annotated[str, Choice([BY_PLAN, *POSITION.choices]), Default(BY_PLAN)]
    detectorFrame: Annotated[str, Choice([USUAL, *FRAME.choices]), Default(USUAL)]
    detectorSize: Annotated[float, WithinRange(SIZE.minimum, MOST_MM), Default(SIZE.default)]
    detectorSurroundings: Annotated[str, Choice(list(AROUND.choices)), Default(AROUND.default)]
    detectorMargin: Annotated[float, WithinRange(MARGIN.minimum, MARGIN.maximum), Default(MARGIN.default)]
    detectorSpacing: Annotated[float, WithinRange(SPACING.minimum, SPACING.maximum), Default(SPACING.default)]
    detectorGroup: Annotated[str, Choice([USUAL, *GROUP.choices]), Default(USUAL)]
    detectorParts: Annotated[str, Choice([USUAL, *PARTS.choices]), Default(USUAL)]
    detectorHu: str
    detectorHuTable: str


ROWS = {
    "detectorFrameSelector": "frame",
    "detectorSurroundingsSelector": "surroundings",
    "detectorMarginSpinBox": "margin",
    "detectorSpacingSpinBox": "spacing",
    "detectorGroupSelector": "group",
    "detectorPartsSelector": "parts",
    "detectorHuEdit": "hu_cell",
    "detectorHuTableEdit": "hu_table",
}
"""Rows of the form and the setting that they are about, which tells for which formats they are there."""


class DetectorExportSection(Section):
    """Settings of `dose3d detector export`."""

    name = "exportDetector"
    title = _("Export detector")
    uiFile = "Dose3DSegmentDetector.ui"
    parametersClass = DetectorExportParameters
    resultPart = "detectorResultCollapsibleButton"
    paths = {
        "detectorLayoutEdit": "detectorLayout",
        "detectorOutputEdit": "detectorOutput",
        "detectorCtPathEdit": "detectorCtPath",
        "detectorPlanEdit": "detectorPlan",
        "detectorHuTableEdit": "detectorHuTable",
    }
    readyText = _("Write the detector")
    task = TASK

    def setup(self) -> None:
        self.ct = CtInput(self, "detectorCt", required=False)
        self.facts = FactsTable(self.ui.detectorTable)

    def chooseDefaults(self) -> None:
        if not self.parameters.detectorLayout and lastCellsFile(LAYOUT):
            self.parameters.detectorLayout = lastCellsFile(LAYOUT)

    def onSceneClosed(self) -> None:
        self.facts.show({})

    # What the page shows

    def refresh(self) -> None:
        from Dose3DLib.tasks.detector_export import endings_of

        endings = endings_of(self.currentParameters().detectorFormat)
        self.ui.detectorOutputLabel.text = _("Write file:") if endings else _("Write folder:")
        self.ui.detectorOutputEdit.toolTip = (
            _("File to write; its name ends with {endings}.").format(endings=_(" or ").join(endings))
            if endings
            else _("Folder to write; it holds several files.")
        )
        self.ct.refresh(self._concerns("ct"))
        for field, setting in ROWS.items():
            stem = next(field.removesuffix(end) for end in ("Selector", "Edit", "SpinBox") if field.endswith(end))
            for name in (field, f"{stem}Label"):
                getattr(self.ui, name).setVisible(self._concerns(setting))

    def _concerns(self, setting: str) -> bool:
        from Dose3DLib.tasks.detector_export import concerns

        return concerns(setting, self.currentParameters().detectorFormat)

    # The job

    def problem(self) -> str:
        parameters = self.currentParameters()
        if not parameters.detectorLayout:
            return _("Choose the file of the detector's layout.")
        for path in filter(None, (parameters.detectorLayout, parameters.detectorPlan, self._table(parameters))):
            if not Path(path).is_file():
                return _("{path} is no file: choose another one.").format(path=shortText(path))
        if not parameters.detectorOutput:
            return _("Choose where to write.")
        return (self.ct.problem() if self._concerns("ct") else "") or self._numbersProblem(parameters)

    def _numbersProblem(self, parameters) -> str:
        if parameters.detectorPlan and parameters.detectorIsocenter.strip():
            return _("The plan has an isocentre: leave one of the two out.")
        isocenter = numbersProblem(parameters.detectorIsocenter, _("Isocentre"), (3,))
        return isocenter or (numbersProblem(parameters.detectorHu, _("HU"), (3,)) if self._concerns("hu_cell") else "")

    def _table(self, parameters) -> str:
        return parameters.detectorHuTable if self._concerns("hu_table") else ""

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import detector_export

        parameters = self.currentParameters()
        ct, table = (self.ct.source(files) if self._concerns("ct") else None), self._table(parameters)
        position = parameters.detectorPosition
        settings = detector_export.Settings(
            layout=Path(parameters.detectorLayout),
            format=parameters.detectorFormat,
            output=Path(parameters.detectorOutput),
            plan=Path(parameters.detectorPlan) if parameters.detectorPlan else None,
            isocenter=numbersIn(parameters.detectorIsocenter),
            patient_position=None if position == BY_PLAN else position,
            size=parameters.detectorSize,
            ct=ct.path if ct else None,
            series=ct.series if ct else None,
            hu_table=Path(table) if table else None,
            **self._ofFormat(parameters),
            overwrite=parameters.detectorReplace,
        )
        return Job(self.task, settings, self.show)

    def _ofFormat(self, parameters) -> dict:
        """The settings that are about some formats only, as far as they are about the chosen one."""
        hu = numbersIn(parameters.detectorHu) if self._concerns("hu_cell") else ()
        given = {
            "frame": parameters.detectorFrame,
            "surroundings": parameters.detectorSurroundings,
            "margin": parameters.detectorMargin,
            "spacing": parameters.detectorSpacing,
            "group": parameters.detectorGroup,
            "parts": parameters.detectorParts,
            **dict(zip(("hu_cell", "hu_wall", "hu_surroundings"), hu, strict=False)),
        }
        return {name: value for name, value in given.items() if value != USUAL and self._concerns(name)}

    def show(self, result) -> None:
        """List what was written."""
        self.facts.show({**result.summary, _("written"): str(result.output)})
