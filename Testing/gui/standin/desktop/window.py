"""The main window: module selector, module panel, views, status bar."""

from __future__ import annotations

import logging

from PySide6.QtCore import Property, QObject, QSize, Qt, Signal, Slot
from PySide6.QtGui import QAction, QPixmap
from PySide6.QtWidgets import (
    QComboBox,
    QDockWidget,
    QFileDialog,
    QLabel,
    QMainWindow,
    QScrollArea,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from standin.pythonqt import StandInGap

from .known_names import MODULES

TITLE = "Dose3D stand-in for 3D Slicer (tests only)"
SIZE = QSize(1366, 768)


class qSlicerModuleSelectorToolBar(QToolBar):
    """Chooses the module that the panel shows."""

    moduleSelected = Signal(str)

    def __init__(self, manager: QObject, parent: QWidget | None = None):
        super().__init__("Module Selection", parent)
        self.setObjectName("ModuleSelectorToolBar")
        self._manager, self._current = manager, ""
        self._box = QComboBox(self)
        self._box.setMinimumWidth(220)
        self._box.activated.connect(lambda row: self.selectModule(self._box.itemData(row)))
        self.addWidget(QLabel(" Modules: ", self))
        self.addWidget(self._box)
        manager.moduleLoaded.connect(self._add)

    selectedModule = Property(str, lambda self: self._current)

    def _add(self, name: str) -> None:
        module = self._manager.module(name)
        if not hasattr(module, "extensions") or module.hidden:
            return  # pages of modules in C++ are not here
        self._box.addItem(module.icon, module.title, name)
        self._box.setCurrentIndex(self._box.findData(self._current))

    @Slot(str)
    def selectModule(self, moduleName: str) -> None:
        """Show a module; an unknown name changes nothing but the log."""
        if moduleName.lower() in MODULES:
            raise StandInGap(f"the page of module {moduleName} is not in the stand-in")
        if moduleName == self._current:
            return
        if moduleName and self._manager.module(moduleName) is None:
            logging.warning("selectModule: no module '%s'", moduleName)
            return
        self._current = moduleName
        self._box.setCurrentIndex(self._box.findData(moduleName))
        self.moduleSelected.emit(moduleName)


class qSlicerModulePanel(QScrollArea):
    """Shows the page of the selected module: leaves the old one, enters the new one."""

    def __init__(self, manager: QObject, parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName("ModulePanel")
        self.setWidgetResizable(True)
        self._manager, self._page = manager, None
        self._content = QWidget()
        self._column = QVBoxLayout(self._content)
        self._column.setContentsMargins(0, 0, 0, 0)
        self.setWidget(self._content)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)

    def show_module(self, name: str) -> None:
        if self._page is not None:
            self._page.exit()
            self._page.hide()
            self._page = None
        module = self._manager.module(name) if name else None
        page = module.widgetRepresentation() if module is not None else None
        if page is None:
            return
        if self._column.indexOf(page) < 0:
            self._column.addWidget(page)
            page.layout().addStretch(1)
        self._page = page
        page.show()
        self.setMinimumWidth(self._content.minimumSizeHint().width() + 24)  # never scrolls sideways
        page.enter()
        self.verticalScrollBar().setValue(0)


class qSlicerMainWindow(QMainWindow):
    """What `slicer.util.mainWindow()` gives."""

    initialWindowShown = Signal()

    def __init__(self, application: QObject):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle(TITLE)
        self.resize(SIZE)
        self._application = application
        self._selector = qSlicerModuleSelectorToolBar(application.modules, self)
        self.addToolBar(self._selector)
        self._panel = qSlicerModulePanel(application.modules, self)
        self._selector.moduleSelected.connect(self._panel.show_module)
        self._dock = QDockWidget("Modules", self)
        self._dock.setObjectName("PanelDockWidget")
        self._dock.setWidget(self._panel)
        self.addDockWidget(Qt.LeftDockWidgetArea, self._dock)
        self.resizeDocks([self._dock], [500], Qt.Horizontal)
        self.setCentralWidget(application.layout.viewport())
        self._add_menu()
        self.statusBar().showMessage("Ready")

    def _add_menu(self) -> None:
        menu = self.menuBar().addMenu("&File")
        for text, slot in (
            ("&Load scene...", self._load),
            ("&Save scene...", self._save),
            ("&Close scene", self.on_FileCloseSceneAction_triggered),
            ("E&xit", self.on_FileExitAction_triggered),
        ):
            action = QAction(text, self)
            action.triggered.connect(slot)
            menu.addAction(action)

    @Slot(result=QToolBar)
    def moduleSelector(self):
        return self._selector

    def grab(self, *area) -> QPixmap:
        """A picture of the window with views that show the scene as it is."""
        self._application.layout.draw()
        return super().grab(*area)

    @Slot()
    def on_FileCloseSceneAction_triggered(self) -> None:
        self._application.core.scene.Clear(False)

    @Slot()
    def on_FileExitAction_triggered(self) -> None:
        self.close()

    def _load(self) -> None:
        import slicer

        path, _ = QFileDialog.getOpenFileName(self, "Load scene", "", "Scenes (*.mrb *.mrml)")
        if path:
            slicer.util.loadScene(path)

    def _save(self) -> None:
        import slicer

        path, _ = QFileDialog.getSaveFileName(self, "Save scene", "", "Scenes (*.mrb)")
        if path:
            slicer.util.saveScene(path)
