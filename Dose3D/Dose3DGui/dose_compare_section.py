"""Function "Compare doses": gamma and difference of two doses as maps, pass rates, a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Default, WithinRange, parameterNodeWrapper

from .compare_display import areMaps, factsOf, removeMaps, setMapLayers, showMaps
from .ct_input import CtInput
from .dose_input import DoseInput
from .number_lines import namesIn
from .scene_inputs import JobFiles, isInScene
from .section import Job, Section, optionOf, shortText, taskNamed
from .structures_input import StructuresInput
from .tables import FactsTable

__all__ = ["CompareDosesParameters", "CompareDosesSection"]

TASK = taskNamed("dose", "compare")
GAMMA, HIGHEST, THRESHOLD, SEED = (optionOf(TASK, name) for name in ("gamma", "highest", "threshold", "seed"))
USUAL = -1.0
MOST_POINTS = 100_000_000


@parameterNodeWrapper
class CompareDosesParameters:
    """Which doses, and how gamma is made; saved with the scene.

    gammaReferenceSource ..., gammaEvaluatedSource ..., gammaStructuresSource ..., gammaCtSource ...:
        see DoseInput, StructuresInput and CtInput.
    gammaCriteria:
        percent/mm, or a preset's name.
    gammaThreshold:
        in percent; -1 for 10, or what the preset says.
    gammaNormalisation:
        dose of 100 % in Gy; 0 for the highest one of the reference.
    gammaPoints:
        0 for all voxels.
    gammaOnly:
        names of structures with semicolons between them; "" for all.
    gammaLayout:
        file of a detector through whose cells both doses are seen, too; "" for none.
    gammaFolder, gammaReplace:
        where results are kept as files; "" keeps none.
    gammaShown, gammaDifference, gammaOpacity:
        the map that the page shows, and how.
    """

    gammaReferenceSource: str
    gammaReferenceVolume: vtkMRMLScalarVolumeNode
    gammaReferencePath: str
    gammaEvaluatedSource: str
    gammaEvaluatedVolume: vtkMRMLScalarVolumeNode
    gammaEvaluatedPath: str
    gammaStructuresSource: str
    gammaStructuresNode: vtkMRMLSegmentationNode
    gammaStructuresPath: str
    gammaCtSource: str
    gammaCtVolume: vtkMRMLScalarVolumeNode
    gammaCtPath: str
    gammaLayout: str
    gammaCriteria: Annotated[str, Default(GAMMA.default)]
    gammaLocal: bool
    gammaThreshold: Annotated[float, WithinRange(USUAL, THRESHOLD.maximum), Default(USUAL)]
    gammaNormalisation: Annotated[float, WithinRange(0, 300)]
    gammaHighest: Annotated[float, WithinRange(HIGHEST.minimum, HIGHEST.maximum), Default(HIGHEST.default)]
    gammaPoints: Annotated[int, WithinRange(0, MOST_POINTS)]
    gammaOnly: str
    gammaLenient: bool
    gammaFolder: str
    gammaReplace: bool
    gammaShown: vtkMRMLScalarVolumeNode
    gammaDifference: bool
    gammaOpacity: Annotated[float, WithinRange(0, 1), Default(0.6)]


class CompareDosesSection(Section):
    """Settings of `dose3d dose compare` and its maps."""

    name = "compareDoses"
    title = _("Compare doses")
    uiFile = "Dose3DCompareDoses.ui"
    parametersClass = CompareDosesParameters
    resultPart = "gammaResultCollapsibleButton"
    paths = {
        "gammaReferencePathEdit": "gammaReferencePath",
        "gammaEvaluatedPathEdit": "gammaEvaluatedPath",
        "gammaStructuresPathEdit": "gammaStructuresPath",
        "gammaCtPathEdit": "gammaCtPath",
        "gammaLayoutEdit": "gammaLayout",
        "gammaFolderEdit": "gammaFolder",
    }
    readyText = _("Compare the two doses")
    task = TASK

    def setup(self) -> None:
        self.reference = DoseInput(self, "gammaReference")
        self.evaluated = DoseInput(self, "gammaEvaluated")
        self.structures = StructuresInput(self, "gammaStructures", required=False)
        self.ct = CtInput(self, "gammaCt", required=False)
        self.facts = FactsTable(self.ui.gammaTable)
        self._applied = None
        self.wire("gammaRemoveButton", "clicked()", self.onRemoveButton)

    def chooseDefaults(self) -> None:
        self.reference.chooseDefaults()

    # Handlers

    def onRemoveButton(self) -> None:
        """Take both maps out of the scene."""
        removeMaps(self.currentParameters().gammaShown)
        self.page.panel.say(_("Removed from the scene."))
        self.page.onParametersChanged()

    # What the page shows

    def refresh(self) -> None:
        for part in (self.reference, self.evaluated, self.structures, self.ct):
            part.refresh()
        parameters = self.currentParameters()
        node = parameters.gammaShown
        isShown = areMaps(node)
        self.facts.show(factsOf(node))
        texts = {
            "gammaDifferenceCheckBox": _("Show the difference (red: the evaluated dose is higher) instead of gamma"),
            "gammaOpacitySlider": _("Opacity of the map over the CT or the reference dose, 0 to 1"),
            "gammaRemoveButton": _("Remove both maps"),
        }
        for name, text in texts.items():
            getattr(self.ui, name).setEnabled(isShown)
            getattr(self.ui, name).toolTip = text if isShown else _("Nothing was compared yet.")
        wanted = (node.GetID(), parameters.gammaDifference, parameters.gammaOpacity) if isShown else None
        if wanted is not None and wanted != self._applied:  # users may rearrange the layers
            setMapLayers(node, parameters.gammaDifference, parameters.gammaOpacity)
        self._applied = wanted

    # The job

    def problem(self) -> str:
        first = self.reference.problem() or self._evaluatedProblem()
        return first or self.structures.problem() or self.ct.problem() or self._settingsProblem()

    def _evaluatedProblem(self) -> str:
        node = self.reference.volume
        if node is not None and node is self.evaluated.volume:
            return _("Both doses are the same volume: select another one to evaluate.")
        if not self.evaluated.isFiles and self.evaluated.volume is None:
            return _("Select the dose that is evaluated, or choose a file on the disk.")
        return self.evaluated.problem()

    def _settingsProblem(self) -> str:
        from Dose3DLib.core.errors import InputError
        from Dose3DLib.dose.gamma_presets import parse_gamma

        parameters = self.currentParameters()
        if self.structures.needsCt and not self.ct.isGiven:
            return _("DICOM structures need the CT that they belong to: select it.")
        if parameters.gammaLayout and not Path(parameters.gammaLayout).is_file():
            return _("{path} is no file: choose another layout.").format(path=shortText(parameters.gammaLayout))
        try:
            parse_gamma(parameters.gammaCriteria, parameters.gammaLocal, None, None)
        except InputError as error:
            return str(error)
        return ""

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import dose_compare

        parameters = self.currentParameters()
        ct, threshold, folder = self.ct.source(files), parameters.gammaThreshold, parameters.gammaFolder
        settings = dose_compare.Settings(
            reference=self.reference.file(files),
            evaluated=self.evaluated.file(files),
            structures=self.structures.file(files),
            ct=ct.path if ct else None,
            series=ct.series if ct else None,
            layout=Path(parameters.gammaLayout) if parameters.gammaLayout else None,
            gamma=parameters.gammaCriteria,
            local=parameters.gammaLocal,
            threshold=None if threshold < 0 else threshold,
            normalisation=parameters.gammaNormalisation or None,
            highest=parameters.gammaHighest,
            points=parameters.gammaPoints or None,
            only=namesIn(parameters.gammaOnly) if self.structures.isGiven else (),
            lenient=parameters.gammaLenient,
            output=Path(folder) if folder else files.output("comparison"),
            overwrite=parameters.gammaReplace and bool(folder),
        )
        reference, beneath, path = self.reference.volume, self.ct.volume, self.ct.path
        return Job(self.task, settings, lambda result: self.show(result, reference, beneath, path))

    def show(self, result, reference, ctVolume, ctPath: str) -> None:
        """Bring the maps into the scene and the views; those of the last comparison go."""
        ctNode = self.ct.nodeForResult(ctVolume, ctPath)
        reference = reference if isInScene(reference) else None
        parameters = self.currentParameters()
        before = parameters.gammaShown
        made = showMaps(result, ctNode or reference, reference)
        if areMaps(before) and before.GetName() == made.GetName():
            removeMaps(before)
        self._applied = None
        parameters.gammaShown = made
        self.refresh()
        if slicer.app.layoutManager() is not None:  # there is none without a main window
            slicer.util.resetSliceViews()
