"""`dose3d detector plan-shifts`: where to move a detector between acquisitions so that together they see most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core.errors import InputError
from ..core.json_file import write_json
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from .base import Result, TaskSettings, option
from .detector_fidelity import read_moved_layout
from .placement_files import left_rows, patient_facts, pictured, shown_structures, with_patient_facts, write_layouts
from .placement_source import Patient, center_of, prior_of, read_patient, regions_of

if TYPE_CHECKING:
    from ..detector.layout import Layout
    from ..detector.posterior import DosePrior
    from ..detector.regions import Region
    from ..detector.shifts import Plan

__all__ = ["Settings", "run"]

_FIRST, _STILL, _DIAGONAL, _PLANNED = "first acquisition", "no shift", "along the diagonal", "planned shifts"
_JUDGED = 1
"""Seed of the places at which plans are judged; the shifts were chosen at those of seed 0."""
_NOTHING = 0.995
"""With more than this share of the variance left an acquisition sees nothing of the structures."""


@dataclass(frozen=True)
class Settings(TaskSettings):
    """A layout, where the dose is wanted, and how often it is measured."""

    layout: Path = option(help="LAYOUT.csv, a layout of G4RT or GATE, or a mapping workbook (.xlsx)", positional=True)
    structures: Path = option(
        help="RTSTRUCT or SEG (.dcm), .seg.nrrd, label map, folder of masks, or closed surfaces (.stl, .vtp)"
    )
    ct: Path = option(help="CT of the structures: DICOM folder or image file")
    output: Path = option(help="folder for the results: a LAYOUT.csv for each acquisition, and a report")
    frames: int = option(2, help="acquisitions, the first one included", minimum=2, maximum=16)
    targets: tuple[str, ...] = option((), help="names of the targets (default: all PTV, CTV, GTV and ITV)")
    organs: tuple[str, ...] = option((), help="names of organs in which the dose is wanted, too")
    organ_weight: float = option(0.5, help="weight of an organ, of a target's 1", minimum=0, maximum=100)
    reach: float | None = option(
        None, help="longest move along each axis (default: wherever structures are)", unit="mm", minimum=0.1
    )
    isocenter: tuple[float, ...] = option((), help="where the detector stands first: x y z of its isocentre", unit="mm")
    size: float = option(10.0, help="edge of the cells, where the layout states none", unit="mm", minimum=0.01)
    dose_sd: float = option(70.0, help="standard deviation of the dose before measuring", unit="Gy", minimum=1e-3)
    length: float = option(12.0, help="length over which doses are alike", unit="mm", minimum=0.1, maximum=200)
    noise: float = option(0.7, help="standard deviation of a cell's reading", unit="Gy", minimum=1e-3)
    names: Path | None = option(None, help="table of a label map's names: CSV, JSON, dataset.json, .ctbl, ITK-SNAP")
    series: str | None = option(None, help="Series Instance UID, when the CT folder holds several CT series")
    surface_frame: Literal["LPS", "RAS"] | None = option(None, help="axes of surfaces whose files don't say them")
    lenient: bool = option(False, help="accept what is doubtful, such as another patient, and say so")
    resample_slices: bool = option(False, help="accept a CT with missing or uneven slices by interpolation")
    overwrite: bool = option(False, help="replace an existing output")


@dataclass(frozen=True, eq=False)
class _Study:
    """The plan and those it is held against."""

    layout: Layout
    patient: Patient
    regions: Sequence[Region]
    prior: DosePrior
    plan: Plan
    lines: dict[str, tuple[float, ...]] = field(default_factory=dict)
    columns: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, plan and write; the output appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    progress = progress or Progress()
    with atomic_output(settings.output, settings.overwrite, settings.inputs()) as draft:
        with progress.stage("read layout", 0.1):
            layout = read_moved_layout(settings.layout, settings.size, settings.isocenter, progress)
        patient = read_patient(settings, progress)
        regions = regions_of(patient, settings.targets, settings.organs, settings.organ_weight, progress)
        study = _planned(settings, layout, patient, regions, progress)
        draft.mkdir()
        layouts = with_patient_facts(_layouts(study), patient, progress)
        files = write_layouts(layouts, draft)
        _write_shifts(study, draft / "shifts.csv")
        write_json(draft / "summary.json", _summary(study))
        facts = {"path": str(settings.layout), "kind": "layout", "sha256": file_sha256(settings.layout)}
        provenance = make_provenance(
            "detector plan-shifts", settings.to_dict(), progress, inputs=[*patient.facts, facts]
        )
        with progress.stage("report", 1.0):
            _write_report(settings, study, layouts, draft / "report.html", provenance)
        provenance["seconds"] = dict(progress.seconds)
        write_json(draft / "provenance.json", provenance)
    files |= {"shifts": "shifts.csv", "summary": "summary.json", "report": "report.html",
              "provenance": "provenance.json"}  # fmt: skip
    return Result(settings.output, files, _figures(study), tuple(progress.warnings), dict(progress.seconds))


def _planned(
    settings: Settings, layout: Layout, patient: Patient, regions: Sequence[Region], progress: Progress
) -> _Study:
    from ..detector.regions import redrawn
    from ..detector.shifts import MOST_CELLS, diagonal_shifts, near_cells, plan_shifts, variance_after

    prior, cells = prior_of(settings), layout.cells
    near = int(near_cells(cells, regions, prior).sum())
    if near > MOST_CELLS or (near == 0 and len(cells) > MOST_CELLS):
        count = near or len(cells)
        cause = f"has {count:,} cells near the structures, and a plan is made for {MOST_CELLS:,} at most"
        raise InputError(settings.layout, cause, "name fewer or smaller structures, or give a smaller layout")
    with progress.stage("plan shifts", 0.85):
        plan = plan_shifts(
            cells, regions, settings.frames, prior, settings.reach, lambda s: progress.report(s, "shift")
        )
    if plan.values[-1] > _NOTHING:
        cause = "no acquisition sees anything of the structures"
        remedy = "give the isocentre (--isocenter), a longer --reach, or another layout"
        raise InputError(settings.layout, cause, remedy)
    if plan.values[0] > _NOTHING:
        progress.warn("Where it stands the detector sees nothing of the structures: give its isocentre, perhaps.")
    study = _Study(layout, patient, regions, prior, plan)
    with progress.stage("compare plans", 0.9):
        judged, still = [redrawn(region, _JUDGED) for region in regions], np.zeros((settings.frames, 3))
        study.columns[_FIRST] = variance_after(cells, still[:1], judged, prior)[1]
        plans = {_PLANNED: plan.shifts_mm, _DIAGONAL: diagonal_shifts(cells, settings.frames), _STILL: still}
        for name, shifts in plans.items():
            steps = [variance_after(cells, shifts[: n + 1], judged, prior) for n in range(settings.frames)]
            study.lines[name], study.columns[name] = tuple(value for value, _ in steps), steps[-1][1]
    return study


def _layouts(study: _Study) -> list[tuple[str, Layout]]:
    """The layout in each acquisition: the whole detector is moved, so its isocentre goes along."""
    from dataclasses import replace

    from ..detector.placement import Placement
    from ..detector.shifts import shifted

    found = []
    for n, shift in enumerate(study.plan.shifts_mm, 1):
        cells = shifted(study.layout.cells, shift)
        move = study.layout.cells.axes @ shift
        place = Placement(study.layout.placement.isocenter_mm + move, study.layout.placement.to_lps)
        name = f"{study.layout.name or 'detector'}, acquisition {n}"
        found.append((f"acquisition {n}", replace(study.layout, cells=cells, placement=place, name=name)))
    return found


def _rows(study: _Study) -> list[list[str]]:
    """Number, shift along the detector's axes, the same in LPS; mm."""
    axes = study.layout.cells.axes
    return [
        [str(n), *(f"{mm:.2f}" for mm in np.concatenate([shift, axes @ shift]) + 0.0)]
        for n, shift in enumerate(study.plan.shifts_mm, 1)
    ]


def _write_shifts(study: _Study, path: Path) -> None:
    head = "acquisition,shift_x_mm,shift_y_mm,shift_z_mm,left_mm,posterior_mm,superior_mm,variance_left"
    rows = [",".join([*row, f"{value:.6f}"]) for row, value in zip(_rows(study), study.lines[_PLANNED], strict=True)]
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8", newline="")


def _summary(study: _Study) -> dict[str, Any]:
    """summary.json: shifts in mm, variances as shares of the variance before any measurement."""
    prior = study.prior.variance_gy2
    return {
        "shifts_mm": study.plan.shifts_mm.tolist(),
        "shifts_lps_mm": (study.plan.shifts_mm @ study.layout.cells.axes.T).tolist(),
        "variance_left": {name: list(values) for name, values in study.lines.items()},
        "structures": {
            region.name: {name: float(column[n].mean()) / prior for name, column in study.columns.items()}
            for n, region in enumerate(study.regions)
        },
        "shifts_tried": study.plan.looks,
    }


def _figures(study: _Study) -> dict[str, Any]:
    """What is printed."""
    found = {_FIRST: f"variance left {100 * study.lines[_PLANNED][0]:.1f} %"}
    for row in _rows(study)[1:]:
        found[f"acquisition {row[0]}"] = f"moved by {', '.join(row[1:4])} mm along the detector's axes"
    for name, values in study.lines.items():
        found[name] = f"variance left {100 * values[-1]:.1f} %"
    return found


def _write_report(
    settings: Settings, study: _Study, layouts: list[tuple[str, Layout]], path: Path, provenance: dict[str, Any]
) -> None:
    from ..report.detector_fidelity import PlacementReport, Plans, write_placement_report

    patient, names = study.patient, [region.name for region in study.regions]
    every = [np.ones(len(layout), bool) for _, layout in layouts]
    columns = (_FIRST, _STILL, _DIAGONAL, _PLANNED)
    content = PlacementReport(
        "Shifts of a detector",
        study.layout.name or settings.layout.stem,
        patient.ct.volume,
        shown_structures(patient, names),
        pictured(layouts, every, center_of(study.regions)),
        (),
        columns,
        left_rows(study.regions, patient, [study.columns[name] for name in columns], study.prior),
        settings.dose_sd,
        Plans(study.lines, tuple(tuple(row) for row in _rows(study))),
        {**patient_facts(patient), "Cells": f"{len(study.layout):,}", "Acquisitions": str(settings.frames)},
        provenance["seconds"],
        provenance["warnings"],
        provenance,
    )
    write_placement_report(path, content)
