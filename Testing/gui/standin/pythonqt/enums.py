"""Qt's enumerations as PythonQt shows them: subclasses of int that print as numbers."""

from __future__ import annotations

import enum
from functools import cache

PLURALS = {
    "AlignmentFlag": "Alignment",
    "WindowType": "WindowFlags",
    "StepEnabledFlag": "StepEnabled",
    "UrlFormattingOption": "FormattingOptions",
    **dict.fromkeys(["CheckIndexOption", "StyleStrategy", "PolicyFlag", "UserInputResolutionOption"], ""),
}
"""Names of sets of flags that no meta object tells and that are not the enumeration's name and an 's'."""


def _number(self) -> str:
    return str(int(self))


def is_native_enum(kind) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


@cache
def enum_class(native: type, name: str = "") -> type:
    """The int class of a PySide6 enumeration; its keys are its attributes, without losing the int type."""
    name = name or native.__name__
    members = {"__repr__": _number, "__str__": _number, "__format__": lambda self, spec: format(int(self), spec)}
    wrapped = type(name, (int,), {**members, "__module__": module_name(native), "native": native})
    for key, value in native.__members__.items():
        setattr(wrapped, key, wrapped(as_int(value)))
    return wrapped


def as_int(value) -> int:
    """The number of a PySide6 enumeration value."""
    number = value.value
    return number if isinstance(number, int) else 0


def module_name(native: type) -> str:
    """Where PythonQt says that a class lives; widgets are in QtGui there."""
    module = native.__module__.rpartition(".")[2]
    return "PythonQt." + {"QtWidgets": "QtGui"}.get(module, module)


def flags_name(owner: type, native: type) -> str:
    """Name of the set type of a flag enumeration ('Alignment' of 'AlignmentFlag'), '' where it has none."""
    from .meta import table

    known = table(owner)
    for entry in known.lineage() if known is not None else ():
        if native.__name__ in entry.flags:
            return entry.flags[native.__name__]
    if issubclass(native, enum.Flag):
        return PLURALS.get(native.__name__, native.__name__ + "s")
    return ""


def wrap_enum(value: enum.Enum) -> int:
    """The number of a value, as an instance of the int class that shows its enumeration."""
    kind = type(value)
    if isinstance(value, enum.Flag):
        return enum_class(kind, _known_flags(kind))(as_int(value))
    return enum_class(kind)(as_int(value))


@cache
def _known_flags(native: type) -> str:
    owner_name = native.__qualname__.rpartition(".")[0]
    from .natives import native_class

    owner = native_class(owner_name)
    return (flags_name(owner, native) if owner is not None else "") or native.__name__
