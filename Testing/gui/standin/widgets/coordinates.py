"""ctkCoordinatesWidget: one to four numbers side by side."""

from __future__ import annotations

import math

from PySide6.QtCore import Property, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from .spin_box import ctkDoubleSpinBox

FARTHEST = 100_000.0
"""Default limit on both sides of zero."""


def _of_first(kind, name: str):
    """A property that all spin boxes share."""

    def write(self, value):
        for spin in self._spins:
            setattr(spin, name, value)

    return Property(kind, lambda self: getattr(self._spins[0], name), write)


class ctkCoordinatesWidget(QWidget):
    """Spin boxes for the coordinates of a point; Python sees them as the text "x,y,z"."""

    coordinatesChanged = Signal((object,), (float, float, float, float))
    CPP_SIGNATURES = {"coordinatesChanged(double*)": "coordinatesChanged"}

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._spins: list[ctkDoubleSpinBox] = []
        self._busy, self._normalized = False, False
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._set_dimension(3)

    def _set_dimension(self, dimension: int) -> None:
        if dimension < 1:
            return
        while len(self._spins) > dimension:
            self._spins.pop().deleteLater()
        while len(self._spins) < dimension:
            self._spins.append(self._make_spin())

    def _make_spin(self) -> ctkDoubleSpinBox:
        spin = ctkDoubleSpinBox(self)
        like = self._spins[0] if self._spins else None
        spin.minimum = like.minimum if like else -FARTHEST
        spin.maximum = like.maximum if like else FARTHEST
        spin.decimals = like.decimals if like else 3
        spin.singleStep = like.singleStep if like else 1.0
        spin.valueChanged[float].connect(self._on_edited)
        self.layout().addWidget(spin)
        return spin

    def _values(self) -> list[float]:
        return [spin.value for spin in self._spins]

    def _on_edited(self, _value: float) -> None:
        if not self._busy:
            self._take(self._values(), self._values(), edited=True)

    def _take(self, values: list[float], before: list[float], edited: bool = False) -> None:
        """Show values (normalised where wanted) and tell once when they differ from those before."""
        length = math.hypot(*values)
        if self._normalized and length > 0:
            values = [value / length for value in values]
        self._busy = True
        for spin, value in zip(self._spins, values, strict=False):
            spin.setValue(value)
        self._busy = False
        if edited or self._values() != before:
            x, y, z, w = (*self._values(), 0.0, 0.0, 0.0)[:4]
            self.coordinatesChanged[object].emit(None)  # a double* that Python cannot read
            self.coordinatesChanged[float, float, float, float].emit(x, y, z, w)

    @Slot(float, float, float, float)
    @Slot(float, float, float)
    @Slot(float, float)
    @Slot(float)
    def setCoordinates(self, x: float, y: float = 0.0, z: float = 0.0, w: float = 0.0) -> None:
        self._take([x, y, z, w][: len(self._spins)], self._values())

    @Slot(int, result=float)
    def getCoordinate(self, dim: int) -> float:
        return self._spins[dim].value

    @Slot()
    def normalize(self) -> None:
        length = math.hypot(*self._values())
        if length > 0:
            self._take([value / length for value in self._values()], self._values())

    @Slot(int)
    def setDecimals(self, decimals: int) -> None:
        for spin in self._spins:
            spin.setDecimals(decimals)

    @Slot(bool)
    def setReadOnly(self, readOnly: bool) -> None:
        for spin in self._spins:
            spin.setReadOnly(readOnly)

    def _set_text(self, text: str) -> None:
        try:
            values = [float(part) for part in text.split(",")]
        except ValueError:
            return
        self._take((values + self._values()[len(values) :])[: len(self._spins)], self._values())

    def _set_normalized(self, normalized: bool) -> None:
        self._normalized = normalized
        if normalized:
            self.normalize()

    coordinates = Property(str, lambda self: ",".join(f"{value:g}" for value in self._values()), _set_text)
    dimension = Property(int, lambda self: len(self._spins), _set_dimension)
    normalized = Property(bool, lambda self: self._normalized, _set_normalized)
    decimals = Property(int, lambda self: self._spins[0].decimals, setDecimals)
    readOnly = Property(bool, lambda self: self._spins[0].readOnly, setReadOnly)
    singleStep = _of_first(float, "singleStep")
    minimum = _of_first(float, "minimum")
    maximum = _of_first(float, "maximum")
    frame = _of_first(bool, "frame")
    decimalsOption = _of_first(int, "decimalsOption")
    sizeHintPolicy = _of_first(int, "sizeHintPolicy")
