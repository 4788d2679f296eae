"""The report of DVHs: goals first, then curves, figures, and what makes them less sure than their digits say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..geometry.grid import Grid
from .dvh_figures import DvhCurve, cumulative_figure, differential_figure, inks
from .html import Cell, Page, Picture, Section, Swatch, Table, write_page
from .parts import cc_text, footer, image_text, provenance_section, time_section

__all__ = ["DvhReport", "GoalRow", "StructureRow", "write_dvh_report"]

_STATES = {
    "pass": ("met", (60, 150, 80)),
    "near": ("near", (235, 170, 50)),
    "fail": ("missed", (200, 50, 45)),
    "unsure": ("not decided: a part has no known dose", (150, 120, 190)),
    "absent": ("no such structure", (200, 205, 210)),
    "no prescription": ("needs a prescription", (200, 205, 210)),
}
_WIDEST_TABLE = 78
"""Characters of the figures of a row that fit on paper beside the structure's name."""


@dataclass(frozen=True)
class StructureRow:
    """One structure; `cells` are the texts of its figures."""

    name: str
    color: tuple[int, int, int]
    volume_cc: float
    unknown_cc: float
    cells: tuple[str, ...]


@dataclass(frozen=True)
class GoalRow:
    """One goal and what became of it; `state` is one of pass, near, fail, unsure, absent, no prescription."""

    structure: str
    goal: str
    value: str
    state: str
    passing: str = ""
    source: str = ""
    note: str = ""


@dataclass(frozen=True, eq=False)
class DvhReport:
    """What the page is filled from.

    Parameters
    ----------
    metrics:
        labels of the figures, in the order of the cells of `rows`.
    without_ends:
        whether contours end at their first and last plane.
    """

    name: str
    facts: Mapping[str, str]
    grid: Grid
    curves: Sequence[DvhCurve]
    metrics: tuple[str, ...]
    rows: tuple[StructureRow, ...]
    goals: tuple[GoalRow, ...] = ()
    without_ends: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_dvh_report(path: Path, content: DvhReport) -> None:
    """Write the report as one self-contained HTML file; replaces `path`."""
    write_page(path, dvh_page(content))


def dvh_page(content: DvhReport) -> Page:
    """The report as a page, before it becomes HTML."""
    sections = [
        _goal_section(content),
        _curve_section(content),
        _figure_section(content),
        time_section(content.seconds),
        provenance_section(content.provenance),
    ]
    facts = {**content.facts, "Dose grid": image_text(content.grid)}
    return Page(
        title="Dose-volume histograms",
        subtitle=content.name,
        facts=tuple((name, str(value)) for name, value in facts.items() if value),
        warnings=tuple(content.warnings),
        sections=tuple(section for section in sections if section is not None),
        footer=footer(content.provenance),
    )


def _goal_section(content: DvhReport) -> Section | None:
    judged = [goal for goal in content.goals if goal.state != "absent"]
    absent = [goal.structure for goal in content.goals if goal.state == "absent"]
    if not content.goals:
        return None
    with_samples = any(goal.passing for goal in judged)
    columns = ("Structure", "Goal", "Value", "Result", *(("Met by",) if with_samples else ()), "Source and note")
    rows = tuple(_goal_cells(goal, with_samples) for goal in judged)
    states = [goal.state for goal in judged]
    counts = ", ".join(f"{states.count(state)} {_STATES[state][0]}" for state in _STATES if state in states)
    intro = f"Of {len(judged)} goals: {counts}." if judged else "None of the goals is about a structure of this set."
    note = "Near: missed, but within what the table accepts."
    if with_samples:
        note += " Met by: share of the possible doses that meet the goal."
    if absent:
        note += f" Without such a structure (or dose in it): {', '.join(dict.fromkeys(absent))}."
    table = Table(columns, rows, "llrl" + "r" * with_samples + "l", note=note)
    return Section("Clinical goals", (table,), intro)


def _goal_cells(goal: GoalRow, with_samples: bool) -> tuple[Cell, ...]:
    text, color = _STATES[goal.state]
    about = "; ".join(filter(None, (goal.source, goal.note)))
    return (
        goal.structure,
        goal.goal,
        goal.value,
        Swatch(text, color),
        *((goal.passing,) if with_samples else ()),
        about,
    )


def _curve_section(content: DvhReport) -> Section:
    caption = "Cumulative: the part of each structure that gets at least the dose."
    if any(curve.reference is not None for curve in content.curves):
        caption += " Thin and dashed: the second dose."
    if any(curve.band is not None for curve in content.curves):
        caption += " Bands: 95 % of the possible doses."
    rx = content.provenance.get("settings", {}).get("prescription")
    cumulative = Picture(cumulative_figure(content.curves, rx), caption, "cumulative DVH")
    differential = Picture(differential_figure(content.curves), "Differential: the part per Gy.", "differential DVH")
    ends = "end at their first and last plane" if content.without_ends else "reach half a slice beyond their planes"
    intro = (
        "The dose is interpolated between voxel centres. Structures are counted by the share of each small cell that "
        f"they cover; contours {ends}. Volume outside the dose grid is left out, never counted as 0 Gy."
    )
    return Section("Dose-volume histograms", (cumulative, differential), intro)


def _figure_section(content: DvhReport) -> Section:
    tables, colors = [], _colors_of_lines(content.curves)
    wide = max((len(cell) for row in content.rows for cell in row.cells), default=1)
    count = max(1, _WIDEST_TABLE // (max(wide, 9) + 2))
    for start in range(0, len(content.metrics), count):
        part = slice(start, start + count)
        rows = tuple(_figure_cells(row, part, colors.get(row.name, row.color)) for row in content.rows)
        columns = ("Structure", "cc", *content.metrics[part])
        tables.append(Table(columns, rows, "lr" + "r" * len(content.metrics[part])))
    return Section("Figures", tuple(tables), _figure_intro(content))


def _colors_of_lines(curves: Sequence[DvhCurve]) -> dict[str, tuple[int, int, int]]:
    """The colours of the pictures, RGB 0..255: structures of equal colour have different lines."""
    shades = inks([curve.color for curve in curves])
    return {curve.name: tuple(round(255 * part) for part in ink) for curve, ink in zip(curves, shades, strict=True)}


def _figure_cells(row: StructureRow, part: slice, color: tuple[int, int, int]) -> tuple[Cell, ...]:
    volume = cc_text(row.volume_cc) + (f" ({cc_text(row.unknown_cc)} unknown)" if row.unknown_cc > 1e-9 else "")
    return (Swatch(row.name, color), volume, *row.cells[part])


def _figure_intro(content: DvhReport) -> str:
    text = (
        "Names of AAPM TG-263: D95% is the least dose of the hottest 95 % of the volume, V20Gy the volume with 20 Gy."
    )
    cells = " ".join(cell for row in content.rows for cell in row.cells)
    if "(" in cells:
        text += " In parentheses: the difference from the second dose."
    if "[" in cells:
        text += " In brackets: what 95 % of the possible doses give."
    if "*" in cells:
        text += " * A part of the structure has no known dose: the value is of the rest; summary.json has its bounds."
    return text
