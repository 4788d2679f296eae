"""How values of members are kept as text in a vtkMRMLScriptedModuleNode."""

from __future__ import annotations

import enum
import pathlib
import types
import typing

import slicer

from .ranges import FloatRange, RangeText
from .validators import IsInstance

__all__ = ["serializer_of"]

PATHS = (
    pathlib.Path, pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePath, pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
)  # fmt: skip


def serializer_of(kind):
    """The serializer of a type; None for a type that cannot be a member."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return serializer_of(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _of_union(arguments)
    if origin in (list, tuple, dict):
        return _of_container(origin, arguments)
    if not isinstance(kind, type):
        return None
    if issubclass(kind, enum.Enum):
        return EnumText(kind)
    if issubclass(kind, slicer.vtkMRMLNode):
        return NodeReference((kind,))
    plain = {bool: Text(bool, False, lambda text: text == "True"), int: Text(int, 0, int), str: Text(str, "", str)}
    if kind is FloatRange:
        return RangeText()
    if kind is float:
        return Text((int, float), 0.0, float)
    return Text(kind, kind(), kind, str) if kind in PATHS else plain.get(kind)


def _of_union(arguments):
    given = [argument for argument in arguments if argument is not type(None)]
    if all(isinstance(argument, type) and issubclass(argument, slicer.vtkMRMLNode) for argument in given):
        return NodeReference(tuple(given))
    inner = serializer_of(given[0]) if len(given) == 1 else None
    return Maybe(inner) if inner else None


def _of_container(origin, arguments):
    parts = [serializer_of(argument) for argument in arguments]
    if not parts or None in parts:
        return None
    return {list: ListText, tuple: TupleText, dict: DictText}[origin](*parts)


class Text:
    """A value as one text."""

    def __init__(self, kind, default, read, write=str):
        self.kind, self._default, self._read, self._write = kind, default, read, write

    def default(self):
        return self._default

    def check(self, value) -> None:
        IsInstance(self.kind).validate(value)

    def isIn(self, node, name: str) -> bool:
        return node.HasParameter(name)

    def write(self, node, name: str, value) -> None:
        self.check(value)
        node.SetParameter(name, self._write(value))

    def read(self, node, name: str):
        return self._read(node.GetParameter(name))

    def remove(self, node, name: str) -> None:
        node.UnsetParameter(name)


class EnumText(Text):
    """An enum by its name."""

    def __init__(self, kind):
        super().__init__(kind, next(iter(kind)), kind.__getitem__, lambda value: value.name)


class NodeReference:
    """A node, as a reference with an empty text beside it."""

    def __init__(self, kinds):
        self.kinds = kinds

    def default(self):
        return None

    def check(self, value) -> None:
        if value is not None:
            IsInstance(self.kinds[0] if len(self.kinds) == 1 else self.kinds).validate(value)

    def isIn(self, node, name: str) -> bool:
        return node.HasParameter(name)

    def write(self, node, name: str, value) -> None:
        self.check(value)
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node, name: str):
        return node.GetNodeReference(name)

    def remove(self, node, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class Maybe:
    """A value or None."""

    def __init__(self, inner):
        self.inner = inner

    def default(self):
        return None

    def isIn(self, node, name: str) -> bool:
        return node.HasParameter(f"{name}.type")

    def write(self, node, name: str, value) -> None:
        if value is not None:
            self.inner.write(node, f"{name}.value", value)
        node.SetParameter(f"{name}.type", "None" if value is None else "value")

    def read(self, node, name: str):
        is_none = node.GetParameter(f"{name}.type") == "None"
        return None if is_none else self.inner.read(node, f"{name}.value")

    def remove(self, node, name: str) -> None:
        node.UnsetParameter(f"{name}.type")


class _Observed:
    """A container that writes itself back when it is changed."""

    def _keep(self, save):
        self._save = save
        return self


def _observed(base: type, changers: tuple[str, ...]) -> type:
    def changing(name):
        def method(self, *args, **kwargs):
            result = getattr(base, name)(self, *args, **kwargs)
            self._save(base(self))
            return result

        return method

    return type(f"Observed{base.__name__}", (base, _Observed), {name: changing(name) for name in changers})


ObservedList = _observed(list, ("append", "extend", "insert", "remove", "pop", "clear", "sort", "__setitem__",
                                "__delitem__"))  # fmt: skip
ObservedDict = _observed(dict, ("__setitem__", "__delitem__", "update", "pop", "clear"))


class ListText:
    """`name.len` and `name.0` ..."""

    kind = list

    def __init__(self, item):
        self.item = item

    def default(self):
        return []

    def isIn(self, node, name: str) -> bool:
        return node.HasParameter(f"{name}.len")

    def write(self, node, name: str, value) -> None:
        IsInstance(list).validate(value)
        before = self._length(node, name)
        for index, one in enumerate(value):
            self.item.write(node, f"{name}.{index}", one)
        for index in range(len(value), before):
            self.item.remove(node, f"{name}.{index}")
        node.SetParameter(f"{name}.len", str(len(value)))

    def read(self, node, name: str):
        values = [self.item.read(node, f"{name}.{index}") for index in range(self._length(node, name))]
        return ObservedList(values)._keep(lambda new: self.write(node, name, new))

    def _length(self, node, name: str) -> int:
        return int(node.GetParameter(f"{name}.len") or 0)


class TupleText:
    """`name.0` ..., each with its own type."""

    def __init__(self, *items):
        self.items = items

    def default(self):
        return tuple(item.default() for item in self.items)

    def isIn(self, node, name: str) -> bool:
        return node.HasParameter(f"{name}.0")

    def write(self, node, name: str, value) -> None:
        IsInstance(tuple).validate(value)
        for index, (item, one) in enumerate(zip(self.items, value, strict=True)):
            item.write(node, f"{name}.{index}", one)

    def read(self, node, name: str):
        return tuple(item.read(node, f"{name}.{index}") for index, item in enumerate(self.items))


class DictText:
    """`name.len`, and key and value of each entry as `name.0.0`, `name.0.1`."""

    def __init__(self, key, value):
        self.key, self.value = key, value

    def default(self):
        return {}

    def isIn(self, node, name: str) -> bool:
        return node.HasParameter(f"{name}.len")

    def write(self, node, name: str, value) -> None:
        IsInstance(dict).validate(value)
        for index, (key, one) in enumerate(value.items()):
            self.key.write(node, f"{name}.{index}.0", key)
            self.value.write(node, f"{name}.{index}.1", one)
        node.SetParameter(f"{name}.len", str(len(value)))

    def read(self, node, name: str):
        count = int(node.GetParameter(f"{name}.len") or 0)
        pairs = [(self.key.read(node, f"{name}.{i}.0"), self.value.read(node, f"{name}.{i}.1")) for i in range(count)]
        return ObservedDict(pairs)._keep(lambda new: self.write(node, name, new))
