"""What PySide6 and Qt 6 show and PythonQt over Qt 5 does not, and the reverse."""

from __future__ import annotations

from .errors import StandInGap
from .hidden_names import DROPPED, NAMES

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

REMEDIES = {
    "margin": "use contentsMargins()",
    "setMargin": "use setContentsMargins()",
    "autoCompletion": "use completer()",
    "tabStopWidth": "use tabStopDistance",
    "filterRegExp": "use filterRegularExpression",
    "desktop": "use primaryScreen",
}
STREAMS = {"readFrom", "writeTo"}
"""Of value types; data streams are not in the stand-in."""


def refuse_missing(native: type, name: str) -> None:
    """StandInGap for what the real class has and the stand-in lacks."""
    for base in native.__mro__:
        if name in DROPPED.get(base.__name__, "").split():
            raise StandInGap(f"PySide6 with Qt 6 has no {base.__name__}.{name}; {REMEDIES.get(name, 'do without it')}")
    if name in STREAMS:
        raise StandInGap(f"{native.__name__}.{name}: data streams are not in the stand-in")


def shown_arguments(method) -> int | None:
    return SHORTER_SIGNALS.get(method.signature)


EVERYWHERE = {"staticMetaObject", "None_"}
HIDDEN = {name: frozenset(names.split()) for name, names in NAMES.items()}
NEW_PROPERTIES = {
    "QLayout": {"contentsMargins"},
    "QHeaderView": {"sectionsClickable", "sectionsMovable"},
}
"""Properties new in Qt 6 whose getter is an ordinary method in Qt 5."""


SHOWN_AGAIN = {("QTextEdit", "find"), ("QPlainTextEdit", "find"), ("QStandardItemModel", "clearItemData")}
"""Names that a class brings anew although they are hidden in its base."""


def is_hidden(native: type, name: str) -> bool:
    if name in EVERYWHERE:
        return True
    if any((base.__name__, name) in SHOWN_AGAIN for base in native.__mro__):
        return False
    return any(name in HIDDEN.get(base.__name__, ()) for base in native.__mro__)


def is_hidden_property(native: type, name: str) -> bool:
    return any(name in NEW_PROPERTIES.get(base.__name__, ()) for base in native.__mro__)


def refuse_dropped_signal(native: type, signature: str) -> None:
    for base in native.__mro__:
        if signature in DROPPED_SIGNALS.get(base.__name__, ()):
            raise StandInGap(f"Qt 6 has no {base.__name__}::{signature}; code for Qt 5 and 6 must not use it")
