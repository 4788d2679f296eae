"""Searches of the evaluated dose around points, from near to far: each only as far as its gamma may still fall."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ..core.warp_start import start_warp
from .gamma_boxes import TOLERANCE, Boxes, lower_to_boxes

if TYPE_CHECKING:
    from .gamma_kernels import CompiledSearch

__all__ = ["Lattice", "Points", "search_cells", "search_points"]

_EDGE_MM = 1e-3
"""Points this little outside the outermost grid points, as rounding of headers makes them, are inside."""
_TOGETHER = 1 << 16  # points
_PAIRS = 1 << 16  # of a point and a cell, before they are looked into
_COMPILED_FROM = 5000  # points: for fewer, starting the compiled search takes longer than NumPy
_ON_POINT = 1e-9  # a corner of less weight is not looked at: it may be NaN


@dataclass(frozen=True, eq=False)
class Points:
    """Where gamma is looked for.

    Parameters
    ----------
    places:
        (n, 3) in the coordinates of the lattice's axes.
    dose:
        (n,) of the reference.
    width:
        (n,) dose difference that counts as 1.
    """

    places: np.ndarray
    dose: np.ndarray
    width: np.ndarray

    def select(self, chosen: np.ndarray | slice) -> Points:
        return Points(self.places[chosen], self.dose[chosen], self.width[chosen])


class Lattice:
    """A dose on three increasing axes at right angles; fewer are filled up with axes of one point, at 0.

    Raises
    ------
    ValueError
        axes that don't fit the dose or don't increase.
    """

    def __init__(self, axes: Sequence[np.ndarray], dose: np.ndarray):
        if dose.shape != tuple(len(axis) for axis in axes) or not 1 <= len(axes) <= 3:
            raise ValueError("each dose must lie on the grid of its axes")
        if any((np.diff(axis) <= 0).any() or not np.isfinite(axis).all() for axis in axes):
            raise ValueError("positions must be finite and increase along each axis")
        missing = 3 - len(axes)
        self.axes = [np.zeros(1)] * missing + [np.asarray(axis, np.float64) for axis in axes]
        self.dose = dose[(None,) * missing] if dose.dtype.kind == "f" else dose[(None,) * missing].astype(np.float64)

    def inside(self, places: np.ndarray) -> np.ndarray:
        """Which of (n, 3) places lie among the grid points."""
        ends = [(axis[0] - _EDGE_MM, axis[-1] + _EDGE_MM) for axis in self.axes]
        within = [(places[:, a] >= low) & (places[:, a] <= high) for a, (low, high) in enumerate(ends)]
        return np.logical_and.reduce(within)

    def near(self, places: np.ndarray, reach: float) -> Lattice:
        """The part that may be reached from these places; scans of the whole body have little dose."""
        parts = []
        for a, axis in enumerate(self.axes):
            first = np.searchsorted(axis, places[:, a].min() - reach, "right") - 1
            last = np.searchsorted(axis, places[:, a].max() + reach, "left") + 1
            parts.append(slice(max(0, int(first)), int(last)))
        return Lattice([axis[one] for axis, one in zip(self.axes, parts, strict=True)], self.dose[tuple(parts)])

    def scaled(self, distance: float) -> Lattice:
        """With positions in units of a distance."""
        return Lattice([axis / distance for axis in self.axes], self.dose)


def search_cells(
    lattice: Lattice, points: Points, highest: float, enough: float, report: Callable[[float], None]
) -> np.ndarray:
    """Gamma (n,) of points inside the lattice to a dose that is trilinear in its cells; NaN on cells with NaN.

    Positions are in units of the distance to agreement; a point is done once its gamma is at most `enough`.
    """
    enough = max(enough, TOLERANCE)
    compiled = _compiled(lattice, highest, enough) if len(points.dose) >= _COMPILED_FROM else None
    return _by_pieces(_Cells(lattice, compiled), points, highest, enough, report)


def search_points(
    lattice: Lattice, points: Points, highest: float, enough: float, report: Callable[[float], None]
) -> np.ndarray:
    """The same to the grid points alone."""
    return _by_pieces(_Nodes(lattice), points, highest, enough, report)


def _compiled(lattice: Lattice, highest: float, enough: float) -> CompiledSearch | None:
    """None where Warp is not installed, or cannot compile: NumPy does the same, slower."""
    try:
        start_warp()
        from .gamma_kernels import CompiledSearch

        return CompiledSearch(lattice, _offsets(lattice.axes, highest, is_cell=True), (enough, TOLERANCE))
    except (ImportError, RuntimeError, OSError):
        return None


def _by_pieces(
    kind: _Cells | _Nodes, points: Points, highest: float, enough: float, report: Callable[[float], None]
) -> np.ndarray:
    result = np.empty(len(points.dose))
    for start in range(0, len(result), _TOGETHER):
        piece = slice(start, start + _TOGETHER)
        report(start / len(result))
        result[piece] = _search(kind, points.select(piece), highest, enough)
    return result


def _search(kind: _Cells | _Nodes, points: Points, highest: float, enough: float) -> np.ndarray:
    """From near to far; a point whose gamma is at most `enough`, or the distance by now, is searched no more."""
    best = np.minimum(kind.at_points(points), highest)
    if kind.compiled is not None:
        cells = np.column_stack([_cell(axis, points.places[:, a]) for a, axis in enumerate(kind.lattice.axes)])
        return kind.compiled.search(points, cells, best)
    active = np.arange(len(best))
    for distance, offsets in _offsets(kind.lattice.axes, highest, kind.is_cell):
        active = active[best[active] > max(distance, enough)]
        if not len(active):
            break
        kind.visit(points.select(active), active, offsets, best)
    return best


def _offsets(axes: Sequence[np.ndarray], reach: float, is_cell: bool) -> list[tuple[float, list[tuple[int, ...]]]]:
    """Steps to cells (or grid points) in groups of one least distance that these may have, nearest first."""
    ranges, least = [], []
    for axis in axes:
        step = float(np.diff(axis).min()) if len(axis) > 1 else 1.0
        far = min(int(np.ceil(reach / step)) + 1, len(axis) - 1)
        ranges.append(range(-far, far + 1))
        # A point lies in its first cell, and at most half a step from its first grid point.
        least.append({o: max(abs(o) - (1.0 if is_cell else 0.5), 0.0) * step for o in ranges[-1]})
    groups: dict[float, list[tuple[int, ...]]] = {}
    for offset in product(*ranges):
        distance = round(float(np.sqrt(sum(least[a][o] ** 2 for a, o in enumerate(offset)))), 9)
        if distance < reach:
            groups.setdefault(distance, []).append(offset)
    return [(distance, sorted(groups[distance], key=lambda o: sum(map(abs, o)))) for distance in sorted(groups)]


class _Steps:
    """Squares of the distances along single axes, kept for the offsets of one group."""

    def __init__(self, measure: Callable[[int, int], np.ndarray]):
        self.measure, self.known = measure, {}

    def squared(self, offset: tuple[int, ...]) -> np.ndarray:
        for key in enumerate(offset):
            if key not in self.known:
                self.known[key] = self.measure(*key) ** 2
        first, second, third = (self.known[key] for key in enumerate(offset))
        return first + second + third


class _Nodes:
    """The grid points of a lattice."""

    is_cell, compiled = False, None

    def __init__(self, lattice: Lattice):
        self.lattice, self.flat = lattice, lattice.dose.reshape(-1)
        self.strides = np.cumprod((1, *lattice.dose.shape[:0:-1]))[::-1]

    def at_points(self, points: Points) -> np.ndarray:
        return np.full(len(points.dose), np.inf)

    def visit(self, points: Points, number: np.ndarray, offsets: list[tuple[int, ...]], best: np.ndarray) -> None:
        """Lower `best` at `number` by the grid points at these offsets from the nearest ones."""
        nearest = [_nearest(axis, points.places[:, a]) for a, axis in enumerate(self.lattice.axes)]
        steps = _Steps(lambda a, o: _distance(self.lattice.axes[a], nearest[a] + o, points.places[:, a]))
        first = sum(at * stride for at, stride in zip(nearest, self.strides, strict=True))
        for offset in offsets:
            squares = steps.squared(offset)
            close = np.flatnonzero(squares < best[number] ** 2)
            there = self.flat[first[close] + int(np.dot(offset, self.strides))]
            level = (there - points.dose[close]) / points.width[close]
            best[number[close]] = np.fmin(best[number[close]], np.sqrt(squares[close] + level**2))


class _Cells:
    """The cells between the grid points of a lattice, with the lowest and the highest dose of each."""

    is_cell = True

    def __init__(self, lattice: Lattice, compiled: CompiledSearch | None):
        self.lattice, self.flat, self.compiled = lattice, lattice.dose.reshape(-1), compiled
        self.strides = np.cumprod((1, *lattice.dose.shape[:0:-1]))[::-1]
        if compiled is None:
            self.low, self.high = _extremes(lattice.dose, np.minimum), _extremes(lattice.dose, np.maximum)
        sides = [(0, stride if n > 1 else 0) for stride, n in zip(self.strides, lattice.dose.shape, strict=True)]
        self.corners = np.array([sum(corner) for corner in product(*sides)])

    def at_points(self, points: Points) -> np.ndarray:
        """Dose difference at the same place; NaN where the dose is NaN."""
        first, weights = 0, np.ones((8, len(points.dose)))
        for a, axis in enumerate(self.lattice.axes):
            at = _cell(axis, points.places[:, a])
            upper = np.minimum(at + 1, len(axis) - 1)
            part = np.clip((points.places[:, a] - axis[at]) / np.where(upper > at, axis[upper] - axis[at], 1.0), 0, 1)
            first = first + at * self.strides[a]
            weights *= np.array([part if corner[a] else 1 - part for corner in product((0, 1), repeat=3)])
        values = self.flat[first + self.corners[:, None]]
        dose = np.where(weights > _ON_POINT, weights * values, 0.0).sum(axis=0)
        return np.abs(dose - points.dose) / points.width

    def visit(self, points: Points, number: np.ndarray, offsets: list[tuple[int, ...]], best: np.ndarray) -> None:
        """Lower `best` at `number` by the cells at these offsets from those that the points lie in."""
        cells = [_cell(axis, points.places[:, a]) for a, axis in enumerate(self.lattice.axes)]
        steps = _Steps(lambda a, o: _gap(self.lattice.axes[a], cells[a] + o, points.places[:, a]))
        first = sum(at * stride for at, stride in zip(cells, self.strides, strict=True))
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        for offset in offsets:
            squares = steps.squared(offset)
            close = np.flatnonzero(squares < best[number] ** 2)
            cell = first[close] + int(np.dot(offset, self.strides))
            dose = points.dose[close]
            level = np.maximum(np.maximum(self.low[cell] - dose, dose - self.high[cell]), 0.0) / points.width[close]
            near = squares[close] + level**2 < best[number[close]] ** 2
            waiting.append((close[near], cell[near]))
            if sum(len(one) for one, _ in waiting) > _PAIRS:
                self._look_into(points, number, waiting, best)
                waiting = []
        self._look_into(points, number, waiting, best)

    def _look_into(
        self, points: Points, number: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]], best: np.ndarray
    ) -> None:
        which, cell = (np.concatenate(part) for part in zip(*pairs, strict=True)) if pairs else ((), ())
        if not len(which):
            return
        place, half = np.empty((3, len(which))), np.empty((3, len(which)))
        for a, (axis, at) in enumerate(
            zip(self.lattice.axes, np.unravel_index(cell, self.lattice.dose.shape), strict=True)
        ):
            low, high = axis[at], axis[np.minimum(at + 1, len(axis) - 1)]
            half[a] = (high - low) / 2
            place[a] = points.places[which, a] - (low + high) / 2
        corners = (self.flat[cell + self.corners[:, None]] - points.dose[which]) / points.width[which]
        lower_to_boxes(best, Boxes.of_corners(number[which], place, half, corners))


def _cell(axis: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Number of the cell that holds x; the last one holds its upper end, too."""
    return np.clip(np.searchsorted(axis, x, "right") - 1, 0, max(len(axis) - 2, 0))


def _nearest(axis: np.ndarray, x: np.ndarray) -> np.ndarray:
    low = _cell(axis, x)
    high = np.minimum(low + 1, len(axis) - 1)
    return np.where(np.abs(axis[high] - x) < np.abs(x - axis[low]), high, low)


def _gap(axis: np.ndarray, cell: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distance of x to cells; infinite where there is no such cell."""
    known = (cell >= 0) & (cell < max(len(axis) - 1, 1))
    at = np.where(known, cell, 0)
    outside = np.maximum(axis[at] - x, x - axis[np.minimum(at + 1, len(axis) - 1)])
    return np.where(known, np.maximum(outside, 0.0), np.inf)


def _distance(axis: np.ndarray, at: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distance of x to grid points; infinite where there is no such point."""
    known = (at >= 0) & (at < len(axis))
    return np.where(known, axis[np.where(known, at, 0)] - x, np.inf)


def _extremes(dose: np.ndarray, choose: np.ufunc) -> np.ndarray:
    """Flat, the lowest or highest of the eight corners of each cell, at its first corner; NaN where one is NaN."""
    found = dose.copy()
    for axis in range(3):
        if dose.shape[axis] > 1:
            view = np.moveaxis(found, axis, 0)
            choose(view[:-1], view[1:], out=view[:-1])
    return found.reshape(-1)
