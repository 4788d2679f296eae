"""What goes wrong: gaps of the stand-in, and exceptions that reach the top of a slot."""

from __future__ import annotations

import sys


class StandInGap(NotImplementedError):  # noqa: N818 (it names a hole in the stand-in, not an error of the caller)
    """The real desktop may have this; the stand-in does not know it."""


class ErrorFlag:
    """Whether an exception reached the top from a slot or an override; stays set until cleared, as PythonQt's does."""

    def __init__(self):
        self.had_error = False

    def clear(self) -> None:
        self.had_error = False


error_flag = ErrorFlag()
_exit_handlers: list = []


def set_exit_handler(function) -> None:
    """Let sys.exit(code) in a slot call `function(code)`, as in Slicer; without, it is reported like any exception."""
    _exit_handlers[:] = [function]


def report(error: BaseException) -> None:
    """Print an exception that nobody can catch (through sys.excepthook), and remember that there was one."""
    if isinstance(error, SystemExit) and _exit_handlers:
        _exit_handlers[0](error.code)
        return
    error_flag.had_error = True
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__:
        trace = trace.tb_next
    sys.excepthook(type(error), error, trace)
