"""Words on the console, and that no line of words, however odd, brings the program down."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from Dose3DLib.cli.console import Display, SafeStream, duration, show_result
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import InputError
from Dose3DLib.tasks import registry
from Dose3DLib.tasks.base import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_duration(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_any_text_can_be_said_in_any_encoding(encoding):
    raw = io.BytesIO()
    stream = SafeStream(io.TextIOWrapper(raw, encoding=encoding))
    stream.say("Łódź µ \udcff 肺")
    said = raw.getvalue().decode(encoding)
    assert "d" in said
    assert ("肺" in said) == (encoding == "utf-8")


class Bare:
    """A stream with nothing but write, as Slicer's."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


def test_a_stream_with_nothing_but_write_is_enough():
    bare = Bare()
    stream = SafeStream(bare)
    stream.say("µm")
    assert bare.text == "\\xb5m\n"
    assert stream.isatty() is False


def event(fraction, stage, remaining=None):
    return {"event": "progress", "fraction": fraction, "stage": stage, "message": "", "remaining_s": remaining}


def test_lines_come_for_each_stage_and_else_rarely(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    bare = Bare()
    with Display(SafeStream(bare), "segment run") as display:
        display(event(0.0, "read"))
        for second in range(1, 25):
            clock[0] = float(second)
            display(event(second / 100, "read", 100.0 - second))
        display(event(0.25, "compute", 75.0))
    assert bare.text.splitlines() == [
        "segment run: starting",
        "  0%  read",
        " 10%  read  (1 min 30 s left)",
        " 20%  read  (1 min 20 s left)",
        " 25%  compute  (1 min 15 s left)",
    ]


def test_warnings_are_said_once_and_in_one_line():
    bare = Bare()
    with Display(SafeStream(bare), "x", quiet=True) as display:
        display(event(0.5, "read"))
        display({"event": "warning", "message": "two\nlines"})
    assert bare.text == "warning: two lines\n"
    result = Result(Path("OUT"), warnings=("two\nlines", "new"))
    listing = Bare()
    show_result(result, SafeStream(listing), 61, display.said)
    assert listing.text.splitlines() == [
        "results in OUT",
        "warning: new",
        "done in 1 min 01 s with 2 warnings; for research use only",
    ]


def test_figures_of_the_summary_are_readable():
    bare = Bare()
    summary = {"volumes_cc": {"Larynx": 12.34567, "Brainstem": 25}, "organs": ["A", "B"], "ok": True}
    show_result(Result(Path("OUT"), {"report": "report.html"}, summary), SafeStream(bare), 1)
    assert bare.text.splitlines()[1:5] == [
        "  report      report.html",
        "  volumes_cc  Larynx 12.35, Brainstem 25",
        "  organs      A, B",
        "  ok          True",
    ]


LINE = """
toy run segment --output OUT --output= --margin --margin=x --help -h --version -- - -5 --config --config= --quiet
--json-events --json-events=- --no-smooth --structures --no-structures --quiet=maybe --sides left --table --ct @file
--steps 1e9
"""
WORDS = st.sampled_from(LINE.split())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(words=st.lists(WORDS | st.text(max_size=5), max_size=8))
@pytest.mark.parametrize("first", [[], ["toy", "run"]], ids=["any", "a task"])
def test_no_line_of_words_brings_the_program_down(toy, monkeypatch, tmp_path, capsys, first, words):
    def never(*_):
        raise InputError("toy", "would start now", "nothing")

    monkeypatch.setattr("Dose3DLib.worker.client.WorkerJob", never)
    monkeypatch.chdir(tmp_path)
    tasks = [task for task in registry.TASKS if task is toy]
    capsys.readouterr()
    code = main([*first, *words], tasks)
    said = capsys.readouterr()
    assert code in (0, 2)
    assert "fault" not in said.err
    if code == 2:
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
