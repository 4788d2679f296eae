"""Cells of a detector as a coloured model."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
from Dose3DLib.geometry.cells import Cells  # noqa: E402
from Dose3DLib.scene.color_nodes import COLORS_ROLE, legend_of  # noqa: E402
from Dose3DLib.scene.detector_nodes import add_cells, cell_centers, cell_values, color_cells, columns_of  # noqa: E402
from Dose3DLib.scene.mrb import new_scene  # noqa: E402

TURN = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
CENTERS = np.array([[10.0, -20.0, 30.0], [40.0, 5.0, -6.0], [0.0, 0.0, 60.0]])
SIZES = np.array([[10.0, 10.0, 10.0], [4.0, 6.0, 8.0], [1.0, 2.0, 3.0]])
COLUMNS = {"dose (Gy)": np.array([2.0, np.nan, 8.0]), "layer": np.array([1, 2, 2])}


def cells(axes: np.ndarray = TURN) -> Cells:
    return Cells(("a", "b", "c"), CENTERS, SIZES, axes)


def shown(axes: np.ndarray = TURN):
    scene = new_scene().GetMRMLScene()
    return scene, add_cells(scene, cells(axes), COLUMNS, "probe")


@pytest.mark.parametrize("axes", [TURN, TURN * [1, 1, -1]], ids=["right-handed", "mirrored"])
def test_boxes_have_their_places_volumes_and_outward_faces(axes):
    import vtk

    scene, node = shown(axes)
    np.testing.assert_allclose(cell_centers(node), CENTERS * [-1, -1, 1], atol=1e-5)
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputData(node.GetPolyData())
    mass = vtk.vtkMassProperties()
    mass.SetInputConnection(triangles.GetOutputPort())
    assert mass.GetVolume() == pytest.approx(SIZES.prod(axis=1).sum(), rel=1e-5)
    data = node.GetPolyData()
    for face in range(data.GetNumberOfCells()):
        corners = np.array([data.GetPoint(data.GetCell(face).GetPointId(n)) for n in range(4)])
        outwards = np.cross(corners[1] - corners[0], corners[2] - corners[1])
        assert outwards @ (corners.mean(axis=0) - CENTERS[face // 6] * [-1, -1, 1]) > 0
    del scene


def test_each_number_can_colour_the_cells():
    scene, node = shown()
    assert columns_of(node) == list(COLUMNS)
    for title, values in COLUMNS.items():
        np.testing.assert_allclose(cell_values(node, title), values)
    display = node.GetDisplayNode()
    assert (display.GetActiveScalarName(), display.GetScalarRange()) == ("dose (Gy)", (0.0, 8.0))
    colors = node.GetNodeReference(COLORS_ROLE)
    color_cells(scene, node, "layer")
    assert (display.GetActiveScalarName(), display.GetScalarRange()) == ("layer", (0.0, 2.0))
    assert node.GetNodeReference(COLORS_ROLE) is colors
    assert legend_of(node).GetTitleText() == "layer"
    assert colors.GetColorName(255) == "2 "


def test_a_cell_without_a_value_is_grey():
    _scene, node = shown()
    found = [0.0] * 3
    node.GetNodeReference(COLORS_ROLE).GetLookupTable().GetColor(float("nan"), found)
    assert found == pytest.approx([0.6] * 3, abs=0.01)


def test_no_value_at_all_still_has_a_range():
    scene = new_scene().GetMRMLScene()
    node = add_cells(scene, cells(), {"dose (Gy)": np.full(3, np.nan)}, "unread")
    assert node.GetDisplayNode().GetScalarRange() == (0.0, 1.0)


def test_an_unknown_column_is_an_error():
    scene, node = shown()
    with pytest.raises(KeyError, match="gamma"):
        color_cells(scene, node, "gamma")


def test_other_models_have_no_columns():
    scene = new_scene().GetMRMLScene()
    assert columns_of(scene.AddNewNodeByClass("vtkMRMLModelNode", "empty")) == []


def test_cells_follow_a_transform():
    scene = new_scene().GetMRMLScene()
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "couch")
    node = add_cells(scene, cells(), COLUMNS, "probe", transform)
    assert node.GetTransformNodeID() == transform.GetID()
