"""Python subclasses of wrapped classes: a native class behind each, and who keeps whom alive."""

from __future__ import annotations

import sys
import types
import weakref
from functools import cache

import shiboken6
from PySide6.QtCore import QObject, QSignalBlocker
from PySide6.QtCore import Signal as NativeSignal

from .convert import NoMatch, fit, wrap
from .errors import StandInGap, report

LINK = "_standin_wrapper"
KEPT = "_standin_kept"
LATER = "_standin_later"
CONNECTIONS = "_standin_connections"
ONLY_WRAPPER = 4
"""References to a native object that nobody but its wrapper holds, counted in `_keep_or_tell`."""


def is_qobject(native) -> bool:
    return isinstance(native, QObject)


def is_qobject_class(native_class) -> bool:
    return native_class is not None and issubclass(native_class, QObject)


def remember(native, wrapper) -> None:
    """Note the wrapper in its native object."""
    if hasattr(native, "__dict__"):  # a value has none: each look at it may give another wrapper
        native.__dict__[LINK] = weakref.ref(wrapper)


def remembered(native):
    """The living wrapper of a native object, or None."""
    link = getattr(native, "__dict__", {}).get(LINK)
    return link() if link is not None else None


def let_go(wrapper) -> None:
    """The last Python reference to a wrapper goes."""
    if sys.is_finalizing():
        return
    native = wrapper._native
    if native is None or not shiboken6.isValid(native):
        return
    if isinstance(native, QSignalBlocker):
        native.unblock()
        native.dismiss()  # its destructor may come after the end of what it blocks
    elif is_qobject(native):
        _keep_or_tell(wrapper, native)


def _keep_or_tell(wrapper, native) -> None:
    """Where Qt keeps the object, a Python subclass stays with it; else it ends, and tells who waits for that."""
    is_free = native.parent() is None and (shiboken6.ownedByPython(native) or LATER in native.__dict__)
    if not is_free:
        if type(wrapper)._is_derived:
            native.__dict__[KEPT] = wrapper
            remember(native, wrapper)
        return
    awaited = any(entry[0].startswith("destroyed(") for entry in native.__dict__.get(CONNECTIONS, ()))
    others = LATER in native.__dict__  # deleteLater() makes PySide6 hold one reference of its own
    if awaited and sys.getrefcount(native) <= ONLY_WRAPPER + others:
        shiboken6.delete(native)  # PySide6 would end it without the signal


def new_native(native_class: type, values: list):
    """A native object; of an abstract class (QAbstractButton) one whose pure virtual functions do nothing."""
    try:
        return native_class(*values)
    except NotImplementedError:
        return _concrete(native_class)(*values)


@cache
def _concrete(native_class: type) -> type:
    return type(native_class)(native_class.__name__, (native_class,), {"paintEvent": lambda self, event: None})


def native_subclass(cls: type, base: type) -> type:
    """The native class behind a Python subclass: Qt calls the overrides, the meta object knows the signals."""
    native_base = base._native_class
    if native_base is None:
        return None
    namespace = {"__module__": cls.__module__}
    for name, member in _own_members(cls, base).items():
        if isinstance(member, types.FunctionType) and _is_method(native_base, name):
            namespace[name] = _override(name, native_base)
        elif isinstance(member, Signal):
            namespace[name] = NativeSignal(*member.types)
    native = type(native_base)(cls.__name__, (native_base,), namespace)
    from .classes import register

    register(native, cls)
    return native


def _own_members(cls: type, base: type) -> dict:
    """Members that the class statement and its mix-ins bring, over those of the wrapped class."""
    found: dict = {}
    for entry in reversed(cls.__mro__):
        if entry is not object and not issubclass(base, entry):
            found.update(vars(entry))
    return found


def _is_method(native: type, name: str) -> bool:
    return not name.startswith("__") and callable(getattr(native, name, None))


def _override(name: str, native_base: type):
    def override(native, *arguments):
        wrapper = remembered(native)
        if wrapper is None:  # called while Qt's constructor runs
            return getattr(native_base, name)(native, *arguments)
        try:
            answer = call_trimmed(getattr(wrapper, name), [wrap(value) for value in arguments])
        except BaseException as error:
            report(error)
            answer = None
        return _answer(native_base, name, answer)

    override.__name__ = name
    return override


def _answer(native_base: type, name: str, answer):
    """An override's answer as C++ wants it; a default where it gave none or a wrong one."""
    from .signatures import overloads

    kind = next((form.result for form in overloads(native_base, name)), None)
    if kind in (None, type(None)):
        return None
    try:
        return fit(kind, answer)[1]
    except NoMatch:
        return kind() if isinstance(kind, type) else None


def call_trimmed(function, arguments: list):
    """Call with as many arguments as a Python function, method or lambda can take; others get all."""
    return function(*arguments[: _room(function, len(arguments))])


def _room(function, count: int) -> int:
    bound = isinstance(function, types.MethodType)
    plain = function.__func__ if bound else function
    if not isinstance(plain, types.FunctionType) or plain.__code__.co_flags & 4:
        return count
    return max(0, plain.__code__.co_argcount - bound)


class Signal:
    """`qt.Signal(int)` in the body of a Python subclass."""

    def __init__(self, *kinds):
        self.types = [
            object if isinstance(kind, type) and kind not in (int, float, bool, str) else kind for kind in kinds
        ]
        self.name = ""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        from .signals import BoundSignal

        return BoundSignal(instance, self.name)

    def __repr__(self):
        return "Signal"


def slot(*_kinds, **_options):
    """`@qt.Slot(int)`: PythonQt calls any function, so the decorator leaves it as it is."""
    return lambda function: function


def refuse_property(*_arguments, **_options):
    raise StandInGap("qt.Property in Python classes is not part of the stand-in")
