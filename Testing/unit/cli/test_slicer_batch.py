"""The script that Slicer runs: in an imitation of Slicer's start, and under a plain Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import Dose3DLib
import pytest

SCRIPT = Path(Dose3DLib.__file__).parent / "cli" / "slicer_batch.py"

LIKE_SLICER = """
import os, sys, types

# As Slicer does it: the script runs in the namespace of __main__ by exec, its arguments follow in sys.argv, the streams
# can do little more than write, an exception is printed and forgotten, and the application stays open.
class Stream:
    def __init__(self, number): self.number = number
    def write(self, text): os.write(self.number, text.encode())
    def flush(self): pass

def leave(status=0):
    os._exit(status)

slicer = types.ModuleType("slicer")
slicer.app = object()
slicer.util = types.ModuleType("slicer.util")
slicer.util.exit = leave
sys.modules.update({"slicer": slicer, "slicer.util": slicer.util})
script = sys.argv[1]
sys.argv = ["SlicerApp-real", *sys.argv[2:]]
sys.stdout, sys.stderr = Stream(1), Stream(2)
_updated_globals = globals()
_updated_globals["__file__"] = script
try:
    exec(open(script).read(), _updated_globals)
except BaseException as error:
    print("Slicer caught", type(error).__name__, error)
os._exit(77)  # Slicer stayed open
"""


@pytest.fixture(params=["in Slicer", "plain Python"])
def batch(request, toy, tmp_path, monkeypatch):
    """Run the script with these words; the library must be found by the script alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH")
    start = [sys.executable, "-c", LIKE_SLICER] if request.param == "in Slicer" else [sys.executable]

    def run(*words):
        return subprocess.run([*start, str(SCRIPT), *words], capture_output=True, text=True, timeout=60)

    return run


def test_help_exits_with_zero(batch):
    done = batch("segment", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: dose3d segment" in done.stdout


def test_faulty_line_exits_with_two(batch):
    done = batch("segment", "rnu")
    assert done.returncode == 2
    assert done.stderr.startswith('error: Unknown command "rnu". Did you mean "run"?')


def test_error_of_a_task_gives_its_code(batch, tmp_path):
    done = batch("segment", "run", "no such folder", "--output", "OUT")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: no such folder: ")
    assert list(tmp_path.iterdir()) == []


def test_broken_installation_exits_with_two(batch, tmp_path, monkeypatch):
    """Slicer's Python without our requirements."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "cyclopts.py").write_text("raise ModuleNotFoundError('no cyclopts', name='cyclopts')")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    done = batch("segment", "--help")
    assert done.returncode == 2
    assert done.stderr == "error: Python package cyclopts: is not installed; install it: pip install cyclopts\n"


def test_a_crash_of_the_door_itself_exits_with_one(batch, tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        f"import sys; sys.path.insert(0, {str(SCRIPT.parents[2])!r})\n"
        "import Dose3DLib.cli.main\n"
        "def main(argv): raise SystemExit('never')\n"
        "Dose3DLib.cli.main.main = main\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(broken))
    done = batch("segment", "--help")
    assert done.returncode == 1
    assert "never" in done.stderr
