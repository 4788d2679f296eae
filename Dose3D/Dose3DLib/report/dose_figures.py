"""Pictures of a dose: the three planes of the body through one place, over a CT where there is one, with a scale."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..geometry.grid import Volume
from ..geometry.resample import sample_points
from .figures import SOFT_TISSUE_HU

__all__ = ["ColorScale", "Line", "planes_figure"]

_DPI = 150
_PAGE_INCHES = 7.1
_GAP, _TOP = 0.07, 0.05
_SCALE_INCHES = 0.75
_FINEST_MM, _MOST_PIXELS = 0.8, 420
_INK = "#1b2733"
_PAPER = "#eef1f4"
_DOSE_OPACITY, _DIFFERENCE_OPACITY = 0.5, 0.8
_MARGIN_MM = 20.0
_FAINT = 0.03
"""Differences below this share of the largest are hardly seen: they are not what a picture is drawn for."""

_AXES = {"Axial": (2, 0, 1), "Coronal": (1, 0, 2), "Sagittal": (0, 1, 2)}
"""LPS axis across each plane, along its columns, along its rows."""
_LETTERS = {0: ("R", "L"), 1: ("A", "P"), 2: ("I", "S")}


@dataclass(frozen=True, eq=False)
class ColorScale:
    """Colours of values: RGB 0..255 of equal steps from `low` to `high`; nothing is drawn below `threshold`."""

    table: np.ndarray
    low: float
    high: float
    label: str
    threshold: float | None = None


@dataclass(frozen=True)
class Line:
    """An isodose line: its value, RGB 0..255, and what stands beside the scale."""

    value: float
    color: tuple[int, int, int]
    label: str


def planes_figure(
    dose: Volume, center_mm: tuple[float, float, float], scale: ColorScale, lines: Sequence[Line] = (),
    ct: Volume | None = None,
) -> bytes:  # fmt: skip
    """Axial, coronal and sagittal plane through an LPS place, all at one scale, with the colours' scale; PNG.

    `dose` may be NaN where there is none. Shown is the box of what is coloured, with a margin.
    """
    low, high = _coloured_box(dose, scale)
    size = np.maximum(high - low, 1.0)
    room = _PAGE_INCHES - _SCALE_INCHES - 3 * _GAP
    per_mm = room / (2 * size[0] + size[1])
    tallest = max(size[1], size[2]) * per_mm
    total = tallest + 0.25 + _TOP
    figure = _figure(total)
    left = 0.0
    for name, (across, column, row) in _AXES.items():
        width, height = size[column] * per_mm, size[row] * per_mm
        place = (left / _PAGE_INCHES, 1 - (height + _TOP) / total, width / _PAGE_INCHES, height / total)
        axes = figure.add_axes(place)
        _panel(axes, (dose, ct), (low, high, np.array(center_mm)), (across, column, row), scale, lines)
        text = f"{name}  ·  {_LETTERS[across][1]} {center_mm[across]:+.1f} mm".replace("-", "\N{MINUS SIGN}")
        axes.annotate(text, (0, 0), (0, -3), "axes fraction", "offset points", va="top", fontsize=7, color=_INK)
        left += width + _GAP
    bar = figure.add_axes((left / _PAGE_INCHES, 0.25 / total, 0.14 / _PAGE_INCHES, tallest / total))
    _scale_bar(bar, scale, lines)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 3})
    return buffer.getvalue()


def _coloured_box(dose: Volume, scale: ColorScale) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest LPS millimetres of the voxels with a colour (of a difference: one that is seen)."""
    corners = dose.grid.corners_mm()
    least, most = corners.min(axis=0), corners.max(axis=0)
    faint = _FAINT * max(abs(scale.low), abs(scale.high))
    shown = np.abs(dose.array) > faint if scale.threshold is None else dose.array >= scale.threshold
    if not shown.any():
        return least, most
    ends = [np.flatnonzero(shown.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    box = np.array([[i, j, k] for k in ends[0][[0, -1]] for j in ends[1][[0, -1]] for i in ends[2][[0, -1]]])
    places = dose.grid.to_lps(box)
    return np.maximum(least, places.min(axis=0) - _MARGIN_MM), np.minimum(most, places.max(axis=0) + _MARGIN_MM)


def _figure(height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_PAGE_INCHES, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _panel(
    axes: Any, volumes: tuple[Volume, Volume | None], box: tuple[np.ndarray, np.ndarray, np.ndarray],
    directions: tuple[int, int, int], scale: ColorScale, lines: Sequence[Line],
) -> None:  # fmt: skip
    """One plane: CT in grey, dose in colours, lines."""
    from matplotlib.patches import Rectangle

    (dose, ct), (low, high, _), (_, column, row) = volumes, box, directions
    points, extent = _points(box, directions)
    axes.set_axis_off()
    paper = _PAPER if ct is None else "black"
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, color=paper, zorder=-1))
    if ct is not None:
        image = np.nan_to_num(sample_points(ct, points), nan=SOFT_TISSUE_HU[0])
        axes.imshow(image, cmap="gray", vmin=SOFT_TISSUE_HU[0], vmax=SOFT_TISSUE_HU[1], extent=extent, aspect="auto")
    values = sample_points(dose, points)
    colors = _colored(values, scale, ct is not None)
    axes.imshow(colors, extent=extent, aspect="auto", interpolation="nearest")
    _draw_lines(axes, values, extent, lines)
    axes.set_xlim(low[column], high[column])
    axes.set_ylim((high[row], low[row]) if row == 1 else (low[row], high[row]))
    _letters(axes, column, row)


def _points(
    box: tuple[np.ndarray, np.ndarray, np.ndarray], directions: tuple[int, int, int]
) -> tuple[np.ndarray, tuple[float, ...]]:
    """LPS places of a plane's pixels, (rows, columns, 3), and the picture's extent; anterior and superior on top."""
    (low, high, center), (across, column, row) = box, directions
    counts = [int(np.clip((high[a] - low[a]) / _FINEST_MM, 2, _MOST_PIXELS)) for a in (column, row)]
    x, y = (np.linspace(low[a], high[a], n) for a, n in zip((column, row), counts, strict=True))
    points = np.empty((counts[1], counts[0], 3))
    points[..., across], points[..., column], points[..., row] = center[across], x[None, :], y[:, None]
    if row == 1:
        return points, (low[column], high[column], high[row], low[row])
    return points[::-1], (low[column], high[column], low[row], high[row])


def _colored(values: np.ndarray, scale: ColorScale, is_over_ct: bool) -> np.ndarray:
    """RGBA 0..1; transparent where there is no dose or less than the threshold, and over a CT where doses agree."""
    share = (values - scale.low) / (scale.high - scale.low)
    index = np.clip(np.nan_to_num(share) * (len(scale.table) - 1), 0, len(scale.table) - 1).round().astype(int)
    alpha = np.full(values.shape, _DOSE_OPACITY if is_over_ct else 1.0)
    if scale.threshold is not None:
        alpha[~(values >= scale.threshold)] = 0.0
    elif is_over_ct:
        alpha = np.clip(np.abs(2 * share - 1) * 3, 0, _DIFFERENCE_OPACITY)
    alpha[~np.isfinite(values)] = 0.0
    return np.concatenate([scale.table[index] / 255.0, alpha[..., None]], axis=-1)


def _draw_lines(axes: Any, values: np.ndarray, extent: tuple[float, ...], lines: Sequence[Line]) -> None:
    """Dark underneath, so that each colour stands out; a plane that a line does not cross has none."""
    known = values[np.isfinite(values)]
    if known.size == 0:
        return
    shown = [line for line in lines if known.min() < line.value < known.max()]
    if not shown:
        return
    rows, columns = values.shape
    x, y = np.linspace(extent[0], extent[1], columns), np.linspace(extent[3], extent[2], rows)
    levels = [line.value for line in shown]
    masked = np.ma.masked_invalid(values)
    axes.contour(x, y, masked, levels, colors="black", linewidths=1.9, alpha=0.5)
    axes.contour(x, y, masked, levels, colors=[[c / 255 for c in line.color] for line in shown], linewidths=1.1)


def _letters(axes: Any, column: int, row: int) -> None:
    from matplotlib.patheffects import withStroke

    top, bottom = _LETTERS[row] if row == 1 else _LETTERS[row][::-1]
    left, right = _LETTERS[column]
    places = ((0.02, 0.5, "left", "center"), (0.98, 0.5, "right", "center"))
    places += ((0.5, 0.985, "center", "top"), (0.5, 0.015, "center", "bottom"))
    effects = [withStroke(linewidth=1.5, foreground="black")]
    for letter, (x, y, ha, va) in zip((left, right, top, bottom), places, strict=True):
        axes.text(x, y, letter, transform=axes.transAxes, ha=ha, va=va, color="#ffd866", fontsize=8,
                  fontweight="bold", path_effects=effects)  # fmt: skip


def _scale_bar(axes: Any, scale: ColorScale, lines: Sequence[Line]) -> None:
    """The colours from low to high with numbers, and a tick in its own colour for each line."""
    axes.imshow(scale.table[:, None, :], origin="lower", extent=(0, 1, scale.low, scale.high), aspect="auto")
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.tick_params(labelsize=7, colors=_INK, length=2)
    axes.yaxis.set_label_position("right")
    axes.set_ylabel(scale.label, fontsize=7, color=_INK, labelpad=2)
    for line in lines:
        axes.axhline(line.value, color="black", linewidth=0.8)
    for spine in axes.spines.values():
        spine.set_linewidth(0.5)
