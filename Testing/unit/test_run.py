"""run.py without network: what it says when something is missing, and when it believes that all is there."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run.py as a module that believes its checkout to be a temporary folder with the same pins."""
    spec = importlib.util.spec_from_file_location("run_under_test", ROOT / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "requirements").mkdir()
    for path in (ROOT / "requirements").glob("*.txt"):
        (tmp_path / "requirements" / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "run.py").write_text("", encoding="utf-8")
    home = tmp_path / ".venv"
    for name, value in {"ROOT": tmp_path, "VENV": home, "STAMP": home / "dose3d-setup.json"}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "PIP_LOG", home / "pip.log")
    return module


@pytest.fixture
def pip_calls(run, monkeypatch):
    """The calls of pip that run.py makes, which here do nothing; the environment is made of files only."""
    calls = []

    def make(command):
        run.venv_python().parent.mkdir(parents=True)
        run.venv_python().touch()
        (run.VENV / "pyvenv.cfg").touch()
        (run.VENV / "lib" / "python3" / "site-packages").mkdir(parents=True)

    monkeypatch.setattr(run, "run_pip", lambda arguments, title, program=None: calls.append(arguments))
    monkeypatch.setattr(run, "make_venv", make)
    monkeypatch.setattr(run, "venv_is_usable", lambda version: run.venv_python().exists())
    monkeypatch.setattr(run, "planned_cuda", lambda pin: [])
    monkeypatch.setattr(run, "installed", lambda name: "")
    monkeypatch.setattr(run, "FREE_BYTES", 0)
    return calls


def version_here():
    return sys.version_info[:2]


def test_old_pythons_can_read_it_to_be_refused():
    ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_only_the_standard_library():
    tree = ast.parse((ROOT / "run.py").read_text(encoding="utf-8"))
    names = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_installs_nothing(run, arguments, capsys):
    assert run.main(arguments) == 0
    assert "run.py demo" in capsys.readouterr().out
    assert not run.VENV.exists()


def test_first_use_installs_torch_alone_then_the_rest_and_the_second_nothing(run, pip_calls):
    run.set_up(run.wanted_layers(for_tests=False))
    assert pip_calls == [["torch==2.13.0"], ["-r", str(run.ROOT / "requirements" / "run.txt")]]
    run.set_up(run.wanted_layers(for_tests=False))
    assert len(pip_calls) == 2


def test_test_packages_come_with_the_tests_only(run, pip_calls):
    run.set_up(run.wanted_layers(for_tests=False))
    before = len(pip_calls)
    run.set_up(run.wanted_layers(for_tests=True))
    assert pip_calls[before:] == [
        ["-r", str(run.ROOT / "requirements" / "test.txt")],
        ["--no-deps", "-r", str(run.ROOT / "requirements" / "test-no-deps.txt")],
    ]


def test_changed_pins_are_installed_and_comments_are_no_change(run, pip_calls):
    layers = run.wanted_layers(for_tests=False)
    run.set_up(layers)
    path = run.ROOT / "requirements" / "run.txt"
    path.write_text("# a remark\n\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert run.is_ready(layers, version_here())
    path.write_text(path.read_text(encoding="utf-8").replace("monai==1.6.1", "monai==1.6.2"), encoding="utf-8")
    assert not run.is_ready(layers, version_here())


def test_interrupted_installation_goes_on(run, pip_calls, monkeypatch, capsys):
    def interrupted(arguments, title, program=None):
        if "-r" in arguments:
            raise KeyboardInterrupt

    quiet = run.run_pip
    monkeypatch.setattr(run, "run_pip", interrupted)
    assert run.main(["demo"]) == 2
    assert "interrupted" in capsys.readouterr().err
    monkeypatch.setattr(run, "run_pip", quiet)
    monkeypatch.setattr(run, "make_venv", lambda command: pytest.fail("made anew"))
    run.set_up(run.wanted_layers(for_tests=False))
    assert pip_calls[-1][0] == "-r"


def test_half_installed_packages_are_forgotten(run, pip_calls):
    run.set_up(run.wanted_layers(for_tests=False))
    packages = run.VENV / "lib" / "python3" / "site-packages"
    for name, complete in (("whole", True), ("half", False)):
        (packages / f"{name}-1.0.dist-info").mkdir(parents=True)
        if complete:
            (packages / f"{name}-1.0.dist-info" / "RECORD").touch()
    run.drop_half_installed()
    assert [p.name for p in packages.glob("*-1.0.dist-info")] == ["whole-1.0.dist-info"]


def test_moved_checkout_or_other_python_is_not_ready(run, pip_calls):
    layers = run.wanted_layers(for_tests=False)
    run.set_up(layers)
    assert run.is_ready(layers, version_here())
    assert not run.is_ready(layers, (3, 99))
    run.write_stamp(dict(run.read_stamp(), home="elsewhere"))
    assert not run.is_ready(layers, version_here())


def test_folder_that_is_no_environment_is_not_removed(run, capsys):
    run.VENV.mkdir()
    (run.VENV / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(run.SetupError, match="move it away"):
        run.make_venv(sys.executable)
    assert (run.VENV / "thesis.txt").exists()


def test_too_little_room_is_said_before_anything_is_made(run, monkeypatch):
    monkeypatch.setattr(run, "FREE_BYTES", 2**60)
    with pytest.raises(run.SetupError, match="GB free"):
        run.set_up(run.wanted_layers(for_tests=False))
    assert not run.VENV.exists()


def test_wrong_python_says_which(run, monkeypatch):
    monkeypatch.setattr(run.sys, "version_info", (3, 8, 1))
    monkeypatch.setattr(run.shutil, "which", lambda name: None)
    with pytest.raises(run.SetupError, match=r"Python 3\.8 .* needs Python 3\.10, 3\.11, 3\.12 or 3\.13"):
        run.find_python()


def test_wrong_python_uses_a_right_one_beside_it(run, monkeypatch):
    monkeypatch.setattr(run.sys, "version_info", (3, 14, 0))
    monkeypatch.setattr(run.shutil, "which", lambda name: sys.executable if name == "python3.12" else None)
    assert run.find_python() == (sys.executable, (3, 12))


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: Retrying ... NewConnectionError ... Temporary failure in name resolution", "did not answer"),
        ("ERROR: Ignored the following\nERROR: No matching distribution found for vtk==9.6.0", "No matching"),
    ],
)
def test_pip_failures_become_one_line(run, complaint, words):
    line = run.pip_cause(complaint)
    assert words in line
    assert "\n" not in line


@pytest.fixture
def cuda_plan(run, pip_calls, monkeypatch):
    """A machine where plain pip would bring CUDA, and nobody sits at the terminal."""
    monkeypatch.setattr(run, "planned_cuda", lambda pin: ["https://example.org/torch.whl"])
    monkeypatch.setattr(run, "download_size", lambda urls: "2.7 GB")
    monkeypatch.setattr(run, "installed", lambda name: "")
    monkeypatch.setattr(run, "ask", lambda question, default: None)
    monkeypatch.delenv("DOSE3D_TORCH", raising=False)
    return pip_calls


@pytest.mark.parametrize("card", [True, False])
def test_nobody_there_means_cpu_build(run, cuda_plan, monkeypatch, card):
    monkeypatch.setattr(run, "has_nvidia_card", lambda: card)
    run.install_torch("torch==2.13.0")
    assert [call[-1] for call in cuda_plan] == ["torch==2.13.0+cpu"]
    assert "--retries" in cuda_plan[0]


def test_cuda_download_needs_consent(run, cuda_plan, monkeypatch):
    def failing(arguments, title, program=None):
        if run.CPU_INDEX in arguments:
            raise run.SetupError("no answer")
        cuda_plan.append(arguments)

    monkeypatch.setattr(run, "has_nvidia_card", lambda: False)
    monkeypatch.setattr(run, "run_pip", failing)
    with pytest.raises(run.SetupError, match=r"2\.7 GB.*DOSE3D_TORCH=cuda"):
        run.install_torch("torch==2.13.0")
    monkeypatch.setattr(run, "ask", lambda question, default: True)
    run.install_torch("torch==2.13.0")
    assert cuda_plan == [["torch==2.13.0"]]


def test_wish_for_cuda_is_obeyed(run, cuda_plan, monkeypatch):
    monkeypatch.setenv("DOSE3D_TORCH", "cuda")
    run.install_torch("torch==2.13.0")
    assert cuda_plan == [["torch==2.13.0"]]
    monkeypatch.setenv("DOSE3D_TORCH", "gpu")
    with pytest.raises(run.SetupError, match="cpu or cuda"):
        run.install_torch("torch==2.13.0")


@pytest.mark.skipif(os.name == "nt", reason="replaces the process on POSIX only")
def test_hands_on_arguments_folder_and_environment(run, monkeypatch, tmp_path):
    seen = {}

    def become(path, command, environment):
        seen.update(command=command, env=environment)
        raise SystemExit

    monkeypatch.setattr(run.os, "execve", become)
    monkeypatch.setenv("PYTHONPATH", "foreign")
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit):
        run.hand_on(["test", "Testing/unit/core", "-k", "grid"])
    assert seen["command"][1:] == ["-m", "pytest", str(ROOT / "Testing" / "unit" / "core"), "-k", "grid"]
    assert seen["env"]["PYTHONPATH"] == str(tmp_path / "Dose3D")
    assert Path.cwd() == tmp_path
    with pytest.raises(SystemExit):
        run.hand_on(["segment", "run", "CT", "--output", "OUT"])
    assert seen["command"][1:] == ["-m", "Dose3DLib.cli", "segment", "run", "CT", "--output", "OUT"]


def test_benchmark_that_is_not_there(run, capsys):
    assert run.main(["benchmark", "nothing"]) == 2
    assert "name one of" in capsys.readouterr().err
    assert not run.VENV.exists()


def test_benchmark_is_its_script(run, tmp_path):
    script = tmp_path / "Testing" / "benchmarks" / "contours.py"
    script.parent.mkdir(parents=True)
    script.touch()
    run.check_arguments(["benchmark", "contours"])
    assert run.program_of(["benchmark", "contours", "--rows", "64"]) == [str(script), "--rows", "64"]


def pins(name):
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def linux(python):
    return {"python_version": python, "sys_platform": "linux", "platform_machine": "x86_64"}


@pytest.mark.parametrize("python", PYTHONS)
def test_pins_are_exact_and_within_the_ranges(python):
    """Each pinned version lies in the range that users of the library get; exactly one pin a package and Python."""
    if sys.version_info < (3, 11):
        pytest.skip("reads pyproject.toml by tomllib, which Python 3.10 lacks")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    ranges = {r.name.lower(): r.specifier for r in (Requirement(text) for one in lists for text in one)}
    valid = [p for p in pins("run.txt") + pins("test.txt") if p.marker is None or p.marker.evaluate(linux(python))]
    versions = {p.name.lower(): str(p.specifier) for p in valid}
    assert len(versions) == len(valid)
    assert all(text.startswith("==") for text in versions.values())
    assert set(ranges) <= set(versions)
    for name, allowed in ranges.items():
        assert allowed.contains(versions[name][2:]), name


def test_requirements_for_slicer_leave_its_packages_alone():
    lines = (ROOT / "Dose3D" / "Resources" / "Dose3D-requirements.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert not {r.name.lower() for r in found} & {"numpy", "scipy", "simpleitk", "torch", "vtk", "slicer-core"}
    assert not [r for r in found if "==" in str(r.specifier)]
    assert {r.name.lower() for r in found} <= {p.name.lower() for p in pins("run.txt")}


def test_program_itself_refuses_in_one_line(tmp_path):
    """The real program on a folder that it may not touch: one line on stderr, exit code 2."""
    copy = tmp_path / "run.py"
    copy.write_bytes((ROOT / "run.py").read_bytes())
    done = subprocess.run(
        [sys.executable, str(copy), "demo"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2
    assert done.stderr.startswith("run.py: error: ")
    assert len(done.stderr.strip().splitlines()) == 1
