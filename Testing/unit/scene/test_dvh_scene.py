"""DVHs in a scene: chart, colours, table; structures without an image keep their geometry."""

from __future__ import annotations

import numpy as np
import pytest
from builders.structure_builder import grids, structures
from Dose3DLib.geometry.grid import LPS_TO_RAS, Grid, Volume

slicer = pytest.importorskip("slicer", reason="needs slicer-core")

from Dose3DLib.scene.dose_nodes import DoseLook  # noqa: E402
from Dose3DLib.scene.dvh_scene import DvhScene, add_dvh, write_dvh_scene  # noqa: E402
from Dose3DLib.scene.mrb import new_scene, read_scene  # noqa: E402
from Dose3DLib.scene.nodes import ScenePatient  # noqa: E402
from Dose3DLib.scene.plot_nodes import curves_of  # noqa: E402

DOSES = np.linspace(0, 60, 7)
CURVES = [(f"Organ {n}", (20 * n, 200 - 10 * n, 30), np.linspace(100, n, 7)) for n in range(9)]


def test_each_structure_has_its_curve_in_its_colour():
    application = new_scene()
    scene = application.GetMRMLScene()
    chart = add_dvh(scene, "DVH", DOSES, CURVES)
    series = curves_of(chart)
    assert [one.GetName() for one in series] == [name for name, _, _ in CURVES]
    for one, (name, color, values) in zip(series, CURVES, strict=True):
        assert one.GetColor() == pytest.approx([part / 255 for part in color])
        column = one.GetTableNode().GetTable().GetColumnByName(name)
        assert [column.GetValue(n) for n in range(7)] == pytest.approx(values)
    assert chart.GetLegendVisibility()
    assert (chart.GetXAxisTitle(), chart.GetYAxisTitle()) == ("Dose (Gy)", "Volume (%)")


@pytest.mark.parametrize("name", ["axial", "oblique", "sheared", "feet_first"])
def test_a_scene_of_any_grid(tmp_path, capfd, name):
    """Each structure lies where its grid says, without complaints of VTK."""
    grid = grids()[name]
    found = structures(grid)
    dose = Volume(np.full((6, 8, 9), 30, np.float32), Grid.axial((6, 8, 9), (5.0, 9.0, 9.0), (-30.0, -250.0, -718.0)))
    look = DoseLook(np.tile(np.arange(256, dtype=np.uint8)[:, None], (1, 3)), 0.0, 30.0, 3.0)
    content = DvhScene(dose, look, found, "Plan", CURVES, DOSES, ScenePatient("A", "1", "S", ""))
    write_dvh_scene(tmp_path / "s.mrb", content)
    assert "ERR" not in "".join(capfd.readouterr())
    scene = read_scene(tmp_path / "s.mrb", tmp_path / "cache").GetMRMLScene()
    node = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    to_ras = np.eye(4)
    if node.GetParentTransformNode() is not None:
        to_ras = matrix(node.GetParentTransformNode().GetMatrixTransformToParent())
    structure = found["Parotid_L"]
    segment = node.GetSegmentation().GetSegment(node.GetSegmentation().GetSegmentIdBySegmentName("Parotid_L"))
    image = segment.GetRepresentation("Binary labelmap")
    corner = (to_ras @ matrix_of_image(image)) @ (*structure.mask.offset[::-1], 1.0)
    expected = (LPS_TO_RAS @ grid.affine) @ (*structure.mask.offset[::-1], 1.0)
    assert corner[:3] == pytest.approx(expected[:3], abs=0.02)
    assert scene.GetFirstNodeByClass("vtkMRMLSelectionNode").GetActivePlotChartID()


def matrix(found) -> np.ndarray:
    return np.array([[found.GetElement(r, c) for c in range(4)] for r in range(4)])


def matrix_of_image(image) -> np.ndarray:
    import vtk

    found = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(found)
    return matrix(found)
