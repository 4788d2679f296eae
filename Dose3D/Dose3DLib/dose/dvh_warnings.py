"""Where the grid decides a figure: structures of few voxels, steep gradients, a dose that ends within a structure."""

from __future__ import annotations

from ..geometry.grid import Volume
from .dvh import Dvh, dose_at, dvh_of
from .dvh_metrics import figure_of, parse_metric
from .structure_points import StructurePoints

__all__ = ["grid_warnings"]

FEWEST_VOXELS = 100
"""Fewer voxels of the dose than this, and a shift of its grid by half a voxel is seen in the figures."""

FEWEST_SLICES = 3
SHARE_OF_MAXIMUM = 0.02
"""Figures that change by more than this share of the highest dose when voxels are read whole hang on the grid."""

_FIGURES = tuple(parse_metric(name) for name in ("D95%", "D2%", "Mean"))


def grid_warnings(name: str, points: StructurePoints, dvh: Dvh, dose: Volume) -> list[str]:
    """Sentences on a structure whose figures are less sure than their digits say."""
    warnings = []
    if dvh.unknown_cc > 0:
        share = 100 * dvh.unknown_cc / dvh.volume_cc
        where = "the dose grid ends within it" if not dvh.is_empty else "it lies outside the dose grid"
        warnings.append(f"{name}: {where}; {share:.3g} % of its volume has no known dose (not counted as 0 Gy).")
    voxels = points.volume_cc * 1000 / dose.grid.voxel_volume_mm3
    if dvh.is_empty:
        return warnings
    if voxels < FEWEST_VOXELS:
        warnings.append(f"{name}: its volume is that of {voxels:.0f} voxels of the dose; the grid decides its figures.")
    if points.slices < FEWEST_SLICES:
        plural = "" if points.slices == 1 else "s"
        warnings.append(f"{name}: it lies on {points.slices} slice{plural}, so its ends in z are a guess.")
    if points.gaps:
        which = "1 slice between its ends has" if points.gaps == 1 else f"{points.gaps} slices between its ends have"
        warnings.append(f"{name}: {which} nothing of it, and count as empty.")
    return warnings + _gradient(name, points, dvh, dose)


def _gradient(name: str, points: StructurePoints, dvh: Dvh, dose: Volume) -> list[str]:
    """Compare trilinear values with those of whole voxels: where they differ, the dose falls within a voxel."""
    whole = dvh_of(points, dose_at(dose, points.places_mm, order=0))
    limit = SHARE_OF_MAXIMUM * float(dose.array.max())
    parts = []
    for metric in _FIGURES:
        smooth, rough = figure_of(dvh, metric), figure_of(whole, metric)
        if smooth and rough and abs(smooth.value - rough.value) > limit:
            parts.append(f"{metric.name} is {smooth.value:.2f} Gy, by whole voxels {rough.value:.2f}")
    return [f"{name}: the dose is steep for its grid: {'; '.join(parts)}."] if parts else []
