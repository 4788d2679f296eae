"""Picture of readings against the dose that was found from them."""

from __future__ import annotations

import numpy as np

from .photon_figures import BLUE, INK, new_figure, png_of, style

__all__ = ["readings_figure"]

_MISSED = "#b22328"


def readings_figure(measured: np.ndarray, fitted: np.ndarray, sd: np.ndarray) -> bytes:
    """Difference of each cell's mean from its reading over the reading, with two standard deviations; PNG."""
    figure = new_figure(2.6)
    axes = figure.add_axes((0.085, 0.17, 0.9, 0.78))
    order = np.argsort(measured)
    axes.fill_between(measured[order], -2 * sd[order], 2 * sd[order], color=BLUE, alpha=0.15, linewidth=0)
    difference = fitted - measured
    missed = np.abs(difference) > 2 * sd
    for chosen, color in ((~missed, BLUE), (missed, _MISSED)):
        axes.plot(measured[chosen], difference[chosen], "o", markersize=2.5, color=color, alpha=0.6, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.5)
    axes.set_xlabel("measured (Gy)")
    axes.set_ylabel("dose minus measured (Gy)")
    style(axes)
    return png_of(figure)
