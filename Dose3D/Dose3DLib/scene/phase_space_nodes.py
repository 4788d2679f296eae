"""Photons of a phase space as points and as lines in a given scene, and their spectrum as table and plot.

The scene's millimetres are the file's centimetres times ten; the file's x, y, z stand where Slicer shows R, A, S. A
beam has no patient: nothing is turned.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .color_nodes import COLORS_ROLE, add_legend, color_node
from .plot_nodes import Curve, add_chart

__all__ = ["ENERGY", "FIGURES", "LINES_ROLE", "add_lines", "add_photons", "add_spectrum", "lines_of", "photon_columns",
           "set_line_length"]  # fmt: skip

_MM_PER_CM = 10.0
_DEFAULT_SIZE = 2.0
ENERGY = "energy (MeV)"
SHARE = "share per MeV"
LINES_ROLE = "dose3dLines"
"""Role of the reference from photons as points to the same as lines."""
FIGURES = "Dose3D.Figures"
"""Attribute of photons: JSON of what is known of them: `rows` (name -> value), `system` (axes in words), `extent` (a
sentence on what was read), `spectrum` (`edges_mev`, `weights`: of all photons that were read)."""
_STEP = "Dose3D.Step"


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
    top = float(np.asarray(columns["energy_mev"], float).max(initial=1e-3))
    _color_by_energy(display, color_node(scene, node, _palette(), (0.0, top), "MeV"), top)
    add_legend(scene, node, ENERGY)
    return node


def photon_columns(node: Any) -> dict[str, np.ndarray]:
    """The columns that `add_photons` was given, float32, from the node; copies."""
    from vtk.util.numpy_support import vtk_to_numpy

    points, data = node.GetPolyData().GetPoints(), node.GetPolyData().GetPointData()
    places = vtk_to_numpy(points.GetData()).reshape(-1, 3) / np.float32(_MM_PER_CM)
    directions = vtk_to_numpy(data.GetArray("direction")).reshape(-1, 3)
    columns = dict(zip(("x_cm", "y_cm", "z_cm", "u", "v", "w"), (*places.T, *directions.T), strict=True))
    columns |= {"energy_mev": vtk_to_numpy(data.GetArray(ENERGY)), "weight": vtk_to_numpy(data.GetArray("weight"))}
    return {name: np.array(values) for name, values in columns.items()}


def add_spectrum(scene: Any, edges_mev: np.ndarray, weights: np.ndarray, name: str) -> Any:
    """Add a spectrum (share per MeV in bins) as a chart with its series and table; gives the chart."""
    edges, weights = np.asarray(edges_mev, float), np.asarray(weights, float)
    share = weights / max(weights.sum(), 1e-300) / np.diff(edges)
    return add_chart(scene, name, (ENERGY, SHARE), (edges[:-1] + edges[1:]) / 2, [Curve(SHARE, share)])


def add_lines(scene: Any, node: Any, length_cm: float, most: int | None = None) -> Any:
    """Add the photons of `node` (from `add_photons`) as lines along their flight, from their place on downstream.

    The lines are a vtkMRMLModelNode of their own with the same colours; `lines_of(node)` finds it again. `most` bounds
    their number: of more photons every second, third ... has a line.
    """
    import slicer

    lines = scene.AddNewNodeByClass("vtkMRMLModelNode", f"{node.GetName()} lines")
    step = 1 if most is None else max(1, -(-node.GetPolyData().GetNumberOfPoints() // most))
    lines.SetAttribute(_STEP, str(step))
    lines.SetAndObservePolyData(_lines(node.GetPolyData(), length_cm, step))
    lines.CreateDefaultDisplayNodes()
    display = lines.GetDisplayNode()
    display.SetRepresentation(slicer.vtkMRMLDisplayNode.WireframeRepresentation)
    _color_by_energy(display, node.GetNodeReference(COLORS_ROLE), node.GetDisplayNode().GetScalarRange()[1])
    add_legend(scene, lines, ENERGY)
    node.SetNodeReferenceID(LINES_ROLE, lines.GetID())
    return lines


def lines_of(node: Any) -> Any:
    """The lines that were added to photons, or None."""
    return node.GetNodeReference(LINES_ROLE)


def set_line_length(node: Any, length_cm: float) -> None:
    """Give the lines of photons another length."""
    lines = lines_of(node)
    lines.SetAndObservePolyData(_lines(node.GetPolyData(), length_cm, int(lines.GetAttribute(_STEP) or 1)))


def _color_by_energy(display: Any, colors: Any, top_mev: float) -> None:
    import slicer

    display.SetLighting(False)
    display.SetActiveScalar(ENERGY, 0)  # 0: data of points
    display.SetAndObserveColorNodeID(colors.GetID())
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
    display.SetScalarRange(0.0, top_mev)
    display.SetScalarVisibility(True)


def _palette() -> np.ndarray:
    """Dark blue to yellow, lightness rising evenly; RGB 0..255, shape (256, 3)."""
    steps = np.array([(52, 40, 110), (48, 92, 150), (34, 142, 140), (92, 190, 92), (250, 225, 60)], float)
    places = np.linspace(0.0, 1.0, 256)
    return np.stack([np.interp(places, np.linspace(0, 1, len(steps)), steps[:, c]) for c in range(3)], axis=-1)


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


def _lines(points: Any, length_cm: float, step: int) -> Any:
    """From each `step`-th point a line along its direction: the starts come first, then the ends in the same order."""
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy

    data = points.GetPointData()
    starts = vtk_to_numpy(points.GetPoints().GetData()).reshape(-1, 3)[::step]
    directions = vtk_to_numpy(data.GetArray("direction")).reshape(-1, 3)[::step]
    count = len(starts)
    ends = starts + np.float32(length_cm * _MM_PER_CM) * directions
    places = vtk.vtkPoints()
    places.SetData(numpy_to_vtk(np.concatenate([starts, ends]), deep=True))
    pairs = np.stack([np.arange(count), np.arange(count) + count], axis=-1).ravel()
    cells = vtk.vtkCellArray()
    offsets, ids = (numpy_to_vtkIdTypeArray(n.astype(np.int64), deep=True) for n in (2 * np.arange(count + 1), pairs))
    cells.SetData(offsets, ids)
    lines = vtk.vtkPolyData()
    lines.SetPoints(places)
    lines.SetLines(cells)
    energies = numpy_to_vtk(np.tile(vtk_to_numpy(data.GetArray(ENERGY))[::step], 2), deep=True)
    energies.SetName(ENERGY)
    lines.GetPointData().AddArray(energies)
    lines.GetPointData().SetActiveScalars(ENERGY)
    return lines
