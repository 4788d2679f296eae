"""repr, str and truth of wrappers."""

from __future__ import annotations

import shiboken6
from PySide6.QtCore import QObject

from .errors import StandInGap


def shown(wrapper) -> str:
    name, native = type(wrapper).__name__, wrapper._native
    if native is None or not shiboken6.isValid(native):
        return f"{name} ({name} at: 0x(nil))"
    address = hex(shiboken6.getCppPointer(native)[0])
    if isinstance(native, QObject):
        called = f', name="{native.objectName()}"' if native.objectName() else ""
        return f"{name}({address}{called}) "
    inside = INSIDE.get(name)
    if inside is None:
        return f"{name} (C++ object at: {address})"
    return inside(native, address)


def text(wrapper) -> str:
    native = wrapper._native
    if isinstance(native, QObject) and not shiboken6.isValid(native):
        return f"{type(wrapper).__name__} (QObject 0x(nil))"
    plain = PLAIN.get(type(wrapper).__name__)
    return plain(wrapper._native) if plain is not None else shown(wrapper)


def _numbers(name: str, *getters: str):
    def show(native, address):
        numbers = ", ".join(f"{getattr(native, getter)():g}" for getter in getters)
        return f"{name} ({numbers}, at: {address})"

    return show


PLAIN = {
    "QColor": lambda native: native.name(),
    "QUrl": lambda native: native.toString(),
    "QByteArray": lambda native: bytes(native.data()).decode(errors="replace"),
    "QKeySequence": lambda native: native.toString(),
}

INSIDE = {
    "QSize": _numbers("QSize", "width", "height"),
    "QPoint": _numbers("QPoint", "x", "y"),
    "QRect": _numbers("QRect", "x", "y", "width", "height"),
    "QPixmap": lambda n, address: f"QPixmap (Pixmap {n.width()}, {n.height()}, at: {address})",
    "QFont": lambda n, address: f"QFont ({n.toString()}, at: {address})",
    "QColor": lambda native, address: f"QColor ({native.name()}, at: {address})",
    "QByteArray": lambda native, address: f"QByteArray ({PLAIN['QByteArray'](native)}, at: {address})",
    "QMargins": lambda n, _: f"QMargins({n.left()}, {n.top()}, {n.right()}, {n.bottom()}) ",
    "QSizePolicy": lambda n, _: (
        f"QSizePolicy(horizontalPolicy = QSizePolicy::{n.horizontalPolicy().name}, "
        f"verticalPolicy = QSizePolicy::{n.verticalPolicy().name}) "
    ),
}


# fmt: off
FALSY = {
    "QLayoutItem", "QMenu", "QTranslator", "QMovie", "QTextDocument", "QColor", "QIcon", "QPixmap", "QImage", "QSize",
    "QSizeF", "QPoint", "QPointF", "QRect", "QRectF", "QUrl", "QDir", "QDateTime", "QDate", "QTime", "QModelIndex",
    "QKeySequence", "QRegularExpression", "QByteArray", "QProcessEnvironment", "QTextCursor", "QTextFormat",
    "QTextBlock", "QElapsedTimer", "QItemSelection", "QMargins", "QTemporaryDir", "QStorageInfo", "QUuid",
}
# fmt: on
"""Classes whose objects may be false in PythonQt: a layout or menu without entries, an icon without picture."""


def truth(wrapper) -> bool:
    """bool() of a wrapper. Where two of the three questions could be meant, the facts don't tell which: a gap."""
    native = wrapper._native
    if native is None or not any(base.__name__ in FALSY for base in type(native).__mro__):
        return True
    questions = [name for name in ("isNull", "isEmpty", "isValid") if hasattr(native, name)]
    if len(questions) != 1:
        raise StandInGap(f"bool() of a {type(wrapper).__name__} is not known; ask it with {', '.join(questions)}")
    return getattr(native, questions[0])() == (questions[0] == "isValid")
