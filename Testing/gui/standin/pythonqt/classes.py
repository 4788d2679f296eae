"""The wrapper classes: flat (no inheritance between them), made from PySide6's classes when first asked for."""

from __future__ import annotations

import shiboken6

from . import hidden, subclassing
from .calls import converted
from .enums import module_name
from .natives import is_pyside, is_value_type, qt_base
from .signatures import constructors

_classes: dict[type, type] = {}
_light_classes: set[type] = set()


class PythonQtClassWrapper(type):
    """Type of all wrapper classes; a class statement that derives from one also makes a native class behind it."""

    def __new__(mcs, name, bases, namespace, native=None):
        cls = super().__new__(mcs, name, bases, namespace)
        base = next((entry for entry in cls.__mro__[1:] if vars(entry).get("_native_class")), None)
        if native is None and base is not None:
            native = subclassing.native_subclass(cls, base)
        cls._native_class = native
        cls._is_derived = base is not None
        return cls

    def __init__(cls, name, bases, namespace, native=None):
        super().__init__(name, bases, namespace)

    def __getattr__(cls, name):
        native = cls.__dict__.get("_native_class")
        if native is not None and not name.startswith("_"):
            hidden.refuse_missing(native, name)
        raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")

    def __dir__(cls):
        return shown_names(cls)


class PythonQtInstanceWrapper(metaclass=PythonQtClassWrapper):
    """What every wrapper can do; holds the native object, which dies with it where nothing in Qt owns it."""

    __slots__ = ("_held", "_native", "__weakref__")
    __module__ = "PythonQt"

    def __init__(self, *arguments, **keywords):
        cls = type(self)
        if cls._native_class is None:
            raise TypeError(f"cannot create '{cls.__name__}' instances")
        _construct(self, next(base for base in cls.__mro__ if not base._is_derived), arguments, keywords)

    def __getattr__(self, name):
        from .members import dynamic_property

        if name == "_native":
            return None  # a Python subclass that never called Qt's __init__
        return dynamic_property(self, name)

    def __setattr__(self, name, value):
        from .members import set_attribute

        set_attribute(self, name, value)

    def __eq__(self, other):
        return isinstance(other, PythonQtInstanceWrapper) and same(self._native, other._native)

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        native = self._native
        if subclassing.is_qobject(native):
            return hash(shiboken6.getCppPointer(native)[0]) if shiboken6.isValid(native) else id(native)
        return hash(repr(native)) if is_value_type(type(native)) else id(native)

    def __bool__(self):
        from .texts import truth

        return truth(self)

    def __dir__(self):
        return shown_names(type(self)) + list(vars(self) if type(self)._is_derived else ())

    def __repr__(self):
        from .texts import shown

        return shown(self)

    def __str__(self):
        from .texts import text

        return text(self)

    def __del__(self):
        if subclassing is not None and subclassing.let_go is not None:  # None when Python itself ends
            subclassing.let_go(self)

    def __reduce_ex__(self, protocol):
        raise TypeError(f"cannot pickle '{type(self).__name__}' object")


def shown_names(cls: type) -> list[str]:
    """What dir() shows: Python's own names and the members, nothing of how the stand-in works."""
    names = {name for base in cls.__mro__ for name in vars(base) if not name.startswith("_")}
    if subclassing.is_qobject_class(cls._native_class):
        names -= {"name"}  # an alias of objectName that dir() does not show
    return sorted(names | set(dir(object)) | {"__bool__", "__dict__", "__module__", "__weakref__"})


PythonQtInstanceWrapper._native_class = None
PythonQtInstanceWrapper._is_derived = False


def same(one, other) -> bool:
    """Whether two natives are one C++ object, or equal values."""
    if one is other:
        return True
    if subclassing.is_qobject(one) or subclassing.is_qobject(other):
        valid = one is not None and other is not None and shiboken6.isValid(one) and shiboken6.isValid(other)
        return (
            valid and subclassing.is_qobject(other) and shiboken6.getCppPointer(one) == shiboken6.getCppPointer(other)
        )
    return type(one) is type(other) and bool(one == other)


def _construct(wrapper, cls, arguments, keywords) -> None:
    from .special import CONSTRUCTORS

    native_class = type(wrapper)._native_class
    forms = light_constructors(cls) if cls in _light_classes else constructors(cls._native_class)
    special = CONSTRUCTORS.get(cls.__name__)
    if special is not None and not keywords:
        arguments = special(*arguments)
    values = converted(cls.__name__, forms, arguments, keywords)
    native = subclassing.new_native(native_class, values)
    bind(wrapper, native)
    if cls.__name__ == "QSignalBlocker":
        object.__setattr__(wrapper, "_held", values)  # the real one crashes when what it blocks is gone


def light_constructors(cls):
    from .signatures import Overload, native_class

    parent = (
        native_class("QWidget") if issubclass(cls._native_class, native_class("QWidget")) else native_class("QObject")
    )
    result = cls.__name__
    return (Overload(result, ((parent, "parent"),), result), Overload(result, (), result))


def bind(wrapper, native) -> None:
    """Tie a wrapper and its native object together."""
    object.__setattr__(wrapper, "_native", native)
    subclassing.remember(native, wrapper)


def wrapper_of(native):
    """The wrapper of a native object: the one that lives, or a new one."""
    known = subclassing.remembered(native)
    if known is not None:
        return known
    cls = class_of(type(native))
    wrapper = cls.__new__(cls)
    bind(wrapper, native)
    return wrapper


def class_of(kind: type) -> type:
    """The wrapper class that shows instances of a native class."""
    for base in kind.__mro__:
        if base in _classes:
            return _classes[base]
        if is_pyside(base):
            return flat_class(base)
    raise TypeError(f"no Qt class: {kind}")


def flat_class(native: type) -> type:
    """The wrapper class of one of PySide6's classes."""
    if native not in _classes:
        cls = _new_class(native.__name__, native, module_name(native))
        from .members import add_members

        add_members(cls, native)
    return _classes[native]


def _new_class(name: str, native: type, module: str, **namespace) -> type:
    namespace = {"__slots__": (), "__module__": module, "__init__": PythonQtInstanceWrapper.__init__, **namespace}
    cls = PythonQtClassWrapper(name, (PythonQtInstanceWrapper,), namespace, native=native)
    cls._is_derived = False
    _classes[native] = cls
    return cls


def light_class(native_class: type, name: str | None = None) -> type:
    """The wrapper class of a class written in Python, seen as PythonQt sees CTK's and MRML's classes.

    Python gets what the meta object declares beyond Qt's own base class, and all of that base class.
    """
    if native_class in _classes:
        return _classes[native_class]
    from .members import add_light_members, copy_members

    module = "PythonQt.CTKWidgets" if native_class.__name__.startswith("ctk") else "PythonQt.qMRMLWidgets"
    cls = _new_class(name or native_class.__name__, native_class, module)
    _light_classes.add(cls)
    copy_members(cls, flat_class(qt_base(native_class)))
    add_light_members(cls, native_class)
    return cls


def register(native: type, wrapper: type) -> None:
    """Let natives of a class be shown by a wrapper class."""
    _classes[native] = wrapper
