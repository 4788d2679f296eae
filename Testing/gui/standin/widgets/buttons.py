"""ctkCheckBox, ctkSearchBox, ctkPushButton, ctkCheckablePushButton, ctkMenuButton and ctkColorPickerButton."""

from __future__ import annotations

import enum

from PySide6.QtCore import Property, QFlag, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QColorDialog,
    QLineEdit,
    QPushButton,
    QStyle,
    QStyleOptionButton,
    QStylePainter,
    QWidget,
)

from .base import stored


class ctkCheckBox(QCheckBox):
    """A check box whose indicator may be an icon."""

    indicatorIcon = stored(QIcon, "_indicator_icon", QIcon(), "update")
    indicatorIconSize = stored(QSize, "_indicator_icon_size", QSize(), "update")


class ctkPushButton(QPushButton):
    """A push button whose text and icon may be aligned."""

    buttonTextAlignment = stored(int, "_text_alignment", Qt.AlignCenter.value, "update")
    iconAlignment = stored(int, "_icon_alignment", (Qt.AlignLeft | Qt.AlignVCenter).value, "update")
    elideMode = stored(int, "_elide_mode", Qt.ElideNone.value, "update")


class ctkSearchBox(QLineEdit):
    """A line for a text to search for."""

    showSearchIcon = stored(bool, "_show_search_icon", False, "update")
    searchIcon = stored(QIcon, "_search_icon", QIcon(), "update")
    clearIcon = stored(QIcon, "_clear_icon", QIcon(), "update")

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setPlaceholderText("Search...")
        self.setClearButtonEnabled(True)


class ctkMenuButton(QPushButton):
    """A push button with a menu."""


class ctkCheckablePushButton(ctkPushButton):
    """A push button with a check box in front of its text."""

    checkBoxToggled = Signal(bool)
    checkStateChanged = Signal(int)
    CPP_SIGNATURES = {"checkStateChanged(Qt::CheckState)": "checkStateChanged"}

    indicatorAlignment = stored(int, "_indicator_alignment", (Qt.AlignLeft | Qt.AlignVCenter).value, "update")
    checkBoxUserCheckable = stored(bool, "_user_checkable", True)
    checkBoxControlsButton = stored(bool, "_controls_button", True, "_follow")
    checkBoxControlsButtonToggleState = stored(bool, "_controls_toggle", False, "_follow")

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._state = Qt.Unchecked.value
        self._follow()

    def _set_state(self, state: int) -> None:
        if state == self._state:
            return
        self._state = state
        self._follow()
        self.update()
        self.checkStateChanged.emit(state)
        self.checkBoxToggled.emit(state == Qt.Checked.value)

    def _follow(self) -> None:
        """The check box makes the button checkable, or checks it."""
        if self.checkBoxControlsButton:
            self.setCheckable(self._state != Qt.Unchecked.value)
        if self.checkBoxControlsButtonToggleState:
            self.setChecked(self._state == Qt.Checked.value)

    checkState = Property(int, lambda self: self._state, _set_state, notify=checkStateChanged)

    def _indicator_width(self) -> int:
        return self.style().pixelMetric(QStyle.PM_IndicatorWidth) + 8

    def mousePressEvent(self, event) -> None:
        if self.checkBoxUserCheckable and event.position().x() < self._indicator_width():
            self._set_state(Qt.Unchecked.value if self._state else Qt.Checked.value)
            return
        super().mousePressEvent(event)

    def paintEvent(self, event) -> None:
        super().paintEvent(event)
        painter, option = QStylePainter(self), QStyleOptionButton()
        option.initFrom(self)
        size = self.style().pixelMetric(QStyle.PM_IndicatorWidth)
        option.rect = QRect(6, (self.height() - size) // 2, size, size)
        option.state |= QStyle.State_On if self._state == Qt.Checked.value else QStyle.State_Off
        painter.drawPrimitive(QStyle.PE_IndicatorCheckBox, option)


class ctkColorPickerButton(QPushButton):
    """A button that shows a colour and asks for another one."""

    _OPTIONS = {"ShowAlphaChannel": 1, "NoButtons": 2, "DontUseNativeDialog": 4, "UseCTKColorDialog": 0x0C}
    ColorDialogOption = QFlag(enum.IntFlag("ColorDialogOption", _OPTIONS))
    ColorDialogOptions = QFlag(enum.IntFlag("ColorDialogOptions", _OPTIONS))

    colorChanged = Signal(QColor)
    colorNameChanged = Signal(str)

    dialogOptions = stored(int, "_dialog_options", 0)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._color, self._color_name, self._show_name = QColor(Qt.black), "", True
        self.setCheckable(True)
        self.toggled.connect(lambda pressed: self.changeColor() if pressed else None)
        self._show()

    @Slot(QColor)
    def setColor(self, color: QColor) -> None:
        if color == self._color:
            return
        self._color, self._color_name = QColor(color), ""
        self._show()
        self.colorChanged.emit(self._color)
        self.colorNameChanged.emit(self._name())

    @Slot()
    def changeColor(self) -> None:
        alpha = self.dialogOptions & self.ColorDialogOptions.ShowAlphaChannel
        options = QColorDialog.ShowAlphaChannel if alpha else QColorDialog.ColorDialogOption(0)
        chosen = QColorDialog.getColor(self._color, self, "", options)
        self.setChecked(False)
        if chosen.isValid():
            self.setColor(chosen)

    @Slot(bool)
    def setDisplayColorName(self, displayColorName: bool) -> None:
        self._show_name = displayColorName
        self._show()

    def _name(self) -> str:
        return self._color_name or self._color.name()

    def _set_name(self, name: str) -> None:
        if name == self._color_name:
            return
        self._color_name = name
        self._show()
        self.colorNameChanged.emit(name)

    def _show(self) -> None:
        swatch = QPixmap(16, 16)
        swatch.fill(self._color)
        self.setIcon(QIcon(swatch))
        self.setText(self._name() if self._show_name else "")

    color = Property(QColor, lambda self: QColor(self._color), setColor, notify=colorChanged)
    colorName = Property(str, _name, _set_name, notify=colorNameChanged)
    displayColorName = Property(bool, lambda self: self._show_name, setDisplayColorName)
