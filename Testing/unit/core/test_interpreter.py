"""Which interpreter runs our processes, inside Slicer and outside, and where it looks."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import Dose3DLib
import pytest
from Dose3DLib.core.errors import ResourceError
from Dose3DLib.core.interpreter import library_path, python_executable


@pytest.mark.parametrize(
    ("executable", "in_slicer", "on_path", "expected"),
    [
        ("/usr/bin/python3", False, None, "/usr/bin/python3"),
        ("/usr/bin/python3", False, "/s/PythonSlicer", "/usr/bin/python3"),
        ("/s/bin/python-real", True, "/s/PythonSlicer", "/s/PythonSlicer"),
        ("/s/bin/SlicerApp-real", True, "/s/PythonSlicer", "/s/PythonSlicer"),
        ("/s/bin/PythonSlicer", False, "/s/PythonSlicer", "/s/bin/PythonSlicer"),
        ("/venv/python", True, None, "/venv/python"),  # slicer-core outside the application
        ("", False, None, None),
        (None, True, None, None),
    ],
)
def test_interpreter(monkeypatch, executable, in_slicer, on_path, expected):
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setitem(sys.modules, "slicer", types.SimpleNamespace(app=object() if in_slicer else None))
    monkeypatch.setattr("shutil.which", lambda name: on_path if name == "PythonSlicer" else None)
    if expected is None:
        with pytest.raises(ResourceError, match="PythonSlicer: is not on the PATH; start Slicer by its own launcher"):
            python_executable()
    else:
        assert python_executable() == expected


def test_the_library_goes_before_what_is_there(monkeypatch):
    root = str(Path(Dose3DLib.__file__).resolve().parents[1])
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert library_path() == root
    monkeypatch.setenv("PYTHONPATH", "theirs")
    assert library_path() == os.pathsep.join([root, "theirs"])
