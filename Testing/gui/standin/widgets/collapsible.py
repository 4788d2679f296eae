"""ctkCollapsibleButton, ctkCollapsibleGroupBox and qMRMLCollapsibleButton."""

from __future__ import annotations

from PySide6.QtCore import Property, QEvent, QPoint, QRect, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QAbstractButton, QGroupBox, QSizePolicy, QStyle, QStyleOption, QStyleOptionButton, QWidget

from .base import require_vtk, stored

WIDGET_SIZE_MAX = 16777215
"""Qt's QWIDGETSIZE_MAX: no limit."""


class _HiddenChildren:
    """Hides the children of a collapsed widget and shows again those that it hid itself."""

    def __init__(self, owner: QWidget):
        self._owner = owner
        self._hidden: list[QWidget] = []

    def hide(self) -> None:
        for child in self._owner.children():
            if child.isWidgetType() and not child.isHidden() and not child.isWindow():
                self._hidden.append(child)
                child.hide()

    def show(self) -> None:
        hidden, self._hidden = self._hidden, []
        alive = self._owner.children()
        for child in hidden:
            if child in alive:
                child.show()


class ctkCollapsibleButton(QAbstractButton):
    """A header line that can be clicked, above contents that it hides. `collapsed` and `checked` are opposites."""

    contentsCollapsed = Signal(bool)

    collapsedHeight = stored(int, "_collapsed_height", 10, "_apply_height")
    flat = stored(bool, "_flat", False, "update")
    contentsFrameShape = stored(int, "_frame_shape", 0, "update")
    contentsFrameShadow = stored(int, "_frame_shadow", 16, "update")
    contentsLineWidth = stored(int, "_line_width", 1, "update")
    contentsMidLineWidth = stored(int, "_mid_line_width", 0, "update")
    buttonTextAlignment = stored(int, "_text_alignment", (Qt.AlignLeft | Qt.AlignVCenter).value, "update")
    indicatorAlignment = stored(int, "_indicator_alignment", (Qt.AlignLeft | Qt.AlignVCenter).value, "update")

    def __init__(self, parent: QWidget | None = None):
        self._collapsed = False
        super().__init__(parent)
        self._children = _HiddenChildren(self)
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Preferred)
        self._apply_height()
        self.toggled.connect(self._on_toggled)  # first, so that contentsCollapsed comes before the users' toggled

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, lambda self: self._collapsed, _set_collapsed, notify=contentsCollapsed)

    def _on_toggled(self, checked: bool) -> None:
        self._collapsed = not checked
        if self.isVisible():
            self._apply_children()
        self._apply_height()
        self.contentsCollapsed.emit(self._collapsed)

    def _apply_children(self) -> None:
        if self._collapsed:
            self._children.hide()
        else:
            self._children.show()

    def _apply_height(self) -> None:
        header = self._header_size().height()
        self.setContentsMargins(0, header, 0, 0)
        self.setMaximumHeight(header + self.collapsedHeight if self._collapsed else WIDGET_SIZE_MAX)
        self.updateGeometry()

    def _header_size(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self.text()) + 32, max(metrics.height(), 16) + 8)

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._apply_children()

    def childEvent(self, event) -> None:
        """What is put into a collapsed section is hidden, too, once Qt has shown it."""
        super().childEvent(event)
        if event.added() and self._collapsed:
            QTimer.singleShot(1, self, self._hide_late)  # behind the event with which the layout shows it

    def _hide_late(self) -> None:
        if self._collapsed and self.isVisible():
            self._children.hide()

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.FontChange, QEvent.StyleChange):
            self._apply_height()

    def hitButton(self, position: QPoint) -> bool:
        return QRect(0, 0, self.width(), self._header_size().height()).contains(position)

    def sizeHint(self) -> QSize:
        return self._size(lambda layout: layout.totalSizeHint())

    def minimumSizeHint(self) -> QSize:
        return self._size(lambda layout: layout.totalMinimumSize())

    def _size(self, of_layout) -> QSize:
        header = self._header_size()
        if self._collapsed:
            return QSize(header.width(), header.height() + self.collapsedHeight)
        if self.layout() is None:
            return QSize(header.width(), header.height() + self.childrenRect().height())
        return header.expandedTo(of_layout(self.layout()))

    def paintEvent(self, _event) -> None:
        painter = QPainter(self)
        option = QStyleOptionButton()
        option.initFrom(self)
        option.rect = QRect(0, 0, self.width(), self._header_size().height())
        option.state |= QStyle.State_Sunken if self.isDown() else QStyle.State_Raised
        if not self.flat:
            self.style().drawPrimitive(QStyle.PE_PanelButtonCommand, option, painter, self)
        self._paint_arrow(painter, option.rect)
        rect = option.rect.adjusted(24, 0, -4, 0)
        self.style().drawItemText(
            painter, rect, self.buttonTextAlignment, option.palette, self.isEnabled(), self.text(), self._text_role()
        )

    def _text_role(self):
        return self.palette().ColorRole.WindowText if self.flat else self.palette().ColorRole.ButtonText

    def _paint_arrow(self, painter: QPainter, header: QRect) -> None:
        option = QStyleOption()
        option.initFrom(self)
        option.rect = QRect(6, header.center().y() - 5, 12, 12)
        arrow = QStyle.PE_IndicatorArrowRight if self._collapsed else QStyle.PE_IndicatorArrowDown
        self.style().drawPrimitive(arrow, option, painter, self)


class qMRMLCollapsibleButton(ctkCollapsibleButton):
    """The same, passing a scene on to what is inside."""

    mrmlSceneChanged = Signal(object)
    CPP_SIGNATURES = {
        "mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged",
        "setMRMLScene(vtkMRMLScene*)": "setMRMLScene",
    }

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._scene = None

    @Slot(object)
    def setMRMLScene(self, scene) -> None:
        if require_vtk(scene, "vtkMRMLScene") is self._scene:
            return
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)


class ctkCollapsibleGroupBox(QGroupBox):
    """A checkable group box that hides its contents when it is not checked."""

    collapsedHeight = stored(int, "_collapsed_height", 14, "_apply_height")

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._children = _HiddenChildren(self)
        self.setCheckable(True)
        self.toggled.connect(self._on_toggled)

    collapsed = Property(bool, lambda self: not self.isChecked(), lambda self, on: self.setChecked(not on))

    def _on_toggled(self, checked: bool) -> None:
        if self.isVisible():
            self._apply_children()
        self._apply_height()

    def _apply_children(self) -> None:
        if self.isChecked():
            self._children.show()
        else:
            self._children.hide()

    def _apply_height(self) -> None:
        collapsed = self.fontMetrics().height() + self.collapsedHeight
        self.setMaximumHeight(WIDGET_SIZE_MAX if self.isChecked() else collapsed)
        self.updateGeometry()

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._apply_children()

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return hint if self.isChecked() else QSize(hint.width(), self.maximumHeight())

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        return hint if self.isChecked() else QSize(hint.width(), self.maximumHeight())
