"""Function "Look into a phase space": header, summary, a draw of its photons for the 3-D views and the plots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
from slicer import vtkMRMLModelNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .scene_inputs import JobFiles
from .scene_results import provenanceOf
from .section import Job, Section, optionOf, shortText, taskNamed

__all__ = ["PhaseSpaceParameters", "PhaseSpaceSection", "readPoints"]

MILLION = 1_000_000
TASK = taskNamed("phsp", "info")
POINTS, SEED, LIMIT, UNIT = (optionOf(TASK, name) for name in ("points", "seed", "limit", "input_unit"))
AS_SAID = "as the file says"


@parameterNodeWrapper
class PhaseSpaceParameters:
    """What is looked at; saved with the scene.

    phaseSpacePath:
        either file of an IAEA pair.
    phaseSpacePoints, phaseSpaceSeed:
        how many photons are drawn for the 3-D view, and the seed of the draw.
    phaseSpacePlaneGiven, phaseSpacePlane, phaseSpaceUnit:
        z in cm and unit of lengths, where the file does not say them.
    phaseSpaceLimit:
        millions of particles to read at most.
    phaseSpaceFolder, phaseSpaceReplace:
        where results are kept as files; "" keeps none.
    lookedAt:
        the photons that this function brought last; the next ones take their place.
    """

    phaseSpacePath: str
    phaseSpacePoints: Annotated[int, WithinRange(POINTS.minimum, MILLION), Default(POINTS.default)]
    phaseSpaceSeed: Annotated[int, WithinRange(SEED.minimum, MILLION), Default(SEED.default)]
    phaseSpacePlaneGiven: bool
    phaseSpacePlane: Annotated[float, WithinRange(-100_000, 100_000)]
    phaseSpaceUnit: Annotated[str, Choice([AS_SAID, *UNIT.choices]), Default(AS_SAID)]
    phaseSpaceLimit: Annotated[int, WithinRange(1, 100_000), Default(LIMIT.default // MILLION)]
    phaseSpaceFolder: str
    phaseSpaceReplace: bool
    lookedAt: vtkMRMLModelNode


class PhaseSpaceSection(Section):
    """Settings of `dose3d phsp info`; `PhotonsSection` shows what it brings."""

    name = "phaseSpace"
    title = _("Look into a phase space")
    uiFile = "Dose3DPhaseSpace.ui"
    parametersClass = PhaseSpaceParameters
    paths = {"phaseSpacePathEdit": "phaseSpacePath", "phaseSpaceFolderEdit": "phaseSpaceFolder"}
    readyText = _("Read the phase space and show its photons")
    task = TASK

    def choose(self, path: str) -> None:
        """Show this function with another file."""
        self.currentParameters().phaseSpacePath = path
        self.page.showFunction(self)

    def refresh(self) -> None:
        self.ui.phaseSpacePlaneSpinBox.setEnabled(self.currentParameters().phaseSpacePlaneGiven)

    # The job

    def problem(self) -> str:
        path = self.currentParameters().phaseSpacePath
        if not path:
            return _("Choose a phase space: one of a pair .IAEAphsp and .IAEAheader.")
        if not Path(path).is_file():
            return _("{path} is no file: choose another one.").format(path=shortText(path))
        return ""

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import phsp_info

        parameters = self.currentParameters()
        folder = parameters.phaseSpaceFolder
        settings = phsp_info.Settings(
            phase_space=Path(parameters.phaseSpacePath),
            output=Path(folder) if folder else files.output("phase-space"),
            points=parameters.phaseSpacePoints,
            seed=parameters.phaseSpaceSeed,
            limit=parameters.phaseSpaceLimit * MILLION,
            input_plane=parameters.phaseSpacePlane if parameters.phaseSpacePlaneGiven else None,
            input_unit=None if parameters.phaseSpaceUnit == AS_SAID else parameters.phaseSpaceUnit,
            scene=bool(folder),
            overwrite=parameters.phaseSpaceReplace and bool(folder),
        )
        name = Path(parameters.phaseSpacePath).stem
        return Job(self.task, settings, lambda result: self.show(result, name))

    def show(self, result, name: str) -> None:
        """Bring the photons into the scene; those that this function brought before are replaced."""
        folder = Path(result.output)
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        figures = {"rows": result.summary, "system": summary["coordinate_system"], "extent": summary["extent"]}
        figures["spectrum"] = summary["spectrum"]
        parameters = self.currentParameters()
        title = _("{name} photons").format(name=name)
        columns, photons = readPoints(folder / "points.csv"), self.page.sections["photons"]
        parameters.lookedAt = photons.bring(columns, title, figures, provenanceOf(folder), parameters.lookedAt)


def readPoints(path: Path) -> dict[str, np.ndarray]:
    """points.csv by the names of its columns."""
    lines = path.read_text(encoding="ascii").splitlines()
    names = lines[0].split(",")
    values = np.array([line.split(",") for line in lines[1:]], dtype=np.float32).reshape(-1, len(names))
    return {name: values[:, column] for column, name in enumerate(names)}
