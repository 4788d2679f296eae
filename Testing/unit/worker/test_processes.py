"""Process trees."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from Dose3DLib.worker import processes
from Dose3DLib.worker.processes import descendants, end_tree, own_group, signal_name

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX process groups")

NESTED = """
import subprocess, sys, time
if int(sys.argv[1]):
    subprocess.Popen([sys.executable, "-c", sys.argv[2], str(int(sys.argv[1]) - 1), sys.argv[2]])
else:
    print("deepest", flush=True)
time.sleep(60)
"""


@pytest.fixture
def tree():
    """A process with a child and a grandchild, all up."""
    process = subprocess.Popen([sys.executable, "-c", NESTED, "2", NESTED], stdout=subprocess.PIPE, **own_group())
    process.stdout.readline()
    yield process
    end_tree(process.pid)
    process.communicate()


@posix
@pytest.mark.parametrize("source", ["/proc", "ps"])
def test_descendants(tree, source, monkeypatch):
    if source == "ps":
        real = processes.Path
        monkeypatch.setattr(processes, "Path", lambda name: real("/nowhere") if "/proc" in str(name) else real(name))
        if not processes._process_list():
            pytest.skip("needs the ps command")
    found = descendants(tree.pid)
    assert len(found) == 2
    assert tree.pid not in found
    assert descendants(found[-1]) == []


@posix
def test_the_whole_tree_ends(tree):
    doomed = descendants(tree.pid)
    end_tree(tree.pid)
    assert tree.wait(2) == -9
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and any(os.path.exists(f"/proc/{pid}/fd/0") for pid in doomed):
        time.sleep(0.01)
    assert not any(pid in doomed for pid, _ in processes._process_list() if os.path.exists(f"/proc/{pid}/fd/0"))
    end_tree(tree.pid)  # once more is no error


@posix
def test_windows_uses_taskkill(monkeypatch):
    ran = []
    monkeypatch.setattr(processes, "WINDOWS", True)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: ran.append(command))
    end_tree(123)
    assert ran == [["taskkill", "/T", "/F", "/PID", "123"]]
    assert "creationflags" in own_group()


def test_signal_names():
    assert signal_name(9) == "SIGKILL"
    assert signal_name(200) == "signal 200"
