"""The files of tasks that place cells: layouts, figures, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..core.progress import Progress
    from ..detector.fidelity import StructureFidelity
    from ..detector.layout import Layout
    from ..detector.posterior import DosePrior
    from ..detector.regions import Region
    from ..report.detector_fidelity import FidelityRow, LeftRow, Pictured
    from ..report.html import Swatch
    from .placement_source import Patient

__all__ = ["COLORS", "LayoutFigures", "fidelity_rows", "left_rows", "measure_layouts", "patient_facts", "pictured",
           "shown_structures", "summary_of", "with_patient_facts", "write_layouts"]  # fmt: skip

COLORS = ((255, 196, 0), (64, 200, 255), (255, 96, 160), (150, 230, 90), (200, 140, 255), (255, 140, 60))
"""Cells of the first, second ... set-up in pictures."""
_OTHERS = (205, 210, 215)


@dataclass(frozen=True, eq=False)
class LayoutFigures:
    """A layout, its name ("" for the only one), the figures of structures, and which cells stand for any of them."""

    layout: Layout
    name: str
    rows: tuple[StructureFidelity, ...]
    used: np.ndarray


def measure_layouts(
    layouts: Sequence[tuple[str, Layout]], patient: Patient, names: Sequence[str], share: float, prior: DosePrior,
    progress: Progress,
) -> list[LayoutFigures]:  # fmt: skip
    """The fidelity of each layout to the named structures."""
    from ..detector.fidelity import layout_fidelity

    found, done = [], 0
    for name, layout in layouts:
        rows, used = [], np.zeros(len(layout), bool)
        for structure in names:
            progress.report(done / (len(layouts) * len(names)), structure)
            row, own = layout_fidelity(layout, patient.structures[structure], share, prior)
            rows.append(row)
            used |= own
            done += 1
        found.append(LayoutFigures(layout, name, tuple(rows), used))
    return found


def with_patient_facts(
    layouts: Sequence[tuple[str, Layout]], patient: Patient, progress: Progress
) -> list[tuple[str, Layout]]:
    """The layouts with the columns that `detector layout` writes: shares of structures, HU, density."""
    from .layout_facts import with_facts
    from .layout_patient import Patient as Known

    known = Known(patient.ct, patient.structures)
    return [(name, with_facts(replace(layout, facts={}), known, None, progress)) for name, layout in layouts]


def write_layouts(layouts: Sequence[tuple[str, Layout]], folder: Path) -> dict[str, str]:
    """One LAYOUT.csv each; the names of the files by what they are."""
    from ..detector.layout_csv import write_layout

    files = {}
    for name, layout in layouts:
        path = folder / f"{name.replace(' ', '-')}.csv"
        write_layout(layout, path)
        files[name] = path.name
    return files


def fidelity_rows(figures: Sequence[LayoutFigures], patient: Patient) -> list[FidelityRow]:
    from ..report.detector_fidelity import FidelityRow

    return [
        FidelityRow(
            row.name, patient.structures[row.name].color, row.volume_cc, row.cells, row.touching, row.volume_error,
            row.dice, row.coverage, row.seen, row.surface_mean_mm, row.surface_95_mm, one.name,
        )
        for one in figures
        for row in one.rows
    ]  # fmt: skip


def left_rows(
    regions: Sequence[Region], patient: Patient, variances: Sequence[Sequence[np.ndarray]], prior: DosePrior
) -> list[LeftRow]:
    """Per region the mean variance of each column, as a share of the prior's."""
    from ..report.detector_fidelity import LeftRow

    return [
        LeftRow(
            region.name,
            patient.structures[region.name].color,
            region.weight,
            tuple(float(column[n].mean()) / prior.variance_gy2 for column in variances),
        )
        for n, region in enumerate(regions)
    ]


def pictured(
    layouts: Sequence[tuple[str, Layout]], used: Sequence[np.ndarray], center_mm: np.ndarray
) -> tuple[Pictured, ...]:
    """One picture of all set-ups; the plane through the centre, moved to the nearest layer of cells."""
    from ..report.detector_fidelity import Pictured
    from ..report.detector_figures import CellGroup
    from ..report.html import Swatch

    groups, legend = [], []
    for n, ((name, layout), own) in enumerate(zip(layouts, used, strict=True)):
        color = COLORS[n % len(COLORS)]
        groups.append(CellGroup(layout.cells.take(own), color))
        groups.append(CellGroup(layout.cells.take(~own), _OTHERS if len(layouts) == 1 else color, filled=False))
        legend.append(Swatch(name or "cells of a structure", color))
    if len(layouts) == 1 and not used[0].all():
        legend.append(Swatch("other cells", _OTHERS))
    caption = "Scintillators, without their walls, that each plane cuts, and outlines of the structures."
    place = _through_cells(layouts[0][1], center_mm)
    return (Pictured(tuple(groups), place, caption, tuple(_unique(legend))),)


def summary_of(figures: Sequence[LayoutFigures]) -> list[dict[str, Any]]:
    """For summary.json; NaN becomes null."""
    return [
        {
            "layout": one.name or one.layout.name,
            "cells": len(one.layout),
            "structures": [
                {
                    **{key: _plain(value) for key, value in vars(row).items()},
                    "volume_error": row.volume_error,
                }
                for row in one.rows
            ],
        }
        for one in figures
    ]


def patient_facts(patient: Patient) -> dict[str, str]:
    """For the head of a report."""
    labels = {"name": "Patient", "id": "Patient ID", "study": "Study"}
    return {label: patient.ct.patient.get(key, "") for key, label in labels.items()}


def shown_structures(patient: Patient, names: Sequence[str]) -> Any:
    """The set with these structures only."""
    return replace(patient.structures, structures=tuple(patient.structures[name] for name in names))


def _through_cells(layout: Layout, center_mm: np.ndarray) -> np.ndarray:
    """The centre of the cell nearest to a place: a plane between two layers would show no cell."""
    away = np.linalg.norm(layout.cells.centers_mm - center_mm, axis=1)
    nearest = layout.cells.centers_mm[int(np.argmin(away))]
    return np.where(np.abs(nearest - center_mm) < layout.cells.sizes_mm.max(), nearest, center_mm)


def _unique(legend: list[Swatch]) -> list[Swatch]:
    return list(dict.fromkeys(legend))


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
