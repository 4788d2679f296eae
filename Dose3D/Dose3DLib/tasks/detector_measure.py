"""`dose3d detector measure`: what the cells of a layout would measure of a dose; exact averages, unknown outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from .base import Result, TaskSettings, option
from .cells_file import check_csv_name, write_cells_file
from .dose_source import DoseSource, load_dose

if TYPE_CHECKING:
    from ..detector.layout import Layout
    from ..detector.readings import Readings
    from ..dose.cell_operator import CellOperator
    from .ct_source import CtSource

__all__ = ["Settings", "run"]

_WHOLE = 1 - 1e-6
"""A cell of which less than this lies in the dose is called cut."""


@dataclass(frozen=True)
class Settings(TaskSettings):
    """A dose, a layout of cells, and how a cell averages."""

    dose: Path = option(help="RTDOSE (.dcm), or an image of doses in Gy (.nrrd, .nii.gz, .mha)")
    layout: Path = option(help="LAYOUT.csv, a layout of G4RT or GATE, or a mapping workbook (.xlsx)")
    output: Path = option(help="CELLS.csv to write: a row a cell with its dose")
    isocenter: tuple[float, ...] = option(
        (), help="where the detector stands instead: x y z of its isocentre", unit="mm"
    )
    size: float = option(10.0, help="edge of the cells, where the layout states none", unit="mm", minimum=0.01)
    model: Literal["linear", "constant"] = option(
        "linear", help="dose between voxel centres: trilinear, or one value a voxel"
    )
    weighting: Literal["volume", "mass"] = option("volume", help="mean over volume, or over mass (needs --ct)")
    ct: Path | None = option(None, help="CT for the densities: DICOM folder or image file")
    hu_table: Path | None = option(None, help="your clinic's CSV of hu,density (g/cm3) (default: Schneider's of 2000)")
    series: str | None = option(None, help="Series Instance UID, when the CT folder holds several CT series")
    noise: float = option(
        0.0,
        help="standard deviation of a normal error that is added, of the value",
        unit="percent",
        minimum=0,
        maximum=100,
    )
    seed: int = option(0, help="seed of the noise", minimum=0)
    overwrite: bool = option(False, help="replace an existing output")


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Read, average and write.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    from ..detector.readings_csv import readings_text

    progress = progress or Progress()
    _check(settings)
    with progress.stage("read dose", 0.3):
        dose = load_dose(settings.dose, progress)
        _check_dose(settings, dose, progress)
    ct = _read_ct(settings, dose, progress)
    with progress.stage("read layout", 0.5):
        layout = _read_layout(settings, progress)
    with progress.stage("average", 0.9):
        readings, lost = _readings(settings, layout, dose, ct, progress)
        _warn_of_ends(settings, readings, lost, dose, progress)
    with progress.stage("write", 1.0):
        text = readings_text(readings, None, _comments(settings), settings.output)
        record = _provenance(settings, dose, ct, progress)
        files = write_cells_file(settings.output, text, record, settings.overwrite, settings.inputs())
    figures = _figures(readings)
    return Result(settings.output, files, figures, tuple(progress.warnings), dict(progress.seconds))


def _check(settings: Settings) -> None:
    check_csv_name(settings.output)
    if settings.isocenter and len(settings.isocenter) != 3:
        raise InputError("--isocenter", f"has {len(settings.isocenter)} numbers", "give x y z in mm (LPS)")
    if settings.weighting == "mass" and settings.ct is None:
        raise InputError("--weighting mass", "needs densities, and no CT is given", "add --ct")
    unused = next((name for name in ("ct", "hu_table", "series") if getattr(settings, name)), None)
    if settings.weighting == "volume" and unused:
        flag = "--" + unused.replace("_", "-")
        raise InputError(flag, "is for --weighting mass, and the weighting is volume", "leave one of them out")


def _check_dose(settings: Settings, dose: DoseSource, progress: Progress) -> None:
    if dose.units != "Gy":
        cause = "is relative (percent of something), and cells are to have doses in Gy"
        raise InputError(settings.dose, cause, "export the dose in Gy")
    if dose.facts.get("kind") == "RTDOSE" and not dose.frame:
        progress.warn(
            f"{settings.dose.name} has no Frame of Reference UID: nothing tells that the layout's positions are its."
        )


def _read_ct(settings: Settings, dose: DoseSource, progress: Progress) -> CtSource | None:
    """The CT of the densities: of the same patient, in the same frame."""
    if settings.ct is None:
        return None
    from .ct_source import load_ct

    with progress.part(0.45):
        ct = load_ct(settings.ct, settings.series, False, progress)
    one, two = ct.patient.get("id", ""), dose.patient.get("id", "")
    if one and two and one != two:
        raise InputError(
            settings.ct, f"is of patient {one[:40]!r}, the dose of {two[:40]!r}", "give the CT of the dose"
        )
    frame = str(ct.facts.get("frame_of_reference_uid", ""))
    if frame and dose.frame and frame != dose.frame:
        progress.warn("Dose and CT have different frames of reference: they may not lie where they seem to.")
    return ct


def _read_layout(settings: Settings, progress: Progress) -> Layout:
    from ..detector.layout_csv import moved, read_layout
    from ..detector.placement import Placement

    layout = read_layout(settings.layout, size_mm=settings.size)
    if settings.isocenter:
        layout = moved(layout, Placement(np.array(settings.isocenter), layout.placement.to_lps))
    for note in layout.notes:
        progress.warn(f"{settings.layout.name}: {note}")
    return layout


def _readings(
    settings: Settings, layout: Layout, dose: DoseSource, ct: CtSource | None, progress: Progress
) -> Readings:
    from ..detector.readings import Readings
    from ..dose.cell_operator import cell_means

    weighting = None if ct is None else _MassWeighting(settings, ct)
    values, fraction = cell_means(layout.cells, dose.volume, settings.model, weighting, progress.report)
    sd = np.full(len(values), np.nan)
    if settings.noise:
        share = settings.noise / 100
        sd = share * np.abs(values)
        values = values * (1 + share * np.random.default_rng(settings.seed).standard_normal(len(values)))
    return Readings(layout.cells, values, fraction, sd, dose.frame), 0 if weighting is None else weighting.lost


class _MassWeighting:
    """Weights each operator by the CT's densities, and counts the cells that have none."""

    def __init__(self, settings: Settings, ct: CtSource):
        from ..detector.density import SCHNEIDER, read_density_table

        self._table = SCHNEIDER if settings.hu_table is None else read_density_table(settings.hu_table)
        self._ct, self._dose, self.lost = ct, settings.dose, 0

    def __call__(self, operator: CellOperator) -> CellOperator:
        from ..dose.mass_weighting import mass_weighted

        try:
            weighted = mass_weighted(operator, self._ct.volume, self._table.apply)
        except ValueError as error:
            raise InputError(self._dose, str(error), "use --weighting volume") from error
        self.lost += int(((operator.fraction > 0) & (weighted.fraction == 0)).sum())
        return weighted


def _warn_of_ends(settings: Settings, readings: Readings, lost: int, dose: DoseSource, progress: Progress) -> None:
    """Outside the grid nothing is known; that is never 0 Gy."""
    count, fraction = len(readings), readings.fraction
    outside, cut = int((fraction == 0).sum()) - lost, int(((fraction > 0) & (fraction < _WHOLE)).sum())
    if outside == count:
        ends, cells = (
            " to ".join(", ".join(f"{mm:.0f}" for mm in corner) for corner in (points.min(axis=0), points.max(axis=0)))
            for points in (dose.volume.grid.corners_mm(), readings.cells.centers_mm)
        )
        cause = f"all its {count} cells lie outside the dose (cells at {cells} mm, dose from {ends} mm, LPS)"
        raise InputError(settings.layout, cause, "give the isocentre (--isocenter), or another layout")
    if outside + lost == count:
        raise InputError(settings.ct, "holds none of the cells that lie in the dose", "give the CT of this dose")
    if outside:
        progress.warn(f"{outside} of {count} cells lie outside the dose's grid: they have no value, which is not 0 Gy.")
    if lost:
        progress.warn(f"{lost} of {count} cells reach out of the CT: they have no mass-weighted dose.")
    if cut:
        progress.warn(f"{cut} of {count} cells lie partly in the dose's grid: theirs is the mean of that part.")


def _comments(settings: Settings) -> list[str]:
    kind = "mass-weighted" if settings.weighting == "mass" else "volume-averaged"
    comments = [f"made by: dose3d detector measure, {kind} means, {settings.model} between voxel centres"]
    comments.append(
        "quantity: the given dose at the cells' places; what a scintillator in a phantom sees is another step"
    )
    if settings.noise:
        comments.append(f"noise: {settings.noise:g} percent, seed {settings.seed}")
    return comments


def _provenance(settings: Settings, dose: DoseSource, ct: CtSource | None, progress: Progress) -> Any:
    layout = {"path": str(settings.layout), "kind": "layout", "sha256": file_sha256(settings.layout)}
    inputs = [dose.facts, layout, *([ct.facts] if ct else [])]

    def record() -> dict[str, Any]:
        return make_provenance("detector measure", settings.to_dict(), progress, inputs=inputs, seed=settings.seed)

    return record


def _figures(readings: Readings) -> dict[str, Any]:
    """What is printed."""
    known = readings.dose_gy[readings.known]
    highest = int(np.nanargmax(readings.dose_gy))
    place = ", ".join(f"{mm:.1f}" for mm in readings.cells.centers_mm[highest])
    return {
        "cells": f"{len(readings):,}",
        "with a dose": f"{len(known):,}",
        "mean": f"{known.mean():.4g} Gy",
        "lowest": f"{known.min():.4g} Gy",
        "highest": f"{known.max():.4g} Gy in {readings.cells.labels[highest]} at {place} mm (LPS)",
    }
