"""Fluence, mean energy and spectrum in rings around the middle of the field, with errors by bootstrap over histories.

The hardening of the beam by the filter shows here: how energy falls with radius is what models miss most easily.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .bootstrap import GROUPS, group_sums, groups_of_histories, half_pairs, resampled, spread

if TYPE_CHECKING:
    from .sides import Side

__all__ = ["RingFigure", "Rings", "compare_rings"]

_RINGS = 14
_ZONES = 3  # of rings, for the spectrum
_ENERGY_BINS = 16
_NARROWEST_CM = 1e-3
_OUTERMOST = 99.0  # percentile of the real radii: beyond are too few photons for an error
_FLOOR_DRAWS = 100
_LINE_MEV = (0.509, 0.513)  # no limit of a bin within the annihilation line: its floats would fall on both sides
_WITHIN = 2.0

_Measure = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class RingFigure:
    """One quantity in all bins, real and generated, with standard errors.

    Parameters
    ----------
    name, unit:
        "mean energy", "MeV" ...
    real, real_error, generated, generated_error:
        one value a bin; None where a side has no photon.
    worst:
        the largest difference in units of its standard error.
    within:
        share of the bins whose difference is at most two standard errors; about 95 % when both sides are alike.
    floor:
        median and 95th percentile of `worst` when the halves of the real side are compared so (by whole histories).
    """

    name: str
    unit: str
    real: tuple[float | None, ...]
    real_error: tuple[float | None, ...]
    generated: tuple[float | None, ...]
    generated_error: tuple[float | None, ...]
    worst: float
    within: float
    floor: tuple[float, float]

    @property
    def verdict(self) -> str:
        """Whether the worst bin is one that real against real shows, too."""
        if self.worst <= self.floor[1]:
            return "within error"
        return f"worst bin off by {self.worst:.3g} standard errors; real against real up to {self.floor[1]:.3g}"


@dataclass(frozen=True)
class Rings:
    """Limits of the rings, of the zones (cm) and of the energies (MeV), and the figures.

    `spectra` has one figure a zone: the share of its photons in each bin of energy. Photons outside the last ring don't
    count; fluence is photons per cm^2, divided by all photons of the side.
    """

    center_cm: tuple[float, float]
    limits_cm: tuple[float, ...]
    zones_cm: tuple[float, ...]
    energies_mev: tuple[float, ...]
    fluence: RingFigure
    energy: RingFigure
    spectra: tuple[RingFigure, ...]

    @property
    def figures(self) -> tuple[RingFigure, ...]:
        """All of them."""
        return self.fluence, self.energy, *self.spectra


def compare_rings(real: Side, generated: Side, rng: np.random.Generator) -> Rings:
    """Rings of equal width out to the radius within which 99 % of the real photons lie."""
    center = (float(np.median(real.column("x"))), float(np.median(real.column("y"))))
    limits = np.linspace(0, max(np.percentile(_radius(real, center), _OUTERMOST), _NARROWEST_CM), _RINGS + 1)
    zones = limits[np.linspace(0, _RINGS, _ZONES + 1).round().astype(int)]
    energies = _energy_limits(real.column("energy"))
    groups = [groups_of_histories(side.history, rng) for side in (real, generated)]
    sums = [_ring_sums(*pair, center, limits) for pair in zip((real, generated), groups, strict=True)]
    spectra = [_spectrum_sums(*pair, center, (zones, energies)) for pair in zip((real, generated), groups, strict=True)]
    areas = np.pi * np.diff(limits**2)
    return Rings(
        center,
        *(tuple(np.round(values, 6).tolist()) for values in (limits, zones, energies)),
        fluence=_figure("fluence", "1/cm2", sums, lambda total: total[..., 0] / total[..., 2] / areas, rng),
        energy=_figure("mean energy", "MeV", sums, lambda total: _ratio(total[..., 1], total[..., 0]), rng),
        spectra=tuple(
            _figure(f"spectrum, {zones[z]:.3g} to {zones[z + 1]:.3g} cm", "share", [one[:, z] for one in spectra],
                    lambda total: _ratio(total, total.sum(axis=-1, keepdims=True)), rng)
            for z in range(_ZONES)
        ),
    )  # fmt: skip


def _radius(side: Side, center: tuple[float, float]) -> np.ndarray:
    return np.hypot(side.column("x") - center[0], side.column("y") - center[1])


def _energy_limits(energy: np.ndarray) -> np.ndarray:
    """Bins with about as many real photons each; the first and the last are open."""
    inner = np.percentile(energy, np.linspace(0, 100, _ENERGY_BINS + 1)[1:-1])
    inner = np.unique(np.where((inner > _LINE_MEV[0]) & (inner < _LINE_MEV[1]), _LINE_MEV[0], inner))
    return np.r_[0.0, inner, max(float(energy.max()), inner[-1] * 1.001)]


def _ring_sums(side: Side, group: np.ndarray, center: tuple[float, float], limits: np.ndarray) -> np.ndarray:
    """(groups, rings, 3): photons, their energy, and photons of the whole group."""
    places = np.searchsorted(limits, _radius(side, center), side="right") - 1
    bins = len(limits) - 1
    photons = group_sums(group, places, bins)
    energy = group_sums(group, places, bins, side.column("energy"))
    all_photons = np.bincount(group, minlength=GROUPS).astype(float)[:, None]
    return np.stack([photons, energy, np.broadcast_to(all_photons, photons.shape)], axis=-1)


def _spectrum_sums(
    side: Side, group: np.ndarray, center: tuple[float, float], limits: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """(groups, zones, energies) photons."""
    zones, energies = limits
    zone = np.searchsorted(zones, _radius(side, center), side="right") - 1
    bins = len(energies) - 1
    place = np.clip(np.searchsorted(energies, side.column("energy"), side="right") - 1, 0, bins - 1)
    flat = np.where((zone >= 0) & (zone < _ZONES), zone * bins + place, -1)
    return group_sums(group, flat, _ZONES * bins).reshape(GROUPS, _ZONES, bins)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below > 0)


def _figure(name: str, unit: str, sums: list[np.ndarray], measure: _Measure, rng: np.random.Generator) -> RingFigure:
    """A quantity of both sides from sums over groups; `measure` makes it from totals, for many draws at once."""
    values = [measure(one.sum(axis=0)) for one in sums]
    errors = [spread(measure(resampled(one, rng))) for one in sums]
    off = _off(values[0], values[1], errors[0], errors[1])
    floors = [
        _worst(_off(measure(sums[0][a].sum(axis=0)), measure(sums[0][b].sum(axis=0)), *2 * [np.sqrt(2) * errors[0]]))
        for a, b in half_pairs(len(sums[0]), _FLOOR_DRAWS, rng)
    ]
    shown = [_known(one) for one in (values[0], errors[0], values[1], errors[1])]
    within = float((off[np.isfinite(off)] <= _WITHIN).mean()) if np.isfinite(off).any() else 0.0
    return RingFigure(name, unit, *shown, worst=_worst(off), within=within, floor=_floor(floors))


def _off(a: np.ndarray, b: np.ndarray, error_a: np.ndarray, error_b: np.ndarray) -> np.ndarray:
    """Differences in units of their error; infinite where only one side has photons, NaN where none has."""
    error = np.hypot(error_a, error_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(a - b) / error
    off = np.where((a == b) & ~np.isfinite(off), 0.0, off)
    return np.where(np.isfinite(a) != np.isfinite(b), np.inf, off)


def _worst(off: np.ndarray) -> float:
    known = off[~np.isnan(off)]
    return float(known.max()) if known.size else 0.0


def _floor(draws: list[float]) -> tuple[float, float]:
    # Draws may be infinite, where only one half has photons: nothing is interpolated between them.
    median, high = np.percentile(draws, [50, 95], method="higher")
    return float(median), float(high)


def _known(values: np.ndarray) -> tuple[float | None, ...]:
    return tuple(float(value) if np.isfinite(value) else None for value in values)
