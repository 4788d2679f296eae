"""What PySide6 and Qt 6 show and PythonQt over Qt 5 does not, and the reverse."""

from __future__ import annotations

from .errors import StandInGap
from .hidden_names import NAMES

METHODS_OVER_PROPERTIES = {("QTimer", "singleShot")}
"""Names where PythonQt finds a static function before the property."""

NEW_FORMS = {("setShortcut", "Qt::Key key")}
"""Forms of methods that are new in Qt 6."""

SHORTER_SIGNALS = {"finished(int,QProcess::ExitStatus)": 1}
"""Signals whose first form in Qt 5 has fewer arguments: what `.connect` passes on."""

DROPPED_SIGNALS = {
    "QComboBox": ["currentIndexChanged(QString)", "activated(QString)", "highlighted(QString)"],
    "QSpinBox": ["valueChanged(QString)"],
    "QDoubleSpinBox": ["valueChanged(QString)"],
    "QButtonGroup": ["buttonClicked(int)", "buttonPressed(int)", "buttonReleased(int)", "buttonToggled(int,bool)"],
    "QProcess": ["finished(int)", "error(QProcess::ProcessError)"],
}
"""Forms that Qt 5 has and Qt 6 lacks: code for both must not use them, so the stand-in refuses."""

MISSING = {
    "QLayout": {"margin": "use setContentsMargins"},
    "QComboBox": {"autoCompletion": "use completer()", "autoCompletionCaseSensitivity": "use completer()"},
    "QTextEdit": {"tabStopWidth": "use tabStopDistance"},
    "QPlainTextEdit": {"tabStopWidth": "use tabStopDistance"},
    "QSortFilterProxyModel": {"filterRegExp": "use filterRegularExpression"},
    "QShortcut": {"whatsThis": "it is a method there"},
    "QApplication": {"globalStrut": "no use"},
    "QNetworkAccessManager": {"networkAccessible": "no use"},
    "QFileDialog": dict.fromkeys(
        ["nameFilterDetailsVisible", "resolveSymlinks", "confirmOverwrite", "readOnly"], "use setOption()"
    ),
}
"""Properties of Qt 5 that Qt 6 dropped, and what code for both uses."""


def refuse_missing(native: type, name: str) -> None:
    for base in native.__mro__:
        remedy = MISSING.get(base.__name__, {}).get(name)
        if remedy:
            raise StandInGap(f"Qt 6 dropped {base.__name__}.{name}; {remedy}")


def shown_arguments(method) -> int | None:
    return SHORTER_SIGNALS.get(method.signature)


EVERYWHERE = {"staticMetaObject", "None_"}
HIDDEN = {name: frozenset(names.split()) for name, names in NAMES.items()}
NEW_PROPERTIES = {
    "QLayout": {"contentsMargins"},
    "QHeaderView": {"sectionsClickable", "sectionsMovable"},
}
"""Properties new in Qt 6 whose getter is an ordinary method in Qt 5."""


def is_hidden(native: type, name: str) -> bool:
    if name in EVERYWHERE:
        return True
    return any(name in HIDDEN.get(base.__name__, ()) for base in native.__mro__)


def is_hidden_property(native: type, name: str) -> bool:
    return any(name in NEW_PROPERTIES.get(base.__name__, ()) for base in native.__mro__)


def refuse_dropped_signal(native: type, signature: str) -> None:
    for base in native.__mro__:
        if signature in DROPPED_SIGNALS.get(base.__name__, ()):
            raise StandInGap(f"Qt 6 has no {base.__name__}::{signature}; code for Qt 5 and 6 must not use it")
