"""Function "Generate photons": any number of photons of a model into a file, the first of them into the scene."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from slicer import vtkMRMLModelNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .model_input import ModelInput
from .phase_space_convert_section import BY_ENDING, formatChoices
from .scene_inputs import JobFiles
from .scene_results import provenanceOf
from .section import Job, Section, optionOf, shortText, taskNamed
from .tables import FactsTable

__all__ = ["GenerateParameters", "GenerateSection"]

TASK = taskNamed("phsp", "generate")
SEED, DEVICE, SOURCES = (optionOf(TASK, name) for name in ("seed", "device", "sources"))
MILLION = 1_000_000


@parameterNodeWrapper
class GenerateParameters:
    """Which model, how many photons, where they go; saved with the scene.

    generateModelName, generateModelFolder:
        see ModelInput.
    generateOthers, generateCondition:
        phase space of the electrons, or ""; values of conditions as numbers with blanks between them.
    generateMillions, generateSeed, generateDevice, generateSources:
        as the settings of the task.
    generateOutput, generateFormat, generateReplace:
        the file; "" keeps none.
    generateShown, generatedPoints:
        how many photons come into the scene, and the last that did.
    """

    generateModelName: str
    generateModelFolder: str
    generateOthers: str
    generateCondition: str
    generateMillions: Annotated[float, WithinRange(1 / MILLION, MILLION), Default(1.0)]
    generateSeed: Annotated[int, WithinRange(SEED.minimum, MILLION), Default(SEED.default)]
    generateDevice: Annotated[str, Choice(list(DEVICE.choices)), Default(DEVICE.default)]
    generateOutput: str
    generateFormat: Annotated[str, Choice(formatChoices(TASK)), Default(BY_ENDING)]
    generateSources: Annotated[bool, Default(SOURCES.default)]
    generateReplace: bool
    generateShown: Annotated[int, WithinRange(0, MILLION), Default(10_000)]
    generatedPoints: vtkMRMLModelNode


class GenerateSection(Section):
    """Settings of `dose3d phsp generate`; `PhotonsSection` shows what it brings."""

    name = "phaseSpaceGenerate"
    title = _("Generate photons")
    uiFile = "Dose3DPhaseSpaceGenerate.ui"
    parametersClass = GenerateParameters
    resultPart = "generateResultCollapsibleButton"
    paths = {
        "generateModelFolderEdit": "generateModelFolder",
        "generateOthersEdit": "generateOthers",
        "generateOutputEdit": "generateOutput",
    }
    readyText = _("Generate photons and show the first of them")
    task = TASK

    def setup(self) -> None:
        self.model = ModelInput(self, "generateModel")
        self.facts = FactsTable(self.ui.generateTable)

    def chooseDefaults(self) -> None:
        self.model.chooseDefault()

    def choose(self, folder: str) -> None:
        """Show this function with the model in a folder."""
        self.model.choose("", folder)
        self.page.showFunction(self)

    # What the page shows

    def refresh(self) -> None:
        self.model.refresh()
        points = self.currentParameters().generatedPoints
        self.facts.show(self.page.sections["photons"].rowsOf(points))

    # The job

    def problem(self) -> str:
        parameters = self.currentParameters()
        others = parameters.generateOthers
        if others and not Path(others).is_file():
            return _("{path} is no file: choose another one, or none.").format(path=shortText(others))
        try:
            self.conditions()
        except ValueError:
            return _("Write the conditions as numbers with blanks between them.")
        return self.model.problem()

    def conditions(self) -> tuple[float, ...]:
        """The values of conditions; raises ValueError for a text that holds others."""
        words = re.split(r"[\s;]+|,\s+", self.currentParameters().generateCondition.strip(" ,;"))
        return tuple(float(word.replace(",", ".")) for word in words if word)

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import phsp_generate

        parameters = self.currentParameters()
        kept = parameters.generateOutput
        settings = phsp_generate.Settings(
            model=self.model.model,
            photons=round(MILLION * parameters.generateMillions),
            output=Path(kept) if kept else files.output("photons.IAEAphsp"),
            seed=parameters.generateSeed,
            format=None if parameters.generateFormat == BY_ENDING or not kept else parameters.generateFormat,
            device=parameters.generateDevice,
            condition=self.conditions(),
            others=Path(parameters.generateOthers) if parameters.generateOthers else None,
            sources=parameters.generateSources and bool(kept),
            overwrite=parameters.generateReplace and bool(kept),
        )
        shown, name = parameters.generateShown, Path(self.model.model).name
        return Job(self.task, settings, lambda result: self.show(result, name, shown, bool(kept)))

    def show(self, result, name: str, shown: int, isKept: bool) -> None:
        """Bring the first photons of the file into the scene; those of the last run go."""
        output = Path(result.output)
        columns, system = _firstPhotons(output, shown)
        rows = dict(result.summary)
        if isKept:
            rows["files"] = ", ".join(result.files.values())
        extent = _("The first {count} generated photons are shown.").format(count=f"{len(columns['weight']):,}")
        facts = {"rows": rows, "system": system, "extent": extent}
        provenance = provenanceOf(output.parent, result.files["provenance"])
        parameters, photons = self.currentParameters(), self.page.sections["photons"]
        title = _("{name} photons").format(name=name)
        parameters.generatedPoints = photons.bring(columns, title, facts, provenance, parameters.generatedPoints)
        self.refresh()


def _firstPhotons(path: Path, number: int) -> tuple[dict, str]:
    """The first photons of a file as columns, and its axes in words; photons of a model come in no order."""
    from Dose3DLib.phasespace.particles import SPECIES
    from Dose3DLib.phasespace.read import open_phase_space

    source = open_phase_space(path)
    found = source.read(0, min(source.count, number))
    photon = next(code for code, name in SPECIES.items() if name == "photon")
    found = found.select(found.species == photon)
    columns = {"x_cm": found.x, "y_cm": found.y, "z_cm": found.z, "u": found.u, "v": found.v, "w": found.w}
    return columns | {"energy_mev": found.energy, "weight": found.weight}, source.coordinate_system
