"""`dose3d dose dvh`: dose-volume histograms of structures, their figures and clinical goals, as report and tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core.errors import InputError, ResourceError
from ..core.json_file import write_json
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from .base import Result, TaskSettings, option
from .dose_source import DoseSource, load_dose
from .structure_source import DICOM_FORMS, StructureSource, check_names, form_of

if TYPE_CHECKING:
    from ..dose.dvh_metrics import Metric
    from ..dose.dvh_set import FigureRow, StructureDvh
    from ..dose.goals import Goal, Outcome
    from ..geometry.structure import StructureSet
    from .ct_source import CtSource

__all__ = ["DvhStudy", "Settings", "run"]

_FIGURES = ("Mean", "Min", "D98%", "D95%", "D50%", "D2%", "Max", "V20Gy")
_FIGURES_OF_PRESCRIPTION = ("V95%", "V100%", "V107%")
_LIKELY_RATIO = (0.5, 1.6)
"""Highest dose over prescription: beyond these the two are rather in other units, or of other fractions."""

_MOST_STEPS = 20_000


@dataclass(frozen=True)
class Settings(TaskSettings):
    """A dose, structures, and what is asked of their DVHs."""

    dose: Path = option(help="RTDOSE (.dcm), or an image of doses in Gy (.nrrd, .nii.gz, .mha)", positional=True)
    structures: Path = option(
        help="RTSTRUCT or SEG (.dcm, with --ct), .seg.nrrd, label map, folder of masks, or closed surfaces (.stl, .vtp)"
    )
    output: Path = option(help="folder for the results")
    ct: Path | None = option(None, help="CT of the structures: DICOM folder or image; RTSTRUCT and SEG need it")
    prescription: float | None = option(
        None, help="prescribed dose, for figures in percent of it", unit="Gy", minimum=0
    )
    goals: tuple[str, ...] = option(
        (), help="clinical goals: quantec, rtog_0225, rtog_0615, tg101_1, tg101_3, tg101_5, or your own CSV file"
    )
    metrics: tuple[str, ...] = option(
        (), help="figures in TG-263's names, instead of the usual ones: D95%[Gy] V20Gy[%]"
    )
    only: tuple[str, ...] = option((), help="names of the structures to look at (default: all)")
    reference: Path | None = option(None, help="second dose, whose DVHs are drawn dashed beside")
    samples: Path | None = option(
        None, help="folder of possible doses (or one with samples/ in it), which become bands of 95 percent"
    )
    ends: Literal["half-slice", "none"] = option(
        "half-slice", help="how far contours reach beyond their first and last plane; planning systems differ"
    )
    step: float | None = option(
        None, help="dose step of dvh.csv (default: a 400th of the highest dose)", unit="Gy", minimum=1e-6
    )
    gy_per_unit: float | None = option(
        None, help="Gy of 1 in the doses' own numbers, for doses in cGy (0.01) or percent", minimum=1e-9
    )
    names: Path | None = option(None, help="table of a label map's names: CSV, JSON, dataset.json, .ctbl, ITK-SNAP")
    series: str | None = option(None, help="Series Instance UID, when the CT folder holds several CT series")
    frame: Literal["LPS", "RAS"] | None = option(None, help="axes of surfaces whose files don't say them")
    lenient: bool = option(False, help="accept what is doubtful, such as other frames of reference, and say so")
    resample_slices: bool = option(False, help="accept a CT with missing or uneven slices by interpolation")
    overwrite: bool = option(False, help="replace an existing output")

    def inputs(self) -> tuple[Path, ...]:
        """Tables of goals, too."""
        return (*super().inputs(), *(Path(goal) for goal in self.goals if Path(goal).is_file()))


@dataclass(frozen=True, eq=False)
class DvhStudy:
    """Everything that is written: the doses, the structures and what came of them."""

    settings: Settings
    dose: DoseSource
    structures: StructureSet
    dvhs: tuple[StructureDvh, ...]
    metrics: tuple[Metric, ...]
    figures: dict[str, list[FigureRow]]
    outcomes: tuple[Outcome, ...] = ()
    reference: DoseSource | None = None
    samples: tuple[DoseSource, ...] = ()
    ct: CtSource | None = None

    @property
    def name(self) -> str:
        return self.dose.patient.get("series") or self.settings.dose.stem or "Dose"


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, count and write; the output appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    from .dvh_files import write_report, write_tables

    progress = progress or Progress()
    metrics, goals = _asked(settings)
    with atomic_output(settings.output, settings.overwrite, settings.inputs()) as draft:
        study = _study(settings, metrics, goals, progress)
        draft.mkdir()
        with progress.stage("tables", 0.8):
            files = write_tables(study, draft)
        with progress.stage("scene", 0.9):
            files |= _write_scene(study, draft, progress)
        provenance = _provenance(study, progress)
        with progress.stage("report", 1.0):
            write_report(study, draft / "report.html", provenance)
        provenance["seconds"] = dict(progress.seconds)
        write_json(draft / "provenance.json", provenance)
    files |= {"report": "report.html", "provenance": "provenance.json"}
    return Result(settings.output, files, _printed(study), tuple(progress.warnings), dict(progress.seconds))


def _asked(settings: Settings) -> tuple[tuple[Metric, ...], list[Goal]]:
    """Metrics and goals, and what of the settings would have no effect."""
    from ..dose.dvh_metrics import parse_metric
    from ..dose.goals import read_goals

    rx = settings.prescription
    if rx is not None and rx <= 0:
        raise InputError("--prescription", "is 0", "give the prescribed dose in Gy, or leave it out")
    if settings.ct is None and (settings.series or settings.resample_slices):
        flag = "--series" if settings.series else "--resample-slices"
        raise InputError(flag, "is about a CT, and none is given", "add --ct or leave it out")
    names = settings.metrics or (*_FIGURES, *(_FIGURES_OF_PRESCRIPTION if rx else ()))
    metrics = tuple(parse_metric(name) for name in names)
    for metric in metrics:
        if metric.needs_prescription and rx is None:
            raise InputError("--metrics", f"{metric.label} is in percent of the prescription", "add --prescription")
    return metrics, [goal for name in settings.goals for goal in read_goals(name)]


def _study(settings: Settings, metrics: tuple[Metric, ...], goals: list[Goal], progress: Progress) -> DvhStudy:
    from ..dose.dvh_set import Doses, figure_rows, structure_dvh
    from ..dose.goals import judge

    with progress.stage("read doses", 0.15):
        dose, reference, samples = _read_doses(settings, progress)
    ct, structures = _read_structures(settings, dose, progress)
    doses = Doses(dose.volume, reference and reference.volume, tuple(sample.volume for sample in samples))
    found = []
    with progress.stage("count", 0.7):
        for n, structure in enumerate(structures):
            progress.report(n / len(structures), structure.name)
            found.append(structure_dvh(structure, structures.grid, doses, settings.ends == "half-slice"))
    for warning in (warning for one in found for warning in one.warnings):
        progress.warn(warning)
    if all(one.dvh.is_empty for one in found):
        raise InputError(settings.structures, "has no structure within the dose grid", "give the dose of this patient")
    _check_step(settings, max(one.dvh.maximum for one in found if not one.dvh.is_empty))
    outcomes = judge(
        goals,
        {one.name: one.dvh for one in found},
        settings.prescription,
        {one.name: one.samples for one in found},
    )
    figures = {one.name: figure_rows(one, metrics, settings.prescription) for one in found}
    return DvhStudy(settings, dose, structures, tuple(found), metrics, figures, tuple(outcomes), reference, samples, ct)


def _check_step(settings: Settings, highest: float) -> None:
    if settings.step is not None and highest / settings.step > _MOST_STEPS:
        cause = f"{settings.step:g} Gy makes {highest / settings.step:,.0f} rows a structure"
        raise InputError("--step", cause, f"give at least {highest / _MOST_STEPS:.2g} Gy")


def _read_doses(settings: Settings, progress: Progress) -> tuple[DoseSource, DoseSource | None, tuple[DoseSource, ...]]:
    dose = _in_gy(settings, settings.dose, load_dose(settings.dose, progress))
    rx, highest = settings.prescription, float(dose.volume.array.max())
    if rx is not None and not _LIKELY_RATIO[0] * rx <= highest <= _LIKELY_RATIO[1] * rx:
        progress.warn(
            f"The highest dose is {highest:.4g} Gy, {highest / rx:.3g} times the prescription: other units, "
            "or other fractions?"
        )
    reference = None
    if settings.reference is not None:
        reference = _in_gy(settings, settings.reference, load_dose(settings.reference, progress))
        _check_frame(settings, "the reference", reference.frame, dose, progress)
    return dose, reference, tuple(_read_samples(settings, dose, progress))


def _read_samples(settings: Settings, dose: DoseSource, progress: Progress) -> list[DoseSource]:
    from ..geometry.volume_files import image_suffix

    folder = settings.samples
    if folder is None:
        return []
    if not folder.is_dir():
        raise InputError(folder, "is no folder", "give a folder of possible doses (.nrrd or RTDOSE)")
    folder = folder / "samples" if (folder / "samples").is_dir() else folder
    files = [path for path in sorted(folder.iterdir()) if image_suffix(path) or path.suffix.lower() == ".dcm"]
    if len(files) < 2:
        raise InputError(folder, f"holds {len(files)} doses", "bands need at least two possible doses")
    samples = []
    for path in files:
        samples.append(_in_gy(settings, path, load_dose(path, progress)))
        _check_frame(settings, path.name, samples[-1].frame, dose, progress)
    if len(files) < 20:
        progress.warn(f"Bands of 95 % from {len(files)} possible doses are little more than their range.")
    return samples


def _in_gy(settings: Settings, path: Path, dose: DoseSource) -> DoseSource:
    from dataclasses import replace

    from ..geometry.grid import Volume

    if settings.gy_per_unit is not None:
        array = (dose.volume.array * np.float32(settings.gy_per_unit)).astype(np.float32)
        return replace(dose, volume=Volume(array, dose.volume.grid), units="Gy")
    if dose.units != "Gy":
        remedy = "give a dose in Gy, or what 1 of its numbers is with --gy-per-unit"
        raise InputError(path, "is a relative dose (Dose Units RELATIVE), and figures are in Gy", remedy)
    return dose


def _read_structures(settings: Settings, dose: DoseSource, progress: Progress) -> tuple[CtSource | None, StructureSet]:
    """The CT, if any, and the structures that are looked at; empty ones go with a warning."""
    form = form_of(settings.structures)
    if form in DICOM_FORMS and settings.ct is None:
        raise InputError("--ct", f"is missing, and {form} needs the CT it belongs to", "give the folder of the CT")
    if settings.names and form != "label map":
        raise InputError("--names", f"names the labels of a label map, and this is {form}", "leave it out")
    if settings.frame and form != "surfaces":
        raise InputError("--frame", f"is about surfaces, and this is {form}", "leave it out")
    ct = None
    if settings.ct is not None:
        from .ct_source import load_ct

        with progress.part(0.3):
            ct = load_ct(settings.ct, settings.series, settings.resample_slices, progress)
        if form in DICOM_FORMS and ct.reference is None:
            raise InputError(
                settings.ct, f"is an image file, and {form} needs the CT as DICOM", "give the DICOM folder"
            )
        _check_frame(settings, "the CT", str(ct.facts.get("frame_of_reference_uid", "")), dose, progress)
        _check_patient(settings, ct, dose, progress)
    with progress.stage("read structures", 0.4):
        grid = ct.volume.grid if ct is not None and form == "surfaces" else None
        source = StructureSource(
            settings.structures, form, grid, ct.reference if ct else None, settings.lenient, False, settings.names,
            settings.frame,
        )  # fmt: skip
        found = source.read(progress)
    for note in found.notes:
        progress.warn(note)
    return ct, _chosen(settings, found, progress)


def _chosen(settings: Settings, found: StructureSet, progress: Progress) -> StructureSet:
    from dataclasses import replace
    from difflib import get_close_matches

    check_names(settings.structures, found, dicom=False)
    for name in settings.only:
        if name not in found.names:
            near = get_close_matches(name, found.names, n=1)
            remedy = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(found.names[:12])}"
            raise InputError("--only", f'"{name}" is no structure of {settings.structures.name}', remedy)
    chosen = [one for one in found if not settings.only or one.name in settings.only]
    filled = tuple(one for one in chosen if one.contours or not one.mask.is_empty)
    if empty := [one.name for one in chosen if one not in filled]:
        progress.warn(f"empty, left out: {', '.join(empty)}")
    if not filled:
        raise InputError(settings.structures, "holds no structure that is not empty", "give structures of this patient")
    return replace(found, structures=filled)


def _check_frame(settings: Settings, what: str, frame: str, dose: DoseSource, progress: Progress) -> None:
    if not frame or not dose.frame or frame == dose.frame:
        return
    cause = f"is in another frame of reference than {what}"
    if not settings.lenient:
        raise InputError(settings.dose, cause, "give those that belong together, or add --lenient if you know they do")
    progress.warn(f"The dose {cause}: structures may not lie where they seem to.")


def _check_patient(settings: Settings, ct: CtSource, dose: DoseSource, progress: Progress) -> None:
    ours, theirs = dose.patient.get("id", ""), ct.patient.get("id", "")
    if not ours or not theirs or ours == theirs:
        return
    cause = "is of another patient than the CT (Patient ID)"
    if not settings.lenient:
        raise InputError(settings.dose, cause, "give those that belong together, or add --lenient if you know they do")
    progress.warn(f"The dose {cause}.")


def _write_scene(study: DvhStudy, draft: Path, progress: Progress) -> dict[str, str]:
    from .dvh_files import scene_of

    try:
        from ..scene.dvh_scene import write_dvh_scene

        write_dvh_scene(draft / "scene.mrb", scene_of(study))
    except ResourceError as error:
        progress.warn(f"No scene.mrb: {error.cause}; {error.remedy}")
        return {}
    return {"scene": "scene.mrb"}


def _provenance(study: DvhStudy, progress: Progress) -> dict[str, Any]:
    settings = study.settings
    source = StructureSource(settings.structures, form_of(settings.structures))
    inputs = [one.facts for one in (study.dose, study.reference, *study.samples, study.ct) if one is not None]
    tables = [{"path": name, "kind": "goals", "sha256": file_sha256(Path(name))}
              for name in settings.goals if Path(name).is_file()]  # fmt: skip
    return make_provenance("dose dvh", settings.to_dict(), progress, inputs=[*inputs, source.facts(), *tables])


def _printed(study: DvhStudy) -> dict[str, Any]:
    """A line for each structure, and how many goals were met."""
    from .dvh_files import figure_text

    printed: dict[str, Any] = {}
    for one in study.dvhs:
        rows = {row.metric.name: figure_text(row.metric, row.figure) for row in study.figures[one.name]}
        shown = [name for name in ("Mean", "D95%", "D2%") if name in rows] or list(rows)[:3]
        figures = ", ".join(f"{name} {rows[name]}" for name in shown)
        printed[one.name] = f"{one.dvh.volume_cc:.4g} cc, {figures}"
    if study.outcomes:
        states = [outcome.state for outcome in study.outcomes]
        printed["goals"] = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return printed
