"""The layout manager and its views."""

from __future__ import annotations

from PySide6.QtCore import Property, QObject, Signal, Slot
from PySide6.QtWidgets import QLabel, QWidget


def view_classes() -> list[type]:
    return []


class qSlicerLayoutManager(QObject):
    """`slicer.app.layoutManager()`."""

    layoutChanged = Signal(int)

    def __init__(self, core, parent: QObject | None = None):
        super().__init__(parent)
        self._core = core
        self._viewport = QLabel("views")
        self._layout = 3

    layout = Property(int, lambda self: self._layout)

    def viewport(self) -> QWidget:
        return self._viewport

    @Slot(result="QStringList")
    def sliceViewNames(self) -> list[str]:
        return []

    @Slot()
    def resetSliceViews(self) -> None:
        pass

    @Slot()
    def resetThreeDViews(self) -> None:
        pass

    def draw(self) -> None:
        pass

    def close(self) -> None:
        pass
