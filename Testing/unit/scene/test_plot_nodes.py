"""Curves as Slicer's plot nodes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
from Dose3DLib.scene.mrb import new_scene  # noqa: E402
from Dose3DLib.scene.plot_nodes import Curve, add_chart, curves_of, remove_chart  # noqa: E402

PLACES = np.array([0.0, 1.0, 2.0])


def chart_of_two(scene):
    curves = [Curve("real", PLACES**2), Curve("generated", -PLACES)]
    return add_chart(scene, "X", ("X (cm)", "share per cm"), PLACES, curves)


def column(table, number: int) -> list[float]:
    return [table.GetTable().GetValue(row, number).ToDouble() for row in range(table.GetNumberOfRows())]


def test_curves_share_a_table_and_have_their_own_colours():
    scene = new_scene().GetMRMLScene()
    chart = chart_of_two(scene)
    real, generated = curves_of(chart)
    assert [one.GetName() for one in (real, generated)] == ["real", "generated"]
    table = real.GetTableNode()
    assert generated.GetTableNode() is table
    assert [table.GetColumnName(n) for n in range(3)] == ["X (cm)", "real", "generated"]
    assert [column(table, n) for n in range(3)] == [[0, 1, 2], [0, 1, 4], [0, -1, -2]]
    assert (real.GetXColumnName(), generated.GetYColumnName()) == ("X (cm)", "generated")
    assert real.GetColor() != generated.GetColor()
    assert chart.GetLegendVisibility()
    assert (chart.GetXAxisTitle(), chart.GetYAxisTitle()) == ("X (cm)", "share per cm")


def test_a_single_curve_needs_no_legend():
    scene = new_scene().GetMRMLScene()
    chart = add_chart(scene, "E", ("E", "share"), PLACES, [Curve("share", PLACES)])
    assert not chart.GetLegendVisibility()


def test_remove_leaves_nothing():
    scene = new_scene().GetMRMLScene()
    before = scene.GetNumberOfNodes()
    remove_chart(scene, chart_of_two(scene))
    assert scene.GetNumberOfNodes() == before
