"""Signals: connect by string or attribute, arguments cut to what a function takes, errors printed and flagged."""

from __future__ import annotations

import shiboken6
from PySide6 import QtCore

from . import hidden
from .convert import fit, unwrap, wrap
from .errors import StandInGap, report
from .natives import meta_of
from .signatures import cpp_type
from .subclassing import call_trimmed

CONNECTIONS = "_standin_connections"
SIGNAL = QtCore.QMetaMethod.MethodType.Signal


def text_of(array) -> str:
    return bytes(array.data()).decode()


class BoundSignal:
    """`button.clicked`: connects to the form that is declared first, default arguments filled in."""

    def __init__(self, wrapper, name: str):
        self.wrapper, self.name = wrapper, name

    def connect(self, *target) -> bool:
        return connect(self.wrapper, self._signature(), *target)

    def disconnect(self, *target) -> bool:
        return disconnect(self.wrapper, self._signature(), *target)

    def emit(self, *arguments):
        self(*arguments)

    def __call__(self, *arguments):
        native = self.wrapper._native
        method = _method(native, self._signature())
        kinds = [cpp_type(text_of(kind)) for kind in method.parameterTypes()]
        if len(arguments) < len(kinds) and _has_form(native, self.name, len(arguments)):
            arguments = (*arguments, *(kind() for kind in kinds[len(arguments) :]))
        if len(arguments) != len(kinds):
            raise ValueError(
                f"Called {text_of(method.methodSignature())} -> void with wrong number of arguments: {arguments!r}"
            )
        values = [fit(kind, value)[1] for kind, value in zip(kinds, arguments)]
        _native_signal(native, method).emit(*values)

    def _signature(self) -> str:
        return first_signature(self.wrapper._native, self.name)

    def __eq__(self, other):
        return isinstance(other, BoundSignal) and (self.name, self.wrapper) == (other.name, other.wrapper)

    def __hash__(self):
        return hash((self.name, self.wrapper))

    def __repr__(self):
        return f"<qt signal {self.name} of {type(self.wrapper).__name__} instance at {hex(id(self.wrapper))}>"


BoundSignal.__name__ = "QtCore.Signal"


def _signal_methods(native):
    """All signals of an object, those of the most derived class first, each class in the order of its header."""
    meta = meta_of(native)
    while meta is not None:
        for index in range(meta.methodOffset(), meta.methodCount()):
            method = meta.method(index)
            if method.methodType() == SIGNAL:
                yield method
        meta = meta.superClass()


def first_signature(native, name: str) -> str:
    """The form of a signal that is declared first."""
    for method in _signal_methods(native):
        if text_of(method.name()) == name:
            return text_of(method.methodSignature())
    raise AttributeError(name)


def _has_form(native, name: str, count: int) -> bool:
    found = [method for method in _signal_methods(native) if text_of(method.name()) == name]
    return any(method.parameterCount() == count for method in found)


def _method(native, signature: str):
    return meta_of(native).method(meta_of(native).indexOfSignal(signature))


def _native_signal(native, method):
    signal = getattr(native, text_of(method.name()))
    try:
        return signal[text_of(method.methodSignature()).partition("(")[2][:-1]]
    except (IndexError, KeyError):
        return signal


def native_signature(native, signature: str) -> str | None:
    """The meta object's form of what a caller wrote; None when there is no such signal."""
    signature = text_of(QtCore.QMetaObject.normalizedSignature(signature.lstrip("2")))
    if meta_of(native).indexOfSignal(signature) >= 0:
        return signature
    for kind in type(native).__mro__:
        name = vars(kind).get("CPP_SIGNATURES", {}).get(signature)
        if name:
            return _object_form(native, name)
    hidden.refuse_dropped_signal(type(native), signature)
    return None


def _object_form(native, name: str) -> str:
    """The form of a Python signal that carries an object (a VTK node), else the first."""
    found = [text_of(method.methodSignature()) for method in _signal_methods(native) if text_of(method.name()) == name]
    return next((signature for signature in found if "PyObject" in signature), found[0])


def _living(wrapper, name: str):
    if wrapper._native is None or not shiboken6.isValid(wrapper._native):
        raise ValueError(f"Trying to call '{name}' on a destroyed {type(wrapper).__name__} object")
    return wrapper._native


def connect(wrapper, signature, *target) -> bool:
    """connect(signal, callable) or connect(signal, receiver, slot); False when there is no such signal."""
    native = _living(wrapper, "connect")
    found = native_signature(native, str(signature))
    if found is None:
        return False
    if len(target) >= 2:
        return _connect_slot(native, found, target[0], str(target[1]))
    receiver = _Receiver(target[0], hidden.SHORTER_SIGNALS.get(found))
    delivered = receiver.deliver()
    QtCore.QObject.connect(native, QtCore.SIGNAL(found), delivered)
    native.__dict__.setdefault(CONNECTIONS, []).append((found, receiver.function, delivered))
    return True


class _Receiver:
    """What is called when a signal comes."""

    def __init__(self, function, count: int | None):
        self.function, self.count = function, count

    def deliver(self):
        function, count = self.function, self.count

        def delivered(*arguments):
            try:
                call_trimmed(function, [wrap(value) for value in arguments[:count]])
            except BaseException as error:
                report(error)

        return delivered


def _connect_slot(native, signature: str, receiver, slot: str) -> bool:
    target = unwrap(receiver)
    slot = text_of(QtCore.QMetaObject.normalizedSignature(slot.lstrip("1")))
    if meta_of(target).indexOfMethod(slot) >= 0:
        return bool(QtCore.QObject.connect(native, QtCore.SIGNAL(signature), target, QtCore.SLOT(slot)))
    for kind in type(target).__mro__:
        name = vars(kind).get("CPP_SIGNATURES", {}).get(slot)
        if name:
            return connect(wrap(native), signature, getattr(wrap(target), name))
    return False


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


__all__ = ["BoundSignal", "StandInGap", "connect", "disconnect"]
