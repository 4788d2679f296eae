"""Settings: what they accept and refuse, and exact round trips to JSON, command line and Python."""

from __future__ import annotations

import importlib
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from Dose3DLib.cli.commands import build_app
from Dose3DLib.core.errors import InputError
from Dose3DLib.tasks.base import Result, TaskSettings, option, options_of
from Dose3DLib.tasks.registry import GROUPS, TASKS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
PATH = TEXT.filter(bool).map(Path)
VALUES = st.fixed_dictionaries(
    {
        "ct": PATH,
        "output": PATH,
        "margin": st.floats(-50, 50),
        "speed": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "device": st.sampled_from(["auto", "cpu", "cuda"]),
        "structures": st.lists(TEXT, max_size=3).map(tuple),
        "sides": st.lists(st.sampled_from(["left", "right"]), max_size=3).map(tuple),
        "box": st.lists(st.floats(-1e300, allow_nan=False, allow_infinity=False), max_size=6).map(tuple),
        "note": st.none() | TEXT,
        "title": TEXT,
        "table": st.none() | PATH,
        "steps": st.integers(-5, 10**30),
        "overwrite": st.booleans(),
        "smooth": st.booleans(),
    }
)


@dataclass(frozen=True)
class Plain(TaskSettings):
    name: str = option(help="a name")
    size: int = option(3, help="a size", unit="mm", minimum=1, maximum=9)
    share: float = option(0.5, help="a share", minimum=0)
    where: Path | None = option(None, help="a place")
    names: tuple[str, ...] = option((), help="names", choices=("a", "bee"))
    box: tuple[float, ...] = option((), help="a box", unit="mm", minimum=-100, maximum=100)
    deep: bool = option(False, help="go deep")


@pytest.fixture(scope="module")
def toy_module():
    toys = str(Path(__file__).resolve().parents[2] / "toys")
    sys.path.insert(0, toys)
    yield importlib.import_module("toy_task")
    sys.path.remove(toys)


def parse(toy, words):
    app = build_app(words, [toy])
    return app(words, exit_on_error=False, print_error=False, result_action="return_value").settings


@given(values=VALUES)
def test_json_round_trip_is_exact(toy_module, values):
    made = toy_module.Settings(**values)
    text = made.to_json()
    assert toy_module.Settings.from_json(text) == made
    assert toy_module.Settings.from_dict(json.loads(text)) == made
    text.encode("ascii")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=VALUES)
def test_command_round_trip_is_exact(toy, toy_module, values):
    made = toy_module.Settings(**values)
    words = shlex.split(made.to_command())
    assert words[:3] == ["dose3d", "toy", "run"]
    assert parse(toy, words[1:]) == made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=VALUES)
def test_python_round_trip_is_exact(toy, toy_module, values):
    made = toy_module.Settings(**values)
    ran = []
    before, toy_module.run = toy_module.run, ran.append
    try:
        exec(made.to_python(), {})
    finally:
        toy_module.run = before
    assert ran == [made]


def test_command_leaves_out_defaults(toy, toy_module):
    made = toy_module.Settings(ct="my CT", output="OUT", structures=("A", "B"), smooth=False)
    assert made.to_command() == "dose3d toy run 'my CT' --output OUT --structures A B --no-smooth"
    assert made.to_python() == (
        "import toy_task\n\n"
        "result = toy_task.run(toy_task.Settings(ct='my CT', output='OUT', structures=('A', 'B'), smooth=False))\n"
    )


def test_negative_numbers_pass_the_command_line(toy, toy_module):
    made = toy_module.Settings(ct="ct", output="out", box=(-12.5, 30, -1e-7, 1e22, -0.0, 6))
    assert made.to_command() == "dose3d toy run ct --output out --box -12.5 30.0 -1e-07 1e+22 -0.0 6.0"
    words = ["toy", "run", "ct", "--box", "-1", "2", "-3.5", "-.5", "--output", "out"]
    assert parse(toy, words).box == (-1.0, 2.0, -3.5, -0.5)
    assert made.to_dict()["box"] == [-12.5, 30.0, -1e-7, 1e22, -0.0, 6.0]


def test_command_and_python_run_in_a_shell(toy, toy_module, tmp_path):
    """Both texts, pasted by a user, do the same; the shell finds `dose3d` on its path."""
    toys = Path(toy_module.__file__).parent
    program = tmp_path / "bin" / "dose3d"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(toys / "toy_cli.py"))} "$@"\n')
    program.chmod(0o755)
    odd = 'a "b" $HOME `c` \\ Łódź\nnew line'
    made = toy_module.Settings(ct="-x", output=tmp_path / "it's here", title=odd, structures=("-", "", "B"))
    environment = {"PATH": f"{program.parent}:/usr/bin:/bin", "PYTHONPATH": ":".join(map(str, sys.path))}
    subprocess.run(made.to_command(), shell=True, env=environment, check=True, capture_output=True, timeout=60)
    assert toy_module.Settings.from_json((made.output / "settings.json").read_text()) == made
    again = replace(made, output=tmp_path / "from python")
    code = again.to_python() + "print(result.summary)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, timeout=60)
    assert b"{'steps': 3}" in done.stdout
    assert toy_module.Settings.from_json((again.output / "settings.json").read_text()) == again


def test_values_that_lose_nothing_are_taken():
    numpy = pytest.importorskip("numpy")
    made = Plain(name="n", size=numpy.int16(4), share=1, where="x/y", names=["a"])
    assert made == Plain(name="n", size=4, share=1.0, where=Path("x/y"), names=("a",))
    assert type(made.size) is int
    assert type(made.share) is float
    assert Plain(name="n", names="bee").names == ("bee",)
    assert Plain(name="n", box=numpy.array([1, -2.5])).box == (1.0, -2.5)
    assert [type(number) for number in Plain(name="n", box=[1, numpy.float32(2)]).box] == [float, float]
    assert Plain(name="n", share=numpy.float32(0.5)).share == 0.5


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"size": 10}, "--size: 10 is out of range; give 1 to 9 mm"),
        ({"size": 2.5}, "--size: 2.5 is not a whole number; give a whole number"),
        ({"size": True}, "--size: True is not a whole number; give a whole number"),
        ({"size": None}, "--size: None is not a whole number; give a whole number"),
        ({"share": -0.1}, "--share: -0.1 is out of range; give at least 0"),
        ({"share": float("nan")}, "--share: nan is not a finite number; give at least 0"),
        ({"share": "x"}, "--share: 'x' is not a number; give a number"),
        ({"deep": 1}, "--deep: 1 is not true or false; give true or false"),
        ({"name": 5}, "--name: 5 is not a text; give a text"),
        ({"where": ""}, "--where: '' is not a path; give a path"),
        ({"where": 3}, "--where: 3 is not a path; give a path"),
        ({"names": ("a", 1)}, "--names: ('a', 1) is not a list of texts; give a list of texts"),
        ({"names": ("be",)}, '--names: "be" is not one of the choices; did you mean "bee"?'),
        ({"box": 3}, "--box: 3 is not a list of numbers; give a list of numbers"),
        ({"box": None}, "--box: None is not a list of numbers; give a list of numbers"),
        ({"box": "12"}, "--box: '12' is not a list of numbers; give a list of numbers"),
        ({"box": (1, "2")}, "--box: '2' is not a number; give a number"),
        ({"box": (1, float("inf"))}, "--box: inf is not a finite number; give -100 to 100 mm"),
        ({"box": (1, True)}, "--box: True is not a number; give a number"),
        ({"box": (-101, 2)}, "--box: -101.0 is out of range; give -100 to 100 mm"),
        ({"names": ("xyz",)}, '--names: "xyz" is not one of the choices; choose from a, bee'),
    ],
)
def test_bad_values_are_refused_in_one_line(values, line):
    with pytest.raises(InputError) as raised:
        Plain(**{"name": "n", **values})
    assert str(raised.value) == line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "job.json: is not JSON"),
        ("[]", "job.json: holds no JSON object"),
        ('{"name": "n", "sise": 3}', 'job.json: has an unknown setting "sise"; did you mean "size"?'),
        ('{"name": "n", "zzz": 3}', 'has an unknown setting "zzz"; known settings are name, size'),
        ('{"size": 3}', "--name: is missing; give it (a name)"),
        ('{"name": "n", "share": NaN}', "--share: nan is not a finite number"),
    ],
)
def test_bad_job_text_is_refused(text, words):
    with pytest.raises(InputError) as raised:
        Plain.from_json(text, "job.json")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_settings_are_frozen():
    made = Plain(name="n")
    with pytest.raises(AttributeError):
        made.size = 4


@pytest.mark.parametrize("hint", [list[str], dict, tuple[int, ...], int | str, "complex"])
def test_types_that_no_door_knows_are_a_fault_of_the_task(hint):
    bad = dataclass(frozen=True)(
        type("Bad", (TaskSettings,), {"__annotations__": {"x": hint}, "x": option(help="x"), "__module__": __name__})
    )
    with pytest.raises(TypeError, match="x: "):
        bad(x=1)


def test_result_round_trip():
    made = Result(Path("out"), {"a": "b"}, {"n": 1}, ("w",), {"s": 0.5})
    assert Result.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_task_of_the_registry(task):
    module = task.load()
    assert callable(module.run)
    assert all(item.help for item in options_of(module.Settings))
    assert len(task.command) == 1 or task.command[0] in GROUPS


def test_commands_of_the_registry_are_unique():
    commands = [task.command for task in TASKS]
    assert len(set(commands)) == len(commands)
    assert not {command[:1] for command in commands if len(command) > 1} & set(commands)
