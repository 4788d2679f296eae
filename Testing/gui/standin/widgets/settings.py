"""ctkCoreSettings and ctkSettings: QSettings whose paths may be relative to the application's folder."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Property, QSettings, Signal, Slot
from PySide6.QtWidgets import QDialog, QMainWindow

from .base import gap


class ctkCoreSettings(QSettings):
    """Paths below the home folder are stored with a placeholder in its place, so that the folder may move."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._home, self._placeholder = "", "<APPHOME>"

    @Slot(str)
    def setApplicationHomeDirectory(self, dir: str) -> None:
        self._home = dir

    @Slot(str)
    def setApplicationHomePlaceholder(self, dir: str) -> None:
        self._placeholder = dir

    @Slot(str, "QVariant")
    def setPathValue(self, key: str, value) -> None:
        many = isinstance(value, (list, tuple))
        relative = (
            self.toApplicationHomeRelativePaths(value) if many else self.toApplicationHomeRelativePath(str(value))
        )
        self.setValue(key, relative)

    @Slot(str, "QVariant", result="QVariant")
    @Slot(str, result="QVariant")
    def pathValue(self, key: str, defaultValue=None):
        value = self.value(key, defaultValue)
        if isinstance(value, (list, tuple)):
            return self.toApplicationHomeAbsolutePaths(value)
        return self.toApplicationHomeAbsolutePath(value) if isinstance(value, str) else value

    @Slot(str, result=str)
    def toApplicationHomeAbsolutePath(self, path: str) -> str:
        if not self._home:
            return path
        if path.startswith(self._placeholder):
            return str(Path(self._home, path[len(self._placeholder) :].lstrip("/")))
        return path

    @Slot(str, result=str)
    def toApplicationHomeRelativePath(self, path: str) -> str:
        if not self._home or not Path(path).is_relative_to(self._home):
            return path
        return f"{self._placeholder}/{Path(path).relative_to(self._home).as_posix()}"

    @Slot("QStringList", result="QStringList")
    def toApplicationHomeAbsolutePaths(self, paths) -> list[str]:
        return [self.toApplicationHomeAbsolutePath(path) for path in paths]

    @Slot("QStringList", result="QStringList")
    def toApplicationHomeRelativePaths(self, paths) -> list[str]:
        return [self.toApplicationHomeRelativePath(path) for path in paths]

    applicationHomeDirectory = Property(str, lambda self: self._home, setApplicationHomeDirectory)
    applicationHomePlaceholder = Property(str, lambda self: self._placeholder, setApplicationHomePlaceholder)


class ctkSettings(ctkCoreSettings):
    """The same with a signal."""

    modified = Signal()

    @Slot(QMainWindow, str)
    @Slot(QDialog, str)
    def saveState(self, window, key: str) -> None:
        gap("ctkSettings.saveState()")

    @Slot(str, QMainWindow)
    @Slot(str, QDialog)
    def restoreState(self, key: str, window) -> None:
        gap("ctkSettings.restoreState()")

    @Slot()
    def alertSettingsModified(self) -> None:
        self.modified.emit()
