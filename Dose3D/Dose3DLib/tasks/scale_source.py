"""What `dose3d dose scale` reads: cells, grid, plan, structures and body, held against each other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress
from ..core.provenance import file_sha256
from ..geometry.crop import Block, block_around, crop_structures, crop_volume
from ..geometry.grid import Volume
from .dose_source import DoseSource, load_dose
from .grid_source import GridSource, load_grid
from .structure_source import DICOM_FORMS, StructureSource, form_of

if TYPE_CHECKING:
    from ..detector.readings import Readings
    from ..dose.scale import ScaleProblem
    from ..dose.scaling import Scaled
    from ..geometry.structure import Structure, StructureSet
    from .dose_scale import Settings

__all__ = ["Study", "read_study", "split_measured"]

_MARGIN_MM = 24.0
"""The dose is found so far beyond the outermost cells: those at its skin need room on both sides."""
_UNLIKELY_GY = 300.0
_FLOOR = 0.05
"""Readings below this share of the highest have the noise of that share: no detector is exact at 0."""
_MOVED_MM = 1.5
"""A surface that moved by less is said to agree."""
_LEAST_SD = 1e-3
"""No reading is taken as better than this share of the highest, whatever it states."""
_BODY_NAMES = ("body", "external", "skin", "outline")


@dataclass(frozen=True, eq=False)
class Study:
    """All that was read.

    Parameters
    ----------
    paths, readings:
        per acquisition.
    block:
        the part of the grid in which the dose is found; the cells tell nothing beyond it.
    problem:
        on that part.
    body_name:
        what the body is, "" where none is known.
    step:
        a sentence on the physical step between detector and patient.
    facts:
        of the inputs, for the provenance.
    """

    paths: tuple[Path, ...]
    readings: tuple[Readings, ...]
    source: GridSource
    block: Block
    problem: ScaleProblem
    plan: DoseSource | None = None
    plan_path: Path | None = None
    structures_path: Path | None = None
    body_name: str = ""
    step: str = ""
    facts: list[dict[str, Any]] = field(default_factory=list)

    def solve(self, settings: Settings, progress: Progress) -> Scaled:
        """The dose by the chosen method."""
        from ..dose.scaling import scale_dose

        return scale_dose(self.problem, settings.method, settings.samples, settings.seed, progress)

    def warn_of(self, found: Scaled, progress: Progress) -> None:
        """What the answer says of the inputs."""
        if self.body_name and found.body is not None:
            _warn_of_body(self, found, progress)
        if found.misfit > 1.5:
            progress.warn(
                f"The dose misses the cells' means by {found.misfit:.1f} times their noise: readings, positions and "
                "body do not agree with each other, or --noise is too small."
            )


def _warn_of_body(study: Study, found: Scaled, progress: Progress) -> None:
    body = found.body
    for readings, cells in zip(study.readings, body.contradicting, strict=True):
        if cells.size:
            names = ", ".join(readings.cells.labels[n] for n in cells[:5]) + (" ..." if cells.size > 5 else "")
            highest = float(np.max(readings.dose_gy[cells]))
            progress.warn(
                f"{cells.size} cells measured dose outside the body {study.body_name} (up to {highest:.3g} Gy): "
                f"{names}."
            )
    if body.body is None:
        progress.warn(f"The body {study.body_name} does not agree with the cells and was not used.")
    elif max(map(abs, body.offset_mm)) >= _MOVED_MM:
        mean, low, high = body.offset_mm
        progress.warn(
            f"The surface of the body {study.body_name} was moved by {low:+.1f} to {high:+.1f} mm (mean {mean:+.1f}; "
            "outwards above 0), with which the cells agree best."
        )


def split_measured(text: str) -> tuple[Path, Path | None]:
    """CELLS.csv and LAYOUT.csv of "CELLS.csv:LAYOUT.csv"; a colon may belong to a path (C:\\...)."""
    if Path(text).exists():
        return Path(text), None
    cuts = [n for n, letter in enumerate(text) if letter == ":"]
    for n in cuts:
        if Path(text[:n]).is_file():
            return Path(text[:n]), Path(text[n + 1 :]) if text[n + 1 :] else None
    n = cuts[-1] if cuts and cuts[-1] > 1 else None
    return (Path(text), None) if n is None else (Path(text[:n]), Path(text[n + 1 :]))


def read_study(settings: Settings, progress: Progress) -> Study:
    """Read everything and make the problem.

    Raises
    ------
    InputError
        something cannot be read, or is of another patient or place.
    """
    with progress.stage("read cells", 0.05):
        paths, readings, facts = _read_cells(settings, progress)
    with progress.stage("read grid", 0.12):
        source = load_grid(settings.grid, settings.series if settings.ct is None else None, progress)
        _check_frames(paths, readings, source.frame, f"--grid {settings.grid.name}")
        facts.append(source.facts)
        block = _block(paths, readings, source)
    with progress.stage("operators", 0.2):
        study = _with_operators(settings, paths, readings, source, block)
    with progress.stage("plan", 0.24):
        study = _with_plan(settings, study, facts, progress)
    with progress.stage("structures", 0.3):
        study = _with_structures(settings, study, facts, progress)
    return replace(study, facts=facts)


def _read_cells(
    settings: Settings, progress: Progress
) -> tuple[tuple[Path, ...], tuple[Readings, ...], list[dict[str, Any]]]:
    from ..detector.layout_csv import read_layout
    from ..detector.readings_csv import read_readings

    paths, found, facts = [], [], []
    for text in settings.measured:
        path, layout_path = split_measured(text)
        layout = None if layout_path is None else read_layout(layout_path)
        readings = read_readings(path, layout)
        for note in readings.notes:
            progress.warn(f"{path.name}: {note}")
        _check_values(path, readings, progress)
        paths.append(path)
        found.append(readings)
        for one, kind in ((path, "cells"), (layout_path, "layout")):
            if one is not None:
                facts.append({"path": str(one), "kind": kind, **_hash(one)})
    if len({path.resolve() for path in paths}) < len(paths):
        raise InputError("--measured", "names one file twice", "give each acquisition once")
    return tuple(paths), tuple(found), facts


def _hash(path: Path) -> dict[str, str]:
    return {"sha256": file_sha256(path)} if path.is_file() else {}


def _check_values(path: Path, readings: Readings, progress: Progress) -> None:
    known = readings.dose_gy[readings.known]
    if not known.size:
        raise InputError(path, "has no cell with a value", "measure again, or see how it was calibrated")
    if known.max() <= 0:
        raise InputError(path, f"holds no dose above 0 (its highest value is {known.max():g})", "check its units")
    if known.min() < 0:
        progress.warn(
            f"{path.name}: {int((known < 0).sum())} cells have a negative dose, down to {known.min():.3g} Gy."
        )
    if known.max() > _UNLIKELY_GY:
        progress.warn(f"{path.name}: the highest dose would be {known.max():.4g} Gy; are its numbers in cGy?")
    missing = int((~readings.known).sum())
    if missing:
        share = 100 * missing / len(readings)
        progress.warn(
            f"{path.name}: {missing} of {len(readings)} cells ({share:.2g} %) have no value; around them the dose is "
            "less well known (see the map of what the cells do not see)."
        )


def _check_frames(paths: tuple[Path, ...], readings: tuple[Readings, ...], frame: str, what: str) -> None:
    """Positions of two frames of reference have nothing to do with each other."""
    for path, one in zip(paths, readings, strict=True):
        if one.frame and frame and one.frame != frame:
            cause = f"is in the frame of reference {one.frame[-24:]}, {what} in {frame[-24:]}: another patient or scan"
            raise InputError(path, cause, "give cells and images of one frame of reference")


def _block(paths: tuple[Path, ...], readings: tuple[Readings, ...], source: GridSource) -> Block:
    blocks = []
    for path, one in zip(paths, readings, strict=True):
        block = block_around(one.cells, source.grid, _MARGIN_MM)
        if block is None or block_around(one.cells, source.grid, 0.0) is None:
            low, high = one.cells.centers_mm.min(axis=0), one.cells.centers_mm.max(axis=0)
            place = " ".join(f"{a:.0f}..{b:.0f}" for a, b in zip(low, high, strict=True))
            cause = f"no cell lies in the grid: they are at {place} mm (LPS)"
            raise InputError(path, cause, "give the layout at the isocentre of this patient, or the right --grid")
        blocks.append(block)
    merged = [slice(min(b[a].start for b in blocks), max(b[a].stop for b in blocks)) for a in range(3)]
    return merged[0], merged[1], merged[2]


def _with_operators(
    settings: Settings, paths: tuple[Path, ...], readings: tuple[Readings, ...], source: GridSource, block: Block
) -> Study:
    from ..dose.cell_operator import cell_operator
    from ..dose.scale import ScaleProblem

    grid = source.grid.crop(tuple(s.start for s in block), tuple(s.stop - s.start for s in block))
    operators = tuple(cell_operator(one.cells, grid) for one in readings)
    values, sd = zip(*(_values(settings, one) for one in readings), strict=True)
    ct = None if source.ct is None else crop_volume(source.ct, source.grid, block)
    problem = ScaleProblem(operators, tuple(values), tuple(sd), grid, ct=ct)
    if not any(problem.known(a).any() for a in range(len(operators))):
        raise InputError(paths[0], "no cell with a value lies in the grid", "give the right --grid or layout")
    return Study(paths, readings, source, block, problem)


def _values(settings: Settings, readings: Readings) -> tuple[np.ndarray, np.ndarray]:
    """Values and standard deviations, Gy; cells that lie in part outside the dose are known in that part only."""
    values = readings.dose_gy.copy()
    highest = float(np.nanmax(values))
    usual = settings.noise / 100 * np.maximum(np.abs(np.nan_to_num(values)), _FLOOR * highest)
    stated = np.isfinite(readings.sd_gy) & (readings.sd_gy > 0)
    return values, np.where(stated, np.maximum(readings.sd_gy, _LEAST_SD * highest), usual)


def _with_plan(settings: Settings, study: Study, facts: list[dict[str, Any]], progress: Progress) -> Study:
    """The plan on the problem's grid, and the physical step from detector to patient."""
    none = "None: the cells' dose to scintillator in the detector is taken as the dose in the patient at their place."
    if settings.plan is None:
        return replace(study, step=none)
    plan = load_dose(settings.plan, progress)
    _check_plan(settings.plan, plan, study)
    facts.append(plan.facts)
    volume = _on_block(plan.volume, settings.plan, study, progress)
    study = replace(study, plan=plan, plan_path=settings.plan, problem=replace(study.problem, plan=volume), step=none)
    if settings.plan_in_detector is None:
        return study
    inside = load_dose(settings.plan_in_detector, progress)
    _check_plan(settings.plan_in_detector, inside, study)
    facts.append(inside.facts)
    return _carried(settings, study, inside.volume)


def _carried(settings: Settings, study: Study, detector: Volume) -> Study:
    from ..dose.cell_operator import cell_operator
    from ..dose.physical_step import carry, step_text

    values = []
    for operator, measured in zip(study.problem.operators, study.problem.values, strict=True):
        expected = cell_operator(operator.cells, detector.grid).apply(detector.array)
        values.append(carry(measured, expected, operator.apply(study.problem.plan.array), settings.carry))
    if not any(np.isfinite(v).any() for v in values):
        cause = "covers no cell, or is 0 in all of them"
        raise InputError(settings.plan_in_detector, cause, "recompute the plan in the detector at its place")
    return replace(study, problem=replace(study.problem, values=tuple(values)), step=step_text(settings.carry))


def _check_plan(path: Path, plan: DoseSource, study: Study) -> None:
    if plan.units != "Gy":
        raise InputError(path, "is relative (percent of something), and the cells are in Gy", "export the dose in Gy")
    _check_frames(study.paths, study.readings, plan.frame, path.name)
    if plan.frame and study.source.frame and plan.frame != study.source.frame:
        raise InputError(path, "is in another frame of reference than --grid", "give plan and grid of one patient")
    _check_patient(path, plan.patient, study.source.patient)


def _check_patient(path: Path, one: dict[str, str], other: dict[str, str]) -> None:
    if one.get("id") and other.get("id") and one["id"] != other["id"]:
        cause = f"is of patient {one['id'][:32]}, --grid of {other['id'][:32]}"
        raise InputError(path, cause, "give plan and grid of one patient")


def _on_block(volume: Volume, path: Path, study: Study, progress: Progress) -> Volume:
    found = crop_volume(volume, study.source.grid, study.block)
    outside = ~np.isfinite(found.array)
    if outside.all():
        raise InputError(path, "lies nowhere on the grid of the cells", "give a plan of this patient")
    if outside.any():
        progress.warn(f"{path.name} ends within the cells' region; beyond it the plan is taken as 0.")
    return Volume(np.where(outside, 0.0, found.array).astype(np.float32), found.grid)


def _with_structures(settings: Settings, study: Study, facts: list[dict[str, Any]], progress: Progress) -> Study:
    structures = ct = None
    if settings.structures is not None:
        structures, ct = _read_structures(settings, study, facts, progress)
    problem = study.problem
    if structures is not None:
        problem = replace(problem, structures=crop_structures(structures, study.source.grid, study.block))
    if problem.ct is None and ct is not None:
        problem = replace(problem, ct=crop_volume(ct, study.source.grid, study.block))
    study = replace(study, problem=problem, structures_path=settings.structures)
    return _with_body(settings, study, ct or study.source.ct, progress)


def _read_structures(
    settings: Settings, study: Study, facts: list[dict[str, Any]], progress: Progress
) -> tuple[StructureSet, Volume | None]:
    """The structures on a grid of their own, and the CT where one was given for them."""
    form, source = form_of(settings.structures), study.source
    reference, ct = source.reference, None
    grid = source.grid
    if settings.ct is not None:
        from .ct_source import load_ct

        found = load_ct(settings.ct, settings.series, False, progress)
        _check_patient(settings.ct, found.patient, source.patient)
        reference, ct, grid = found.reference, found.volume, found.volume.grid
        facts.append(found.facts)
    if form in DICOM_FORMS and reference is None:
        cause = f"is {form}, which lies on a DICOM CT, and --grid is none"
        raise InputError(settings.structures, cause, "add --ct with the DICOM folder")
    # Surfaces keep the planes that they were drawn on; they are brought onto the grid of the dose afterwards.
    if form == "surfaces":
        reader = StructureSource(settings.structures, form, frame=settings.frame)
    else:
        reader = StructureSource(settings.structures, form, grid, reference, resample=True)
    structures = reader.read(progress)
    for note in structures.notes:
        progress.warn(note)
    facts.append(reader.facts())
    return structures, ct


def _with_body(settings: Settings, study: Study, ct: Volume | None, progress: Progress) -> Study:
    """The body's mask on the problem's grid."""
    if settings.body == "none":
        return study
    chosen = _body_structure(settings.body, study.problem.structures)
    if chosen is not None:
        if chosen.mask.is_empty:
            raise InputError("--body", f"'{chosen.name}' has no voxel near the cells", "choose another structure")
        return replace(study, problem=replace(study.problem, body=chosen.mask.to_array()), body_name=chosen.name)
    if ct is None:
        progress.warn("No body is known: dose is looked for everywhere, and the skin will be blurred.")
        return study
    from ..segmentation.body import body_mask

    found = Volume(body_mask(ct).to_array().astype(np.float32), ct.grid)
    body = np.nan_to_num(crop_volume(found, study.source.grid, study.block).array) >= 0.5
    if not body.any():
        progress.warn("No body was found on the CT near the cells: dose is looked for everywhere.")
        return study
    return replace(study, problem=replace(study.problem, body=body), body_name="found on the CT")


def _body_structure(name: str, structures: StructureSet | None) -> Structure | None:
    """The structure of that name; with auto the EXTERNAL one, or one that is called so."""
    if structures is None:
        return None
    if name != "auto":
        if name not in structures.names:
            near = get_close_matches(name, structures.names, n=1)
            remedy = f'did you mean "{near[0]}"?' if near else f"choose from {', '.join(structures.names)[:200]}"
            raise InputError("--body", f"'{name}' is none of the structures", remedy)
        return structures[name]
    external = [s for s in structures if s.interpreted_type.upper() == "EXTERNAL"]
    called = [s for s in structures if s.name.strip().lower() in _BODY_NAMES]
    return next((s for s in (*external, *called) if not s.mask.is_empty), None)
