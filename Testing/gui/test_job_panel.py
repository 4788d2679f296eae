"""A job of a module's page: started, done, failed, killed, cancelled, abandoned; the page is idle afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GUI = Path(__file__).parent
ENDS = {
    "well": "Done.",
    "input_error": "ct.nrrd: no CT in the folder; choose another folder",
    "killed": "the task's process: was killed by SIGKILL",
    "cancelled": "Cancelled; nothing was changed.",
    "page_closed": "Cancelled; nothing was changed.",
    "no_start": "temporary folder: No space left on device; free some space there",
}


@pytest.fixture(scope="module")
def facts():
    environment = {**os.environ, "PYTHONPATH": str(GUI.parent / "toys")}
    command = [sys.executable, str(GUI / "job_panel_program.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("end", ENDS)
def test_page_is_idle_after_each_end_and_says_how_it_was(facts, end):
    assert ENDS[end] in facts[end]["status"]
    assert facts[end]["idle"]
    assert facts[end]["started"] == (end != "no_start")
    assert facts[end]["results"] == ([True] if end == "well" else [])


@pytest.mark.parametrize("end", ENDS)
def test_the_ct_does_not_stay_on_the_disk(facts, end):
    assert facts[end]["files_left"] == []
