"""Function "Convert a phase space": another format; filters, another plane, a gantry angle on the way."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import qt
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .phase_space_section import AS_SAID
from .scene_inputs import JobFiles
from .section import Job, Section, optionOf, shortText, storedRecord, taskNamed
from .tables import FactsTable

__all__ = ["ConvertParameters", "ConvertSection", "formatChoices"]

TASK = taskNamed("phsp", "convert")
SPECIES = optionOf(TASK, "species").choices
RECYCLE, SOURCE_AXIS, SOURCE_Z = (optionOf(TASK, name) for name in ("recycle", "source_axis", "source_z"))
MILLION = 1_000_000
BY_ENDING = "by the ending"
UNITS = [AS_SAID, *optionOf(TASK, "input_unit").choices]


def formatChoices(task) -> list[str]:
    """The formats of a task's `format`, after the entry that leaves it to the ending of the file."""
    return [BY_ENDING, *optionOf(task, "format").choices]


@parameterNodeWrapper
class ConvertParameters:
    """What is converted, and how; saved with the scene. Limits of 0 are none.

    convertPath, convertOutput, convertFormat, convertReplace:
        one file of the input, the file to write, its format.
    convertLeftOut:
        species that are not kept.
    convertMinEnergy ... convertRectangle:
        filters in MeV, cm, degrees; the rectangle as four numbers with blanks between them.
    convertMillions:
        particles to take at most.
    convertInputPlane, convertPlane, convertGantry ...:
        cm and degrees, used where convertInputPlaneGiven, convertPlaneGiven, convertTurned say so.
    convertInputUnit:
        of lengths, where the input does not say it.
    convertResult:
        JSON of what was written last: `rows`, `path`.
    """

    convertPath: str
    convertOutput: str
    convertFormat: Annotated[str, Choice(formatChoices(TASK)), Default(BY_ENDING)]
    convertReplace: bool
    convertLeftOut: list[str]
    convertMinEnergy: Annotated[float, WithinRange(0, 1000)]
    convertMaxEnergy: Annotated[float, WithinRange(0, 1000)]
    convertMinRadius: Annotated[float, WithinRange(0, 10_000)]
    convertMaxRadius: Annotated[float, WithinRange(0, 10_000)]
    convertRectangle: str
    convertMaxAngle: Annotated[float, WithinRange(0, 180)]
    convertMillions: Annotated[float, WithinRange(0, MILLION)]
    convertInputPlaneGiven: bool
    convertInputPlane: Annotated[float, WithinRange(-100_000, 100_000)]
    convertInputUnit: Annotated[str, Choice(UNITS), Default(AS_SAID)]
    convertPlaneGiven: bool
    convertPlane: Annotated[float, WithinRange(-100_000, 100_000)]
    convertTurned: bool
    convertGantry: Annotated[float, WithinRange(-360, 360)]
    convertCollimator: Annotated[float, WithinRange(-360, 360)]
    convertSourceAxis: Annotated[float, WithinRange(SOURCE_AXIS.minimum, 100_000), Default(SOURCE_AXIS.default)]
    convertSourceZ: Annotated[float, WithinRange(-100_000, 100_000), Default(SOURCE_Z.default)]
    convertRecycle: Annotated[int, WithinRange(RECYCLE.minimum, RECYCLE.maximum), Default(RECYCLE.default)]
    convertResult: str


class ConvertSection(Section):
    """Settings of `dose3d phsp convert`."""

    name = "phaseSpaceConvert"
    title = _("Convert a phase space")
    uiFile = "Dose3DPhaseSpaceConvert.ui"
    parametersClass = ConvertParameters
    resultPart = "convertResultCollapsibleButton"
    paths = {"convertPathEdit": "convertPath", "convertOutputEdit": "convertOutput"}
    readyText = _("Write the phase space in the other format")
    task = TASK

    def setup(self) -> None:
        self.facts = FactsTable(self.ui.convertTable)
        self.ui.convertSpeciesList.addItems(list(SPECIES))
        self.wire("convertSpeciesList", "itemChanged(QListWidgetItem*)", self.onSpeciesChecked)
        self.wire("convertLookButton", "clicked()", self.onLookButton)

    # Handlers

    def onSpeciesChecked(self, item) -> None:
        """Keep which species are left out."""
        if self.parameters and not self.page.refreshing:
            items = [self.ui.convertSpeciesList.item(row) for row in range(len(SPECIES))]
            self.parameters.convertLeftOut = [one.text() for one in items if one.checkState() != qt.Qt.Checked]

    def onLookButton(self) -> None:
        """Go to the function that looks into a phase space, with what was written."""
        self.page.sections["phaseSpace"].choose(self._result()["path"])

    # What the page shows

    def refresh(self) -> None:
        parameters = self.currentParameters()
        for row in range(len(SPECIES)):
            item = self.ui.convertSpeciesList.item(row)
            left = item.text() in parameters.convertLeftOut
            item.setCheckState(qt.Qt.Unchecked if left else qt.Qt.Checked)
        self.ui.convertInputPlaneSpinBox.setEnabled(parameters.convertInputPlaneGiven)
        self.ui.convertPlaneSpinBox.setEnabled(parameters.convertPlaneGiven)
        for name in ("Gantry", "Collimator", "SourceAxis", "SourceZ"):
            getattr(self.ui, f"convert{name}SpinBox").setEnabled(parameters.convertTurned)
        found = self._result()
        self.facts.show(found.get("rows", {}))
        self.ui.convertLookButton.setEnabled(bool(found))
        obstacle = "" if found else _("Nothing was converted yet.")
        self.ui.convertLookButton.toolTip = obstacle or _("Look into the phase space that was written")

    def _result(self) -> dict:
        return storedRecord(self.currentParameters().convertResult)

    # The job

    def problem(self) -> str:
        parameters = self.currentParameters()
        if not parameters.convertPath:
            return _("Choose the phase space to convert.")
        if not Path(parameters.convertPath).is_file():
            return _("{path} is no file: choose another one.").format(path=shortText(parameters.convertPath))
        if not parameters.convertOutput:
            return _("Name the file to write.")
        if set(SPECIES) <= set(parameters.convertLeftOut):
            return _("Keep at least one species.")
        return self._limitsProblem(parameters)

    def _limitsProblem(self, parameters) -> str:
        for what, low, high in (
            (_("energy"), parameters.convertMinEnergy, parameters.convertMaxEnergy),
            (_("radius"), parameters.convertMinRadius, parameters.convertMaxRadius),
        ):
            if high and low > high:
                return _("The lowest {what} is above the highest: exchange them.").format(what=what)
        try:
            numbers = self.rectangle()
        except ValueError:
            numbers = (0.0,)
        isRectangle = len(numbers) == 4 and numbers[0] < numbers[1] and numbers[2] < numbers[3]
        if numbers and not isRectangle:
            return _("Write the rectangle as lowest x, highest x, lowest y, highest y in cm, such as -5 5 -5 5.")
        return ""

    def rectangle(self) -> tuple[float, ...]:
        """The numbers of the rectangle; raises ValueError for a text that holds others."""
        words = re.split(r"[\s;]+|,\s+", self.currentParameters().convertRectangle.strip(" ,;"))
        return tuple(float(word.replace(",", ".")) for word in words if word)

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import phsp_convert

        parameters = self.currentParameters()
        output = Path(parameters.convertOutput)
        settings = phsp_convert.Settings(
            input=Path(parameters.convertPath),
            output=output,
            format=None if parameters.convertFormat == BY_ENDING else parameters.convertFormat,
            overwrite=parameters.convertReplace,
            recycle=parameters.convertRecycle,
            **self._filters(parameters),
            **self._place(parameters),
        )
        return Job(self.task, settings, self.show)

    def _filters(self, parameters) -> dict:
        left = parameters.convertLeftOut
        return {
            "species": tuple(name for name in SPECIES if name not in left) if left else (),
            "min_energy": parameters.convertMinEnergy or None,
            "max_energy": parameters.convertMaxEnergy or None,
            "min_radius": parameters.convertMinRadius or None,
            "max_radius": parameters.convertMaxRadius or None,
            "max_angle": parameters.convertMaxAngle or None,
            "rectangle": self.rectangle(),
            "particles": round(MILLION * parameters.convertMillions) or None,
        }

    def _place(self, parameters) -> dict:
        given = {
            "input_plane": parameters.convertInputPlane if parameters.convertInputPlaneGiven else None,
            "input_unit": None if parameters.convertInputUnit == AS_SAID else parameters.convertInputUnit,
            "plane": parameters.convertPlane if parameters.convertPlaneGiven else None,
        }
        if parameters.convertTurned:
            given |= {"gantry": parameters.convertGantry, "collimator": parameters.convertCollimator}
            given |= {"source_axis": parameters.convertSourceAxis, "source_z": parameters.convertSourceZ}
        return given

    def show(self, result) -> None:
        """Say what was written."""
        rows = {**result.summary, "files": ", ".join(result.files.values())}
        self.currentParameters().convertResult = json.dumps({"rows": rows, "path": str(result.output)})
        self.refresh()
