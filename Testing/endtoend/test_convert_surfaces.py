"""`structures convert` from closed surfaces: written by VTK, the result read by SimpleITK and by plain pydicom."""

from __future__ import annotations

import numpy as np
import pytest
from builders import ct_builder as cb
from builders.rtstruct_decoder import decode, read_planes
from Dose3DLib.cli.main import main

sitk = pytest.importorskip("SimpleITK")
vtk = pytest.importorskip("vtk")


@pytest.fixture
def ball(tmp_path):
    """A ball of 12 mm around LPS (0, 10, 5) as binary STL that says its frame, RAS."""
    source = vtk.vtkSphereSource()
    source.SetCenter(0, -10, 5)
    source.SetRadius(12)
    source.SetThetaResolution(120)
    source.SetPhiResolution(120)
    writer = vtk.vtkSTLWriter()
    writer.SetFileTypeToBinary()
    writer.SetHeader("3D Slicer output. SPACE=RAS")
    writer.SetFileName(str(tmp_path / "GTV.stl"))
    writer.SetInputConnection(source.GetOutputPort())
    writer.Write()
    return tmp_path / "GTV.stl"


def test_to_a_label_map(ball, tmp_path):
    assert main(["structures", "convert", str(ball), "--output", str(tmp_path / "out.nii.gz")]) == 0
    image = sitk.ReadImage(str(tmp_path / "out.nii.gz"))
    array = sitk.GetArrayFromImage(image)
    assert array.sum() * np.prod(image.GetSpacing()) == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.02)
    k, j, i = np.argwhere(array).mean(axis=0)
    assert image.TransformContinuousIndexToPhysicalPoint((i, j, k)) == pytest.approx((0, 10, 5), abs=0.1)


def test_to_an_rtstruct_of_a_ct(ball, tmp_path):
    places = np.array([[-32.0, -22.0, -10.0 + 2.5 * k] for k in range(13)])
    cb.write_series(tmp_path / "ct", np.zeros((13, 64, 64)), places=places, spacing=(1.0, 1.0))
    command = ["structures", "convert", str(ball), "--output", str(tmp_path / "rs.dcm"), "--ct", str(tmp_path / "ct")]
    assert main(command) == 0
    planes = read_planes(tmp_path / "ct")
    masks = decode(tmp_path / "rs.dcm", planes)
    k, j, i = np.indices((13, 64, 64))
    inside = (i - 32.0) ** 2 + (j - 22.0 - 10) ** 2 + (2.5 * k - 15) ** 2 < 144
    wrong = np.count_nonzero(masks["GTV"] != inside)
    assert wrong < 0.02 * inside.sum()


def test_an_open_surface_is_refused_in_one_line(tmp_path, capsys):
    (tmp_path / "a.stl").write_text("solid a\nfacet\nvertex 0 0 0\nvertex 9 0 0\nvertex 0 9 9\nendfacet\nendsolid\n")
    assert main(["structures", "convert", str(tmp_path / "a.stl"), "--output", str(tmp_path / "out.seg.nrrd")]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert "is not closed: 3 open edges; fill its holes" in line
    assert not (tmp_path / "out.seg.nrrd").exists()
