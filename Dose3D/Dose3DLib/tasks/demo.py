"""`dose3d demo`: the main job on the population phantom, or on the user's own CT.

The phantom is written as a DICOM CT series first, so that what follows is what happens to any patient: OUT/ct holds the
series, OUT/result what `dose3d segment run` leaves. The phantom shows that the program works; it is a smoothed mean of
patients from the models' training set, so agreement on it says nothing about quality and is not computed.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..core.errors import InputError, OutputError
from ..core.output import output_in_place
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from .base import Result, TaskSettings, option

__all__ = ["Settings", "run"]

_MADE_ON = "20261125"
"""The phantom is the same image everywhere, so its UIDs and its date are, too."""
_MARK = "demo.json"
_OWN = {"ct", "result", _MARK}
"""What a demo leaves in its folder; only a folder that holds nothing else is replaced."""


@dataclass(frozen=True)
class Settings(TaskSettings):
    """What the demo needs to know: nothing, unless one wishes."""

    output: Path = option(Path("out/demo"), help="folder for the results; an earlier demo in it is replaced")
    ct: Path | None = option(None, help="folder of your own CT series instead of the phantom")
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", help="where the network runs")


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Write the phantom as DICOM (OUT/ct), segment it with everything there is (OUT/result).

    Raises
    ------
    OutputError
        the output folder holds something that no demo has left there.
    InputError
        the user's CT cannot be used.
    """
    progress = progress or Progress()
    _check_ct(settings)
    _remove_earlier(settings.output)
    with output_in_place(settings.output) as folder:
        series = settings.ct
        if series is None:
            series = folder / "ct"
            with progress.stage("write the phantom as DICOM", until=0.1):
                write_phantom_series(series, progress)
        inner = _segment(settings, series, folder / "result", progress)
        provenance = make_provenance("demo", settings.to_dict(), progress, phantom=settings.ct is None)
        (folder / _MARK).write_text(json.dumps(provenance, indent=2, default=str) + "\n", encoding="utf-8")
    files = {name: f"result/{path}" for name, path in inner.files.items()}
    if settings.ct is None:
        files["ct"] = "ct"
    return Result(folder, files, inner.summary, tuple(progress.warnings), dict(progress.seconds))


def write_phantom_series(folder: Path, progress: Progress | None = None) -> None:
    """Write the population phantom as a CT series that says in DICOM's own attributes that nobody was scanned."""
    from ..dicom.ct_write import PatientAttributes, write_ct
    from ..geometry.phantom import PHANTOM_FILE, population_phantom

    volume, _ = population_phantom()
    attributes = PatientAttributes(
        patient_name="Phantom^Population",
        patient_id="DOSE3D-PHANTOM",
        study_description="Dose3D demo",
        series_description="Population phantom, synthetic CT",
        body_part="HEADNECK",
        patient_position="HFS",
        study_date=_MADE_ON,
        uid_seed=f"Dose3D population phantom {file_sha256(PHANTOM_FILE)}",
        image_comments="Synthetic: mean of 20 registered patients of OpenKBP. Nobody's anatomy. Research use only.",
    )
    write_ct(volume, folder, attributes, progress)


def _segment(settings: Settings, series: Path, output: Path, progress: Progress) -> Result:
    """The main job itself, with everything it can write."""
    from . import segment_run

    inner = segment_run.Settings(ct=series, output=output, seg=True, device=settings.device)
    with progress.part(1.0):
        return segment_run.run(inner, progress)


def _check_ct(settings: Settings) -> None:
    """Before anything is removed: the CT may lie in the earlier demo, or nowhere."""
    if settings.ct is None:
        return
    place, output = settings.ct.resolve(), settings.output.resolve()
    if output in (place, *place.parents):
        raise InputError("--ct", "lies in the output folder, which is replaced", "choose another --output")
    if not place.exists():
        raise InputError(settings.ct, "does not exist", "give the folder of a CT series")


def _remove_earlier(output: Path) -> None:
    """Remove an earlier demo; anything else that lies there stays, and is refused."""
    try:
        names = {entry.name for entry in output.iterdir()} if output.is_dir() else set()
        if _MARK in names and names <= _OWN:
            shutil.rmtree(output)
        elif names or (output.exists() and not output.is_dir()):
            raise OutputError(output, "holds something that is no earlier demo", "choose another output")
    except OSError as error:
        cause = error.strerror or str(error)
        raise OutputError(output, cause, "choose a folder that you may write to") from error
