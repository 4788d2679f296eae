"""Pictures of two sets of photons, original and generated: marginals, maps, correlations, focus. PNG.

Photons are columns by name: `x`, `y`, `r` [cm], `u`, `v`, `w` (direction cosines), `energy` [MeV], and `focus_x`,
`focus_y` [cm], the positions traced back to the focus.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["BLUE", "INK", "ORANGE", "columns_of", "correlations_figure", "focus_figure", "maps_figure",
           "marginals_figure", "new_figure", "png_of", "style"]  # fmt: skip

Columns = Mapping[str, np.ndarray]

INK, BLUE, ORANGE = "#1b2733", "#2f6f8f", "#c0571a"
_FILL = "#b9cdd8"
_DPI, _PAGE_INCHES = 150, 7.1
_BINS, _MAP_BINS = 80, 70
_PULL = 5.0
_LINE_MEV = (0.505, 0.517)
_VARIABLES = {"x": "X (cm)", "y": "Y (cm)", "u": "dX", "v": "dY", "w": "dZ", "energy": "E (MeV)"}
_MAPS = {"x": ("x", "y"), "u": ("x", "u"), "energy": ("energy", "r")}
_LABELS = {**_VARIABLES, "r": "r (cm)", "focus_x": "x at the focus (cm)", "focus_y": "y at the focus (cm)"}


def columns_of(photons: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of an array (n, 6) of X, Y [cm], dX, dY, dZ, E [MeV], and the radius; without positions at the focus."""
    columns = dict(zip(("x", "y", "u", "v", "w", "energy"), photons.T, strict=True))
    return {**columns, "r": np.hypot(columns["x"], columns["y"])}


def marginals_figure(original: Columns, other: Columns, names: tuple[str, str]) -> bytes:
    """Distribution of each of the six variables, fluence over the radius, and the spectrum around 511 keV."""
    figure = new_figure(7.6)
    panels: list[Callable[[Any], None]] = [
        *(lambda axes, name=name: _marginal(axes, original, other, name) for name in _VARIABLES),
        lambda axes: _fluence(axes, original, other),
        lambda axes: _line(axes, original, other),
    ]
    for n, panel in enumerate(panels):
        axes = figure.add_axes((0.085 + 0.505 * (n % 2), 0.80 - 0.245 * (n // 2), 0.395, 0.165))
        panel(axes)
        style(axes)
    handles = [_patch(_FILL, names[0]), _patch(ORANGE, names[1])]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.075, 1.0), ncols=2, frameon=False, fontsize=8)
    return png_of(figure)


def _marginal(axes: Any, original: Columns, other: Columns, name: str) -> None:
    edges = _edges((original[name], other[name]), low=0.0 if name == "energy" else None)
    for columns, is_first in ((original, True), (other, False)):
        share = np.histogram(columns[name], edges)[0] / len(columns[name]) / np.diff(edges)
        _stairs(axes, share, edges, is_first)
    if name in ("w", "energy"):
        _logarithmic(axes, np.histogram(original[name], edges)[0] / len(original[name]) / np.diff(edges))
    axes.set_xlabel(_LABELS[name])
    axes.set_ylabel("share per MeV" if name == "energy" else "share per cm" if name in "xy" else "share per unit")


def _fluence(axes: Any, original: Columns, other: Columns) -> None:
    edges = _edges((original["r"], other["r"]), low=0.0)
    for columns, is_first in ((original, True), (other, False)):
        density = np.histogram(columns["r"], edges)[0] / len(columns["r"]) / (np.pi * np.diff(edges**2))
        _stairs(axes, density, edges, is_first)
    axes.set_xlabel("r (cm)")
    axes.set_ylabel("share per cm²")


def _line(axes: Any, original: Columns, other: Columns) -> None:
    edges = np.linspace(*_LINE_MEV, 49)
    for columns, is_first in ((original, True), (other, False)):
        _stairs(axes, 100 * np.histogram(columns["energy"], edges)[0] / len(columns["energy"]), 1000 * edges, is_first)
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_xlabel("E around the annihilation line (keV)")
    axes.set_ylabel("% per 0.25 keV")


def _stairs(axes: Any, values: np.ndarray, edges: np.ndarray, is_first: bool) -> None:
    if is_first:
        axes.stairs(values, edges, fill=True, color=_FILL)
    else:
        axes.stairs(values, edges, color=ORANGE, linewidth=1.1)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0, auto=True)


def _logarithmic(axes: Any, values: np.ndarray) -> None:
    """Down to half of the smallest value, since a logarithm has no zero."""
    filled = values[values > 0]
    if filled.size:
        axes.set_yscale("log")
        axes.set_ylim(0.5 * filled.min(), 3 * filled.max())


def maps_figure(original: Columns, other: Columns, names: tuple[str, str]) -> bytes:
    """X-Y, X-dX and E-r of both, and their difference in standard deviations of the counts."""
    figure = new_figure(6.6)
    for row, (across, up) in enumerate(_MAPS.values()):
        edges = tuple(_edges((original[name],), _MAP_BINS, 0.0 if name in ("energy", "r") else None)
                      for name in (across, up))  # fmt: skip
        counts = [np.histogram2d(one[across], one[up], bins=edges)[0] for one in (original, other)]
        _map_row(figure, 0.735 - 0.325 * row, counts, edges, (len(original[across]), len(other[across])))
        for axes in figure.axes[-4:-1]:
            axes.set_xlabel(_LABELS[across], fontsize=8, color=INK)
        for axes in figure.axes[-3:-1]:
            axes.tick_params(labelleft=False)
        figure.axes[-4].set_ylabel(_LABELS[up], fontsize=8, color=INK)
    for left, name in zip((0.085, 0.375, 0.665), (*names, "difference (standard deviations)"), strict=True):
        figure.text(left, 0.985, name, fontsize=8, color=INK, va="top")
    return png_of(figure)


def _map_row(figure: Any, bottom: float, counts: list[np.ndarray], edges: tuple, totals: tuple[int, int]) -> None:
    """Both maps with one scale of colours, and the pull of each pixel."""
    from matplotlib.colors import LogNorm

    first, second = (count / total for count, total in zip(counts, totals, strict=True))
    # The share of both together: a pixel that one side leaves empty is no surer than its neighbours.
    error = np.sqrt((counts[0] + counts[1]) / sum(totals) * (1 / totals[0] + 1 / totals[1]))
    pull = np.divide(second - first, error, out=np.zeros_like(first), where=error > 0)
    filled = first[first > 0]
    norm = LogNorm(filled.min(), np.percentile(filled, 99.9) * 1.001) if filled.size else None
    extent = (edges[0][0], edges[0][-1], edges[1][0], edges[1][-1])
    options = {"origin": "lower", "extent": extent, "aspect": "auto", "interpolation": "nearest"}
    for n, shares in enumerate((first, second)):
        axes = figure.add_axes((0.085 + 0.29 * n, bottom, 0.255, 0.225))
        axes.imshow(np.where(shares > 0, shares, np.nan).T, cmap="viridis", norm=norm, **options)
        style(axes, grid=False)
    axes = figure.add_axes((0.665, bottom, 0.255, 0.225))
    image = axes.imshow(pull.T, cmap="RdBu_r", vmin=-_PULL, vmax=_PULL, **options)
    style(axes, grid=False)
    bar = figure.colorbar(image, cax=figure.add_axes((0.93, bottom, 0.012, 0.225)))
    bar.ax.tick_params(labelsize=7, colors=INK)


def correlations_figure(original: np.ndarray, other: np.ndarray, names: tuple[str, str]) -> bytes:
    """Two (6, 6) matrices of correlations and their difference."""
    figure = new_figure(2.75)
    labels = [label.split(" ")[0] for label in _VARIABLES.values()]
    titles = (*names, "difference")
    for n, (matrix, title) in enumerate(zip((original, other, other - original), titles, strict=True)):
        limit = 1.0 if n < 2 else max(0.05, float(np.abs(matrix).max()))
        axes = figure.add_axes((0.05 + 0.325 * n, 0.08, 0.29, 0.29 * _PAGE_INCHES / 2.75))
        axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit)
        for (i, j), value in np.ndenumerate(matrix):
            color = "white" if abs(value) > 0.7 * limit else INK
            axes.text(j, i, _signed(value), ha="center", va="center", fontsize=6, color=color)
        axes.set_xticks(range(len(labels)), labels)
        axes.set_yticks(range(len(labels)), labels)
        style(axes, grid=False)
        axes.set_title(title, fontsize=8, color=INK, loc="left")
    return png_of(figure)


def _signed(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "\N{MINUS SIGN}")


def focus_figure(original: Columns, other: Columns, sigma_cm: float, names: tuple[str, str]) -> bytes:
    """Positions at the focus: the spot along x and along y, and the distance from it out to the wide scatter."""
    figure = new_figure(2.5)
    for n, name in enumerate(("focus_x", "focus_y")):
        axes = figure.add_axes((0.085 + 0.32 * n, 0.19, 0.255, 0.68))
        middle = float(np.median(original[name]))
        edges = np.linspace(middle - 6 * sigma_cm, middle + 6 * sigma_cm, _BINS + 1)
        for columns, is_first in ((original, True), (other, False)):
            share = np.histogram(columns[name], edges)[0] / len(columns[name]) / np.diff(edges)
            _stairs(axes, share, edges, is_first)
        axes.set_xlabel(_LABELS[name])
        style(axes)
    figure.axes[0].set_ylabel("share per cm", fontsize=8, color=INK)
    axes = figure.add_axes((0.725, 0.19, 0.255, 0.68))
    edges = np.geomspace(sigma_cm / 30, sigma_cm * 2000, _BINS + 1)
    for columns, is_first in ((original, True), (other, False)):
        distance = np.hypot(columns["focus_x"], columns["focus_y"])
        _stairs(axes, np.histogram(distance, edges)[0] / len(distance), edges, is_first)
    axes.set_xscale("log")
    _logarithmic(axes, np.histogram(np.hypot(original["focus_x"], original["focus_y"]), edges)[0] / len(original["r"]))
    axes.set_xlabel("distance from the focus (cm)")
    style(axes)
    handles = [_patch(_FILL, names[0]), _patch(ORANGE, names[1])]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.075, 1.02), ncols=2, frameon=False, fontsize=8)
    return png_of(figure)


def _edges(sides: Sequence[np.ndarray], bins: int = _BINS, low: float | None = None) -> np.ndarray:
    """Equal bins that hold all but a thousandth of each side at either end."""
    ends = np.array([np.percentile(values, [0.1, 99.9]) for values in sides])
    lowest, highest = float(ends[:, 0].min()) if low is None else low, float(ends[:, 1].max())
    margin = 0.02 * (highest - lowest) if highest > lowest else 0.5
    return np.linspace(lowest - (margin if low is None else 0.0), highest + margin, bins + 1)


def _patch(color: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=color, label=label)


def style(axes: Any, grid: bool = True) -> None:
    """The look of all panels."""
    axes.tick_params(labelsize=7, colors=INK)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize(8)
        axis.label.set_color(INK)
    if grid:
        axes.grid(color="#dde3e8", linewidth=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)


def new_figure(height: float) -> Any:
    """A white page as wide as the report and `height` inches high; any thread may draw on it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_PAGE_INCHES, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png_of(figure: Any) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 3})
    return buffer.getvalue()
