"""The independent judge of DICOM conformity, from Debian's dicom3tools."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def dciodvfy_errors(path: Path) -> list[str]:
    """Lines that dciodvfy calls errors (also when it dies); skips the test where it is not installed."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("needs dciodvfy of the Debian package dicom3tools")
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", check=False)
    lines = (done.stdout + done.stderr).splitlines()
    died = [f"dciodvfy died with {done.returncode}"] if done.returncode < 0 else []
    return [line for line in lines if line.startswith("Error")] + died
