"""A task for the tests of doors and worker: harmless, or misbehaving in a way that its settings name."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from Dose3DLib.core.errors import InputError, OutputError, ResourceError
from Dose3DLib.core.output import atomic_output
from Dose3DLib.core.progress import Progress
from Dose3DLib.tasks.base import Result, TaskSettings, option

Behaviour = Literal[
    "well", "input_error", "output_error", "resource_error", "bug", "exit", "vanish", "lie", "kill", "segv",
    "no_memory", "stubborn", "hold_gil", "late", "fill_disk", "fill_temporary", "missing_package", "warn",
    "pictures",
]  # fmt: skip


@dataclass(frozen=True)
class Settings(TaskSettings):
    ct: Path = option(help="folder of a CT series", positional=True)
    output: Path = option(help="folder for the results")
    margin: float = option(5.0, help="margin around the body", unit="mm", minimum=-50, maximum=50)
    speed: float | None = option(None, help="speed of the patient", unit="mm/s")
    device: Literal["auto", "cpu", "cuda"] = option("auto", help="where to compute")
    structures: tuple[str, ...] = option(("Parotid_L",), help="organs to find")
    sides: tuple[str, ...] = option((), help="sides", choices=("left", "right"))
    box: tuple[float, ...] = option((), help="a box", unit="mm", minimum=-1e300)
    note: str | None = option(None, help="a note")
    title: str = option("No title", help="a title")
    table: Path | None = option(None, help="a table of names")
    steps: int = option(3, help="steps to take", minimum=-5)
    seconds: float = option(0.0, help="seconds a step")
    overwrite: bool = option(False, help="replace the output")
    smooth: bool = option(True, help="smooth the contours")
    behaviour: Behaviour = option("well", help="what goes wrong")


def run(settings: Settings, progress: Progress | None = None) -> Result:
    progress = progress or Progress()
    print("the toy speaks")
    with atomic_output(settings.output, settings.overwrite) as draft:
        draft.mkdir()
        with atomic_output(draft / "half.txt") as part:  # parts of the output are written so, too
            part.write_text("half-written")
        with progress.stage("steps", until=1.0):
            for step in range(settings.steps):
                progress.report(step / settings.steps, f"step {step}")
                if settings.behaviour == "pictures":
                    _show(settings.ct / "curve.png", step, progress)
                time.sleep(settings.seconds)
            _misbehave(settings, progress, draft)
        (draft / "half.txt").rename(draft / "note.txt")
        (draft / "settings.json").write_text(settings.to_json())
        (draft / "provenance.json").write_text("{}")
    if settings.behaviour == "fill_temporary":
        with suppress(OSError), (Path(tempfile.gettempdir()) / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))
    if settings.behaviour == "late":
        for _ in range(20):
            progress.report(1.0, "output is complete")
            time.sleep(0.1)
    files = {"note": "note.txt"}
    return Result(settings.output, files, {"steps": settings.steps}, tuple(progress.warnings), progress.seconds)


def _misbehave(settings: Settings, progress: Progress, draft: Path) -> None:
    errors = {"input_error": InputError, "output_error": OutputError, "resource_error": ResourceError}
    kind = settings.behaviour
    if kind in errors:
        raise errors[kind](settings.ct, "no CT in the folder", "choose another folder")
    if kind == "bug":
        print(1 // 0)
    if kind == "exit":
        sys.exit(0)
    if kind == "vanish":
        os._exit(0)
    if kind == "lie":
        room = Path(sys.argv[sys.argv.index("--room") + 1])
        (room / "result.json").write_text(json.dumps(Result(settings.output).to_dict()))
        os._exit(5)
    if kind in ("kill", "segv"):
        os.kill(os.getpid(), signal.SIGKILL if kind == "kill" else signal.SIGSEGV)
    if kind == "no_memory":
        raise MemoryError
    if kind == "missing_package":
        import a_package_that_nobody_has  # noqa: F401
    if kind == "warn":
        progress.warn("the patient lies on [the] belly")
    if kind == "fill_disk":
        with (draft / "big").open("wb") as file:
            for _ in range(64):
                file.write(bytes(1 << 20))
    if kind == "stubborn":
        _start_grandchildren(settings.ct)
        time.sleep(60)
    if kind == "hold_gil":
        progress.report(0.9, "holding")
        re.match("(a+)+b", "a" * 60)  # years inside one C call that never lets another thread run


def _show(path: Path, step: int, progress: Progress) -> None:
    """A number and a picture of as many pixels as steps were taken, 40 high; the first picture is none yet."""
    from PIL import Image

    progress.emit("curve", step=step, loss=1.0 / (step + 1))
    if step == 0:
        path.write_bytes(b"not yet")
    else:
        Image.new("RGB", (step, 40), (200, 30, 30)).save(path)
    progress.emit("picture", path=str(path))


def _start_grandchildren(folder: Path) -> None:
    """One in our group, one in a session of its own, one of both that is deaf to SIGTERM; each leaves its number."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
    children = [
        subprocess.Popen(["sleep", "300"]),
        subprocess.Popen(["sleep", "300"], start_new_session=True),
        subprocess.Popen([sys.executable, "-c", deaf]),
    ]
    part = folder / "pids.part"
    part.write_text(" ".join(str(child.pid) for child in children))
    part.rename(folder / "pids")
