"""Marginals of photons for plots: the distribution of one variable, of one or several sets in the same bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["MARGINALS", "marginal"]

_BINS = 80

MARGINALS: dict[str, tuple[str, str, str]] = {
    "Energy": ("energy_mev", "energy (MeV)", "share per MeV"),
    "X": ("x_cm", "X (cm)", "share per cm"),
    "Y": ("y_cm", "Y (cm)", "share per cm"),
    "dX": ("u", "dX", "share per unit"),
    "dY": ("v", "dY", "share per unit"),
    "dZ": ("w", "dZ", "share per unit"),
    "Fluence": ("radius", "distance from the axis (cm)", "share per cm2"),
}
"""Name -> column, title of the axis, title of the values. "Fluence" is per area of the ring around X = Y = 0."""


def marginal(name: str, photons: Sequence[Mapping[str, np.ndarray]]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Middles of 80 equal bins that hold all sets, and the weighted shares of each set per unit of the variable.

    Parameters
    ----------
    name:
        a key of MARGINALS.
    photons:
        sets with `x_cm`, `y_cm`, `u`, `v`, `w`, `energy_mev`, `weight`, each of one length.

    Returns
    -------
    (80,) middles and (80,) values a set; each sums to 1 over the bins' widths (areas), an empty set to 0.
    """
    column = MARGINALS[name][0]
    values = [_values(one, column) for one in photons]
    found = np.concatenate(values) if values else np.zeros(0)
    low, high = (float(found.min()), float(found.max())) if len(found) else (0.0, 1.0)
    low = 0.0 if column in ("energy_mev", "radius") else low
    edges = np.linspace(low, high, _BINS + 1) if high > low else np.linspace(low - 0.5, low + 0.5, _BINS + 1)
    sizes = np.pi * np.diff(edges**2) if column == "radius" else np.diff(edges)
    shares = [_share(one, here, edges) / sizes for one, here in zip(photons, values, strict=True)]
    return (edges[:-1] + edges[1:]) / 2, shares


def _values(photons: Mapping[str, np.ndarray], column: str) -> np.ndarray:
    if column != "radius":
        return np.asarray(photons[column], np.float64)
    return np.hypot(np.asarray(photons["x_cm"], np.float64), np.asarray(photons["y_cm"], np.float64))


def _share(photons: Mapping[str, np.ndarray], values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    weights = np.asarray(photons["weight"], np.float64)
    sums, _ = np.histogram(values, edges, weights=weights)
    return sums / max(weights.sum(), 1e-300)
