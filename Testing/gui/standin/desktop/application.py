"""Puts the stand-in together and where modules look for it."""

from __future__ import annotations

import atexit
import os
import sys
import types
from pathlib import Path

PACKAGE = Path(__file__).parent / "slicer_package"
ROOT = Path(__file__).resolve().parents[4]
MODULE_FILES = [ROOT / name / f"{name}.py" for name in ("Dose3D", "Dose3DSegment", "Dose3DPhaseSpace")]

_application: Application | None = None


def start(testing: bool = True, load_modules: bool = True) -> Application:
    """The stand-in's application; made at the first call."""
    global _application
    if _application is None:
        _application = Application(testing)
        if load_modules:
            _application.load_modules(MODULE_FILES)
    return _application


def install_package(slicer: types.ModuleType) -> None:
    """Add our ScriptedLoadableModule, parameterNodeWrapper ... to the package of slicer-core."""
    if str(PACKAGE) not in slicer.__path__:
        slicer.__path__.append(str(PACKAGE))


class Application:
    """Everything that lives as long as the process.

    Raises ImportError where Qt's libraries are missing, RuntimeError where another Qt application is running.
    """

    def __init__(self, testing: bool = True):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        from PySide6.QtWidgets import QApplication

        if QApplication.instance() is not None:
            raise RuntimeError("the stand-in must be the process's only Qt application")
        import slicer

        from .qapplication import qSlicerApplication

        self.native = qSlicerApplication(testing)
        self._install_qt()
        self._install_slicer(slicer)
        self._build_window()
        atexit.register(self.close)

    def _install_qt(self) -> None:
        from standin.pythonqt import BoolResult, qt_module, register_qt_name
        from standin.widgets import ctk_module, loader_class

        register_qt_name("QUiLoader", loader_class())
        sys.modules["qt"], sys.modules["ctk"] = qt_module(), ctk_module()
        python_qt = types.ModuleType("PythonQt")
        python_qt.QtCore = python_qt.QtGui = python_qt.QtUiTools = qt_module()
        python_qt.BoolResult = BoolResult
        sys.modules["PythonQt"] = python_qt

    def _install_slicer(self, slicer) -> None:
        from standin.pythonqt import wrap
        from standin.widgets import slicer_widget_classes

        from . import gaps, modules, qapplication
        from .dicom import install_dicom
        from .io_manager import qSlicerIOManager
        from .layout import qSlicerLayoutManager, view_classes
        from .scene import SceneCore

        install_package(slicer)
        natives = [qapplication.qSlicerApplication, qapplication.qSlicerCommandOptions, qSlicerIOManager]
        natives += [qSlicerLayoutManager, modules.qSlicerModuleManager, modules.qSlicerModuleFactoryManager]
        natives += [modules.qSlicerLoadableModule, modules.qSlicerScriptedLoadableModule]
        natives += [modules.qSlicerScriptedLoadableModuleWidget, *view_classes()]
        shown = {native.__name__: gaps.shown_class(native) for native in natives}
        for name, wrapper in {**slicer_widget_classes(), **shown}.items():
            setattr(slicer, name, wrapper)
        core = self.native.core = SceneCore(Path(self.native.cachePath))
        slicer.mrmlScene = core.scene
        slicer.modules = modules.Modules()
        slicer.selfTests = {}
        self.native.modules = modules.qSlicerModuleManager(self.native)
        self.native.io = qSlicerIOManager(core, self.native)
        self.native.layout = qSlicerLayoutManager(core, self.native)
        slicer.app = wrap(self.native)
        self.slicer = slicer
        install_dicom(self.native)
        for name, logic in core.logics.items():
            self.native.modules.factoryManager().add(modules.qSlicerLoadableModule(name, logic))

    def _build_window(self) -> None:
        from standin.pythonqt import unwrap, wrap

        from .gaps import shown_class
        from .window import qSlicerMainWindow, qSlicerModuleSelectorToolBar

        shown_class(qSlicerModuleSelectorToolBar)
        # Qt's own grab() hides an override from its meta object, and the views must be drawn first.
        shown_class(qSlicerMainWindow).grab = lambda window, *area: wrap(unwrap(window).grab(*unwrap(area)))
        self.native_window = qSlicerMainWindow(self.native)
        self.window = wrap(self.native_window)
        self.native_window.show()

    def load_modules(self, paths: list[Path]) -> None:
        """Load module files, then tell that the start is complete."""
        self.native.modules.factoryManager().load_files(paths)
        self.native.startupCompleted.emit()
        self.native.processEvents()

    def use_dark_palette(self) -> None:
        """Dark colours, as the desktop's dark style has them."""
        from PySide6.QtGui import QColor, QPalette

        self.native.setStyle("Fusion")
        palette = QPalette(QColor("#353535"), QColor("#2b2b2b"))
        palette.setColor(QPalette.Highlight, QColor("#2a6fb5"))
        palette.setColor(QPalette.Link, QColor("#7ab8ff"))
        self.native.setPalette(palette)

    def screenshot(self, path, widget=None) -> Path:
        """A picture of the main window, or of one widget; views are drawn first where something changed."""
        from standin.pythonqt import unwrap

        self.native.layout.draw()
        target = unwrap(widget) if widget is not None else self.native_window
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if not target.grab().save(str(path)):
            raise OSError(f"{path}: the picture could not be written")
        return Path(path)

    def run(self) -> int:
        """Handle events until the window is closed."""
        return self.native.exec()

    def close(self) -> None:
        """Leave the module, tell all modules that they go."""
        if self.native_window is None:
            return
        self.native_window.moduleSelector().selectModule("")
        self.native.modules.unload()
        self.native.layout.close()
        self.native_window = None
