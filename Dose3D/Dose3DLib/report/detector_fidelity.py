"""Reports on where cells stand: how faithfully they stand for structures, what they leave unknown, how to move them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry.grid import Volume
from ..geometry.structure import StructureSet
from .detector_figures import CellGroup, cells_figure, steps_figure
from .html import Page, Picture, Section, Swatch, Table, write_page
from .parts import cc_text, footer, image_text, provenance_section, time_section

__all__ = ["FidelityRow", "LeftRow", "Pictured", "PlacementReport", "Plans", "write_placement_report"]

_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class FidelityRow:
    """One structure of one layout: figures as in `detector.fidelity`; `setup` is "" where there is one layout only."""

    name: str
    color: tuple[int, int, int]
    volume_cc: float
    cells: int
    touching: int
    volume_error: float
    dice: float
    coverage: float
    seen: float
    surface_mean_mm: float
    surface_95_mm: float
    setup: str = ""


@dataclass(frozen=True)
class LeftRow:
    """What is left unknown in one structure, as shares of the variance before: one value a column of the table."""

    name: str
    color: tuple[int, int, int]
    weight: float
    shares: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Pictured:
    """Cells on three planes through an LPS place."""

    groups: tuple[CellGroup, ...]
    center_mm: np.ndarray
    caption: str
    legend: tuple[Swatch, ...] = ()


@dataclass(frozen=True)
class Plans:
    """Plans of shifts held against each other: a value per acquisition each, and the shifts of the chosen one (mm)."""

    lines: dict[str, tuple[float, ...]]
    shifts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class PlacementReport:
    """What the page is filled from; parts that are empty are left out.

    Parameters
    ----------
    structures:
        those that are drawn.
    left_columns, left:
        table of what stays unknown.
    dose_sd_gy:
        what is believed of the dose before: turns shares of variance into Gy.
    """

    title: str
    subtitle: str
    volume: Volume
    structures: StructureSet
    pictures: Sequence[Pictured] = ()
    fidelity: Sequence[FidelityRow] = ()
    left_columns: tuple[str, ...] = ()
    left: Sequence[LeftRow] = ()
    dose_sd_gy: float = 70.0
    plans: Plans | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_placement_report(path: Path, content: PlacementReport) -> None:
    """Write the report as one self-contained HTML file; replaces `path`."""
    write_page(path, placement_page(content))


def placement_page(content: PlacementReport) -> Page:
    """The report as a page, before it becomes HTML."""
    sections = (
        _pictures_section(content),
        _plans_section(content),
        _left_section(content),
        _fidelity_section(content),
        time_section(content.seconds),
        provenance_section(content.provenance),
    )
    facts = {**content.facts, "CT": image_text(content.volume.grid)}
    return Page(
        title=content.title,
        subtitle=content.subtitle,
        facts=tuple((name, str(value)) for name, value in facts.items() if value),
        warnings=tuple(content.warnings),
        sections=tuple(section for section in sections if section is not None),
        footer=footer(content.provenance),
    )


def _pictures_section(content: PlacementReport) -> Section | None:
    if not content.pictures:
        return None
    outlines = tuple(Swatch(s.name, s.color) for s in content.structures)
    blocks = tuple(
        Picture(
            cells_figure(content.volume, content.structures, picture.groups, picture.center_mm),
            picture.caption,
            "Cells of the detector and structures on three planes",
            (*picture.legend, *outlines),
        )
        for picture in content.pictures
    )
    return Section("Cells in the patient", blocks)


def _plans_section(content: PlacementReport) -> Section | None:
    plans = content.plans
    if plans is None:
        return None
    counts = tuple(f"after {n + 1}" for n in range(max(map(len, plans.lines.values()))))
    rows = tuple((name, *(_percent(v) for v in values)) for name, values in plans.lines.items())
    note = "Mean variance of the dose that is left in the structures, by weight; 100 % is nothing known."
    table = Table(("Plan", *counts), rows, "l" + "r" * len(counts), note=note)
    columns = ("Acquisition", "along x (mm)", "along y (mm)", "along z (mm)", "L (mm)", "P (mm)", "S (mm)")
    shown = tuple(tuple(text.replace("-", "\N{MINUS SIGN}") for text in row) for row in plans.shifts)
    shifts = Table(columns, shown, "lrrrrrr", note="Shifts from the first acquisition, along the detector's "
                   "own axes, and the same in the patient (LPS).")  # fmt: skip
    lines = {name: [100 * v for v in values] for name, values in plans.lines.items()}
    png = steps_figure(lines, "variance left (%)")
    picture = Picture(png, "What each further acquisition leaves unknown.", "variance left by number of acquisitions")
    return Section("Shifts", (shifts, table, picture))


def _left_section(content: PlacementReport) -> Section | None:
    if not content.left:
        return None
    weighted = len({row.weight for row in content.left}) > 1
    rows = tuple(
        (
            Swatch(row.name, row.color),
            *((f"{row.weight:g}",) if weighted else ()),
            *(_left_text(share, content.dose_sd_gy) for share in row.shares),
        )
        for row in content.left
    )
    note = (
        "Mean variance of the dose within the structure that the cells leave, as a share of what it was before any "
        f"measurement, and its root in Gy (before: {content.dose_sd_gy:g} Gy). It follows from places and noise alone: "
        "it ranks layouts, and is no forecast of the error of a real dose."
    )
    columns = ("Structure", *(("Weight",) if weighted else ()), *content.left_columns)
    return Section("What stays unknown", (Table(columns, rows, "l" + "r" * (len(columns) - 1), note=note),))


def _fidelity_section(content: PlacementReport) -> Section | None:
    if not content.fidelity:
        return None
    several = any(row.setup for row in content.fidelity)
    head = ("Set-up",) if several else ()
    columns = (*head, "Structure", "cc", "Cells", "Touched", "Volume", "Dice", "In boxes", "Seen", "Surface (mm)")
    rows = tuple((*((row.setup,) if several else ()), *_fidelity_row(row)) for row in content.fidelity)
    note = (
        "Cells: those that the structure fills by half at least (or as set), walls included; touched: all that it "
        "reaches into. Volume (its error) and Dice compare the boxes of its cells with the structure. In boxes: share "
        "of the structure within them. Seen: share of it within the scintillator of any cell. Surface: distance of the "
        "boxes' surface and the structure's, mean and 95th percentile."
    )
    muted = frozenset(n for n, row in enumerate(content.fidelity) if row.cells == 0)
    return Section("Fidelity", (Table(columns, rows, "l" * len(head) + "lrrrrrrrr", muted=muted, note=note),))


def _fidelity_row(row: FidelityRow) -> tuple[Swatch | str, ...]:
    error = _NONE if row.cells == 0 else f"{100 * row.volume_error:+.1f} %".replace("-", "\N{MINUS SIGN}")
    known = np.isfinite(row.surface_mean_mm)
    surface = f"{row.surface_mean_mm:.1f}, {row.surface_95_mm:.1f}" if known else _NONE
    return (
        Swatch(row.name, row.color), cc_text(row.volume_cc), str(row.cells), str(row.touching), error,
        f"{row.dice:.3f}", _percent(row.coverage), _percent(row.seen), surface,
    )  # fmt: skip


def _left_text(share: float, sd_gy: float) -> str:
    return f"{_percent(share)} ({sd_gy * np.sqrt(max(share, 0.0)):.1f} Gy)"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
