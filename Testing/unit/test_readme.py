"""What README and CONTRIBUTING tell people to type and to open exists."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md")
OWN_WORDS = {"gui", "view", "demo", "test", "benchmark", "--list", "--help", "COMMAND"}


def typed_lines() -> list[str]:
    """What follows `run.py` wherever a page shows a command."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        found += [m.split("#")[0].strip() for m in re.findall(r"(?:python3 )?run\.py ([^`\n|]+)", text)]
    return [line for line in found if line and line[0].isalnum() and "," not in line.split()[0]]


def task_of(words: list[str]):
    from Dose3DLib.tasks.registry import TASKS

    return next((task for task in TASKS if tuple(words[: len(task.command)]) == task.command), None)


@pytest.mark.parametrize("line", sorted(set(typed_lines())))
def test_command_exists_with_its_options(line):
    from Dose3DLib.tasks.base import options_of

    words = shlex.split(line)
    task = task_of(words)
    if task is None:
        assert words[0] in OWN_WORDS, line
        return
    known = {item.flag for item in options_of(importlib.import_module(task.module).Settings)}
    assert {w for w in words if w.startswith("--")} <= known | {"--config", "--json-events", "--quiet", "--help"}


@pytest.mark.parametrize("page", PAGES)
def test_files_named_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    spoken = re.findall(r"`((?:Dose3D|Dose3DLib|Testing|tools|requirements|docs)/[\w/.\-]+)`", text)
    places = (ROOT, ROOT / "Dose3D")
    missing = [name for name in linked + spoken if not any((place / name).exists() for place in places)]
    assert not missing


def test_readme_lists_every_task():
    from Dose3DLib.tasks.registry import TASKS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [task.command for task in TASKS if f"`run.py {' '.join(task.command)}" not in text] == []


def test_nothing_left_over_is_visible():
    text = re.sub(r"<!--.*?-->", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)
    assert not re.search(r"\b(TODO|FIXME|TBD|XXX)\b", text)
