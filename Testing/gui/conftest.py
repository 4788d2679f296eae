"""GUI tests under pytest: last in the run, on the stand-in; skipped with one line where Qt cannot load."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PACKAGES = "libglib2.0-0 libgl1 libegl1 libxkbcommon0 libfontconfig1 libdbus-1-3"

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(HERE))


@cache
def qt_problem() -> str:
    """Why Qt cannot be used here, or ""; asked in a process of its own, which Qt may abort."""
    code = "from PySide6.QtWidgets import QApplication; QApplication([]); import slicer, trame_slicer"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason given"])[-1]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests here put `qt`, `ctk` and `slicer.app` where others must not find them: they come last."""
    ours = [item for item in items if HERE in item.path.parents]
    items[:] = [item for item in items if HERE not in item.path.parents] + ours


@pytest.fixture(autouse=True, scope="session")
def _desktop():
    """Skip all where Qt is missing; else keep what other tests left out of the garbage collector's way."""
    if problem := qt_problem():
        pytest.skip(f"GUI tests need Qt's system libraries: sudo apt install {PACKAGES} ({problem})")
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
