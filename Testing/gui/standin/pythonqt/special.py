"""Functions that PythonQt adds to Qt's classes, and those that it shows in another form than PySide6."""

from __future__ import annotations

from functools import cache

from PySide6 import QtCore, QtWidgets

from .convert import fit, unwrap, wrap
from .errors import StandInGap, report
from .meta import table
from .subclassing import LATER, call_trimmed

# --- every QObject


def _class_name(wrapper):
    return table(type(wrapper._native)).class_name


def _delete(wrapper):
    import shiboken6

    shiboken6.delete(wrapper._native)


def _delete_later(wrapper):
    wrapper._native.__dict__[LATER] = True
    wrapper._native.deleteLater()


def _connect(wrapper, *arguments):
    from .signals import connect

    sender, rest = _sender(wrapper, arguments)
    return connect(sender, *rest)


def _disconnect(wrapper, *arguments):
    from .signals import disconnect

    sender, rest = _sender(wrapper, arguments)
    if not rest:
        raise ValueError(f"Could not find matching overload for given arguments:\n{arguments!r}\n{DISCONNECT}")
    return disconnect(sender, *rest)


_FORMS = [
    "QByteArray signal, PyObject callable",
    "QByteArray signal",
    "QByteArray signal, QObject receiver, QByteArray slot",
]
DISCONNECT = " The following slots are available:\n" + "".join(
    f"{start}{form}) -> bool\n" for start in ("disconnect(", "static disconnect(QObject sender, ") for form in _FORMS
)


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


def _help(wrapper):
    raise StandInGap("help() of an object is not in the stand-in")


def _translate(wrapper, text, *_):
    return text


QOBJECT = {
    "className": _class_name,
    "metaObject": lambda wrapper: wrap(table(type(wrapper._native)).meta),
    "delete": _delete,
    "deleteLater": _delete_later,
    "connect": _connect,
    "disconnect": _disconnect,
    "findChild": _find_child,
    "findChildren": _find_children,
    "setProperty": _set_property,
    "tr": _translate,
    "help": _help,
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
        QtCore.qWarning("QTimer::singleShot: Invalid slot specification")
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
        from .calls import converted
        from .signatures import overloads

        arguments, flag = _bool_result(arguments)
        owner = _owner(name)
        answer, second = getattr(owner, name)(*converted(name, overloads(owner, name), arguments, {}))
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


def _exec(wrapper, *arguments):
    return wrap(wrapper._native.exec(*unwrap(arguments)))


def _exec_message_box(wrapper, *_):
    """Standard buttons give their number, others their place among the custom ones (as in Qt 5)."""
    native = wrapper._native
    number = native.exec()
    none = QtWidgets.QMessageBox.StandardButton.NoButton
    custom = [b for b in native.findChildren(QtWidgets.QPushButton) if native.standardButton(b) == none]
    clicked = native.clickedButton()
    return custom.index(clicked) if clicked in custom and native.standardButton(clicked) == none else number


SINGLE = "\x1fonly one"
"""Marks a list of one text in settings: PySide6 would write it as the text alone."""


def _set_setting(wrapper, key, value):
    if isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], str):
        value = [value[0], SINGLE]
    wrapper._native.setValue(str(key), unwrap(value))


def _setting(wrapper, key, default=None):
    value = wrapper._native.value(str(key), unwrap(default))
    if isinstance(value, list) and len(value) == 2 and value[1] == SINGLE:
        value = value[:1]
    return wrap(value)


def _validate(wrapper, text, position):
    return wrap(wrapper._native.validate(str(text), int(position))[0])


def _split_command(*arguments):
    raise ValueError(
        f"Called static splitCommand(QStringView command) -> QStringList with wrong arguments: {arguments!r}"
    )


def _start_detached(program, arguments=()):
    return QtCore.QProcess.startDetached(str(program), [str(argument) for argument in arguments])[0]


def _set_override_cursor(cursor):
    from .calls import converted
    from .signatures import overloads

    forms = overloads(QtWidgets.QApplication, "setOverrideCursor")
    QtWidgets.QApplication.setOverrideCursor(*converted("setOverrideCursor", forms, (cursor,), {}))


def _character(name: str):
    """A function that gives a QChar in Qt 5: a number in Python."""
    return lambda wrapper: ord(getattr(wrapper._native, name)())


CHARACTERS = ["decimalPoint", "groupSeparator", "percent", "zeroDigit", "negativeSign", "positiveSign", "exponential"]


CLASSES = {
    "QTimer": {"singleShot": static(_single_shot)},
    "QFileDialog": {name: _dialog(name) for name in ("getOpenFileName", "getOpenFileNames", "getSaveFileName")},
    "QInputDialog": {name: _dialog(name) for name in ("getText", "getInt", "getDouble", "getItem", "getMultiLineText")},
    "QDialog": {"exec_": _exec, "exec": _exec},
    "QMessageBox": {"exec_": _exec_message_box, "exec": _exec_message_box},
    "QSettings": {"setValue": _set_setting, "value": _setting},
    "QValidator": {"validate": _validate},
    "QProcess": {"splitCommand": static(_split_command), "startDetached": static(_start_detached)},
    "QGuiApplication": {"setOverrideCursor": static(_set_override_cursor)},
    "QLocale": {name: _character(name) for name in CHARACTERS},
    "Qt": {"qVersion": static(QtCore.qVersion)},
    "QMetaObject": {"className": lambda wrapper: "QMetaObject"},
    "QMenu": {"exec_": _exec},
    "QEventLoop": {"exec_": _exec},
    "QCoreApplication": {"exec_": _exec},
    "QByteArray": {"data": lambda wrapper: bytes(wrapper._native.data())},
}

CONSTRUCTORS = {}


@cache
def methods_of(native: type) -> dict:
    """Decorators of a wrapped class, by name."""
    found = dict(QOBJECT) if issubclass(native, QtCore.QObject) else {}
    for base in reversed(native.__mro__):
        found.update(CLASSES.get(base.__name__, {}))
    return found


def method(cls: type, name: str):
    """The decorator behind a name of a wrapper class, None where PySide6's own function serves."""
    native = next(base for base in cls.__mro__ if not base._is_derived)._native_class
    return methods_of(native).get(name)
