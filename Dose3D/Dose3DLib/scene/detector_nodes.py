"""Cells of a detector as boxes in a given scene: one model, coloured by any number that is known of each cell.

Every number of a cell is cell data of the model, so Slicer's own Models module offers the same choice of colours, and
a saved scene keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..geometry.cells import Cells
from ..geometry.grid import LPS_TO_RAS
from .color_nodes import add_legend, color_node

__all__ = ["add_cells", "cell_centers", "cell_values", "color_cells", "columns_of"]

_FACES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
"""Corners of `Cells.corners_mm` around each face, seen from outside."""

_PALETTE = ((48, 60, 140), (40, 120, 170), (60, 165, 120), (190, 200, 70), (250, 170, 50), (210, 50, 40))
"""Low to high, RGB 0..255."""

_LINE_WIDTH = 2
_CELL_DATA = 1
"""vtkAssignAttribute's number of cell data."""


def add_cells(scene: Any, cells: Cells, columns: Mapping[str, np.ndarray], name: str, transform: Any = None) -> Any:
    """Add cells as one vtkMRMLModelNode of boxes with six faces each, coloured by the first column.

    Parameters
    ----------
    columns:
        title with its unit -> (n,) numbers; NaN for a cell without one. At least one column.
    transform:
        transform node that the model follows, or None.

    Returns
    -------
    the model; its cell data are the columns, a value per face.
    """
    node = scene.AddNewNodeByClass("vtkMRMLModelNode", name)
    node.SetAndObservePolyData(_boxes(cells, columns))
    node.CreateDefaultDisplayNodes()
    if transform is not None:
        node.SetAndObserveTransformNodeID(transform.GetID())
    display = node.GetDisplayNode()
    display.SetVisibility2D(True)
    display.SetSliceIntersectionThickness(_LINE_WIDTH)
    color_cells(scene, node, next(iter(columns)))
    return node


def columns_of(node: Any) -> list[str]:
    """Titles of what the cells of a model can be coloured by; [] for a model of something else."""
    data = node.GetPolyData().GetCellData() if node.GetPolyData() is not None else None
    return [] if data is None else [data.GetArrayName(n) for n in range(data.GetNumberOfArrays())]


def cell_values(node: Any, title: str) -> np.ndarray:
    """(n,) values of a column, NaN for a cell without one.

    Raises
    ------
    KeyError
        no such column.
    """
    from vtk.util.numpy_support import vtk_to_numpy

    array = node.GetPolyData().GetCellData().GetArray(title)
    if array is None:
        raise KeyError(title)
    values = vtk_to_numpy(array)[:: len(_FACES)].astype(np.float64)
    return np.array(values)


def cell_centers(node: Any) -> np.ndarray:
    """(n, 3) middles of the cells in the model's own RAS frame."""
    from vtk.util.numpy_support import vtk_to_numpy

    return vtk_to_numpy(node.GetPolyData().GetPoints().GetData()).reshape(-1, 8, 3).mean(axis=1)


def color_cells(scene: Any, node: Any, title: str) -> None:
    """Colour the cells by one of their columns, with a legend; cells without a value are grey.

    Raises
    ------
    KeyError
        no such column.
    """
    import slicer

    values = cell_values(node, title)
    low, high = _range(values)
    display = node.GetDisplayNode()
    display.SetActiveScalar(title, _CELL_DATA)
    colors = color_node(scene, node, _palette(), (low, high), _unit(title))
    colors.GetLookupTable().SetNanColor(0.6, 0.6, 0.6, 1.0)
    display.SetAndObserveColorNodeID(colors.GetID())
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
    display.SetScalarRange(low, high)
    display.SetScalarVisibility(True)
    add_legend(scene, node, title)


def _range(values: np.ndarray) -> tuple[float, float]:
    """From 0 where nothing lies below; never empty."""
    known = values[np.isfinite(values)]
    low, high = (min(0.0, float(known.min())), float(known.max())) if known.size else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1.0)


def _unit(title: str) -> str:
    """What stands in the parentheses at the end of a title."""
    return title.rpartition("(")[2].rstrip(")") if title.endswith(")") else ""


def _palette() -> np.ndarray:
    steps, places = np.array(_PALETTE, float), np.linspace(0.0, 1.0, 256)
    return np.stack([np.interp(places, np.linspace(0, 1, len(steps)), steps[:, c]) for c in range(3)], axis=-1)


def _boxes(cells: Cells, columns: Mapping[str, np.ndarray]) -> Any:
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

    count, faces = len(cells), len(_FACES)
    points = vtk.vtkPoints()
    corners = cells.corners_mm().reshape(-1, 3) @ LPS_TO_RAS[:3, :3].T
    points.SetData(numpy_to_vtk(np.ascontiguousarray(corners, np.float32), deep=True))
    around = np.array(_FACES)
    if np.linalg.det(cells.axes) < 0:
        around = around[:, ::-1]  # a mirrored frame would turn the faces inside out
    ids = (8 * np.arange(count)[:, None, None] + around).ravel()
    polygons = vtk.vtkCellArray()
    offsets = numpy_to_vtkIdTypeArray(np.arange(0, 4 * faces * count + 1, 4, dtype=np.int64), deep=True)
    polygons.SetData(offsets, numpy_to_vtkIdTypeArray(ids.astype(np.int64), deep=True))
    data = vtk.vtkPolyData()
    data.SetPoints(points)
    data.SetPolys(polygons)
    for title, values in columns.items():
        array = numpy_to_vtk(np.repeat(np.asarray(values, np.float32), faces), deep=True)
        array.SetName(title)
        data.GetCellData().AddArray(array)
    return data
