"""The batch door's main: parse, run the task in a worker, say what happened, return the exit code.

Exit codes: 0 done; 2 something that the user can mend (one line says what, why and what to do); 130 cancelled;
1 a fault of the program (one line says where its log lies).
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from cyclopts import CycloptsError, MissingArgumentError, UnusedCliTokensError

from ..core.errors import Cancelled, Dose3DError, OutputError
from ..tasks.base import Task
from ..worker.outcome import BUG, CANCELLED, OK, USER_ERROR, to_line, to_record
from .commands import Request, build_app
from .console import Display, SafeStream, show_result
from .services import COMMANDS, Service

__all__ = ["main"]

_EVENT = b'{"event"'


def main(argv: Sequence[str] | None = None, tasks: Sequence[Task] = COMMANDS) -> int:
    """Run one command line; `argv` is without the program's name. Never raises, never exits.

    After a cancel this process ignores further signals to stop: it is about to end.
    """
    started = time.monotonic()
    argv = list(sys.argv[1:] if argv is None else argv)
    out, err = SafeStream(sys.stdout), SafeStream(sys.stderr)
    try:
        request = _parse(argv, tasks, out)
        if request is None:
            return OK
        return _serve(request, out) if isinstance(request.task, Service) else _execute(request, out, err, started)
    except CycloptsError as error:
        return _say_error(err, f"{_words(error)}; see {_help_command(argv, tasks)}", USER_ERROR)
    except Dose3DError as error:
        return _say_error(err, str(error), USER_ERROR)
    except (Cancelled, KeyboardInterrupt) as error:
        _tell(err, str(error) or str(Cancelled()))
        return CANCELLED
    except BrokenPipeError:  # the reader of our output has gone, for instance `dose3d --help | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BUG
    except Exception as error:
        return _say_error(err, _save_fault(error), BUG)


def _parse(argv: list[str], tasks: Sequence[Task], out: SafeStream) -> Request | None:
    """What is to be run, or None when help or the version was all that was asked for."""
    from rich.console import Console

    for place in (n for n, word in enumerate(argv[:-1]) if word == "--json-events" and argv[n + 1] == "-"):
        argv[place : place + 2] = ["--json-events=-"]  # a lone hyphen would pass for an option
        break
    app = build_app(argv, tasks, Console(file=out, highlight=False))
    answer = app(argv, exit_on_error=False, print_error=False, result_action="return_value")
    return answer if isinstance(answer, Request) else None


def _execute(request: Request, out: SafeStream, err: SafeStream, started: float) -> int:
    from ..worker.client import WorkerJob

    with ExitStack() as stack:
        _check_events_file(request)
        write_event = stack.enter_context(_event_writer(request.json_events, out))
        job = WorkerJob(request.task, request.settings)
        stack.enter_context(_stop_signals(job.cancel))
        display = stack.enter_context(Display(err, request.task.name, request.quiet))

        def hear(event: dict[str, Any]) -> None:
            write_event(event)
            display(event)

        try:
            result = job.start().wait(hear)
        except BaseException as error:
            with suppress(OSError, OutputError):  # our reader may have gone, our disk be full
                write_event({"event": "error", **to_record(error)})
            if isinstance(error, Cancelled) and job.finished:
                display.close()
                return _say_cancelled_late(err, request)
            raise
        write_event({"event": "result", **result.to_dict()})
    if not request.quiet:
        listing = err if request.json_events == "-" else out
        show_result(result, listing, time.monotonic() - started, display.said)
    return OK


def _serve(request: Request, out: SafeStream) -> int:
    """Run a service in this process until it is stopped. Until it listens itself, any signal to stop is a Ctrl-C."""

    def stop() -> None:
        raise KeyboardInterrupt

    with _stop_signals(stop):
        request.task.load().serve(request.settings, out.say)
    return OK


def _check_events_file(request: Request) -> None:
    """An earlier run's events may be replaced, anything else may not: a slip would cost an input."""
    target = request.json_events
    if target in (None, "-"):
        return
    output = getattr(request.settings, "output", None)
    if output is not None and os.path.realpath(target) == os.path.realpath(output):
        raise OutputError(target, "is the output, too", "choose another file for --json-events")
    start = b""
    if os.path.isfile(target):
        with _events_file(target), Path(target).open("rb") as file:
            start = file.read(len(_EVENT))
    if start not in (b"", _EVENT):
        cause = "holds something other than events, which would be lost"
        raise OutputError(target, cause, "choose another file for --json-events")


@contextmanager
def _event_writer(target: str | None, out: SafeStream) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that writes an event as a JSON line to a new file, to standard output for "-", or nowhere."""
    if target is None:
        yield lambda event: None
    elif target == "-":
        yield lambda event: out.say(to_line(event))
    else:
        with _events_file(target):
            file = Path(target).open("wb", buffering=0)  # noqa: SIM115 (its block must not stand in that of the errors)
        with file:
            yield lambda event: _append(file, target, to_line(event))


def _append(file: BinaryIO, path: str, line: str) -> None:
    with _events_file(path):
        file.write(line.encode("ascii") + b"\n")


@contextmanager
def _events_file(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(path, error.strerror or str(error), "choose another file for --json-events") from error


@contextmanager
def _stop_signals(cancel: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and a polite kill cancel the task. Repeated ones are ignored to our end, which is two seconds away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    cancelled = threading.Event()

    def stop(*_: object) -> None:
        cancelled.set()
        cancel()

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            ours = signal.SIG_DFL if handler is None else handler
            signal.signal(number, signal.SIG_IGN if cancelled.is_set() else ours)


def _help_command(argv: Sequence[str], tasks: Sequence[Task]) -> str:
    """The help that fits a faulty line: of its task, else of its group, else of everything."""
    known = {task.command[:n] for task in tasks for n in range(len(task.command) + 1)}
    depth = max(n for n in range(len(argv) + 1) if tuple(argv[:n]) in known)
    return " ".join(["dose3d", *argv[:depth], "--help"])


def _words(error: CycloptsError) -> str:
    argument = getattr(error, "argument", None)
    if isinstance(error, MissingArgumentError) and argument is not None and not error.tokens_so_far:
        return f"{argument.name}: is missing"
    if isinstance(error, UnusedCliTokensError):
        return f"{' '.join(error.unused_tokens or [])}: is more than the command takes"
    return str(error).rstrip(" .")


def _say_error(err: SafeStream, text: str, code: int) -> int:
    _tell(err, "error: " + " ".join(text.split()))
    return code


def _tell(err: SafeStream, line: str) -> None:
    with suppress(OSError):  # nobody listens any more
        err.say(line)


def _say_cancelled_late(err: SafeStream, request: Request) -> int:
    err.say(f"cancelled; {request.settings.to_dict()['output']} was complete already and is kept")
    return CANCELLED


def _save_fault(error: Exception) -> str:
    """Keep the traceback and the worker's log in a file of the temporary folder; the line to show."""
    text = getattr(error, "details", "") or "".join(traceback.format_exception(type(error), error, error.__traceback__))
    about = str(error) if getattr(error, "details", "") else f"{type(error).__name__}: {error}"
    try:
        handle, path = tempfile.mkstemp(prefix="dose3d-error-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as reason:
        return f"dose3d: a fault of the program ({about}); its log cannot be kept ({reason.strerror})"
    return f"dose3d: a fault of the program ({about}); please report it with {path}"
