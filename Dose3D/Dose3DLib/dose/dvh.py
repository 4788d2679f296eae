"""Dose-volume histograms: how much of a structure's volume gets at least a dose.

The dose is trilinear between voxel centres and constant in the outer half of the outermost voxels. Beyond, and where
the grid holds NaN, it is unknown, never 0: such volume is counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.grid import Volume
from .structure_points import StructurePoints

__all__ = ["Dvh", "band", "curve_edges", "dose_at", "dvh_of", "together"]

_CHUNK = 400_000
_LEAST_UNKNOWN = 1e-6
"""A smaller share of a structure beyond the dose is rounding where both end together."""


@dataclass(frozen=True, eq=False)
class Dvh:
    """Doses within one structure with the volumes that have them.

    Parameters
    ----------
    doses:
        (n,) ascending; of equal small volumes, or of any.
    volumes_cc:
        (n,) float64.
    unknown_cc:
        volume without a known dose.
    """

    doses: np.ndarray
    volumes_cc: np.ndarray
    unknown_cc: float = 0.0

    def __post_init__(self) -> None:
        total = np.concatenate([[0.0], np.cumsum(self.volumes_cc[::-1])])[::-1]
        object.__setattr__(self, "_total", total)
        # Volume above the middle of each part: with the middles, a curve of small parts has no steps.
        object.__setattr__(self, "_above", (total[1:] + total[:-1]) / 2)

    @property
    def known_cc(self) -> float:
        return float(self._total[0])

    @property
    def volume_cc(self) -> float:
        """The structure's whole volume."""
        return self.known_cc + self.unknown_cc

    @property
    def is_empty(self) -> bool:
        """True when no part of the structure has a known dose."""
        return len(self.doses) == 0

    @property
    def mean(self) -> float:
        return float(np.average(self.doses.astype(np.float64), weights=self.volumes_cc))

    @property
    def minimum(self) -> float:
        return float(self.doses[0])

    @property
    def maximum(self) -> float:
        return float(self.doses[-1])

    def dose_of_volume(self, volume_cc: float) -> float:
        """The dose that the hottest `volume_cc` of the known part has at least; NaN where the part is smaller."""
        if volume_cc > self.known_cc * (1 + 1e-9):
            return float("nan")
        return float(np.interp(volume_cc, self._above[::-1], self.doses[::-1]))

    def volume_of_dose(self, dose: float | np.ndarray) -> np.ndarray:
        """Known cm^3 that get at least `dose`, part by part; doses are float32, so a millionth less counts, too."""
        return self._total[np.searchsorted(self.doses, np.asarray(dose) * (1 - 1e-6), side="left")]

    def differential(self, edges: np.ndarray) -> np.ndarray:
        """cm^3 with a dose between neighbouring edges; the last edge belongs to the last bin."""
        return np.histogram(self.doses, edges, weights=self.volumes_cc)[0]


def dvh_of(points: StructurePoints, doses: np.ndarray) -> Dvh:
    """The DVH of doses at a structure's points, (n,), NaN where unknown."""
    known = np.isfinite(doses)
    order = np.argsort(doses[known], kind="stable")
    unknown = float(points.volumes_cc[~known].sum())
    if unknown < _LEAST_UNKNOWN * points.volume_cc:
        unknown = 0.0
    return Dvh(doses[known][order], points.volumes_cc[known][order], unknown)


def together(dvhs: Sequence[Dvh]) -> Dvh:
    """The DVH of structures that share no volume, such as both parotids."""
    doses = np.concatenate([dvh.doses for dvh in dvhs])
    order = np.argsort(doses, kind="stable")
    volumes = np.concatenate([dvh.volumes_cc for dvh in dvhs])[order]
    return Dvh(doses[order], volumes, sum(dvh.unknown_cc for dvh in dvhs))


def dose_at(dose: Volume, places_mm: np.ndarray, order: int = 1) -> np.ndarray:
    """Dose at (n, 3) LPS places, float32: trilinear (order 1), or that of the voxel (order 0); NaN where unknown.

    The grid ends half a voxel beyond its outermost centres; in that half voxel the dose is that of the centre.
    """
    from scipy.ndimage import map_coordinates

    last = np.array(dose.array.shape)[:, None] - 1.0
    values = np.empty(len(places_mm), np.float32)
    for start in range(0, len(places_mm), _CHUNK):
        index = dose.grid.to_index(places_mm[start : start + _CHUNK]).T[::-1]
        inside = ((index >= -0.5 - 1e-6) & (index <= last + 0.5 + 1e-6)).all(axis=0)
        found = map_coordinates(dose.array, np.clip(index, 0, last), np.float32, order=order, mode="nearest")
        values[start : start + _CHUNK] = np.where(inside, found, np.nan)
    return values


def curve_edges(highest: float, width: float | None = None) -> np.ndarray:
    """Doses at which curves are listed: from 0 in steps of `width`, beyond the highest dose.

    Without a width it is 1, 2 or 5 times a power of ten, for 200 to 500 steps.
    """
    if width is None:
        rough = max(highest, 1e-6) / 400
        power = 10.0 ** np.floor(np.log10(rough))
        width = float(min((m * power for m in (1, 2, 5, 10)), key=lambda w: abs(np.log(w / rough))))
    return np.arange(int(np.ceil(highest / width * (1 - 1e-9))) + 2) * width


def band(dvhs: Sequence[Dvh], doses: np.ndarray, share: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Between which shares of the volume (at each dose, 0 to 1) the curves of `share` of the possible doses lie.

    Each curve is a share of the part that its own dose knows; those that know none are left out.
    """
    curves = np.array([dvh.volume_of_dose(doses) / dvh.known_cc for dvh in dvhs if not dvh.is_empty])
    if len(curves) == 0:
        return np.full(len(doses), np.nan), np.full(len(doses), np.nan)
    low, high = np.quantile(curves, [(1 - share) / 2, (1 + share) / 2], axis=0)
    return low, high
