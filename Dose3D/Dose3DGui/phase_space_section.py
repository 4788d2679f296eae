"""Function "Look into a phase space": header, summary, photons as points in 3-D, spectrum."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import slicer
from Dose3DLib.scene.color_nodes import COLORS_ROLE
from Dose3DLib.scene.phase_space_nodes import add_photons, add_spectrum
from slicer import vtkMRMLModelNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Default, WithinRange, parameterNodeWrapper

from .scene_inputs import JobFiles, isInScene, setProvenance
from .scene_results import provenanceOf, removeWithDisplay
from .section import Job, Section, optionOf, shortText, taskNamed
from .tables import fillTable, prepareTable

__all__ = ["PhaseSpaceParameters", "PhaseSpaceSection"]

MILLION = 1_000_000
TASK = taskNamed("phsp", "info")
POINTS, SEED, LIMIT = (optionOf(TASK, name) for name in ("points", "seed", "limit"))
CHART, TABLE, SERIES = "dose3dSpectrumChart", "dose3dSpectrumTable", "dose3dSpectrumSeries"
"""Roles of the references from the photons to their spectrum."""

FIGURES = "Dose3D.Figures"


@parameterNodeWrapper
class PhaseSpaceParameters:
    """What is looked at; saved with the scene.

    phaseSpacePath:
        either file of an IAEA pair.
    phaseSpacePoints, phaseSpaceSeed:
        how many photons are drawn for the 3-D view, and the seed of the draw.
    phaseSpaceLimit:
        millions of particles to read at most.
    phaseSpaceFolder, phaseSpaceReplace:
        where results are kept as files; "" keeps none.
    shownPoints, pointsVisible, pointSize:
        the photons that the page shows, and how; size in pixels.
    """

    phaseSpacePath: str
    phaseSpacePoints: Annotated[int, WithinRange(POINTS.minimum, MILLION), Default(POINTS.default)]
    phaseSpaceSeed: Annotated[int, WithinRange(SEED.minimum, MILLION), Default(SEED.default)]
    phaseSpaceLimit: Annotated[int, WithinRange(1, 100_000), Default(LIMIT.default // MILLION)]
    phaseSpaceFolder: str
    phaseSpaceReplace: bool
    shownPoints: vtkMRMLModelNode
    pointsVisible: Annotated[bool, Default(True)]
    pointSize: Annotated[float, WithinRange(1, 10), Default(2)]


class PhaseSpaceSection(Section):
    """Settings of `dose3d phsp info` and its result in the scene."""

    name = "phaseSpace"
    title = _("Look into a phase space")
    uiFile = "Dose3DPhaseSpace.ui"
    parametersClass = PhaseSpaceParameters
    resultPart = "phspResultCollapsibleButton"
    paths = {"phaseSpacePathEdit": "phaseSpacePath", "phaseSpaceFolderEdit": "phaseSpaceFolder"}
    readyText = _("Read the phase space and show its photons")
    task = TASK

    def setup(self) -> None:
        prepareTable(self.ui.summaryTable, [_("What"), _("Value")])
        self._filled = None
        self.wire("spectrumButton", "clicked()", self.onSpectrumButton)
        self.wire("removePhotonsButton", "clicked()", self.onRemovePhotonsButton)

    # Handlers

    def onSpectrumButton(self) -> None:
        """Show the spectrum of the shown photons in a plot view."""
        chart = self.currentParameters().shownPoints.GetNodeReference(CHART)
        slicer.modules.plots.logic().ShowChartInLayout(chart)
        self.page.panel.say(_("The spectrum is shown in a plot view; the Layout menu brings the former views back."))

    def onRemovePhotonsButton(self) -> None:
        """Take the photons and their spectrum out of the scene."""
        _remove(self.currentParameters().shownPoints)
        self.page.panel.say(_("Removed from the scene."))
        self.page.onParametersChanged()

    # What the page shows

    def refresh(self) -> None:
        parameters = self.currentParameters()
        node = parameters.shownPoints
        figures = json.loads(node.GetAttribute(FIGURES) or "{}") if isInScene(node) else {}
        self._fillTable(figures)
        self.ui.frameLabel.text = _frameText(figures)
        reason = "" if figures else _("No photons were shown yet.")
        texts = {
            "pointsCheckBox": _("Show the photons as points in 3-D, coloured by energy in MeV"),
            "pointSizeSlider": _("Size of the points in pixels"),
            "spectrumButton": _("Show the energies of all photons that were read, share per MeV, in a plot view"),
            "removePhotonsButton": _("Remove the photons and their spectrum"),
        }
        for name, text in texts.items():
            getattr(self.ui, name).setEnabled(bool(figures))
            getattr(self.ui, name).toolTip = reason or text
        if figures:
            node.GetDisplayNode().SetVisibility(parameters.pointsVisible)
            node.GetDisplayNode().SetPointSize(parameters.pointSize)

    def _fillTable(self, figures: dict) -> None:
        rows = [(str(name), _valueText(value)) for name, value in figures.get("rows", {}).items()]
        if rows == self._filled:
            return
        self._filled = rows
        fillTable(self.ui.summaryTable, rows)

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
            overwrite=parameters.phaseSpaceReplace and bool(folder),
        )
        name = Path(parameters.phaseSpacePath).stem
        return Job(self.task, settings, lambda result: self.show(result, name))

    def show(self, result, name: str) -> None:
        """Bring photons and spectrum into the scene; what the page showed before is replaced."""
        folder = Path(result.output)
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        before = self.currentParameters().shownPoints
        if isInScene(before) and before.GetAttribute(FIGURES):
            _remove(before)
        node = add_photons(slicer.mrmlScene, _columns(folder / "points.csv"), _("{name} photons").format(name=name))
        spectrum = summary["spectrum"]
        title = _("{name} spectrum").format(name=name)
        parts = add_spectrum(slicer.mrmlScene, spectrum["edges_mev"], spectrum["weights"], title)
        for role, part in zip((TABLE, SERIES, CHART), parts, strict=True):
            node.SetNodeReferenceID(role, part.GetID())
        figures = {"rows": result.summary, "system": summary["coordinate_system"], "extent": summary["extent"]}
        node.SetAttribute(FIGURES, json.dumps(figures))
        setProvenance(node, **provenanceOf(folder))
        self.currentParameters().shownPoints = node
        self.refresh()
        _lookAt(node)


def _columns(path: Path) -> dict[str, np.ndarray]:
    """points.csv by the names of its columns."""
    lines = path.read_text(encoding="ascii").splitlines()
    names = lines[0].split(",")
    values = np.array([line.split(",") for line in lines[1:]], dtype=np.float32).reshape(-1, len(names))
    return {name: values[:, column] for column, name in enumerate(names)}


def _remove(node) -> None:
    for role in (CHART, SERIES, TABLE):
        part = node.GetNodeReference(role)
        if part is not None:
            slicer.mrmlScene.RemoveNode(part)
    colors = node.GetNodeReference(COLORS_ROLE)
    removeWithDisplay(node)
    slicer.mrmlScene.RemoveNode(colors)


def _frameText(figures: dict) -> str:
    if not figures:
        return ""
    system = figures["system"] or _("the file does not say")
    text = _("Positions are those of the file, cm times ten as mm: x, y, z stand for R, A, S. Its axes: {system}")
    return f"{text.format(system=system)}\n{figures['extent']}"


def _valueText(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _lookAt(node) -> None:
    """Have the 3-D views show all of the points."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    if bounds[0] > bounds[1]:
        return
    center = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
    reach = max(bounds[2 * axis + 1] - bounds[2 * axis] for axis in range(3))
    for index in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLCameraNode")):
        camera = slicer.mrmlScene.GetNthNodeByClass(index, "vtkMRMLCameraNode")
        camera.SetFocalPoint(*center)
        camera.SetPosition(center[0] + 0.7 * reach, center[1] - 1.1 * reach, center[2] - 1.9 * reach)
        camera.SetViewUp(0.0, 1.0, 0.0)
        camera.ResetClippingRange()
