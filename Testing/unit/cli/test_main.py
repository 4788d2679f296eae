"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import Dose3DLib
import pytest
from Dose3DLib.cli.main import main
from Dose3DLib.tasks import registry
from Dose3DLib.tasks.registry import GROUPS, TASKS

TOY_CLI = Path(__file__).resolve().parents[2] / "toys" / "toy_cli.py"
HEAVY = (
    "torch",
    "monai",
    "numpy",
    "scipy",
    "matplotlib",
    "pydicom",
    "SimpleITK",
    "nibabel",
    "highdicom",
    "vtk",
    "slicer",
)
HELP_SECONDS = 0.5
GOOD = ["toy", "run", "CT", "--output", "OUT"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="uses POSIX signals")


@pytest.fixture
def dose3d(toy, tmp_path, monkeypatch):
    """Run the command line with the toy among its tasks; the working and the temporary folder are the test's own."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path / "home")

    def run(*words, **more):
        options = {"capture_output": True, "text": True, "timeout": 60, **more}
        return subprocess.run([sys.executable, TOY_CLI, *map(str, words)], **options)

    return run


@pytest.fixture
def here(toy, dose3d, capsys):
    """The same within this process, for lines that start no worker."""

    def run(*words):
        code = main([str(word) for word in words], tasks=registry.TASKS)
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    return run


@pytest.fixture
def start(dose3d):
    """Start the command line without waiting for its end."""
    started = []

    def run(*words):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen([sys.executable, TOY_CLI, *map(str, words)], text=True, **pipes))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def assert_refused(done, line: str, code: int = 2) -> None:
    """One line on stderr that begins so, the exit code, and nothing left in working or temporary folder."""
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: {line}"), done.stderr
    assert done.stderr.count("error:") == 1
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert left_behind() == []


def left_behind() -> list[str]:
    folders = (Path.cwd(), Path(os.environ["TMPDIR"]))
    return [path.name for folder in folders for path in folder.iterdir() if path.name != "job.json"]


# --- help


def test_help_is_quick_and_light(tmp_path, crowd):
    script = f"""
import sys
sys.path.insert(0, {str(Path(Dose3DLib.__file__).parents[1])!r})
from Dose3DLib.cli.main import main
code = main(["--help"])
sys.stderr.write(repr((code, [name for name in {HEAVY} if name in sys.modules])))
"""
    wall, processor = [], []
    for _ in range(4):
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
        wall.append(time.monotonic() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert done.stderr == "(0, [])"
    assert "Example: dose3d segment run CT_FOLDER --output RESULTS" in done.stdout
    assert "research use only" in done.stdout
    assert all(word in done.stdout for word in {task.command[0] for task in TASKS})
    assert min(processor) < HELP_SECONDS
    assert crowd > 1.5 or min(wall) < HELP_SECONDS


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_help_of_each_task_is_light(dose3d, task):
    script = f"""
import sys
from Dose3DLib.cli.main import main
code = main({[*task.command, "--help"]!r})
sys.stderr.write(repr((code, [name for name in {HEAVY} if name not in ("numpy", "pydicom") and name in sys.modules])))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stderr == "(0, [])"
    assert "--output" in done.stdout


def test_help_of_groups_and_commands(here):
    for group, about in GROUPS.items():
        done = here(group, "--help")
        assert done.returncode == 0
        assert about in done.stdout
    done = here("toy", "run", "--help")
    text = " ".join(done.stdout.replace("│", " ").replace("|", " ").split())
    assert "Margin around the body (-50 to 50 mm) [default: 5.0]" in text
    assert "Speed of the patient (mm/s)" in text
    assert "[choices: auto, cpu, cuda]" in text
    assert "--overwrite --no-overwrite Replace the output [default: no]" in text
    assert re.search(r"--config( PATH)? Job file: JSON", text)


def test_version_and_no_words(here):
    assert here("--version").stdout.strip() == f"dose3d {Dose3DLib.__version__}"
    assert here().stdout == here("--help").stdout


def test_output_is_safe_in_a_narrow_encoding(dose3d, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    done = dose3d("toy", "run", "Łódź", "--output", "Łódź out", "--behaviour", "warn", encoding="cp1252")
    assert done.returncode == 0
    assert "results in \\u0141ód\\u017a out" in done.stdout
    assert (Path("Łódź out") / "note.txt").is_file()
    assert dose3d("toy", "run", "--help", encoding="cp1252").returncode == 0


def test_module_door(dose3d):
    done = subprocess.run(
        [sys.executable, "-m", "Dose3DLib.cli", "--version"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("dose3d ")


def test_reader_that_leaves_early_is_no_fault(dose3d):
    command = f"{sys.executable} -u {TOY_CLI} toy run --help | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert "fault" not in done.stderr


def test_reader_of_events_that_leaves_ends_the_task(dose3d):
    command = f"{sys.executable} {TOY_CLI} {' '.join(GOOD)} --steps 1000 --seconds 0.05 --json-events - | head -n 2"
    start = time.monotonic()
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert len(done.stdout.splitlines()) == 2
    assert time.monotonic() - start < 20  # the task itself takes 50 s
    assert "Traceback" not in done.stderr
    assert left_behind() == []


# --- a run


def test_a_run_says_where_the_results_are(dose3d):
    done = dose3d("toy", "run", "CT", "--output", "OUT", "--behaviour", "warn", "--structures", "A", "B")
    assert done.returncode == 0
    assert json.loads(Path("OUT/settings.json").read_text())["structures"] == ["A", "B"]
    assert done.stdout.splitlines()[:3] == ["results in OUT", "  note   note.txt", "  steps  3"]
    assert re.fullmatch(r"done in [\d.]+ s with 1 warning; for research use only", done.stdout.splitlines()[-1])
    assert "warning: the patient lies on [the] belly" in done.stderr
    assert "toy run: starting" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert left_behind() == ["OUT"]


def test_the_time_includes_the_start(dose3d):
    start = time.monotonic()
    done = dose3d("toy", "run", "CT", "--output", "OUT", "--steps", 10, "--seconds", 0.1)
    wall = time.monotonic() - start
    said = float(re.search(r"done in ([\d.]+) s", done.stdout)[1])
    assert 1.0 < said <= wall + 0.05
    assert said > wall / 2  # it counts the start of the worker, too


def test_quiet_keeps_warnings(dose3d):
    done = dose3d("toy", "run", "CT", "--output", "OUT", "--behaviour", "warn", "--quiet")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "warning: the patient lies on [the] belly\n"


def test_events_on_standard_output_are_json_only(dose3d):
    done = dose3d("toy", "run", "CT", "--output", "OUT", "--json-events", "-", "--steps", 30, "--seconds", 0.1)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["started", "result"]
    assert events[-1]["output"] == "OUT"
    told = [event["remaining_s"] for event in events[3:-1] if event["remaining_s"] is not None]
    assert told, "three seconds of work tell what remains"
    assert min(told) >= 0
    assert "results in OUT" in done.stderr


@pytest.mark.parametrize(("behaviour", "kind"), [("input_error", "InputError"), ("bug", "WorkerCrash")])
def test_events_in_a_file_end_with_the_error(dose3d, behaviour, kind):
    dose3d("toy", "run", "CT", "--output", "OUT", "--json-events", "e.jsonl", "--behaviour", behaviour)
    events = [json.loads(line) for line in Path("e.jsonl").read_text().splitlines()]
    assert (events[-1]["event"], events[-1]["type"]) == ("error", kind)


def test_events_spare_other_files(dose3d):
    Path("beam.dat").write_bytes(b"\x01 a beam")
    done = dose3d(*GOOD, "--json-events", "beam.dat")
    assert done.stderr.startswith("error: beam.dat: holds something other than events, which would be lost; choose")
    assert (done.returncode, Path("beam.dat").read_bytes()) == (2, b"\x01 a beam")
    assert left_behind() == ["beam.dat"]


def test_events_are_not_the_output(dose3d):
    done = dose3d("toy", "run", "CT", "--output", "OUT", "--json-events", "./OUT")
    assert_refused(done, "./OUT: is the output, too; choose another file for --json-events")
    assert not Path("OUT").exists()


def test_events_of_an_earlier_run_are_replaced(dose3d):
    for output in ("A", "B"):
        assert dose3d("toy", "run", "CT", "--output", output, "--json-events", "e.jsonl").returncode == 0
    assert [json.loads(line) for line in Path("e.jsonl").read_text().splitlines()][-1]["output"] == "B"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_events_that_find_no_room_end_the_task(dose3d):
    done = dose3d(*GOOD, "--steps", 1000, "--seconds", 0.05, "--json-events", "/dev/full", timeout=20)
    assert_refused(done, "/dev/full: No space left on device; choose another file for --json-events")


def test_nobody_listening_is_no_fault(dose3d):
    command = f"{sys.executable} {TOY_CLI} toy rnu 2>&1 | true; exit 0"
    assert subprocess.run(command, shell=True, capture_output=True, timeout=60).stderr == b""


def test_bar_on_a_terminal(toy, tmp_path, monkeypatch):
    pty = pytest.importorskip("pty")
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    words = ["toy", "run", "CT", "--output", str(tmp_path / "OUT"), "--steps", "20", "--seconds", "0.15"]
    process = subprocess.Popen([sys.executable, TOY_CLI, *words, "--behaviour", "warn"], stderr=theirs, stdout=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        seen += piece
        if not piece:
            break
    os.close(ours)
    assert process.wait(20) == 0
    text = seen.decode()
    assert re.search(r"\d+ %.*[━╸]", text)
    assert "s left" in text
    assert "warning: the patient lies on [the] belly" in text
    assert "done in" in text.splitlines()[-1]


# --- the job file


def test_job_file_with_the_line_winning(dose3d, toy):
    settings = toy.load().Settings(ct="CT", output="OUT", steps=2, title="from the file", smooth=False)
    Path("job.json").write_text(settings.to_json())
    done = dose3d("toy", "run", "--config", "job.json", "--title", "from the line", "--smooth")
    assert done.returncode == 0, done.stderr
    used = json.loads(Path("OUT/settings.json").read_text())
    assert used == {**settings.to_dict(), "title": "from the line", "smooth": True}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"ct": "CT", "outptu": "OUT"}', 'job.json: has an unknown setting "outptu"; did you mean "output"?'),
        ('{"ct": "CT"}', "--output: is missing; give it (folder for the results)"),
        ('{"ct": "CT", "output": "OUT", "margin": 77}', 'job.json, "margin": 77.0 is out of range; give -50 to 50 mm'),
        ("{,}", "job.json: is not JSON"),
        ("\udcff", "job.json: is not a JSON file (no UTF-8 text); give a job file"),
    ],
)
def test_bad_job_file(here, text, line):
    Path("job.json").write_text(text, errors="surrogateescape")
    assert_refused(here("toy", "run", "--config=job.json"), line)


def test_absent_job_file(here):
    assert_refused(here("toy", "run", "--config", "nowhere.json"), "nowhere.json: No such file or directory; give")


# --- refusals


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["toy", "rnu"], 'Unknown command "rnu". Did you mean "run"?'),
        (["segmnt", "run"], 'Unknown command "segmnt". Did you mean "segment"?'),
        (["toy", "run", "CT", "--outptu", "O"], "Unknown option: --outptu. Did you mean --output?; see dose3d toy run"),
        (["toy", "run", "CT"], "--output: is missing; give it (folder for the results)"),
        (["toy", "run", "--output", "O"], "--ct: is missing; give it (folder of a CT series)"),
        (["toy", "run", "CT", "--output"], "--output: is missing; see dose3d toy run --help"),
        ([*GOOD, "more"], "more: is more than the command takes"),
        ([*GOOD, "--margin", "60"], "--margin: 60.0 is out of range; give -50 to 50 mm"),
        ([*GOOD, "--steps", "x"], 'Invalid value for --steps: unable to convert "x" into int; see'),
        ([*GOOD, "--device", "cpuu"], 'Invalid value "cpuu" for --device. Choose from'),
        ([*GOOD, "--json-events", "no/where"], "no/where: No such file or directory; choose"),
    ],
)
def test_faulty_line(here, words, line):
    assert_refused(here(*words), line)


@pytest.mark.parametrize(
    ("behaviour", "line"),
    [
        ("input_error", "CT: no CT in the folder; choose another folder"),
        ("kill", "the task's process: was killed by SIGKILL, probably because memory ran out; close other programs"),
    ],
)
def test_error_of_the_task(dose3d, behaviour, line):
    assert_refused(dose3d(*GOOD, "--behaviour", behaviour), line)


def test_a_fault_of_the_program_leaves_a_log(dose3d):
    done = dose3d("toy", "run", "CT", "--output", "OUT", "--behaviour", "bug")
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    found = re.fullmatch(
        r"error: dose3d: a fault of the program \(ZeroDivisionError: .*\); please report it with (.+)", line
    )
    text = Path(found[1]).read_text()
    assert "print(1 // 0)" in text
    assert "the toy speaks" in text
    assert "Traceback" not in done.stderr
    assert left_behind() == [Path(found[1]).name]


def test_output_exists(dose3d):
    Path("OUT").mkdir()
    Path("OUT/provenance.json").write_text("old")
    done = dose3d("toy", "run", "CT", "--output", "OUT")
    assert done.stderr.splitlines()[-1] == "error: OUT: exists already; choose another output or add --overwrite"
    assert done.returncode == 2
    assert Path("OUT/provenance.json").read_text() == "old"
    assert dose3d("toy", "run", "CT", "--output", "OUT", "--overwrite").returncode == 0
    assert sorted(path.name for path in Path("OUT").iterdir()) == ["note.txt", "provenance.json", "settings.json"]
    assert left_behind() == ["OUT"]


def test_overwrite_spares_folders_that_hold_more_than_results(dose3d):
    done = dose3d("toy", "run", "CT", "--output", "..", "--overwrite")
    assert_refused(done, "..: is a folder that holds more than results; name a new folder in it")


@contextmanager
def mounted(place: Path, *options: str):
    """A small file system in memory; skips where mounting is not allowed."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("needs the mount command")
    if done.returncode:
        pytest.skip(f"needs the right to mount a small disk: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_disk_full(dose3d, tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as disk:
        done = dose3d("toy", "run", "CT", "--output", disk / "OUT", "--behaviour", "fill_disk")
        assert_refused(done, f"{disk}/OUT: No space left on device; free some space or choose another output")
        assert list(disk.iterdir()) == []


def test_temporary_disk_full_before(dose3d, tmp_path, monkeypatch):
    with mounted(tmp_path / "disk", "size=64k") as disk:
        monkeypatch.setenv("TMPDIR", str(disk))
        done = dose3d("toy", "run", "CT", "--output", "OUT")
        assert_refused(done, f"{disk}: No space left on device; free some space there or set TMPDIR to another folder")


def test_temporary_disk_full_meanwhile(dose3d, tmp_path, monkeypatch):
    """The outcome of the worker finds no room: said in one line, also that the output is complete."""
    with mounted(tmp_path / "disk", "size=1m") as disk:
        monkeypatch.setenv("TMPDIR", str(disk))
        done = dose3d("toy", "run", "CT", "--output", "OUT", "--behaviour", "fill_temporary")
        last = done.stderr.splitlines()[-1]
        assert last.startswith(f"error: {disk}: No space left on device, just after the output was completed; free")
        assert done.returncode == 2
        assert (Path("OUT") / "settings.json").is_file()


def test_read_only_disk(dose3d, tmp_path):
    with mounted(tmp_path / "disk", "ro") as disk:
        done = dose3d("toy", "run", "CT", "--output", disk / "OUT")
        assert_refused(done, f"{disk}/OUT: Read-only file system; choose a folder that you may write to")


def test_output_below_a_file(dose3d):
    Path("job.json").write_text("{}")
    done = dose3d("toy", "run", "CT", "--output", "job.json/OUT")
    assert_refused(done, "job.json/OUT: Not a directory; choose a folder that you may write to")


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(dose3d):
    Path("mine").mkdir(mode=0o500)
    done = dose3d("toy", "run", "CT", "--output", "mine/OUT")
    assert "error: mine/OUT: Permission denied; choose a folder that you may write to" in done.stderr
    assert done.returncode == 2


# --- stopping


@pytest.mark.parametrize(
    ("behaviour", "number"),
    [
        ("well", signal.SIGINT),
        ("well", signal.SIGTERM),
        ("stubborn", signal.SIGINT),
        ("hold_gil", signal.SIGINT),
    ],
)
def test_stopped_within_two_seconds(start, crowd, behaviour, number):
    Path("CT").mkdir()
    steps = 1000 if behaviour == "well" else 1
    words = ["CT", "--output", "OUT", "--steps", steps, "--seconds", 0.02, "--behaviour", behaviour]
    process = start("toy", "run", *words, "--json-events", "-")
    while '"step 0"' not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(0.2)
    begin = time.monotonic()
    process.send_signal(number)
    time.sleep(0.1)
    process.send_signal(number)  # an impatient user
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - begin < 2.0 * crowd
    assert process.returncode == 130
    assert err.splitlines()[-1] == "cancelled; nothing was written"
    assert json.loads(out.splitlines()[-1])["type"] == "Cancelled"
    assert left_behind() == ["CT"]


@pytest.mark.parametrize("after", [0.03, 0.15, 0.3])
def test_ctrl_c_while_starting(start, crowd, after):
    process = start("toy", "run", "CT", "--output", "OUT", "--steps", 1000, "--seconds", 0.05)
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - begin < 2.0 * crowd
    assert process.returncode in (130, -signal.SIGINT, 1)  # the last two before our first line, from Python itself
    assert not Path("OUT").exists()
    assert left_behind() == []
