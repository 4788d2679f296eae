"""CTK's and MRML's widgets, written with PySide6 so that their meta objects show what the real ones show.

What the real classes offer to Python (properties, signals, slots, invokables, enum keys) is declared with Property,
Signal and Slot; anything else in these classes is ours and hidden by the light wrapping.
"""

from __future__ import annotations

import types
from functools import lru_cache
from importlib import import_module

from .ui_loader import UiLoader

__all__ = ["UiLoader", "ctk_module", "loader_class", "native_classes", "slicer_widget_classes"]


ROOMS = [
    "buttons",
    "checkable_node_combo_box",
    "collapsible",
    "combo_box",
    "coordinates",
    "message_box",
    "mrml_numbers",
    "mrml_widget",
    "node_combo_box",
    "node_list",
    "paths",
    "range_widget",
    "segments_model",
    "segments_table_view",
    "settings",
    "slider",
    "spin_box",
    "table_view",
]


@lru_cache(maxsize=1)
def native_classes() -> dict[str, type]:
    """All native classes by name."""
    rooms = [import_module(f".{name}", __package__) for name in ROOMS]
    found = {}
    for room in rooms:
        for name, member in vars(room).items():
            if isinstance(member, type) and name.startswith(("ctk", "qMRML", "qSlicer")):
                found[name] = member
    return found


@lru_cache(maxsize=1)
def wrapper_classes() -> dict[str, type]:
    """The classes as Python sees them, by name."""
    from PySide6.QtCore import QObject

    from .seen import wrapper_of_class

    natives = native_classes().items()
    return {name: wrapper_of_class(native) for name, native in natives if issubclass(native, QObject)}


def _unseen(name: str) -> bool:
    """Classes that only appear as children of others."""
    return name.startswith("ctkQ")


@lru_cache(maxsize=1)
def ctk_module() -> types.ModuleType:
    """The module `ctk`."""
    module = types.ModuleType("ctk", "CTK's widgets in the stand-in.")
    for name, wrapper in wrapper_classes().items():
        if name.startswith("ctk") and not _unseen(name):
            setattr(module, name, wrapper)
    return module


def slicer_widget_classes() -> dict[str, type]:
    """The qMRML and qSlicer classes, to be put into `slicer`."""
    return {name: wrapper for name, wrapper in wrapper_classes().items() if name.startswith(("qMRML", "qSlicer"))}


@lru_cache(maxsize=1)
def loader_class() -> type:
    """What `qt.QUiLoader` is in the desktop; put it there with standin.pythonqt.register_qt_name()."""
    from standin.pythonqt import light_class

    return light_class(UiLoader, "QUiLoader")
