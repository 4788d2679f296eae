"""The DVHs of one structure: of a dose, of a second one to compare with, of samples of possible doses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.grid import Grid, Volume
from ..geometry.structure import Structure
from .dvh import Dvh, dose_at, dvh_of
from .dvh_metrics import Figure, Metric, figure_of
from .dvh_warnings import grid_warnings
from .structure_points import StructurePoints, structure_points

__all__ = ["Doses", "FigureRow", "StructureDvh", "figure_rows", "structure_dvh"]

_SAMPLE_PARTS = 20_000
BAND_SHARE = 0.95
"""Of the possible doses, what bands and ranges hold."""


@dataclass(frozen=True, eq=False)
class Doses:
    """The dose, a reference or None, and samples of possible doses; each on its own grid, in Gy."""

    dose: Volume
    reference: Volume | None = None
    samples: tuple[Volume, ...] = ()


@dataclass(frozen=True, eq=False)
class StructureDvh:
    """What is known of one structure; `warnings` are sentences on how the grid decides."""

    name: str
    color: tuple[int, int, int]
    dvh: Dvh
    reference: Dvh | None = None
    samples: tuple[Dvh, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class FigureRow:
    """One figure: of the dose, of the reference, and between which values `BAND_SHARE` of the samples' lie."""

    metric: Metric
    figure: Figure | None
    reference: Figure | None = None
    band: tuple[float, float] | None = None


def structure_dvh(structure: Structure, grid: Grid, doses: Doses, ends: bool = True) -> StructureDvh:
    """The DVHs of a structure of a set on `grid`; see `structure_points` for `ends`."""
    dose = doses.dose
    points = structure_points(structure, grid, min(dose.grid.spacing_mm), ends)
    found = _dvh(points, dose)
    return StructureDvh(
        structure.name,
        structure.color,
        found,
        None if doses.reference is None else _dvh(points, doses.reference),
        tuple(_short(_dvh(points, sample)) for sample in doses.samples),
        tuple(grid_warnings(structure.name, points, found, dose)),
    )


def figure_rows(found: StructureDvh, metrics: Sequence[Metric], prescription: float | None) -> list[FigureRow]:
    """The figures of a structure, in the order asked for."""
    rows = []
    for metric in metrics:
        reference = None if found.reference is None else figure_of(found.reference, metric, prescription)
        values = [figure_of(dvh, metric, prescription) for dvh in found.samples]
        known = [figure.value for figure in values if figure is not None]
        band = None
        if known:
            low, high = np.quantile(known, [(1 - BAND_SHARE) / 2, (1 + BAND_SHARE) / 2])
            band = float(low), float(high)
        rows.append(FigureRow(metric, figure_of(found.dvh, metric, prescription), reference, band))
    return rows


def _dvh(points: StructurePoints, dose: Volume) -> Dvh:
    return dvh_of(points, dose_at(dose, points.places_mm))


def _short(dvh: Dvh) -> Dvh:
    """Neighbouring doses put together, but for the lowest and highest: many samples of a body must fit in memory."""
    count = len(dvh.doses)
    if count <= _SAMPLE_PARTS:
        return dvh
    starts = np.unique(np.linspace(0, count - 1, _SAMPLE_PARTS).astype(int))
    starts = np.unique([*starts, 1])
    volumes = np.add.reduceat(dvh.volumes_cc, starts)
    doses = np.add.reduceat(dvh.doses * dvh.volumes_cc, starts) / volumes
    return Dvh(doses.astype(np.float32), volumes, dvh.unknown_cc)
