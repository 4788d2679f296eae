"""Fixtures of the unit tests: the toy task, known to this process and to those it starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

LIBRARY_ROOT = Path(__file__).resolve().parents[2] / "Dose3D"
TOYS = Path(__file__).resolve().parents[1] / "toys"


@pytest.fixture
def crowd() -> float:
    """How many busy programs share a processor of this machine (1 or more): bounds on time are stretched by it."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)) if hasattr(os, "getloadavg") else 1.0


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch):
    """The toy's registry entry; its module can be imported here and in child processes, and is in the registry."""
    monkeypatch.syspath_prepend(TOYS)
    path = [str(LIBRARY_ROOT), str(TOYS), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    from Dose3DLib.tasks import registry
    from toy_cli import TOY

    monkeypatch.setattr(registry, "TASKS", (*registry.TASKS, TOY))
    return TOY
