"""Pictures of two doses against each other: profiles, how gamma is distributed, and cells of a detector. PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .photon_figures import BLUE, INK, ORANGE, new_figure, png_of, style

__all__ = ["ProfilePart", "cells_figure", "histogram_figure", "profiles_figure"]

_PASS, _FAIL = "#2f6f8f", "#b22328"
_BINS = 40
_MARGIN_MM, _SEEN = 15.0, 0.01


@dataclass(frozen=True, eq=False)
class ProfilePart:
    """Both doses along one axis, (n,) each; NaN where there is none. `center_mm` is where the axes cross."""

    title: str
    at_mm: np.ndarray
    reference: np.ndarray
    evaluated: np.ndarray
    center_mm: float


def profiles_figure(profiles: Sequence[ProfilePart], units: str) -> bytes:
    """A column for each axis: the two doses above, evaluated minus reference below."""
    figure = new_figure(3.3)
    width = 0.265
    for n, one in enumerate(profiles):
        left = 0.075 + n * (width + 0.055)
        upper = figure.add_axes((left, 0.46, width, 0.42))
        lower = figure.add_axes((left, 0.14, width, 0.27), sharex=upper)
        _profile(upper, lower, one)
        if n == 0:
            upper.set_ylabel(f"dose ({units})")
            lower.set_ylabel(f"difference ({units})")
            handles, labels = upper.get_legend_handles_labels()
            figure.legend(
                handles[:2], labels[:2], loc="upper left", bbox_to_anchor=(0.065, 1.0), ncols=2, frameon=False,
                fontsize=8,
            )  # fmt: skip
    return png_of(figure)


def _profile(upper: Any, lower: Any, one: ProfilePart) -> None:
    upper.plot(one.at_mm, one.reference, color=BLUE, linewidth=1.3, label="reference")
    upper.plot(one.at_mm, one.evaluated, color=ORANGE, linewidth=1.1, linestyle=(0, (4, 2)), label="evaluated")
    lower.plot(one.at_mm, one.evaluated - one.reference, color=INK, linewidth=1.0)
    lower.axhline(0, color=INK, linewidth=0.5)
    for axes in (upper, lower):
        axes.axvline(one.center_mm, color=INK, linewidth=0.5, linestyle=":")
        style(axes)
    upper.tick_params(labelbottom=False)
    upper.set_ylim(bottom=min(0.0, float(np.nanmin(one.reference))))
    lower.set_xlabel(f"{one.title} (mm)")
    both = np.fmax(one.reference, one.evaluated)
    seen = one.at_mm[np.nan_to_num(both) > _SEEN * np.nanmax(both)]
    if len(seen):
        low, high = seen[0] - _MARGIN_MM, seen[-1] + _MARGIN_MM
        upper.set_xlim(max(low, one.at_mm[0]), min(high, one.at_mm[-1]))


def histogram_figure(gamma: np.ndarray, highest: float) -> bytes:
    """Share of the voxels by gamma, those that pass in one colour and those that fail in another."""
    figure = new_figure(2.1)
    axes = figure.add_axes((0.075, 0.21, 0.91, 0.74))
    edges = np.concatenate([np.arange(0, highest, highest / _BINS), [highest]])
    share = 100 * np.histogram(gamma, edges)[0] / max(len(gamma), 1)
    colors = [_PASS if middle <= 1 else _FAIL for middle in (edges[1:] + edges[:-1]) / 2]
    axes.bar(edges[:-1], share, np.diff(edges), align="edge", color=colors, edgecolor="white", linewidth=0.4)
    axes.axvline(1.0, color=INK, linewidth=0.8, linestyle="--")
    axes.set_xlim(0, highest)
    axes.set_xlabel(f"gamma (the last column holds all of {highest:g} and more)")
    axes.set_ylabel("% of the voxels")
    style(axes)
    return png_of(figure)


def cells_figure(reference: np.ndarray, evaluated: np.ndarray, width: np.ndarray, units: str) -> bytes:
    """Difference of each cell's means over the reference's mean, with the dose difference of the criteria."""
    figure = new_figure(2.7)
    axes = figure.add_axes((0.085, 0.17, 0.9, 0.78))
    order = np.argsort(reference)
    axes.fill_between(reference[order], -width[order], width[order], color=BLUE, alpha=0.15, linewidth=0)
    difference = evaluated - reference
    fails = np.abs(difference) > width
    for chosen, color in ((~fails, _PASS), (fails, _FAIL)):
        axes.plot(reference[chosen], difference[chosen], "o", markersize=2.5, color=color, alpha=0.6, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.5)
    axes.set_xlabel(f"mean of the reference in the cell ({units})")
    axes.set_ylabel(f"evaluated minus reference ({units})")
    style(axes)
    return png_of(figure)
