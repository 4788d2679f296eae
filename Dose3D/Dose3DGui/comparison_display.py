"""A comparison of photons in the scene: its figures as a table, both sides as plots."""

from __future__ import annotations

import json
import math
from typing import Any

import slicer
from Dose3DLib.scene.plot_nodes import Curve, add_chart, remove_chart
from Dose3DLib.scene.table_nodes import add_table
from slicer.i18n import tr as _

from .scene_inputs import isInScene, setProvenance

__all__ = ["areFigures", "plotNames", "removeFigures", "showFigures", "showPlot"]

CHART = "dose3dChart"
"""Role of the reference from figures to the chart that was last made of them."""

CURVES = "Dose3D.Curves"
SIDES = ("original", "generated")


def showFigures(record: dict[str, Any], name: str, provenance: dict[str, str]):
    """Add the figures of the first model of a compare.json to the scene; returns their vtkMRMLTableNode.

    Columns: figure with its unit, value, 95th percentile of real against real, verdict, its median, standard error.
    """
    found = next(iter(record["models"].values()))
    figures = found["figures"].values()
    node = add_table(slicer.mrmlScene, name, _columns(list(figures)))
    node.SetAttribute(CURVES, json.dumps(_curves(found)))
    setProvenance(node, **provenance)
    return node


def areFigures(node) -> bool:
    """Whether a node of the scene holds the figures of a comparison."""
    return isInScene(node) and bool(node.GetAttribute(CURVES))


def plotNames(node) -> list[str]:
    """What can be plotted of a comparison; [] of any other node."""
    return list(json.loads(node.GetAttribute(CURVES))) if areFigures(node) else []


def showPlot(node, name: str) -> None:
    """Show both sides of one distribution in a plot view."""
    _removeChart(node)
    plot = json.loads(node.GetAttribute(CURVES))[name]
    values = [[math.nan if value is None else value for value in plot[side]] for side in SIDES]
    curves = [Curve(side, side_values) for side, side_values in zip(SIDES, values, strict=True)]
    title = f"{node.GetName()}: {name}"
    chart = add_chart(slicer.mrmlScene, title, (plot["x"], plot["y"]), plot["places"], curves)
    node.SetNodeReferenceID(CHART, chart.GetID())
    slicer.modules.plots.logic().ShowChartInLayout(chart)


def removeFigures(node) -> None:
    """Take a comparison and its plot out of the scene."""
    _removeChart(node)
    slicer.mrmlScene.RemoveNode(node)


def _removeChart(node) -> None:
    if node.GetNodeReference(CHART) is not None:
        remove_chart(slicer.mrmlScene, node.GetNodeReference(CHART))


def _columns(figures: list[dict]) -> dict[str, list]:
    """What is no number is an empty cell, so that a table of a quick look is one as well."""
    floors = [figure.get("floor") or {} for figure in figures]
    names = [figure["name"] + (f" ({figure['unit']})" if figure.get("unit") else "") for figure in figures]
    return {
        _("figure"): names,
        _("value"): [_text(figure["value"]) for figure in figures],
        _("floor, 95 %"): [_text(floor.get("p95")) for floor in floors],
        _("verdict"): [_verdict(figure) for figure in figures],
        _("floor, median"): [_text(floor.get("median")) for floor in floors],
        _("standard error"): [_text(figure.get("error")) for figure in figures],
    }


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _verdict(figure: dict) -> str:
    given = _("right by construction") if figure.get("by_construction") else ""
    return ", ".join(filter(None, [figure.get("verdict") or "", given]))


def _curves(found: dict) -> dict[str, dict]:
    """What is plotted: marginals, and fluence, mean energy and spectrum in rings."""
    curves = dict(found.get("marginals", {}))
    rings = found.get("rings")
    if not rings:
        return curves
    radii = _middles(rings["limits_cm"])
    radius = _("distance from the middle of the field (cm)")
    curves[_("Fluence in rings")] = _plot(rings["fluence"], radius, _("photons per cm2, share"), radii)
    curves[_("Mean energy in rings")] = _plot(rings["energy"], radius, _("mean energy (MeV)"), radii)
    for figure in rings["spectra"]:
        energies = _middles(rings["energies_mev"])
        title = _("Spectrum, {zone}").format(zone=figure["name"])
        curves[title] = _plot(figure, _("energy (MeV)"), _("share"), energies)
    return curves


def _plot(figure: dict, xTitle: str, yTitle: str, places: list[float]) -> dict:
    return {"x": xTitle, "y": yTitle, "places": places, "original": figure["real"], "generated": figure["generated"]}


def _middles(limits: list[float]) -> list[float]:
    return [(low + high) / 2 for low, high in zip(limits[:-1], limits[1:], strict=True)]
