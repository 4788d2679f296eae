"""Signals: connect by string or attribute, arguments cut to what a function takes, errors printed and flagged."""

from __future__ import annotations

import shiboken6
from PySide6 import QtCore

from . import hidden
from .convert import fit, unwrap, wrap
from .errors import report
from .meta import Method, table, text_of
from .signatures import cpp_type
from .subclassing import CONNECTIONS, call_trimmed


class BoundSignal:
    """`button.clicked`: connects to the form that is declared first, default arguments filled in."""

    def __init__(self, wrapper, name: str):
        self.wrapper, self.name = wrapper, name

    def connect(self, *target) -> bool:
        return connect(self.wrapper, self._first().signature, *target, count=hidden.shown_arguments(self._first()))

    def disconnect(self, *target) -> bool:
        return disconnect(self.wrapper, self._first().signature, *target)

    def emit(self, *arguments):
        self(*arguments)

    def __call__(self, *arguments):
        method, native = self._first(), _living(self.wrapper, self.name)
        kinds = [cpp_type(kind) for kind in method.types]
        forms = [len(other.types) for other in table(type(native)).signals() if other.name == self.name]
        if len(arguments) < len(kinds) and len(arguments) in forms:
            arguments = (*arguments, *(kind() for kind in kinds[len(arguments) :]))
        if len(arguments) != len(kinds):
            raise ValueError(f"Called {method.signature} -> void with wrong number of arguments: {arguments!r}")
        values = [fit(kind, value)[1] for kind, value in zip(kinds, arguments, strict=True)]
        _native_signal(native, method).emit(*values)

    def _first(self) -> Method:
        """The form that is declared first."""
        signals = table(type(_living(self.wrapper, self.name))).signals()
        return next(method for method in signals if method.name == self.name)

    def __eq__(self, other):
        return isinstance(other, BoundSignal) and (self.name, self.wrapper) == (other.name, other.wrapper)

    def __hash__(self):
        return hash((self.name, self.wrapper))

    def __repr__(self):
        return f"<qt signal {self.name} of {type(self.wrapper).__name__} instance at {hex(id(self.wrapper))}>"


BoundSignal.__name__ = "QtCore.Signal"


def _native_signal(native, method: Method):
    signal = getattr(native, method.name)
    if not method.types:
        return signal
    try:
        return signal[method.signature.partition("(")[2][:-1]]
    except (IndexError, KeyError):
        return signal


def native_signature(native, signature: str) -> str | None:
    """The meta object's form of what a caller wrote; None when there is no such signal."""
    signature = text_of(QtCore.QMetaObject.normalizedSignature(signature.lstrip("2")))
    signals = table(type(native)).signals()
    if any(method.signature == signature for method in signals):
        return signature
    name = cpp_name(type(native), signature)
    if name is None:
        hidden.refuse_dropped_signal(type(native), signature)
        return None
    found = [method.signature for method in signals if method.name == name]
    return next((form for form in found if "PyObject" in form), found[0])


def cpp_name(kind: type, signature: str) -> str | None:
    """Attribute behind a C++ signature that Qt's meta object does not know (VTK pointers), or None."""
    for base in kind.__mro__:
        name = vars(base).get("CPP_SIGNATURES", {}).get(signature)
        if name:
            return name
    return None


def _living(wrapper, name: str):
    if wrapper._native is None or not shiboken6.isValid(wrapper._native):
        raise ValueError(f"Trying to call '{name}' on a destroyed {type(wrapper).__name__} object")
    return wrapper._native


def connect(wrapper, signature, *target, count: int | None = None) -> bool:
    """connect(signal, callable) or connect(signal, receiver, slot); False when there is no such signal."""
    native = _living(wrapper, "connect")
    found = native_signature(native, str(signature))
    if found is None:
        return False
    if len(target) >= 2:
        return _connect_slot(wrapper, found, target[0], str(target[1]))
    delivered = delivery(target[0], count)
    QtCore.QObject.connect(native, QtCore.SIGNAL(found), delivered)
    native.__dict__.setdefault(CONNECTIONS, []).append((found, target[0], delivered))
    return True


def delivery(function, count: int | None = None):
    """What Qt calls when the signal comes: it keeps `function` alive until the sender goes."""

    def delivered(*arguments):
        try:
            call_trimmed(function, [wrap(value) for value in arguments[:count]])
        except BaseException as error:
            report(error)

    return delivered


def _connect_slot(wrapper, signature: str, receiver, slot: str) -> bool:
    native, target = wrapper._native, unwrap(receiver)
    slot = text_of(QtCore.QMetaObject.normalizedSignature(slot.lstrip("1")))
    if table(type(target)).has_method(slot):
        return bool(QtCore.QObject.connect(native, QtCore.SIGNAL(signature), target, QtCore.SLOT(slot)))
    name = cpp_name(type(target), slot)
    return name is not None and connect(wrapper, signature, getattr(receiver, name))


def disconnect(wrapper, signature, *target) -> bool:
    """disconnect(signal, callable) or disconnect(signal), which drops all of that form; False when nothing was."""
    native = _living(wrapper, "disconnect")
    found = native_signature(native, str(signature))
    if len(target) >= 2:
        slot = QtCore.SLOT(str(target[1]))
        return bool(found and QtCore.QObject.disconnect(native, QtCore.SIGNAL(found), unwrap(target[0]), slot))
    kept, gone = [], []
    for entry in native.__dict__.get(CONNECTIONS, []):
        goes = entry[0] == found and (not target or entry[1] == target[0])
        (gone if goes else kept).append(entry)
    for _, _, delivered in gone:
        QtCore.QObject.disconnect(native, QtCore.SIGNAL(found), delivered)
    native.__dict__[CONNECTIONS] = kept
    return bool(gone)
