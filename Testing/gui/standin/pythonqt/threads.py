"""Calls from Python threads: Qt gets them in the thread of the object, at its next event handling."""

from __future__ import annotations

import threading

from PySide6 import QtCore


class _Poster(QtCore.QObject):
    """Lives in the main thread and runs there what other threads have posted."""

    posted = QtCore.Signal(object)

    def __init__(self):
        super().__init__()
        self.posted.connect(self.run, QtCore.Qt.ConnectionType.QueuedConnection)

    @QtCore.Slot(object)
    def run(self, function):
        from .errors import report

        try:
            function()
        except BaseException as error:
            report(error)


_posters: list[_Poster] = []


def prepare() -> None:
    """Make the receiver of calls; to be called in the main thread."""
    if not _posters:
        _posters.append(_Poster())


def must_wait(native) -> bool:
    """Whether a call comes from another Python thread than Qt's."""
    if threading.current_thread() is threading.main_thread():
        return False
    return isinstance(native, QtCore.QObject) and bool(_posters) and _is_main(native)


def _is_main(native) -> bool:
    application = QtCore.QCoreApplication.instance()
    return application is not None and native.thread() is application.thread()


def post(function) -> None:
    """Let the main thread call `function` (nothing comes back)."""
    _posters[0].posted.emit(function)
