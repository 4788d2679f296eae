"""Acquisitions of one detector that is moved between them: which shifts leave least unknown.

The first acquisition is where the detector stands. Each further one is chosen greedily among moves along the
detector's axes: fractions of the pitch look between the cells, whole pitches look where no cell was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.cells import Cells
from .posterior import DosePrior, Posterior
from .regions import Region, mean_variance

__all__ = ["MOST_CELLS", "Plan", "diagonal_shifts", "near_cells", "pitches_mm", "plan_shifts", "shifted",
           "variance_after"]  # fmt: skip

MOST_CELLS = 2000
"""Cells of one acquisition near the regions: above it each look at a shift would take minutes."""
REACH_LENGTHS = 3.0
"""Cells farther from every place than this many kernel lengths tell nothing of it."""
_COARSE, _FINEST = 2, 8
"""Moves are tried in halves of the pitch first, then down to eighths around the best."""
_LOOKS, _WORK = 600, 3e7
"""Moves that are looked at for a further acquisition: at most these, and fewer the more cells there are."""
_FEW_POINTS = 100
"""Places per region in the first round; the finer ones and the result use all."""
_SAME_MM = 0.5


@dataclass(frozen=True, eq=False)
class Plan:
    """Shifts and what they leave.

    Parameters
    ----------
    shifts_mm:
        (frames, 3) along the detector's axes; the first is 0.
    values:
        weighted mean variance after each acquisition, as a share of the prior's.
    variances:
        of the last, (p,) Gy^2 per region.
    looks:
        how many shifts were tried.
    """

    shifts_mm: np.ndarray
    values: tuple[float, ...]
    variances: tuple[np.ndarray, ...]
    looks: int


def shifted(cells: Cells, shift_mm: np.ndarray) -> Cells:
    """The cells moved along their own axes."""
    return Cells(cells.labels, cells.centers_mm + cells.axes @ np.asarray(shift_mm), cells.sizes_mm, cells.axes)


def pitches_mm(cells: Cells) -> np.ndarray:
    """Distance of neighbours along each of the cells' axes, (3,): the median step between cells in one line.

    Where no two cells are in line along an axis the pitch is the cells' own length.
    """
    places = cells.centers_mm @ cells.axes
    found = np.median(cells.sizes_mm, axis=0)
    for axis in range(3):
        others = np.round(np.delete(places, axis, axis=1) / _SAME_MM).astype(np.int64)
        order = np.lexsort((places[:, axis], others[:, 1], others[:, 0]))
        same = (np.diff(others[order], axis=0) == 0).all(axis=1)
        steps = np.diff(places[order, axis])[same]
        if len(steps):
            found[axis] = np.median(steps)
    return found


def diagonal_shifts(cells: Cells, frames: int) -> np.ndarray:
    """The naive plan: equal steps along the diagonal of a pitch, (frames, 3)."""
    return np.arange(frames)[:, None] / frames * pitches_mm(cells)[None]


def variance_after(
    cells: Cells, shifts_mm: np.ndarray, regions: Sequence[Region], prior: DosePrior | None = None
) -> tuple[float, tuple[np.ndarray, ...]]:
    """Weighted mean variance as a share of the prior's, and the variances per region, of these acquisitions."""
    state = _State(cells, regions, prior or DosePrior(), shifts_mm)
    return state.value, _split(state.known.variance, regions)


def plan_shifts(
    cells: Cells,
    regions: Sequence[Region],
    frames: int,
    prior: DosePrior | None = None,
    reach_mm: float | None = None,
    tick: Callable[[float], None] = lambda share: None,
) -> Plan:
    """Choose the shifts of `frames` acquisitions.

    Parameters
    ----------
    reach_mm:
        the longest move along each axis; None lets the detector go wherever the regions are.
    tick:
        called with the share of the work that is done.
    """
    prior = prior or DosePrior()
    state, looks = _State(cells, regions, prior), 0
    shifts, values = [np.zeros(3)], [state.value]
    for frame in range(1, frames):
        best, tried = _best_move(state, reach_mm)
        looks += tried
        state.add(best)
        shifts.append(best)
        values.append(state.value)
        tick(frame / (frames - 1))
    return Plan(np.array(shifts), tuple(values), _split(state.known.variance, regions), looks)


class _State:
    """A detector, where the dose is wanted, and what the acquisitions so far have left."""

    def __init__(
        self, cells: Cells, regions: Sequence[Region], prior: DosePrior, shifts_mm: Iterable[np.ndarray] = ((0, 0, 0),)
    ):
        self.cells, self.regions, self.prior = cells, regions, prior
        self.known = Posterior(np.concatenate([region.points_mm for region in regions]), prior)
        self.shifts: list[np.ndarray] = []
        for shift in shifts_mm:
            self.add(np.asarray(shift, np.float64))

    @property
    def value(self) -> float:
        return _value(self.known.variance, self.regions, self.prior)

    def add(self, move: np.ndarray) -> None:
        near = self._near(move)
        self.shifts.append(move)
        if len(near):
            self.known.add(near)

    def after(self, move: np.ndarray) -> float:
        """The value if the detector were moved there."""
        near = self._near(move)
        variance = self.known.after(near) if len(near) else self.known.variance
        return _value(variance, self.regions, self.prior)

    def _near(self, move: np.ndarray) -> Cells:
        cells = shifted(self.cells, move)
        return cells.take(near_cells(cells, self.regions, self.prior))

    def coarse(self) -> _State:
        """The same with fewer places."""
        few = [replace(r, points_mm=r.points_mm[:: max(1, len(r.points_mm) // _FEW_POINTS)]) for r in self.regions]
        return _State(self.cells, few, self.prior, self.shifts)


def _best_move(state: _State, reach_mm: float | None) -> tuple[np.ndarray, int]:
    """The shift that leaves least, by ever finer steps, and how many were tried."""
    rough = state.coarse()
    moves = _coarse_moves(state, reach_mm)
    best = min(moves, key=rough.after)
    looks, part = len(moves), _COARSE
    pitch = pitches_mm(state.cells)
    offsets = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
    while part < _FINEST:
        part *= 2
        near = [move for move in best + offsets * pitch / part if _within(move, reach_mm)]
        best = min(near, key=state.after)  # itself is among them
        looks += len(near)
    return best, looks


def near_cells(cells: Cells, regions: Sequence[Region], prior: DosePrior) -> np.ndarray:
    """(n,) bool: cells near the box around a region; the others can tell nothing of it."""
    places, kept = cells.centers_mm @ cells.axes, np.zeros(len(cells), bool)
    reach = REACH_LENGTHS * prior.length_mm + cells.sizes_mm / 2
    for region in regions:
        points = region.points_mm @ cells.axes
        kept |= ((places > points.min(axis=0) - reach) & (places < points.max(axis=0) + reach)).all(axis=1)
    return kept


def _coarse_moves(state: _State, reach_mm: float | None) -> list[np.ndarray]:
    """Half pitches to wherever the detector still meets the regions; whole ones or more where these are too many."""
    cells, regions = state.cells, state.regions
    step = pitches_mm(cells) / _COARSE
    places = cells.centers_mm @ cells.axes
    points = np.concatenate([region.points_mm for region in regions]) @ cells.axes
    low, high = points.min(axis=0) - places.max(axis=0), points.max(axis=0) - places.min(axis=0)
    if reach_mm is not None:
        low, high = np.maximum(low, -reach_mm), np.minimum(high, reach_mm)
    ranges = [_steps(a, b, mm) for a, b, mm in zip(low, high, step, strict=True)]
    most = int(np.clip(_WORK / len(cells) ** 2, 8, _LOOKS))
    while np.prod([len(r) for r in ranges]) > most:
        longest = int(np.argmax([len(r) for r in ranges]))
        ranges[longest] = _thinned(ranges[longest])
    halves = [np.array([a, b, c]) * step for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    moves = [np.array([a, b, c]) * step for a in ranges[0] for b in ranges[1] for c in ranges[2]]
    return [move for move in [*halves, *moves] if _within(move, reach_mm)]


def _steps(low: float, high: float, step: float) -> list[int]:
    first, last = min(0, int(np.ceil(low / step))), max(0, int(np.floor(high / step)))
    return list(range(first, last + 1))


def _thinned(steps: list[int]) -> list[int]:
    """Every second one, 0 among them."""
    return steps[steps.index(0) % 2 :: 2]


def _within(move: np.ndarray, reach_mm: float | None) -> bool:
    return reach_mm is None or bool(np.abs(move).max() <= reach_mm + 1e-9)


def _value(variance: np.ndarray, regions: Sequence[Region], prior: DosePrior) -> float:
    return mean_variance(regions, _split(variance, regions)) / prior.variance_gy2


def _split(variance: np.ndarray, regions: Sequence[Region]) -> tuple[np.ndarray, ...]:
    return tuple(np.split(variance, np.cumsum([len(region.points_mm) for region in regions])[:-1]))
