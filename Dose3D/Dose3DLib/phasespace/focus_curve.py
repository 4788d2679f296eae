"""How wide the straight paths back of photons spread in other planes: place and spot of the source of a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .focus import back_projected, best_focus, robust_sigma
from .particles import Particles
from .transform import reaches_plane, to_plane

__all__ = ["FOCUS_PHOTONS", "FocusCurve", "find_focus"]

FOCUS_PHOTONS = 50_000
"""So many photons give sigmas to one percent."""

_FEWEST = 100
_PLANES = 61
_RANGE = 0.2
_SPOT_BINS = 120
_SPOT_SIGMAS = 8.0
_WITHIN_CM = (0.1, 0.2, 0.5, 1.0, 3.0)
_FARTHEST_CM = 990.0
_NARROWER = 0.8


@dataclass(frozen=True, eq=False)
class FocusCurve:
    """Of `photons` photons; lengths cm, in the frame of the file.

    Parameters
    ----------
    z, sigma_x, sigma_y:
        planes, and the robust sigmas (from the quartiles) of the positions in each.
    best_z, best_x, best_y:
        the plane where the product of the sigmas is least, and the sigmas there.
    centre:
        medians of x and y in that plane.
    spot_edges, spot_x, spot_y:
        shares of the photons per cm in bins around the centre in that plane.
    within:
        share of the photons by distance from the centre, cm.
    is_parallel:
        True where the paths do not come closer together within 10 m.
    """

    photons: int
    z: np.ndarray
    sigma_x: np.ndarray
    sigma_y: np.ndarray
    best_z: float
    best_x: float
    best_y: float
    centre: tuple[float, float]
    spot_edges: np.ndarray
    spot_x: np.ndarray
    spot_y: np.ndarray
    within: dict[float, float]
    is_parallel: bool = False


def find_focus(particles: Particles) -> FocusCurve | None:
    """The focus of the photons among some particles; None where they are too few or point in no common direction.

    Beams towards -z are looked at in a mirror. Photons of different z are first brought into their median plane.
    """
    photons = particles.select((particles.species == 1) & (np.abs(particles.x) < 1e6) & (np.abs(particles.y) < 1e6))
    if len(photons) < _FEWEST:
        return None
    sign = 1.0 if np.median(photons.w) >= 0 else -1.0
    photons = photons.select(sign * photons.w > 0.1)
    if len(photons) < _FEWEST:
        return None
    plane = float(np.median(photons.z))
    columns = _columns(photons.select(reaches_plane(photons, plane)), plane, sign)
    return _curve(columns, sign * plane, sign)


def _columns(photons: Particles, plane: float, sign: float) -> np.ndarray:
    """(n, 6) x, y, u, v, w, energy in the common plane, going up in z."""
    moved = to_plane(photons, plane)
    return np.column_stack([moved.x, moved.y, moved.u, moved.v, sign * moved.w, moved.energy])


def _curve(photons: np.ndarray, plane: float, sign: float) -> FocusCurve:
    best = best_focus(photons, plane)
    reach = _RANGE * (plane - best)
    z = np.linspace(best - reach, best + reach, _PLANES)
    sigmas = np.array([[robust_sigma(values) for values in back_projected(photons, plane - at)] for at in z])
    x, y = back_projected(photons, plane - best)
    centre = float(np.median(x)), float(np.median(y))
    spread = robust_sigma(x), robust_sigma(y)
    half = max(_SPOT_SIGMAS * max(spread), 1e-6)
    edges = np.linspace(-half, half, _SPOT_BINS + 1)
    spots = [np.histogram(values - middle, edges)[0] / len(values) / np.diff(edges)
             for values, middle in zip((x, y), centre, strict=True)]  # fmt: skip
    distance = np.hypot(x - centre[0], y - centre[1])
    within = {limit: float(np.mean(distance <= limit)) for limit in _WITHIN_CM}
    here = robust_sigma(photons[:, 0]) * robust_sigma(photons[:, 1])
    is_parallel = plane - best > _FARTHEST_CM or spread[0] * spread[1] > _NARROWER * here
    order = slice(None) if sign > 0 else slice(None, None, -1)
    return FocusCurve(
        len(photons), sign * z[order], sigmas[order, 0], sigmas[order, 1], sign * best, *spread, centre, edges, *spots,
        within, is_parallel,
    )  # fmt: skip
