"""Pictures of DVHs: cumulative ones with bands and a dashed second dose, and differential ones. PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .photon_figures import INK, new_figure, png_of, style

__all__ = ["DvhCurve", "cumulative_figure", "differential_figure"]

_HEIGHT = 4.1
_PLACE = (0.075, 0.13, 0.905, 0.85)
_DASHES = ("-", (0, (6, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))
"""Structures of nearly the same colour get lines of different kinds."""

_NEAR_COLOR = 60


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
    """Volume in percent over dose in Gy."""
    figure = new_figure(_HEIGHT)
    axes = figure.add_axes(_PLACE)
    for curve, line in zip(curves, _kinds(curves), strict=True):
        color = _ink(curve.color)
        if curve.band is not None:
            axes.fill_between(curve.doses, *curve.band, color=color, alpha=0.22, linewidth=0)
        axes.plot(curve.doses, curve.cumulative, color=color, linewidth=1.5, linestyle=line)
        if curve.reference is not None:
            axes.plot(curve.doses, curve.reference, color=color, linewidth=0.9, linestyle=(0, (3, 2)), alpha=0.85)
    if prescription is not None:
        axes.axvline(prescription, color=INK, linewidth=0.7, linestyle=":")
    axes.set_ylim(0, 102)
    _finish(axes, curves, "volume (%)")
    return png_of(figure)


def differential_figure(curves: Sequence[DvhCurve]) -> bytes:
    """Volume in percent per Gy over dose in Gy; scaled to what lies above the lowest twentieth of the doses."""
    figure = new_figure(_HEIGHT * 0.8)
    axes = figure.add_axes(_PLACE)
    top = 0.0
    for curve, line in zip(curves, _kinds(curves), strict=True):
        middles = (curve.doses[1:] + curve.doses[:-1]) / 2
        axes.plot(middles, curve.differential, color=_ink(curve.color), linewidth=1.1, linestyle=line)
        above = curve.differential[middles > 0.05 * curve.doses[-1]]
        top = max(top, float(np.quantile(above, 0.995)) if above.size else 0.0)
    axes.set_ylim(0, 1.08 * top or 1.0)
    _finish(axes, curves, "volume (% per Gy)")
    return png_of(figure)


def _finish(axes: Any, curves: Sequence[DvhCurve], title: str) -> None:
    axes.set_xlim(0, float(curves[0].doses[-1]) if curves else 1.0)
    axes.set_xlabel("dose (Gy)")
    axes.set_ylabel(title)
    style(axes)


def _ink(color: tuple[int, int, int]) -> tuple[float, ...]:
    """The colour as it stands on white paper: light ones are darkened until they are seen."""
    rgb = np.array(color, float) / 255
    light = float(rgb @ (0.2126, 0.7152, 0.0722))
    return tuple(rgb * min(1.0, 0.6 / light) if light > 0 else rgb)


def line_kinds(colors: Sequence[tuple[int, int, int]]) -> list[int]:
    """For each colour how many earlier ones look like it."""
    inks = [255 * np.array(_ink(color)) for color in colors]
    return [sum(np.linalg.norm(ink - other) < _NEAR_COLOR for other in inks[:n]) for n, ink in enumerate(inks)]


def _kinds(curves: Sequence[DvhCurve]) -> list[Any]:
    return [_DASHES[count % len(_DASHES)] for count in line_kinds([curve.color for curve in curves])]
