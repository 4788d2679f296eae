"""The report of a dose: isodoses on the three planes, their volumes, and how it differs from another dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..geometry.grid import Volume
from .dose_figures import ColorScale, Line, planes_figure
from .html import Page, Picture, Section, Swatch, Table, write_page
from .parts import cc_text, footer, image_text, provenance_section, time_section

__all__ = ["DifferencePart", "DoseReport", "IsodoseRow", "write_dose_report"]


@dataclass(frozen=True)
class IsodoseRow:
    """One level: its line, volume in cm3, and whether the grid ends inside it."""

    line: Line
    volume_cc: float
    is_cut: bool


@dataclass(frozen=True, eq=False)
class DifferencePart:
    """A difference: NaN where one dose is missing; `rows` are names and values for its table."""

    volume: Volume
    scale: ColorScale
    center_mm: tuple[float, float, float]
    name: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class DoseReport:
    """What the page is filled from.

    Parameters
    ----------
    dose, scale, isodoses:
        the dose, its colours, its levels in ascending order.
    center_mm:
        LPS place that the pictures cut through, that of the highest dose.
    facts:
        names and values for the head of the page.
    ct, difference:
        what there is beside the dose.
    """

    dose: Volume
    scale: ColorScale
    isodoses: Sequence[IsodoseRow]
    center_mm: tuple[float, float, float]
    name: str
    facts: Mapping[str, str] = field(default_factory=dict)
    ct: Volume | None = None
    difference: DifferencePart | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_dose_report(path: Path, content: DoseReport) -> None:
    """Write the report as one self-contained HTML file; replaces `path`."""
    write_page(path, dose_page(content))


def dose_page(content: DoseReport) -> Page:
    """The report as a page, before it becomes HTML."""
    sections = [
        _dose_section(content),
        _difference_section(content),
        time_section(content.seconds),
        provenance_section(content.provenance),
    ]
    facts = {**content.facts, "Dose grid": image_text(content.dose.grid)}
    return Page(
        title="Dose",
        subtitle=content.name,
        facts=tuple((name, str(value)) for name, value in facts.items() if value),
        warnings=tuple(content.warnings),
        sections=tuple(section for section in sections if section is not None),
        footer=footer(content.provenance),
    )


def _dose_section(content: DoseReport) -> Section:
    lines = [row.line for row in content.isodoses]
    png = planes_figure(content.dose, content.center_mm, content.scale, lines, content.ct)
    legend = tuple(Swatch(line.label, line.color) for line in lines)
    beneath = "over the CT (window 400, centre 40 HU)" if content.ct is not None else "alone, without a CT"
    caption = (
        f"Dose {beneath}, through its highest voxel. Below the lowest level nothing is coloured; lines are isodoses."
    )
    rows = tuple((Swatch(row.line.label, row.line.color), cc_text(row.volume_cc) + (" *" if row.is_cut else ""))
                 for row in content.isodoses)  # fmt: skip
    note = "Volumes count the voxels whose centre has at least the level."
    if any(row.is_cut for row in content.isodoses):
        note += " * The grid ends inside this isodose: its true volume is larger."
    table = Table(("Isodose", "Volume inside (cc)"), rows, "lr", note=note)
    return Section("Isodoses", (Picture(png, caption, "dose on three planes", legend), table))


def _difference_section(content: DoseReport) -> Section | None:
    part = content.difference
    if part is None:
        return None
    png = planes_figure(part.volume, part.center_mm, part.scale, (), content.ct)
    caption = (
        f"{part.name}, through the voxel where the two differ most. Red: this dose is higher; blue: it is lower; "
        "not coloured: the second dose has no value there."
    )
    picture = Picture(png, caption, "difference on three planes")
    return Section("Difference", (picture, Table(("What", "Value"), part.rows, "lr")))
