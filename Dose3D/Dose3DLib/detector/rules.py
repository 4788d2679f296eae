"""What chosen cells must keep to: no two in one place, connected columns, a minimum for each target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..geometry.cells import Cells
from .check import overlapping_pair
from .regions import Region, shares_of_boxes

__all__ = ["Quota", "Rules", "columns_along", "make_rules"]

_TOUCH_MM = 1e-3
_SAME_COLUMN_MM = 0.5
_NEIGHBOURS = 1.5
"""Cells of a column farther apart than this many of its shortest steps are not neighbours."""
_ENOUGH = 0.5
"""A cell belongs to a target when the target fills half of its box, or half of what it fills of its fullest box."""


@dataclass(frozen=True, eq=False)
class Quota:
    """At least `minimum` of the `members` (bool per candidate) for a target."""

    name: str
    members: np.ndarray
    minimum: int


@dataclass(frozen=True, eq=False)
class Rules:
    """Which candidates may stand together.

    Parameters
    ----------
    size:
        n, the number of candidates.
    blocked:
        (n, n) bool, pairs that would overlap; None where the candidates are a lattice.
    column, level:
        (n,) int, column of each candidate and its place in it: chosen cells of a column must follow one another.
        None lifts the rule.
    quotas:
        of the targets.
    """

    size: int
    blocked: np.ndarray | None = None
    column: np.ndarray | None = None
    level: np.ndarray | None = None
    quotas: tuple[Quota, ...] = field(default=())

    def take(self, kept: np.ndarray) -> Rules:
        """The rules of some of the candidates."""
        return Rules(
            len(kept),
            None if self.blocked is None else self.blocked[np.ix_(kept, kept)],
            None if self.column is None else self.column[kept],
            None if self.level is None else self.level[kept],
            tuple(Quota(q.name, q.members[kept], q.minimum) for q in self.quotas),
        )

    def free(self, chosen: Sequence[int]) -> np.ndarray:
        """(n,) bool: candidates that may be added."""
        allowed = np.ones(self.size, bool)
        allowed[list(chosen)] = False
        if self.blocked is not None:
            allowed &= ~self.blocked[list(chosen)].any(axis=0)
        if self.column is not None and len(chosen):
            allowed &= self._follows(np.array(chosen))
        return allowed

    def removable(self, chosen: Sequence[int], cell: int) -> bool:
        """False for a cell within a column, whose loss would cut it in two."""
        if self.column is None:
            return True
        same = [n for n in chosen if self.column[n] == self.column[cell]]
        levels = [int(self.level[n]) for n in same]
        return int(self.level[cell]) in (min(levels), max(levels))

    def helps_quotas(self, chosen: Sequence[int], removed: int) -> np.ndarray:
        """(n,) bool: candidates that may take the place of a removed cell without a target falling short by it."""
        allowed = np.ones(self.size, bool)
        for quota in self.quotas:
            if quota.members[removed] and np.count_nonzero(quota.members[list(chosen)]) < quota.minimum:
                allowed &= quota.members
        return allowed

    def _follows(self, chosen: np.ndarray) -> np.ndarray:
        columns, inverse = np.unique(self.column, return_inverse=True)
        low = np.full(len(columns), np.iinfo(np.int64).max)
        high = np.full(len(columns), np.iinfo(np.int64).min)
        np.minimum.at(low, inverse[chosen], self.level[chosen])
        np.maximum.at(high, inverse[chosen], self.level[chosen])
        begun = np.isin(self.column, self.column[chosen])
        return ~begun | (self.level == low[inverse] - 1) | (self.level == high[inverse] + 1)


def make_rules(
    candidates: Cells, regions: Sequence[Region], minimum: int, wall_mm: float = 0.0, column_axis: int | None = None
) -> Rules:
    """The rules for candidates with walls: what overlaps, columns along one of the cells' axes, a minimum a target."""
    blocked = None if overlapping_pair(candidates, wall_mm) is None else _overlaps(candidates, wall_mm)
    column, level = (None, None) if column_axis is None else columns_along(candidates, column_axis)
    quotas = tuple(_quota(region, candidates, minimum, wall_mm) for region in regions if region.is_target)
    # The target with the fewest cells to choose from comes first.
    ordered = tuple(sorted(quotas, key=lambda quota: np.count_nonzero(quota.members)))
    return Rules(len(candidates), blocked, column, level, ordered)


def columns_along(cells: Cells, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Column of each cell along one of the cells' axes, and its place in it, (n,) int each; a gap ends a column."""
    places = cells.centers_mm @ cells.axes
    others = [a for a in range(3) if a != axis]
    cross = np.round(places[:, others] / _SAME_COLUMN_MM).astype(np.int64)
    _, column = np.unique(cross, axis=0, return_inverse=True)
    column = column.reshape(-1)
    order = np.lexsort((places[:, axis], column))
    steps, same = np.diff(places[order, axis]), np.diff(column[order]) == 0
    shortest = steps[same].min() if same.any() else np.inf
    breaks = ~same | (steps > _NEIGHBOURS * shortest)
    number = np.concatenate([[0], np.cumsum(breaks)])
    first = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    found = np.empty((2, len(cells)), np.int64)
    found[:, order] = number, np.arange(len(cells)) - first[number]
    return found[0], found[1]


def _overlaps(cells: Cells, wall_mm: float) -> np.ndarray:
    places, halves = cells.centers_mm @ cells.axes, cells.sizes_mm / 2 + wall_mm
    blocked = ~np.eye(len(cells), dtype=bool)
    for axis in range(3):
        apart = np.abs(places[:, None, axis] - places[None, :, axis])
        blocked &= apart < halves[:, None, axis] + halves[None, :, axis] - _TOUCH_MM
    return blocked


def _quota(region: Region, candidates: Cells, minimum: int, wall_mm: float) -> Quota:
    """The cells in a target; the nearest ones, too, where it is so small that too few are."""
    share = shares_of_boxes(region.structure, candidates, wall_mm)
    members = share >= np.clip(_ENOUGH * share.max(), 1e-6, _ENOUGH)
    if np.count_nonzero(members) < minimum:
        away = np.linalg.norm(candidates.centers_mm - region.filled_mm.mean(axis=0), axis=1)
        members[np.lexsort((away, -share))[:minimum]] = True
    return Quota(region.name, members, minimum)
