"""The child's side: run one task, append its events, leave result.json or error.json, obey a cancel.

A cancel comes as a file `cancel` in the room, as SIGTERM or SIGINT, or by the end of the parent. The task has
`GRACE_SECONDS` to notice it at its next report and to tidy up; then the process ends itself with all it started.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from ..core.errors import Cancelled
from ..core.output import is_finished, keep_journal, remove_drafts
from ..core.progress import Event, Progress
from .outcome import CANCELLED, OK, as_typed, exit_code, to_line, to_record, write_json
from .processes import descendants, kill_all

__all__ = ["GRACE_SECONDS", "Room", "main", "start"]

GRACE_SECONDS = 0.6
"""Time to end by itself after a cancel; with the rest below the promised two seconds."""

LOOK_SECONDS = 0.1


class Room:
    """The folder through which worker and parent talk; its file names in one place."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.settings = self.folder / "settings.json"
        self.events = self.folder / "events.jsonl"
        self.result = self.folder / "result.json"
        self.error = self.folder / "error.json"
        self.cancel = self.folder / "cancel"
        self.drafts = self.folder / "drafts.jsonl"
        self.log = self.folder / "log.txt"


class _Outcome:
    """Only one end can be written: by the task, or by the watch that ran out of patience."""

    def __init__(self, room: Room):
        self._room, self._lock = room, threading.Lock()
        self.settled = threading.Event()

    def settle(self, path: Path, content: dict[str, Any]) -> bool:
        with self._lock:
            if self.settled.is_set():
                return False
            write_json(path, content)
            self.settled.set()
            return True


class _Watch(threading.Thread):
    """Looks out for a cancel, beside the task. Runs also while the main thread is inside a long C call."""

    def __init__(self, room: Room, outcome: _Outcome, parent: int | None):
        super().__init__(daemon=True)
        self._room, self._outcome, self._parent = room, outcome, parent
        self._cancelled = threading.Event()
        self.output: str | None = None
        self._ear, self._mouth = socket.socketpair()

    def catch_signals(self) -> None:
        """Let signals wake this thread at once; Python's own handlers would wait for the main thread."""
        self._mouth.setblocking(False)
        signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda number, frame: None)

    def is_cancelled(self) -> bool:
        """True when the task shall stop; no longer once its output (the setting of this name) stands complete."""
        if not self._cancelled.is_set():
            return False
        return self.output is None or not is_finished(self._room.drafts, Path(self.output))

    def run(self) -> None:
        while not self._asked_to_stop():
            if self._outcome.settled.is_set():
                return
        self._cancelled.set()
        if not self._outcome.settled.wait(GRACE_SECONDS) and self._outcome.settle(
            self._room.error, to_record(Cancelled())
        ):
            kill_all(descendants(os.getpid()))
            remove_drafts(self._room.drafts)
            self.tidy_when_orphan()
            os._exit(CANCELLED)

    def _asked_to_stop(self) -> bool:
        if select.select([self._ear], [], [], LOOK_SECONDS)[0]:
            return True
        return self._is_orphan() or self._room.cancel.exists()

    def _is_orphan(self) -> bool:
        return self._parent is not None and os.name != "nt" and os.getppid() != self._parent

    def tidy_when_orphan(self) -> None:
        """The parent removes the room, with all temporary files in it; when it was killed, nobody else does."""
        if self._is_orphan():
            shutil.rmtree(self._room.folder, ignore_errors=True)


def main(argv: list[str] | None = None) -> int:
    """Run the task that the settings file names; the exit code agrees with the file that is left in the room."""
    parser = argparse.ArgumentParser(prog="python -m Dose3DLib.worker", description="Run one Dose3D task.")
    parser.add_argument("--settings", type=Path, required=True, help='JSON: {"module": ..., "settings": {...}}')
    parser.add_argument("--room", type=Path, required=True, help="folder for events.jsonl and the outcome")
    parser.add_argument("--parent", type=int, help="stop when this process is no longer the parent")
    arguments = parser.parse_args(argv)
    os.environ["MPLBACKEND"] = "Agg"  # monai imports pyplot, which must not look for a display
    room = Room(arguments.room.absolute())
    keep_journal(room.drafts)
    outcome = _Outcome(room)
    watch = _Watch(room, outcome, arguments.parent)
    watch.catch_signals()
    watch.start()
    code = _run(arguments.settings, room, outcome, watch)
    watch.tidy_when_orphan()
    return code


def start() -> NoReturn:
    """`main` as a program of its own. Threads and exit handlers of libraries may hang or change the exit code, which
    must agree with the outcome that is written: so none of them runs."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(settings_file: Path, room: Room, outcome: _Outcome, watch: _Watch) -> int:
    write = _event_writer(room.events)
    write({"event": "started", "time_s": 0.0, "pid": os.getpid()})
    started = time.monotonic()
    try:
        job = json.loads(settings_file.read_text(encoding="utf-8"))
        module = import_module(job["module"])
        settings = module.Settings.from_dict(job["settings"])
        watch.output = job["settings"].get("output")
        result = module.run(settings, Progress(write, watch.is_cancelled)).to_dict()
        result["seconds"].setdefault("total", round(time.monotonic() - started, 3))
        path, content, code = room.result, result, OK
    except BaseException as raised:  # SystemExit and KeyboardInterrupt of a library end the task as well
        error = as_typed(raised)
        path, content, code = room.error, to_record(error), exit_code(error)
    if not outcome.settle(path, content):
        time.sleep(60)  # the watch is ending this process
    kill_all(descendants(os.getpid()))
    return code


def _event_writer(path: Path) -> Any:
    """A listener that appends each event as one line by a single write, so that readers never see half of one."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(event: Event) -> None:
        with suppress(OSError):  # a full disk for events is no reason to lose the task
            os.write(handle, (to_line(event) + "\n").encode("ascii"))

    return write
