"""Photons and their spectrum in a scene."""

from __future__ import annotations

import numpy as np
import pytest

slicer = pytest.importorskip("slicer")
from Dose3DLib.scene.mrb import new_scene  # noqa: E402
from Dose3DLib.scene.phase_space_nodes import (  # noqa: E402
    ENERGY,
    add_lines,
    add_photons,
    add_spectrum,
    lines_of,
    photon_columns,
    set_line_length,
)

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


def test_the_columns_come_back():
    scene, given = new_scene().GetMRMLScene(), columns(30)
    found = photon_columns(add_photons(scene, given, "photons"))
    assert list(found) == list(NAMES)
    for name, values in given.items():
        assert np.allclose(found[name], values, rtol=1e-5), name


def ends_of_lines(lines) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of each line in mm, as VTK's own cells say."""
    data = lines.GetPolyData()
    cells = range(data.GetNumberOfCells())
    ids = [[data.GetCell(n).GetPointId(side) for n in cells] for side in (0, 1)]
    return tuple(np.array([data.GetPoint(i) for i in side]).reshape(-1, 3) for side in ids)


def test_lines_go_along_the_flight_from_the_place_of_the_photon():
    scene, given = new_scene().GetMRMLScene(), columns(40)
    photons = add_photons(scene, given, "photons")
    assert lines_of(photons) is None
    lines = add_lines(scene, photons, 5.0)
    starts, ends = ends_of_lines(lines)
    places = 10 * np.stack([given[name] for name in ("x_cm", "y_cm", "z_cm")], axis=-1)
    flights = np.stack([given[name] for name in "uvw"], axis=-1)
    assert np.allclose(starts, places, rtol=1e-5)
    assert np.allclose(ends, places + 50 * flights, rtol=1e-5)
    assert lines_of(photons) is lines
    set_line_length(photons, 2.5)
    assert np.allclose(ends_of_lines(lines)[1], places + 25 * flights, rtol=1e-5)


def test_lines_have_the_colours_of_the_points():
    from vtk.util.numpy_support import vtk_to_numpy

    scene, given = new_scene().GetMRMLScene(), columns(7)
    photons = add_photons(scene, given, "photons")
    display = add_lines(scene, photons, 5.0).GetDisplayNode()
    assert display.GetColorNodeID() == photons.GetDisplayNode().GetColorNodeID()
    assert display.GetScalarRange() == photons.GetDisplayNode().GetScalarRange()
    assert display.GetActiveScalarName() == ENERGY
    energies = vtk_to_numpy(lines_of(photons).GetPolyData().GetPointData().GetArray(ENERGY))
    assert np.allclose(energies.reshape(2, 7), given["energy_mev"], rtol=1e-6)


def test_no_photon_is_no_line():
    scene = new_scene().GetMRMLScene()
    lines = add_lines(scene, add_photons(scene, columns(0), "none"), 5.0)
    assert lines.GetPolyData().GetNumberOfLines() == 0


def test_a_spectrum_is_a_share_per_mev():
    scene = new_scene().GetMRMLScene()
    chart = add_spectrum(scene, np.array([0.0, 0.5, 1.0]), np.array([1.0, 3.0]), "Spectrum")
    series = chart.GetNthPlotSeriesNode(0)
    table = series.GetTableNode()
    values = table.GetTable()
    assert [values.GetColumnName(n) for n in range(2)] == [ENERGY, "share per MeV"]
    rows = [[values.GetValue(row, column).ToDouble() for column in range(2)] for row in range(2)]
    assert rows == [[0.25, 0.5], [0.75, 1.5]]
    assert series.GetTableNodeID() == table.GetID()
    assert series.GetYColumnName() == "share per MeV"
    assert chart.GetNthPlotSeriesNodeID(0) == series.GetID()
    assert chart.GetXAxisTitle() == ENERGY
