"""The report of two doses against each other: verdict, gamma, difference, profiles, isodoses, cells of a detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry.grid import Volume
from .compare_figures import ProfilePart, cells_figure, histogram_figure, profiles_figure
from .dose_figures import ColorScale, Line, planes_figure
from .html import Page, Picture, Section, Swatch, Table, write_page
from .parts import cc_text, footer, image_text, provenance_section, time_section

__all__ = ["CellsPart", "CompareReport", "IsodosePair", "RegionRow", "write_compare_report"]

_INTERPOLATION = (
    "Gamma looks for the evaluated dose everywhere, trilinear between its grid points, and finds the least distance in "
    "each cell of its grid: there is no step of an interpolation. At grid points only, as some programs do, gamma "
    "comes out too high where the grid is not much finer than the distance to agreement."
)


@dataclass(frozen=True)
class IsodosePair:
    """One level with the volumes (cm3) inside it, of the reference and of the evaluated dose."""

    line: Line
    reference_cc: float
    evaluated_cc: float


@dataclass(frozen=True)
class RegionRow:
    """Texts of one region for both tables, its name first: gamma, and doses with their difference."""

    gamma: tuple[str, ...]
    doses: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CellsPart:
    """Means of the judged cells, (n,) each, the dose difference allowed, and rows of names and values."""

    reference: np.ndarray
    evaluated: np.ndarray
    width: np.ndarray
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class CompareReport:
    """What the page is filled from.

    Parameters
    ----------
    reference, evaluated, difference, gamma:
        volumes; the last two are NaN where there is none.
    dose_scale, difference_scale, gamma_scale:
        their colours.
    highest:
        gammas are capped at this.
    verdict:
        criteria and pass rates: what, between grid points, at grid points only.
    """

    name: str
    facts: Mapping[str, str]
    reference: Volume
    evaluated: Volume
    difference: Volume
    gamma: Volume
    dose_scale: ColorScale
    difference_scale: ColorScale
    gamma_scale: ColorScale
    highest: float
    center_mm: tuple[float, float, float]
    verdict: tuple[tuple[str, str, str], ...]
    verdict_note: str
    regions: Sequence[RegionRow]
    isodoses: Sequence[IsodosePair]
    profiles: Sequence[ProfilePart]
    units: str = "Gy"
    ct: Volume | None = None
    cells: CellsPart | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_compare_report(path: Path, content: CompareReport) -> None:
    """Write the report as one self-contained HTML file; replaces `path`."""
    write_page(path, compare_page(content))


def compare_page(content: CompareReport) -> Page:
    """The report as a page, before it becomes HTML."""
    sections = [
        _gamma_section(content),
        _regions_section(content),
        _difference_section(content),
        _profiles_section(content),
        _isodose_section(content),
        _cells_section(content),
        time_section(content.seconds),
        provenance_section(content.provenance),
    ]
    grids = {"Reference grid": image_text(content.reference.grid), "Evaluated grid": image_text(content.evaluated.grid)}
    facts = {**content.facts, **grids}
    return Page(
        title="Comparison of two doses",
        subtitle=content.name,
        facts=tuple((name, str(value)) for name, value in facts.items() if value),
        warnings=tuple(content.warnings),
        sections=tuple(section for section in sections if section is not None),
        footer=footer(content.provenance),
    )


def _beneath(content: CompareReport) -> str:
    return "over the CT (window 400, centre 40 HU)" if content.ct is not None else "without a CT"


def _gamma_section(content: CompareReport) -> Section:
    columns = ("Gamma", "between grid points", "at grid points only")
    table = Table(columns, content.verdict, "lrr", note=content.verdict_note)
    png = planes_figure(content.gamma, content.center_mm, content.gamma_scale, (), content.ct)
    caption = (
        f"Gamma {_beneath(content)}. Blue passes, white is 1, red fails. Not coloured: below the threshold, or outside "
        "the evaluated dose's grid."
    )
    values = content.gamma.array[np.isfinite(content.gamma.array)]
    histogram = Picture(histogram_figure(values, content.highest), "How gamma is distributed.", "histogram of gamma")
    return Section("Gamma", (table, Picture(png, caption, "gamma on three planes"), histogram), _INTERPOLATION)


def _regions_section(content: CompareReport) -> Section:
    gamma = Table(
        ("Region", "Voxels with a gamma", "Gamma ≤ 1", "at grid points only", "Mean gamma"),
        tuple(row.gamma for row in content.regions),
        "lrrrr",
        note="Gamma is counted above the threshold only, at the voxel centres of the reference's grid.",
    )
    note = (
        "Over the region's voxel centres, structures whole. Difference is evaluated minus reference: mean ± standard "
        "deviation, lowest, highest."
    )
    units = content.units
    doses = Table(
        ("Region", f"Reference ({units})", f"Evaluated ({units})", f"Difference ({units})", "Lowest", "Highest"),
        tuple(row.doses for row in content.regions),
        "lrrrrr",
        note=note,
    )
    return Section("Regions", (gamma, doses))


def _difference_section(content: CompareReport) -> Section:
    png = planes_figure(content.difference, content.center_mm, content.difference_scale, (), content.ct)
    caption = (
        f"Evaluated minus reference {_beneath(content)}. Red: the evaluated dose is higher; blue: it is lower. "
        f"Colours end at ±{content.difference_scale.high:.3g} {content.units}."
    )
    return Section("Difference", (Picture(png, caption, "difference on three planes"),))


def _profiles_section(content: CompareReport) -> Section:
    x, y, z = content.center_mm
    caption = (
        f"Along the patient's axes through ({x:.1f}, {y:.1f}, {z:.1f}) mm (LPS), trilinear; the dotted line is that "
        "place. A line ends where its grid does."
    )
    png = profiles_figure(content.profiles, content.units)
    return Section("Profiles", (Picture(png, caption, "profiles along three axes"),))


def _isodose_section(content: CompareReport) -> Section:
    lines = [pair.line for pair in content.isodoses]
    legend = tuple(Swatch(line.label, line.color) for line in lines)
    blocks: list[Any] = []
    for name, volume in (("Reference", content.reference), ("Evaluated", content.evaluated)):
        png = planes_figure(volume, content.center_mm, content.dose_scale, lines, content.ct)
        blocks.append(Picture(png, f"{name} dose {_beneath(content)}.", f"{name.lower()} dose", legend))
    rows = tuple(
        (Swatch(p.line.label, p.line.color), cc_text(p.reference_cc), cc_text(p.evaluated_cc),
         f"{p.evaluated_cc - p.reference_cc:+.2f}".replace("-", "\N{MINUS SIGN}"))
        for p in content.isodoses
    )  # fmt: skip
    note = "Volumes count the voxels of each dose's own grid whose centre has at least the level."
    blocks.append(Table(("Isodose", "Reference (cc)", "Evaluated (cc)", "Difference (cc)"), rows, "lrrr", note=note))
    return Section("Isodoses", tuple(blocks))


def _cells_section(content: CompareReport) -> Section | None:
    part = content.cells
    if part is None:
        return None
    blocks: list[Any] = [Table(("What", "Value"), part.rows, "lr")]
    if len(part.reference):
        caption = "Each point is a cell; the band is the dose difference of the criteria, blue cells are within it."
        png = cells_figure(part.reference, part.evaluated, part.width, content.units)
        blocks.append(Picture(png, caption, "differences of cell means"))
    intro = (
        "Exact means of both doses over the cells of the layout. Gamma of a cell holds its mean of the reference "
        "against what a cell of its size would see of the evaluated dose, here and up to the distance to agreement "
        "around. This is geometry: a cell measures in its own material."
    )
    return Section("In the detector", tuple(blocks), intro)
