"""A phase space as a scene file, read back by Slicer's own reader."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("slicer")
from Dose3DLib.scene.mrb import read_scene  # noqa: E402
from Dose3DLib.scene.phase_space_nodes import ENERGY, FIGURES, lines_of, photon_columns  # noqa: E402
from Dose3DLib.scene.phase_space_scene import write_phase_space_scene  # noqa: E402

NAMES = ("x_cm", "y_cm", "z_cm", "u", "v", "w", "energy_mev", "weight")
SPECTRUM = {"edges_mev": [0.0, 0.5, 1.0], "weights": [1.0, 3.0]}


def columns(count: int) -> dict[str, np.ndarray]:
    values = np.random.default_rng(1).uniform(0.1, 6, (len(NAMES), count))
    return dict(zip(NAMES, values, strict=True))


def read_back(folder, count: int):
    given = columns(count)
    path = folder / "scene.mrb"
    write_phase_space_scene(path, given, "żółw", {"rows": {"photons": count}, "spectrum": SPECTRUM})
    cache = folder / "cache"
    cache.mkdir()
    return given, read_scene(path, cache)


def node(application, name: str):
    return application.GetMRMLScene().GetFirstNodeByName(name)


def test_photons_lines_and_figures_come_back(tmp_path):
    given, application = read_back(tmp_path, 50)
    photons = node(application, "żółw photons")
    for name, values in photon_columns(photons).items():
        assert np.allclose(values, given[name], rtol=1e-5), name
    assert json.loads(photons.GetAttribute(FIGURES))["rows"] == {"photons": 50}
    assert lines_of(photons).GetPolyData().GetNumberOfLines() == 50
    for shown in (photons, lines_of(photons)):
        assert shown.GetDisplayNode().GetVisibility()
        assert shown.GetDisplayNode().GetActiveScalarName() == ENERGY
        assert shown.GetDisplayNode().GetColorNode().GetName() == "żółw photons colors"


def test_of_many_photons_a_thousand_have_lines(tmp_path):
    given, application = read_back(tmp_path, 2500)
    lines = lines_of(node(application, "żółw photons")).GetPolyData()
    assert lines.GetNumberOfLines() == 834
    start = [lines.GetPoint(lines.GetCell(1).GetPointId(0))[axis] for axis in range(3)]
    assert np.allclose(start, [10 * given[name][3] for name in ("x_cm", "y_cm", "z_cm")], rtol=1e-5)


def test_the_spectrum_is_a_chart_with_its_table(tmp_path):
    _, application = read_back(tmp_path, 5)
    scene = application.GetMRMLScene()
    chart = scene.GetFirstNodeByClass("vtkMRMLPlotChartNode")
    table = chart.GetNthPlotSeriesNode(0).GetTableNode()
    assert [float(table.GetCellText(row, 1)) for row in range(2)] == [0.5, 1.5]
