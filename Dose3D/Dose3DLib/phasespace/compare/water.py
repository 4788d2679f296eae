"""Dose in water of real and generated photons: along depth, across, and per photon, with errors and floors.

Doses are per photon of the plane, never per their own maximum: a model whose photons crowd in the middle has the right
shape and the wrong output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import InputError
from ...core.progress import Progress
from .bootstrap import groups_of_histories
from .edges import field_of
from .water_engine import Tank, WaterEngine

if TYPE_CHECKING:
    from .sides import Focus, Side

__all__ = ["FGY_PER_MEV_G", "DoseDraws", "WaterPlan", "batches", "dose_draws", "plan_of"]

FGY_PER_MEV_G = 1.602176634e5
"""1 MeV/g in fGy (1e-15 Gy)."""

_CENTRAL_HALF_WIDTH_CM = 10.0
_BAND_HALF_WIDTH_CM = 5.0
_LARGEST_HALF_WIDTH_CM = 30.0
_OUTSIDE_CM = 5.0
_PART_OF_FIELD = 0.8
_BATCHES = 40
_PROFILE_DEPTH_CM = 10.0


@dataclass(frozen=True)
class WaterPlan:
    """What is irradiated and what is read from it.

    Parameters
    ----------
    tank:
        the water.
    ssd_cm:
        from the focus of the photons to the surface.
    central_half_width_cm:
        half the side of the square over which the depth dose is averaged.
    band_half_width_cm:
        half the width of the band over which a profile is averaged, across it.
    profile_depth_cm:
        middle of the 2 cm of depth of the profiles, and depth of the output.
    """

    tank: Tank
    ssd_cm: float
    central_half_width_cm: float
    band_half_width_cm: float
    profile_depth_cm: float = _PROFILE_DEPTH_CM


@dataclass(frozen=True, eq=False)
class DoseDraws:
    """Doses of batches that share no history, fGy per photon.

    Parameters
    ----------
    name, plan:
        whose dose, in which water.
    photons, uses:
        different photons, and how often each was transported.
    depth:
        (batches, depths) mean over the central square.
    x, y:
        (batches, across) profiles at the profile depth.
    plane:
        (batches, depths, across) dose in the x-z plane, mean over the band in y.
    """

    name: str
    plan: WaterPlan
    photons: int
    uses: int
    depth: np.ndarray
    x: np.ndarray
    y: np.ndarray
    plane: np.ndarray


def plan_of(real: Side, focus: Focus, ssd_cm: float = 100.0, depth_cm: float = 30.0, step_cm: float = 1.0) -> WaterPlan:
    """Place and size of the water, from the real photons: the surface lies `ssd_cm` from their focus.

    The central square is 20 cm wide and a profile's band 10 cm, less where the field is smaller.

    Raises
    ------
    InputError
        the plane of the photons lies behind the surface.
    """
    gap = ssd_cm - focus.distance_cm
    if gap < 0:
        cause = f"lies {focus.distance_cm:.4g} cm from its focus, behind a surface at {ssd_cm:g} cm"
        raise InputError(real.name, cause, "choose a larger distance, or leave the dose out")
    field = field_of(_moved(real, gap))
    half = min(field.half_widths_cm)
    outer = min(max(field.half_widths_cm) + _OUTSIDE_CM, _LARGEST_HALF_WIDTH_CM)
    tank = Tank(
        gap_cm=gap,
        center_cm=tuple(step_cm * round(c / step_cm) for c in field.center_cm),
        half_width_cm=max(1.0, np.ceil(outer / step_cm)) * step_cm,
        depth_cm=max(1, round(depth_cm / step_cm)) * step_cm,
        step_cm=step_cm,
    )
    central, band = (
        max(1, int(min(wanted, _PART_OF_FIELD * half) / step_cm)) * step_cm
        for wanted in (_CENTRAL_HALF_WIDTH_CM, _BAND_HALF_WIDTH_CM)
    )
    return WaterPlan(tank, ssd_cm, central, band, min(_PROFILE_DEPTH_CM, depth_cm - step_cm))


def _moved(side: Side, distance_cm: float) -> Side:
    """The photons where their paths cross a plane downstream."""
    photons = side.photons.copy()
    ahead = np.maximum(photons[:, 4:5], 1e-3)
    photons[:, :2] += distance_cm * photons[:, 2:4] / ahead
    return replace(side, photons=photons)


def batches(side: Side, rng: np.random.Generator, number: int = _BATCHES) -> Iterator[Side]:
    """The photons in parts of about equal size that share no history."""
    group = groups_of_histories(side.history, rng, number)
    order = np.argsort(group, kind="stable")
    limits = np.searchsorted(group[order], np.arange(number + 1))
    for start, stop in zip(limits[:-1], limits[1:], strict=True):
        if stop > start:
            yield replace(side, photons=side.photons[order[start:stop]], history=side.history[order[start:stop]])


def dose_draws(
    parts: Iterable[Side], engine: WaterEngine, plan: WaterPlan, uses: int, seed: int, progress: Progress | None = None
) -> DoseDraws:
    """Transport parts of a side that share no history (see `batches`; blocks of a model are such parts, too).

    Parameters
    ----------
    parts:
        at least two; each is a draw of the error.
    uses:
        how often each photon is transported: more than once lowers the noise of the transport, not that of the file.

    Raises
    ------
    InputError
        fewer than two parts.
    Cancelled
    """
    progress = progress or Progress()
    name, photons, found = "", 0, []
    for number, part in enumerate(parts):
        dose = engine.dose(part, uses, seed + number) * FGY_PER_MEV_G
        found.append(_read(dose, plan))
        name, photons = part.name, photons + len(part)
        progress.report(1 - 0.9 ** (number + 1), f"dose in water of {name}: {photons:,} photons")
    if len(found) < 2:
        raise InputError(name or "the photons", "have fewer than two histories, a dose has no error", "give more")
    return DoseDraws(name, plan, photons, uses, *(np.array(values) for values in zip(*found, strict=True)))


def _read(dose: np.ndarray, plan: WaterPlan) -> tuple[np.ndarray, ...]:
    """Depth dose, profiles along x and y and the x-z plane of a dose (x, y, z)."""
    across, depths = plan.tank.across_cm, plan.tank.depths_cm
    central = np.abs(across) < plan.central_half_width_cm
    band = np.abs(across) < plan.band_half_width_cm
    deep = np.abs(depths - plan.profile_depth_cm) <= plan.tank.step_cm
    slab = dose[:, :, deep].mean(axis=2)
    depth = dose[central][:, central].mean(axis=(0, 1))
    return depth, slab[:, band].mean(axis=1), slab[band].mean(axis=0), dose[:, band].mean(axis=1).T
