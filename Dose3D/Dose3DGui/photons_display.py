"""Photons in the scene: points, lines, what is known of them, and plots of one set or of two beside each other."""

from __future__ import annotations

import json

import numpy as np
import slicer
from Dose3DLib.phasespace.marginals import MARGINALS, marginal
from Dose3DLib.scene.color_nodes import COLORS_ROLE, legend_of
from Dose3DLib.scene.phase_space_nodes import (
    FIGURES,
    add_lines,
    add_photons,
    add_spectrum,
    lines_of,
    photon_columns,
    set_line_length,
)
from Dose3DLib.scene.plot_nodes import Curve, add_chart, remove_chart
from slicer.i18n import tr as _

from .cameras import lookAlong
from .scene_inputs import isInScene, setProvenance
from .scene_results import removeWithDisplay

__all__ = ["areOurs", "figuresOf", "lookAt", "plotPhotons", "removePhotons", "showLook", "showPhotons"]

CHART = "dose3dChart"
"""Role of the reference from photons to the chart that was last made of them."""

LENGTH = "Dose3D.LineLength"


def showPhotons(columns: dict[str, np.ndarray], name: str, figures: dict, provenance: dict[str, str]):
    """Add photons as points to the scene; `figures` is what the page says of them, see FIGURES. Returns their node."""
    node = add_photons(slicer.mrmlScene, columns, name)
    node.SetAttribute(FIGURES, json.dumps(figures))
    setProvenance(node, **provenance)
    return node


def areOurs(node) -> bool:
    """Whether a node of the scene holds photons that Dose3D brought."""
    return isInScene(node) and bool(node.GetAttribute(FIGURES))


def figuresOf(node) -> dict:
    """What the page says of photons; {} of any other node."""
    return json.loads(node.GetAttribute(FIGURES)) if areOurs(node) else {}


def removePhotons(node) -> None:
    """Take photons out of the scene, with lines, colours and plot."""
    scene = slicer.mrmlScene
    chart, colors, lines = node.GetNodeReference(CHART), node.GetNodeReference(COLORS_ROLE), lines_of(node)
    if chart is not None:
        remove_chart(scene, chart)
    for part in filter(None, (lines, node)):
        removeWithDisplay(part)
    scene.RemoveNode(colors)


def showLook(node, points: bool, pointSize: float, lines: bool, lineLengthCm: float) -> None:
    """Show photons as points of this size in pixels, as lines of this length, as both or not at all."""
    display = node.GetDisplayNode()
    display.SetVisibility(points)
    display.SetPointSize(pointSize)
    if lines and lines_of(node) is None:
        add_lines(slicer.mrmlScene, node, lineLengthCm)
        node.SetAttribute(LENGTH, str(lineLengthCm))
        lookAt(lines_of(node), fromSide=True)
    if lines_of(node) is None:
        return
    if lines and node.GetAttribute(LENGTH) != str(lineLengthCm):  # hidden lines need no new places
        set_line_length(node, lineLengthCm)
        node.SetAttribute(LENGTH, str(lineLengthCm))
    lines_of(node).GetDisplayNode().SetVisibility(lines)
    legend_of(lines_of(node)).SetVisibility(lines and not points)


def plotPhotons(node, kind: str, other=None) -> str:
    """Show a plot of photons, of `other` ones in the same axes where there are any; returns what it is of."""
    if node.GetNodeReference(CHART) is not None:
        remove_chart(slicer.mrmlScene, node.GetNodeReference(CHART))
    spectrum = figuresOf(node).get("spectrum")
    if kind == "Energy" and other is None and spectrum:
        title = _("{name} spectrum").format(name=node.GetName())
        chart = add_spectrum(slicer.mrmlScene, spectrum["edges_mev"], spectrum["weights"], title)
        text = _("of all photons that were read")
    else:
        chart = _addMarginal(kind, [node] if other is None else [node, other])
        text = _("of the photons in the scene")
    node.SetNodeReferenceID(CHART, chart.GetID())
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    return text


def _addMarginal(kind: str, nodes: list):
    _column, xTitle, yTitle = MARGINALS[kind]
    places, shares = marginal(kind, [photon_columns(node) for node in nodes])
    names = [yTitle] if len(nodes) == 1 else _differing([node.GetName() for node in nodes])
    curves = [Curve(name, values) for name, values in zip(names, shares, strict=True)]
    title = _("{name}: {kind}").format(name=nodes[0].GetName(), kind=kind)
    return add_chart(slicer.mrmlScene, title, (xTitle, yTitle), places, curves)


def _differing(names: list[str]) -> list[str]:
    """Names of columns must differ."""
    return [name if names.index(name) == n else f"{name} ({n + 1})" for n, name in enumerate(names)]


def lookAt(node, fromSide: bool = False) -> None:
    """Have the 3-D views show all of a model: a plane from upstream, lines from the side with the beam going down."""
    offset, up = ((0.9, -2.2, -0.7), (0.0, 0.0, -1.0)) if fromSide else ((0.7, -1.1, -1.9), (0.0, 1.0, 0.0))
    lookAlong(node, offset, up)
