"""The C++ forms of a Qt function: parameter types for the choice of an overload, and the text of error messages."""

from __future__ import annotations

import collections.abc
import inspect
import typing
from dataclasses import dataclass
from functools import cache

from shibokensupport.signature import get_signature

from . import hidden
from .enums import flags_name, is_native_enum
from .meta import table
from .natives import native_class

CPP_NAMES = {int: "int", float: "double", str: "QString", bool: "bool", None: "void", type(None): "void"}
CPP_NAMES.update({bytes: "QByteArray", typing.Any: "QVariant", object: "PyObject"})
CPP_TYPES = {"int": int, "uint": int, "long": int, "qlonglong": int, "qulonglong": int, "double": float, "float": float}
CPP_TYPES.update({"QString": str, "bool": bool, "QVariant": typing.Any, "PyObject": object, "qreal": float})
CPP_TYPES.update({"QStringList": typing.Sequence[str], "QVariantList": typing.Sequence[typing.Any]})
CPP_TYPES.update({"QVariantMap": dict, "QByteArray": native_class("QByteArray"), "void": None, "": None})


@dataclass(frozen=True)
class Overload:
    """One C++ form: (type, name) of each parameter, and the type that comes back."""

    name: str
    parameters: tuple
    result: object
    is_static: bool = False

    @property
    def inside(self) -> str:
        return ", ".join(f"{cpp_name(kind)} {name}".strip() for kind, name in self.parameters)

    def __str__(self) -> str:
        start = "static " if self.is_static else ""
        return f"{start}{self.name}({self.inside}) -> {cpp_name(self.result)}"


def cpp_name(kind) -> str:
    """C++'s name of a type."""
    if typing.get_origin(kind) is collections.abc.Callable:
        return "PyObject"
    if kind in CPP_NAMES:
        return CPP_NAMES[kind]
    if isinstance(kind, str):
        return kind
    arguments = typing.get_args(kind)
    if arguments:
        inner = cpp_name(arguments[0])
        if not hasattr(kind, "__origin__") or typing.get_origin(kind) is typing.Union:
            return inner
        return "QStringList" if inner == "QString" else f"QList<{inner}>"
    if is_native_enum(kind):
        return _enum_name(kind)
    return getattr(kind, "__qualname__", str(kind)).replace(".", "::")


def _enum_name(kind) -> str:
    owner, _, name = kind.__qualname__.rpartition(".")
    found = native_class(owner) if owner else None
    return f"{owner}::{(flags_name(found, kind) if found else '') or name}"


def cpp_type(name: str):
    """The Python or PySide6 type of a C++ name in a meta object."""
    name = name.replace("const ", "").rstrip("&* ")
    if name.startswith("QFlags<"):
        name = name[7:-1]
    if name in CPP_TYPES:
        return CPP_TYPES[name]
    if name.startswith("QList<"):
        return typing.Sequence[cpp_type(name[6:-1]) or typing.Any]
    found = native_class(name)
    return found if found is not None else typing.Any


@cache
def overloads(owner: type, name: str) -> tuple[Overload, ...]:
    """The forms of a method of a PySide6 class, default arguments spelt out, longest first."""
    function = getattr(owner, name)
    is_static = isinstance(inspect.getattr_static(owner, name), staticmethod)
    forms = _forms(name, get_signature(function), is_static, _slot_names(owner, name))
    return tuple(form for form in forms if (name, form.inside) not in hidden.NEW_FORMS)


@cache
def constructors(owner: type) -> tuple[Overload, ...]:
    """The forms of a constructor, in PythonQt's order: with a parent, then the others, the shorter first."""
    found = list(_forms(owner.__name__, get_signature(owner), False, {}, result=owner))
    return tuple(sorted(reversed(found), key=lambda form: (_group(form), found.index(_longest(form, found)))))


def _group(form: Overload) -> int:
    """0 for those that begin with the parent (longest first), 1 for others, 2 for none."""
    if not form.parameters:
        return 2
    return 0 if form.parameters[0][1] == "parent" else 1


def _longest(form: Overload, found: list[Overload]) -> Overload:
    """The form of which another is the beginning; those with a parent stay in their order."""
    if _group(form) == 0:
        return form
    count = len(form.parameters)
    return next(other for other in found if other.parameters[:count] == form.parameters)


def _forms(name, signature, is_static, slot_names, result=inspect.Parameter.empty):
    many = signature if isinstance(signature, list) else [signature] if signature is not None else []
    seen = set()
    for one in many:
        positional = [p for p in one.parameters.values() if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
        positional = [p for p in positional if p.name != "self"]
        required = sum(p.default is inspect.Parameter.empty for p in positional)
        back = one.return_annotation if result is inspect.Parameter.empty else result
        for count in range(len(positional), required - 1, -1):
            form = _form(name, positional[:count], back, is_static, slot_names)
            if form.parameters not in seen:
                seen.add(form.parameters)
                yield form


def _form(name, parameters, back, is_static, slot_names) -> Overload:
    pairs = [(p.annotation, p.name) for p in parameters]
    names = slot_names.get(len(pairs))
    if names is not None:
        pairs = [(kind, given) for (kind, _), given in zip(pairs, names, strict=True)]
    return Overload(name, tuple(pairs), back, is_static)


def _slot_names(owner: type, name: str) -> dict[int, tuple[str, ...]]:
    """Parameter names that the meta object knows, by their number: PythonQt shows slots with these."""
    known = table(owner)
    found: dict[int, tuple[str, ...]] = {}
    for entry in known.lineage() if known is not None else ():
        for method in entry.methods:
            if method.name == name:
                found.setdefault(len(method.types), method.names)
    return found
