"""Progress: fractions, remaining time, warnings, cancel."""

from __future__ import annotations

import json
import time

import pytest
from Dose3DLib.core.errors import Cancelled
from Dose3DLib.core.progress import Progress


@pytest.fixture
def heard():
    return []


def test_stages_share_the_whole(heard):
    progress = Progress(heard.append)
    with progress.stage("read", until=0.4):
        progress.report(0.5, "half of it")
    with progress.stage("compute", until=1.0):
        progress.report(0.5)
        progress.report(2.0)  # a task that miscounts
    assert [event["fraction"] for event in heard] == [0.0, 0.2, 0.4, 0.7, 1.0]
    assert [event["stage"] for event in heard] == ["read", "read", "compute", "compute", "compute"]
    assert set(progress.seconds) == {"read", "compute"}
    assert json.loads(json.dumps(heard)) == heard


def test_a_stage_that_comes_twice_adds_up():
    progress = Progress()
    for _ in range(2):
        with progress.stage("read", until=0.5):
            time.sleep(0.02)
    assert progress.seconds["read"] >= 0.04


def test_remaining_time_is_extrapolated_when_there_is_something_to_go_by(heard, monkeypatch):
    seconds = iter([0.0, 1.5, 1.5, 10.0, 10.0, 10.0, 10.0, 40.0, 40.0])  # start; each report asks twice
    monkeypatch.setattr("Dose3DLib.core.progress.time.monotonic", lambda: next(seconds))
    progress = Progress(heard.append)
    for fraction in (0.12, 0.01, 0.25, 1.0):
        progress.report(fraction)
    assert [event["remaining_s"] for event in heard] == [None, None, 30.0, 0.0]


def test_the_same_warning_is_said_once(heard):
    progress = Progress(heard.append)
    progress.warn("a")
    progress.warn("b")
    progress.warn("a")
    assert progress.warnings == ["a", "b"]
    assert [event["message"] for event in heard] == ["a", "b"]


def test_cancel_is_raised_at_the_next_report(heard):
    answers = iter([False, True])
    progress = Progress(heard.append, lambda: next(answers))
    progress.report(0.1)
    with pytest.raises(Cancelled):
        progress.report(0.2)
    assert len(heard) == 1


def test_time_of_a_cancelled_stage_is_kept():
    answers = iter([False, False, True])
    progress = Progress(cancelled=lambda: next(answers))
    with pytest.raises(Cancelled), progress.stage("read", until=0.5):
        progress.check()
    assert "read" in progress.seconds
