"""`slicer.app`: Qt's application with what the desktop adds."""

from __future__ import annotations

import tempfile
from pathlib import Path

from PySide6.QtCore import Property, QObject, QSettings, Signal, Slot
from PySide6.QtWidgets import QApplication

from standin.widgets.base import stored

NAME, ORGANISATION = "Slicer", "NA-MIC"
VERSION = (5, 13)


class qSlicerCommandOptions(QObject):
    """How the application was started."""

    testingEnabled = stored(bool, "_testing", True)
    noMainWindow = stored(bool, "_no_main_window", False)
    runPythonAndExit = stored(bool, "_run_and_exit", False)


class qSlicerApplication(QApplication):
    """Scene, managers, settings. Settings are kept in a temporary file and go with the process."""

    startupCompleted = Signal()
    renderPaused = Signal(bool)
    mrmlSceneChanged = Signal(object)
    urlReceived = Signal(str)
    CPP_SIGNATURES = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def __init__(self, testing: bool):
        super().__init__(["Slicer"])
        self._folder = tempfile.TemporaryDirectory(prefix="Dose3D-standin-")
        self._home = self._folder.name
        self._testing = testing
        self.setOrganizationName(ORGANISATION)
        self.setApplicationName(NAME)
        self.setApplicationVersion("{}.{}.0".format(*VERSION))
        QSettings.setDefaultFormat(QSettings.IniFormat)
        QSettings.setPath(QSettings.IniFormat, QSettings.UserScope, self._home)
        self._settings = QSettings()
        self._options = qSlicerCommandOptions(self)
        self._options.testingEnabled = testing
        self._paused = 0
        (Path(self._home) / "tmp").mkdir()
        self._temporary = str(Path(self._home) / "tmp")
        self.core = self.modules = self.io = self.layout = self.dicom = None

    slicerHome = Property(str, lambda self: self._home)
    temporaryPath = stored(str, "_temporary", "")
    cachePath = Property(str, lambda self: str(Path(self._home) / "cache"))
    slicerUserSettingsFilePath = Property(str, lambda self: self._settings.fileName())
    majorVersion = Property(int, lambda self: VERSION[0])
    minorVersion = Property(int, lambda self: VERSION[1])
    mainApplicationName = Property(str, lambda self: NAME)
    mainApplicationDisplayName = Property(str, lambda self: "Dose3D stand-in for 3D Slicer (tests only)")
    revision = Property(str, lambda self: "0")
    isInstalled = Property(bool, lambda self: False)
    documentationBaseUrl = Property(str, lambda self: "https://slicer.readthedocs.io/en/latest")

    @Slot(result=bool)
    def testingEnabled(self) -> bool:
        return self._testing

    @Slot(result=QObject)
    def commandOptions(self):
        return self._options

    @Slot(result=QObject)
    def settings(self):
        return self._settings

    @Slot(result=QObject)
    def userSettings(self):
        return self._settings

    @Slot(result=QObject)
    def revisionUserSettings(self):
        return self._settings

    @Slot(result=object)
    def applicationLogic(self):
        return self.core.logic

    @Slot(result=object)
    def mrmlScene(self):
        return self.core.scene

    @Slot(str, result=object)
    def moduleLogic(self, moduleName: str):
        return self.core.logics.get(moduleName)

    @Slot(result=QObject)
    def moduleManager(self):
        return self.modules

    @Slot(result=QObject)
    def coreIOManager(self):
        return self.io

    @Slot(result=QObject)
    def ioManager(self):
        return self.io

    @Slot(result=QObject)
    def layoutManager(self):
        return self.layout

    @Slot(result=object)
    def dicomDatabase(self):
        return self.dicom

    @Slot()
    def pauseRender(self) -> None:
        self.setRenderPaused(True)

    @Slot()
    def resumeRender(self) -> None:
        self.setRenderPaused(False)

    @Slot(bool)
    def setRenderPaused(self, pause: bool) -> None:
        """Views are drawn when nobody paused, or all have resumed."""
        before, self._paused = self._paused, max(0, self._paused + (1 if pause else -1))
        if bool(before) != bool(self._paused):
            self.renderPaused.emit(bool(self._paused))
