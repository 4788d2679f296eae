"""Naive generators that a model must beat: every marginal right, the rest forgotten or made Gaussian."""

from __future__ import annotations

import numpy as np

from ..photons import RAW
from .sides import Side

__all__ = ["gaussian_copula", "shuffled"]

_LEARNED = [RAW.index(name) for name in ("x", "y", "u", "v", "energy")]


def shuffled(side: Side, rng: np.random.Generator) -> Side:
    """Every variable permuted on its own: all marginals kept exactly, all dependence lost."""
    photons = np.column_stack([rng.permutation(values) for values in side.photons.T])
    return Side(photons, np.arange(len(photons)), "every variable shuffled", side.plane_cm)


def gaussian_copula(side: Side, n: int, rng: np.random.Generator) -> Side:
    """n photons with the marginals of X, Y, dX, dY and E and a normal dependence of their ranks; dZ by the unit norm.

    Photons with dX^2 + dY^2 >= 1 are impossible and drawn again.
    """
    from scipy.special import ndtr, ndtri

    values = np.sort(side.photons[:, _LEARNED].astype(np.float64), axis=0)
    ranks = np.argsort(np.argsort(side.photons[:, _LEARNED], axis=0, kind="stable"), axis=0)
    correlation = np.corrcoef(ndtri((ranks + 0.5) / len(side)), rowvar=False)
    correlation = np.nan_to_num(correlation) + 1e-9 * np.eye(len(_LEARNED))
    root = np.linalg.cholesky(correlation)
    kept = np.empty((0, len(_LEARNED)))
    while len(kept) < n:
        levels = ndtr(rng.standard_normal((n, len(_LEARNED))) @ root.T)
        places = np.minimum((levels * len(side)).astype(np.int64), len(side) - 1)
        drawn = np.take_along_axis(values, places, axis=0)
        kept = np.concatenate([kept, drawn[np.hypot(drawn[:, 2], drawn[:, 3]) < 1]])
    x, y, u, v, energy = kept[:n].T
    photons = np.column_stack([x, y, u, v, np.sqrt(1 - u**2 - v**2), energy]).astype(np.float32)
    return Side(photons, np.arange(n), "Gaussian copula", side.plane_cm)
