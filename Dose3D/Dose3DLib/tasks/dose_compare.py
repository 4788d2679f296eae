"""`dose3d dose compare`: two doses by gamma, difference, profiles and isodoses, in the patient and in a detector."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from .structure_source import DICOM_FORMS, StructureSource, form_of

if TYPE_CHECKING:
    from ..detector.layout import Layout
    from ..dose.cell_comparison import CellComparison
    from ..dose.comparison import Comparison, RegionFigures
    from ..dose.gamma_presets import GammaPreset
    from ..dose.levels import Level
    from ..dose.profiles import Profile
    from ..geometry.structure import StructureSet
    from .ct_source import CtSource

__all__ = ["CompareStudy", "Settings", "run"]

_LIKELY_RATIO = (0.5, 2.0)
"""Highest dose over highest dose: beyond these the two are rather in other units, or of other fractions."""
_LEVELS_PERCENT = (20.0, 50.0, 80.0, 95.0)


@dataclass(frozen=True)
class Settings(TaskSettings):
    """Two doses, how gamma is made, and where else they are looked at."""

    reference: Path = option(help="RTDOSE (.dcm) or image of doses in Gy (.nrrd, .nii.gz, .mha)", positional=True)
    evaluated: Path = option(help="dose that is compared with it, on any grid", positional=True)
    output: Path = option(help="folder for report, gamma map and figures")
    gamma: str = option("3/2", help="percent/mm such as 3/2, or a preset: tg218, tg218_tight, tg119, dose3d")
    local: bool = option(False, help="percent of each point's own dose instead of the normalisation dose")
    threshold: float | None = option(
        None, help="no gamma below this part of the normalisation dose (default: 10, or the preset's)",
        unit="percent", minimum=0, maximum=100,
    )  # fmt: skip
    normalisation: float | None = option(
        None, help="dose of 100 percent (default: the highest one of the reference)", unit="Gy", minimum=1e-6
    )
    highest: float = option(2.0, help="larger gammas are given as this", minimum=1.01, maximum=10)
    factor: float = option(1.0, help="the evaluated dose is multiplied by this (0.01 for cGy)", minimum=1e-6)
    points: int | None = option(None, help="gamma at this many random voxels only, for a quick look", minimum=1)
    seed: int = option(0, help="seed of the random voxels", minimum=0)
    structures: Path | None = option(
        None, help="figures for each structure too: RTSTRUCT or SEG (with --ct), masks, label map, surfaces"
    )
    only: tuple[str, ...] = option((), help="names of the structures to look at (default: all)")
    ct: Path | None = option(None, help="CT beneath the doses: DICOM folder or image; RTSTRUCT and SEG need it")
    layout: Path | None = option(None, help="LAYOUT.csv of a detector: both doses as its cells see them, too")
    size: float = option(10.0, help="edge of the cells, where the layout states none", unit="mm", minimum=0.01)
    point: tuple[float, ...] = option(
        (), help="x y z (LPS) of profiles and pictures (default: the reference's highest dose)", unit="mm"
    )
    levels: tuple[float, ...] = option(
        (), help="isodoses in percent of the normalisation dose (default: 20 50 80 95)", minimum=0
    )
    names: Path | None = option(None, help="table of a label map's names: CSV, JSON, dataset.json, .ctbl, ITK-SNAP")
    frame: Literal["LPS", "RAS"] | None = option(None, help="axes of surfaces whose files don't say them")
    series: str | None = option(None, help="Series Instance UID, when the CT folder holds several CT series")
    resample_slices: bool = option(False, help="accept a CT with missing or uneven slices by interpolation")
    lenient: bool = option(False, help="accept what is doubtful, such as other frames of reference, and say so")
    overwrite: bool = option(False, help="replace an existing output")


@dataclass(frozen=True, eq=False)
class CompareStudy:
    """Everything that is written."""

    settings: Settings
    preset: GammaPreset
    reference: DoseSource
    evaluated: DoseSource
    found: Comparison
    regions: tuple[RegionFigures, ...]
    profiles: tuple[Profile, ...]
    levels: tuple[Level, ...]
    center_mm: tuple[float, float, float]
    structures: StructureSet | None = None
    ct: CtSource | None = None
    layout: Layout | None = None
    cells: CellComparison | None = None

    @property
    def overall(self) -> RegionFigures:
        """Of all voxels at or above the threshold."""
        return self.regions[0]

    @property
    def units(self) -> str:
        return self.reference.units


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, compare and write; the output appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    from .compare_files import printed, write_report, write_tables, write_volumes

    progress = progress or Progress()
    preset = _check(settings)
    with atomic_output(settings.output, settings.overwrite, settings.inputs()) as draft:
        study = _study(settings, preset, progress)
        draft.mkdir()
        with progress.stage("tables", 0.85):
            files = write_volumes(study, draft) | write_tables(study, draft)
        with progress.stage("scene", 0.95):
            files |= _write_scene(study, draft, progress)
        provenance = _provenance(study, progress)
        with progress.stage("report", 1.0):
            write_report(study, draft / "report.html", provenance)
        provenance["seconds"] = dict(progress.seconds)
        write_json(draft / "provenance.json", provenance)
    files |= {"report": "report.html", "provenance": "provenance.json"}
    return Result(settings.output, files, printed(study), tuple(progress.warnings), dict(progress.seconds))


def _check(settings: Settings) -> GammaPreset:
    """The criteria; refuse settings that mean nothing or would have no effect."""
    from ..dose.gamma_presets import parse_gamma

    needs = {"ct": ("series", "resample_slices"), "structures": ("only", "names", "frame"), "layout": ()}
    for name, others in needs.items():
        for other in others:
            if getattr(settings, name) is None and getattr(settings, other):
                flag = "--" + other.replace("_", "-")
                raise InputError(flag, f"is about --{name}, and none is given", f"add --{name} or leave it out")
    if settings.point and len(settings.point) != 3:
        raise InputError("--point", f"has {len(settings.point)} numbers", "give x y z in mm (LPS)")
    preset = parse_gamma(settings.gamma, settings.local, settings.threshold, settings.normalisation)
    return replace(preset, criteria=replace(preset.criteria, highest=settings.highest))


def _study(settings: Settings, preset: GammaPreset, progress: Progress) -> CompareStudy:
    from ..dose.cell_comparison import compare_in_cells
    from ..dose.profiles import profiles

    reference, evaluated = _read_doses(settings, progress)
    ct, structures = _read_others(settings, reference, progress)
    layout = None if settings.layout is None else _read_layout(settings, progress)
    with progress.stage("gamma", 0.7):
        found = _compare(settings, preset, reference, evaluated, progress)
    with progress.stage("regions", 0.8):
        regions = _regions(found, structures)
        cells = None if layout is None else compare_in_cells(found, layout.cells)
        _say(found, regions, cells, progress)
        center = _center(settings, reference)
        levels = _levels(settings, found, reference.units, progress)
        along = profiles((reference.volume, evaluated.volume), center)
    return CompareStudy(
        settings, preset, reference, evaluated, found, regions, along, levels, center, structures, ct, layout, cells
    )


def _read_doses(settings: Settings, progress: Progress) -> tuple[DoseSource, DoseSource]:
    with progress.stage("read doses", 0.1):
        reference, evaluated = (load_dose(path, progress) for path in (settings.reference, settings.evaluated))
    if settings.factor != 1:
        from ..geometry.grid import Volume

        scaled = (evaluated.volume.array * np.float32(settings.factor)).astype(np.float32)
        evaluated = replace(evaluated, volume=Volume(scaled, evaluated.volume.grid))
    if reference.units != evaluated.units:
        cause = f"is in units {evaluated.units}, the reference in {reference.units}"
        raise InputError(settings.evaluated, cause, "compare doses in the same units")
    _check_pair(settings, reference, evaluated, progress)
    return reference, evaluated


def _check_pair(settings: Settings, reference: DoseSource, evaluated: DoseSource, progress: Progress) -> None:
    ids = [one.patient.get("id", "") for one in (reference, evaluated)]
    if all(ids) and ids[0] != ids[1]:
        _doubtful(settings, settings.evaluated, "is of another patient than the reference (Patient ID)", progress)
    if reference.frame and evaluated.frame and reference.frame != evaluated.frame:
        _doubtful(settings, settings.evaluated, "has another frame of reference than the reference dose", progress)
    elif not (reference.frame and evaluated.frame):
        progress.warn("Not both doses name a frame of reference: that they lie in the same one is taken for granted.")
    highest = [float(one.volume.array.max()) for one in (reference, evaluated)]
    if not _LIKELY_RATIO[0] <= highest[1] / highest[0] <= _LIKELY_RATIO[1]:
        progress.warn(
            f"The highest doses are {highest[0]:.4g} and {highest[1]:.4g} {reference.units}: other units, or other "
            "fractions? (--factor)"
        )


def _doubtful(settings: Settings, what: object, cause: str, progress: Progress) -> None:
    if not settings.lenient:
        raise InputError(what, cause, "give those that belong together, or add --lenient if you know they do")
    progress.warn(f"{Path(str(what)).name} {cause}.")


def _read_others(
    settings: Settings, dose: DoseSource, progress: Progress
) -> tuple[CtSource | None, StructureSet | None]:
    """CT and structures, each where given."""
    form = None if settings.structures is None else form_of(settings.structures)
    if form in DICOM_FORMS and settings.ct is None:
        raise InputError("--ct", f"is missing, and {form} needs the CT it belongs to", "give the folder of the CT")
    ct = None
    if settings.ct is not None:
        from .ct_source import load_ct

        with progress.part(0.3):
            ct = load_ct(settings.ct, settings.series, settings.resample_slices, progress)
        if form in DICOM_FORMS and ct.reference is None:
            raise InputError(
                settings.ct, f"is an image file, and {form} needs the CT as DICOM", "give the DICOM folder"
            )
        frame, patient = str(ct.facts.get("frame_of_reference_uid", "")), ct.patient.get("id", "")
        if patient and dose.patient.get("id") and patient != dose.patient["id"]:
            _doubtful(settings, settings.ct, "is of another patient than the reference (Patient ID)", progress)
        if frame and dose.frame and frame != dose.frame:
            _doubtful(settings, settings.ct, "has another frame of reference than the reference dose", progress)
    return ct, None if form is None else _read_structures(settings, form, ct, progress)


def _read_structures(settings: Settings, form: Any, ct: CtSource | None, progress: Progress) -> StructureSet:
    from difflib import get_close_matches

    with progress.stage("read structures", 0.35):
        grid = ct.volume.grid if ct is not None and form == "surfaces" else None
        source = StructureSource(
            settings.structures, form, grid, ct.reference if ct else None, settings.lenient, False, settings.names,
            settings.frame,
        )  # fmt: skip
        found = source.read(progress)
    for note in found.notes:
        progress.warn(note)
    for name in settings.only:
        if name not in found.names:
            near = get_close_matches(name, found.names, n=1)
            remedy = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(found.names[:12])}"
            raise InputError("--only", f'"{name}" is no structure of {settings.structures.name}', remedy)
    return replace(found, structures=tuple(s for s in found if not settings.only or s.name in settings.only))


def _read_layout(settings: Settings, progress: Progress) -> Layout:
    from ..detector.layout_csv import read_layout

    layout = read_layout(settings.layout, size_mm=settings.size)
    for note in layout.notes:
        progress.warn(f"{settings.layout.name}: {note}")
    return layout


def _compare(
    settings: Settings, preset: GammaPreset, reference: DoseSource, evaluated: DoseSource, progress: Progress
) -> Comparison:
    from ..dose.comparison import compare_doses

    points = None
    if settings.points is not None:
        normal = preset.criteria.normalisation or float(reference.volume.array.max())
        level = preset.criteria.threshold_percent / 100 * normal
        eligible = np.flatnonzero(reference.volume.array >= level)
        if settings.points < len(eligible):
            points = np.random.default_rng(settings.seed).choice(eligible, settings.points, replace=False)
            progress.warn(f"Gamma is that of {settings.points:,} random voxels of {len(eligible):,}.")
    try:
        found = compare_doses(reference.volume, evaluated.volume, preset.criteria, points, progress.report)
    except InputError as error:
        raise InputError(settings.evaluated, error.cause, error.remedy) from error
    if not np.isfinite(found.difference.array).any():
        cause = "lies nowhere on the grid of the reference"
        raise InputError(settings.evaluated, cause, "give two doses of one patient in one position")
    criteria = found.criteria
    level = f"{criteria.threshold_percent:g} % of {criteria.normalisation:.4g} {reference.units}"
    if not found.region.any():
        raise InputError(settings.reference, f"has no voxel of {level}", "give a lower --threshold or --normalisation")
    if not np.isfinite(found.gamma).any():
        cause = f"has no value where the reference has {level}"
        remedy = "give doses of the same region, or a lower --threshold"
        raise InputError(settings.evaluated, cause, remedy)
    return found


def _regions(found: Comparison, structures: StructureSet | None) -> tuple[RegionFigures, ...]:
    from ..dose.comparison import mask_on_grid, region_figures

    name = f"dose of {found.criteria.threshold_percent:g} % and more"
    regions = [region_figures(found, name, found.region)]
    for one in structures or ():
        regions.append(region_figures(found, one.name, mask_on_grid(one.mask, found.reference.grid)))
    return tuple(regions)


def _say(
    found: Comparison, regions: tuple[RegionFigures, ...], cells: CellComparison | None, progress: Progress
) -> None:
    """What was not compared, and what that means."""
    if not found.same_grid:
        progress.warn("The doses lie on different grids: the difference is that of the evaluated dose, made linear.")
    whole = regions[0]
    if whole.unknown:
        progress.warn(
            f"{100 * whole.unknown / whole.voxels:.3g} % of the voxels at or above the threshold lie outside the "
            "evaluated dose's grid, or where it has no value: they are not evaluated."
        )
    empty = [one.name for one in regions[1:] if not one.voxels]
    if empty:
        progress.warn(f"No voxel centre of the reference lies in {', '.join(empty)}.")
    low = [one.name for one in regions[1:] if one.voxels and not one.points]
    if low:
        progress.warn(f"No gamma in {', '.join(low)}: below the threshold, outside the evaluated grid, or not drawn.")
    if cells is not None and not cells.judged.any():
        progress.warn("No cell of the layout sees as much as the threshold: does it stand in this patient?")
    elif cells is not None and (cut := int((cells.fraction[cells.judged] < 1 - 1e-6).sum())):
        progress.warn(f"{cut} cells lie in both grids in part only; their means are those of that part.")


def _levels(settings: Settings, found: Comparison, units: str, progress: Progress) -> tuple[Level, ...]:
    """Isodoses; the usual ones are in percent of the highest dose where they would lie above it."""
    from ..dose.levels import make_levels

    highest, normal = float(found.reference.array.max()), found.criteria.normalisation
    if not settings.levels and _LEVELS_PERCENT[0] / 100 * normal >= highest:
        normal = highest
    levels, notes, _ = make_levels(settings.levels or _LEVELS_PERCENT, False, normal, highest, units)
    for note in notes if settings.levels else ():
        progress.warn(note)
    return levels


def _center(settings: Settings, reference: DoseSource) -> tuple[float, float, float]:
    volume = reference.volume
    if settings.point:
        index = volume.grid.to_index(np.array(settings.point))[::-1]
        if (index < -0.5).any() or (index > np.array(volume.array.shape) - 0.5).any():
            remedy = "give a place inside it, in LPS mm, or leave it out"
            raise InputError("--point", "lies outside the reference's grid", remedy)
        return tuple(float(mm) for mm in settings.point)
    k, j, i = np.unravel_index(int(volume.array.argmax()), volume.array.shape)
    return tuple(float(mm) for mm in volume.grid.to_lps(np.array([i, j, k])))


def _write_scene(study: CompareStudy, draft: Path, progress: Progress) -> dict[str, str]:
    from .compare_files import scene_of

    try:
        from ..scene.compare_scene import write_compare_scene

        write_compare_scene(draft / "scene.mrb", scene_of(study))
    except ResourceError as error:
        progress.warn(f"No scene.mrb: {error.cause}; {error.remedy}")
        return {}
    return {"scene": "scene.mrb"}


def _provenance(study: CompareStudy, progress: Progress) -> dict[str, Any]:
    settings = study.settings
    inputs = [one.facts for one in (study.reference, study.evaluated, study.ct) if one is not None]
    if settings.structures is not None:
        inputs.append(StructureSource(settings.structures, form_of(settings.structures)).facts())
    if settings.layout is not None:
        inputs.append({"path": str(settings.layout), "kind": "layout", "sha256": file_sha256(settings.layout)})
    return make_provenance("dose compare", settings.to_dict(), progress, inputs=inputs)
