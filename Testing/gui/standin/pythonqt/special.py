"""Functions that PythonQt adds to Qt's classes, and those that it shows in another form than PySide6."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets

from .convert import fit, unwrap, wrap
from .errors import report
from .meta import table
from .subclassing import call_trimmed

# --- every QObject


def _class_name(wrapper):
    return table(type(wrapper._native)).class_name


def _delete(wrapper):
    import shiboken6

    shiboken6.delete(wrapper._native)


def _connect(wrapper, *arguments):
    from .signals import connect

    sender, rest = _sender(wrapper, arguments)
    return connect(sender, *rest)


def _disconnect(wrapper, *arguments):
    from .signals import disconnect

    sender, rest = _sender(wrapper, arguments)
    if not rest:
        raise ValueError(f"Could not find matching overload for given arguments:\n{arguments!r}\n")
    return disconnect(sender, *rest)


def _sender(wrapper, arguments):
    """The static form names the sender first."""
    if arguments and hasattr(type(arguments[0]), "_native_class"):
        return arguments[0], arguments[1:]
    return wrapper, arguments


def _find_child(wrapper, kind, name=""):
    return next(iter(_find_children(wrapper, kind, name)), None)


def _find_children(wrapper, kind, name=""):
    """By class (a wrapper class or the name of one), with C++'s inheritance."""
    native_class = getattr(kind, "_native_class", None)
    class_name = kind if isinstance(kind, str) else native_class.__name__
    found = wrapper._native.findChildren(QtCore.QObject)
    fits = [
        child for child in found if child.inherits(class_name) or (native_class and isinstance(child, native_class))
    ]
    return tuple(wrap(child) for child in fits if not name or child.objectName() == name)


def _set_property(wrapper, name, value):
    native = wrapper._native
    if table(type(native)).property(str(name)) is not None:
        from .members import PropertyMember

        PropertyMember(str(name)).set(wrapper, value)
        return True
    native.setProperty(str(name), unwrap(value))
    return False


def _translate(wrapper, text, *_):
    return text


QOBJECT = {
    "className": _class_name,
    "metaObject": lambda wrapper: wrap(table(type(wrapper._native)).meta),
    "delete": _delete,
    "connect": _connect,
    "disconnect": _disconnect,
    "findChild": _find_child,
    "findChildren": _find_children,
    "setProperty": _set_property,
    "tr": _translate,
}


# --- particular classes


class static:  # noqa: N801 (a decorator)
    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments):
        return self.function(*arguments)


def is_static(method) -> bool:
    return isinstance(method, static)


def _single_shot(milliseconds, function, *rest):
    if rest:
        return None

    def fire():
        try:
            call_trimmed(function, [])
        except BaseException as error:
            report(error)

    QtCore.QTimer.singleShot(fit(int, milliseconds)[1], fire)
    return None


def _dialog(name: str):
    """A static function that gives (answer, accepted) in PySide6 and the answer only in PythonQt."""

    def run(*arguments):
        arguments, flag = _bool_result(arguments)
        answer, second = getattr(_owner(name), name)(*unwrap(arguments))
        if flag is not None:
            flag.value = bool(second)
        return wrap(answer)

    return static(run)


def _bool_result(arguments):
    if arguments and isinstance(arguments[-1], BoolResult):
        return arguments[:-1], arguments[-1]
    return arguments, None


class BoolResult:
    """`PythonQt.BoolResult()`: takes what C++ gives back through a bool*."""

    def __init__(self, value=False):
        self.value = value

    def __bool__(self):
        return self.value


def _owner(name: str):
    return QtWidgets.QFileDialog if name.endswith(("Name", "Names")) else QtWidgets.QInputDialog


def _exec(wrapper, *_):
    native = wrapper._native
    return wrap(type(native).exec(native))


CLASSES = {
    "QTimer": {"singleShot": static(_single_shot)},
    "QFileDialog": {name: _dialog(name) for name in ("getOpenFileName", "getOpenFileNames", "getSaveFileName")},
    "QInputDialog": {name: _dialog(name) for name in ("getText", "getInt", "getDouble", "getItem", "getMultiLineText")},
    "QDialog": {"exec_": _exec},
    "QMenu": {"exec_": _exec},
    "QEventLoop": {"exec_": _exec},
    "QCoreApplication": {"exec_": _exec},
    "QByteArray": {"data": lambda wrapper: bytes(wrapper._native.data())},
}

CONSTRUCTORS = {}


def methods_of(cls: type, native: type) -> dict:
    """Decorators of a wrapped class, by name."""
    found = dict(QOBJECT) if issubclass(native, QtCore.QObject) else {}
    for base in reversed(native.__mro__):
        found.update(CLASSES.get(base.__name__, {}))
    return found


def method(cls: type, name: str):
    native = next(base for base in cls.__mro__ if not base._is_derived)._native_class
    return methods_of(cls, native).get(name)


static_method = method
