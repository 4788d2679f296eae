"""`dose3d detector fidelity`: how faithfully cells stand for structures, and what they leave unknown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core.errors import InputError
from ..core.json_file import write_json
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from .base import Result, TaskSettings, option
from .placement_files import (
    LayoutFigures,
    fidelity_rows,
    measure_layouts,
    patient_facts,
    pictured,
    shown_structures,
    summary_of,
)
from .placement_source import Patient, named, prior_of, read_patient

if TYPE_CHECKING:
    from ..detector.layout import Layout

__all__ = ["Settings", "read_moved_layout", "run"]


@dataclass(frozen=True)
class Settings(TaskSettings):
    """A layout, the structures that it is held against, and what counts as a cell of one."""

    layout: Path = option(help="LAYOUT.csv, a layout of G4RT or GATE, or a mapping workbook (.xlsx)", positional=True)
    structures: Path = option(
        help="RTSTRUCT or SEG (.dcm), .seg.nrrd, label map, folder of masks, or closed surfaces (.stl, .vtp)"
    )
    ct: Path = option(help="CT of the structures: DICOM folder or image file")
    output: Path = option(help="folder for the results")
    only: tuple[str, ...] = option((), help="names of the structures to look at (default: all)")
    share: float = option(
        0.5, help="a cell belongs to a structure that fills this share of its box", minimum=0.01, maximum=1
    )
    isocenter: tuple[float, ...] = option(
        (), help="where the detector stands instead: x y z of its isocentre", unit="mm"
    )
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


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, compare and write; the output appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    progress = progress or Progress()
    with atomic_output(settings.output, settings.overwrite, settings.inputs()) as draft:
        with progress.stage("read layout", 0.1):
            layout = read_moved_layout(settings.layout, settings.size, settings.isocenter, progress)
        patient = read_patient(settings, progress)
        names = [s.name for s in named(patient, settings.only, "--only")] or patient.structures.names
        with progress.stage("compare", 0.9):
            figures = measure_layouts([("", layout)], patient, names, settings.share, prior_of(settings), progress)[0]
        _check_touching(settings, figures, patient, progress)
        draft.mkdir()
        layout_facts = {"path": str(settings.layout), "kind": "layout", "sha256": file_sha256(settings.layout)}
        provenance = make_provenance(
            "detector fidelity", settings.to_dict(), progress, inputs=[*patient.facts, layout_facts]
        )
        write_json(draft / "summary.json", summary_of([figures])[0])
        with progress.stage("report", 1.0):
            _write_report(settings, figures, patient, draft / "report.html", provenance)
        provenance["seconds"] = dict(progress.seconds)
        write_json(draft / "provenance.json", provenance)
    files = {"summary": "summary.json", "report": "report.html", "provenance": "provenance.json"}
    return Result(settings.output, files, _figures(figures), tuple(progress.warnings), dict(progress.seconds))


def read_moved_layout(path: Path, size_mm: float, isocenter_mm: tuple[float, ...], progress: Progress) -> Layout:
    """The layout, at another isocentre where one is given; its notes become warnings.

    Raises
    ------
    InputError
    """
    from ..detector.layout_csv import moved, read_layout
    from ..detector.placement import Placement

    if isocenter_mm and len(isocenter_mm) != 3:
        raise InputError("--isocenter", f"has {len(isocenter_mm)} numbers", "give x y z in mm (LPS)")
    layout = read_layout(path, size_mm=size_mm)
    for note in layout.notes:
        progress.warn(f"{path.name}: {note}")
    if not isocenter_mm:
        return layout
    return moved(layout, Placement(np.array(isocenter_mm), layout.placement.to_lps))


def _check_touching(settings: Settings, figures: LayoutFigures, patient: Patient, progress: Progress) -> None:
    """A layout beside the patient is an error; targets without cells are worth a line."""
    if not any(row.touching for row in figures.rows):
        centers, places = figures.layout.cells.centers_mm, patient.ct.volume.grid.corners_mm()
        spans = [" to ".join(", ".join(f"{mm:.0f}" for mm in end) for end in (p.min(axis=0), p.max(axis=0)))
                 for p in (centers, places)]  # fmt: skip
        cause = (
            f"none of its {len(figures.layout)} cells meets a structure (cells at {spans[0]}, CT {spans[1]} mm, LPS)"
        )
        raise InputError(settings.layout, cause, "give the isocentre (--isocenter), or another layout")
    for row in figures.rows:
        if row.cells == 0 and patient.structures[row.name].is_target:
            progress.warn(f"{row.name} ({row.volume_cc:.3g} cc) fills no cell by {settings.share:g}: it has none.")


def _figures(figures: LayoutFigures) -> dict[str, Any]:
    """What is printed."""
    found: dict[str, Any] = {"cells": f"{len(figures.layout):,}"}
    for row in figures.rows:
        found[row.name] = (
            f"{row.cells} cells, Dice {row.dice:.3f}, volume {row.boxes_cc:.4g} of {row.volume_cc:.4g} cc, "
            f"variance left {100 * row.left:.1f} %"
        )
    return found


def _write_report(
    settings: Settings, figures: LayoutFigures, patient: Patient, path: Path, provenance: dict[str, Any]
) -> None:
    from ..report.detector_fidelity import LeftRow, PlacementReport, write_placement_report

    layouts, names = [("", figures.layout)], [row.name for row in figures.rows]
    center = figures.layout.cells.centers_mm[figures.used if figures.used.any() else slice(None)].mean(axis=0)
    left = [LeftRow(row.name, patient.structures[row.name].color, 1.0, (row.left,)) for row in figures.rows]
    content = PlacementReport(
        "Fidelity of a detector",
        figures.layout.name or settings.layout.stem,
        patient.ct.volume,
        shown_structures(patient, names),
        pictured(layouts, [figures.used], center),
        fidelity_rows([figures], patient),
        ("variance left",),
        left,
        settings.dose_sd,
        facts={**patient_facts(patient), "Cells": f"{len(figures.layout):,}"},
        seconds=provenance["seconds"],
        warnings=provenance["warnings"],
        provenance=provenance,
    )
    write_placement_report(path, content)
