"""Photons and their spectrum in a scene."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer")
from Dose3DLib.scene.mrb import new_scene  # noqa: E402
from Dose3DLib.scene.phase_space_nodes import ENERGY, add_photons, add_spectrum  # noqa: E402

NAMES = ("x_cm", "y_cm", "z_cm", "u", "v", "w", "energy_mev", "weight")


def columns(count: int) -> dict[str, np.ndarray]:
    values = np.random.default_rng(1).uniform(0.1, 6, (len(NAMES), count))
    return dict(zip(NAMES, values, strict=True))


def test_points_lie_in_millimetres_and_carry_their_energy():
    from vtk.util.numpy_support import vtk_to_numpy

    scene, given = new_scene().GetMRMLScene(), columns(50)
    node = add_photons(scene, given, "Łódź photons")
    data = node.GetPolyData()
    places = vtk_to_numpy(data.GetPoints().GetData())
    assert np.allclose(places, 10 * np.stack([given["x_cm"], given["y_cm"], given["z_cm"]], axis=-1), rtol=1e-6)
    assert np.allclose(vtk_to_numpy(data.GetPointData().GetArray(ENERGY)), given["energy_mev"], rtol=1e-6)
    directions = vtk_to_numpy(data.GetPointData().GetArray("direction"))
    assert np.allclose(directions[:, 2], given["w"], rtol=1e-6)
    assert data.GetNumberOfVerts() == 50
    display = node.GetDisplayNode()
    assert display.GetActiveScalarName() == ENERGY
    assert display.GetScalarVisibility()
    assert display.GetColorNode() is not None
    assert display.GetScalarRange() == (0.0, pytest.approx(given["energy_mev"].max()))
    assert display.GetRepresentation() == slicer.vtkMRMLDisplayNode.PointsRepresentation


def test_no_photon_is_an_empty_model():
    node = add_photons(new_scene().GetMRMLScene(), columns(0), "none")
    assert node.GetPolyData().GetNumberOfPoints() == 0


def test_a_spectrum_is_a_share_per_mev():
    scene = new_scene().GetMRMLScene()
    table, series, chart = add_spectrum(scene, np.array([0.0, 0.5, 1.0]), np.array([1.0, 3.0]), "Spectrum")
    values = table.GetTable()
    assert [values.GetColumnName(n) for n in range(2)] == [ENERGY, "share per MeV"]
    rows = [[values.GetValue(row, column).ToDouble() for column in range(2)] for row in range(2)]
    assert rows == [[0.25, 0.5], [0.75, 1.5]]
    assert series.GetTableNodeID() == table.GetID()
    assert series.GetYColumnName() == "share per MeV"
    assert chart.GetNthPlotSeriesNodeID(0) == series.GetID()
    assert chart.GetXAxisTitle() == ENERGY
