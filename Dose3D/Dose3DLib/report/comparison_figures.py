"""Pictures of a comparison of photons: figures beside floors, curves with errors (rings, edges, dose). PNG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .photon_figures import BLUE, INK, ORANGE, new_figure, png_of, style

__all__ = ["curves_figure", "floors_figure", "histogram_figure"]

Curve = tuple[str, Sequence[float], Sequence[float | None], Sequence[float | None] | None]
"""Name, places, values, and standard errors or None."""


def floors_figure(rows: Sequence[tuple[str, float, float, float]], title: str) -> bytes:
    """One line a figure: (label, value, median and 95th percentile of the floor), all over the median.

    The band is what real against real gives up to its 95th percentile; a dot within it is at the floor.
    """
    figure = new_figure(0.75 + 0.19 * len(rows))
    height = 0.75 + 0.19 * len(rows)
    axes = figure.add_axes((0.26, 0.5 / height, 0.71, 0.19 * len(rows) / height))
    for n, (_, value, median, high) in enumerate(rows):
        place = len(rows) - 1 - n
        ratio = max(value / median, 0.3)
        axes.barh(place, high / median - 0.01, left=0.01, height=0.62, color="#d5e0e7")
        axes.plot([1, 1], [place - 0.31, place + 0.31], color=BLUE, linewidth=1.2)
        color = BLUE if value <= high else ORANGE
        axes.plot(ratio, place, "o", markersize=4.5, color=color)
    most = max([2.5, *(1.3 * max(value, high) / median for _, value, median, high in rows)])
    axes.set_xscale("log")
    axes.set_xlim(0.25, most)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_yticks(range(len(rows) - 1, -1, -1), [row[0] for row in rows])
    axes.set_xlabel("value over the median of real against real (band: up to its 95th percentile)")
    style(axes)
    axes.grid(False, axis="y")
    figure.text(0.26, 1 - 0.06 / height, title, fontsize=8, color=INK, va="top")
    return png_of(figure)


def curves_figure(panels: Sequence[tuple[str, str, Sequence[Curve]]], columns: int = 2) -> bytes:
    """Panels (title of x, title of y, curves); the first curve of a panel is the original."""
    rows = -(-len(panels) // columns)
    height = 0.3 + 2.2 * rows
    figure = new_figure(height)
    width = (1.0 - 0.02 - 0.085 * columns) / columns
    for n, (across, up, curves) in enumerate(panels):
        left = 0.085 + (width + 0.085) * (n % columns)
        axes = figure.add_axes((left, 1 - (0.3 + 2.2 * (n // columns) + 1.65) / height, width, 1.6 / height))
        for (name, places, values, errors), color in zip(curves, (BLUE, ORANGE, INK), strict=False):
            _curve(axes, (places, values, errors), color, name)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        style(axes)
    if figure.axes:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        place = (0.075, 1.0)
        figure.legend(handles, labels, loc="upper left", bbox_to_anchor=place, ncols=3, frameon=False, fontsize=8)
    return png_of(figure)


def _curve(axes: Any, data: tuple[Sequence, Sequence, Sequence | None], color: str, name: str) -> None:
    places, values = (np.array([np.nan if v is None else v for v in part], float) for part in data[:2])
    if data[2] is None:
        axes.plot(places, values, color=color, linewidth=1.1, label=name)
        return
    errors = np.array([np.nan if v is None else v for v in data[2]], float)
    axes.errorbar(places, values, errors, color=color, linewidth=1.0, marker="o", markersize=2.2, label=name)


def histogram_figure(
    limits: Sequence[float], sides: Sequence[tuple[str, Sequence[float]]], titles: tuple[str, str]
) -> bytes:
    """Histograms over the same limits, the first one filled."""
    figure = new_figure(2.3)
    axes = figure.add_axes((0.085, 0.2, 0.895, 0.67))
    for n, (name, values) in enumerate(sides):
        axes.stairs(values, limits, fill=n == 0, color=("#b9cdd8", ORANGE)[n > 0], linewidth=1.1, label=name)
    axes.set_xlabel(titles[0])
    axes.set_ylabel(titles[1])
    axes.legend(fontsize=7, frameon=False)
    style(axes)
    return png_of(figure)
