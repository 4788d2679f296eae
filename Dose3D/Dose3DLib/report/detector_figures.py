"""Pictures of a detector in a patient: boxes of cells and outlines of structures on three planes, over the CT."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..geometry.cells import Cells
from ..geometry.grid import Volume
from ..geometry.resample import sample_points
from ..geometry.structure import Structure, StructureSet
from .figures import SOFT_TISSUE_HU

__all__ = ["CellGroup", "cells_figure", "steps_figure"]

_DPI = 150
_PAGE_INCHES = 7.1
_GAP, _CAPTION = 0.07, 0.24
_FINEST_MM, _MOST_PIXELS = 0.8, 420
_MARGIN_MM = 30.0
_INK = "#1b2733"
_GRID = "#d7dde3"
_AXES = {"Axial": (2, 0, 1), "Coronal": (1, 0, 2), "Sagittal": (0, 1, 2)}
"""LPS axis across each plane, along its columns, along its rows."""
_LETTERS = {0: ("R", "L"), 1: ("A", "P"), 2: ("I", "S")}
_EDGES = np.array([[a, b] for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1])
"""Pairs of corners of a box, numbered as `Cells.corners_mm` lists them, that an edge joins."""


@dataclass(frozen=True, eq=False)
class CellGroup:
    """Cells that are drawn alike: `color` is RGB 0..255; not `filled` are outlines alone."""

    cells: Cells
    color: tuple[int, int, int]
    filled: bool = True


def cells_figure(volume: Volume, structures: StructureSet, groups: Sequence[CellGroup], center_mm: np.ndarray) -> bytes:
    """Axial, coronal and sagittal plane through an LPS place at one scale, with the boxes that each plane cuts; PNG."""
    low, high = _shown_box(volume, structures, groups)
    size = np.maximum(high - low, 1.0)
    per_mm = (_PAGE_INCHES - 2 * _GAP) / (2 * size[0] + size[1])
    total = max(size[1], size[2]) * per_mm + _CAPTION
    figure, left = _figure(total), 0.0
    for name, (across, column, row) in _AXES.items():
        width, height = size[column] * per_mm, size[row] * per_mm
        place = (left / _PAGE_INCHES, 1 - height / total, width / _PAGE_INCHES, height / total)
        axes = figure.add_axes(place)
        _background(axes, volume, (low, high, center_mm), (across, column, row))
        for structure in structures:
            _outline(axes, structure, (low, high, center_mm), (across, column, row))
        for group in groups:
            _boxes(axes, group, across, (column, row), float(center_mm[across]))
        _letters(axes, column, row)
        text = f"{name}  ·  {_LETTERS[across][1]} {center_mm[across]:+.1f} mm".replace("-", "\N{MINUS SIGN}")
        axes.annotate(text, (0, 0), (0, -3), "axes fraction", "offset points", va="top", fontsize=7, color=_INK)
        left += width + _GAP
    return _png(figure)


def steps_figure(lines: dict[str, Sequence[float]], label: str) -> bytes:
    """Values after 1, 2, 3 ... acquisitions, a line for each plan; PNG."""
    figure = _figure(2.4)
    axes = figure.add_axes((0.09, 0.17, 0.88, 0.78))
    styles = (("#0b6fb8", "o", "-"), ("#b8640b", "s", "--"), ("#7a8794", "^", ":"))
    for (name, values), (color, marker, dash) in zip(lines.items(), styles, strict=False):
        axes.plot(np.arange(1, len(values) + 1), values, marker=marker, color=color, linestyle=dash, lw=1.4, ms=4,
                  label=name)  # fmt: skip
    axes.set_xlabel("acquisitions", fontsize=8, color=_INK)
    axes.set_ylabel(label, fontsize=8, color=_INK)
    axes.set_ylim(bottom=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(labelsize=7, colors=_INK, length=2)
    axes.grid(color=_GRID, lw=0.6)
    axes.legend(fontsize=7, frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return _png(figure)


def _figure(height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_PAGE_INCHES, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 3})
    return buffer.getvalue()


def _shown_box(volume: Volume, structures: StructureSet, groups: Sequence[CellGroup]) -> tuple[np.ndarray, np.ndarray]:
    """LPS box of the cells with a margin (of the structures where there is no cell), as far as the image shows it."""
    corners = volume.grid.corners_mm()
    least, most = corners.min(axis=0) - _MARGIN_MM, corners.max(axis=0) + _MARGIN_MM
    places = [group.cells.corners_mm().reshape(-1, 3) for group in groups if len(group.cells)]
    places = places or [_corners_of(s) for s in structures if not s.mask.is_empty]
    if not places:
        return least, most
    every = np.concatenate(places)
    low, high = np.maximum(every.min(axis=0) - _MARGIN_MM, least), np.minimum(every.max(axis=0) + _MARGIN_MM, most)
    return (low, high) if (low < high).all() else (least, most)


def _corners_of(structure: Structure) -> np.ndarray:
    start, size = np.array(structure.mask.offset), np.array(structure.mask.block.shape)
    ends = np.stack([start, start + size])
    corners = np.array([[i, j, k] for k in ends[:, 0] for j in ends[:, 1] for i in ends[:, 2]])
    return structure.mask.grid.to_lps(corners)


def _points(
    box: tuple[np.ndarray, np.ndarray, np.ndarray], directions: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """LPS places of a plane's pixels, (rows, columns, 3), and their coordinates along columns and rows."""
    (low, high, center), (across, column, row) = box, directions
    counts = [int(np.clip((high[a] - low[a]) / _FINEST_MM, 2, _MOST_PIXELS)) for a in (column, row)]
    x, y = (np.linspace(low[a], high[a], n) for a, n in zip((column, row), counts, strict=True))
    points = np.empty((counts[1], counts[0], 3))
    points[..., across], points[..., column], points[..., row] = center[across], x[None, :], y[:, None]
    return points, x, y


def _background(axes: Any, volume: Volume, box: tuple[np.ndarray, ...], directions: tuple[int, int, int]) -> None:
    from matplotlib.patches import Rectangle

    points, x, y = _points(box, directions)
    image = np.nan_to_num(sample_points(volume, points), nan=SOFT_TISSUE_HU[0])
    axes.set_axis_off()
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, color="black", zorder=-1))
    axes.imshow(image, cmap="gray", vmin=SOFT_TISSUE_HU[0], vmax=SOFT_TISSUE_HU[1], origin="lower", aspect="auto",
                extent=(x[0], x[-1], y[0], y[-1]))  # fmt: skip
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim((y[-1], y[0]) if directions[2] == 1 else (y[0], y[-1]))  # anterior and superior on top


def _outline(axes: Any, structure: Structure, box: tuple[np.ndarray, ...], directions: tuple[int, int, int]) -> None:
    """The structure's outline in the plane, dark underneath."""
    if structure.mask.is_empty:
        return
    points, x, y = _points(box, directions)
    index = np.rint(structure.mask.grid.to_index(points)).astype(np.int64)[..., ::-1] - structure.mask.offset
    inside = ((index >= 0) & (index < structure.mask.block.shape)).all(axis=-1)
    flat = np.zeros(inside.shape)
    flat[inside] = structure.mask.block[tuple(index[inside].T)]
    if not flat.any():
        return
    color = tuple(c / 255 for c in structure.color)
    axes.contour(x, y, flat, [0.5], colors="black", linewidths=2.0, alpha=0.45)
    axes.contour(x, y, flat, [0.5], colors=[color], linewidths=1.1)


def _boxes(axes: Any, group: CellGroup, across: int, shown: tuple[int, int], height: float) -> None:
    """The polygons that the plane cuts out of the cells."""
    from matplotlib.collections import PolyCollection

    corners = group.cells.corners_mm()
    cut = (corners[..., across].min(axis=1) < height) & (corners[..., across].max(axis=1) > height)
    polygons = [_section(box, across, shown, height) for box in corners[cut]]
    if not polygons:
        return
    color = tuple(c / 255 for c in group.color)
    face = (*color, 0.35) if group.filled else "none"
    axes.add_collection(PolyCollection(polygons, facecolors=face, edgecolors=[color], linewidths=0.7), autolim=False)


def _section(corners: np.ndarray, across: int, shown: tuple[int, int], height: float) -> np.ndarray:
    """(m, 2) corners, in order, of the section of a box (8, 3) with a plane."""
    first, second = corners[_EDGES[:, 0]], corners[_EDGES[:, 1]]
    rise = second[:, across] - first[:, across]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (height - first[:, across]) / rise
    hit = (np.abs(rise) > 1e-9) & (share >= 0) & (share <= 1)
    points = (first[hit] + share[hit, None] * (second - first)[hit])[:, list(shown)]
    away = points - points.mean(axis=0)
    return points[np.argsort(np.arctan2(away[:, 1], away[:, 0]))]


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
