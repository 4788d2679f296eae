"""The native classes as Python sees them: PythonQt's light wrapping, and what PySide6 needs on top of it."""

from __future__ import annotations

import types

from standin.pythonqt import light_class
from standin.pythonqt.members import PropertyMember, SlotMember

from . import base


class OwnProperty(PropertyMember):
    """A property written in Python. PySide6 only prints what it raises; a gap must reach the caller."""

    def __get__(self, wrapper, owner=None):
        base.GAPS_MET.clear()
        value = super().__get__(wrapper, owner)
        _raise_gap()
        return value

    def set(self, wrapper, value) -> None:
        base.GAPS_MET.clear()
        super().set(wrapper, value)
        _raise_gap()


def _raise_gap() -> None:
    if base.GAPS_MET:
        raise base.GAPS_MET.pop()


def wrapper_of_class(native: type) -> type:
    """The light wrapper; methods of Qt are those that the class overrides in Python, where it does."""
    wrapper = light_class(native)
    for name, member in _own_members(native).items():
        shown = vars(wrapper).get(name)
        if isinstance(shown, PropertyMember) and not isinstance(member, types.FunctionType):
            setattr(wrapper, name, OwnProperty(name))
        elif isinstance(shown, SlotMember) and isinstance(member, types.FunctionType) and not shown.static:
            setattr(wrapper, name, SlotMember(name, native, getattr(native, name), shown.forms))
    return wrapper


def _own_members(native: type) -> dict:
    """What the class and its bases here define."""
    found: dict = {}
    for entry in reversed(native.__mro__):
        if entry.__module__.startswith(__package__):
            found.update(vars(entry))
    return found
