"""Covariance of doses along a line: Matern with smoothness 3/2, of points and of means over intervals, in closed form.

k(r) = (1 + s r) exp(-s r), s = sqrt(3) / length; its first and second integral give the means exactly.
"""

from __future__ import annotations

import numpy as np

__all__ = ["between_means", "mean_with_point", "point_covariance"]


def point_covariance(distance_mm: np.ndarray, length_mm: float) -> np.ndarray:
    """Of the values at two points."""
    r = np.sqrt(3.0) / length_mm * np.abs(distance_mm)
    return (1 + r) * np.exp(-r)


def mean_with_point(distance_mm: np.ndarray, width_mm: np.ndarray, length_mm: float) -> np.ndarray:
    """Of the mean over an interval of `width_mm` with the value at a point `distance_mm` from its middle."""
    half = np.asarray(width_mm) / 2
    return (_first(distance_mm + half, length_mm) - _first(distance_mm - half, length_mm)) / width_mm


def between_means(distance_mm: np.ndarray, width_mm: np.ndarray, other_mm: np.ndarray, length_mm: float) -> np.ndarray:
    """Of the means over two intervals whose middles are `distance_mm` apart."""
    wide, narrow = (width_mm + other_mm) / 2, (width_mm - other_mm) / 2
    total = sum(
        sign * _second(distance_mm + shift, length_mm)
        for sign, shift in ((1, wide), (-1, narrow), (-1, -narrow), (1, -wide))
    )
    return total / (width_mm * other_mm)


def _first(at: np.ndarray, length_mm: float) -> np.ndarray:
    """Integral of k from 0; odd."""
    s, r = np.sqrt(3.0) / length_mm, np.abs(at)
    return np.sign(at) * (2 / s - np.exp(-s * r) * (2 / s + r))


def _second(at: np.ndarray, length_mm: float) -> np.ndarray:
    """Integral of the first one from 0; even."""
    s, r = np.sqrt(3.0) / length_mm, np.abs(at)
    return 2 * r / s - (3 - np.exp(-s * r) * (3 + s * r)) / s**2
