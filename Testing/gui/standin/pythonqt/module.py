"""The flat module `qt`."""

from __future__ import annotations

import sys
import types
from functools import lru_cache

from . import natives, subclassing, threads
from .classes import flat_class
from .special import BoolResult

ABSENT = {"QVariant", "QString", "QStringList", "QEnum", "QFlag"}
"""Names that PySide6 has or code for other bindings uses, and `qt` lacks."""

PARTS = ["QtCore", "QtGui", "QtNetwork", "QtSvg", "QtUiTools", "QtXml"]
FUNCTIONS = {"SIGNAL": lambda text: text, "SLOT": lambda text: text, "Signal": subclassing.Signal}
FUNCTIONS["Slot"] = subclassing.slot
FUNCTIONS["Property"] = subclassing.refuse_property
_registered: dict[str, object] = {}


class _QtModule(types.ModuleType):
    def __getattr__(self, name):
        found = _lookup(name)
        setattr(self, name, found)
        return found

    def __dir__(self):
        names = {name for module in natives.modules() for name in dir(module) if name.startswith("Q")}
        return sorted((names | set(FUNCTIONS) | set(_registered)) - ABSENT)


def _lookup(name: str):
    if name in _registered:
        return _registered[name]
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    native = natives.native_class(name) if name.startswith("Q") and name not in ABSENT else None
    if native is None:
        raise AttributeError(f"module 'qt' has no attribute '{name}'")
    return flat_class(native)


@lru_cache(maxsize=1)
def qt_module() -> types.ModuleType:
    """The module `qt`; its classes are made when first asked for."""
    threads.prepare()
    return _QtModule("qt", "Qt as PythonQt shows it, in the stand-in.")


@lru_cache(maxsize=1)
def python_qt_module() -> types.ModuleType:
    """The module `PythonQt`, with its parts as modules of their own (`from PythonQt.QtCore import Signal`)."""
    module = types.ModuleType("PythonQt", "PythonQt in the stand-in.")
    for part in PARTS:
        setattr(module, part, qt_module())
        sys.modules[f"PythonQt.{part}"] = qt_module()
    module.Qt, module.BoolResult = qt_module().Qt, BoolResult
    sys.modules["PythonQt"] = module
    return module


def register_qt_name(name: str, value: object) -> None:
    """Put something of another layer into `qt` (QUiLoader)."""
    _registered[name] = value
    setattr(qt_module(), name, value)
