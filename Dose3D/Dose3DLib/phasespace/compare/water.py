"""Dose in water of real and generated photons: along depth, across, and per photon, with errors and floors.

Doses are per photon of the plane, never per their own maximum: a model whose photons crowd in the middle has the right
shape and the wrong output.
"""

from __future__ import annotations

import math
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
_LARGEST_HALF_WIDTH_CM = 30.0
_OUTSIDE_CM = 10.0  # of water around the field, for its scatter
_PART_OF_FIELD = 0.8
_BATCHES = 40
_PROFILE_DEPTH_CM = 10.0
_NEARLY = 0.1  # of a voxel: a field of 9.99 cm is one of 10 cm
_SLAB_HALF_CM = 2.0
_PROFILE_POINTS = 12.5  # about, in half a field: wider voxels have less noise


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
        half the side of the square over which the depth dose is averaged, and half the width of the band across a
        profile.
    profile_depth_cm:
        depth of profiles and output, in the middle of 4 cm over which they are averaged.
    merged:
        voxels that are one point of a profile and of the plane, to lower the noise.
    """

    tank: Tank
    ssd_cm: float
    central_half_width_cm: float
    profile_depth_cm: float = _PROFILE_DEPTH_CM
    merged: int = 1

    @property
    def across_cm(self) -> np.ndarray:
        """Points of profiles, from the middle."""
        return _merge(self.tank.across_cm, self.merged, 0)

    @property
    def plane_depths_cm(self) -> np.ndarray:
        """Depths of the rows of the plane."""
        return _merge(self.tank.depths_cm, self.merged, 0)

    @property
    def slab(self) -> np.ndarray:
        """Which depths profiles and output are averaged over."""
        return np.abs(self.tank.depths_cm - self.profile_depth_cm) <= max(_SLAB_HALF_CM, self.tank.step_cm / 2)


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
        (batches, depths, across) dose in the x-z plane, mean over the central band in y.
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

    The central square is 20 cm wide, less where the field is smaller.

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
    merged = max(1, round(max(field.half_widths_cm) / _PROFILE_POINTS / step_cm))
    outer = min(max(field.half_widths_cm) + _OUTSIDE_CM, _LARGEST_HALF_WIDTH_CM)
    tank = Tank(
        gap_cm=gap,
        center_cm=(step_cm * round(field.center_cm[0] / step_cm), step_cm * round(field.center_cm[1] / step_cm)),
        half_width_cm=float(merged * step_cm * max(1, math.ceil(outer / step_cm / merged - _NEARLY))),
        depth_cm=merged * step_cm * max(1, round(depth_cm / step_cm / merged)),
        step_cm=step_cm,
    )
    central = min(_CENTRAL_HALF_WIDTH_CM, _PART_OF_FIELD * min(field.half_widths_cm))
    return WaterPlan(
        tank,
        ssd_cm,
        step_cm * max(1, int(central / step_cm + _NEARLY)),
        min(_PROFILE_DEPTH_CM, tank.depth_cm / 2),
        merged,
    )


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
    central = np.abs(plan.tank.across_cm) < plan.central_half_width_cm
    slab = dose[:, :, plan.slab].mean(axis=2)
    depth = dose[central][:, central].mean(axis=(0, 1))
    along = [_merge(one, plan.merged, 0) for one in (slab[:, central].mean(axis=1), slab[central].mean(axis=0))]
    plane = dose[:, central].mean(axis=1).T
    return depth, *along, _merge(_merge(plane, plan.merged, 0), plan.merged, 1)


def _merge(values: np.ndarray, number: int, axis: int) -> np.ndarray:
    """Means of `number` neighbours along an axis."""
    shape = values.shape
    return values.reshape(*shape[:axis], shape[axis] // number, number, *shape[axis + 1 :]).mean(axis=axis + 1)
