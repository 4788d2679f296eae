"""qMRMLWidget and qSlicerWidget: widgets that know a scene and tell their children."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QWidget

from .base import require_vtk


class qMRMLWidget(QWidget):
    """Base of the widgets with a scene."""

    mrmlSceneChanged = Signal(object)
    CPP_SIGNATURES = {
        "mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged",
        "setMRMLScene(vtkMRMLScene*)": "setMRMLScene",
    }

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._scene = None

    @Slot(object)
    def setMRMLScene(self, newScene) -> None:
        if require_vtk(newScene, "vtkMRMLScene") is self._scene:
            return
        self._scene = newScene
        self.mrmlSceneChanged.emit(newScene)

    @Slot(result=object)
    def mrmlScene(self):
        return self._scene

    @Slot()
    def preInitializeApplication(self) -> None:
        """What the desktop does to Qt's attributes before the application exists; nothing is needed here."""

    @Slot()
    def postInitializeApplication(self) -> None:
        """The same afterwards."""

    @Slot(QIcon, result=QPixmap)
    def pixmapFromIcon(self, icon: QIcon) -> QPixmap:
        return icon.pixmap(64, 64)


class qSlicerWidget(QWidget):
    """The desktop's own base, with less for Python to see."""

    mrmlSceneChanged = Signal(object)
    CPP_SIGNATURES = qMRMLWidget.CPP_SIGNATURES

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._scene = None

    @Slot(object)
    def setMRMLScene(self, scene) -> None:
        if require_vtk(scene, "vtkMRMLScene") is self._scene:
            return
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)
