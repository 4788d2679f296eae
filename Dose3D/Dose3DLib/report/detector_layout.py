"""The report on a layout: where its cells stand in the patient, what each holds, what they see of each structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry.cells import Cells
from ..geometry.grid import Grid, Volume
from ..geometry.structure import StructureSet
from .detector_figures import CellGroup, cells_figure
from .html import Cell, Page, Picture, Section, Swatch, Table, write_page
from .parts import cc_text, footer, image_text, provenance_section, time_section

__all__ = ["LayoutReport", "LayoutRow", "layout_page", "write_layout_report"]

_PLAIN = (255, 190, 60)
"""Colour of cells in no structure."""

_MOST_CELLS = 300
_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class LayoutRow:
    """A structure and the cells in it: `halved` are at least half in it, `touching` however little.

    `share` is what of its volume lies in cells.
    """

    name: str
    volume_cc: float
    halved: int
    touching: int
    share: float
    is_target: bool


@dataclass(frozen=True, eq=False)
class LayoutReport:
    """What the page is filled from.

    Parameters
    ----------
    cells, columns:
        the cells and their columns about the patient: `main_structure`, `mean_hu`, `density_g_cm3`, as far as known.
    facts:
        the short list under the title.
    rows:
        structures, targets first.
    structures, volume:
        drawn beneath the cells; None where there are none.
    body:
        name of the outline of the patient, which is not drawn unless it is a target.
    """

    cells: Cells
    columns: Mapping[str, np.ndarray]
    name: str
    facts: tuple[tuple[str, str], ...]
    rows: tuple[LayoutRow, ...] = ()
    structures: StructureSet | None = None
    volume: Volume | None = None
    body: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_layout_report(path: Path, content: LayoutReport) -> None:
    """Write the report as one self-contained HTML file; replaces `path`."""
    write_page(path, layout_page(content))


def layout_page(content: LayoutReport) -> Page:
    """The report as a page, before it becomes HTML."""
    sections = (
        _picture_section(content),
        _structures_section(content),
        _cells_section(content),
        time_section(content.provenance.get("seconds", {})),
        provenance_section(content.provenance),
    )
    image = (("CT", image_text(content.volume.grid)),) if content.volume is not None else ()
    return Page(
        title="Detector layout",
        subtitle=content.name,
        facts=tuple((name.capitalize(), value) for name, value in content.facts) + image,
        warnings=tuple(content.provenance.get("warnings", ())),
        sections=tuple(section for section in sections if section is not None),
        footer=footer(content.provenance),
    )


def _picture_section(content: LayoutReport) -> Section:
    center = _nearest_center(content)
    background = content.volume or _empty_volume(content)
    structures = content.structures or StructureSet(background.grid, ())
    drawn = _drawn(content, structures)
    groups, legend = _groups(content)
    png = cells_figure(background, drawn, groups, center)
    place = ", ".join(f"{mm:.1f}" for mm in center)
    caption = f"Cells that three planes cut, through {place} mm (LPS); each in the colour of its main structure."
    shown = tuple(Swatch(one.name, one.color) for one in drawn if one.name not in {swatch.text for swatch in legend})
    return Section("Cells in the patient", (Picture(png, caption, "cells over the CT", legend + shown),))


def _drawn(content: LayoutReport, structures: StructureSet) -> StructureSet:
    """Outlines of the targets and of what the cells mainly hold; all others, and the body, would make these small."""
    held = {name for name in content.columns.get("main_structure", ()) if name != content.body}
    wanted = {row.name for row in content.rows if row.is_target} | held
    return StructureSet(structures.grid, tuple(one for one in structures if one.name in wanted))


def _nearest_center(content: LayoutReport) -> np.ndarray:
    """The centre of the cell in the middle: a plane between two layers would show none."""
    centers = content.cells.centers_mm
    middle = (centers.min(axis=0) + centers.max(axis=0)) / 2
    return centers[np.argmin(np.linalg.norm(centers - middle, axis=1))]


def _empty_volume(content: LayoutReport) -> Volume:
    """A black background where there is no CT: the structures' image, or the room of the cells."""
    if content.structures is not None:
        grid = content.structures.grid
        return Volume(np.full((2, 2, 2), -1000, np.int16), _coarse(grid.corners_mm()))
    return Volume(np.full((2, 2, 2), -1000, np.int16), _coarse(content.cells.corners_mm().reshape(-1, 3)))


def _coarse(points: np.ndarray) -> Grid:
    """Two voxels along each axis, centred in the corners of the box around the points."""
    low, high = points.min(axis=0), points.max(axis=0)
    return Grid.axial((2, 2, 2), tuple(np.maximum(high - low, 1.0)[::-1]), tuple(low))


def _groups(content: LayoutReport) -> tuple[list[CellGroup], tuple[Swatch, ...]]:
    """Cells by their main structure, and what the colours mean."""
    main = content.columns.get("main_structure")
    if main is None or content.structures is None:
        return [CellGroup(content.cells, _PLAIN)], (Swatch("cells", _PLAIN),)
    colors = {one.name: one.color for one in content.structures}
    groups, legend = [], []
    for name in dict.fromkeys(main.tolist()):
        color = colors.get(name, _PLAIN)
        groups.append(CellGroup(content.cells.take(main == name), color))
        legend.append(Swatch(name or "in no structure", color))
    return groups, tuple(legend)


def _structures_section(content: LayoutReport) -> Section | None:
    if not content.rows:
        return None
    colors = {one.name: one.color for one in content.structures}
    rows = tuple(
        (Swatch(row.name, colors[row.name]), cc_text(row.volume_cc), f"{row.halved}", f"{row.touching}",
         f"{100 * row.share:.1f} %")
        for row in content.rows
    )  # fmt: skip
    columns = ("Structure", "Volume (cc)", "Cells half in it", "Cells touching", "Volume in cells")
    muted = frozenset(n for n, row in enumerate(content.rows) if not row.is_target)
    note = "Exact shares, from contours where there are any. Targets first; covers and gaps count as outside of cells."
    return Section("Structures", (Table(columns, rows, "lrrrr", muted, note),))


def _cells_section(content: LayoutReport) -> Section:
    names = {"main_structure": "Main structure", "mean_hu": "Mean HU", "density_g_cm3": "Density (g/cm³)"}
    known = [name for name in names if name in content.columns]
    rows = tuple(_cell_row(content, n, known) for n in range(min(len(content.cells), _MOST_CELLS)))
    left = len(content.cells) - len(rows)
    note = f"{left} more cells are in the CSV." if left else ""
    columns = ("Cell", "x (mm)", "y (mm)", "z (mm)", *(names[name] for name in known))
    align = "lrrr" + "".join("l" if name == "main_structure" else "r" for name in known)
    return Section("Cells", (Table(columns, rows, align, note=note),), "Centres in the patient (LPS).", folds=True)


def _cell_row(content: LayoutReport, n: int, known: list[str]) -> tuple[Cell, ...]:
    formats = {"main_structure": str, "mean_hu": "{:.0f}".format, "density_g_cm3": "{:.3f}".format}
    values = [content.columns[name][n] for name in known]
    texts = [_NONE if value in ("",) or value != value else formats[name](value)
             for name, value in zip(known, values, strict=True)]  # fmt: skip
    return (content.cells.labels[n], *(f"{mm:.1f}" for mm in content.cells.centers_mm[n]), *texts)
