"""Two compared doses in a scene, as Slicer's classes read it again."""

from __future__ import annotations

import numpy as np
import pytest
from builders.dose_builder import ball_dose
from Dose3DLib.dose.colors import difference_colors
from Dose3DLib.geometry.grid import Volume

slicer = pytest.importorskip("slicer")
from Dose3DLib.scene.compare_scene import CompareScene, ProfileCurves, write_compare_scene  # noqa: E402
from Dose3DLib.scene.dose_nodes import DoseLook, Isodose  # noqa: E402
from Dose3DLib.scene.mrb import ScenePatient, read_scene  # noqa: E402
from Dose3DLib.scene.plot_nodes import Curve, curves_of  # noqa: E402

AT = np.linspace(-5, 5, 11)


def nodes_of(scene, kind: str) -> dict:
    found = [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]
    return {node.GetName(): node for node in found}


def test_volumes_isodoses_and_profiles_are_read_again(tmp_path):
    from vtk.util.numpy_support import vtk_to_numpy

    dose, table = ball_dose(), difference_colors(256)
    gamma = Volume(np.where(dose.array > 6, dose.array / 30, np.nan).astype(np.float32), dose.grid)
    looks = DoseLook(table, 0.0, 60.0, 6.0), DoseLook(table, 0.0, 2.0, 0.0, "1", "Gamma")
    curves = [Curve("reference", AT**2), Curve("evaluated", AT + 1)]
    content = CompareScene(
        (("Reference", "Reference dose", dose, looks[0]), ("Evaluated", "Evaluated dose", dose, looks[0]),
         ("Difference", "Difference", gamma, looks[1]), ("Gamma", "Gamma 3 %/2 mm", gamma, looks[1])),
        [Isodose(30.0, "30 Gy", (255, 0, 0))],
        [ProfileCurves("Profile along x", AT, curves), ProfileCurves("Profile along y", AT, curves)],
        (10.0, -5.0, 20.0),
        ScenePatient("Doe", "1", "", ""),
    )  # fmt: skip
    write_compare_scene(tmp_path / "scene.mrb", content)
    (tmp_path / "cache").mkdir()
    application = read_scene(tmp_path / "scene.mrb", tmp_path / "cache")
    scene = application.GetMRMLScene()
    volumes = nodes_of(scene, "vtkMRMLScalarVolumeNode")
    assert set(volumes) == {"Reference dose", "Evaluated dose", "Difference", "Gamma 3 %/2 mm"}
    array = vtk_to_numpy(volumes["Gamma 3 %/2 mm"].GetImageData().GetPointData().GetScalars())
    assert np.array_equal(array.reshape(dose.array.shape), gamma.array, equal_nan=True)
    assert volumes["Reference dose"].GetAttribute("DicomRtImport.DoseVolume") == "1"
    assert volumes["Gamma 3 %/2 mm"].GetAttribute("DicomRtImport.DoseVolume") is None
    charts = nodes_of(scene, "vtkMRMLPlotChartNode")
    assert set(charts) == {"Profile along x", "Profile along y"}
    series = curves_of(charts["Profile along x"])
    assert [one.GetName() for one in series] == ["reference", "evaluated"]
    values = series[0].GetTableNode().GetTable()
    assert [values.GetValueByName(n, "reference").ToDouble() for n in range(11)] == pytest.approx(AT**2)
    composite = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert composite.GetForegroundVolumeID() == volumes["Gamma 3 %/2 mm"].GetID()
    assert "Isodose 30 Gy" in nodes_of(scene, "vtkMRMLModelNode")
