"""ctkDoubleRangeSlider and ctkRangeWidget: two values of one range."""

from __future__ import annotations

import math
import sys

from PySide6.QtCore import Property, QPoint, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSlider, QStyle, QStyleOptionSlider, QWidget

from .base import gap, of_part, stored
from .spin_box import ctkDoubleSpinBox

HANDLE = 12
"""Width of a handle, pixels."""


class ctkDoubleRangeSlider(QWidget):
    """A horizontal slider with two handles. Reversed values are swapped, values outside the range clamped."""

    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)
    valuesChanged = Signal(float, float)
    minimumPositionChanged = Signal(float)
    maximumPositionChanged = Signal(float)
    positionsChanged = Signal(float, float)
    sliderPressed = Signal()
    sliderReleased = Signal()
    rangeChanged = Signal(float, float)

    singleStep = stored(float, "_step", 1.0)
    tickInterval = stored(float, "_tick_interval", 0.0)
    tickPosition = stored(int, "_tick_position", QSlider.NoTicks.value)
    symmetricMoves = stored(bool, "_symmetric", False)
    tracking = stored(bool, "_tracking", True)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._range, self._values, self._grabbed = (0.0, 99.0), (0.0, 99.0), -1
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)

    @Slot(float, float)
    def setRange(self, min: float, max: float) -> None:
        limits = (min, max) if min <= max else (max, min)
        if limits != self._range:
            self._range = limits
            self.rangeChanged.emit(*limits)
        self.setValues(*self._values)

    @Slot(float, float)
    def setValues(self, minVal: float, maxVal: float) -> None:
        low, high = self._range
        values = tuple(sorted(min(max(value, low), high) for value in (minVal, maxVal)))
        before, self._values = self._values, values
        self.update()
        if values == before:
            return
        self.valuesChanged.emit(*values)
        if values[0] != before[0]:
            self.minimumValueChanged.emit(values[0])
        if values[1] != before[1]:
            self.maximumValueChanged.emit(values[1])

    @Slot(float)
    def setMinimumValue(self, minVal: float) -> None:
        self.setValues(minVal, max(minVal, self._values[1]))

    @Slot(float)
    def setMaximumValue(self, maxVal: float) -> None:
        self.setValues(min(maxVal, self._values[0]), maxVal)

    minimum = Property(float, lambda self: self._range[0], lambda self, v: self.setRange(v, max(v, self._range[1])))
    maximum = Property(float, lambda self: self._range[1], lambda self, v: self.setRange(min(v, self._range[0]), v))
    minimumValue = Property(float, lambda self: self._values[0], setMinimumValue)
    maximumValue = Property(float, lambda self: self._values[1], setMaximumValue)
    minimumPosition = Property(float, lambda self: self._values[0], setMinimumValue)
    maximumPosition = Property(float, lambda self: self._values[1], setMaximumValue)

    def _refuse_vertical(self, orientation: int) -> None:
        if orientation != Qt.Horizontal.value:
            gap("a vertical ctkDoubleRangeSlider")

    orientation = Property(int, lambda self: Qt.Horizontal.value, _refuse_vertical)

    # --- mouse and painting

    def _place(self, value: float) -> int:
        """Centre of the handle of a value, pixels."""
        low, high = self._range
        share = (value - low) / (high - low) if high > low and math.isfinite(high - low) else 0.0
        return round(HANDLE / 2 + share * (self.width() - HANDLE))

    def _value_at(self, x: float) -> float:
        low, high = self._range
        share = (x - HANDLE / 2) / max(1, self.width() - HANDLE)
        value = low + share * (high - low)
        return low + round((value - low) / self.singleStep) * self.singleStep if self.singleStep > 0 else value

    def mousePressEvent(self, event) -> None:
        distances = [abs(event.position().x() - self._place(value)) for value in self._values]
        self._grabbed = distances.index(min(distances))
        self.sliderPressed.emit()

    def mouseMoveEvent(self, event) -> None:
        if self._grabbed < 0:
            return
        value, (low, high) = self._value_at(event.position().x()), self._values
        moved = (min(value, high), high) if self._grabbed == 0 else (low, max(value, low))
        if self.symmetricMoves:
            step = moved[0] - low if self._grabbed == 0 else high - moved[1]
            moved = (low + step, high - step)
        self.setValues(*moved)
        self.positionsChanged.emit(*self._values)

    def mouseReleaseEvent(self, _event) -> None:
        self._grabbed = -1
        self.sliderReleased.emit()

    def sizeHint(self) -> QSize:
        return QSize(120, 20)

    def paintEvent(self, _event) -> None:
        painter, option = QPainter(self), QStyleOptionSlider()
        option.initFrom(self)
        option.subControls = QStyle.SC_SliderGroove
        self.style().drawComplexControl(QStyle.CC_Slider, option, painter, self)
        low, high = (self._place(value) for value in self._values)
        middle = self.height() // 2
        painter.fillRect(QRect(QPoint(low, middle - 2), QPoint(high, middle + 1)), self.palette().highlight())
        painter.setPen(self.palette().mid().color())
        painter.setBrush(self.palette().button())
        for x in (low, high):
            painter.drawRoundedRect(QRect(x - HANDLE // 2, middle - 8, HANDLE - 1, 15), 2, 2)


class ctkRangeWidget(QWidget):
    """A range slider between two spin boxes."""

    minimumValueChanged = Signal(float)
    minimumValueIsChanging = Signal(float)
    maximumValueChanged = Signal(float)
    maximumValueIsChanging = Signal(float)
    valuesChanged = Signal(float, float)
    rangeChanged = Signal(float, float)

    autoSpinBoxWidth = stored(bool, "_auto_width", True)
    tracking = stored(bool, "_tracking", True)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._dragging = False
        self._low, self._slider, self._high = ctkDoubleSpinBox(self), ctkDoubleRangeSlider(self), ctkDoubleSpinBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part, name in ((self._low, "MinimumSpinBox"), (self._slider, "Slider"), (self._high, "MaximumSpinBox")):
            part.setObjectName(name)
            layout.addWidget(part)
        self._show()
        self._connect()

    def _connect(self) -> None:
        self._slider.sliderPressed.connect(lambda: setattr(self, "_dragging", True))
        self._slider.sliderReleased.connect(self._on_released)
        self._slider.rangeChanged.connect(self.rangeChanged)
        self._slider.valuesChanged.connect(self._on_values)
        self._slider.minimumValueChanged.connect(self._on_minimum)
        self._slider.maximumValueChanged.connect(self._on_maximum)
        self._low.valueChanged[float].connect(self.setMinimumValue)
        self._high.valueChanged[float].connect(self.setMaximumValue)

    def _quiet(self) -> bool:
        return self._dragging and not self.tracking

    def _on_values(self, low: float, high: float) -> None:
        self._show()
        if not self._quiet():
            self.valuesChanged.emit(low, high)

    def _on_minimum(self, value: float) -> None:
        if self._dragging:
            self.minimumValueIsChanging.emit(value)
        if not self._quiet():
            self.minimumValueChanged.emit(value)

    def _on_maximum(self, value: float) -> None:
        if self._dragging:
            self.maximumValueIsChanging.emit(value)
        if not self._quiet():
            self.maximumValueChanged.emit(value)

    def _on_released(self) -> None:
        quiet, self._dragging = self._quiet(), False
        if quiet:
            self.valuesChanged.emit(self.minimumValue, self.maximumValue)
            self.minimumValueChanged.emit(self.minimumValue)
            self.maximumValueChanged.emit(self.maximumValue)

    def _show(self) -> None:
        """Let the spin boxes show the slider's values; one cannot pass the other."""
        slider = self._slider
        shown = ((self._low, slider.minimumValue), (self._high, slider.maximumValue))
        for spin, value in shown:
            blocked = spin.blockSignals(True)
            spin.minimum, spin.maximum = slider.minimum, slider.maximum
            spin.setValue(value)
            spin.blockSignals(blocked)

    @Slot(float, float)
    def setRange(self, min: float, max: float) -> None:
        self._slider.setRange(min, max)
        self._show()

    @Slot(float, float)
    def setValues(self, minValue: float, maxValue: float) -> None:
        self._slider.setValues(minValue, maxValue)
        self._show()

    @Slot(float)
    def setMinimumValue(self, value: float) -> None:
        self._slider.setMinimumValue(value)
        self._show()

    @Slot(float)
    def setMaximumValue(self, value: float) -> None:
        self._slider.setMaximumValue(value)
        self._show()

    @Slot()
    def reset(self) -> None:
        """To the whole range."""
        self.setValues(self.minimum, self.maximum)

    @Slot(int)
    def setDecimals(self, decimals: int) -> None:
        self._low.setDecimals(decimals)
        self._high.setDecimals(decimals)

    def _set_step(self, step: float) -> None:
        for part in (self._low, self._slider, self._high):
            part.singleStep = step

    def _set_prefix(self, text: str) -> None:
        self._low.prefix = self._high.prefix = text

    def _set_suffix(self, text: str) -> None:
        self._low.suffix = self._high.suffix = text

    def _set_text_alignment(self, alignment: int) -> None:
        self._low.alignment = self._high.alignment = alignment

    def _set_minimum(self, minimum: float) -> None:
        self.setRange(minimum, max(minimum, self._slider.maximum))

    def _set_maximum(self, maximum: float) -> None:
        self.setRange(min(maximum, self._slider.minimum), maximum)

    minimum = Property(float, lambda self: self._slider.minimum, _set_minimum)
    maximum = Property(float, lambda self: self._slider.maximum, _set_maximum)
    minimumValue = Property(float, lambda self: self._slider.minimumValue, setMinimumValue)
    maximumValue = Property(float, lambda self: self._slider.maximumValue, setMaximumValue)
    decimals = Property(int, lambda self: self._low.decimals, setDecimals)
    singleStep = Property(float, lambda self: self._slider.singleStep, _set_step)
    prefix = Property(str, lambda self: self._low.prefix, _set_prefix)
    suffix = Property(str, lambda self: self._low.suffix, _set_suffix)
    spinBoxTextAlignment = Property(int, lambda self: self._low.alignment, _set_text_alignment)
    spinBoxAlignment = stored(int, "_spin_box_alignment", Qt.AlignVCenter.value)
    tickInterval = of_part(float, "_slider", "tickInterval")
    symmetricMoves = of_part(bool, "_slider", "symmetricMoves")
    customSpinBoxesLimitsMin = Property(float, lambda self: sys.float_info.max)  # the wrong way round: no limits
    customSpinBoxesLimitsMax = Property(float, lambda self: sys.float_info.min)
