"""Commands that serve until they are stopped: beside the tasks, without a worker and without a task's options."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from Dose3DLib.cli.main import main
from Dose3DLib.cli.services import COMMANDS, SERVICES, Service
from Dose3DLib.core.errors import InputError
from Dose3DLib.tasks.base import TaskSettings, option
from Dose3DLib.tasks.registry import TASKS

LIBRARY = Path(__file__).resolve().parents[3] / "Dose3D"


@dataclass(frozen=True)
class Settings(TaskSettings):
    """A toy."""

    place: Path = option(help="a place", positional=True)
    loud: bool = option(True, help="say it")


@pytest.fixture
def served(monkeypatch):
    """Run a toy service; what it was given, and a way to let it fail."""
    module = ModuleType("toy_service")
    module.Settings, module.calls, module.error = Settings, [], None

    def serve(settings, say):
        module.calls.append(settings)
        if module.error:
            raise module.error
        say(f"serving {settings.place}")

    module.serve = serve
    monkeypatch.setitem(sys.modules, "toy_service", module)
    return module


TOY = Service(("toyview",), "toy_service", "Serve a toy.")


def run(*words):
    return main(list(words), tasks=(*TASKS, TOY))


def test_services_are_commands_and_no_tasks():
    assert ("view",) in {service.command for service in SERVICES}
    assert not {service.command for service in SERVICES} & {task.command for task in TASKS}
    assert {*COMMANDS} == {*TASKS, *SERVICES}


def test_a_service_runs_here_with_its_settings(served, capsys):
    assert run("toyview", "HERE", "--no-loud") == 0
    assert served.calls == [Settings(place=Path("HERE"), loud=False)]
    assert capsys.readouterr().out == "serving HERE\n"


def test_it_has_no_options_of_jobs(served, capsys):
    assert run("toyview", "--help") == 0
    text = capsys.readouterr().out
    assert "--no-loud" in text
    assert "--json-events" not in text
    assert run("toyview", "HERE", "--json-events", "-") == 2
    assert served.calls == []


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("HERE", "is bad", "mend it"), 2, "error: HERE: is bad; mend it"),
        (KeyboardInterrupt(), 130, "cancelled; nothing was written"),
    ],
)
def test_how_it_may_end(served, capsys, error, code, line):
    served.error = error
    assert run("toyview", "HERE") == code
    assert capsys.readouterr().err.strip() == line


def test_the_help_of_view_needs_no_science_package():
    code = (
        "import sys\nfrom Dose3DLib.cli.main import main\ncode = main(['view', '--help'])\n"
        "heavy = {'torch', 'vtk', 'vtkmodules', 'slicer', 'trame_slicer', 'aiohttp'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=LIBRARY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--port" in done.stdout
    assert "--no-browser" in done.stdout
