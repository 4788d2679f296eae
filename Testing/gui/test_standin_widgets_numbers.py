"""The stand-in's widgets for numbers: units of a scene, dragging, values that nobody rounds."""

from __future__ import annotations

import pytest

pytest.importorskip("PySide6.QtWidgets", reason="needs PySide6 with Qt's system libraries")
slicer = pytest.importorskip("slicer", reason="needs slicer-core")

from PySide6.QtCore import QPoint, Qt  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402
from standin.widgets import native_classes  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def application():
    return QApplication.instance() or QApplication(["test", "-platform", "offscreen"])


@pytest.fixture
def millimetres():
    """(scene, its unit of length)."""
    scene = slicer.vtkMRMLScene()
    selection, unit = slicer.vtkMRMLSelectionNode(), slicer.vtkMRMLUnitNode()
    scene.AddNode(selection)
    unit.SetQuantity("length")
    unit.SetSuffix("mm")
    unit.SetPrecision(3)
    unit.SetMinimumValue(-5)
    unit.SetMaximumValue(50)
    scene.AddNode(unit)
    scene.GetNodeByID("vtkMRMLSelectionNodeSingleton").SetUnitNodeID("length", unit.GetID())
    return scene, unit


@pytest.mark.parametrize(
    ("name", "limits"),
    [("qMRMLSliderWidget", (0.0, 99.99)), ("qMRMLSpinBox", (-5.0, 50.0)), ("qMRMLRangeWidget", (0.0, 99.0))],
)
def test_numbers_follow_the_unit_of_their_quantity(millimetres, name, limits):
    scene, unit = millimetres
    widget = native_classes()[name]()
    widget.setMRMLScene(scene)
    assert (widget.suffix, widget.decimals) == ("", 2)
    widget.quantity = "length"
    assert (widget.suffix, widget.decimals) == ("mm", 3)
    assert (widget.minimum, widget.maximum) == limits
    unit.SetSuffix("cm")
    assert widget.suffix == "cm"


def _drag(widget, start: QPoint, end: QPoint) -> None:
    QTest.mousePress(widget, Qt.LeftButton, Qt.NoModifier, start)
    QTest.mouseMove(widget, end)
    QTest.mouseRelease(widget, Qt.LeftButton, Qt.NoModifier, end)


@pytest.mark.parametrize("tracking", [True, False])
def test_dragged_range_tells_while_it_changes_and_when_it_has(tracking):
    widget = native_classes()["ctkRangeWidget"]()
    widget.resize(500, 30)
    widget.tracking = tracking
    widget.show()
    changing, changed = [], []
    widget.minimumValueIsChanging.connect(changing.append)
    widget.minimumValueChanged.connect(changed.append)
    slider = widget._slider
    _drag(slider, QPoint(slider._place(0.0), 10), QPoint(slider.width() // 2, 10))
    assert changing
    assert changed[-1] == widget.minimumValue == changing[-1]
    assert 40 < widget.minimumValue < 60
    widget.reset()
    assert (widget.minimumValue, widget.maximumValue) == (0.0, 99.0)


def test_typed_value_of_a_slider_is_heard_once():
    widget = native_classes()["ctkSliderWidget"]()
    heard = []
    widget.valueChanged.connect(heard.append)
    widget._spin.value = 12.5
    widget._spin.stepUp()
    assert heard == [12.5, 13.5]
    assert widget._slider.value == 13.5


def test_steps_start_from_the_exact_value():
    spin = native_classes()["ctkDoubleSpinBox"]()
    spin.value = 1.23456
    spin.stepUp()
    assert spin.value == pytest.approx(2.23456, abs=1e-12)


def test_coordinates_are_normalised_where_wanted():
    widget = native_classes()["ctkCoordinatesWidget"]()
    heard = []
    widget.coordinatesChanged[float, float, float, float].connect(lambda *values: heard.append(values))
    widget.normalized = True
    widget.coordinates = "3,0,4"
    assert widget.coordinates == "0.6,0,0.8"
    assert heard == [(0.6, 0.0, 0.8, 0.0)]
    widget.coordinates = "no numbers"
    assert widget.coordinates == "0.6,0,0.8"
