"""ctkPathLineEdit and ctkDirectoryButton."""

from __future__ import annotations

import enum
import fnmatch
import re

from PySide6.QtCore import Property, QDir, QEnum, QFlag, QSettings, Qt, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QStyle,
    QToolButton,
    QWidget,
)

from .base import stored
from .combo_box import ctkComboBox

HISTORY_LENGTH = 5
SETTINGS_PREFIX = "ctkPathLineEdit/"
"""The history is not found under the bare key (the probes read None there)."""


DIALOG_OPTIONS = {
    "ShowDirsOnly": 1,
    "DontResolveSymlinks": 2,
    "DontConfirmOverwrite": 4,
    "DontUseSheet": 8,
    "DontUseNativeDialog": 16,
    "ReadOnly": 32,
    "HideNameFilterDetails": 64,
}
"""Keys that both classes show, with the values of QFileDialog. (QFlag has to be called in the body of its class.)"""

FILTER_KEYS = list(QDir.Filter.__members__)
"""Keys of QDir's filters, which the class shows as its own."""


def _as_c_int(value: int) -> int:
    return value - 2**32 if value >= 2**31 else value


class ctkPathLineEdit(QWidget):
    """A line for a path, with history and a button that browses. Any text is taken; nothing asks whether it exists."""

    Filters = QFlag(enum.IntFlag("Filters", {key: _as_c_int(QDir.Filter[key].value) for key in FILTER_KEYS}))
    Option = QFlag(enum.IntFlag("Option", DIALOG_OPTIONS))
    Options = QFlag(enum.IntFlag("Options", DIALOG_OPTIONS))

    @QEnum
    class SizeAdjustPolicy(enum.IntEnum):
        AdjustToContents = 0
        AdjustToContentsOnFirstShow = 1
        AdjustToMinimumContentsLength = 2

    validInputChanged = Signal(bool)
    currentPathChanged = Signal(str)

    label = stored(str, "_label", "")
    filters = stored(int, "_filters", 24663)
    options = stored(int, "_options", 0)
    sizeAdjustPolicy = stored(int, "_size_adjust_policy", 1, "updateGeometry")
    minimumContentsLength = stored(int, "_minimum_contents_length", 0, "updateGeometry")

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._setting_key, self._name_filters, self._valid = "", [], False
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self._combo = ctkComboBox(self)
        self._combo.setEditable(True)
        self._combo.setInsertPolicy(QComboBox.NoInsert)
        self._combo.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self._combo.setMinimumContentsLength(10)
        self._combo.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self._button = QToolButton(self)
        self._button.setText("...")
        layout.addWidget(self._combo)
        layout.addWidget(self._button)
        self.setFocusProxy(self._combo)
        self._button.clicked.connect(self.browse)
        self._combo.editTextChanged.connect(self._on_text)

    def _on_text(self, path: str) -> None:
        before, self._valid = self._valid, self._is_valid(path)
        if self._valid:
            self.currentPathChanged.emit(path)
        if self._valid != before:
            self.validInputChanged.emit(self._valid)

    def _is_valid(self, path: str) -> bool:
        """Whether the name fits the name filters; nothing else is asked."""
        patterns = [pattern for entry in self._name_filters for pattern in _patterns(entry)]
        return not patterns or any(fnmatch.fnmatch(path, pattern) for pattern in patterns)

    @Slot(str)
    def setCurrentPath(self, path: str) -> None:
        if path != self._combo.currentText():
            self._combo.setEditText(path)

    @Slot()
    def browse(self) -> None:
        path = self._ask()
        if path:
            self.setCurrentPath(path)
            self.addCurrentPathToHistory()

    def _ask(self) -> str:
        title, filters = self.label or self.toolTip(), ";;".join(self._name_filters)
        start = self._combo.currentText()
        if self.filters & self.Filters.Dirs and not self.filters & self.Filters.Files:
            return QFileDialog.getExistingDirectory(self, title or "Select a directory...", start)
        if self.filters & QDir.Filter.Writable.value:
            return QFileDialog.getSaveFileName(self, title or "Select a file...", start, ";;".join(self._name_filters))[
                0
            ]
        return QFileDialog.getOpenFileName(self, title or "Open a file...", start, filters)[0]

    @Slot()
    def retrieveHistory(self) -> None:
        """Fill the history from the settings and take its first entry."""
        if not self._setting_key:
            return
        history = _as_list(QSettings().value(SETTINGS_PREFIX + self._setting_key))
        self._fill(history)
        if history:
            self.setCurrentPath(history[0])

    @Slot()
    def addCurrentPathToHistory(self) -> None:
        path = self._combo.currentText()
        if not path:
            return
        entries = [self._combo.itemText(row) for row in range(self._combo.count())]
        history = [path, *(entry for entry in entries if entry != path)][:HISTORY_LENGTH]
        if self._setting_key:
            QSettings().setValue(SETTINGS_PREFIX + self._setting_key, history)
        self._fill(history)

    def _fill(self, history: list[str]) -> None:
        """Replace the entries without touching the text."""
        text = self._combo.currentText()
        blocked = self._combo.blockSignals(True)
        self._combo.clear()
        self._combo.addItems(history)
        self._combo.setEditText(text)
        self._combo.blockSignals(blocked)

    @Slot(result=QComboBox)
    def comboBox(self) -> QComboBox:
        return self._combo

    def _set_setting_key(self, key: str) -> None:
        self._setting_key = key
        self.retrieveHistory()

    def _set_name_filters(self, filters: list[str]) -> None:
        self._name_filters = list(filters)
        before, self._valid = self._valid, self._is_valid(self._combo.currentText())
        if before and not self._valid:
            self.validInputChanged.emit(False)

    def _set_history_shown(self, shown: bool) -> None:
        self._history_hidden = not shown
        self._combo.setStyleSheet("" if shown else "QComboBox::drop-down { width: 0px; border: none; }")

    currentPath = Property(str, lambda self: self._combo.currentText(), setCurrentPath, notify=currentPathChanged)
    settingKey = Property(str, lambda self: self._setting_key, _set_setting_key)
    nameFilters = Property("QStringList", lambda self: list(self._name_filters), _set_name_filters)
    showBrowseButton = Property(
        bool, lambda self: not self._button.isHidden(), lambda self, shown: self._button.setVisible(shown)
    )
    showHistoryButton = Property(bool, lambda self: not getattr(self, "_history_hidden", False), _set_history_shown)

    def lineEdit(self) -> QLineEdit:
        """Not seen through the light wrapping."""
        return self._combo.lineEdit()


def _patterns(entry: str) -> list[str]:
    """The globs of a name filter: '*.py' or 'Images (*.png *.jpg)'."""
    inside = re.search(r"\(([^)]*)\)", entry)
    return (inside.group(1) if inside else entry).split()


def _as_list(value) -> list[str]:
    """What QSettings gives: None, a str for a list of one, or a list."""
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) else list(value)


class ctkDirectoryButton(QWidget):
    """A button that shows a folder and asks for another one."""

    Option = QFlag(enum.IntFlag("Option", DIALOG_OPTIONS))
    Options = QFlag(enum.IntFlag("Options", DIALOG_OPTIONS))

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    acceptMode = stored(int, "_accept_mode", QFileDialog.AcceptOpen.value)
    caption = stored(str, "_caption", "")
    elideMode = stored(int, "_elide_mode", Qt.ElideNone.value, "_show")
    options = stored(int, "_options", DIALOG_OPTIONS["ShowDirsOnly"])
    text = stored(str, "_text", "", "_show")

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._directory = "."
        self._button = QPushButton(self)
        self._button.setIcon(self.style().standardIcon(QStyle.SP_DirIcon))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self.setSizePolicy(QSizePolicy.Minimum, QSizePolicy.Fixed)
        self._button.clicked.connect(self.browse)
        self._show()

    def _show(self) -> None:
        text = self.text or QDir(self._directory).absolutePath()
        mode = Qt.TextElideMode(self.elideMode)
        self._button.setText(text if mode == Qt.ElideNone else self.fontMetrics().elidedText(text, mode, self.width()))

    def _set_directory(self, directory: str) -> None:
        if directory == self._directory:
            return
        self._directory = directory
        self._show()
        self.directoryChanged.emit(directory)

    @Slot(result=str)
    def browse(self) -> str:
        title = self.caption or self.toolTip() or "Select a folder..."
        chosen = QFileDialog.getExistingDirectory(self, title, self._directory)
        if not chosen:
            return ""
        self._set_directory(chosen)
        self.directorySelected.emit(chosen)
        return chosen

    directory = Property(str, lambda self: self._directory, _set_directory, notify=directoryChanged)
    icon = Property(QIcon, lambda self: self._button.icon(), lambda self, icon: self._button.setIcon(icon))
