"""The picture of all figures of a comparison of photons beside their floors. PNG."""

from __future__ import annotations

from collections.abc import Sequence

from .photon_figures import BLUE, INK, ORANGE, new_figure, png_of, style

__all__ = ["floors_figure"]


def floors_figure(rows: Sequence[tuple[str, float, float, float]], title: str) -> bytes:
    """One line a figure: (label, value, median and 95th percentile of the floor), all over the median.

    The band is what real against real gives up to its 95th percentile; a dot within it is at the floor.
    """
    figure = new_figure(0.75 + 0.19 * len(rows))
    height = 0.75 + 0.19 * len(rows)
    axes = figure.add_axes((0.3, 0.5 / height, 0.67, 0.19 * len(rows) / height))
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
    figure.text(0.3, 1 - 0.06 / height, title, fontsize=8, color=INK, va="top")
    return png_of(figure)
