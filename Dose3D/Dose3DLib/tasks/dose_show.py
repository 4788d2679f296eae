"""`dose3d dose show`: a dose with its isodoses, and its difference from another one, as pictures, scene and numbers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core.errors import InputError, ResourceError
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import make_provenance
from .base import Result, TaskSettings, option
from .dose_source import DoseSource, load_dose

if TYPE_CHECKING:
    from ..dose.colors import DoseColors
    from ..dose.difference import Difference
    from ..dose.levels import Level
    from ..dose.statistics import DoseStatistics
    from .ct_source import CtSource

__all__ = ["Settings", "run"]

_TABLE = 256


@dataclass(frozen=True)
class Settings(TaskSettings):
    """A dose, what it is compared with, and which levels are drawn."""

    dose: Path = option(help="RTDOSE (.dcm), or an image of doses in Gy (.nrrd, .nii.gz, .mha)", positional=True)
    output: Path = option(help="folder for the results")
    reference: Path | None = option(None, help="second dose, which is subtracted from the first on the first's grid")
    ct: Path | None = option(None, help="CT beneath the dose: DICOM folder or image file")
    levels: tuple[float, ...] = option(
        (), help="isodose levels (default: 10 30 50 70 80 90 95 100 105 percent)", minimum=0
    )
    unit: Literal["percent", "Gy"] = option("percent", help="unit of the levels")
    prescription: float | None = option(
        None, help="dose of 100 percent (default: the highest dose)", unit="Gy", minimum=0
    )
    series: str | None = option(None, help="Series Instance UID, when the CT folder holds several CT series")
    resample_slices: bool = option(False, help="accept a CT with missing or uneven slices by interpolation")
    overwrite: bool = option(False, help="replace an existing output")


@dataclass(frozen=True, eq=False)
class _Shown:
    """Everything that is written, in the units of the dose."""

    dose: DoseSource
    name: str
    levels: tuple[Level, ...]
    colors: DoseColors
    statistics: DoseStatistics
    ct: CtSource | None = None
    second: DoseSource | None = None
    difference: Difference | None = None


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, compare and write; the output appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    progress = progress or Progress()
    _check(settings)
    with atomic_output(settings.output, settings.overwrite, settings.inputs()) as draft:
        shown = _read(settings, progress)
        draft.mkdir()
        with progress.stage("write dose", 0.6):
            files = _write_volumes(shown, draft)
        with progress.stage("scene", 0.8):
            files |= _write_scene(shown, draft, progress)
        summary = _summary(settings, shown)
        _write_json(draft / "summary.json", summary)
        provenance = _provenance(settings, shown, progress)
        with progress.stage("report", 1.0):
            _write_report(shown, draft / "report.html", provenance)
        provenance["seconds"] = dict(progress.seconds)
        _write_json(draft / "provenance.json", provenance)
    files |= {"summary": "summary.json", "report": "report.html", "provenance": "provenance.json"}
    return Result(settings.output, files, _figures(shown), tuple(progress.warnings), dict(progress.seconds))


def _check(settings: Settings) -> None:
    """Refuse settings that would have no effect."""
    if settings.prescription is not None and settings.prescription <= 0:
        raise InputError("--prescription", "is 0", "give the prescribed dose in Gy, or leave it out")
    if settings.prescription is not None and settings.unit == "Gy":
        raise InputError("--prescription", "is what percents refer to, and --unit is Gy", "leave one of them out")
    if settings.ct is None and (settings.series or settings.resample_slices):
        flag = "--series" if settings.series else "--resample-slices"
        raise InputError(flag, "is about a CT, and none is given", "add --ct or leave it out")


def _read(settings: Settings, progress: Progress) -> _Shown:
    from ..dose.levels import make_levels
    from ..dose.statistics import dose_statistics

    with progress.stage("read dose", 0.15):
        dose = load_dose(settings.dose, progress)
        second = None if settings.reference is None else load_dose(settings.reference, progress)
        _check_units(settings, dose, second)
    ct = None
    if settings.ct is not None:
        from .ct_source import load_ct

        with progress.part(0.3):
            ct = load_ct(settings.ct, settings.series, settings.resample_slices, progress)
    _check_frames(dose, second, ct, progress)
    with progress.stage("compare", 0.5):
        maximum = float(dose.volume.array.max())
        reference = maximum if settings.prescription is None else settings.prescription
        levels, notes, colors = make_levels(settings.levels, settings.unit == "Gy", reference, maximum, dose.units)
        for note in notes:
            progress.warn(note)
        statistics = dose_statistics(dose.volume, [level.dose for level in levels])
        difference = None if second is None else _difference(settings, dose, second, progress)
    name = dose.patient.get("series") or settings.dose.stem or "Dose"
    return _Shown(dose, name, levels, colors, statistics, ct, second, difference)


def _check_units(settings: Settings, dose: DoseSource, second: DoseSource | None) -> None:
    if second is not None and second.units != dose.units:
        cause = f"is in units {second.units}, the first dose in {dose.units}"
        raise InputError(settings.reference, cause, "compare doses in the same units")
    if dose.units != "Gy" and (settings.unit == "Gy" or settings.prescription is not None):
        flag = "--unit Gy" if settings.unit == "Gy" else "--prescription"
        raise InputError(flag, f"is in Gy, and the dose is {dose.units}", "give levels in percent of the maximum")


def _check_frames(dose: DoseSource, second: DoseSource | None, ct: CtSource | None, progress: Progress) -> None:
    """Other frames of reference are shown all the same: who asks for it may know that they agree."""
    others = {"the second dose": second.frame if second else "", "the CT": _frame_of(ct)}
    for name, frame in others.items():
        if frame and dose.frame and frame != dose.frame:
            progress.warn(
                f"Dose and {name[4:]} have different frames of reference: they may not lie where they seem to."
            )


def _frame_of(ct: CtSource | None) -> str:
    return "" if ct is None else str(ct.facts.get("frame_of_reference_uid", ""))


def _difference(settings: Settings, dose: DoseSource, second: DoseSource, progress: Progress) -> Difference:
    from ..dose.difference import dose_difference

    try:
        found = dose_difference(dose.volume, second.volume)
    except InputError as error:
        raise InputError(settings.reference, error.cause, error.remedy) from error
    if not found.same_grid:
        progress.warn("The second dose was resampled linearly onto the grid of the first.")
    if found.outside > 0:
        progress.warn(
            f"{100 * found.outside:.3g} % of the first dose's grid lies outside the second's: no difference there."
        )
    return found


def _write_volumes(shown: _Shown, draft: Path) -> dict[str, str]:
    from ..geometry.volume_files import write_volume

    write_volume(shown.dose.volume, draft / "dose.nrrd")
    if shown.difference is None:
        return {"dose": "dose.nrrd"}
    write_volume(shown.difference.volume, draft / "difference.nrrd")
    return {"dose": "dose.nrrd", "difference": "difference.nrrd"}


def _limit(shown: _Shown) -> float:
    """The scale of the difference goes from minus to plus this."""
    found = shown.difference
    return max(abs(found.lowest), abs(found.highest)) or 1e-3 * shown.statistics.maximum


def _table(shown: _Shown) -> np.ndarray:
    return shown.colors.table(np.linspace(0.0, shown.statistics.maximum, _TABLE))


def _write_scene(shown: _Shown, draft: Path, progress: Progress) -> dict[str, str]:
    from ..dose.colors import difference_colors
    from ..scene.dose_nodes import DoseLook, Isodose
    from ..scene.dose_scene import DoseScene, write_dose_scene
    from ..scene.mrb import ScenePatient

    dose, top, look = shown.dose, shown.statistics.maximum, None
    if shown.difference is not None:
        limit = _limit(shown)
        look = DoseLook(difference_colors(_TABLE), -limit, limit, None, dose.units, "Difference")
    patient = (shown.ct or dose).patient
    content = DoseScene(
        dose.volume,
        DoseLook(_table(shown), 0.0, top, shown.levels[0].dose, dose.units),
        [Isodose(level.dose, level.label, level.color) for level in shown.levels],
        shown.name,
        shown.statistics.maximum_at_mm,
        ScenePatient(patient.get("name", ""), patient.get("id", ""), patient.get("study", ""),
                     shown.ct.patient.get("series", "") if shown.ct else ""),
        shown.ct.volume if shown.ct else None,
        shown.difference.volume if shown.difference else None,
        look,
    )  # fmt: skip
    try:
        write_dose_scene(draft / "scene.mrb", content)
    except ResourceError as error:
        progress.warn(f"No scene.mrb: {error.cause}; {error.remedy}")
        return {}
    return {"scene": "scene.mrb"}


def _summary(settings: Settings, shown: _Shown) -> dict[str, Any]:
    """summary.json: doses in `units`, places LPS mm, volumes cm3."""
    found = shown.statistics
    levels = [
        {**asdict(level), "label": level.label, "volume_cc": volume, "cut_by_grid": cut}
        for level, volume, cut in zip(shown.levels, found.volumes_cc, found.cut_off, strict=True)
    ]
    reference = None if settings.unit == "Gy" else settings.prescription or found.maximum
    content = {
        "name": shown.name,
        "units": shown.dose.units,
        "maximum": found.maximum,
        "minimum": found.minimum,
        "maximum_at_lps_mm": list(found.maximum_at_mm),
        "d2cc": found.d2cc,
        "negative_voxels": found.negative,
        "dose_of_100_percent": reference,
        "levels": levels,
    }
    if shown.difference is not None:
        part = shown.difference
        content["difference"] = {
            "lowest": part.lowest,
            "highest": part.highest,
            "mean_absolute": part.mean_absolute,
            "share_outside": part.outside,
            "same_grid": part.same_grid,
        }
    return content


def _figures(shown: _Shown) -> dict[str, Any]:
    """What is printed."""
    found, units = shown.statistics, shown.dose.units
    place = ", ".join(f"{mm:.1f}" for mm in found.maximum_at_mm)
    figures: dict[str, Any] = {"maximum": f"{found.maximum:.4g} {units} at {place} mm (LPS)"}
    if found.d2cc is not None:
        figures["D2cc"] = f"{found.d2cc:.4g} {units}"
    for level, volume, cut in zip(shown.levels, found.volumes_cc, found.cut_off, strict=True):
        figures[level.label] = f"{volume:.4g} cc" + (" (the grid ends inside)" if cut else "")
    if shown.difference is not None:
        part = shown.difference
        figures["difference"] = f"{part.lowest:+.4g} to {part.highest:+.4g} {units}, mean {part.mean_absolute:.4g}"
    return figures


def _provenance(settings: Settings, shown: _Shown, progress: Progress) -> dict[str, Any]:
    sources = [shown.dose, shown.second, shown.ct]
    inputs = [source.facts for source in sources if source is not None]
    return make_provenance("dose show", settings.to_dict(), progress, inputs=inputs)


def _write_report(shown: _Shown, path: Path, provenance: dict[str, Any]) -> None:
    from ..report.dose import DoseReport, IsodoseRow, write_dose_report
    from ..report.dose_figures import ColorScale, Line

    found, units = shown.statistics, shown.dose.units
    rows = [
        IsodoseRow(Line(level.dose, level.color, level.label), volume, cut)
        for level, volume, cut in zip(shown.levels, found.volumes_cc, found.cut_off, strict=True)
    ]
    patient = (shown.ct or shown.dose).patient
    labels = {"name": "Patient", "id": "Patient ID", "study": "Study"}
    facts = {label: patient.get(key, "") for key, label in labels.items()}
    facts["Highest dose"] = f"{found.maximum:.4g} {units}"
    facts["D2cc"] = "" if found.d2cc is None else f"{found.d2cc:.4g} {units}"
    shortened = [{key: value for key, value in one.items() if key != "sop_instance_uids"}
                 for one in provenance["inputs"]]  # fmt: skip
    content = DoseReport(
        shown.dose.volume,
        ColorScale(_table(shown), 0.0, found.maximum, f"dose ({units})", shown.levels[0].dose),
        rows,
        found.maximum_at_mm,
        shown.name,
        facts,
        shown.ct.volume if shown.ct else None,
        _difference_part(shown),
        provenance["seconds"],
        provenance["warnings"],
        {**provenance, "inputs": shortened},
    )
    write_dose_report(path, content)


def _difference_part(shown: _Shown) -> Any:
    from ..dose.colors import difference_colors
    from ..report.dose import DifferencePart
    from ..report.dose_figures import ColorScale

    found, units = shown.difference, shown.dose.units
    if found is None:
        return None
    where = np.unravel_index(int(np.nanargmax(np.abs(found.volume.array))), found.volume.array.shape)
    center = tuple(float(mm) for mm in found.volume.grid.to_lps(np.array(where[::-1])))
    name = f"{shown.name} minus {shown.second.patient.get('series') or Path(shown.second.facts['path']).name}"
    rows = (
        ("Lowest", f"{found.lowest:+.4g} {units}"),
        ("Highest", f"{found.highest:+.4g} {units}"),
        ("Mean of absolute values", f"{found.mean_absolute:.4g} {units}"),
        ("Grid outside the second dose", f"{100 * found.outside:.3g} %"),
        ("Second dose", "on the same grid" if found.same_grid else "resampled linearly onto this grid"),
    )
    limit = _limit(shown)
    scale = ColorScale(difference_colors(_TABLE), -limit, limit, f"difference ({units})")
    return DifferencePart(found.volume, scale, center, name, rows)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
