"""Function "DVH": dose-volume histograms of structures with their figures and clinical goals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from Dose3DLib.dose.goals import protocol_names
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .ct_input import CtInput
from .dose_input import DoseInput
from .dvh_display import STATE_COLORS, areDvhs, goalsOf, removeDvhs, showDvhPlot, showDvhs
from .number_lines import namesIn
from .scene_inputs import JobFiles
from .scene_results import provenanceOf
from .section import Job, Section, optionOf, shortText, taskNamed
from .structures_input import StructuresInput
from .tables import ROW_HEIGHT, fillTable, prepareTable

__all__ = ["DvhParameters", "DvhSection"]

TASK = taskNamed("dose", "dvh")
ENDS = optionOf(TASK, "ends")
NO_GOALS, OWN_GOALS = "none", "file"
OTHER_STATE = (150, 150, 150)


@parameterNodeWrapper
class DvhParameters:
    """Which dose in which structures, and what is asked of it; saved with the scene.

    dvhDoseSource ..., dvhReferenceSource ..., dvhStructuresSource ..., dvhCtSource ...:
        see DoseInput, StructuresInput and CtInput.
    dvhPrescription:
        in Gy; 0 for none.
    dvhGoals, dvhGoalsPath:
        a protocol's name, "none", or "file" for the path.
    dvhMetrics:
        figures in TG-263's names with blanks between them; "" for the usual ones.
    dvhOnly:
        names of structures with semicolons between them; "" for all.
    dvhFolder, dvhReplace:
        where results are kept as files; "" keeps none.
    dvhTable:
        the figures that the page shows.
    """

    dvhDoseSource: str
    dvhDoseVolume: vtkMRMLScalarVolumeNode
    dvhDosePath: str
    dvhStructuresSource: str
    dvhStructuresNode: vtkMRMLSegmentationNode
    dvhStructuresPath: str
    dvhCtSource: str
    dvhCtVolume: vtkMRMLScalarVolumeNode
    dvhCtPath: str
    dvhReferenceSource: str
    dvhReferenceVolume: vtkMRMLScalarVolumeNode
    dvhReferencePath: str
    dvhSamples: str
    dvhPrescription: Annotated[float, WithinRange(0, 300)]
    dvhGoals: Annotated[str, Choice([NO_GOALS, *protocol_names(), OWN_GOALS]), Default(NO_GOALS)]
    dvhGoalsPath: str
    dvhMetrics: str
    dvhOnly: str
    dvhEnds: Annotated[str, Choice(list(ENDS.choices)), Default(ENDS.default)]
    dvhLenient: bool
    dvhFolder: str
    dvhReplace: bool
    dvhTable: vtkMRMLTableNode


class DvhSection(Section):
    """Settings of `dose3d dose dvh`, its figures and its plot."""

    name = "dvh"
    title = _("DVH")
    uiFile = "Dose3DDvh.ui"
    parametersClass = DvhParameters
    resultPart = "dvhResultCollapsibleButton"
    paths = {
        "dvhDosePathEdit": "dvhDosePath",
        "dvhStructuresPathEdit": "dvhStructuresPath",
        "dvhCtPathEdit": "dvhCtPath",
        "dvhReferencePathEdit": "dvhReferencePath",
        "dvhSamplesEdit": "dvhSamples",
        "dvhGoalsPathEdit": "dvhGoalsPath",
        "dvhFolderEdit": "dvhFolder",
    }
    readyText = _("Make the dose-volume histograms")
    task = TASK

    def setup(self) -> None:
        self.dose = DoseInput(self, "dvhDose")
        self.structures = StructuresInput(self, "dvhStructures")
        self.ct = CtInput(self, "dvhCt", required=False)
        self.reference = DoseInput(self, "dvhReference", required=False)
        self._listed = None
        prepareTable(self.ui.dvhGoalsTable, [_("Structure"), _("Goal"), _("Value"), _("State")])
        self.ui.dvhTableView.verticalHeader().setVisible(False)
        self.ui.dvhTableView.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.wire("dvhPlotButton", "clicked()", self.onPlotButton)
        self.wire("dvhRemoveButton", "clicked()", self.onRemoveButton)

    def chooseDefaults(self) -> None:
        self.dose.chooseDefaults()

    # Handlers

    def onPlotButton(self) -> None:
        """Show the curves in a plot view."""
        try:
            showDvhPlot(self.currentParameters().dvhTable)
        except RuntimeError as error:
            self.page.panel.say(str(error))
            return
        self.page.panel.say(_("The plot is shown in a plot view; the Layout menu brings the former views back."))

    def onRemoveButton(self) -> None:
        """Take figures and curves out of the scene."""
        removeDvhs(self.currentParameters().dvhTable)
        self.page.panel.say(_("Removed from the scene."))
        self.page.onParametersChanged()

    # What the page shows

    def refresh(self) -> None:
        for part in (self.dose, self.structures, self.ct, self.reference):
            part.refresh()
        parameters = self.currentParameters()
        for name in ("dvhGoalsPathLabel", "dvhGoalsPathEdit"):
            getattr(self.ui, name).setVisible(parameters.dvhGoals == OWN_GOALS)
        self._refreshResult(parameters.dvhTable if areDvhs(parameters.dvhTable) else None)

    def _refreshResult(self, node) -> None:
        if self.ui.dvhTableView.mrmlTableNode() is not node:
            self.ui.dvhTableView.setMRMLTableNode(node)
            self.ui.dvhTableView.resizeColumnsToContents()
        self.ui.dvhTableView.setVisible(node is not None)
        goals = goalsOf(node)
        if goals != self._listed:
            self._listed = goals
            fillTable(self.ui.dvhGoalsTable, goals, [STATE_COLORS.get(goal[3], OTHER_STATE) for goal in goals])
            for column in (1, 2):
                self.ui.dvhGoalsTable.resizeColumnToContents(column)
        texts = {
            "dvhPlotButton": _("Show the curves in a plot view"),
            "dvhRemoveButton": _("Remove figures and curves"),
        }
        for name, text in texts.items():
            getattr(self.ui, name).setEnabled(node is not None)
            getattr(self.ui, name).toolTip = text if node is not None else _("No DVH was made yet.")

    # The job

    def problem(self) -> str:
        parts = (self.dose, self.structures, self.ct, self.reference)
        return next(filter(None, (part.problem() for part in parts)), "") or self._filesProblem()

    def _filesProblem(self) -> str:
        parameters = self.currentParameters()
        if self.structures.needsCt and not self.ct.isGiven:
            return _("DICOM structures need the CT that they belong to: select it.")
        if parameters.dvhSamples and not Path(parameters.dvhSamples).is_dir():
            return _("{path} is no folder: choose another one.").format(path=shortText(parameters.dvhSamples))
        if parameters.dvhGoals == OWN_GOALS and not Path(parameters.dvhGoalsPath or "-").is_file():
            return _("Choose the CSV file of your goals.")
        return ""

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import dose_dvh

        parameters = self.currentParameters()
        ct, goals = self.ct.source(files), parameters.dvhGoals
        settings = dose_dvh.Settings(
            dose=self.dose.file(files),
            structures=self.structures.file(files),
            ct=ct.path if ct else None,
            series=ct.series if ct else None,
            reference=self.reference.file(files),
            samples=Path(parameters.dvhSamples) if parameters.dvhSamples else None,
            prescription=parameters.dvhPrescription or None,
            goals={NO_GOALS: (), OWN_GOALS: (parameters.dvhGoalsPath,)}.get(goals, (goals,)),
            metrics=tuple(parameters.dvhMetrics.replace(",", " ").split()),
            only=namesIn(parameters.dvhOnly),
            ends=parameters.dvhEnds,
            lenient=parameters.dvhLenient,
            output=Path(parameters.dvhFolder) if parameters.dvhFolder else files.output("dvh"),
            overwrite=parameters.dvhReplace and bool(parameters.dvhFolder),
        )
        return Job(self.task, settings, self.show)

    def show(self, result) -> None:
        """Bring figures and curves into the scene; those before go where they are of the same name."""
        folder, parameters = Path(result.output), self.currentParameters()
        before, made = parameters.dvhTable, showDvhs(folder, provenanceOf(folder))
        if areDvhs(before) and before.GetName() == made.GetName():
            removeDvhs(before)
        parameters.dvhTable = made
        self.refresh()
