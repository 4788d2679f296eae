"""Dose3DSegment's page and its job panel with a real worker process: run as a program in a process of its own.

The toy task stands for the network, and misbehaves when asked. For each way in which a job can end, prints what the
page shows afterwards, as a JSON object.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

TESTING = Path(__file__).resolve().parents[1]
ROOT = TESTING.parent
sys.path[:0] = [str(ROOT / "Dose3D"), str(ROOT / "Dose3DSegment"), str(Path(__file__).parent), str(TESTING / "toys")]

import module_stubs  # noqa: E402

ENDS = {
    "well": {},
    "input_error": {"behaviour": "input_error"},
    "killed": {"behaviour": "kill"},
    "cancelled": {"steps": 200, "seconds": 0.05},
    "page_closed": {"steps": 200, "seconds": 0.05},
    "no_start": {},
}


@contextmanager
def error_display(*_, **__):
    """Stands for slicer.util.tryWithErrorDisplay, which shows errors; here they end the program."""
    yield


def open_page():
    import slicer
    from toy_cli import TOY

    slicer.util.tryWithErrorDisplay = error_display
    loaded = module_stubs.load(ROOT / "Dose3DSegment" / "Dose3DSegment.py")
    page = module_stubs.open_page(loaded, "Dose3DSegment")
    page._parameterNode.inputVolume = slicer.vtkMRMLScalarVolumeNode()
    page.logic.task = TOY
    return page


def prepare(page, options):
    """Stands for writing the volume: a file in the Logic's folder, and the toy's settings."""
    import toy_task

    def write(volume):
        page.logic.discard()
        page.logic._folder = Path(tempfile.mkdtemp(prefix="job-panel-"))
        (page.logic._folder / "ct.nrrd").touch()
        folders.append(page.logic._folder)
        return toy_task.Settings(ct=page.logic._folder / "ct.nrrd", output=page.logic._folder / "result", **options)

    folders: list[Path] = []
    page.logic.prepare = write
    return folders


def wait(page, until):
    """Let the panel's timer tick until something is so, or half a minute has gone."""
    for _ in range(1500):
        if until():
            return
        page._panel._timer.emit("timeout()")
        time.sleep(0.02)
    raise TimeoutError


def facts_of(end):
    page = open_page()
    folders, results = prepare(page, ENDS[end]), []
    page.logic.showResult = lambda result, volume, segmentation: results.append(
        (Path(result.output) / "note.txt").is_file()
    )
    if end == "no_start":
        sys.modules["Dose3DGui.job_panel"].WorkerJob = refuse
    page.ui.applyButton.emit("clicked(bool)")  # PythonQt leaves out arguments that a slot does not take
    started = page._panel.busy and not page.ui.applyButton.enabled and page.ui.cancelButton.enabled
    if end in ("cancelled", "page_closed"):
        wait(page, lambda: "step" in page.ui.statusLabel.text)
        page.cleanup() if end == "page_closed" else page.ui.cancelButton.emit("clicked()")
    wait(page, lambda: not page._panel.busy)
    idle = page.ui.applyButton.enabled and not page.ui.cancelButton.enabled and not page.ui.progressBar.visible
    return {
        "started": started,
        "idle": idle and not page._panel._timer._values.get("active"),
        "status": page.ui.statusLabel.text,
        "results": results,
        "files_left": [str(folder) for folder in folders if folder.exists()],
    }


def refuse(task, settings):
    from Dose3DLib.core.errors import OutputError

    raise OutputError("temporary folder", "No space left on device", "free some space there")


def main():
    module_stubs.install()
    print(json.dumps({end: facts_of(end) for end in ENDS}))


if __name__ == "__main__":
    main()
