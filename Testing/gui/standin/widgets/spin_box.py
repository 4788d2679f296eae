"""ctkDoubleSpinBox: a spin box that shows a rounded value and keeps the exact one."""

from __future__ import annotations

import enum
import math

from PySide6.QtCore import Property, QEnum, QFlag, Qt, Signal, Slot
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSizePolicy, QWidget

from .base import stored

MOST_DECIMALS = 323
"""More digits than a double has; what Qt allows."""


class ctkQDoubleSpinBox(QDoubleSpinBox):
    """The inner spin box; stepping starts from the exact value of its owner."""

    def stepBy(self, steps: int) -> None:
        owner = self.parent()
        owner.setValue(owner.value + steps * owner.singleStep)


class ctkDoubleSpinBox(QWidget):
    """A double spin box whose value is not rounded to its decimals."""

    @QEnum
    class SetMode(enum.IntEnum):
        SetAlways = 0
        SetIfDifferent = 1

    @QFlag
    class DecimalsOption(enum.IntFlag):
        FixedDecimals = 0
        DecimalsByShortcuts = 1
        DecimalsByKey = 2
        DecimalsByValue = 4
        InsertDecimals = 8
        ReplaceDecimals = 16
        DecimalsAsMax = 32
        DecimalsAsMin = 64
        DecimalPointAlwaysVisible = 128

    @QFlag
    class DecimalsOptions(enum.IntFlag):
        FixedDecimals = 0
        DecimalsByShortcuts = 1
        DecimalsByKey = 2
        DecimalsByValue = 4
        InsertDecimals = 8
        ReplaceDecimals = 16
        DecimalsAsMax = 32
        DecimalsAsMin = 64
        DecimalPointAlwaysVisible = 128

    @QEnum
    class SizeHintPolicy(enum.IntEnum):
        SizeHintByMinMax = 0
        SizeHintByValue = 1

    valueChanged = Signal((float,), (str,))
    editingFinished = Signal()
    decimalsChanged = Signal(int)

    setMode = stored(int, "_set_mode", 1)
    decimalsOption = stored(int, "_decimals_option", 9)
    sizeHintPolicy = stored(int, "_size_hint_policy", 0, "updateGeometry")
    invertedControls = stored(bool, "_inverted_controls", False)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._value = 0.0
        self._setting = False
        self._minimum, self._maximum = 0.0, 99.99
        self._spin = ctkQDoubleSpinBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._spin)
        self.setFocusProxy(self._spin)
        self.setSizePolicy(QSizePolicy.Minimum, QSizePolicy.Fixed)
        self._spin.valueChanged.connect(self._on_edited)
        self._spin.editingFinished.connect(self.editingFinished)

    def _on_edited(self, shown: float) -> None:
        self._change(shown)

    def _change(self, value: float) -> None:
        """Take a value, clamped, and tell when it is another one."""
        value = min(max(value, self._minimum), self._maximum)
        changed = value != self._value
        self._value = value
        self._show_value()
        if changed:
            self._emit()

    def _emit(self) -> None:
        self.valueChanged[float].emit(self._value)
        self.valueChanged[str].emit(self._spin.cleanText())

    def _show_value(self) -> None:
        blocked = self._spin.blockSignals(True)
        if not math.isclose(self._spin.value(), self._value, abs_tol=0.5 * 10.0 ** -self._spin.decimals()):
            self._spin.setValue(self._value)
        self._spin.blockSignals(blocked)

    @Slot(float)
    def setValue(self, value: float) -> None:
        if self.setMode == self.SetMode.SetAlways:
            self.setValueAlways(value)
        else:
            self.setValueIfDifferent(value)

    @Slot(float)
    def setValueIfDifferent(self, value: float) -> None:
        self._change(value)

    @Slot(float)
    def setValueAlways(self, value: float) -> None:
        before = self._value
        self._setting = True
        self._change(value)
        if self._value == before:
            self._emit()
        self._setting = False

    @Slot()
    def stepUp(self) -> None:
        self._spin.stepBy(1)

    @Slot()
    def stepDown(self) -> None:
        self._spin.stepBy(-1)

    @Slot(int)
    def setDecimals(self, decimal: int) -> None:
        decimal = min(max(decimal, 0), MOST_DECIMALS)
        if decimal == self._spin.decimals():
            return
        blocked = self._spin.blockSignals(True)
        self._spin.setDecimals(decimal)
        self._apply_range()
        self._spin.setValue(self._value)
        self._spin.blockSignals(blocked)
        self.decimalsChanged.emit(decimal)

    @Slot(bool)
    def setReadOnly(self, readOnly: bool) -> None:
        self._spin.setReadOnly(readOnly)

    def _set_minimum(self, minimum: float) -> None:
        self._set_range(minimum, max(minimum, self._maximum))

    def _set_maximum(self, maximum: float) -> None:
        self._set_range(min(self._minimum, maximum), maximum)

    def _set_range(self, minimum: float, maximum: float) -> None:
        self._minimum, self._maximum = minimum, maximum
        self._apply_range()
        self._change(self._value)

    def _apply_range(self) -> None:
        blocked = self._spin.blockSignals(True)
        self._spin.setRange(self._minimum, self._maximum)
        self._spin.blockSignals(blocked)

    value = Property(float, lambda self: self._value, setValue, notify=valueChanged)
    minimum = Property(float, lambda self: self._minimum, _set_minimum)
    maximum = Property(float, lambda self: self._maximum, _set_maximum)
    decimals = Property(int, lambda self: self._spin.decimals(), setDecimals, notify=decimalsChanged)
    singleStep = Property(float, lambda self: self._spin.singleStep(), lambda self, v: self._spin.setSingleStep(v))
    prefix = Property(str, lambda self: self._spin.prefix(), lambda self, v: self._spin.setPrefix(v))
    suffix = Property(str, lambda self: self._spin.suffix(), lambda self, v: self._spin.setSuffix(v))
    cleanText = Property(str, lambda self: self._spin.cleanText())
    readOnly = Property(bool, lambda self: self._spin.isReadOnly(), lambda self, v: self._spin.setReadOnly(v))
    frame = Property(bool, lambda self: self._spin.hasFrame(), lambda self, v: self._spin.setFrame(v))
    isSettingValue = Property(bool, lambda self: self._setting)
    alignment = Property(
        int, lambda self: self._spin.alignment().value, lambda self, v: self._spin.setAlignment(Qt.AlignmentFlag(v))
    )
