"""Attributes of wrapper classes: properties, slots, signals and enumeration keys as descriptors."""

from __future__ import annotations

import functools
import inspect
import itertools

import shiboken6
from PySide6 import QtCore

from . import hidden, special, threads
from .calls import call, converted
from .convert import NoMatch, fit, wrap
from .enums import as_int, enum_class, flags_name, is_native_enum
from .errors import StandInGap
from .meta import table
from .natives import qt_base
from .signals import BoundSignal
from .signatures import Overload, cpp_type, overloads


def cpp_class(wrapper) -> str:
    """The C++ class's name that messages give."""
    return next(base.__name__ for base in type(wrapper).__mro__ if not base._is_derived)


def living(wrapper, doing: str):
    """The native object of a wrapper; ValueError when it is destroyed."""
    native = wrapper._native
    if native is None or not shiboken6.isValid(native):
        raise ValueError(f"Trying to {doing} a destroyed {cpp_class(wrapper)} object")
    return native


class PropertyMember:
    """A Qt property."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, wrapper, owner=None):
        if wrapper is None:
            return None
        native = living(wrapper, f"read property '{self.name}' from")
        found = table(type(native)).property(self.name)
        value = found.read(native)
        if found.isEnumType():
            return _property_number(native, self.name, value)
        return wrap(value)

    def set(self, wrapper, value) -> None:
        native = living(wrapper, f"write property '{self.name}' on")
        found = table(type(native)).property(self.name)
        if not found.isWritable():
            raise AttributeError(f"Property '{self.name}' of {cpp_class(wrapper)} object is not writable")
        kind = cpp_type(found.typeName())
        try:
            given = fit(int if found.isEnumType() else kind, value)[1]
        except NoMatch:
            shown = found.typeName()
            raise AttributeError(
                f"Property '{self.name}' of type '{shown}' does not accept an object of type "
                f"{type(value).__name__} ({value!r})"
            ) from None
        if not native.setProperty(self.name, given):
            raise StandInGap(f"PySide6 does not take {value!r} for {cpp_class(wrapper)}.{self.name}")


def _property_number(native, name: str, value) -> int:
    """A property of an enumeration is a plain int."""
    if value is None:
        value = getattr(native, name)()
    return as_int(value) if not isinstance(value, int) else int(value)


class SlotMember:
    """A slot or another method."""

    def __init__(self, name: str, native: type, function, forms, static: str = ""):
        self.name, self.native, self.function, self.forms, self.static = name, native, function, forms, static

    def __get__(self, wrapper, owner=None):
        return UnboundSlot(self, owner) if wrapper is None else BoundSlot(self, wrapper)

    @property
    def shown(self) -> str:
        return f"static_{self.static}_{self.name}" if self.static else self.name

    def call(self, wrapper, arguments, keywords):
        """Call with an instance."""
        native = living(wrapper, f"call '{self.name}' on")
        decorator = special.method(type(wrapper), self.name)
        if decorator is not None:
            if keywords:
                converted(self.name, self.forms(), arguments, keywords)
            start = () if special.is_static(decorator) else (wrapper,)
            return decorator(*start, *arguments)
        if threads.must_wait(native):
            return threads.post(lambda: self.call(wrapper, arguments, keywords))
        if self.static:  # some are also methods (QFile.exists), which need their instance
            return call(getattr(native, self.name), self.name, self.forms(), arguments, keywords)
        return call(functools.partial(self.function, native), self.name, self.forms(), arguments, keywords)


class BoundSlot:
    """`widget.setText`."""

    def __init__(self, member: SlotMember, wrapper):
        self.member, self.wrapper, self.__name__ = member, wrapper, member.name
        self.__doc__ = f"X.{member.name}(a)"

    def __call__(self, *arguments, **keywords):
        return self.member.call(self.wrapper, arguments, keywords)

    def __eq__(self, other):
        return isinstance(other, BoundSlot) and (self.member.name, self.wrapper) == (other.member.name, other.wrapper)

    def __hash__(self):
        return hash((self.member.name, self.wrapper))

    def __repr__(self):
        return f"<qt slot {self.member.shown} of {cpp_class(self.wrapper)} instance at {hex(id(self.wrapper))}>"


class UnboundSlot:
    """`qt.QWidget.setEnabled`, to be called with an instance first, or a static function."""

    def __init__(self, member: SlotMember, owner: type):
        self.member, self.owner, self.__name__ = member, owner, member.name

    def __call__(self, *arguments, **keywords):
        member = self.member
        if member.static:
            decorator = special.method(self.owner, member.name)
            if decorator is not None and not keywords:
                return decorator(*arguments)
            return call(member.function, member.name, member.forms(), arguments, keywords)
        if not arguments or not hasattr(type(arguments[0]), "_native_class"):
            raise TypeError(f"slot {member.name} requires {self.owner.__name__} instance as first argument")
        return member.call(arguments[0], arguments[1:], keywords)

    def __repr__(self):
        return f"<unbound qt slot {self.member.shown} of {self.owner.__name__} type>"


BoundSlot.__name__ = UnboundSlot.__name__ = "builtin_qt_slot"


class SignalMember:
    """A signal."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, wrapper, owner=None):
        if wrapper is None:
            return UnboundSignal(self.name, owner)
        living(wrapper, f"read signal '{self.name}' from")
        return BoundSignal(wrapper, self.name)


class UnboundSignal:
    def __init__(self, name: str, owner: type):
        self.name, self.owner = name, owner

    def __repr__(self):
        return f"<unbound qt signal {self.name} of {self.owner.__name__} type>"


# --- filling a class


def add_members(cls: type, native: type) -> None:
    """All that a class of PySide6 offers and PythonQt shows."""
    for name in dir(native):
        if name.startswith("_") or hidden.is_hidden(native, name):
            continue
        member = inspect.getattr_static(native, name)
        if is_native_enum(member):
            add_enum(cls, native, member)
        elif type(member) is QtCore.Signal:  # isinstance() takes a reference too many from False here (PySide6 6.12)
            setattr(cls, name, SignalMember(name))
        elif isinstance(member, type):
            pass  # structures inside classes: asked for by name where they are needed
        elif callable(member) or isinstance(member, staticmethod):
            setattr(cls, name, _slot(name, native, member))
    for name, method in special.methods_of(native).items():
        setattr(cls, name, _decorated(name, native, method))
    add_properties(cls, native)
    add_operators(cls, native)


def _slot(name: str, native: type, member) -> SlotMember:
    static = native.__name__ if isinstance(member, staticmethod) else ""
    return SlotMember(name, native, getattr(native, name), lambda: overloads(native, name), static)


def _decorated(name: str, native: type, method) -> SlotMember:
    known = callable(getattr(native, name, None))
    forms = (lambda: overloads(native, name)) if known else (lambda: (Overload(name, (), None),))
    return SlotMember(name, native, method, forms, native.__name__ if special.is_static(method) else "")


def add_properties(cls: type, native: type, until: type | None = None) -> None:
    """The properties of a class, down to (without) the class `until`."""
    known, last = table(native), table(until) if until is not None else None
    for entry in known.lineage() if known is not None else ():
        if entry is last:
            break
        for name in entry.properties:
            hides = hidden.is_hidden(native, name) or hidden.is_hidden_property(native, name)
            if not hides and (cls.__name__, name) not in hidden.METHODS_OVER_PROPERTIES:
                setattr(cls, name, PropertyMember(name))
    if issubclass(native, QtCore.QObject):
        cls.name = PropertyMember("objectName")


def add_enum(cls: type, owner: type, native_enum: type) -> None:
    """An enumeration and its keys; a set of flags also has a name of its own."""
    flags = flags_name(owner, native_enum)
    shown = enum_class(native_enum)
    setattr(cls, native_enum.__name__, shown)
    typed = shown
    if flags:
        setattr(cls, flags, enum_class(native_enum, flags))
        typed = enum_class(native_enum, flags) if _is_meta_flag(owner, native_enum) else shown
    for key, value in native_enum.__members__.items():
        if key.isidentifier() and not hasattr(cls, key) and not hidden.is_hidden(owner, key):
            setattr(cls, key, typed(as_int(value)))


def _is_meta_flag(owner: type, native_enum: type) -> bool:
    known = table(owner)
    return known is not None and any(native_enum.__name__ in entry.flags for entry in known.lineage())


OPERATORS = ["add", "sub", "mul", "truediv", "and", "or", "xor", "neg", "iadd", "isub"]


def add_operators(cls: type, native: type) -> None:
    for operator in OPERATORS:
        name = f"__{operator}__"
        if hasattr(native, name) and not issubclass(native, QtCore.QObject):
            setattr(cls, name, _operator(name))


def _operator(name: str):
    def apply(wrapper, *others):
        from .convert import unwrap

        return wrap(getattr(wrapper._native, name)(*(unwrap(other) for other in others)))

    return apply


def copy_members(cls: type, base: type) -> None:
    """What the Qt base class of a light class shows."""
    for name, member in vars(base).items():
        if not name.startswith("_") and name not in vars(cls):
            setattr(cls, name, member)


def add_light_members(cls: type, native: type) -> None:
    """What a class written in Python declares in its meta object, beyond its Qt base class."""
    base = qt_base(native)
    slots: dict[str, list] = {}
    for entry in itertools.takewhile(lambda entry: entry is not table(base), table(native).lineage()):
        for method in entry.methods:
            if method.is_signal:
                setattr(cls, method.name, SignalMember(method.name))
            elif method.is_public:
                slots.setdefault(method.name, []).append(_light_form(method, native))
    for name, forms in slots.items():
        setattr(cls, name, SlotMember(name, native, getattr(native, name), lambda forms=tuple(forms): forms))
    for kind in native.__mro__[: native.__mro__.index(base)]:
        for member in vars(kind).values():
            if is_native_enum(member):
                _add_light_enum(cls, member)
    add_properties(cls, native, until=base)


def _add_light_enum(cls: type, native_enum: type) -> None:
    setattr(cls, native_enum.__name__, enum_class(native_enum))
    for key, value in native_enum.__members__.items():
        setattr(cls, key, enum_class(native_enum)(as_int(value)))


def _light_form(method, native: type) -> Overload:
    names = method.names
    code = getattr(getattr(native, method.name), "__code__", None)
    if not any(names) and code is not None:
        names = code.co_varnames[1 : 1 + len(method.types)]
    kinds = [cpp_type(kind) for kind in method.types]
    return Overload(method.name, tuple(zip(kinds, names, strict=False)), cpp_type(method.result))


# --- attributes of instances


def dynamic_property(wrapper, name: str):
    """A dynamic property, or the AttributeError of the real one."""
    native = wrapper._native
    if native is not None and not shiboken6.isValid(native):
        raise ValueError(f"Trying to read property '{name}' from a destroyed {cpp_class(wrapper)} object")
    if native is not None and name in _dynamic_names(native):
        return wrap(native.property(name))
    if name == "__dict__":
        return _all_values(wrapper)
    if native is not None:
        hidden.refuse_missing(type(native), name)
    raise AttributeError(f"{cpp_class(wrapper)} has no attribute named '{name}'")


def _all_values(wrapper) -> dict:
    """What `vars()` of an instance shows: its properties, the base class's first."""
    known = table(type(wrapper._native))
    names = [name for entry in reversed(list(known.lineage()) if known else []) for name in entry.properties]
    shown = [name for name in names if isinstance(inspect.getattr_static(type(wrapper), name, None), PropertyMember)]
    return {name: getattr(wrapper, name) for name in shown}


def _dynamic_names(native) -> list[str]:
    if not isinstance(native, QtCore.QObject):
        return []
    return [bytes(entry.data()).decode() for entry in native.dynamicPropertyNames()]


def set_attribute(wrapper, name: str, value) -> None:
    """Assign a property; anything else only on Python subclasses."""
    member = inspect.getattr_static(type(wrapper), name, None)
    if isinstance(member, PropertyMember) and (wrapper._native is not None or not type(wrapper)._is_derived):
        member.set(wrapper, value)
        return
    kind = {SlotMember: "Slot", SignalMember: "Signal"}.get(type(member))
    if kind is not None:
        raise AttributeError(f"{kind} '{name}' can not be overwritten on {cpp_class(wrapper)} object")
    native = wrapper._native
    if native is not None and shiboken6.isValid(native) and name in _dynamic_names(native):
        native.setProperty(name, fit("QVariant", value)[1])
    elif type(wrapper)._is_derived:
        object.__setattr__(wrapper, name, value)
    else:
        raise AttributeError(
            f"'{name}' does not exist on {cpp_class(wrapper)} and creating new attributes on C++ objects is not allowed"
        )
