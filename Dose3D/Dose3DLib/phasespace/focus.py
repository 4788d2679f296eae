"""Where photons seem to come from: the plane in which their straight paths back are closest together."""

from __future__ import annotations

import numpy as np

__all__ = ["back_projected", "best_focus", "robust_sigma"]

_NORMAL_IQR = 1.3489795
_FARTHEST_CM = 1000.0
_LOOKED_AT = 200_000


def back_projected(photons: np.ndarray, distance_cm: float) -> tuple[np.ndarray, np.ndarray]:
    """x and y [cm], float64, of photons (n, 6) where their paths cross the plane `distance_cm` upstream of theirs."""
    x, y, u, v, w = (photons[:, column].astype(np.float64) for column in range(5))
    return x - distance_cm * u / w, y - distance_cm * v / w


def robust_sigma(values: np.ndarray) -> float:
    """Spread of the core: a normal distribution's sigma from the quartiles, so that scatter does not count."""
    low, high = np.percentile(values, [25, 75])
    return float(high - low) / _NORMAL_IQR


def best_focus(photons: np.ndarray, plane_cm: float) -> float:
    """z [cm] of the plane upstream of `plane_cm` in which photons (n, 6) are closest together.

    The product of the robust sigmas in x and y is minimised: first over a geometric series of distances, then by
    golden section. A parallel beam has no focus; then the farthest plane looked at, 10 m upstream, is given.
    """
    some = photons[:: max(1, len(photons) // _LOOKED_AT)]
    distances = np.geomspace(0.01, _FARTHEST_CM, 120)
    spreads = [_spread(some, distance) for distance in distances]
    at = int(np.argmin(spreads))
    low, high = distances[max(at - 1, 0)], distances[min(at + 1, len(distances) - 1)]
    return plane_cm - _golden_section(some, float(low), float(high))


def _spread(photons: np.ndarray, distance: float) -> float:
    x, y = back_projected(photons, distance)
    return robust_sigma(x) * robust_sigma(y)


def _golden_section(photons: np.ndarray, low: float, high: float) -> float:
    ratio = (5**0.5 - 1) / 2
    while high - low > 1e-3:
        inner = high - ratio * (high - low), low + ratio * (high - low)
        if _spread(photons, inner[0]) < _spread(photons, inner[1]):
            high = inner[1]
        else:
            low = inner[0]
    return (low + high) / 2
