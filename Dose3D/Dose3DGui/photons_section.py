"""Photons of the scene, whatever function brought them: what is known of them, points and lines, plots."""

from __future__ import annotations

from typing import Annotated

from Dose3DLib.phasespace.marginals import MARGINALS
from slicer import vtkMRMLModelNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .photons_display import areOurs, figuresOf, lookAt, plotPhotons, removePhotons, showLook, showPhotons
from .section import Section
from .tables import FactsTable

__all__ = ["PhotonsParameters", "PhotonsSection"]


@parameterNodeWrapper
class PhotonsParameters:
    """Which photons are shown, and how; saved with the scene.

    pointSize in pixels, lineLength in cm; plotKind a key of MARGINALS; otherPoints are plotted beside shownPoints.
    """

    shownPoints: vtkMRMLModelNode
    pointsVisible: Annotated[bool, Default(True)]
    pointSize: Annotated[float, WithinRange(1, 10), Default(2)]
    linesVisible: bool
    lineLength: Annotated[float, WithinRange(1, 200), Default(20)]
    plotKind: Annotated[str, Choice(list(MARGINALS)), Default(next(iter(MARGINALS)))]
    otherPoints: vtkMRMLModelNode


class PhotonsSection(Section):
    """Below the results, always there; other sections bring photons by `bring`."""

    name = "photons"
    title = _("Photons")
    uiFile = "Dose3DPhaseSpacePhotons.ui"
    parametersClass = PhotonsParameters
    alwaysThere = True

    def setup(self) -> None:
        self.facts = FactsTable(self.ui.summaryTable)
        self.wire("plotButton", "clicked()", self.onPlotButton)
        self.wire("removePhotonsButton", "clicked()", self.onRemovePhotonsButton)

    def bring(self, columns, name: str, figures: dict, provenance: dict[str, str], replaced=None):
        """Add photons to the scene and show them; those `replaced` go, where they still are in the scene.

        Parameters are those of `showPhotons`; returns the node.
        """
        node = showPhotons(columns, name, figures, provenance)
        if areOurs(replaced):
            removePhotons(replaced)
        self.currentParameters().shownPoints = node
        self.refresh()
        lookAt(node)
        return node

    def rowsOf(self, node) -> dict:
        """What the table says of photons; {} where they are not in the scene."""
        return figuresOf(node).get("rows", {})

    # Handlers

    def onPlotButton(self) -> None:
        """Show the chosen marginal in a plot view."""
        parameters = self.currentParameters()
        other = parameters.otherPoints if areOurs(parameters.otherPoints) else None
        what = plotPhotons(parameters.shownPoints, parameters.plotKind, other)
        text = _("The plot is shown in a plot view, {what}; the Layout menu brings the former views back.")
        self.page.panel.say(text.format(what=what))

    def onRemovePhotonsButton(self) -> None:
        """Take the photons, their lines and their plot out of the scene."""
        removePhotons(self.currentParameters().shownPoints)
        self.page.panel.say(_("Removed from the scene."))
        self.page.onParametersChanged()

    # What the page shows

    def refresh(self) -> None:
        parameters = self.currentParameters()
        node = parameters.shownPoints
        figures = figuresOf(node)
        self.facts.show(figures.get("rows", {}))
        self.ui.frameLabel.text = _frameText(figures)
        self.ui.frameLabel.setVisible(bool(figures))
        reason = "" if figures else _("No photons were shown yet.")
        for name, text in _tooltips().items():
            getattr(self.ui, name).setEnabled(bool(figures))
            getattr(self.ui, name).toolTip = reason or text
        if figures:
            look = parameters.pointsVisible, parameters.pointSize, parameters.linesVisible, parameters.lineLength
            showLook(node, *look)


def _tooltips() -> dict[str, str]:
    return {
        "pointsCheckBox": _("Show the photons as points in 3-D, coloured by energy in MeV"),
        "pointSizeSlider": _("Size of the points in pixels"),
        "linesCheckBox": _("Show the photons as lines along their flight, coloured by energy in MeV"),
        "lineLengthSlider": _("Length of the lines in cm"),
        "plotSelector": _("What the plot shows: energy in MeV, place in cm, direction cosine, fluence per cm2"),
        "otherPointsSelector": _("Other photons whose curve is drawn in the same plot, as real beside generated ones"),
        "plotButton": _("Show this distribution of the photons in a plot view"),
        "removePhotonsButton": _("Remove the photons, their lines and their plot"),
    }


def _frameText(figures: dict) -> str:
    if not figures:
        return ""
    system = figures.get("system") or _("the file does not say")
    text = _("Positions are those of the file, cm times ten as mm: x, y, z stand for R, A, S. Its axes: {system}")
    return "\n".join(filter(None, [text.format(system=system), figures.get("extent", "")]))
