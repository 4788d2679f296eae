"""How a worker's end travels: as `result.json` or `error.json`, with an exit code that agrees."""

from __future__ import annotations

import errno
import json
import os
import traceback
from pathlib import Path
from typing import Any

from ..core import errors
from ..core.errors import Cancelled, Dose3DError, InputError, OutputError, ResourceError

__all__ = ["WorkerCrash", "as_typed", "exit_code", "from_record", "to_line", "to_record", "write_json"]

OK, BUG, USER_ERROR, CANCELLED = 0, 1, 2, 130
"""The exit codes of worker and command line."""


class WorkerCrash(Exception):
    """The task's process failed by a fault of the program; `details` holds the traceback and the process' log."""

    def __init__(self, message: str, details: str = ""):
        super().__init__(message)
        self.details = details


def exit_code(error: BaseException) -> int:
    """The exit code of every door: 2 for what the user can mend, 130 for a cancel, 1 for a fault of the program."""
    if isinstance(error, Cancelled):
        return CANCELLED
    return USER_ERROR if isinstance(error, Dose3DError) else BUG


def as_typed(error: BaseException) -> BaseException:
    """Give an error of the system that users can mend its three parts; others stay as they are."""
    text = str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text:
        return ResourceError("memory", "ran out", "close other programs or use a computer with more memory")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return OutputError(error.filename or "disk", error.strerror, "free some space or choose another output")
    if isinstance(error, PermissionError) and error.filename:
        return InputError(error.filename, error.strerror, "check who may use it")
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("Dose3DLib"):
        package = error.name.partition(".")[0]
        return ResourceError(f"Python package {package}", "is not installed", f"install it: pip install {package}")
    return error


def to_record(error: BaseException) -> dict[str, Any]:
    """An exception as JSON values; typed ones keep their three parts, others their traceback."""
    known = next((c.__name__ for c in type(error).__mro__ if c.__name__ in errors.__all__), None)
    if isinstance(error, Dose3DError):
        return {"type": known, "what": error.what, "cause": error.cause, "remedy": error.remedy, "message": str(error)}
    if isinstance(error, Cancelled):
        return {"type": known, "message": str(error)}
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"type": type(error).__name__, "message": str(error), "traceback": text}


def from_record(record: dict[str, Any], log: str = "") -> Exception:
    """The exception again, of the same class for typed ones, `WorkerCrash` for the others."""
    if record["type"] == "Cancelled":
        return Cancelled()
    if record["type"] in errors.__all__:
        return getattr(errors, record["type"])(record["what"], record["cause"], record["remedy"])
    return WorkerCrash(f"{record['type']}: {record['message']}", record["traceback"] + log)


def to_line(content: dict[str, Any]) -> str:
    """One line of JSON in ASCII. Numbers of numpy and paths are taken, too: no task is lost at its end for them."""
    return json.dumps(content, default=_plain)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that is there completely or not at all."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(to_line(content), encoding="ascii")
    os.replace(draft, path)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
