"""ctkDoubleSlider and ctkSliderWidget: a slider with a spin box, both of doubles."""

from __future__ import annotations

import enum
import math

from PySide6.QtCore import Property, QFlag, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QSlider, QWidget

from .base import of_part, stored
from .spin_box import ctkDoubleSpinBox

MOST_POSITIONS = 100_000
"""Positions of the inner integer slider; more would overflow a C int for wide ranges with small steps."""


class ctkDoubleSlider(QWidget):
    """A slider of doubles. The value is exact; only the handle stands on whole steps."""

    valueChanged = Signal(float)
    sliderMoved = Signal(float)
    sliderPressed = Signal()
    sliderReleased = Signal()
    rangeChanged = Signal(float, float)

    tickInterval = stored(float, "_tick_interval", 0.0)
    handleToolTip = stored(str, "_handle_tool_tip", "")
    pageStep = stored(float, "_page_step", 10.0, "_place_handle")

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._minimum, self._maximum, self._value, self._step = 0.0, 99.0, 0.0, 1.0
        self._slider = QSlider(Qt.Horizontal, self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self._slider.valueChanged.connect(self._on_value)
        self._slider.sliderMoved.connect(lambda position: self.sliderMoved.emit(self._from_position(position)))
        self._slider.sliderPressed.connect(self.sliderPressed)
        self._slider.sliderReleased.connect(self.sliderReleased)
        self._place_handle()

    def _steps(self) -> int:
        """Number of positions of the handle, at least one."""
        span = self._maximum - self._minimum
        if not math.isfinite(span) or self._step <= 0:
            return MOST_POSITIONS
        return max(1, min(MOST_POSITIONS, round(span / self._step)))

    def _from_position(self, position: int) -> float:
        span = self._maximum - self._minimum
        if not math.isfinite(span):
            return self._value
        if position == self._slider.maximum():
            return self._maximum
        return self._minimum + position * span / self._steps()

    def _place_handle(self) -> None:
        blocked = self._slider.blockSignals(True)
        steps, span = self._steps(), self._maximum - self._minimum
        self._slider.setRange(0, steps if span > 0 else 0)
        if math.isfinite(span) and span > 0:
            self._slider.setPageStep(max(1, round(self.pageStep * steps / span)))
            self._slider.setValue(round((self._value - self._minimum) * steps / span))
        self._slider.blockSignals(blocked)

    def _on_value(self, position: int) -> None:
        value = self._from_position(position)
        if value != self._value:
            self._value = value
            self.valueChanged.emit(value)

    @Slot(float)
    def setValue(self, value: float) -> None:
        value = min(max(value, self._minimum), self._maximum)
        changed = value != self._value
        self._value = value
        self._place_handle()
        if changed:
            self.valueChanged.emit(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Set both limits; not seen by Python through the light wrapping."""
        if (minimum, maximum) != (self._minimum, self._maximum):
            self._minimum, self._maximum = minimum, maximum
            self.rangeChanged.emit(minimum, maximum)
        self.setValue(self._value)

    def _set_step(self, step: float) -> None:
        self._step = step
        self._place_handle()

    @Slot(Qt.Orientation)
    def setOrientation(self, orientation) -> None:
        self._slider.setOrientation(Qt.Orientation(orientation))

    value = Property(float, lambda self: self._value, setValue, notify=valueChanged)
    sliderPosition = Property(float, lambda self: self._from_position(self._slider.sliderPosition()), setValue)
    singleStep = Property(float, lambda self: self._step, _set_step)
    minimum = Property(float, lambda self: self._minimum, lambda self, v: self.setRange(v, max(v, self._maximum)))
    maximum = Property(float, lambda self: self._maximum, lambda self, v: self.setRange(min(v, self._minimum), v))
    orientation = Property(int, lambda self: self._slider.orientation().value, setOrientation)
    tickPosition = Property(
        int,
        lambda self: self._slider.tickPosition().value,
        lambda self, v: self._slider.setTickPosition(QSlider.TickPosition(v)),
    )
    tracking = Property(bool, lambda self: self._slider.hasTracking(), lambda self, v: self._slider.setTracking(v))
    invertedAppearance = Property(
        bool, lambda self: self._slider.invertedAppearance(), lambda self, v: self._slider.setInvertedAppearance(v)
    )
    invertedControls = Property(
        bool, lambda self: self._slider.invertedControls(), lambda self, v: self._slider.setInvertedControls(v)
    )


class ctkSliderWidget(QWidget):
    """A slider and a spin box of the same value, which is not rounded to decimals or steps."""

    @QFlag
    class SynchronizeSiblings(enum.IntFlag):
        NoSynchronize = 0
        SynchronizeWidth = 1
        SynchronizeDecimals = 2

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    decimalsChanged = Signal(int)

    synchronizeSiblings = stored(int, "_synchronize_siblings", 1)
    popupSlider = stored(bool, "_popup_slider", False)
    tracking = stored(bool, "_tracking", True)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._value, self._dragging = 0.0, False
        layout = QHBoxLayout(self)
        layout.setObjectName("hboxLayout")
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider = ctkDoubleSlider(self)
        self._slider.setObjectName("Slider")
        self._spin = ctkDoubleSpinBox(self)
        self._spin.setObjectName("SpinBox")
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._spin)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Fixed)
        self._slider.setRange(0.0, 99.99)
        self._connect()

    def _connect(self) -> None:
        self._slider.valueChanged.connect(self._on_slider)
        self._slider.sliderPressed.connect(self._on_pressed)
        self._slider.sliderReleased.connect(self._on_released)
        self._spin.valueChanged[float].connect(self.setValue)
        self._spin.decimalsChanged.connect(self.decimalsChanged)

    def _on_pressed(self) -> None:
        self._dragging, self._before_drag = True, self._value

    def _on_released(self) -> None:
        self._dragging = False
        if not self.tracking and self._value != self._before_drag:
            self.valueChanged.emit(self._value)

    def _on_slider(self, value: float) -> None:
        if value == self._value:
            return
        self._take(value)
        if self._dragging:
            self.valueIsChanging.emit(value)
        if self.tracking or not self._dragging:
            self.valueChanged.emit(value)

    def _take(self, value: float) -> None:
        """Show a value in both parts without their signals."""
        self._value = value
        for part in (self._slider, self._spin):
            blocked = part.blockSignals(True)
            part.setValue(value)
            part.blockSignals(blocked)

    @Slot(float)
    def setValue(self, value: float) -> None:
        value = min(max(value, self.minimum), self.maximum)
        changed = value != self._value
        self._take(value)
        if changed:
            self.valueChanged.emit(value)

    @Slot()
    def reset(self) -> None:
        """To zero, or to the limit that is nearest to it."""
        self.setValue(0.0)

    @Slot(bool)
    def setSpinBoxVisible(self, visible: bool) -> None:
        self._spin.setVisible(visible)

    @Slot(int)
    def setDecimals(self, decimals: int) -> None:
        self._spin.setDecimals(decimals)

    def _set_range(self, minimum: float, maximum: float) -> None:
        for part in (self._slider, self._spin):
            blocked = part.blockSignals(True)
            part.minimum, part.maximum = minimum, maximum
            part.blockSignals(blocked)
        self.setValue(self._value)

    def _set_minimum(self, minimum: float) -> None:
        self._set_range(minimum, max(minimum, self.maximum))

    def _set_maximum(self, maximum: float) -> None:
        self._set_range(min(self.minimum, maximum), maximum)

    def _set_step(self, step: float) -> None:
        self._slider.singleStep = step
        self._spin.singleStep = step

    value = Property(float, lambda self: self._value, setValue, notify=valueChanged)
    minimum = Property(float, lambda self: self._slider.minimum, _set_minimum)
    maximum = Property(float, lambda self: self._slider.maximum, _set_maximum)
    decimals = Property(int, lambda self: self._spin.decimals, setDecimals, notify=decimalsChanged)
    singleStep = Property(float, lambda self: self._slider.singleStep, _set_step)
    spinBoxVisible = Property(bool, lambda self: not self._spin.isHidden(), setSpinBoxVisible)
    pageStep = of_part(float, "_slider", "pageStep")
    tickInterval = of_part(float, "_slider", "tickInterval")
    tickPosition = of_part(int, "_slider", "tickPosition")
    invertedAppearance = of_part(bool, "_slider", "invertedAppearance")
    invertedControls = of_part(bool, "_slider", "invertedControls")
    prefix = of_part(str, "_spin", "prefix")
    suffix = of_part(str, "_spin", "suffix")
    spinBoxAlignment = of_part(int, "_spin", "alignment")
