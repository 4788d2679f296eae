"""The layout manager and the widgets of its views."""

from __future__ import annotations

from PySide6.QtCore import Property, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication, QImage, QPixmap
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QSlider, QVBoxLayout, QWidget

from standin.widgets.base import gap

from .drawing import COLOURS, ORIENTATIONS, SlicePlane, ThreeD, drawing_problem

FOUR_UP = 3
SHOWN = {
    2: ("1", "Red", "Green", "Yellow"),
    FOUR_UP: ("Red", "1", "Green", "Yellow"),
    4: ("1",),
    6: ("Red",),
    7: ("Yellow",),
    8: ("Green",),
}
"""Number of a layout (vtkMRMLLayoutNode) -> its views, row by row."""


class _Picture(QLabel):
    """Shows what a view draws; draws by itself only where somebody looks (not on the offscreen platform)."""

    wheeled = Signal(int)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.source = None
        self.setMinimumSize(80, 60)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Ignored)  # a picture must not push its own widget
        self.setAlignment(Qt.AlignCenter)
        self.setWordWrap(True)
        self.setStyleSheet("background: black; color: #bbbbbb")
        self._is_old = True
        self._timer = QTimer(self, singleShot=True, interval=30)
        self._timer.timeout.connect(self.draw)
        if drawing_problem():
            self.setText(drawing_problem())

    def mark_old(self) -> None:
        self._is_old = True
        if QGuiApplication.platformName() != "offscreen" and self.isVisible():
            self._timer.start()

    def draw(self) -> None:
        """Draw when something changed since the last time."""
        width, height = self.width(), self.height()
        if not self._is_old or drawing_problem() or self.source is None or not self.isVisible():
            return
        pixels = self.source.picture(width, height)
        image = QImage(pixels.data, width, height, 3 * width, QImage.Format_RGB888)
        self.setPixmap(QPixmap.fromImage(image))
        self._is_old = False

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.mark_old()

    def wheelEvent(self, event) -> None:
        self.wheeled.emit(1 if event.angleDelta().y() > 0 else -1)
        event.accept()


class qMRMLSliceView(_Picture):
    """The picture of a slice view."""

    @Slot(result=object)
    def mrmlSliceNode(self):
        return self.source.node

    @Slot(result=object)
    def renderWindow(self):
        return self.source.view.render_window() if self.source.view else gap(drawing_problem())

    @Slot()
    def scheduleRender(self) -> None:
        self.mark_old()

    @Slot()
    def forceRender(self) -> None:
        self.mark_old()
        self.draw()


class qMRMLThreeDView(_Picture):
    """The picture of the 3-D view."""

    @Slot(result=object)
    def mrmlViewNode(self):
        return self.source.node

    @Slot(result=object)
    def renderWindow(self):
        return self.source.view.render_window() if self.source.view else gap(drawing_problem())

    @Slot(result=object)
    def cameraNode(self):
        return self.source.view.get_camera_node() if self.source.view else gap(drawing_problem())

    @Slot()
    def resetFocalPoint(self) -> None:
        if self.source.view:
            self.source.view.reset_focal_point()

    @Slot()
    def resetCamera(self) -> None:
        if self.source.view:
            self.source.view.reset_camera()

    @Slot()
    def scheduleRender(self) -> None:
        self.mark_old()

    @Slot()
    def forceRender(self) -> None:
        self.mark_old()
        self.draw()


class qMRMLSliceControllerWidget(QWidget):
    """The bar over a slice view: its letter, a slider for the offset, the offset in mm."""

    def __init__(self, plane: SlicePlane, parent: QWidget | None = None):
        super().__init__(parent)
        self._plane = plane
        row = QHBoxLayout(self)
        row.setContentsMargins(2, 0, 2, 0)
        letter = QLabel(plane.name[0], self)
        red, green, blue = (int(255 * part) for part in COLOURS[plane.name])
        letter.setStyleSheet(f"background: rgb({red},{green},{blue}); color: black; padding: 1px 6px")
        self._slider = QSlider(Qt.Horizontal, self)
        self._slider.valueChanged.connect(self._on_slider)
        self._text = QLabel("0.0 mm", self)
        self._text.setMinimumWidth(80)
        for part in (letter, self._slider, self._text):
            row.addWidget(part)
        self._shows = False

    def refresh(self) -> None:
        """Show the slice node's offset; steps are one slice of the volume."""
        low, high, step = self.range()
        self._shows = True
        self._slider.setRange(0, max(1, round((high - low) / step)))
        self._slider.setValue(round((self._plane.logic.GetSliceOffset() - low) / step))
        self._text.setText(f"{self._plane.logic.GetSliceOffset():.1f} mm")
        self._shows = False

    def range(self) -> tuple[float, float, float]:
        """First and last offset and the step, in mm."""
        from vtk import reference

        limits, step = [-100.0, 100.0], reference(1.0)
        if not self._plane.logic.GetSliceOffsetRangeResolution(limits, step) or step.get() <= 0:
            return -100.0, 100.0, 1.0
        return limits[0], limits[1], step.get()

    def _on_slider(self, position: int) -> None:
        if not self._shows:
            low, _, step = self.range()
            self._plane.logic.SetSliceOffset(low + position * step)

    def step(self, steps: int) -> None:
        low, high, step = self.range()
        offset = self._plane.logic.GetSliceOffset() + steps * step
        self._plane.logic.SetSliceOffset(min(max(offset, low), high))

    @Slot(result=object)
    def mrmlSliceNode(self):
        return self._plane.node

    @Slot(result=object)
    def mrmlSliceCompositeNode(self):
        return self._plane.logic.GetSliceCompositeNode()

    @Slot(result=object)
    def sliceLogic(self):
        return self._plane.logic

    @Slot(float)
    def setSliceOffsetValue(self, offset: float) -> None:
        self._plane.logic.SetSliceOffset(offset)

    @Slot(bool)
    def setSliceVisible(self, visible: bool) -> None:
        self._plane.node.SetSliceVisible(visible)

    @Slot()
    def fitSliceToBackground(self) -> None:
        self._plane.logic.FitSliceToBackground()

    @Slot(str)
    def setSliceOrientation(self, orientation: str) -> None:
        self._plane.node.SetOrientation(orientation)


class qMRMLSliceWidget(QWidget):
    """A slice view with its bar."""

    def __init__(self, core, name: str, parent: QWidget | None = None):
        super().__init__(parent)
        self._name = name
        self._view = qMRMLSliceView(self)
        self.plane = self._view.source = SlicePlane(core, name, self._on_changed)
        self._controller = qMRMLSliceControllerWidget(self.plane, self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._controller)
        column.addWidget(self._view, 1)
        self._view.wheeled.connect(self._controller.step)
        self._refresh = QTimer(self, singleShot=True, interval=0)
        self._refresh.timeout.connect(self._controller.refresh)

    sliceViewName = Property(str, lambda self: self._name)
    sliceViewLabel = Property(str, lambda self: self._name[0])
    sliceOrientation = Property(
        str, lambda self: self.plane.node.GetOrientation(), lambda self, value: self.plane.node.SetOrientation(value)
    )

    def _on_changed(self) -> None:
        self._view.mark_old()
        if hasattr(self, "_refresh"):
            self._refresh.start()

    @Slot(result=QWidget)
    def sliceView(self):
        return self._view

    @Slot(result=QWidget)
    def sliceController(self):
        return self._controller

    @Slot(result=object)
    def sliceLogic(self):
        return self.plane.logic

    @Slot(result=object)
    def mrmlSliceNode(self):
        return self.plane.node

    @Slot(result=object)
    def mrmlSliceCompositeNode(self):
        return self.plane.logic.GetSliceCompositeNode()

    @Slot()
    def fitSliceToBackground(self) -> None:
        self.plane.logic.FitSliceToBackground()

    @Slot(str)
    def setSliceOrientation(self, orientation: str) -> None:
        self.plane.node.SetOrientation(orientation)


class qMRMLThreeDWidget(QWidget):
    """The 3-D view."""

    def __init__(self, core, parent: QWidget | None = None):
        super().__init__(parent)
        self._view = qMRMLThreeDView(self)
        self.scene_view = self._view.source = ThreeD(core, self._view.mark_old)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._view)

    @Slot(result=QWidget)
    def threeDView(self):
        return self._view

    @Slot(result=object)
    def mrmlViewNode(self):
        return self.scene_view.node

    @Slot(result=object)
    def viewLogic(self):
        return self.scene_view.logic


def view_classes() -> list[type]:
    """Native classes that Python may see."""
    return [qMRMLSliceView, qMRMLThreeDView, qMRMLSliceControllerWidget, qMRMLSliceWidget, qMRMLThreeDWidget]


class qSlicerLayoutManager(QObject):
    """`slicer.app.layoutManager()`."""

    layoutChanged = Signal(int)
    threeDViewCount = Property(int, lambda self: 1)
    tableViewCount = Property(int, lambda self: 0)
    plotViewCount = Property(int, lambda self: 0)

    def __init__(self, core, parent: QObject | None = None):
        super().__init__(parent)
        self._core, self._layout = core, 0
        self._viewport = QWidget()
        self._viewport.setObjectName("CentralWidgetLayoutFrame")
        self._grid = QGridLayout(self._viewport)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        self._slices = {name: qMRMLSliceWidget(core, name, self._viewport) for name in ORIENTATIONS}
        self._three_d = qMRMLThreeDWidget(core, self._viewport)
        self.setLayout(FOUR_UP)

    def viewport(self) -> QWidget:
        """The widget that holds the views."""
        return self._viewport

    @Slot(int)
    def setLayout(self, newLayout: int) -> None:
        if newLayout not in SHOWN:
            gap(f"layout {newLayout} is not in the stand-in")
        widgets = {**self._slices, "1": self._three_d}
        for widget in widgets.values():
            self._grid.removeWidget(widget)
            widget.hide()
        for place, name in enumerate(SHOWN[newLayout]):
            self._grid.addWidget(widgets[name], place // 2, place % 2)
            widgets[name].show()
        if newLayout != self._layout:
            self._layout = newLayout
            self.layoutChanged.emit(newLayout)

    layout = Property(int, lambda self: self._layout, setLayout)

    @Slot(result=object)
    def mrmlScene(self):
        return self._core.scene

    @Slot(result="QStringList")
    def sliceViewNames(self) -> list[str]:
        return list(self._slices)

    @Slot(str, result=QWidget)
    def sliceWidget(self, name: str):
        return self._slices.get(name)

    @Slot(int, result=QWidget)
    def threeDWidget(self, id: int):
        return self._three_d if id == 0 else None

    @Slot(result=object)
    def mrmlSliceLogics(self):
        return self._core.logic.GetSliceLogics()

    @Slot(result=object)
    def mrmlViewLogics(self):
        return self._core.logic.GetViewLogics()

    @Slot(result=object)
    def activeMRMLThreeDViewNode(self):
        return self._three_d.scene_view.node

    @Slot()
    def resetSliceViews(self) -> None:
        for widget in self._slices.values():
            widget.plane.logic.FitSliceToBackground()
            widget.plane.logic.SnapSliceOffsetToIJK()

    @Slot()
    def resetThreeDViews(self) -> None:
        self._three_d.scene_view.reset()

    @Slot()
    def pauseRender(self) -> None:
        self.parent().pauseRender()

    @Slot()
    def resumeRender(self) -> None:
        self.parent().resumeRender()

    def draw(self) -> None:
        """Bring all pictures up to date; drawing for the first time may settle sizes, so there is a second look."""
        for _ in range(2):
            QGuiApplication.processEvents()
            for widget in self._slices.values():
                widget._controller.refresh()
                widget.sliceView().draw()
            self._three_d.threeDView().draw()

    def close(self) -> None:
        """Let go of VTK's windows while Qt still lives."""
        for source in (*(widget.plane for widget in self._slices.values()), self._three_d.scene_view):
            if source.view is not None:
                source.view.finalize()
