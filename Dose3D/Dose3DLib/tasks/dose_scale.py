"""`dose3d dose scale`: from what a detector's cells measured to a dose in the patient, and what is not known of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..core.errors import InputError
from ..core.json_file import write_json
from ..core.output import atomic_output
from ..core.progress import Progress
from ..geometry.volume_files import IMAGE_SUFFIXES, image_suffix
from .base import Result, TaskSettings, option

__all__ = ["Settings", "run"]


@dataclass(frozen=True)
class Settings(TaskSettings):
    """What was measured, where the dose is wanted, what else is known, and how it is found."""

    measured: tuple[str, ...] = option(
        help="CELLS.csv, or CELLS.csv:LAYOUT.csv; several (shifted) acquisitions are taken together"
    )
    grid: Path = option(help="where the dose is wanted: CT (DICOM folder or image), RTDOSE or another image")
    output: Path = option(help="the dose to write: .nrrd, .nii.gz, .mha, or .dcm for an RTDOSE")
    method: Literal["nearest", "linear", "cubic", "ibp", "tikhonov", "kriging", "network"] = option(
        "tikhonov", help="how: interpolations, iterative back-projection, smoothest fit, Gaussian process, network"
    )
    plan: Path | None = option(None, help="planned dose in the patient (RTDOSE or image in Gy), as prior")
    plan_in_detector: Path | None = option(
        None, help="the plan recomputed in the detector; its difference or ratio is then carried to --plan's dose"
    )
    carry: Literal["difference", "ratio"] = option("difference", help="what is carried, with --plan-in-detector")
    structures: Path | None = option(
        None, help="RTSTRUCT or SEG (.dcm), .seg.nrrd, label map, folder of masks, or closed surfaces (.stl, .vtp)"
    )
    ct: Path | None = option(None, help="CT of the structures, where --grid is none: DICOM folder or image")
    frame: Literal["LPS", "RAS"] | None = option(None, help="axes of surfaces whose files don't say them")
    body: str = option(
        "auto",
        help="the structure that is the body, or auto (the one of type EXTERNAL, else the skin on the CT), or none",
    )
    noise: float = option(
        1.0, help="standard deviation of a reading that states none", unit="percent", minimum=0.01, maximum=50
    )
    samples: int = option(0, help="possible doses to draw into the report's folder", minimum=0, maximum=200)
    seed: int = option(0, help="seed of the samples", minimum=0)
    report: Path | None = option(None, help="folder for report, maps of what is not known, cells, samples, scene")
    series: str | None = option(None, help="Series Instance UID, when the CT folder holds several CT series")
    overwrite: bool = option(False, help="replace existing outputs")

    def inputs(self) -> tuple[Path, ...]:
        """With the files of `measured`, without the report."""
        from .scale_source import split_measured

        measured = [path for text in self.measured for path in split_measured(text) if path is not None]
        return (*measured, *(path for path in super().inputs() if path != self.report))


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, solve and write; the outputs appear when they are complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    from .cells_file import provenance_path
    from .scale_files import figures_of, provenance_of, write_dose, write_report_folder
    from .scale_source import read_study

    progress = progress or Progress()
    _check(settings)
    inputs = settings.inputs()
    record = provenance_path(settings.output)
    with (
        atomic_output(record, settings.overwrite, inputs) as record_draft,
        atomic_output(settings.output, settings.overwrite, inputs) as draft,
        atomic_output(settings.report or record, settings.overwrite, inputs) as folder,
    ):
        study = read_study(settings, progress)
        with progress.part(0.85):
            found = study.solve(settings, progress)
        with progress.stage("write dose", 0.9):
            study.warn_of(found, progress)
            write_dose(study, found, draft, progress)
        files = {"dose": settings.output.name, "provenance": record.name}
        provenance = provenance_of(settings, study, found, progress)
        if settings.report is not None:
            folder.mkdir()
            write_report_folder(study, found, folder, provenance, progress)
            provenance["seconds"] = dict(progress.seconds)
            write_json(folder / "provenance.json", provenance)
        write_json(record_draft, provenance)
    return Result(settings.output, files, figures_of(study, found), tuple(progress.warnings), dict(progress.seconds))


def _check(settings: Settings) -> None:
    """Refuse settings that would have no effect, or that cannot be met."""
    if not settings.measured:
        raise InputError("--measured", "names no file", "give CELLS.csv, as `dose3d detector measure` writes it")
    if not image_suffix(settings.output) and settings.output.suffix.lower() != ".dcm":
        endings = ", ".join(IMAGE_SUFFIXES)
        raise InputError(settings.output, "has an ending that no dose has", f"choose .dcm or one of {endings}")
    if settings.plan_in_detector is not None and settings.plan is None:
        cause = "is compared with the cells, and there is no plan in the patient to carry the result to"
        raise InputError("--plan-in-detector", cause, "add --plan")
    if settings.samples and settings.report is None:
        raise InputError("--samples", "are written into the report's folder, and none is given", "add --report")
    if settings.structures is None and settings.body not in ("auto", "none"):
        raise InputError("--body", f"names '{settings.body}', and there are no structures", "add --structures")
    places = [p.absolute() for p in (settings.output, settings.report) if p is not None]
    if len(set(places)) < len(places):
        raise InputError("--report", "is the output itself", "give a folder of its own")
