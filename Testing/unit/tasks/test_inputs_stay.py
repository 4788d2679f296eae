"""No task replaces what it reads, whatever `--overwrite` allows: the reviewed structures may be nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from Dose3DLib.core.errors import Dose3DError, OutputError
from Dose3DLib.core.output import atomic_output
from Dose3DLib.tasks.base import options_of
from Dose3DLib.tasks.registry import TASKS

REPLACING = [task for task in TASKS if any(item.name == "overwrite" for item in options_of(task.load().Settings))]

FURTHER = {
    "detector calibrate": lambda path: {"readings": (str(path),)},
    "detector export": lambda path: {"format": "labelmap"},
    "detector layout": lambda path: {"from_file": path},
    "dose scale": lambda path: {"measured": (str(path),)},
    "phsp compare": lambda path: {"generated": path},
    "phsp generate": lambda path: {"model": "6mv-fast", "photons": 5, "others": path},
    "phsp train": lambda path: {"phase_spaces": (str(path),)},
}
"""Settings that a task needs beside its required paths."""


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A folder that may be replaced, with the input in it."""
    folder = tmp_path / "Łódź µ"
    folder.mkdir()
    (folder / "provenance.json").write_text("{}")
    return folder


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_are_such_tasks():
    assert len(REPLACING) >= 5


@pytest.mark.parametrize("task", REPLACING, ids=lambda task: task.name)
@pytest.mark.parametrize("place", ["itself", "around it"])
def test_the_input_stays(task, place, result):
    module = task.load()
    path = result / ("in.IAEAphsp" if task.name == "phsp info" else "in.nrrd")
    path.write_bytes(b"mine")
    needed = {
        item.name: path for item in options_of(module.Settings) if item.kind is Path and item.required
    }  # fmt: skip
    before = files_below(result)
    output = path if place == "itself" else result
    further = FURTHER.get(task.name, lambda path: {})(path)
    settings = module.Settings(**{**needed, **further, "output": output, "overwrite": True})
    assert path in settings.inputs()
    with pytest.raises(Dose3DError) as raised:
        module.run(settings)
    assert raised.value.what == str(output), "the output is at fault"
    assert files_below(result) == before
    assert [one.name for one in result.parent.iterdir()] == [result.name]


@pytest.mark.parametrize("way", ["plain", "link", "dots"])
def test_by_whatever_way_it_is_named(way, result):
    original = result / "organs.seg.nrrd"
    original.write_bytes(b"mine")
    (result.parent / "link").symlink_to(result)
    target = {"plain": result, "link": result.parent / "link", "dots": result / ".." / result.name}[way]
    with (
        pytest.raises(OutputError, match=r"holds the input organs\.seg\.nrrd, which would be lost"),
        atomic_output(target, True, [original]) as draft,
    ):
        draft.mkdir()
    assert original.read_bytes() == b"mine"


def test_what_is_no_input_is_replaced(result, tmp_path):
    other = tmp_path / "organs.seg.nrrd"
    other.write_bytes(b"mine")
    with atomic_output(result, True, [other, tmp_path]) as draft:
        draft.mkdir()
    assert list(result.iterdir()) == []
