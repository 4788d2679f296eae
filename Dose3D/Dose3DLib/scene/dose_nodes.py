"""Doses as MRML nodes in a given scene: colours in Gy, isodose surfaces that also show as lines in the slices.

Inside Slicer and outside alike; nothing here needs a module of Slicer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..geometry.grid import Volume
from .color_nodes import add_legend, color_node
from .nodes import scalar_volume

__all__ = ["DoseLook", "Isodose", "add_dose", "add_isodoses", "add_difference", "style_difference", "style_dose"]

_LINE_WIDTH = 2
_OPACITY_3D = (0.15, 0.85)
"""Of the lowest and the highest isodose surface: the inner ones must be seen through the outer."""

_GRAY = "CodeValue:Gy|CodingSchemeDesignator:UCUM|CodeMeaning:gray"
_ABSORBED_DOSE = "CodeValue:128513|CodingSchemeDesignator:DCM|CodeMeaning:Absorbed Dose"
_SLICERRT_DOSE = "DicomRtImport.DoseVolume"
"""Attribute by which SlicerRT's modules know a dose volume, so that its tools offer ours."""
_SLICERRT_UNIT = "DicomRtImport.DoseUnitName"


@dataclass(frozen=True)
class Isodose:
    """One surface: dose, its name in lists, RGB 0..255."""

    dose: float
    label: str
    color: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class DoseLook:
    """How a volume of doses is shown.

    Parameters
    ----------
    table:
        RGB 0..255 of equal steps from `low` to `high`, shape (n, 3).
    low, high:
        doses of the first and the last colour.
    threshold:
        nothing is shown below; None shows all that are numbers.
    units, title:
        of the colour legend; "1" for numbers without a unit.
    """

    table: np.ndarray
    low: float
    high: float
    threshold: float | None
    units: str = "Gy"
    title: str = "Dose"


def add_dose(scene: Any, volume: Volume, name: str, look: DoseLook) -> Any:
    """Add a dose as vtkMRMLScalarVolumeNode with its colours and legend; a sheared grid as in `nodes.add_volume`."""
    node = scalar_volume(scene, volume, name)
    style_dose(scene, node, look)
    return node


def add_difference(scene: Any, volume: Volume, name: str, look: DoseLook) -> Any:
    """Add a difference of doses like a dose; voxels that are NaN are not shown."""
    node = scalar_volume(scene, volume, name)
    style_difference(scene, node, look)
    return node


def style_dose(scene: Any, node: Any, look: DoseLook) -> None:
    """Give a volume of doses its units, colours and legend."""
    import slicer

    if look.units == "Gy":
        quantity = slicer.vtkCodedEntry()
        quantity.SetFromString(_ABSORBED_DOSE)
        node.SetVoxelValueQuantity(quantity)
        node.SetAttribute(_SLICERRT_UNIT, look.units)
    node.SetAttribute(_SLICERRT_DOSE, "1")
    _style(scene, node, look)


def style_difference(scene: Any, node: Any, look: DoseLook) -> None:
    """Give a volume of differences its units, colours and legend; it is no dose for SlicerRT's modules."""
    _style(scene, node, look)


def add_isodoses(scene: Any, array: np.ndarray, isodoses: Sequence[Isodose], dose_node: Any) -> list[Any]:
    """Add each isodose as vtkMRMLModelNode: a surface in 3-D, a line in the slices; none for a dose without surface.

    Parameters
    ----------
    array:
        the doses [k, j, i] of `dose_node`.
    dose_node:
        the volume node; the surfaces follow the transform that it is under.

    Returns
    -------
    the nodes, in the order of the isodoses.
    """
    nodes = []
    image, to_ras = _plain_image(array), _ijk_to_ras(dose_node)
    for number, isodose in enumerate(isodoses):
        surface = _surface(image, isodose.dose, to_ras)
        if surface.GetNumberOfPoints() == 0:
            continue
        node = scene.AddNewNodeByClass("vtkMRMLModelNode", f"Isodose {isodose.label}")
        node.SetAndObservePolyData(surface)
        node.SetAndObserveTransformNodeID(dose_node.GetTransformNodeID())
        node.CreateDefaultDisplayNodes()
        share = number / max(1, len(isodoses) - 1)
        _show_surface(node.GetDisplayNode(), isodose.color, _OPACITY_3D[0] + share * (_OPACITY_3D[1] - _OPACITY_3D[0]))
        nodes.append(node)
    return nodes


def _show_surface(display: Any, color: tuple[int, int, int], opacity: float) -> None:
    display.SetColor(*[c / 255 for c in color])
    display.SetOpacity(opacity)
    display.SetVisibility2D(True)
    display.SetSliceIntersectionThickness(_LINE_WIDTH)
    display.SetSliceIntersectionOpacity(1.0)
    display.SetBackfaceCulling(False)


def _ijk_to_ras(node: Any) -> np.ndarray:
    """In the node's own frame: its transform, a tilted gantry's shear included, is above the surfaces as well."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def _plain_image(array: np.ndarray) -> Any:
    """The doses in index coordinates, float32."""
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    scalars = numpy_to_vtk(np.ascontiguousarray(array, np.float32).reshape(-1), deep=True)
    scalars.SetName("dose")
    image.GetPointData().SetScalars(scalars)
    return image


def _surface(image: Any, dose: float, to_ras: np.ndarray) -> Any:
    """The isosurface in RAS millimetres, normals pointing outwards whichever way the grid's axes run."""
    import vtk

    edges = vtk.vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, dose)
    edges.ComputeNormalsOff()
    edges.ComputeGradientsOff()
    edges.ComputeScalarsOff()
    transform = vtk.vtkTransform()
    transform.SetMatrix([float(x) for x in to_ras.ravel()])
    moved = vtk.vtkTransformPolyDataFilter()
    moved.SetTransform(transform)
    moved.SetInputConnection(edges.GetOutputPort())
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(moved.GetOutputPort())
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.SetFlipNormals(bool(np.linalg.det(to_ras[:3, :3]) < 0))
    normals.Update()
    return normals.GetOutput()


def _style(scene: Any, node: Any, look: DoseLook) -> None:
    import slicer

    if look.units == "Gy":
        units = slicer.vtkCodedEntry()
        units.SetFromString(_GRAY)
        node.SetVoxelValueUnits(units)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(color_node(scene, node, look.table, (look.low, look.high), look.units).GetID())
    display.SetAutoWindowLevel(0)
    display.SetWindowLevelMinMax(look.low, look.high)
    display.SetInterpolate(1)
    display.AutoThresholdOff()
    # Values that are not numbers fail the comparison as well, so an open threshold hides them.
    low = -3e38 if look.threshold is None else look.threshold
    display.SetThreshold(low, 3e38)
    display.ApplyThresholdOn()
    add_legend(scene, node, look.title if look.units == "1" else f"{look.title} ({look.units})")
