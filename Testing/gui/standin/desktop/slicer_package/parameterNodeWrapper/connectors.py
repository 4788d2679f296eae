"""Which widget can show a member of which type, by exact type of the widget, and how it is read and written."""

from __future__ import annotations

import enum
import pathlib
import types
import typing

import ctk
import qt
import slicer
from standin.pythonqt import StandInGap

from .ranges import FloatRange
from .serializers import PATHS
from .validators import Choice, Decimals, Default, Maximum, Minimum, RangeBounds, SingleStep, WithinRange

__all__ = ["Connector", "connector_of"]


class Connector:
    """One widget that shows one member."""

    signal = ""

    def __init__(self, widget, kind, annotations):
        self.widget, self.kind, self.annotations = widget, kind, annotations
        self._callback = None

    def onChanged(self, callback) -> None:
        """Listen, or with None stop listening."""
        if self._callback is not None and self.signal:
            getattr(self.widget, self.signal).disconnect(self.changed)
        self._callback = callback
        if callback is not None and self.signal:
            getattr(self.widget, self.signal).connect(self.changed)

    def changed(self) -> None:
        if self._callback is not None:
            self._callback()

    def find(self, kind):
        return next((a for a in self.annotations if isinstance(a, kind)), None)


class CheckBox(Connector):
    signal = "toggled"

    def read(self):
        return self.widget.checked

    def write(self, value) -> None:
        self.widget.checked = value


class CheckableButton(CheckBox):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.widget.checkable = True


class _Number(Connector):
    signal = "valueChanged"
    mustBeBounded = ()

    def __init__(self, *arguments):
        super().__init__(*arguments)
        low, high = self._bounds()
        if type(self.widget) in self.mustBeBounded and None in (low, high):
            kinds = "int type" if isinstance(self, IntNumber) else "float types"
            raise RuntimeError(
                f"Cannot have a connection to {type(self.widget).__name__} where the {kinds} is unbounded."
            )
        self.widget.minimum = self.lowest if low is None else low
        self.widget.maximum = self.highest if high is None else high

    def _bounds(self):
        within, low, high = (self.find(kind) for kind in (WithinRange, Minimum, Maximum))
        if within:
            return within.minimum, within.maximum
        return (low.minimum if low else None), (high.maximum if high else None)

    def read(self):
        return self.widget.value

    def write(self, value) -> None:
        self.widget.value = value


class IntNumber(_Number):
    mustBeBounded = (qt.QSlider,)
    lowest, highest = -(2**31), 2**31 - 1


class FloatNumber(_Number):
    mustBeBounded = (ctk.ctkSliderWidget, slicer.qMRMLSliderWidget)
    lowest, highest = -float("inf"), float("inf")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        decimals, step = self.find(Decimals), self.find(SingleStep)
        if decimals or self.kind is int:
            self.widget.decimals = decimals.value if decimals else 0
        if step:
            self.widget.singleStep = step.value

    def read(self):
        return int(self.widget.value) if self.kind is int else self.widget.value


class RangeWidget(Connector):
    signal = "valuesChanged"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        bounds = self.find(RangeBounds)
        if bounds is None:
            raise RuntimeError(f"{type(self.widget).__name__} must have RangeBounds")
        if self.find(Default) is None:  # as the real one, which then asks a number for its bounds
            raise AttributeError("'int' object has no attribute 'minimum'")
        self.widget.setRange(bounds.minimum, bounds.maximum)

    def read(self):
        return FloatRange(self.widget.minimumValue, self.widget.maximumValue)

    def write(self, value) -> None:
        self.widget.setValues(value.minimum, value.maximum)


class ChoiceBox(Connector):
    signal = "currentIndexChanged"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.choices = self.find(Choice).choices
        self.widget.clear()
        self.widget.addItems([str(choice) for choice in self.choices])

    def read(self):
        return self.choices[self.widget.currentIndex]

    def write(self, value) -> None:
        self.widget.currentIndex = list(self.choices).index(value)


class EnumBox(Connector):
    signal = "currentIndexChanged"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.choices = list(self.kind)
        label = getattr(self.kind, "label", lambda member: member.name)
        self.widget.clear()
        self.widget.addItems([label(choice) for choice in self.choices])

    def read(self):
        return self.choices[self.widget.currentIndex]

    def write(self, value) -> None:
        self.widget.currentIndex = self.choices.index(value)


class LineEdit(Connector):
    signal = "textChanged"

    def read(self):
        return self.widget.text

    def write(self, value) -> None:
        if self.widget.text != value:
            self.widget.text = value


class Label(Connector):
    def read(self):
        return self.widget.text

    def write(self, value) -> None:
        self.widget.text = value


class PlainText(Connector):
    signal = "textChanged"

    def read(self):
        return self.widget.toPlainText()

    def write(self, value) -> None:
        if self.widget.toPlainText() != value:
            self.widget.setPlainText(value)


class PathEdit(Connector):
    signal = "currentPathChanged"

    def read(self):
        return self.kind(self.widget.currentPath)

    def write(self, value) -> None:
        self.widget.currentPath = str(value)


class DirectoryButton(Connector):
    signal = "directoryChanged"

    def read(self):
        return self.kind(self.widget.directory)

    def write(self, value) -> None:
        self.widget.directory = str(value)


class NodeBox(Connector):
    signal = "currentNodeChanged"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        kinds = [k for k in typing.get_args(self.kind) or (self.kind,) if k is not type(None)]
        self.widget.nodeTypes = [k.__name__ for k in kinds]

    def read(self):
        return self.widget.currentNode()

    def write(self, value) -> None:
        self.widget.setCurrentNode(value)


def connector_of(widget, kind, annotations) -> Connector:
    """The connector of a widget and a member.

    Raises
    ------
    RuntimeError
        no connector for this pair.
    """
    for made, widgets, fits in TABLE:
        if type(widget) in widgets and fits(kind, annotations):
            return made(widget, kind, annotations)
    if type(widget) in UNKNOWN:
        raise StandInGap(f"parameterNodeWrapper: {type(widget).__name__}")
    raise RuntimeError(f"Unable to create GUI connector from {type(widget)} to {kind}")


def _is(*kinds):
    return lambda kind, annotations: kind in kinds


def _is_choice(kind, annotations) -> bool:
    return kind in (int, float, str, bool) and any(isinstance(a, Choice) for a in annotations)


def _is_enum(kind, annotations) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _is_node(kind, annotations) -> bool:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return all(k is type(None) or _is_node(k, annotations) for k in typing.get_args(kind))
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


def _is_path(kind, annotations) -> bool:
    return isinstance(kind, type) and issubclass(kind, pathlib.PurePath) and kind in PATHS


UNKNOWN = (ctk.ctkColorPickerButton,)
"""The desktop has a connector for this, the stand-in none."""

TABLE = (
    (CheckBox, (qt.QCheckBox, ctk.ctkCheckBox), _is(bool)),
    (CheckableButton, (qt.QPushButton, ctk.ctkCheckablePushButton), _is(bool)),
    (IntNumber, (qt.QSlider, qt.QSpinBox), _is(int)),
    (
        FloatNumber,
        (qt.QDoubleSpinBox, ctk.ctkSliderWidget, slicer.qMRMLSliderWidget, ctk.ctkDoubleSpinBox, slicer.qMRMLSpinBox),
        _is(float, int),
    ),
    (ChoiceBox, (qt.QComboBox, ctk.ctkComboBox), _is_choice),
    (EnumBox, (qt.QComboBox, ctk.ctkComboBox), _is_enum),
    (LineEdit, (qt.QLineEdit,), _is(str)),
    (Label, (qt.QLabel,), _is(str)),
    (PlainText, (qt.QTextEdit,), _is(str)),
    (PathEdit, (ctk.ctkPathLineEdit,), _is_path),
    (DirectoryButton, (ctk.ctkDirectoryButton,), _is_path),
    (RangeWidget, (ctk.ctkRangeWidget, slicer.qMRMLRangeWidget), _is(FloatRange)),
    (NodeBox, (slicer.qMRMLNodeComboBox,), _is_node),
)
