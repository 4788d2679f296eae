"""The cells of a detector as structures: exact outlines on a grid's slices, and the voxels whose centres they hold."""

from __future__ import annotations

import colorsys
from typing import Literal

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress
from ..geometry.cells import Cells
from ..geometry.grid import Grid
from ..geometry.mask import Mask
from ..geometry.structure import PlanarContours, Structure, StructureSet
from .layout import Layout

__all__ = ["INTERPRETED_TYPE", "MOST_STRUCTURES", "Grouping", "cell_structures", "chosen_grouping", "outline_structure"]

Grouping = Literal["cell", "layer", "whole"]

MOST_STRUCTURES = 256
"""More structures than this become layers, then one: planning systems grow slow with them, and some refuse."""

INTERPRETED_TYPE = "DOSE_MEASUREMENT"
"""RT ROI Interpreted Type of measuring devices (DICOM PS3.3 C.8.8.8.1)."""

_GOLDEN = 0.618033988749895
"""Step of the hue from structure to structure: neighbours differ."""
_NUDGE = 1e-9
"""Slices are cut this far (in slices) towards growing k, so that a face on a slice belongs to one of two cells."""
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1])
"""Pairs of corners of `Cells.corners_mm` that an edge joins."""


def chosen_grouping(layout: Layout, wanted: Grouping | None) -> tuple[Grouping, tuple[str, ...]]:
    """How cells become structures, and a note where that is not one each.

    Raises
    ------
    InputError
        one structure a cell is asked for, and there are too many.
    """
    layers = len(set(layout.layers))
    if wanted == "cell" and len(layout) > MOST_STRUCTURES:
        cause = f"{len(layout)} cells are more structures than the {MOST_STRUCTURES} that planning systems bear"
        raise InputError("--group", cause, "choose layer or whole")
    if wanted is not None:
        return wanted, ()
    if len(layout) <= MOST_STRUCTURES:
        return "cell", ()
    if 1 < layers <= MOST_STRUCTURES:
        return "layer", (f"{len(layout)} cells are written as {layers} structures, one a layer.",)
    return "whole", (f"{len(layout)} cells are written as one structure.",)


def cell_structures(
    layout: Layout, grid: Grid, grouping: Grouping, progress: Progress | None = None, outlines: bool = True
) -> StructureSet:
    """Structures on the grid, with exact contours (unless `outlines` is False); cells between two slices are empty.

    Raises
    ------
    InputError
        a cell reaches beyond the grid: what is cut off would be missing from the files.
    """
    progress = progress or Progress()
    _check_inside(layout, grid)
    groups, corners = _groups(layout, grouping), grid.to_index(layout.cells.corners_mm())
    structures = []
    for number, (name, rows) in enumerate(groups.items(), 1):
        progress.report(number / len(groups), name)
        contours = _contours(corners[rows], grid) if outlines else None
        mask = _mask(layout.cells, rows, corners[rows], grid)
        structures.append(Structure(name, mask, contours, _color(number), INTERPRETED_TYPE, number))
    return StructureSet(grid, tuple(structures))


def _groups(layout: Layout, grouping: Grouping) -> dict[str, list[int]]:
    name = layout.name or "detector"
    if grouping == "cell":
        return {label: [row] for row, label in enumerate(layout.cells.labels)}
    if grouping == "whole":
        return {name: list(range(len(layout)))}
    groups: dict[str, list[int]] = {}
    for row, layer in enumerate(layout.layers):
        groups.setdefault(layer or name, []).append(row)
    return groups


def _color(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.65, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def _check_inside(layout: Layout, grid: Grid) -> None:
    index = grid.to_index(layout.cells.corners_mm())  # (n, 8, 3) i, j, k
    beyond = ((index < -0.5 - 1e-6) | (index > np.array(grid.shape[::-1]) - 0.5 + 1e-6)).any(axis=(1, 2))
    if beyond.any():
        first = layout.cells.labels[int(np.argmax(beyond))]
        cause = f"{int(beyond.sum())} of {len(layout)} cells reach beyond the CT, {first} for one"
        raise InputError("layout", cause, "place the detector inside the CT, or give a larger CT")


def _contours(corners: np.ndarray, grid: Grid) -> PlanarContours:
    """Where the slices cut the boxes of these corners, (n, 8, 3) in (i, j, k): convex polygons in (i, j)."""
    contours: PlanarContours = {}
    for box in corners:
        low, high = box[:, 2].min(), box[:, 2].max()
        for k in range(int(np.ceil(low - _NUDGE)), int(np.ceil(high - _NUDGE))):
            polygon = _section(box, k + _NUDGE)
            if len(polygon) >= 3 and 0 <= k < grid.shape[0]:
                contours.setdefault(k, []).append(polygon)
    return contours


def _section(box: np.ndarray, height: float) -> np.ndarray:
    """Convex polygon (n, 2) of a box's corners (8, 3) at a height: its edges' crossings in the order of their angle."""
    below, above = box[_EDGES[:, 0]], box[_EDGES[:, 1]]
    crosses = (below[:, 2] <= height) != (above[:, 2] <= height)
    below, above = below[crosses], above[crosses]
    share = (height - below[:, 2]) / (above[:, 2] - below[:, 2])
    points = below[:, :2] + share[:, None] * (above[:, :2] - below[:, :2])
    around = points - points.mean(axis=0)
    points = points[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]
    distinct = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1) > 1e-6
    return points[distinct]


def _mask(cells: Cells, rows: list[int], corners: np.ndarray, grid: Grid) -> Mask:
    """Voxels whose centres lie in one of the boxes; a centre on a face belongs to the box at its positive side."""
    index = corners[..., ::-1]  # k, j, i
    size = np.array(grid.shape)
    first = np.clip(np.floor(index.min(axis=(0, 1))).astype(int), 0, size)
    end = np.clip(np.ceil(index.max(axis=(0, 1))).astype(int) + 1, first, size)
    block = np.zeros(end - first, bool)
    for row, box in zip(rows, index, strict=True):
        a = np.clip(np.floor(box.min(axis=0)).astype(int), first, end)
        b = np.clip(np.ceil(box.max(axis=0)).astype(int) + 1, a, end)
        ijk = (np.indices(b - a).reshape(3, -1).T + a)[:, ::-1]
        local = (grid.to_lps(ijk) - cells.centers_mm[row]) @ cells.axes
        half = cells.sizes_mm[row] / 2
        inside = ((local >= -half - 1e-6) & (local < half - 1e-6)).all(axis=-1).reshape(b - a)
        at = tuple(slice(x, y) for x, y in zip(a - first, b - first, strict=True))
        block[at] |= inside
    return Mask.from_array(block, grid, tuple(int(n) for n in first))


def outline_structure(structures: StructureSet, low_mm: np.ndarray, high_mm: np.ndarray) -> StructureSet:
    """The set with a structure before it that planning systems take for the outline of the body: a box along LPS."""
    grid = structures.grid
    center, size = (low_mm + high_mm) / 2, high_mm - low_mm
    box = Cells(("External",), center[None], size[None], np.eye(3))
    name = "External" if "External" not in structures.names else "External (detector)"
    corners = grid.to_index(box.corners_mm())
    mask, contours = _mask(box, [0], corners, grid), _contours(corners, grid)
    outline = Structure(name, mask, contours, (0, 255, 0), "EXTERNAL", len(structures) + 1)
    return StructureSet(grid, (outline, *structures.structures), structures.notes)
