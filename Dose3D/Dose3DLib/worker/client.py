"""The parent's side: start a task in its own process, follow its events, cancel it, take its result or its error."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..core.errors import Cancelled, OutputError, ResourceError
from ..core.interpreter import library_path, python_executable
from ..core.output import is_finished, remove_drafts
from ..core.progress import Event
from ..tasks.base import Result, Task, TaskSettings
from .child import Room
from .outcome import BUG, CANCELLED, OK, USER_ERROR, WorkerCrash, from_record, write_json
from .processes import WINDOWS, end_tree, own_group, signal_name

__all__ = ["WorkerJob", "run_in_worker"]

PATIENCE_SECONDS = 1.0
"""After a cancel the child has this long (it gives itself less), then its process tree is killed."""

LOOK_SECONDS = 0.05

START = "import sys; sys.path[:] = filter(None, sys.path); from Dose3DLib.worker.child import start; start()"
"""As `-m Dose3DLib.worker`, but never with the working directory on the path: a user's folder named `dl` or a file
`random.py` would be imported. (PYTHONSAFEPATH does the same from Python 3.11 on, also for what the task starts.)"""

ROOM_BYTES = 256 << 10
"""Space that a job wants in the temporary folder for its events, its log and its outcome."""


class WorkerJob:
    """One task in one process.

    A blocking door calls `start` and `wait`; one with an event loop calls `start`, then `poll` now and then until
    `running` is False, then `wait`. A door with its own kind of process starts `command` with `environment` itself
    and hands the exit code to `conclude`.

    Parameters
    ----------
    task, settings:
        what to run.
    python:
        the interpreter; the running one, or PythonSlicer inside Slicer, by default.
    """

    def __init__(self, task: Task, settings: TaskSettings, python: str | None = None):
        self._python = python or python_executable()
        self.room = _make_room()
        write_json(self.room.settings, {"module": task.module, "settings": settings.to_dict()})
        self._output = settings.to_dict().get("output")
        self.finished = False
        self._process: subprocess.Popen[bytes] | None = None
        self._offset = 0
        self._started = False
        self._cancelled_at: float | None = None

    @property
    def command(self) -> list[str]:
        places = ["--settings", str(self.room.settings), "--room", str(self.room.folder)]
        return [self._python, "-c", START, *places, "--parent", str(os.getpid())]

    @property
    def environment(self) -> dict[str, str]:
        ours = {
            "PYTHONPATH": library_path(),
            "PYTHONSAFEPATH": "1",
            "PYTHONIOENCODING": "utf-8",
            "PYTHONFAULTHANDLER": "1",
        }
        # Temporary files lie in the room and go with it, even when the task is killed.
        room = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.room.folder))
        return {**os.environ, **ours, **room, "MPLBACKEND": "Agg"}

    def start(self) -> WorkerJob:
        """Start the process.

        Raises
        ------
        ResourceError
            the interpreter cannot be started.
        """
        try:
            with self.room.log.open("wb") as log:
                streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
                self._process = subprocess.Popen(self.command, env=self.environment, **streams, **own_group())
        except OSError as error:
            shutil.rmtree(self.room.folder, ignore_errors=True)
            cause = f"cannot be started ({error.strerror or error})"
            raise ResourceError(self._python, cause, "check this Python installation") from error
        return self

    @property
    def running(self) -> bool:
        return self._process is not None and not self._has_ended()

    def poll(self) -> list[Event]:
        """The events since the last call; also sees to it that a cancel is obeyed in time."""
        late = self._cancelled_at is not None and time.monotonic() - self._cancelled_at > PATIENCE_SECONDS
        if late and self.running:
            end_tree(self._process.pid)
        return self._new_events()

    def cancel(self) -> None:
        """Ask the task to stop; `poll` or `wait` must follow, which end the process tree within two seconds."""
        if self._cancelled_at is not None:
            return
        self._cancelled_at = time.monotonic()
        with suppress(OSError):  # with no room left the signal must do
            self.room.cancel.touch()
        if not WINDOWS and self.running:
            with suppress(ProcessLookupError):  # not Popen.send_signal, which would reap it
                os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the process tree at once, without asking; `wait` must follow, which raises Cancelled and tidies up."""
        self._cancelled_at = self._cancelled_at or time.monotonic()
        if self.running:
            end_tree(self._process.pid)

    def wait(self, on_event: Callable[[Event], None] | None = None) -> Result:
        """Block until the task ends, handing on its events; return its result or raise its error.

        Raises
        ------
        InputError, OutputError, ResourceError, Cancelled
            as the task raised it; ResourceError also for a process that was killed or never started.
        WorkerCrash
            a fault of the program, with traceback and log.
        """
        hear = on_event or (lambda event: None)
        try:
            self._follow(hear)
        except BaseException:  # the listener failed, or Ctrl-C came: the task must not run on alone
            self.cancel()
            self._follow(lambda event: None)
            with suppress(Exception):
                self.conclude(self._reap())
            raise
        return self.conclude(self._reap())

    def _follow(self, hear: Callable[[Event], None]) -> None:
        while self.running:
            for event in self.poll():
                hear(event)
            time.sleep(LOOK_SECONDS)
        for event in self.poll():
            hear(event)

    def conclude(self, code: int) -> Result:
        """Read the outcome of a process that has ended with this exit code, tidy up, return or raise."""
        try:
            self._new_events()
            remove_drafts(self.room.drafts)
            self.finished = self._output is not None and is_finished(self.room.drafts, Path(self._output))
            return self._outcome(code)
        finally:
            shutil.rmtree(self.room.folder, ignore_errors=True)

    def _outcome(self, code: int) -> Result:
        if code == OK and self.room.result.is_file():
            return Result.from_dict(json.loads(self.room.result.read_text(encoding="ascii")))
        if code in (BUG, USER_ERROR, CANCELLED) and self.room.error.is_file():
            error = from_record(json.loads(self.room.error.read_text(encoding="ascii")), self._log())
            if code == {Cancelled: CANCELLED, WorkerCrash: BUG}.get(type(error), USER_ERROR):
                raise error
        if self._cancelled_at is not None:
            raise Cancelled
        raise self._death(code)

    def _death(self, code: int) -> Exception:
        """Why there is no outcome that agrees with the exit code."""
        lines = self._log().strip().splitlines()
        last = f" (its last words: {lines[-1][:200]})" if lines else ""
        if code < 0 and signal_name(-code) == "SIGKILL":
            cause = "was killed by SIGKILL, probably because memory ran out"
            return ResourceError("the task's process", cause, "close other programs, or try a smaller image or a crop")
        if code < 0:
            return WorkerCrash(f"the task's process ended by {signal_name(-code)}{last}", self._log())
        if shutil.disk_usage(self.room.folder).free < ROOM_BYTES:
            late = ", just after the output was completed" if self.finished else ""
            return _no_space(late)
        if not self._started:
            cause = f"ended with code {code} before the task began{last}"
            return ResourceError(self._python, cause, "check this Python installation")
        left = [path.name for path in (self.room.result, self.room.error) if path.is_file()]
        found = ", ".join(left) or "no outcome"
        return WorkerCrash(f"the task's process ended with code {code} but left {found}{last}", self._log())

    def _log(self) -> str:
        return self.room.log.read_text(encoding="utf-8", errors="replace") if self.room.log.is_file() else ""

    def _new_events(self) -> list[Event]:
        if not self.room.events.is_file():
            return []
        with self.room.events.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        text = text[: text.rfind(b"\n") + 1]
        self._offset += len(text)
        events = [json.loads(line) for line in text.splitlines()]
        self._started = self._started or bool(events)
        return events

    def _has_ended(self) -> bool:
        """Without reaping it where the system allows: until then its number, which is its group's, stays its own."""
        if self._process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # reaped by somebody else's wait
            return self._process.poll() is not None

    def _reap(self) -> int:
        if not WINDOWS:
            end_tree(self._process.pid)  # what the task left running in its group
        return self._process.wait()


def run_in_worker(task: Task, settings: TaskSettings, on_event: Callable[[Event], None] | None = None) -> Result:
    """Run a task in its own process and wait for it; Ctrl-C cancels it.

    Raises as `WorkerJob.wait` does.
    """
    job = WorkerJob(task, settings).start()
    try:
        return job.wait(on_event)
    except KeyboardInterrupt:
        raise Cancelled from None


def _make_room() -> Room:
    try:
        if shutil.disk_usage(tempfile.gettempdir()).free < ROOM_BYTES:
            raise _no_space()
        return Room(Path(tempfile.mkdtemp(prefix="dose3d-")))
    except OSError as error:
        cause = error.strerror or str(error)
        raise OutputError("temporary folder", cause, "free some space there or set TMPDIR") from error


def _no_space(when: str = "") -> OutputError:
    cause = f"No space left on device{when}"
    return OutputError(tempfile.gettempdir(), cause, "free some space there or set TMPDIR to another folder")
