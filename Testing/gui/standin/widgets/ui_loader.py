"""What qt.QUiLoader does in the desktop: .ui files with the custom widgets, their properties and their connections.

Qt's own loader makes the widgets and layouts; what it cannot know (signatures with VTK pointers, enum keys of classes
written in Python) is taken out of the file beforehand and done here.
"""

from __future__ import annotations

import enum
import re
import xml.etree.ElementTree as ElementTree

from PySide6.QtCore import SIGNAL, SLOT, QBuffer, QByteArray, QIODevice, QObject, Slot
from PySide6.QtUiTools import QUiLoader
from PySide6.QtWidgets import QWidget

from .base import gap

TYPES = {"double": float, "bool": bool, "int": int, "QString": str}


class UiLoader(QUiLoader):
    """Loads a .ui file; `classes` maps the names of custom widgets to native classes (default: all of the stand-in)."""

    def __init__(self, parent: QObject | None = None, classes: dict[str, type] | None = None):
        super().__init__(parent)
        self._classes = classes

    def _native_classes(self) -> dict[str, type]:
        if self._classes is None:
            from . import native_classes

            self._classes = native_classes()
        return self._classes

    @Slot(result="QStringList")
    def availableWidgets(self) -> list[str]:
        ours = [name for name, native in self._native_classes().items() if issubclass(native, QWidget)]
        return sorted({*super().availableWidgets(), *ours})

    @Slot(str, result=QWidget)
    @Slot(str, QWidget, result=QWidget)
    @Slot(str, QWidget, str, result=QWidget)
    def createWidget(self, className: str, parent: QWidget | None = None, name: str = "") -> QWidget:
        native = self._native_classes().get(className)
        if native is None:
            return super().createWidget(className, parent, name)
        widget = native(parent)
        widget.setObjectName(name)
        return widget

    @Slot(QIODevice, result=QWidget)
    @Slot(QIODevice, QWidget, result=QWidget)
    def load(self, device: QIODevice, parentWidget: QWidget | None = None) -> QWidget | None:
        """The widget of the file, or None when it is no .ui; StandInGap for a custom widget that nobody wrote."""
        try:
            tree = ElementTree.fromstring(bytes(device.readAll().data()))
        except ElementTree.ParseError:
            return None
        self._refuse_unknown(tree)
        _refuse_unknown_properties(tree, self._native_classes())
        connections = _take_connections(tree)
        enums = _take_enums(tree, self._native_classes())
        buffer = QBuffer()
        buffer.setData(QByteArray(ElementTree.tostring(tree)))
        buffer.open(QIODevice.ReadOnly)
        widget = super().load(buffer, parentWidget)
        if widget is not None:
            for name, key, value in enums:
                _child(widget, name).setProperty(key, value)
            for connection in connections:
                _connect(widget, *connection)
        return widget

    def _refuse_unknown(self, tree: ElementTree.Element) -> None:
        known = self.availableWidgets()
        for element in tree.iter("widget"):
            if element.get("class") not in known:
                gap(f"no widget '{element.get('class')}' in the stand-in ({element.get('name')})")


def _refuse_unknown_properties(tree: ElementTree.Element, classes: dict[str, type]) -> None:
    """Qt would make a dynamic property of one that the class lacks; here that is a gap."""
    for widget in tree.iter("widget"):
        native = classes.get(widget.get("class"))
        for entry in widget.findall("property") if native is not None else []:
            known = native.staticMetaObject.indexOfProperty(entry.get("name")) >= 0
            if not known and entry.get("stdset") != "0":
                gap(f"{native.__name__} has no property '{entry.get('name')}' ({widget.get('name')})")


def _take_connections(tree: ElementTree.Element) -> list[tuple[str, str, str, str]]:
    """Remove the <connections>; returns (sender, signal, receiver, slot) of each."""
    found = []
    for group in tree.findall("connections"):
        for entry in group.findall("connection"):
            found.append(tuple(entry.findtext(key, "") for key in ("sender", "signal", "receiver", "slot")))
        tree.remove(group)
    return found


def _take_enums(tree: ElementTree.Element, classes: dict[str, type]) -> list[tuple[str, str, int]]:
    """Remove enum and set properties of custom widgets; returns (object name, property, value) of each."""
    found = []
    for widget in tree.iter("widget"):
        native = classes.get(widget.get("class"))
        if native is None:
            continue
        for entry in widget.findall("property"):
            keys = entry.findtext("enum") or entry.findtext("set")
            if keys is not None and _is_own(native, entry.get("name")):
                found.append((widget.get("name"), entry.get("name"), _value(keys, native)))
                widget.remove(entry)
    return found


def _is_own(native: type, name: str) -> bool:
    """Whether a Python class declares that property (Qt's own properties keep their enums)."""
    return any(name in vars(base) for base in native.__mro__ if base.__module__.startswith(__package__))


def _value(keys: str, native: type) -> int:
    """The number of 'ctkPathLineEdit::Dirs|ctkPathLineEdit::Files' or 'Qt::AlignRight'."""
    return sum({_key_value(key.split("::"), native) for key in keys.split("|")})


def _key_value(path: list[str], native: type) -> int:
    from PySide6 import QtCore, QtWidgets

    key, scope = path[-1], path[0] if len(path) > 1 else ""
    owners = [native, getattr(QtWidgets, scope, None) or getattr(QtCore, scope, None)]
    for owner in owners:
        for base in getattr(owner, "__mro__", ()):
            for member in vars(base).values():
                if isinstance(member, type) and issubclass(member, enum.Enum) and key in member.__members__:
                    return member[key].value
    raise AttributeError(f"no enum key '{'::'.join(path)}' for {native.__name__}")


def _child(top: QWidget, name: str) -> QObject:
    found = top if top.objectName() == name else top.findChild(QObject, name)
    if found is None:
        raise LookupError(f"the .ui file names an object that it does not hold: '{name}'")
    return found


def _connect(top: QWidget, sender: str, signal: str, receiver: str, slot: str) -> bool:
    """Make one connection of the file, by its C++ signatures; False when there is no such signal or slot."""
    source, target = _child(top, sender), _child(top, receiver)
    native_signal, native_slot = native_name(source, signal), native_name(target, slot)
    if native_signal is None and native_slot is None:
        return bool(QObject.connect(source, SIGNAL(signal), target, SLOT(slot)))
    return bool(_bound(source, native_signal, signal).connect(_bound(target, native_slot, slot)))


def native_name(instance: QObject, signature: str) -> str | None:
    """Attribute behind a C++ signature that Qt's meta object does not know, or None."""
    for base in type(instance).__mro__:
        name = vars(base).get("CPP_SIGNATURES", {}).get(signature.replace(" ", ""))
        if name:
            return name
    return None


def _bound(instance: QObject, name: str | None, signature: str):
    if name is not None:
        return getattr(instance, name)
    name, arguments = re.fullmatch(r"(\w+)\((.*)\)", signature.replace(" ", "")).groups()
    bound = getattr(instance, name)
    kinds = tuple(TYPES[kind] for kind in arguments.split(",") if kind in TYPES)
    return bound[kinds] if len(kinds) == 1 and hasattr(bound, "emit") else bound
