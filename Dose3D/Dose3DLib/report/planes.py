"""Slices of a volume as a radiologist expects them: which way they lie, which ones show most, how they map to mm.

Radiological convention: in axial and coronal pictures the patient's right is on the left, in sagittal ones anterior is
on the left; axial pictures have anterior on top, the others superior.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from ..geometry.grid import Grid
from ..geometry.mask import Mask
from ..geometry.structure import Structure, StructureSet

__all__ = [
    "OBLIQUE_DEGREES",
    "PLANES",
    "Anatomy",
    "Plane",
    "Window",
    "anatomy",
    "best_slices",
    "body_box",
    "make_plane",
    "slab_box",
]

PLANES = ("axial", "coronal", "sagittal")

OBLIQUE_DEGREES = 5.0
"""Axes further than this from the patient's are called oblique in the report; a tilted head holder is below."""

_AIR_HU = -500.0
_MARGIN_MM = 8.0
_APART_MM = 8.0
_GAIN = 0.15
_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
# Anatomical axis (0 = L, 1 = P, 2 = S) across each plane, of its rows, of its columns; the way that rows, columns grow.
_LAYOUT = {"axial": (2, 1, 0, 1, 1), "coronal": (1, 2, 0, -1, 1), "sagittal": (0, 2, 1, -1, 1)}


@dataclass(frozen=True)
class Anatomy:
    """Which array axis runs along which anatomical one.

    Parameters
    ----------
    axes:
        array axis (0 = k, 1 = j, 2 = i) nearest to L, P and S.
    signs:
        +1 where that array axis grows to L, P, S; -1 where it grows to R, A, I.
    tilt_degrees:
        largest angle between an array axis and its anatomical one.
    """

    axes: tuple[int, int, int]
    signs: tuple[int, int, int]
    tilt_degrees: float

    @property
    def is_oblique(self) -> bool:
        return self.tilt_degrees > OBLIQUE_DEGREES


Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Half-open index ranges of (k, j, i)."""


@dataclass(frozen=True, eq=False)
class Plane:
    """One slice of a grid, laid out for a picture.

    Parameters
    ----------
    name:
        axial, coronal or sagittal.
    across, rows, columns:
        array axes that the slice is perpendicular to, and that run along the picture's rows and columns.
    flips:
        whether rows and columns are read backwards.
    index:
        of the slice along `across`.
    window:
        what is shown.
    to_mm:
        2 x 2; (column, row) steps of the picture to millimetres right and down. Not diagonal in a sheared stack.
    letters:
        at the left, right, top and bottom edge.
    position_mm:
        of the slice's centre along L, P or S.
    """

    name: str
    across: int
    rows: int
    columns: int
    flips: tuple[bool, bool]
    index: int
    window: Window
    to_mm: np.ndarray
    letters: tuple[str, str, str, str]
    position_mm: float

    def cut(self, array: np.ndarray) -> np.ndarray:
        """The slice of a full (k, j, i) array as (rows, columns) of the picture."""
        where: list[slice | int] = [slice(*ends) for ends in self.window]
        where[self.across] = self.index
        return self._lay_out(array[tuple(where)])

    def cut_mask(self, mask: Mask) -> np.ndarray | None:
        """The same slice of a structure; None where it has no voxel."""
        inside = self.index - mask.offset[self.across]
        if not 0 <= inside < mask.block.shape[self.across]:
            return None
        flat = mask.block.take(inside, axis=self.across)
        first, second = (axis for axis in range(3) if axis != self.across)
        picture = np.zeros([self.window[a][1] - self.window[a][0] for a in (first, second)], bool)
        source, target = zip(*(_overlap(mask, axis, self.window[axis]) for axis in (first, second)), strict=True)
        picture[target] = flat[source]
        return self._lay_out(picture) if picture.any() else None

    def _lay_out(self, flat: np.ndarray) -> np.ndarray:
        flat = flat if self.rows < self.columns else flat.T
        return flat[:: -1 if self.flips[0] else 1, :: -1 if self.flips[1] else 1]


def anatomy(grid: Grid) -> Anatomy:
    """Name the array axes by the anatomical axes nearest to them (each once)."""
    directions = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    cosines = directions[:, ::-1]  # [L, P, S] by [k, j, i]
    axes = max(permutations(range(3)), key=lambda order: sum(abs(cosines[a, order[a]]) for a in range(3)))
    chosen = [cosines[a, axes[a]] for a in range(3)]
    tilt = np.degrees(np.arccos(np.clip(np.abs(chosen), 0.0, 1.0)).max())
    return Anatomy(axes, tuple(1 if c > 0 else -1 for c in chosen), float(tilt))


def make_plane(grid: Grid, name: str, index: int, window: Window) -> Plane:
    """Lay out slice `index` of the plane `name`; the index runs along the array axis that the plane is across."""
    body = anatomy(grid)
    across, row, column, row_way, column_way = _LAYOUT[name]
    flips = (body.signs[row] != row_way, body.signs[column] != column_way)
    steps = grid.affine[:3, :3][:, ::-1]
    down = steps[:, body.axes[row]] * (-1 if flips[0] else 1)
    right = steps[:, body.axes[column]] * (-1 if flips[1] else 1)
    center = [(n - 1) / 2 for n in grid.shape]
    center[body.axes[across]] = index
    return Plane(
        name,
        body.axes[across],
        body.axes[row],
        body.axes[column],
        flips,
        index,
        window,
        _flatten(right, down),
        _edge_letters(row, column, row_way, column_way),
        float(grid.to_lps(np.array(center[::-1]))[across]),
    )


def body_box(array: np.ndarray, structures: StructureSet) -> Window:
    """What is worth showing: the EXTERNAL structure, or all that is not air, and every structure, with a small margin.

    `array` holds Hounsfield units on the set's grid.
    """
    boxes = [_box_of(s.mask) for s in structures if not s.mask.is_empty]
    if not any(s.interpreted_type == "EXTERNAL" and not s.mask.is_empty for s in structures):
        step = max(1, min(array.shape[1:]) // 128)
        coarse = Mask.from_array(array[:, ::step, ::step] > _AIR_HU, Grid(array[:, ::step, ::step].shape, np.eye(4)))
        if not coarse.is_empty:
            boxes.append([(a * f, b * f) for (a, b), f in zip(_box_of(coarse), (1, step, step), strict=True)])
    if not boxes:
        return tuple((0, n) for n in array.shape)
    return _with_margin(boxes, structures.grid)


def slab_box(structures: StructureSet, axis: int, indices: list[int], box: Window) -> Window:
    """Narrow a box to what the EXTERNAL structure fills in some slices; unchanged without one there.

    A head needs a third of the width that the shoulders take, so its slices are shown three times larger.
    """
    ranges: list[list[tuple[int, int]]] = []
    for structure in structures:
        mask = structure.mask
        inside = [n - mask.offset[axis] for n in indices]
        inside = [n for n in inside if 0 <= n < mask.block.shape[axis]]
        if inside and structure.interpreted_type == "EXTERNAL":
            slab = Mask.from_array(mask.block.take(inside, axis=axis), Grid(mask.grid.shape, np.eye(4)))
            if not slab.is_empty:
                ranges.append([(a + o, b + o) for (a, b), o in zip(_box_of(slab), mask.offset, strict=True)])
    if not ranges:
        return box
    narrow = _with_margin(ranges, structures.grid)
    return tuple(
        box[a] if a == axis else (max(box[a][0], narrow[a][0]), min(box[a][1], narrow[a][1])) for a in range(3)
    )


def best_slices(structures: StructureSet, axis: int, count: int) -> list[int]:
    """Up to `count` indices along an array axis that together show the structures at their largest, in order.

    Greedy: each further slice is the one that adds most to the sum, over structures, of (area shown / largest area);
    when no slice adds much, the rest go where the gaps are widest. The EXTERNAL contour is everywhere and does not
    count. The middle slice when there is nothing to show.
    """
    shown = [s for s in structures if s.interpreted_type != "EXTERNAL" and not s.mask.is_empty]
    if not shown:
        return [structures.grid.shape[axis] // 2]
    areas = np.stack([_areas(s, axis) for s in shown])
    apart = max(1, round(_APART_MM / structures.grid.spacing_mm[axis]))
    best, chosen, free = np.zeros(len(shown)), [], np.ones(areas.shape[1], bool)
    while len(chosen) < count:
        gains = np.where(free, np.maximum(areas, best[:, None]).sum(axis=0) - best.sum(), -1.0)
        index = int(np.argmax(gains))
        if gains[index] < _GAIN:
            break
        chosen.append(index)
        best = np.maximum(best, areas[:, index])
        free[max(0, index - apart + 1) : index + apart] = False
    return _fill_gaps(chosen, areas.sum(axis=0), count)


def _fill_gaps(chosen: list[int], shown: np.ndarray, count: int) -> list[int]:
    """Add slices that show something, far from the chosen ones, until there are `count` or no room is left."""
    chosen = list(chosen)
    indices = np.arange(len(shown))
    while len(chosen) < count:
        distance = np.min([np.abs(indices - c) for c in chosen], axis=0) * (shown > 0)
        if distance.max() < 2:
            break
        chosen.append(int(np.argmax(distance)))
    return sorted(chosen)


def _areas(structure: Structure, axis: int) -> np.ndarray:
    """Area in each slice along an axis, relative to the largest; shape (slices,)."""
    mask = structure.mask
    counts = np.zeros(mask.grid.shape[axis])
    others = tuple(a for a in range(3) if a != axis)
    counts[mask.slices[axis]] = np.count_nonzero(mask.block, axis=others)
    return counts / counts.max()


def _flatten(right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """The plane's own millimetres: x along the picture's columns, y square to it."""
    along = right / np.linalg.norm(right)
    slant = float(down @ along)
    return np.array([[np.linalg.norm(right), slant], [0.0, np.sqrt(max(float(down @ down) - slant**2, 0.0))]])


def _edge_letters(row: int, column: int, row_way: int, column_way: int) -> tuple[str, str, str, str]:
    left, right = _LETTERS[column][::column_way]
    top, bottom = _LETTERS[row][::row_way]
    return left, right, top, bottom


def _box_of(mask: Mask) -> list[tuple[int, int]]:
    return [(start, start + n) for start, n in zip(mask.offset, mask.block.shape, strict=True)]


def _with_margin(boxes: list[list[tuple[int, int]]], grid: Grid) -> Window:
    """The box around boxes, with the margin, inside the grid."""
    margin = [round(_MARGIN_MM / mm) for mm in grid.spacing_mm]
    low = [max(0, min(box[axis][0] for box in boxes) - margin[axis]) for axis in range(3)]
    high = [min(grid.shape[axis], max(box[axis][1] for box in boxes) + margin[axis]) for axis in range(3)]
    return tuple(zip(low, high, strict=True))


def _overlap(mask: Mask, axis: int, shown: tuple[int, int]) -> tuple[slice, slice]:
    """Where a mask's block and the window meet along an axis: slices of the block and of the picture."""
    start = mask.offset[axis]
    low, high = max(start, shown[0]), min(start + mask.block.shape[axis], shown[1])
    high = max(low, high)
    return slice(low - start, high - start), slice(low - shown[0], high - shown[0])
