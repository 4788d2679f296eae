"""The report of a dose from a detector's cells: the dose, what is not known of it, and which cells contradict it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry.grid import Volume
from .dose_figures import ColorScale, Line, planes_figure
from .html import Facts, Page, Picture, Section, Swatch, Table, write_page
from .parts import footer, image_text, provenance_section, time_section
from .scale_figures import readings_figure

__all__ = ["MapPart", "ScaleReport", "write_scale_report"]

_MOST_ROWS = 40


@dataclass(frozen=True, eq=False)
class MapPart:
    """A volume (NaN where it has no value), its colours, and the LPS place that pictures cut through."""

    volume: Volume
    scale: ColorScale
    center_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class ScaleReport:
    """What the page is filled from.

    Parameters
    ----------
    dose, isodoses, width, unseen, difference, difference_name:
        maps; `width` is the half-width of the 95 % band in Gy, `unseen` 0 to 1.
    cells:
        per cell `file`, `cell`, `measured`, `sd`, `fitted` (Gy), `deviation` (sd), `notes`.
    geometry:
        names and texts: where the cells stand.
    physical_step:
        how the dose in a detector became one in a patient.
    """

    dose: MapPart
    isodoses: Sequence[Line]
    width: MapPart
    unseen: MapPart
    difference: MapPart
    difference_name: str
    cells: Sequence[Mapping[str, Any]]
    facts: Mapping[str, str]
    geometry: tuple[tuple[str, str], ...]
    physical_step: str
    figures: Mapping[str, str]
    ct: Volume | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_scale_report(path: Path, content: ScaleReport) -> None:
    """Write the report as one self-contained HTML file; replaces `path`."""
    write_page(path, scale_page(content))


def scale_page(content: ScaleReport) -> Page:
    """The report as a page, before it becomes HTML."""
    sections = [
        _dose_section(content),
        _steps_section(content),
        _unknown_section(content),
        _difference_section(content),
        _cells_section(content),
        time_section(content.seconds),
        provenance_section(content.provenance),
    ]
    facts = {**content.facts, "Dose grid": image_text(content.dose.volume.grid)}
    return Page(
        title="Dose from a detector's cells",
        subtitle=content.facts.get("Method", ""),
        facts=tuple((name, str(value)) for name, value in facts.items() if value),
        warnings=tuple(content.warnings),
        sections=tuple(section for section in sections if section is not None),
        footer=footer(content.provenance),
    )


def _picture(part: MapPart, content: ScaleReport, caption: str, alt: str, lines: Sequence[Line] = ()) -> Picture:
    png = planes_figure(part.volume, part.center_mm, part.scale, lines, content.ct)
    return Picture(png, caption, alt, tuple(Swatch(line.label, line.color) for line in lines))


def _dose_section(content: ScaleReport) -> Section:
    caption = "Dose through its highest voxel, in the region around the cells. Lines are isodoses, in percent of it."
    picture = _picture(content.dose, content, caption, "dose on three planes", content.isodoses)
    return Section("Dose", (picture, Facts(tuple(content.figures.items()))))


def _steps_section(content: ScaleReport) -> Section:
    intro = (
        "Two scales lie between a detector and a patient. Geometry: where the cells stand, and how their means become "
        "a dose at every voxel. The physical step: a cell measures dose to scintillator in a phantom, not to tissue."
    )
    rows = (*((f"Geometry, {name}", text) for name, text in content.geometry), ("Physical step", content.physical_step))
    return Section("From the detector to the patient", (Facts(rows),), intro)


def _unknown_section(content: ScaleReport) -> Section:
    width = (
        "Half-width of the 95 % band: of such doses, 95 % of the voxels lie within dose minus to dose plus this. It is "
        "calibrated on head-and-neck plans with 10 mm cells every 12 mm, and an estimate elsewhere."
    )
    unseen = (
        "What the layout cannot see: the share of a dose's possible detail that the cells leave unknown at a place, 0 "
        "(white) to 1 (red). It depends on where cells stand and which have a value, not on what they read; no method "
        "can know more there, but from a plan, a body or experience with other patients."
    )
    pictures = (
        _picture(content.width, content, width, "uncertainty on three planes"),
        _picture(content.unseen, content, unseen, "null space on three planes"),
    )
    return Section("What is not known", pictures)


def _difference_section(content: ScaleReport) -> Section:
    caption = f"{content.difference_name}, through the voxel where they differ most. Red: this dose is higher."
    return Section("Difference", (_picture(content.difference, content, caption, "difference on three planes"),))


def _cells_section(content: ScaleReport) -> Section:
    measured, fitted, sd = (
        np.array([row[key] for row in content.cells], float) for key in ("measured", "fitted", "sd")
    )
    known = np.isfinite(measured) & np.isfinite(fitted)
    blocks: list[Any] = []
    if known.any():
        png = readings_figure(measured[known], fitted[known], sd[known])
        caption = (
            "Mean of this dose in each cell minus what the cell measured; shaded: two standard deviations of a reading."
        )
        blocks.append(Picture(png, caption, "deviation of the cells"))
    noted = sorted((row for row in content.cells if row["notes"]), key=_importance)
    rows = tuple(_row(row) for row in noted[:_MOST_ROWS])
    more = len(noted) - len(rows)
    note = f"{more} more are in cells.csv." if more > 0 else "All cells are in cells.csv."
    if rows:
        blocks.append(Table(("File", "Cell", "Measured (Gy)", "Dose (Gy)", "Deviation (sd)", "What"), rows, "llrrrl",
                            note=note))  # fmt: skip
    intro = "" if rows else "Every cell has a value, lies in the grid and agrees with the dose and the body."
    return Section("Cells", tuple(blocks), intro)


def _importance(row: Mapping[str, Any]) -> tuple[bool, float]:
    """Contradictions first, then by how far the dose misses them."""
    away = abs(row["deviation"]) if np.isfinite(row["deviation"]) else 0.0
    return "outside" not in row["notes"], -away


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = [row[key] for key in ("measured", "fitted", "deviation")]
    texts = ["" if not np.isfinite(v) else f"{v:.3f}" if n < 2 else f"{v:+.1f}" for n, v in enumerate(numbers)]
    return str(row["file"]), str(row["cell"]), *(text.replace("-", "\N{MINUS SIGN}") for text in texts), row["notes"]
