"""The decorator: typed members on top of a vtkMRMLScriptedModuleNode."""

from __future__ import annotations

import typing

import qt
import vtk

from .connectors import connector_of
from .serializers import serializer_of
from .validators import Default, Validator

__all__ = ["SlicerParameterNamePropertyName", "parameterNodeWrapper"]

SlicerParameterNamePropertyName = "SlicerParameterName"

RESERVED = (
    "allParameters", "default", "isCached", "dataType", "getValue", "setValue", "connectGui", "connectParametersToGui",
    "disconnectGui", "StartModify", "EndModify", "AddObserver", "RemoveObserver", "Modified",
    "_is_parameter_node_wrapper",
)  # fmt: skip


class Member:
    """One member of a wrapped class: type, annotations, default, and how it is kept."""

    def __init__(self, owner: type, name: str, hint):
        self.name = name
        arguments = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
        self.kind, self.annotations = arguments[0], arguments[1:]
        self.serializer = serializer_of(self.kind)
        if self.serializer is None:
            raise Exception(f"Unable to create serializer for {owner} member {name}")
        self.validators = [a for a in self.annotations if isinstance(a, Validator)]
        given = next((a for a in self.annotations if isinstance(a, Default)), None)
        self.default = given or Default(vars(owner)[name] if name in vars(owner) else self.serializer.default())

    def write(self, node, prefix: str, value) -> None:
        if hasattr(self.serializer, "check"):
            self.serializer.check(value)
        for validator in self.validators:
            validator.validate(value)
        self.serializer.write(node, prefix + self.name, value)

    def read(self, node, prefix: str):
        return self.serializer.read(node, prefix + self.name)


def parameterNodeWrapper(classtype):
    """Make a class whose members live in a parameter node."""
    hints = typing.get_type_hints(classtype, include_extras=True)
    for name in hints:
        if name in RESERVED:
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
    members = {name: Member(classtype, name, hint) for name, hint in hints.items()}
    body = {name: _property(member) for name, member in members.items()}
    kept = {n: v for n, v in vars(classtype).items() if callable(v) and n != "__init__" and not n.startswith("__")}
    facts = {"__module__": classtype.__module__, "__doc__": classtype.__doc__, "_members": members}
    return type(classtype.__name__, (_Wrapper,), {**kept, **body, **facts})


def _property(member: Member) -> property:
    def read(self):
        return member.read(self.parameterNode, self._prefix)

    def write(self, value):
        member.write(self.parameterNode, self._prefix, value)

    return property(read, write)


class _Wrapper:
    _is_parameter_node_wrapper = True
    _members: dict[str, Member] = {}

    def __init__(self, parameterNode, prefix: str = ""):
        self.parameterNode, self._prefix = parameterNode, prefix
        self._connections: dict[int, tuple[list, int]] = {}
        self._nextTag = 0
        self._pushing = 0
        modifying = None
        for name, member in self._members.items():
            if member.serializer.isIn(parameterNode, prefix + name):
                member.read(parameterNode, prefix)  # a text that cannot be read raises here
                continue
            modifying = parameterNode.StartModify() if modifying is None else modifying
            member.serializer.write(parameterNode, prefix + name, member.default.value)
        if modifying is not None:
            parameterNode.EndModify(modifying)

    @property
    def allParameters(self):
        return dict(self._members)

    def default(self, name: str) -> Default:
        return self._members[name].default

    def isCached(self, name: str) -> bool:
        return True

    @classmethod
    def dataType(cls, name: str):
        return cls._members[name].kind

    def getValue(self, name: str):
        return getattr(self, name)

    def setValue(self, name: str, value) -> None:
        setattr(self, name, value)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, previous):
        return self.parameterNode.EndModify(previous)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag) -> None:
        self.parameterNode.RemoveObserver(tag)

    def HasObserver(self, event) -> bool:
        return self.parameterNode.HasObserver(event)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    def connectGui(self, gui) -> int:
        """Connect the widgets below `gui` (a widget, or a namespace of widgets) that carry SlicerParameterName."""
        widgets = vars(gui).values() if not hasattr(gui, "findChildren") else (gui, *gui.findChildren(qt.QWidget))
        found = {}
        for widget in widgets:
            name = widget.property(SlicerParameterNamePropertyName) if hasattr(widget, "property") else None
            if name:
                found[name] = widget
        return self.connectParametersToGui(found)

    def connectParametersToGui(self, mapping) -> int:
        """Connect widgets by the name of their member; returns a tag for disconnectGui."""
        for name in mapping:
            if name not in self._members:
                known = "".join(f"\n    {one}," for one in self._members)
                raise ValueError(f"Cannot find a param with the given name: {name}\n  Found parameters [{known}\n  ]")
        connectors = [(name, self._connect(name, widget)) for name, widget in mapping.items()]
        for name, connector in connectors:
            connector.write(getattr(self, name))
            connector.onChanged(lambda name=name, connector=connector: self._take(name, connector))
        tag = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._push(connectors))
        self._connections[self._nextTag] = (connectors, tag)
        self._nextTag += 1
        return self._nextTag - 1  # the first one is 0, as in the real one

    def _connect(self, name: str, widget):
        member = self._members[name]
        return connector_of(widget, member.kind, member.annotations)

    def _take(self, name: str, connector) -> None:
        """What the user did; not what a widget makes of a value that it is given (it may round)."""
        if not self._pushing:
            setattr(self, name, connector.read())

    def _push(self, connectors) -> None:
        self._pushing += 1
        try:
            for name, connector in connectors:
                value = getattr(self, name)
                if connector.read() != value:
                    connector.write(value)
        finally:
            self._pushing -= 1

    def disconnectGui(self, tag: int) -> None:
        connectors, observer = self._connections.pop(tag)
        for _, connector in connectors:
            connector.onChanged(None)
        self.RemoveObserver(observer)
