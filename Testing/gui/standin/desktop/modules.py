"""Modules: what the application knows of them, their pages, and the factory that loads unchanged module files."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from PySide6.QtCore import Property, QObject, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QVBoxLayout, QWidget

from standin.pythonqt import StandInGap, error_flag, wrap
from standin.pythonqt.errors import report
from standin.widgets.base import gap, stored
from standin.widgets.mrml_widget import qSlicerWidget

from .known_names import MODULES


class Modules:
    """`slicer.modules`: a module of the real application that is not here is a gap, any other name is unknown."""

    def __getattr__(self, name):
        if name in MODULES:
            raise StandInGap(f"the stand-in has no module '{name}'")
        raise AttributeError(name)


class qSlicerLoadableModule(QObject):
    """A module that is written in C++: here only its logic."""

    title = stored(str, "_title", "")
    hidden = stored(bool, "_hidden", False)
    index = stored(int, "_index", -1)
    helpText = stored(str, "_help", "")
    acknowledgementText = stored(str, "_acknowledgement", "")
    categories = stored("QStringList", "_categories", [])
    contributors = stored("QStringList", "_contributors", [])
    dependencies = stored("QStringList", "_dependencies", [])
    associatedNodeTypes = stored("QStringList", "_node_types", [])
    icon = stored(QIcon, "_icon", QIcon())
    widgetRepresentationCreationEnabled = stored(bool, "_has_widget", True)

    def __init__(self, name: str, logic=None, path: str = ""):
        super().__init__()
        self._name, self._logic, self._path = name, logic, path
        self.setObjectName(name)  # Python finds it as `name`, which is also the alias of objectName
        self._title = name

    name = Property(str, lambda self: self._name)
    path = Property(str, lambda self: self._path)
    isInstalled = Property(bool, lambda self: False)
    isBuiltIn = Property(bool, lambda self: type(self) is qSlicerLoadableModule)

    @Slot(result=object)
    def logic(self):
        return self._logic

    @Slot(result=object)
    def mrmlScene(self):
        return self._logic.GetMRMLScene()

    @Slot(result=QWidget)
    def widgetRepresentation(self):
        return gap(f"the page of module {self._name} is not in the stand-in")


class qSlicerScriptedLoadableModule(qSlicerLoadableModule):
    """A module that is one Python file; its page is made when it is first asked for."""

    extensions = stored("QStringList", "_extensions", [])

    def __init__(self, path: Path, logic):
        super().__init__(path.stem, logic, str(path))
        self._page = None

    @Slot(result=QWidget)
    def widgetRepresentation(self):
        if self._page is None and self._has_widget_class():
            self._page = qSlicerScriptedLoadableModuleWidget(self)
            self._page.build()
        return self._page

    @Slot(result=QWidget)
    def createNewWidgetRepresentation(self):
        page = qSlicerScriptedLoadableModuleWidget(self)
        page.build()
        return page

    def _has_widget_class(self) -> bool:
        return hasattr(sys.modules.get(self._name), f"{self._name}Widget")


class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """What holds a page: it builds, enters and leaves the Python widget."""

    HOOKS = ("setup", "enter", "exit", "setEditedNode", "nodeEditable")

    def __init__(self, module: qSlicerScriptedLoadableModule):
        super().__init__()
        self._module, self._python, self._hooks, self._entered = module, None, {}, False
        QVBoxLayout(self)
        self._wrapper = None

    moduleName = Property(str, lambda self: self._module.name)
    isEntered = Property(bool, lambda self: self._entered)

    def build(self) -> None:
        """Make the Python widget and call its setup()."""
        import slicer

        name = self._module.name
        self._wrapper = wrap(self)
        self._python = guarded(lambda: getattr(sys.modules[name], f"{name}Widget")(self._wrapper))
        if self._python is None:
            return
        setattr(slicer.modules, f"{name}Widget", self._python)
        self._hooks = {hook: getattr(self._python, hook, None) for hook in self.HOOKS}
        self.setMRMLScene(slicer.mrmlScene)
        self._call("setup")

    def _call(self, hook: str, *arguments):
        function = self._hooks.get(hook)
        return guarded(lambda: function(*arguments)) if function is not None else None

    @Slot(result=object)
    def self(this):  # noqa: N805 (the real one has this name)
        return this._python

    @Slot()
    def enter(self) -> None:
        self._entered = True
        self._call("enter")

    @Slot()
    def exit(self) -> None:
        self._entered = False
        self._call("exit")

    @Slot(object, result=bool)
    def setEditedNode(self, node) -> bool:
        return self._call("setEditedNode", node, "", "") is True

    @Slot(object, result=float)
    def nodeEditable(self, node) -> float:
        answer = self._call("nodeEditable", node)
        return answer if isinstance(answer, float) else 0.0

    @Slot()
    def reload(self) -> None:
        self._module.reload_source()
        self.build()

    @Slot(result=object)
    def module(self):
        return wrap(self._module)


def guarded(call):
    """Call into a module as the application does: an exception is printed and flagged, the application goes on."""
    error_flag.clear()
    try:
        return call()
    except Exception as error:
        report(error)
        return None


class qSlicerModuleFactoryManager(QObject):
    """Loads module files, each after those that it depends on."""

    moduleLoaded = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self.loaded: dict[str, QObject] = {}

    @Slot(result="QStringList")
    def loadedModuleNames(self) -> list[str]:
        return sorted(self.loaded)

    @Slot(str, result=bool)
    def isLoaded(self, name: str) -> bool:
        return name in self.loaded

    @Slot(str, result=QObject)
    def loadedModule(self, name: str):
        return self.loaded.get(name)

    def add(self, module: QObject) -> None:
        """Let `slicer.modules` show a module."""
        import slicer

        self.loaded[module.name] = module
        setattr(slicer.modules, module.name.lower(), wrap(module))
        self.moduleLoaded.emit(module.name)

    def load_files(self, paths: list[Path]) -> None:
        """Execute module files; a module whose dependencies come later waits for them."""
        instances = [self._instantiate(path) for path in paths]
        waiting = [module for module in instances if module is not None]
        while waiting:
            ready = [m for m in waiting if all(name in self.loaded for name in m.dependencies)]
            if not ready:
                raise RuntimeError(f"{waiting[0].name} depends on {waiting[0].dependencies}: not all are there")
            for module in ready:
                self.add(module)
                setup = getattr(self._python(module), "setup", None)
                if setup is not None:
                    guarded(setup)
            waiting = [module for module in waiting if module not in ready]

    def _instantiate(self, path: Path):
        """The module of a file, with `slicer.modules.<Name>Instance`; None when the file fails."""
        import slicer

        module = qSlicerScriptedLoadableModule(path, slicer.vtkSlicerScriptedLoadableModuleLogic())
        module.reload_source = lambda: execute(path)
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        wrapper = module.wrapper = wrap(module)
        loaded = guarded(lambda: execute(path))
        instance = guarded(lambda: getattr(loaded, path.stem)(wrapper)) if loaded else None
        if instance is None:
            return None
        setattr(slicer.modules, f"{path.stem}Instance", instance)
        return module

    def _python(self, module: QObject):
        import slicer

        return getattr(slicer.modules, f"{module.name}Instance")


def execute(path: Path):
    """A module file under its base name, in sys.modules before it runs."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded


class qSlicerModuleManager(QObject):
    """`slicer.app.moduleManager()`."""

    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._factory = qSlicerModuleFactoryManager(self)
        self._factory.moduleLoaded.connect(self.moduleLoaded)

    @Slot(result=QObject)
    def factoryManager(self):
        return self._factory

    @Slot(result="QStringList")
    def modulesNames(self) -> list[str]:
        return self._factory.loadedModuleNames()

    @Slot(str, result=QObject)
    def module(self, name: str):
        return self._factory.loaded.get(name)

    def unload(self) -> None:
        """Tell the modules that the application ends."""
        for name in self._factory.loaded:
            self.moduleAboutToBeUnloaded.emit(name)


__all__ = ["Modules", "guarded", "qSlicerLoadableModule", "qSlicerModuleManager"]
