"""Process trees: start one apart from ours, end one with all that it started. Standard library only."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["descendants", "end_tree", "kill_all", "own_group", "signal_name"]

WINDOWS = os.name == "nt"


def own_group() -> dict[str, Any]:
    """Arguments for Popen that put the child into a group of its own, so that Ctrl-C reaches only us."""
    if WINDOWS:
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def descendants(pid: int) -> list[int]:
    """Children of a process, their children and so on (POSIX); empty when the process list cannot be read."""
    children: dict[int, list[int]] = {}
    for child, parent in _process_list():
        children.setdefault(parent, []).append(child)
    found, queue = [], [pid]
    while queue:
        new = children.get(queue.pop(), [])
        found += new
        queue += new
    return found


def _process_list() -> list[tuple[int, int]]:
    """(process, its parent) of all processes: from /proc where there is one, else from `ps`."""
    if Path("/proc/self/stat").is_file():
        pairs = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError, ValueError, IndexError):
                    status = (folder / "stat").read_bytes()
                    pairs.append((int(folder.name), int(status[status.rindex(b")") + 1 :].split()[1])))
        return pairs
    try:
        command = ["ps", "-A", "-o", "pid=,ppid="]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=2, check=False)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = (line.split() for line in answer.stdout.splitlines())
    return [(int(row[0]), int(row[1])) for row in rows if len(row) == 2]


def end_tree(pid: int) -> None:
    """Kill a process started with `own_group` and all that it started, at once and without asking.

    On POSIX also the members of its group, which are no longer its descendants when it has ended before them.
    """
    if WINDOWS:
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(pid)], capture_output=True, timeout=5, check=False)
        return
    doomed = descendants(pid)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    kill_all([pid, *doomed])


def kill_all(pids: list[int]) -> None:
    """Kill each of these processes; those that have ended already are no error."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def signal_name(number: int) -> str:
    """SIGKILL for 9 and so on; "signal 77" for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
