"""Warp starts without a word, again and again, and its absence is an ImportError."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from Dose3DLib.core.warp_start import start_warp

LIBRARY = Path(__file__).resolve().parents[3] / "Dose3D"


def test_it_starts_twice_and_says_nothing():
    pytest.importorskip("warp")
    code = "from Dose3DLib.core.warp_start import start_warp; start_warp(); start_warp()"
    done = subprocess.run([sys.executable, "-c", code], cwd=LIBRARY, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_without_warp_it_is_an_import_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "warp", None)
    with pytest.raises(ImportError):
        start_warp()
