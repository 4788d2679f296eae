"""The command as a user meets it: what stops it says so in one line and ends with 2."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from Dose3DLib.cli.main import main
from Dose3DLib.view import probe, service

pytest.importorskip("trame_slicer", reason='needs trame-slicer (pip install "dose3d[view]")')
from scene_builder import ball_grid, ct, structures, write_scene_file  # noqa: E402

LIBRARY = Path(__file__).resolve().parents[3] / "Dose3D"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    grid = ball_grid()
    return write_scene_file(tmp_path_factory.mktemp("scene") / "scene.mrb", {"CT": ct(grid)}, structures(grid))


@pytest.fixture
def refused(capsys):
    """Run a command that must end with 2; its only line."""

    def run(*words):
        assert main(["view", *map(str, words)]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1, lines
        return lines[0]

    return run


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "temporary").mkdir()
    return {**os.environ, "PYTHONPATH": str(LIBRARY), "TMPDIR": str(tmp_path / "temporary")}


def test_not_there_and_no_scene(refused, tmp_path):
    assert "does not exist" in refused(tmp_path / "nowhere.mrb", "--no-browser")
    (tmp_path / "a.mrb").write_text("text")
    assert "is no Slicer scene" in refused(tmp_path / "a.mrb", "--no-browser")
    (tmp_path / "empty").mkdir()
    assert "holds no scene" in refused(tmp_path / "empty", "--no-browser")


def test_port_in_use(refused, scene):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert f"--port: {port} is in use; give another one" in refused(scene, "--port", port, "--no-browser")
    assert "--port" in refused(scene, "--port", 70000)


def test_without_trame_slicer_it_says_what_to_install(refused, scene, monkeypatch):
    monkeypatch.setattr(service, "find_spec", lambda name: None)
    assert 'needs trame-slicer, which is not installed; install it (pip install "dose3d[view]"' in refused(scene)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows starts no scripts by their first line")
@pytest.mark.parametrize("action", ["import os; os.kill(os.getpid(), 11)", "import sys; sys.exit(1)"])
def test_without_opengl_it_says_what_to_install(refused, scene, tmp_path, monkeypatch, action, capsys):
    program = tmp_path / "broken"
    program.write_text(f"#!{sys.executable}\n{action}\n")
    program.chmod(0o755)
    monkeypatch.setattr(probe, "python_executable", lambda: str(program))
    assert "cannot draw on this machine" in (line := refused(scene, "--no-browser"))
    assert "apt install libgl1 libegl1" in line


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="hides libraries as Linux finds them")
def test_a_machine_whose_opengl_libraries_are_missing(scene, tmp_path, environment):
    hidden = tmp_path / "libraries"
    hidden.mkdir()
    names = "EGL.so.1 EGL.so GL.so.1 GL.so GLX.so.0 OpenGL.so.0 OSMesa.so OSMesa.so.6 OSMesa.so.7 OSMesa.so.8"
    for name in names.split():
        (hidden / f"lib{name}").write_text("no library")
    done = subprocess.run([sys.executable, "-m", "Dose3DLib.cli", "view", scene, "--no-browser"],
                          env={**environment, "LD_LIBRARY_PATH": str(hidden)}, capture_output=True, text=True,
                          timeout=60)  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(
        r"error: dose3d view: cannot draw on this machine .*apt install libgl1 libegl1\)\n", done.stderr
    )
    assert not list((tmp_path / "temporary").iterdir())


def test_a_scene_whose_image_is_damaged(scene, tmp_path, environment):
    broken = tmp_path / "broken.mrb"
    with zipfile.ZipFile(scene) as old, zipfile.ZipFile(broken, "w") as new:
        for item in old.infolist():
            content = old.read(item)
            new.writestr(item.filename, b"NRRD0004\nbroken\n" if item.filename.endswith("volume0.nrrd") else content)
    done = subprocess.run([sys.executable, "-m", "Dose3DLib.cli", "view", broken, "--no-browser"], env=environment,
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(r"error: \S+broken\.mrb: is damaged \(Slicer cannot read a file in it\); .*\n", done.stderr)
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses a script as the browser")
@pytest.mark.parametrize(("words", "opens"), [((), True), (("--no-browser",), False)])
def test_the_default_browser_gets_the_address(can_draw, scene, tmp_path, environment, words, opens):
    program, heard = tmp_path / "browser", tmp_path / "heard.txt"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {heard}.part && mv {heard}.part {heard}\nsleep 60\n')
    program.chmod(0o755)
    command = [sys.executable, "-m", "Dose3DLib.cli", "view", scene, *words]
    process = subprocess.Popen(command, env={**environment, "BROWSER": str(program)}, stdout=subprocess.PIPE, text=True,
                               start_new_session=True)  # fmt: skip
    process.stdout.readline()
    url = process.stdout.readline().strip()
    end = time.monotonic() + (10 if opens else 1)
    while not heard.exists() and time.monotonic() < end:
        time.sleep(0.05)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(10)
    assert time.monotonic() - started < 2  # though the browser is still there
    assert (heard.read_text() == url) if opens else not heard.exists()
    if opens:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(os.name == "nt", reason="uses POSIX signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["early", "serving"])
def test_a_stop_ends_at_once_and_leaves_nothing(can_draw, scene, tmp_path, environment, how, moment):
    before = scene.read_bytes(), scene.stat().st_mtime_ns
    command = [sys.executable, "-m", "Dose3DLib.cli", "view", scene, "--no-browser"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)  # fmt: skip
    assert process.stdout.readline().startswith("opening ")
    if moment == "serving":
        assert process.stdout.readline().startswith("http://127.0.0.1:")
    started = time.monotonic()
    process.send_signal(how)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - started < 2
    assert process.returncode == (0 if moment == "serving" else 130), err
    assert err in ("", "cancelled; nothing was written\n")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # no child is left either
    assert not list((tmp_path / "temporary").iterdir())
    assert (scene.read_bytes(), scene.stat().st_mtime_ns) == before
