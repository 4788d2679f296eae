"""Pictures of DVHs: cumulative ones with bands and a dashed second dose, and differential ones. PNG."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .photon_figures import INK, new_figure, png_of, style

__all__ = ["DvhCurve", "cumulative_figure", "differential_figure", "inks"]

_HEIGHT = 3.9
_LEFT, _WIDTH = 0.075, 0.905
_LEGEND_COLUMNS, _LEGEND_LINE = 4, 0.17
_NEAR_COLOR = 70
"""Inks nearer than this (of 255, over three channels) are taken for the same by the eye."""


@dataclass(frozen=True, eq=False)
class DvhCurve:
    """One structure.

    Parameters
    ----------
    color:
        RGB 0..255.
    doses:
        (n,) Gy.
    cumulative:
        (n,) percent of the volume with at least the dose.
    differential:
        (n - 1,) percent per Gy between neighbouring doses.
    reference:
        cumulative, of a second dose.
    band:
        cumulative, low and high.
    """

    name: str
    color: tuple[int, int, int]
    doses: np.ndarray
    cumulative: np.ndarray
    differential: np.ndarray
    reference: np.ndarray | None = None
    band: tuple[np.ndarray, np.ndarray] | None = None


def cumulative_figure(curves: Sequence[DvhCurve], prescription: float | None = None) -> bytes:
    """Volume in percent over dose in Gy, with a legend below."""
    figure, axes = _axes(_HEIGHT, curves)
    for curve, color in zip(curves, inks([curve.color for curve in curves]), strict=True):
        if curve.band is not None:
            axes.fill_between(curve.doses, *curve.band, color=color, alpha=0.22, linewidth=0)
        axes.plot(curve.doses, curve.cumulative, color=color, linewidth=1.5, label=curve.name)
        if curve.reference is not None:
            axes.plot(curve.doses, curve.reference, color=color, linewidth=0.9, linestyle=(0, (3, 2)))
    if prescription is not None:
        axes.axvline(prescription, color=INK, linewidth=0.7, linestyle=":")
    axes.set_ylim(0, 102)
    _finish(figure, axes, curves, "volume (%)")
    return png_of(figure)


def differential_figure(curves: Sequence[DvhCurve]) -> bytes:
    """Volume in percent per Gy over dose in Gy; scaled to what lies above the lowest twentieth of the doses."""
    figure, axes = _axes(0.8 * _HEIGHT, curves)
    top = 0.0
    for curve, color in zip(curves, inks([curve.color for curve in curves]), strict=True):
        middles = (curve.doses[1:] + curve.doses[:-1]) / 2
        axes.plot(middles, curve.differential, color=color, linewidth=1.1, label=curve.name)
        above = curve.differential[middles > 0.05 * curve.doses[-1]]
        top = max(top, float(np.quantile(above, 0.995)) if above.size else 0.0)
    axes.set_ylim(0, 1.08 * top or 1.0)
    _finish(figure, axes, curves, "volume (% per Gy)")
    return png_of(figure)


def _axes(height: float, curves: Sequence[DvhCurve]) -> tuple[Any, Any]:
    """A figure with room for the legend below."""
    below = 0.5 + _LEGEND_LINE * -(-len(curves) // _LEGEND_COLUMNS)
    figure = new_figure(height + below)
    return figure, figure.add_axes((_LEFT, below / (height + below), _WIDTH, (height - 0.08) / (height + below)))


def _finish(figure: Any, axes: Any, curves: Sequence[DvhCurve], title: str) -> None:
    axes.set_xlim(0, float(curves[0].doses[-1]) if curves else 1.0)
    axes.set_xlabel("dose (Gy)")
    axes.set_ylabel(title)
    style(axes)
    place = {"loc": "lower left", "bbox_to_anchor": (_LEFT - 0.01, 0.0), "ncols": _LEGEND_COLUMNS}
    figure.legend(**place, frameon=False, fontsize=7, handlelength=1.6, columnspacing=1.2, labelspacing=0.3)


def inks(colors: Sequence[tuple[int, int, int]]) -> list[tuple[float, float, float]]:
    """Colours for lines on white paper, RGB 0..1, all different: light ones darker, equal ones of another hue."""
    chosen: list[np.ndarray] = []
    for color in colors:
        candidates = [_ink(color, turn) for turn in (0, 0.08, -0.08, 0.16, -0.16, 0.3, -0.3, 0.45)]
        distances = [min([255.0, *(255 * np.linalg.norm(one - other) for other in chosen)]) for one in candidates]
        far = [n for n, distance in enumerate(distances) if distance >= _NEAR_COLOR]
        chosen.append(candidates[far[0] if far else int(np.argmax(distances))])
    return [(float(red), float(green), float(blue)) for red, green, blue in chosen]


def _ink(color: tuple[int, int, int], turn: float) -> np.ndarray:
    """A colour of which a line is seen on white; `turn` moves its hue, and its lightness with it."""
    hue, light, strength = colorsys.rgb_to_hls(*(part / 255 for part in color))
    light = min(light, 0.5) * (1 - 0.5 * abs(turn))
    rgb = np.array(colorsys.hls_to_rgb((hue + turn) % 1, light, max(strength, 0.5 if turn else 0)))
    seen = float(rgb @ (0.2126, 0.7152, 0.0722))
    return rgb * min(1.0, 0.6 / seen) if seen > 0 else rgb
