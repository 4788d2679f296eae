"""PySide6's classes by their C++ names."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module

MODULES = ["QtCore", "QtGui", "QtWidgets", "QtUiTools", "QtNetwork", "QtSvg", "QtXml"]
"""In the desktop all of these are in the one module `qt`."""


@lru_cache(maxsize=1)
def modules() -> tuple:
    found = []
    for name in MODULES:
        try:
            found.append(import_module(f"PySide6.{name}"))
        except ImportError:  # some Qt libraries may be absent on a machine; what is used says so by name
            continue
    return tuple(found)


@cache
def native_class(name: str) -> type | None:
    """The class of that C++ name ('QStyle::State' style scopes with dots), None where there is none."""
    head, _, rest = name.replace("::", ".").partition(".")
    for module in modules():
        found = getattr(module, head, None)
        if isinstance(found, type):
            return _inner(found, rest)
    return None


def _inner(owner: type, path: str):
    for part in path.split(".") if path else []:
        owner = getattr(owner, part, None)
    return owner if isinstance(owner, type) else None


def is_pyside(kind: type) -> bool:
    """Whether a class is Qt's own, not one written in Python."""
    return kind.__module__.startswith("PySide6.") or kind.__module__.startswith("Shiboken")


def qt_base(kind: type) -> type:
    """The nearest of Qt's own classes above a class."""
    return next(base for base in kind.__mro__ if is_pyside(base))


def is_value_type(kind: type) -> bool:
    """Whether C++ passes it by value, so that None is no argument."""
    return hasattr(kind, "__copy__")
