"""What Qt's meta objects say about a class, read once.

Reading again is not safe: after `instance.metaObject()` of an object with a parent PySide6 6.12 takes the meta object
of the whole class for destroyed as soon as that parent is. So nothing here asks an instance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from PySide6 import QtCore

KINDS = QtCore.QMetaMethod.MethodType


@dataclass(frozen=True)
class Method:
    """A signal, slot or invokable."""

    name: str
    signature: str
    types: tuple[str, ...]
    names: tuple[str, ...]
    result: str
    is_signal: bool
    is_public: bool


@dataclass
class Table:
    """Own members of a class and its base's table."""

    class_name: str
    base: Table | None
    meta: object
    properties: dict = field(default_factory=dict)
    methods: list[Method] = field(default_factory=list)
    flags: dict[str, str] = field(default_factory=dict)

    def lineage(self):
        """This table and those of the bases."""
        entry = self
        while entry is not None:
            yield entry
            entry = entry.base

    def property(self, name: str):
        return next((entry.properties[name] for entry in self.lineage() if name in entry.properties), None)

    def signals(self) -> list[Method]:
        """All signals, those of the most derived class first, each class in the order of its header."""
        return [method for entry in self.lineage() for method in entry.methods if method.is_signal]

    def has_method(self, signature: str) -> bool:
        return any(method.signature == signature for entry in self.lineage() for method in entry.methods)


def text_of(array) -> str:
    return bytes(array.data()).decode()


@cache
def table(native: type) -> Table | None:
    """The table of a native class, None where it has no meta object."""
    meta = getattr(native, "staticMetaObject", None)
    if meta is None:
        return None
    base_class = next((base for base in native.__mro__[1:] if hasattr(base, "staticMetaObject")), None)
    base = table(base_class) if base_class is not None else None
    found = Table(meta.className(), base, meta)
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        found.properties[meta.property(index).name()] = meta.property(index)
    found.methods = [_method(meta.method(index)) for index in range(meta.methodOffset(), meta.methodCount())]
    for index in range(meta.enumeratorOffset(), meta.enumeratorCount()):
        entry = meta.enumerator(index)
        if entry.isFlag() and entry.enumName() != entry.name():
            found.flags[entry.enumName()] = entry.name()
    return found


def _method(method) -> Method:
    return Method(
        name=text_of(method.name()),
        signature=text_of(method.methodSignature()),
        types=tuple(text_of(kind) for kind in method.parameterTypes()),
        names=tuple(text_of(name) for name in method.parameterNames()),
        result=method.typeName(),
        is_signal=method.methodType() == KINDS.Signal,
        is_public=method.access() == QtCore.QMetaMethod.Access.Public,
    )
