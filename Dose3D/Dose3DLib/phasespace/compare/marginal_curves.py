"""Marginals of both sides of a comparison as numbers, for plots elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..marginals import MARGINALS, marginal

if TYPE_CHECKING:
    from .sides import Side

__all__ = ["marginal_curves"]

_MOST = 500_000
"""Of larger sides photons at equal steps: bins of a plot need no more."""


def marginal_curves(real: Side, generated: Side) -> dict[str, dict[str, Any]]:
    """Each key of MARGINALS: titles `x` and `y`, `places` and the shares `original` and `generated`; JSON values."""
    sides = [_columns(side) for side in (real, generated)]
    curves = {}
    for name, (_, x_title, y_title) in MARGINALS.items():
        places, (original, made) = marginal(name, sides)
        shares = {"original": original.tolist(), "generated": made.tolist()}
        curves[name] = {"x": x_title, "y": y_title, "places": places.tolist(), **shares}
    return curves


def _columns(side: Side) -> dict[str, np.ndarray]:
    photons = side.photons[:: -(-len(side) // _MOST)]
    names = ("x_cm", "y_cm", "u", "v", "w", "energy_mev")
    return {**dict(zip(names, photons.T, strict=True)), "weight": np.ones(len(photons))}
