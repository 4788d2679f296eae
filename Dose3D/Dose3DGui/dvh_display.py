"""Dose-volume histograms in the scene: figures as a table node, curves as a plot, goals beside them."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import slicer
from Dose3DLib.scene.dvh_scene import add_dvh
from Dose3DLib.scene.plot_nodes import curves_of, remove_chart
from Dose3DLib.scene.table_nodes import add_table
from slicer.i18n import tr as _

from .scene_inputs import isInScene, setProvenance

__all__ = ["STATE_COLORS", "areDvhs", "goalsOf", "removeDvhs", "showDvhPlot", "showDvhs"]

CHART = "dose3dChart"
"""Role of the reference from figures to the chart of their curves."""
GOALS = "Dose3D.Goals"
STATE_COLORS = {"pass": (60, 150, 70), "near": (225, 160, 40), "fail": (200, 60, 50)}
"""RGB 0..255 of a goal's state; any other is grey."""

SECOND, LOW, HIGH = _("second dose"), _("97.5 % above"), _("2.5 % above")
COLUMNS = {"reference_percent": SECOND, "band_low_percent": LOW, "band_high_percent": HIGH}
"""Further curves of a structure: column of dvh.csv, what its curve is called after the structure's name."""


def showDvhs(folder: Path, provenance: dict[str, str]):
    """Add the result of `dose dvh` to the scene; returns the vtkMRMLTableNode of its figures.

    Columns: structure, volume, then each figure in its own unit; a figure that is unknown is NaN.
    """
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    name = _("DVH of {dose}").format(dose=summary["dose"])
    table = add_table(slicer.mrmlScene, name, _figures(summary["structures"]))
    colors = {one["name"]: tuple(one["color"]) for one in summary["structures"]}
    doses, curves = _curves(folder / "dvh.csv", colors)
    chart = add_dvh(slicer.mrmlScene, name, doses, curves)
    _style(chart)
    table.SetNodeReferenceID(CHART, chart.GetID())
    table.SetAttribute(GOALS, json.dumps(summary["goals"]))
    setProvenance(table, **provenance)
    return table


def areDvhs(node) -> bool:
    """Whether a node of the scene holds figures of `dose dvh`."""
    return isInScene(node) and node.GetAttribute(GOALS) is not None


def goalsOf(node) -> list[tuple[str, str, str, str]]:
    """Structure, goal, value and state of each clinical goal."""
    rows = []
    for goal in json.loads(node.GetAttribute(GOALS)) if areDvhs(node) else []:
        value = "" if goal["value"] is None else f"{goal['value']:.4g}"
        rows.append((goal["of_the_set"] or goal["structure"], goal["goal"], value, goal["state"]))
    return rows


def showDvhPlot(node) -> None:
    """Show the curves in a plot view.

    Raises
    ------
    RuntimeError
        the chart was removed from the scene.
    """
    chart = node.GetNodeReference(CHART)
    if not isInScene(chart):
        raise RuntimeError(_("The plot was removed from the scene: make it anew by Apply."))
    slicer.modules.plots.logic().ShowChartInLayout(chart)


def removeDvhs(node) -> None:
    """Take figures and curves out of the scene."""
    if node.GetNodeReference(CHART) is not None:
        remove_chart(slicer.mrmlScene, node.GetNodeReference(CHART))
    slicer.mrmlScene.RemoveNode(node)


def _figures(structures: list[dict]) -> dict[str, list]:
    columns = {_("structure"): [one["name"] for one in structures]}
    columns[_("volume (cc)")] = [one["volume_cc"] for one in structures]
    for label in structures[0]["figures"]:
        values = [one["figures"][label]["value"] for one in structures]
        columns[label] = [math.nan if value is None else value for value in values]
    return columns


def _curves(path: Path, colors: dict[str, tuple]) -> tuple[np.ndarray, list[tuple]]:
    """The doses of dvh.csv, and name, colour and percent of each curve."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    curves, doses = [], np.array([])
    for name, color in colors.items():
        own = [row for row in rows if row["structure"].removeprefix("'") == name.removeprefix("'")]
        if not own:
            continue  # it lies wholly outside the dose
        doses = np.array([float(row["dose_gy"]) for row in own])
        for column, what in {"volume_percent": "", **COLUMNS}.items():
            if own[0].get(column):
                title = f"{name}, {what}" if what else name
                curves.append((title, color, np.array([float(row[column]) for row in own])))
    return doses, curves


def _style(chart) -> None:
    """Other curves than the dose's own are dashed."""
    for series in curves_of(chart):
        if series.GetName().endswith((f", {SECOND}", f", {LOW}", f", {HIGH}")):
            series.SetLineStyle(series.LineStyleDash if series.GetName().endswith(SECOND) else series.LineStyleDot)
            series.SetLineWidth(1)
