"""Photons of two sides beside each other: the distribution of each variable, real filled, generated as a line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["LABELS", "marginals_figure", "save_marginals"]

LABELS = ("X [cm]", "Y [cm]", "dX", "dY", "dZ", "E [MeV]")
"""Of the columns of a photon array, with units."""

_BINS = 100
_REAL, _MADE = "#9db8c7", "#b3402e"


def marginals_figure(real: np.ndarray, made: np.ndarray, names: tuple[str, str] = ("real", "generated")) -> Figure:
    """Six panels, photons (n, 6) each; the range is the real side's, densities integrate to one over all photons."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    for column, label in enumerate(LABELS):
        axes = figure.add_subplot(2, 3, column + 1)
        _panel(axes, real[:, column], made[:, column], names)
        axes.set_xlabel(label)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def save_marginals(path: Path, real: np.ndarray, made: np.ndarray, title: str = "") -> None:
    """Write the figure as PNG, replacing `path` only when it is complete: somebody may be looking at it."""
    figure = marginals_figure(real, made)
    if title:
        figure.suptitle(title, fontsize=10)
    draft = path.with_name(path.stem + ".part.png")
    figure.savefig(draft, dpi=110)
    draft.replace(path)


def _panel(axes: Axes, real: np.ndarray, made: np.ndarray, names: tuple[str, str]) -> None:
    low, high = np.percentile(real, [0.05, 99.95])
    margin = 0.02 * max(high - low, 1e-6)
    edges = np.linspace(low - margin, high + margin, _BINS + 1)
    width = edges[1] - edges[0]
    heights = [np.histogram(values, edges)[0] / (len(values) * width) for values in (real, made)]
    axes.stairs(heights[0], edges, fill=True, color=_REAL, label=names[0])
    axes.stairs(heights[1], edges, color=_MADE, linewidth=1.2, label=names[1])
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.margins(x=0)
