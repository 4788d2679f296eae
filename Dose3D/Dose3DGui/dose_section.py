"""Function "Show a dose": isodoses over a CT, alone or as the difference of two doses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .ct_input import CtInput
from .dose_display import DoseDisplay, DoseResult
from .dose_input import DoseInput
from .scene_inputs import JobFiles, isInScene
from .section import Job, Section, optionOf, taskNamed
from .tables import fillTable, prepareTable

__all__ = ["DoseParameters", "DoseSection"]

TASK = taskNamed("dose", "show")
UNIT = optionOf(TASK, "unit")
PERCENT, GY = UNIT.choices


@parameterNodeWrapper
class DoseParameters:
    """What is shown, and how; saved with the scene.

    doseSource, doseVolume, dosePath / referenceSource ... / doseCtSource ...:
        dose, dose that is subtracted, CT beneath; see DoseInput and CtInput.
    doseLevels:
        numbers with blanks between them, in `doseUnit`; "" for the usual ones.
    prescription:
        dose of 100 % in Gy; 0 for the highest dose.
    doseFolder, doseReplace:
        where results are kept as files; "" keeps none.
    shownDose, doseOpacity, isodosesVisible, differenceVisible:
        the dose that the page shows, and how.
    """

    doseSource: str
    doseVolume: vtkMRMLScalarVolumeNode
    dosePath: str
    referenceSource: str
    referenceVolume: vtkMRMLScalarVolumeNode
    referencePath: str
    doseCtSource: str
    doseCtVolume: vtkMRMLScalarVolumeNode
    doseCtPath: str
    doseLevels: str
    doseUnit: Annotated[str, Choice(list(UNIT.choices)), Default(UNIT.default)]
    prescription: Annotated[float, WithinRange(0, 300)]
    doseFolder: str
    doseReplace: bool
    shownDose: vtkMRMLScalarVolumeNode
    doseOpacity: Annotated[float, WithinRange(0, 1), Default(0.45)]
    isodosesVisible: Annotated[bool, Default(True)]
    differenceVisible: bool


class DoseSection(Section):
    """Settings of `dose3d dose show` and its result in the views."""

    name = "dose"
    title = _("Show a dose")
    uiFile = "Dose3DDose.ui"
    parametersClass = DoseParameters
    resultPart = "doseResultCollapsibleButton"
    paths = {
        "dosePathEdit": "dosePath",
        "referencePathEdit": "referencePath",
        "doseCtPathEdit": "doseCtPath",
        "doseFolderEdit": "doseFolder",
    }
    readyText = _("Show the dose")
    task = TASK

    def setup(self) -> None:
        self.dose = DoseInput(self, "dose")
        self.reference = DoseInput(self, "reference", required=False)
        self.ct = CtInput(self, "doseCt", required=False)
        self.display = DoseDisplay()
        self._applied = self._listed = None
        prepareTable(self.ui.isodoseTable, [_("Isodose"), _("Volume inside (cc)")])
        self.wire("highestDoseButton", "clicked()", self.onHighestDoseButton)
        self.wire("removeDoseButton", "clicked()", self.onRemoveDoseButton)

    def chooseDefaults(self) -> None:
        self.dose.chooseDefaults()

    # Handlers

    def onHighestDoseButton(self) -> None:
        """Move the slices to the voxel of the highest dose."""
        self.display.goToHighest(self.currentParameters().shownDose)

    def onRemoveDoseButton(self) -> None:
        """Take the isodoses, the difference and a dose that came from a file out of the scene."""
        self.display.remove(self.currentParameters().shownDose)
        self.page.panel.say(_("Removed from the scene."))
        self.page.onParametersChanged()

    # What the page shows

    def refresh(self) -> None:
        for part in (self.dose, self.reference, self.ct):
            part.refresh()
        parameters = self.currentParameters()
        self.ui.prescriptionSpinBox.setEnabled(parameters.doseUnit == PERCENT)
        self._refreshResult(parameters)

    def _refreshResult(self, parameters) -> None:
        node = parameters.shownDose
        isShown = self.display.isShown(node)
        reason = "" if isShown else _("No dose was shown yet.")
        hasDifference = isShown and self.display.difference(node) is not None
        texts = {
            "highestDoseButton": _("Move the slices to the voxel of the highest dose"),
            "removeDoseButton": _("Remove isodoses and difference, and the dose where it came from a file"),
            "doseOpacitySlider": _("Opacity of the dose over the CT in the slice views, 0 to 1"),
            "isodosesCheckBox": _("Show the isodoses as lines in the slices and as surfaces in 3-D"),
        }
        for name, text in texts.items():
            getattr(self.ui, name).setEnabled(isShown)
            getattr(self.ui, name).toolTip = reason or text
        self.ui.differenceCheckBox.setEnabled(hasDifference)
        self.ui.differenceCheckBox.toolTip = (
            _("Show the difference of the two doses in Gy (red: the first is higher) in the slices")
            if hasDifference
            else reason or _("No second dose was subtracted.")
        )
        summary = self.display.summary(node) if isShown else {}
        self.ui.doseSummaryLabel.text = _summaryText(summary) if isShown else ""
        self._listIsodoses(summary.get("levels", []))
        self._apply(parameters if isShown else None)

    def _listIsodoses(self, levels: list[dict]) -> None:
        """The legend: colour, level, volume inside."""
        if levels == self._listed:
            return
        self._listed = levels
        volumes = [f"{level['volume_cc']:.4g}" + (" *" if level["cut_by_grid"] else "") for level in levels]
        rows = [(level["label"], volume) for level, volume in zip(levels, volumes, strict=True)]
        fillTable(self.ui.isodoseTable, rows, [tuple(level["color"]) for level in levels])

    def _apply(self, parameters) -> None:
        """Bring the views to what the parameters say, only when that has changed: users may rearrange the layers."""
        wanted = None
        if parameters is not None:
            node = parameters.shownDose
            wanted = (node.GetID(), parameters.doseOpacity, parameters.isodosesVisible, parameters.differenceVisible)
        if wanted is not None and wanted != self._applied:
            self.display.setLayers(node, parameters.doseOpacity, parameters.differenceVisible)
            self.display.setIsodosesVisible(node, parameters.isodosesVisible)
        self._applied = wanted

    # The job

    def problem(self) -> str:
        first = self.dose.problem() or self.reference.problem() or self.ct.problem()
        if first:
            return first
        if self.dose.volume is not None and self.dose.volume is self.reference.volume:
            return _("Both doses are the same volume: select another one to subtract.")
        return self._levelsProblem()

    def levels(self) -> tuple[float, ...]:
        """The numbers of the levels; raises ValueError for a text that holds others."""
        words = re.split(r"[\s;]+|,\s+", self.currentParameters().doseLevels.strip(" ,;"))
        return tuple(float(word.replace(",", ".").rstrip("%")) for word in words if word)

    def _levelsProblem(self) -> str:
        try:
            levels = self.levels()
        except ValueError:
            return _("Write the levels as numbers with blanks between them, such as 50 80 95.")
        if any(not 0 < level < float("inf") for level in levels):
            return _("Levels must be above 0.")
        if not levels and self.currentParameters().doseUnit == GY:
            return _("Write the levels in Gy, or choose percent.")
        return ""

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import dose_show

        parameters = self.currentParameters()
        ct = self.ct.source(files)
        settings = dose_show.Settings(
            dose=self.dose.file(files),
            reference=self.reference.file(files),
            ct=ct.path if ct else None,
            series=ct.series if ct else None,
            levels=self.levels(),
            unit=parameters.doseUnit,
            prescription=parameters.prescription or None if parameters.doseUnit == PERCENT else None,
            output=Path(parameters.doseFolder) if parameters.doseFolder else files.output("dose"),
            overwrite=parameters.doseReplace and bool(parameters.doseFolder),
        )
        node, volume, path = self.dose.volume, self.ct.volume, self.ct.path
        return Job(self.task, settings, lambda result: self.show(result, node, volume, path))

    def show(self, result, node, ctVolume, ctPath: str) -> None:
        """Bring the result into the scene and the views."""
        if node is not None and not isInScene(node):
            raise RuntimeError(_("The dose volume was removed from the scene; its isodoses were not added."))
        ctNode = self.ct.nodeForResult(ctVolume, ctPath)
        found = DoseResult(Path(result.output))
        name = found.summary()["name"]
        shown = self.display.show(found, node, ctNode, name)
        parameters = self.currentParameters()
        self._applied = None
        parameters.shownDose = shown
        parameters.differenceVisible = False
        self.refresh()
        if slicer.app.layoutManager() is not None:  # there is none without a main window
            slicer.util.resetSliceViews()
        self.display.goToHighest(shown)


def _summaryText(summary: dict) -> str:
    """The numbers of a shown dose in a few lines."""
    units = summary["units"]
    x, y, z = summary["maximum_at_lps_mm"]
    lines = [_("Highest dose {dose:.4g} {units} at L {x:.1f}, P {y:.1f}, S {z:.1f} mm").format(
        dose=summary["maximum"], units=units, x=x, y=y, z=z
    )]  # fmt: skip
    if summary.get("d2cc") is not None:
        lines.append(_("D2cc {dose:.4g} {units}").format(dose=summary["d2cc"], units=units))
    if "difference" in summary:
        found = summary["difference"]
        text = _("Difference {low:+.4g} to {high:+.4g} {units}")
        lines.append(text.format(low=found["lowest"], high=found["highest"], units=units))
        if found["share_outside"] > 0:
            share = 100 * found["share_outside"]
            lines.append(_("No difference in {share:.3g} % of the grid: outside the second dose").format(share=share))
    if any(level["cut_by_grid"] for level in summary["levels"]):
        lines.append(_("* The grid ends inside this isodose: its true volume is larger."))
    return "\n".join(lines)
