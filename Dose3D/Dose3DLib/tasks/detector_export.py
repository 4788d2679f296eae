"""`dose3d detector export`: a detector as files for simulations, printers, viewers and planning systems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core.errors import InputError
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from .base import Result, TaskSettings, option, options_of
from .cells_file import provenance_path

if TYPE_CHECKING:
    from ..detector.layout import Layout
    from ..detector.placement import Placement
    from .detector_files import Written
    from .plan_source import PlanSource

__all__ = ["Settings", "concerns", "endings_of", "run"]

Format = Literal["g4rt", "gate9", "gate10", "gdml", "stl", "3mf", "labelmap", "ct", "seg", "rtstruct"]

_ENDINGS = {
    "gate10": (".py",),
    "gdml": (".gdml",),
    "stl": (".stl",),
    "3mf": (".3mf",),
    "labelmap": (".nrrd", ".nii.gz", ".nii", ".mha"),
    "seg": (".dcm",),
    "rtstruct": (".dcm",),
}
"""Endings of formats that are one file; the others are folders."""

_BOXES, _MESHES, _DICOM = ("g4rt", "gate9", "gate10", "gdml"), ("stl", "3mf"), ("ct", "seg", "rtstruct")
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "frame": (*_BOXES[1:], *_MESHES),
    "surroundings": (*_BOXES, "ct"),
    "walls": (*_BOXES[1:], "ct"),
    "margin": (*_BOXES, "ct", "labelmap"),
    "spacing": ("ct", "labelmap"),
    "parts": _MESHES,
    "group": _DICOM,
    "ct": ("labelmap", *_DICOM),
    "series": ("labelmap", *_DICOM),
    "hu_table": ("ct",),
    "hu_cell": ("ct",),
    "hu_wall": ("ct",),
    "hu_surroundings": ("ct",),
}
"""Settings that mean something for some formats only."""


@dataclass(frozen=True)
class Settings(TaskSettings):
    """A layout, what it becomes, and in which frame."""

    layout: Path = option(help="LAYOUT.csv, a layout of G4RT or GATE, or a mapping workbook (.xlsx)", positional=True)
    format: Format = option(help="what is written; g4rt, gate9 and ct are folders, the others one file")
    output: Path = option(help="folder, or file with the format's ending (.py, .gdml, .stl, .3mf, .nrrd, .dcm)")
    plan: Path | None = option(None, help="RTPLAN: the detector is put at its isocentre, in its patient position")
    isocenter: tuple[float, ...] = option(
        (), help="where the detector stands instead: x y z of its isocentre", unit="mm"
    )
    patient_position: Literal["HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"] | None = option(
        None, help="how the patient lies (default: as the plan says, else HFS)"
    )
    frame: Literal["detector", "iec", "lps"] | None = option(
        None, help="axes of the file (default: detector; lps for meshes)"
    )
    size: float = option(10.0, help="edge of the cells, where the layout states none", unit="mm", minimum=0.01)
    surroundings: Literal["water", "pmma", "air"] = option("water", help="what the detector stands in")
    walls: Literal["pmma", "water", "air"] = option("pmma", help="what the covers of the cells are made of")
    margin: float = option(50.0, help="surroundings beyond the outermost covers", unit="mm", minimum=1, maximum=1000)
    spacing: float = option(2.0, help="edge of the voxels of ct and labelmap", unit="mm", minimum=0.1, maximum=20)
    ct: Path | None = option(None, help="CT that a DICOM object refers to, or whose grid a label map has")
    series: str | None = option(None, help="Series Instance UID, when the CT folder holds several CT series")
    group: Literal["cell", "layer", "whole"] | None = option(
        None, help="structures of seg, rtstruct and ct (default: one a cell up to 256, else fewer)"
    )
    parts: Literal["all", "housing", "cells"] | None = option(
        None, help="parts of a mesh (default: all for 3mf; for stl the housing, where there are walls)"
    )
    hu_cell: float | None = option(None, help="HU of the cells (default: 143)", minimum=-1024, maximum=3071)
    hu_wall: float | None = option(None, help="HU of the walls (default: by material)", minimum=-1024, maximum=3071)
    hu_surroundings: float | None = option(
        None, help="HU of the surroundings (default: by material)", minimum=-1024, maximum=3071
    )
    hu_table: Path | None = option(
        None, help="your CSV of HU and density in g/cm3: HU are chosen so that densities are right"
    )
    overwrite: bool = option(False, help="replace an existing output")


def concerns(name: str, file_format: str) -> bool:
    """Whether the setting of this name means something for a format."""
    return file_format in _ONLY_FOR.get(name, (file_format,))


def endings_of(file_format: str) -> tuple[str, ...]:
    """How names of this format may end, the usual one first; () for a format that is a folder."""
    return _ENDINGS.get(file_format, ())


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, place and write; the output appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    from . import detector_files

    progress = progress or Progress()
    _check(settings)
    with _outputs(settings) as (draft, record):
        with progress.stage("read", 0.3):
            layout, plan = _read(settings, progress)
        with progress.stage(f"write {settings.format}", 0.95):
            placement = _placement(settings, layout, plan)
            position = settings.patient_position or (plan.position if plan else "HFS")
            written = detector_files.WRITERS[settings.format](
                detector_files.Export(settings, layout, placement, position, progress, plan), draft
            )
        for note in written.notes:
            progress.warn(note)
        inputs = [_facts(settings), *([plan.facts] if plan else []), *written.inputs]
        content = make_provenance("detector export", settings.to_dict(), progress, inputs=inputs)
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        record.write_text(text, encoding="utf-8", errors="backslashreplace")
    return _result(settings, layout, placement, written, record.name, progress)


@contextmanager
def _outputs(settings: Settings) -> Iterator[tuple[Path, Path]]:
    """Drafts of output and provenance: in the folder, or beside the file."""
    inputs = settings.inputs()
    if settings.format not in _ENDINGS:
        with atomic_output(settings.output, settings.overwrite, inputs) as draft:
            draft.mkdir()
            yield draft, draft / "provenance.json"
        return
    beside = provenance_path(settings.output)
    with (
        atomic_output(beside, settings.overwrite, inputs) as record,
        atomic_output(settings.output, settings.overwrite, inputs) as draft,
    ):
        yield draft, record


def _check(settings: Settings) -> None:
    """Refuse an ending that hides what the file is, and settings that would have no effect."""
    name = settings.output.name.lower()
    endings = _ENDINGS.get(settings.format)
    if endings and not name.endswith(endings):
        raise InputError(settings.output, f"is no name for {settings.format}", f"end it with {' or '.join(endings)}")
    known = {ending for group in _ENDINGS.values() for ending in group} | {".csv", ".toml", ".mac", ".txt"}
    if not endings and name.endswith(tuple(known)):
        raise InputError(settings.output, f"{settings.format} is a folder of files", "name a folder")
    for item in options_of(Settings):
        if getattr(settings, item.name) != item.default and not concerns(item.name, settings.format):
            cause = f"means nothing for the format {settings.format}"
            raise InputError(item.flag, cause, "leave it out")
    if settings.isocenter and len(settings.isocenter) != 3:
        raise InputError("--isocenter", f"has {len(settings.isocenter)} numbers", "give x y z in mm (LPS)")
    if settings.isocenter and settings.plan:
        raise InputError("--isocenter", "is given, and a plan as well", "leave one of them out")
    turns = settings.plan is not None or settings.frame == "iec" or settings.format == "ct"
    if settings.patient_position and not turns:
        cause = "turns nothing without a plan: the layout says where its axes point"
        raise InputError("--patient-position", cause, "add --plan or --frame iec, or leave it out")
    if settings.format in ("seg", "rtstruct") and settings.ct is None:
        cause = f"is missing, and a {settings.format} refers to a CT"
        raise InputError("--ct", cause, "give the patient's CT, or the one that --format ct writes")
    if settings.hu_table and (settings.hu_cell, settings.hu_wall, settings.hu_surroundings) != (None, None, None):
        raise InputError("--hu-table", "is given, and single HU as well", "leave one of them out")


def _read(settings: Settings, progress: Progress) -> tuple[Layout, PlanSource | None]:
    """The layout where it is to stand."""
    from ..detector.layout_csv import moved, read_layout
    from ..detector.placement import Placement
    from .plan_source import load_plan

    layout = read_layout(settings.layout, size_mm=settings.size)
    for note in layout.notes:
        progress.warn(f"{settings.layout.name}: {note}")
    if settings.plan is not None:
        plan = load_plan(settings.plan, progress)
        if settings.patient_position is not None:
            plan = replace(plan, position=settings.patient_position)
        return moved(layout, plan.placement()), plan
    if settings.isocenter:
        layout = moved(layout, Placement(np.array(settings.isocenter), layout.placement.to_lps))
    return layout, None


def _placement(settings: Settings, layout: Layout, plan: PlanSource | None) -> Placement:
    """Where the frame of the file stands in the patient."""
    from ..detector.frames import frame_placement

    frame = settings.frame or ("lps" if settings.format in _MESHES else "detector")
    if frame == "detector":
        return layout.placement
    if frame == "lps":
        return frame_placement("lps", np.zeros(3))
    position = settings.patient_position or (plan.position if plan else "HFS")
    return frame_placement("iec", layout.placement.isocenter_mm, position)


def _facts(settings: Settings) -> dict[str, Any]:
    return {"path": str(settings.layout), "kind": "layout", "sha256": file_sha256(settings.layout)}


def _result(
    settings: Settings, layout: Layout, placement: Placement, written: Written, record: str, progress: Progress
) -> Result:
    low, high = layout.cells.corners_mm().min(axis=(0, 1)), layout.cells.corners_mm().max(axis=(0, 1))
    figures: dict[str, Any] = {
        "cells": len(layout),
        "from (LPS)": ", ".join(f"{mm:.1f}" for mm in low) + " mm",
        "to (LPS)": ", ".join(f"{mm:.1f}" for mm in high) + " mm",
        "origin of the file's frame (LPS)": ", ".join(f"{mm:.1f}" for mm in placement.isocenter_mm) + " mm",
        **written.figures,
    }
    files = {**written.files, "provenance": record}
    return Result(settings.output, files, figures, tuple(progress.warnings), dict(progress.seconds))
