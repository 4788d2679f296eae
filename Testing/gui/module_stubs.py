"""The least of Slicer's desktop that a module file needs to load: run as a program in a process of its own.

    python module_stubs.py MODULE_FOLDER...      loads each module, opens its page, prints a JSON object of facts

It follows the facts of the real desktop that matter here: the file is executed under its base name, the module class
gets the C++ object as its one argument, the widget gets a parent that has a layout, setup() is called from outside;
`connect` takes a signature and returns bool; a child that the .ui lacks, or an attribute that a widget lacks, raises.
It draws nothing. The MRML classes are the real ones of slicer-core where that is installed.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import types
import typing
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from unittest.mock import MagicMock

COMMON = {"enabled", "visible", "toolTip"}
PROPERTIES = {
    "QPushButton": {"text"},
    "QLabel": {"text", "wordWrap"},
    "QProgressBar": {"value", "maximum"},
    "ctkCollapsibleButton": {"text", "collapsed"},
    "ctkPathLineEdit": {"currentPath", "filters", "settingKey"},
    "qMRMLNodeComboBox": {"nodeTypes", "noneEnabled", "addEnabled", "removeEnabled", "renameEnabled"},
}
METHODS = {
    "QPushButton": {"clicked()", "clicked(bool)"},
    "ctkPathLineEdit": {"currentPathChanged(QString)", "validInputChanged(bool)"},
    "QTimer": {"timeout()"},
}
"""Signals by class; connecting to another one is an error here, where the desktop only returns False."""


class Widget:
    """One object of the page; knows only the attributes of its class."""

    def __init__(self, kind: str, name: str = ""):
        object.__setattr__(self, "_values", {"objectName": name, "currentPath": "", "text": "", "enabled": True})
        object.__setattr__(self, "_slots", {})
        object.__setattr__(self, "_kind", kind)

    def __setattr__(self, name, value):
        if name not in COMMON | PROPERTIES.get(self._kind, set()):
            raise AttributeError(f"{self._kind} has no property '{name}'")
        changed = self._values.get(name) != value
        self._values[name] = value
        if name == "currentPath" and changed:
            self.emit("currentPathChanged(QString)", value)

    def __getattr__(self, name):
        if name in COMMON | PROPERTIES.get(self._kind, set()):
            return self._values.get(name)
        raise AttributeError(f"{self._kind} has no attribute named '{name}'")

    def connect(self, signal, slot):
        if signal not in METHODS.get(self._kind, set()):
            raise AssertionError(f"{self._kind} has no signal {signal}")
        self._slots.setdefault(signal, []).append(slot)
        return True

    def emit(self, signal, *arguments):
        for slot in self._slots.get(signal, []):
            slot(*arguments)

    def setEnabled(self, on):
        self.enabled = bool(on)

    def setVisible(self, on):
        self.visible = bool(on)

    def setValue(self, value):
        self._values["value"] = int(value)

    def setMRMLScene(self, scene):
        pass

    def addCurrentPathToHistory(self):
        pass

    def setInterval(self, milliseconds):
        self._values["interval"] = milliseconds

    def start(self):
        self._values["active"] = True

    def stop(self):
        self._values["active"] = False


def load_ui(path):
    widget = Widget("qMRMLWidget", Path(path).stem)
    root = ElementTree.parse(path).getroot().find("widget")
    object.__setattr__(
        widget, "_children", {w.get("name"): Widget(w.get("class"), w.get("name")) for w in root.iter("widget")}
    )
    return widget


class ParameterNode:
    """Stands for what parameterNodeWrapper makes: typed members with defaults and the hooks of the page."""

    defaults = {"str": "", "int": 0, "float": 0.0, "bool": False}

    def __init__(self, node):
        for name, kind in type(self).__annotations__.items():
            self.__dict__.setdefault(name, self.defaults.get(kind.__name__))

    def __setattr__(self, name, value):
        if name not in type(self).__annotations__:
            raise AttributeError(name)
        self.__dict__[name] = value

    def connectGui(self, ui):
        return 1

    def disconnectGui(self, tag):
        assert tag == 1


def parameter_node_wrapper(cls):
    hints = typing.get_type_hints(cls, include_extras=True)  # as Slicer does: every name must be known in the module
    return type(cls.__name__, (ParameterNode,), {"__annotations__": hints, "__doc__": cls.__doc__})


class Module:
    def __init__(self, parent):
        self.parent = parent


class ModuleWidget:
    def __init__(self, parent=None):
        self.parent, self.layout = parent, parent.layout()

    def resourcePath(self, name):
        return str(Path(sys.modules[type(self).__module__].__file__).parent / "Resources" / name)

    def setup(self):
        pass

    def cleanup(self):
        pass


class ModuleLogic:
    def __init__(self, parent=None):
        self._node = None

    def getParameterNode(self):
        return object()


class Observations:
    """VTKObservationMixin: counts what is observed, so that leaks show."""

    def __init__(self):
        self.Observations = []

    def addObserver(self, obj, event, method):
        self.Observations.append((id(obj), event, method.__name__))

    def removeObserver(self, obj, event, method):
        self.Observations.remove((id(obj), event, method.__name__))

    def removeObservers(self):
        self.Observations.clear()


class ModuleTest(unittest.TestCase):
    pass


def module(name, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made
    return made


def install():
    """Put the stand-ins where `import slicer, qt, ctk` finds them."""
    sys.modules["vtk"] = MagicMock(name="vtk")
    module("qt", QTimer=lambda: Widget("QTimer"))
    module("ctk")
    slicer = module(
        "slicer", __path__=[], mrmlScene=MagicMock(name="scene"), app=MagicMock(name="app"), modules=MagicMock()
    )
    slicer.mrmlScene.GetFirstNodeByClass.return_value = None
    slicer.vtkMRMLScalarVolumeNode = type("vtkMRMLScalarVolumeNode", (), {})
    slicer.vtkMRMLSegmentationNode = type("vtkMRMLSegmentationNode", (), {})
    children = lambda widget: types.SimpleNamespace(**widget._children)  # noqa: E731
    slicer.util = module("slicer.util", loadUI=load_ui, childWidgetVariables=children, VTKObservationMixin=Observations)
    slicer.i18n = module("slicer.i18n", tr=lambda text: text, translate=lambda context, text: text)
    slicer.parameterNodeWrapper = module("slicer.parameterNodeWrapper", parameterNodeWrapper=parameter_node_wrapper)
    slicer.ScriptedLoadableModule = module(
        "slicer.ScriptedLoadableModule",
        ScriptedLoadableModule=Module,
        ScriptedLoadableModuleWidget=ModuleWidget,
        ScriptedLoadableModuleLogic=ModuleLogic,
        ScriptedLoadableModuleTest=ModuleTest,
    )


def load(path: Path):
    """As qSlicerScriptedLoadableModule does: the file under its base name, in sys.modules before it runs."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def open_page(loaded, name):
    """Make the module's widget as Slicer does, walk through its life, return the page's widgets."""
    parent = types.SimpleNamespace(layout=lambda: MagicMock(name="QVBoxLayout"), isEntered=True)
    widget = getattr(loaded, f"{name}Widget")(parent)
    widget.setup()
    for step in ("enter", "exit", "enter"):
        getattr(widget, step, lambda: None)()
    return widget


def main(folders):
    install()
    facts = {}
    for folder in map(Path, folders):
        sys.path.insert(0, str(folder))
        name = folder.name
        loaded = load(folder / f"{name}.py")
        about = types.SimpleNamespace()
        getattr(loaded, name)(about)
        widget = open_page(loaded, name)
        facts[name] = vars(about) | {
            "children": sorted(vars(widget.ui)),
            "apply_enabled": getattr(getattr(widget.ui, "applyButton", None), "enabled", None),
            "logic": type(widget.logic).__name__,
            "test": issubclass(getattr(loaded, f"{name}Test"), ModuleTest),
        }
        widget.cleanup()
        facts[name]["observers_left"] = len(widget.Observations)
    facts["heavy"] = sorted({"torch", "monai", "scipy", "pydicom", "matplotlib", "SimpleITK"} & set(sys.modules))
    print(json.dumps(facts))


if __name__ == "__main__":
    main(sys.argv[1:])
