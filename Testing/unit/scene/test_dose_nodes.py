"""A dose in a scene: what is saved is read again by Slicer's classes, and lies where the dose is."""

from __future__ import annotations

import numpy as np
import pytest
from builders.dose_builder import ball_dose
from Dose3DLib.dose.colors import DoseColors, difference_colors
from Dose3DLib.geometry.grid import Grid, Volume

slicer = pytest.importorskip("slicer")
from Dose3DLib.scene.dose_nodes import DoseLook, Isodose, add_dose, add_isodoses  # noqa: E402
from Dose3DLib.scene.dose_scene import DoseScene, write_dose_scene  # noqa: E402
from Dose3DLib.scene.mrb import ScenePatient, new_scene, read_scene  # noqa: E402

COLORS = DoseColors((15.0, 30.0), 60.0)
LOOK = DoseLook(COLORS.table(np.linspace(0, 60, 256)), 0.0, 60.0, 15.0)
ISODOSES = [Isodose(15.0, "15 Gy", (0, 0, 255)), Isodose(30.0, "30 Gy", (255, 0, 0))]


def points_of(node) -> np.ndarray:
    from vtk.util.numpy_support import vtk_to_numpy

    return vtk_to_numpy(node.GetPolyData().GetPoints().GetData()).astype(float)


@pytest.mark.parametrize("turn", [None, np.diag([-1.0, 1.0, 1.0]), np.diag([-1.0, -1.0, 1.0]), np.eye(3)[[1, 0, 2]]])
def test_isodose_of_a_ball_is_a_sphere_where_the_ball_is(turn):
    from vtk.util.numpy_support import vtk_to_numpy

    application = new_scene()
    scene, dose = application.GetMRMLScene(), ball_dose(affine_turn=turn)
    node = add_dose(scene, dose, "Dose", LOOK)
    surfaces = add_isodoses(scene, dose.array, ISODOSES, node)
    assert [s.GetName() for s in surfaces] == ["Isodose 15 Gy", "Isodose 30 Gy"]
    center = np.array([-10.0, 5.0, 20.0])  # RAS
    for surface, radius in zip(surfaces, (22.5, 15.0), strict=True):
        distance = np.linalg.norm(points_of(surface) - center, axis=1)
        assert np.abs(distance - radius).max() < 0.2
        normals = vtk_to_numpy(surface.GetPolyData().GetPointData().GetNormals())
        outwards = ((points_of(surface) - center) * normals).sum(axis=1)
        assert (outwards > 0).mean() > 0.99
        assert surface.GetDisplayNode().GetVisibility2D()
    assert surfaces[1].GetDisplayNode().GetColor() == (1.0, 0.0, 0.0)
    assert surfaces[1].GetDisplayNode().GetOpacity() > surfaces[0].GetDisplayNode().GetOpacity()


def test_a_level_without_surface_gives_no_node():
    scene = new_scene().GetMRMLScene()
    dose = ball_dose()
    node = add_dose(scene, dose, "Dose", LOOK)
    assert add_isodoses(scene, dose.array, [Isodose(99.0, "99 Gy", (1, 2, 3))], node) == []


def test_surfaces_of_a_sheared_grid_lie_under_its_transform():
    dose = ball_dose()
    affine = dose.grid.affine.copy()
    affine[1, 2] += 0.5
    scene = new_scene().GetMRMLScene()
    node = add_dose(scene, Volume(dose.array, Grid(dose.grid.shape, affine)), "Dose", LOOK)
    surface = add_isodoses(scene, dose.array, ISODOSES[1:], node)[0]
    assert node.GetTransformNodeID()
    surface.HardenTransform()
    lps = points_of(surface) * [-1, -1, 1]
    values = np.linalg.inv(affine[:3, :3]) @ (lps - affine[:3, 3]).T  # indices (i, j, k)
    from scipy.ndimage import map_coordinates

    assert np.abs(map_coordinates(dose.array, values[::-1], order=1) - 30).max() < 0.01


def test_how_a_dose_looks():
    scene = new_scene().GetMRMLScene()
    node = add_dose(scene, ball_dose(), "Łódź µ", LOOK)
    display = node.GetDisplayNode()
    assert node.GetVoxelValueUnits().GetCodeValue() == "Gy"
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0, 60)
    assert display.GetLowerThreshold() == 15
    assert display.GetApplyThreshold()
    table, color = display.GetColorNode(), [0.0] * 4
    assert table.GetNumberOfColors() == 256
    table.GetColor(round(30 / 60 * 255), color)
    assert np.allclose(np.array(color[:3]) * 255, COLORS.of(30.0), atol=4)
    legend = node.GetNthDisplayNode(1)
    assert legend.IsA("vtkMRMLColorLegendDisplayNode")
    assert legend.GetTitleText() == "Dose (Gy)"


def test_styling_again_adds_no_node():
    from Dose3DLib.scene.dose_nodes import style_dose

    scene = new_scene().GetMRMLScene()
    node = add_dose(scene, ball_dose(), "Dose", LOOK)
    before = scene.GetNumberOfNodes()
    style_dose(scene, node, LOOK)
    assert scene.GetNumberOfNodes() == before


def test_the_scene_file(tmp_path):
    dose = ball_dose()
    ct = Volume(np.zeros((10, 12, 12), np.int16), Grid.axial((10, 12, 12), (5, 8, 8), (-30, -50, 0)))
    array = dose.array.copy()
    array[0] = np.nan
    content = DoseScene(
        dose, LOOK, ISODOSES, "Plan", (10.0, -5.0, 20.0), ScenePatient("A", "1"), ct, Volume(array, dose.grid),
        DoseLook(difference_colors(256), -5.0, 5.0, None, "Gy", "Difference"),
    )  # fmt: skip
    write_dose_scene(tmp_path / "scene.mrb", content)
    (tmp_path / "cache").mkdir()
    application = read_scene(tmp_path / "scene.mrb", tmp_path / "cache")
    scene = application.GetMRMLScene()
    read = scene.GetFirstNodeByName("Plan")
    assert slicer.util.arrayFromVolume(read).shape == dose.array.shape
    assert np.array_equal(slicer.util.arrayFromVolume(read), dose.array)
    assert read.GetVoxelValueUnits().GetCodeValue() == "Gy"
    assert read.GetDisplayNode().GetColorNode().GetNumberOfColors() == 256
    assert read.GetNthDisplayNode(1).IsA("vtkMRMLColorLegendDisplayNode")
    models = [scene.GetFirstNodeByName(f"Isodose {label}") for label in ("15 Gy", "30 Gy")]
    assert all(model.GetPolyData().GetNumberOfPoints() > 100 for model in models)
    assert models[1].GetDisplayNode().GetVisibility2D()
    assert models[1].GetDisplayNode().GetColor() == (1.0, 0.0, 0.0)
    difference = scene.GetFirstNodeByName("Plan difference")
    assert np.isnan(slicer.util.arrayFromVolume(difference)[0]).all()
    assert difference.GetVoxelValueUnits().GetCodeValue() == "Gy"
    assert difference.GetAttribute("DicomRtImport.DoseVolume") is None  # SlicerRT would make isodoses of it
    composite = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert composite.GetForegroundVolumeID() == read.GetID()
    assert scene.GetNodeByID(composite.GetBackgroundVolumeID()).GetName() == "CT"
    view = scene.GetFirstNodeByName("Red") or scene.GetFirstNodeByClass("vtkMRMLSliceNode")
    assert view.GetSliceToRAS().GetElement(2, 3) == pytest.approx(20, abs=0.1)
