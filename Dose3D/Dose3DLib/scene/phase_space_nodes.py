"""Photons of a phase space as points in a given scene, and their spectrum as table and plot.

The scene's millimetres are the file's centimetres times ten; the file's x, y, z stand where Slicer shows R, A, S. A
beam has no patient: nothing is turned.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .color_nodes import add_legend, color_node

__all__ = ["add_photons", "add_spectrum"]

_MM_PER_CM = 10.0
_DEFAULT_SIZE = 2.0
ENERGY = "energy (MeV)"


def add_photons(scene: Any, columns: dict[str, np.ndarray], name: str) -> Any:
    """Add photons as a vtkMRMLModelNode of points, coloured by energy, with direction and weight as point data.

    Parameters
    ----------
    columns:
        `x_cm`, `y_cm`, `z_cm`, `u`, `v`, `w`, `energy_mev`, `weight`; all of one length.
    """
    import slicer

    node = scene.AddNewNodeByClass("vtkMRMLModelNode", name)
    node.SetAndObservePolyData(_points(columns))
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetRepresentation(slicer.vtkMRMLDisplayNode.PointsRepresentation)
    display.SetPointSize(_DEFAULT_SIZE)
    display.SetLighting(False)
    energies = np.asarray(columns["energy_mev"], float)
    display.SetActiveScalar(ENERGY, 0)  # 0: data of points
    top = float(energies.max(initial=1e-3))
    display.SetAndObserveColorNodeID(color_node(scene, node, _palette(), (0.0, top), "MeV").GetID())
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
    display.SetScalarRange(0.0, top)
    display.SetScalarVisibility(True)
    add_legend(scene, node, ENERGY)
    return node


def add_spectrum(scene: Any, edges_mev: np.ndarray, weights: np.ndarray, name: str) -> tuple[Any, Any, Any]:
    """Add a spectrum (share per MeV in equal bins) as table, plot series and chart; gives these three nodes."""
    edges, weights = np.asarray(edges_mev, float), np.asarray(weights, float)
    share = weights / max(weights.sum(), 1e-300) / np.diff(edges)
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    for title, values in ((ENERGY, (edges[:-1] + edges[1:]) / 2), ("share per MeV", share)):
        table.AddColumn(_column(title, values))
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(ENERGY)
    series.SetYColumnName("share per MeV")
    series.SetPlotType(series.PlotTypeScatter)
    series.SetMarkerStyle(series.MarkerStyleNone)
    series.SetColor(0.18, 0.44, 0.56)
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle(name)
    chart.SetXAxisTitle(ENERGY)
    chart.SetYAxisTitle("share per MeV")
    chart.SetLegendVisibility(False)
    return table, series, chart


def _palette() -> np.ndarray:
    """Dark blue to yellow, lightness rising evenly; RGB 0..255, shape (256, 3)."""
    steps = np.array([(52, 40, 110), (48, 92, 150), (34, 142, 140), (92, 190, 92), (250, 225, 60)], float)
    places = np.linspace(0.0, 1.0, 256)
    return np.stack([np.interp(places, np.linspace(0, 1, len(steps)), steps[:, c]) for c in range(3)], axis=-1)


def _column(title: str, values: np.ndarray) -> Any:
    from vtk.util.numpy_support import numpy_to_vtk

    column = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
    column.SetName(title)
    return column


def _points(columns: dict[str, np.ndarray]) -> Any:
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

    places = np.stack([np.asarray(columns[name], np.float32) for name in ("x_cm", "y_cm", "z_cm")], axis=-1)
    points = vtk.vtkPoints()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(places * _MM_PER_CM), deep=True))
    cells = vtk.vtkCellArray()
    count = len(places)
    offsets, ids = (numpy_to_vtkIdTypeArray(np.arange(n, dtype=np.int64), deep=True) for n in (count + 1, count))
    cells.SetData(offsets, ids)
    data = vtk.vtkPolyData()
    data.SetPoints(points)
    data.SetVerts(cells)
    directions = np.stack([np.asarray(columns[name], np.float32) for name in "uvw"], axis=-1)
    for title, values in (
        (ENERGY, np.asarray(columns["energy_mev"], np.float32)),
        ("direction", directions),
        ("weight", np.asarray(columns["weight"], np.float32)),
    ):
        array = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        array.SetName(title)
        data.GetPointData().AddArray(array)
    data.GetPointData().SetActiveScalars(ENERGY)
    return data
