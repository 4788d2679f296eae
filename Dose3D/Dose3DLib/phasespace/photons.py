"""Photons as models see them: an array of six columns, and where histories begin."""

from __future__ import annotations

import numpy as np

from .particles import Particles

__all__ = ["PHOTON", "RAW", "history_ids", "is_usable", "photon_array"]

PHOTON = 1
"""Type code of a photon."""

RAW = ("x", "y", "u", "v", "w", "energy")
"""Columns of a photon array: X, Y [cm] in the plane, dX, dY, dZ (unit vector), E [MeV]."""


def photon_array(particles: Particles) -> np.ndarray:
    """The six columns `RAW` of all particles, float32 (n, 6); the species is not looked at."""
    return np.column_stack([getattr(particles, name) for name in RAW]).astype(np.float32, copy=False)


def history_ids(is_new_history: np.ndarray) -> np.ndarray:
    """A number for each particle that particles of one history share, int64 (n,), counted from 0.

    Particles before the first start belong to history 0: a file may be cut within a history.
    """
    ids = np.cumsum(is_new_history, dtype=np.int64)
    return ids - ids[0] if len(ids) else ids


def is_usable(photons: np.ndarray) -> np.ndarray:
    """Which of photons (n, 6) a model can learn: finite, E > 0, a unit vector that points downstream (dZ > 0)."""
    finite = np.isfinite(photons).all(axis=1)
    length = np.square(photons[:, 2:5], dtype=np.float64).sum(axis=1)
    return finite & (photons[:, 5] > 0) & (photons[:, 4] > 0) & (np.abs(length - 1) < 1e-3)
