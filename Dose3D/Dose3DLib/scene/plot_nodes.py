"""Curves over one axis as table, plot series and chart in a given scene: what Slicer's plot views show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from .table_nodes import add_table

__all__ = ["PLOT_COLORS", "Curve", "add_chart", "curves_of", "remove_chart"]

PLOT_COLORS = ((0.18, 0.44, 0.56), (0.84, 0.42, 0.12), (0.40, 0.60, 0.20), (0.55, 0.35, 0.65))
"""Of the first, second ... curve of a chart, RGB 0..1; told apart by colour-blind eyes and on both backgrounds."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve: its name in the legend and its values, one for each place of the chart's axis."""

    name: str
    values: np.ndarray


def add_chart(scene: Any, name: str, titles: tuple[str, str], places: np.ndarray, curves: Sequence[Curve]) -> Any:
    """Add a vtkMRMLPlotChartNode with one series a curve, all on one new table.

    Parameters
    ----------
    titles:
        of the x and the y axis, with units; the table's first column has that of x.
    places:
        x of all curves, shape (n,).
    curves:
        their names differ; the legend is shown where there are several.
    """
    table = add_table(scene, name, {titles[0]: places, **{curve.name: curve.values for curve in curves}})
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    chart.SetTitle(name)
    chart.SetXAxisTitle(titles[0])
    chart.SetYAxisTitle(titles[1])
    chart.SetLegendVisibility(len(curves) > 1)
    for curve, color in zip(curves, cycle(PLOT_COLORS), strict=False):
        series = _add_series(scene, table, titles[0], curve.name)
        series.SetColor(*color)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart


def curves_of(chart: Any) -> list[Any]:
    """The vtkMRMLPlotSeriesNodes of a chart."""
    return [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]


def remove_chart(scene: Any, chart: Any) -> None:
    """Take a chart out of the scene with its series and their tables."""
    series = curves_of(chart)
    tables = {one.GetTableNode().GetID(): one.GetTableNode() for one in series if one.GetTableNode() is not None}
    for node in (chart, *series, *tables.values()):
        scene.RemoveNode(node)


def _add_series(scene: Any, table: Any, x_title: str, name: str) -> Any:
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(x_title)
    series.SetYColumnName(name)
    series.SetPlotType(series.PlotTypeScatter)
    series.SetMarkerStyle(series.MarkerStyleNone)
    series.SetLineWidth(2)
    return series
