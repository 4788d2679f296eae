"""What the widgets share: stored properties, checks of VTK arguments, observers that die with their widget."""

from __future__ import annotations

import weakref

from PySide6.QtCore import Property
from vtkmodules.util.vtkConstants import VTK_OBJECT


def stored(kind, key: str, default, changed: str = ""):
    """A Qt property of type `kind` that keeps its value in the instance; `changed` names a method to call after."""

    def read(self):
        return self.__dict__.get(key, default)

    def write(self, value):
        if self.__dict__.get(key, default) == value:
            return
        self.__dict__[key] = value
        if changed:
            getattr(self, changed)()

    return Property(kind, read, write)


def of_part(kind, part: str, name: str):
    """A Qt property that is the property `name` of the native child in the attribute `part`."""
    return Property(
        kind, lambda self: getattr(getattr(self, part), name), lambda self, v: setattr(getattr(self, part), name, v)
    )


def gap(what: str):
    """Raise StandInGap: the real one has this, the stand-in does not."""
    from standin.pythonqt import StandInGap

    met = StandInGap(what)
    GAPS_MET.append(met)
    raise met


GAPS_MET: list[Exception] = []
"""Gaps raised lately: where PySide6 swallows one (in a property), the wrapper raises it again."""


def require_vtk(value, class_name: str):
    """`value` when it is None or a VTK object of that class; else the TypeError that VTK's own wrapping raises."""
    if value is None:
        return None
    if not callable(getattr(value, "IsA", None)):
        raise TypeError("method requires a VTK object")
    if not value.IsA(class_name):
        raise TypeError(f"method requires a {class_name}, a {value.GetClassName()} was provided.")
    return value


class Observers:
    """VTK observers that call methods of `owner` without keeping it alive, and go when it is destroyed.

    A native widget may be deleted from C++ at any time; an observer left behind would call into a dead object.
    """

    def __init__(self, owner):
        self._tags = []
        owner.destroyed.connect(_remover(self._tags))

    def add(self, subject, event, method, with_node: bool = False) -> None:
        """Let `event` of `subject` call `method` (bound) with the subject, or with the node of the call data."""
        callback = _callback(weakref.WeakMethod(method), with_node)
        self._tags.append((subject, subject.AddObserver(event, callback)))

    def remove(self, subject=None) -> None:
        """Remove those of one subject, or all."""
        gone = [pair for pair in self._tags if subject is None or pair[0] is subject]
        self._tags[:] = [pair for pair in self._tags if pair not in gone]
        _detach(gone)

    def subjects(self) -> list:
        return [subject for subject, _ in self._tags]


def _callback(method: weakref.WeakMethod, with_node: bool):
    if with_node:

        def call(_caller, _event, node):
            target = method()
            if target is not None:
                target(node)

        call.CallDataType = VTK_OBJECT
        return call

    def call_plain(caller, _event):
        target = method()
        if target is not None:
            target(caller)

    return call_plain


def _remover(tags: list):
    def remove(*_):
        _detach(tags)
        tags.clear()

    return remove


def _detach(pairs) -> None:
    for subject, tag in pairs:
        subject.RemoveObserver(tag)
