"""The estimate of time and memory against whole runs of the command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from Dose3DLib.bundles.bundle import find_bundle
from Dose3DLib.core.progress import Progress
from Dose3DLib.segmentation.estimate import estimate
from Dose3DLib.tasks.ct_source import load_ct
from Dose3DLib.tasks.demo import write_phantom_series

LIBRARY = Path(__file__).resolve().parents[2] / "Dose3D"
TIME_FACTOR, MEMORY_FACTOR = 2.5, 2.0
BOX = ("30", "85", "-60", "10", "-90", "-45")

pytestmark = pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs wait4 to see the memory of child processes")


MEASURER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""
"""A small process between: the peak of a child begins at the memory of the one that forks it."""


def measure(ct: Path, output: Path, *more: str) -> tuple[float, int]:
    """Seconds and peak memory (bytes, of the largest process) of `segment run`."""
    words = [sys.executable, "-m", "Dose3DLib.cli", "segment", "run", str(ct), "--output", str(output)]
    started = time.perf_counter()
    command = [sys.executable, "-c", MEASURER, *words, "--device", "cpu", "--quiet", *more]
    done = subprocess.run(command, cwd=LIBRARY, capture_output=True, text=True, check=True)
    code, peak = map(int, done.stdout.split())
    assert code == 0
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - started, peak * unit


def judge(ct: Path, output: Path, roi: tuple[str, ...] = ()) -> None:
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    grid = load_ct(ct, None, False, Progress()).volume.grid
    said = estimate(grid, find_bundle("head_neck_ct"), "cpu", tuple(map(float, roi)))
    seconds, memory = measure(ct, output, *(["--roi", *roi] if roi else []))
    crowd = max(crowd, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert said.seconds / TIME_FACTOR < seconds < said.seconds * TIME_FACTOR * crowd
    assert said.memory_bytes / MEMORY_FACTOR < memory < said.memory_bytes * MEMORY_FACTOR


@pytest.mark.parametrize("roi", [pytest.param((), marks=pytest.mark.slow, id="whole"), pytest.param(BOX, id="region")])
def test_phantom(tmp_path, roi):
    write_phantom_series(tmp_path / "ct")
    judge(tmp_path / "ct", tmp_path / "out", roi)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dicom_onko_hn/ct", "ct_pelvis/ct.nii.gz", "openkbp_dicom/pt_236/CT"])
def test_real_ct(shared_data, tmp_path, name):
    judge(shared_data / name, tmp_path / "out")
