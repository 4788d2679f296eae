"""Values between Python and Qt with PythonQt's tolerance: what is taken where, and how it comes back."""

from __future__ import annotations

import collections.abc
import enum
import numbers
import types
import typing

import shiboken6

from .enums import is_native_enum, wrap_enum
from .natives import is_value_type, native_class

EXACT, GOOD, FAIR, LOSSY, TEXT = 5, 4, 3, 2, 1
"""How well an argument fits; the overload whose worst argument fits best is called."""

C_INT = range(-(2**31), 2**31)
IMPLICIT = {"QColor": ["GlobalColor"], "QBrush": ["QColor", "GlobalColor"], "QPen": ["QColor"]}
IMPLICIT["QCursor"] = ["CursorShape"]
"""Value types that C++ makes of another one on the way in."""


class NoMatch(Exception):  # noqa: N818 (a branch of the search for an overload, never seen outside)
    """The value cannot be what a parameter wants."""


def unwrap(value):
    """The PySide6 object (or value) behind a wrapper; containers are searched."""
    from .classes import PythonQtInstanceWrapper

    if isinstance(value, PythonQtInstanceWrapper):
        return value._native
    if isinstance(value, (list, tuple)):
        return [unwrap(item) for item in value]
    if isinstance(value, dict):
        return {key: unwrap(item) for key, item in value.items()}
    return _plain_number(value)


def _plain_number(value):
    """Numbers of numpy and of enumerations as Python's own: a QVariant holds these by value."""
    if type(value) in (int, float, bool, str):
        return value
    if isinstance(value, int):
        return int(value)
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    return value


def wrap(native):
    """The one wrapper of a PySide6 object; lists become tuples, enumerations ints; anything else stays as it is."""
    if native is None or isinstance(native, (str, int, float, bytes)):
        return native if not isinstance(native, enum.Enum) else wrap_enum(native)
    if isinstance(native, enum.Enum):
        return wrap_enum(native)
    if isinstance(native, (list, tuple)):
        return tuple(wrap(item) for item in native)
    if type(native) is dict:
        return {key: wrap(item) for key, item in native.items()}
    if isinstance(native, shiboken6.Object):
        from .classes import wrapper_of

        return wrapper_of(native)
    return native


def fit(kind, value) -> tuple[int, object]:
    """(how well it fits, the value as Qt takes it) for a parameter of type `kind`; NoMatch where it does not fit."""
    if kind in (typing.Any, object, "QVariant", "PyObject"):
        return FAIR, unwrap(value)
    if kind in SIMPLE:
        return SIMPLE[kind](value)
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _fit_union(typing.get_args(kind), value)
    if origin in (collections.abc.Sequence, collections.abc.Iterable, list, tuple):
        return _fit_sequence(typing.get_args(kind), value)
    if (origin or kind) in (dict, collections.abc.Mapping) and isinstance(value, dict):
        return GOOD, unwrap(value)
    if origin is collections.abc.Callable and callable(value):
        return FAIR, _reporting(value)
    if is_native_enum(kind):
        return _fit_enum(kind, value)
    if isinstance(kind, type):
        return _fit_object(kind, value)
    raise NoMatch


def _reporting(function):
    """A callable that Qt keeps: its exceptions are printed and flagged as those of slots."""
    from .signals import delivery

    return delivery(function)


def _fit_bool(value):
    if isinstance(value, bool):
        return EXACT, value
    return (GOOD if isinstance(value, numbers.Number) else LOSSY), bool(value)


def _fit_int(value):
    number = _plain_number(value)
    if isinstance(number, float):
        score, number = LOSSY, int(number) if number == number and abs(number) != float("inf") else None
    elif isinstance(number, int):
        score = EXACT if type(value) is int else GOOD
    else:
        raise NoMatch
    if number is None or not -(2**31) <= number < 2**32:
        raise NoMatch
    return score, number


def _fit_float(value):
    number = _plain_number(value)
    if not isinstance(number, (int, float)):
        raise NoMatch
    return (EXACT if isinstance(number, float) else GOOD), float(number)


def _fit_str(value):
    return (EXACT, value) if isinstance(value, str) else (TEXT, str(value))


def _fit_bytes(value):
    if isinstance(value, (bytes, bytearray)):
        return EXACT, bytes(value)
    if isinstance(value, str):
        return GOOD, value.encode()
    raise NoMatch


SIMPLE = {bool: _fit_bool, int: _fit_int, float: _fit_float, str: _fit_str, bytes: _fit_bytes}


def _fit_union(members, value):
    """A union says what PySide6 makes of other types, too; PythonQt takes the C++ type (the first) and None."""
    if value is None and type(None) in members:
        return GOOD, None
    first = members[0]
    if getattr(first, "__name__", "") == "QByteArray" and isinstance(value, (str, bytes)):
        return GOOD, value.encode() if isinstance(value, str) else value
    return fit(first, value)


def _fit_sequence(members, value):
    """Any iterable of what is wanted; a str gives its letters."""
    if isinstance(value, (bytes, dict)) or not isinstance(value, collections.abc.Iterable):
        raise NoMatch
    pairs = [fit(members[0], item) if members else (FAIR, unwrap(item)) for item in value]
    worst = min((score for score, _ in pairs), default=GOOD)
    return min(worst, LOSSY if isinstance(value, str) else GOOD), [item for _, item in pairs]


def _fit_enum(kind, value):
    number = _plain_number(value)
    if not isinstance(number, int) or isinstance(number, bool):
        raise NoMatch
    try:
        return (EXACT if getattr(type(value), "native", None) is kind else FAIR), kind(number)
    except ValueError as error:
        raise NoMatch from error


def _fit_object(kind: type, value):
    native = unwrap(value)
    if isinstance(native, kind) and isinstance(native, shiboken6.Object):
        return (EXACT if type(native) is kind else GOOD), native
    if value is None and not is_value_type(kind):
        return GOOD, None
    for name in IMPLICIT.get(kind.__name__, []):
        if _is_named(value, name):
            made = native_class("Qt." + name)(int(value)) if name.startswith(("Global", "Cursor")) else native
            return FAIR, kind(made)
    raise NoMatch


def _is_named(value, name: str) -> bool:
    return type(value).__name__ == name
