"""Worker and parent together, in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from Dose3DLib.core.errors import Cancelled, InputError, OutputError, ResourceError
from Dose3DLib.worker.child import GRACE_SECONDS
from Dose3DLib.worker.client import WorkerJob, run_in_worker
from Dose3DLib.worker.outcome import WorkerCrash

PROMISED_SECONDS = 2.0

pytestmark = pytest.mark.skipif(os.name == "nt", reason="uses POSIX signals")


@pytest.fixture
def settings(toy, tmp_path):
    """A maker of the toy's settings; the CT folder is there, the output is not."""

    def make(**values):
        (tmp_path / "Łódź CT").mkdir(exist_ok=True)
        return toy.load().Settings(ct=tmp_path / "Łódź CT", output=tmp_path / "Łódź CT" / "out", **values)

    return make


@pytest.fixture
def job(toy, settings, tmp_path, monkeypatch):
    """A maker of started jobs; their rooms lie in a folder of the test, which is empty in the end."""
    rooms = tmp_path / "rooms"
    rooms.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(rooms))
    jobs = []

    def make(python=None, **values):
        jobs.append(WorkerJob(toy, settings(**values), python=python))
        return jobs[-1].start()

    yield make
    for one in jobs:
        with suppress(BaseException):
            one.cancel()
            one.wait()
    assert list(rooms.iterdir()) == []


def wait_for(job: WorkerJob, message: str) -> list[dict]:
    """Poll until an event with this message, as an event loop would."""
    events, deadline = [], time.monotonic() + 20
    while time.monotonic() < deadline:
        events += job.poll()
        if any(event.get("message") == message for event in events):
            return events
        time.sleep(0.02)
    raise AssertionError(f"no event {message!r} among {events}")


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def all_ended(pids: list[int], until: float) -> bool:
    """Whether all have ended by this time; the kernel takes a moment to end a process that was killed."""
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.01)
    return not any(map(is_alive, pids))


def left_behind(settings) -> list[str]:
    return sorted(path.name for path in settings.output.parent.iterdir() if path.name != "pids")


def test_result_and_events_arrive(toy, settings):
    events = []
    result = run_in_worker(toy, settings(steps=4, seconds=0.8), events.append)
    assert (result.output / "note.txt").read_text() == "half-written"
    assert result.summary == {"steps": 4}
    assert result.seconds["steps"] >= 0.2
    assert result.seconds["total"] >= result.seconds["steps"]
    assert events[0]["event"] == "started"
    assert events[0]["pid"] != os.getpid()
    fractions = [event["fraction"] for event in events if event["event"] == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 0.75
    assert any(event.get("remaining_s") is not None for event in events)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [("input_error", InputError), ("output_error", OutputError), ("resource_error", ResourceError)],
)
def test_typed_errors_arrive_as_raised(toy, settings, behaviour, kind):
    chosen = settings(behaviour=behaviour)
    with pytest.raises(kind) as raised:
        run_in_worker(toy, chosen)
    assert type(raised.value) is kind
    assert raised.value.what == str(chosen.ct)
    assert (raised.value.cause, raised.value.remedy) == ("no CT in the folder", "choose another folder")
    assert left_behind(chosen) == []


def test_memory_and_missing_packages_become_errors_with_a_remedy(toy, settings):
    with pytest.raises(ResourceError, match="memory: ran out; close other programs"):
        run_in_worker(toy, settings(behaviour="no_memory"))
    with pytest.raises(ResourceError, match="pip install a_package_that_nobody_has"):
        run_in_worker(toy, settings(behaviour="missing_package"))


def test_a_bug_arrives_with_traceback_and_log(toy, settings):
    with pytest.raises(WorkerCrash, match="ZeroDivisionError") as raised:
        run_in_worker(toy, settings(behaviour="bug"))
    assert "print(1 // 0)" in raised.value.details
    assert "the toy speaks" in raised.value.details


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [("exit", "SystemExit"), ("vanish", "code 0 but left no outcome"), ("lie", "code 5 but left result.json")],
)
def test_an_end_without_agreeing_outcome_is_an_error(job, settings, behaviour, words):
    with pytest.raises(WorkerCrash, match=words):
        job(behaviour=behaviour).wait()
    assert left_behind(settings()) == []


def test_killed_by_the_system_names_the_signal_and_leaves_nothing(job, settings):
    running = job(steps=100, seconds=0.1)
    events = wait_for(running, "step 2")
    os.kill(events[0]["pid"], signal.SIGKILL)
    with pytest.raises(ResourceError, match="SIGKILL, probably because memory ran out"):
        running.wait()
    assert left_behind(settings()) == []


def test_crash_in_native_code_names_the_signal(job):
    with pytest.raises(WorkerCrash, match="SIGSEGV") as raised:
        job(behaviour="segv").wait()
    assert "_misbehave" in raised.value.details  # faulthandler's stack


def test_interpreter_that_is_not_there(toy, settings):
    with pytest.raises(ResourceError, match=r"/nowhere/python: cannot be started \(No such file"):
        WorkerJob(toy, settings(), python="/nowhere/python").start()


def test_interpreter_that_ends_at_once(job):
    with pytest.raises(ResourceError, match="code 1 before the task began"):
        job(python="/bin/false").wait()


@pytest.mark.parametrize("behaviour", ["well", "stubborn", "hold_gil"])
def test_cancel_ends_the_whole_tree_in_time(job, settings, crowd, behaviour):
    running = job(steps=1000 if behaviour == "well" else 3, seconds=0.02, behaviour=behaviour)
    events = wait_for(running, "holding" if behaviour == "hold_gil" else "step 2")
    pids = [events[0]["pid"]]
    if behaviour == "stubborn":
        noted = settings().ct / "pids"
        while not noted.exists():
            time.sleep(0.02)
        pids += map(int, noted.read_text().split())
    assert all(is_alive(pid) for pid in pids)
    start = time.monotonic()
    running.cancel()
    with pytest.raises(Cancelled):
        running.wait()
    assert time.monotonic() - start < (GRACE_SECONDS if behaviour == "well" else PROMISED_SECONDS) * crowd
    assert all_ended(pids, start + PROMISED_SECONDS * crowd)
    assert not running.finished
    assert left_behind(settings()) == []


def test_a_listener_that_fails_does_not_leave_the_task_alone(job, settings):
    pids = []

    def listener(event):
        pids.append(event.get("pid"))
        if event.get("message") == "step 2":
            raise ValueError("the window is gone")

    start = time.monotonic()
    with pytest.raises(ValueError, match="the window is gone"):
        job(steps=1000, seconds=0.05).wait(listener)
    assert time.monotonic() - start < 20
    assert not is_alive(pids[0])
    assert left_behind(settings()) == []


def test_ctrl_c_in_python_is_a_cancel(toy, settings):
    def listener(event):
        if event.get("message") == "step 2":
            raise KeyboardInterrupt

    with pytest.raises(Cancelled):
        run_in_worker(toy, settings(steps=1000, seconds=0.05), listener)
    assert left_behind(settings()) == []


def test_cancel_right_after_the_start(job, settings, crowd):
    running = job(steps=1000, seconds=0.05)
    start = time.monotonic()
    running.cancel()
    with pytest.raises(Cancelled):
        running.wait()
    assert time.monotonic() - start < PROMISED_SECONDS * crowd
    assert left_behind(settings()) == []


def test_kill_needs_no_patience(job, settings, crowd):
    running = job(steps=1000, seconds=0.05)
    while not running.poll():
        time.sleep(0.02)
    start = time.monotonic()
    running.kill()
    with pytest.raises(Cancelled):
        running.wait()
    assert time.monotonic() - start < 0.5
    assert not running.room.folder.exists()
    assert not settings().output.exists()


def test_cancel_after_the_output_is_complete_comes_too_late(job, settings):
    running = job(behaviour="late")
    wait_for(running, "output is complete")
    running.cancel()
    with suppress(Cancelled):  # the rest took longer than the grace
        running.wait()
    assert running.finished
    assert (settings().output / "note.txt").is_file()


@pytest.mark.parametrize("has_waitid", [True, False])
def test_what_a_task_leaves_running_is_ended_with_it(job, settings, monkeypatch, has_waitid):
    if not has_waitid:  # as on macOS before Python 3.13
        monkeypatch.delattr(os, "waitid", raising=False)
    running = job(behaviour="stubborn")
    noted = settings().ct / "pids"
    while not noted.exists():
        running.poll()
        time.sleep(0.02)
    in_group = [int(pid) for n, pid in enumerate(noted.read_text().split()) if n != 1]
    own_session = int(noted.read_text().split()[1])
    try:
        os.kill(running._process.pid, signal.SIGKILL)
        with pytest.raises(ResourceError, match="SIGKILL"):
            running.wait()
        time.sleep(0.1)
        assert not any(is_alive(pid) for pid in in_group)
    finally:
        os.kill(own_session, signal.SIGKILL)  # nobody can know whose it was


def test_the_working_directory_is_not_on_the_path(toy, settings, tmp_path, monkeypatch):
    folder = tmp_path / "user"
    folder.mkdir()
    for name in ("json", "numpy", "random", "toy_task"):
        (folder / f"{name}.py").write_text("raise SystemExit('a file of the user was imported')")
    chosen = settings()
    monkeypatch.chdir(folder)
    assert run_in_worker(toy, chosen).summary == {"steps": 3}


def start_alone(toy, settings, room: Path) -> subprocess.Popen:
    """A worker without our client, as Slicer starts it."""
    job = WorkerJob(toy, settings)
    os.replace(job.room.folder, room)
    command = [sys.executable, "-m", "Dose3DLib.worker", "--settings", str(room / "settings.json"), "--room", str(room)]
    return subprocess.Popen(command, env=job.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("how", ["file", "signal"])
def test_the_child_obeys_a_cancel_by_itself(toy, settings, tmp_path, crowd, how):
    chosen, room = settings(behaviour="stubborn"), tmp_path / "room"
    process = start_alone(toy, chosen, room)
    noted = chosen.ct / "pids"
    while not noted.exists():
        assert process.poll() is None
        time.sleep(0.02)
    pids = [int(pid) for pid in noted.read_text().split()]
    start = time.monotonic()
    if how == "file":
        (room / "cancel").touch()
    else:
        process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 130
    assert time.monotonic() - start < PROMISED_SECONDS * crowd
    assert '"type": "Cancelled"' in (room / "error.json").read_text()
    assert not (room / "result.json").exists()
    assert all_ended(pids, start + PROMISED_SECONDS * crowd)
    assert left_behind(chosen) == []


def test_the_child_ends_when_its_parent_is_killed(toy, settings, tmp_path, crowd):
    chosen = settings(steps=1000, seconds=0.05)
    script = f"""
from toy_cli import TOY
from toy_task import Settings
from Dose3DLib.worker.client import WorkerJob
job = WorkerJob(TOY, Settings.from_json({chosen.to_json()!r})).start()
job.wait(lambda event: print(event.get("pid", ""), job.room.folder, flush=True))
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    child, room = parent.stdout.readline().strip().split(" ", 1)
    parent.stdout.readline()
    parent.kill()
    parent.wait()
    start = time.monotonic()
    while is_alive(int(child)) and time.monotonic() - start < 10:
        time.sleep(0.02)
    assert time.monotonic() - start < PROMISED_SECONDS * crowd
    assert left_behind(chosen) == []
    assert not Path(room).exists()  # its owner is gone
    parent.stdout.close()


def test_temporary_files_of_the_task_lie_in_its_room(toy, settings, tmp_path):
    """What a killed task has put there goes with the room."""
    job = WorkerJob(toy, settings())
    script = "import tempfile; print(tempfile.mkdtemp())"
    done = subprocess.run([sys.executable, "-c", script], env=job.environment, capture_output=True, text=True)
    assert Path(done.stdout.strip()).parent == job.room.folder
    with suppress(BaseException):
        job.conclude(-9)
    assert not job.room.folder.exists()
