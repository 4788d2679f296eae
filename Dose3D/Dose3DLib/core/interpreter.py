"""Processes of ours in Python: which interpreter runs them, and where it finds the library."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from .errors import ResourceError

__all__ = ["library_path", "python_executable"]

_LIBRARY_ROOT = Path(__file__).resolve().parents[2]


def library_path() -> str:
    """PYTHONPATH for a child: the library's place before what is there already."""
    return os.pathsep.join(filter(None, [str(_LIBRARY_ROOT), os.environ.get("PYTHONPATH", "")]))


def python_executable() -> str:
    """The interpreter for processes of ours: ours, or PythonSlicer when we live inside Slicer's application.

    Raises
    ------
    ResourceError
        we are embedded in an application and PythonSlicer is not on the PATH (Slicer puts it there).
    """
    in_application = getattr(sys.modules.get("slicer"), "app", None) is not None
    found = shutil.which("PythonSlicer")  # the application's own python would lack the launcher's environment
    if in_application and found:
        return found
    if Path(sys.executable or "").name.lower().startswith(("python", "pypy")):
        return sys.executable
    if found is None:
        raise ResourceError("PythonSlicer", "is not on the PATH", "start Slicer by its own launcher")
    return found
