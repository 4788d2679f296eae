"""`dose3d detector layout`: which cells a detector has and where they stand, also such that they fill structures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import InputError
from ..core.json_file import write_json
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from .base import Result, TaskSettings, option
from .cells_file import provenance_path

if TYPE_CHECKING:
    from ..detector.layout import Layout
    from .layout_patient import Patient

__all__ = ["Settings", "run"]


@dataclass(frozen=True)
class Settings(TaskSettings):
    """Where the cells come from, where the detector stands, and what is asked of each cell."""

    output: Path = option(help="LAYOUT.csv to write: a row a cell")
    preset: str | None = option(None, help="published layout, for example 2x2x8_tower; an unknown name lists all")
    from_file: Path | None = option(None, help="layout of Dose3D, G4RT or GATE, or a mapping workbook (.xlsx)")
    count: tuple[float, ...] = option(
        (), help="regular lattice of so many cells along x y z of the detector", minimum=1
    )
    structures: Path | None = option(
        None, help="RTSTRUCT or SEG (.dcm), .seg.nrrd, label map, folder of masks, or closed surfaces (.stl, .vtp)"
    )
    ct: Path | None = option(None, help="CT: DICOM folder or image file; RTSTRUCT and SEG need it")
    fill: tuple[str, ...] = option(
        (), help="structures that get cells (default: the targets, else the body, else all structures)"
    )
    size: tuple[float, ...] = option(
        (), help="cell along x y z, or one number (default: 10, or as published)", unit="mm", minimum=0.01
    )
    wall: float | None = option(
        None, help="cover on each side of a cell (default: 1, or less where there is no room)", unit="mm", minimum=0
    )
    pitch: tuple[float, ...] = option(
        (), help="distance of centres along x y z, or one number (default: size and two walls)", unit="mm", minimum=0.01
    )
    row_shift: float = option(0.0, help="move odd rows (along z) by this along x", unit="mm")
    layer_shift: float = option(0.0, help="move odd layers (along y) by this along x", unit="mm")
    phase: tuple[float, ...] = option((), help="centre of one cell, x y z from the isocentre", unit="mm")
    gap_every: tuple[float, ...] = option((), help="service gaps after so many cells along x y z; 0: none", minimum=0)
    gap: tuple[float, ...] = option((), help="width of the service gaps along x y z", unit="mm", minimum=0)
    isocenter: tuple[float, ...] = option((), help="x y z (LPS) where the detector's origin stands", unit="mm")
    plan: Path | None = option(None, help="RTPLAN, for its isocentre and patient position")
    frame: Literal["g4rt", "iec", "lps"] = option("g4rt", help="what the detector's own axes are")
    patient_position: Literal["HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"] | None = option(
        None, help="how the patient lies (default: as the plan says, else HFS)"
    )
    angle: float = option(0.0, help="turn of the detector about one of its own axes", unit="degrees")
    turn_axis: Literal["x", "y", "z"] = option("y", help="axis of that turn; y is the gantry's axis")
    centered: bool = option(False, help="put the middle of the cells, not the origin of their file, at the isocentre")
    threshold: float = option(
        50.0, help="keep a cell when a structure fills so much of its pitch box", unit="percent", minimum=0, maximum=100
    )
    minimum: int = option(1, help="cells that each structure gets at least", minimum=0, maximum=1_000_000)
    cells: int | None = option(None, help="channels: no more cells than this", minimum=1, maximum=1_000_000)
    columns: Literal["x", "y", "z"] | None = option(
        None, help="complete columns along this axis, from their first to their last cell, to be built as rods"
    )
    hu_table: Path | None = option(None, help="your CSV of HU and density in g/cm3 (default: Schneider 2000)")
    names: Path | None = option(None, help="table of a label map's names: CSV, JSON, dataset.json, .ctbl, ITK-SNAP")
    surface_frame: Literal["LPS", "RAS"] | None = option(None, help="axes of surfaces whose files don't say them")
    series: str | None = option(None, help="Series Instance UID, when the CT folder holds several CT series")
    lenient: bool = option(False, help="accept what is doubtful, such as structures of another patient, and say so")
    resample_slices: bool = option(False, help="accept a CT with missing or uneven slices by interpolation")
    report_output: Path | None = option(None, help="folder for report.html: pictures, table of structures and cells")
    overwrite: bool = option(False, help="replace an existing output")


@dataclass(frozen=True, eq=False)
class _Made:
    """Everything that is written."""

    layout: Layout
    patient: Patient
    targets: tuple[str, ...]
    source: str = ""


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, build, look at each cell, write; the output appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    from .layout_build import check_settings

    progress = progress or Progress()
    check_settings(settings)
    _check_outputs(settings)
    record = provenance_path(settings.output)
    with (
        _draft(settings, record) as record_draft,
        _draft(settings, settings.output) as draft,
        _draft(settings, settings.report_output) as folder,
    ):
        made = _make(settings, progress)
        with progress.stage("write", 1.0):
            draft.write_text(_text(settings, made), encoding="utf-8", newline="")
            provenance = _provenance(settings, made, progress)
            write_json(record_draft, provenance)
            if folder is not None:
                folder.mkdir()
                _write_report(made, folder, provenance)
    figures = _figures(made)
    if settings.report_output is not None:
        figures["report"] = str(settings.report_output / "report.html")
    files = {"layout": settings.output.name, "provenance": record.name}
    return Result(settings.output, files, figures, tuple(progress.warnings), dict(progress.seconds))


def _make(settings: Settings, progress: Progress) -> _Made:
    from ..detector.density import read_density_table
    from .layout_build import build_layout
    from .layout_facts import with_facts
    from .layout_patient import load_patient

    table = read_density_table(settings.hu_table) if settings.hu_table else None
    with progress.part(0.5):
        patient = load_patient(settings, progress)
    with progress.stage("layout", 0.7):
        layout, targets = build_layout(settings, patient, progress)
    with progress.stage("cells in the patient", 0.9):
        layout = with_facts(layout, patient, table, progress)
    for note in layout.notes:
        progress.warn(note)
    return _Made(layout, patient, targets, _source(settings))


def _source(settings: Settings) -> str:
    from ..detector.presets import find_preset

    if settings.preset:
        preset = find_preset(settings.preset)
        return f"{preset.what} ({preset.source})"
    return settings.from_file.name if settings.from_file else ""


def _check_outputs(settings: Settings) -> None:
    if settings.output.suffix.lower() != ".csv":
        raise InputError(settings.output, "has another ending than .csv", "name it LAYOUT.csv, for instance")
    if settings.report_output is None:
        return
    place, output = settings.report_output.resolve(), settings.output.resolve()
    if place == output or place in output.parents or output in place.parents:
        raise InputError("--report-output", "and --output lie in one another", "give two places")


def _text(settings: Settings, made: _Made) -> str:
    from ..detector.layout_csv import layout_text

    return layout_text(made.layout, settings.structures or settings.output)


@contextmanager
def _draft(settings: Settings, path: Path | None) -> Iterator[Path | None]:
    """Where an output is written; all of them appear together at the end, or none."""
    if path is None:
        yield None
        return
    with atomic_output(path, settings.overwrite, settings.inputs()) as draft:
        yield draft


def _provenance(settings: Settings, made: _Made, progress: Progress) -> dict[str, Any]:
    inputs = list(made.patient.facts)
    for path in (settings.from_file, settings.hu_table):
        if path is not None:
            inputs.append({"path": str(path), "kind": "file", "sha256": file_sha256(path)})
    return make_provenance("detector layout", settings.to_dict(), progress, inputs=inputs)


def _write_report(made: _Made, folder: Path, provenance: dict[str, Any]) -> None:
    from ..report.detector_layout import LayoutReport, write_layout_report
    from .layout_patient import body_name

    content = LayoutReport(
        made.layout.cells,
        made.layout.facts,
        made.layout.name,
        tuple(_facts(made).items()),
        _rows(made),
        made.patient.structures,
        made.patient.ct.volume if made.patient.ct else None,
        body_name(made.patient.structures) if made.patient.structures else "",
        provenance,
    )
    write_layout_report(folder / "report.html", content)
    write_json(folder / "provenance.json", provenance)


def _rows(made: _Made) -> tuple[Any, ...]:
    """A row for each structure, targets first."""
    from ..report.detector_layout import LayoutRow
    from .layout_facts import OCCUPANCY, coverage, structure_volume_cc

    structures = made.patient.structures
    rows = []
    for one in structures or ():
        halved, share = coverage(made.layout, made.patient, one.name)
        touching = int((made.layout.facts[OCCUPANCY + one.name] > 0).sum())
        volume = structure_volume_cc(one, structures)
        rows.append(LayoutRow(one.name, volume, halved, touching, share, one.name in made.targets))
    return tuple(sorted(rows, key=lambda row: not row.is_target))


def _facts(made: _Made) -> dict[str, str]:
    """What the report and the screen say of the layout as a whole."""
    cells, placement = made.layout.cells, made.layout.placement
    sizes = sorted({tuple(float(f"{mm:.6g}") for mm in row) for row in cells.sizes_mm.tolist()})
    layers = len(set(made.layout.layers) - {""})
    facts = {
        "cells": f"{len(cells)}" + (f" in {layers} layers" if layers > 1 else ""),
        "size": " and ".join(" x ".join(f"{mm:g}" for mm in size) + " mm" for size in sizes[:3]),
        "wall": f"{made.layout.wall_mm:g} mm on each side",
        "isocentre": ", ".join(f"{mm:.1f}" for mm in placement.isocenter_mm + 0.0) + " mm (LPS)",
    }
    if len(sizes) > 3:
        facts["size"] = f"{len(sizes)} different sizes"
    if made.source:
        facts["source"] = made.source
    return facts


def _figures(made: _Made) -> dict[str, Any]:
    from .layout_facts import coverage

    figures: dict[str, Any] = dict(_facts(made))
    for name in made.targets:
        count, share = coverage(made.layout, made.patient, name)
        figures[name] = f"{count} cells are at least half in it; {100 * share:.1f} % of its volume lies in cells"
    return figures
