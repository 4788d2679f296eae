"""ctkComboBox and ctkCheckableComboBox."""

from __future__ import annotations

import enum

from PySide6.QtCore import Property, QAbstractItemModel, QEnum, QModelIndex, QObject, Qt, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget
from shiboken6 import isValid

from .base import gap, stored


class ctkComboBox(QComboBox):
    """A combo box that shows a text of its own while nothing is selected."""

    @QEnum
    class ScrollEffect(enum.IntEnum):
        NeverScroll = 0
        AlwaysScroll = 1
        ScrollWithFocus = 2
        ScrollWithNoVScrollBar = 3

    returnRelease = Signal()

    defaultText = stored(str, "_default_text", "", "update")
    defaultIcon = stored(QIcon, "_default_icon", QIcon(), "update")
    forceDefault = stored(bool, "_force_default", False, "update")
    elideMode = stored(int, "_elide_mode", Qt.ElideNone.value, "update")
    scrollWheelEffect = stored(int, "_scroll_effect", 1)  # AlwaysScroll

    @Slot(str)
    def setCurrentUserDataAsString(self, userData: str) -> None:
        self.setCurrentIndex(self.findData(userData))

    currentUserDataAsString = Property(str, lambda self: str(self.currentData() or ""), setCurrentUserDataAsString)

    def keyReleaseEvent(self, event) -> None:
        super().keyReleaseEvent(event)
        if event.key() in (Qt.Key_Return, Qt.Key_Enter):
            self.returnRelease.emit()

    def wheelEvent(self, event) -> None:
        never = self.scrollWheelEffect == self.ScrollEffect.NeverScroll
        unfocused = self.scrollWheelEffect == self.ScrollEffect.ScrollWithFocus and not self.hasFocus()
        if never or unfocused:
            event.ignore()
        else:
            super().wheelEvent(event)

    def paintEvent(self, _event) -> None:
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        if self.currentIndex() == -1 or self.forceDefault:
            option.currentText = self.defaultText
            option.currentIcon = self.defaultIcon
        self._elide(option)
        painter.drawComplexControl(QStyle.CC_ComboBox, option)
        painter.drawControl(QStyle.CE_ComboBoxLabel, option)

    def _elide(self, option: QStyleOptionComboBox) -> None:
        mode = Qt.TextElideMode(self.elideMode)
        field = self.style().subControlRect(QStyle.CC_ComboBox, option, QStyle.SC_ComboBoxEditField, self)
        if mode != Qt.ElideNone:
            option.currentText = self.fontMetrics().elidedText(option.currentText, mode, field.width())


class ctkCheckableModelHelper:
    """Check states of the rows of a model; a row that has none counts as unchecked."""

    def __init__(self, model: QAbstractItemModel):
        self.model = model

    def indexes(self) -> list[QModelIndex]:
        return [self.model.index(row, 0) for row in range(self.model.rowCount())]

    def state(self, index: QModelIndex) -> Qt.CheckState:
        value = self.model.data(index, Qt.CheckStateRole)
        return Qt.Unchecked if value is None else Qt.CheckState(value)

    def set_state(self, index: QModelIndex, state) -> None:
        self.model.setData(index, Qt.CheckState(state).value, Qt.CheckStateRole)


class ctkCheckableComboBox(QComboBox):
    """A combo box with a check box for each item."""

    checkedIndexesChanged = Signal()
    returnRelease = Signal()

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._helper = None
        self._checked: tuple = ()
        self._adopt(self.model())
        self.view().pressed.connect(self._on_pressed)

    def _adopt(self, model: QAbstractItemModel) -> None:
        if self._helper is not None and isValid(self._helper.model):
            for signal in (self._helper.model.dataChanged, self._helper.model.rowsRemoved):
                signal.disconnect(self._on_changed)
            self._helper.model.rowsInserted.disconnect(self._on_inserted)
        self._helper = ctkCheckableModelHelper(model)
        model.dataChanged.connect(self._on_changed)
        model.rowsInserted.connect(self._on_inserted)
        model.rowsRemoved.connect(self._on_changed)
        self._on_inserted()

    def _on_inserted(self, *_) -> None:
        """New rows get a check box, unchecked."""
        model = self._helper.model
        for index in self._helper.indexes():
            if model.data(index, Qt.CheckStateRole) is None:
                model.setData(index, Qt.Unchecked.value, Qt.CheckStateRole)

    def _on_changed(self, *_) -> None:
        checked = tuple(index.row() for index in self.checkedIndexes())
        if checked != self._checked:
            self._checked = checked
            self.checkedIndexesChanged.emit()

    def _on_pressed(self, index: QModelIndex) -> None:
        state = self._helper.state(index)
        self._helper.set_state(index, Qt.Unchecked if state == Qt.Checked else Qt.Checked)

    def keyReleaseEvent(self, event) -> None:
        super().keyReleaseEvent(event)
        if event.key() in (Qt.Key_Return, Qt.Key_Enter):
            self.returnRelease.emit()

    @Slot(result=QAbstractItemModel)
    def checkableModel(self):
        return self._helper.model

    @Slot(QAbstractItemModel)
    def setCheckableModel(self, model) -> None:
        self._adopt(model)

    @Slot(result=QObject)
    def checkableModelHelper(self):
        gap("ctkCheckableComboBox.checkableModelHelper()")

    @Slot(result="QModelIndexList")
    def checkedIndexes(self) -> list:
        return [index for index in self._helper.indexes() if self._helper.state(index) == Qt.Checked]

    @Slot(result=bool)
    def allChecked(self) -> bool:
        return self._all(Qt.Checked)

    @Slot(result=bool)
    def allPatiallyChecked(self) -> bool:
        return self._all(Qt.PartiallyChecked)

    @Slot(result=bool)
    def noneChecked(self) -> bool:
        return self._all(Qt.Unchecked)

    def _all(self, state: Qt.CheckState) -> bool:
        return all(self._helper.state(index) == state for index in self._helper.indexes())

    @Slot(QModelIndex, int)
    def setCheckState(self, index: QModelIndex, check) -> None:
        self._helper.set_state(index, check)

    @Slot(QModelIndex, result=int)
    def checkState(self, index: QModelIndex) -> int:
        return self._helper.state(index).value
