"""What PySide6 and Qt 6 show and PythonQt over Qt 5 does not, and the reverse."""

from __future__ import annotations

from .errors import StandInGap

METHODS_OVER_PROPERTIES = {("QTimer", "singleShot")}
"""Names where PythonQt finds a static function before the property."""

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

GAPS = {
    (name, "margin"): "Qt 6 dropped it; use setContentsMargins"
    for name in ("QLayout", "QBoxLayout", "QVBoxLayout", "QHBoxLayout", "QFormLayout", "QGridLayout", "QStackedLayout")
}
"""Attributes that the real one has and Qt 6 lacks."""


def shown_arguments(method) -> int | None:
    return SHORTER_SIGNALS.get(method.signature)


EVERYWHERE = {"staticMetaObject", "exec_"}
NEW_PROPERTIES: dict[str, set[str]] = {"QLayout": {"contentsMargins"}}
HIDDEN: dict[str, set[str]] = {}


def is_hidden(native: type, name: str) -> bool:
    if name in EVERYWHERE:
        return True
    return any(name in HIDDEN.get(base.__name__, ()) for base in native.__mro__)


def is_hidden_property(native: type, name: str) -> bool:
    """Properties new in Qt 6 whose getter is an ordinary method in Qt 5."""
    return any(name in NEW_PROPERTIES.get(base.__name__, ()) for base in native.__mro__)


def refuse_dropped_signal(native: type, signature: str) -> None:
    for base in native.__mro__:
        if signature in DROPPED_SIGNALS.get(base.__name__, ()):
            raise StandInGap(f"Qt 6 has no {base.__name__}::{signature}; code for Qt 5 and 6 must not use it")
