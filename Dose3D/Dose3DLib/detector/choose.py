"""Which cells to build when there are too few: those that leave least unknown in targets and organs.

Greedy choice by pivoted updates of the posterior covariance, then exchanges of one cell until none helps. Greedy is
close to the best on such problems (A. Krause, A. Singh and C. Guestrin, Near-optimal sensor placements in Gaussian
processes, JMLR 9, 2008); the exchanges mend what it decided too early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..geometry.cells import Cells
from .posterior import DosePrior, Posterior
from .regions import Region
from .rules import Rules

__all__ = ["MOST_CANDIDATES", "Choice", "choose_cells"]

MOST_CANDIDATES, MOST_PLACES = 3000, 6000
"""A matrix of these sizes is held; of more candidates those that tell most by themselves are taken."""
_ROUNDS = 3
_LEAST_GAIN = 1e-9


@dataclass(frozen=True, eq=False)
class Choice:
    """Chosen cells.

    Parameters
    ----------
    chosen:
        (n,) indices of the candidates, ascending.
    value:
        weighted mean over regions of the variance that is left at their places, as a share of the prior's: 1 is
        nothing known. The choice fits itself to these places: judge it at others (`regions.redrawn`).
    greedy_value:
        the same before any exchange.
    notes:
        sentences on rules that could not be kept.
    """

    chosen: np.ndarray
    value: float
    greedy_value: float
    notes: tuple[str, ...] = field(default=())


def choose_cells(
    candidates: Cells,
    regions: Sequence[Region],
    count: int,
    rules: Rules | None = None,
    prior: DosePrior | None = None,
    before: Sequence[Cells] = (),
    exchange: bool = True,
) -> Choice:
    """Choose `count` of the candidates.

    Parameters
    ----------
    candidates:
        with the same axes as those of `before`.
    regions:
        where the dose is wanted.
    rules:
        which cells can stand together, and how many each target needs.
    before:
        cells that are measured anyway, in other acquisitions.
    exchange:
        False leaves it at the greedy choice, for a quick look.

    Raises
    ------
    ValueError
        more cells than candidates.
    """
    if not 0 < count <= len(candidates):
        raise ValueError(f"{count} cells of {len(candidates)} candidates")
    rules, prior = rules or Rules(len(candidates)), prior or DosePrior()
    kept = _promising(candidates, regions, rules, prior, count)
    state = _State(candidates.take(kept), regions, rules.take(kept), prior, before)
    notes = state.greedy(count)
    first = state.value
    if exchange:
        for _ in range(_ROUNDS):
            if not state.exchange():
                break
    return Choice(np.sort(kept[state.chosen]), state.value, first, tuple(notes))


def _promising(candidates: Cells, regions: Sequence[Region], rules: Rules, prior: DosePrior, count: int) -> np.ndarray:
    """Indices of all candidates, or of those that tell most alone where there are too many."""
    if len(candidates) <= MOST_CANDIDATES:
        return np.arange(len(candidates))
    gain = np.zeros(len(candidates))
    for region in regions:
        between = prior.points_cells(region.points_mm[:: max(1, len(region.points_mm) // 100)], candidates)
        gain += region.weight * (between**2).mean(axis=0)
    for quota in rules.quotas:
        gain[quota.members] = np.inf
    return np.sort(np.argsort(-gain, kind="stable")[: max(MOST_CANDIDATES, count)])


class _State:
    """What each candidate would tell, given the cells that are chosen so far.

    With A the covariance of places and candidates (rows scaled by the places' weights), B that of the candidates, S
    the chosen and Q = (B_SS + noise)^-1, the posterior of A is A - A_S Q B_S. A candidate's worth, the squared length
    of its column, needs A'A and B in the columns of the chosen only, so neither is ever formed.
    """

    def __init__(
        self, candidates: Cells, regions: Sequence[Region], rules: Rules, prior: DosePrior, before: Sequence[Cells]
    ):
        self.candidates, self.rules, self.prior, self.noise = candidates, rules, prior, prior.noise_gy2
        self.known = _Known(candidates, prior, before)
        regions = _thinned(regions)
        total, parts, self.first = sum(region.weight for region in regions), [], 0.0
        for region in regions:
            between, variance = self.known.places(region.points_mm)
            weight = region.weight / total / len(region.points_mm)
            parts.append(np.sqrt(weight) * between)
            self.first += weight * float(variance.sum())
        self.between = np.concatenate(parts)
        self.worth, self.own = np.einsum("pc,pc->c", self.between, self.between), self.known.own()
        self._columns: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.chosen: list[int] = []

    @property
    def value(self) -> float:
        return self._solved()[2] / self.prior.variance_gy2

    def gains(self) -> np.ndarray:
        """How much each candidate would lower the weighted variance, (n,) Gy^2."""
        worth, own, _ = self._solved()
        return worth / (np.maximum(own, 0.0) + self.noise)

    def add(self, cell: int) -> None:
        if cell not in self._columns:
            self._columns[cell] = self.between.T @ self.between[:, cell], self.known.column(cell)
        self.chosen.append(cell)

    def remove(self, cell: int) -> None:
        self.chosen.remove(cell)

    def _solved(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Worth and variance of each candidate, and the weighted variance of the places, given the chosen."""
        if not self.chosen:
            return self.worth, self.own, self.first
        worth, own = (np.stack([self._columns[cell][n] for cell in self.chosen], axis=1) for n in (0, 1))
        inverse = np.linalg.inv(own[self.chosen] + np.eye(len(self.chosen)) * self.noise)
        solved = own @ inverse
        inner = worth[self.chosen]
        left = self.worth - 2 * np.einsum("cs,cs->c", worth, solved) + np.einsum("cs,cs->c", solved @ inner, solved)
        return left, self.own - np.einsum("cs,cs->c", solved, own), self.first - float((inverse * inner).sum())

    def greedy(self, count: int) -> list[str]:
        """Fill the quotas first, the rest by gain; sentences on what the rules did not allow."""
        notes = []
        for quota in self.rules.quotas:
            while np.count_nonzero(quota.members[self.chosen]) < quota.minimum and len(self.chosen) < count:
                if not self._add_best(self.rules.free(self.chosen) & quota.members):
                    break
            got = np.count_nonzero(quota.members[self.chosen])
            if got < quota.minimum:
                notes.append(f"{quota.name} gets {got} cells instead of {quota.minimum}: no more fit.")
        while len(self.chosen) < count:
            if not self._add_best(self.rules.free(self.chosen)):
                notes.append(f"{len(self.chosen)} cells instead of {count}: no more fit beside one another.")
                break
        return notes

    def _add_best(self, allowed: np.ndarray) -> bool:
        if not allowed.any():
            return False
        self.add(int(np.argmax(np.where(allowed, self.gains(), -np.inf))))
        return True

    def exchange(self) -> bool:
        """One round: each chosen cell goes where it helps most; True when any moved."""
        moved = False
        for cell in list(self.chosen):
            if not self.rules.removable(self.chosen, cell):
                continue
            self.remove(cell)
            allowed = self.rules.free(self.chosen) & self.rules.helps_quotas(self.chosen, cell)
            gains = np.where(allowed, self.gains(), -np.inf)
            best = int(np.argmax(gains))
            if gains[best] <= gains[cell] + _LEAST_GAIN * self.prior.variance_gy2:
                best = cell
            self.add(best)
            moved |= best != cell
        return moved


def _thinned(regions: Sequence[Region]) -> list[Region]:
    """Of many places every second, third ... one: a column of 3000 candidates each must fit into memory."""
    step = int(np.ceil(sum(len(region.points_mm) for region in regions) / MOST_PLACES))
    return [replace(region, points_mm=region.points_mm[::step]) for region in regions]


class _Known:
    """Covariances with the candidates, given cells that are measured anyway."""

    def __init__(self, candidates: Cells, prior: DosePrior, before: Sequence[Cells]):
        self.candidates, self.prior, self.before = candidates, prior, before
        self.others = np.zeros((0, len(candidates)))
        if before:
            matrix = np.block([[prior.cells_cells(a, b) for b in before] for a in before])
            matrix += np.eye(len(matrix)) * prior.noise_gy2
            self.others = np.vstack([prior.cells_cells(cells, candidates) for cells in before])
            self.solved = np.linalg.solve(matrix, self.others)

    def places(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Covariance of places with the candidates (p, n), and variance of the places (p,)."""
        between = self.prior.points_cells(points, self.candidates)
        state = Posterior(points, self.prior)
        for cells in self.before:
            state.add(cells)
        if self.before:
            between -= np.hstack([self.prior.points_cells(points, cells) for cells in self.before]) @ self.solved
        return between, state.variance

    def own(self) -> np.ndarray:
        """Variance of each candidate's mean, (n,)."""
        sizes, which = np.unique(self.candidates.sizes_mm, axis=0, return_inverse=True)
        first = [int(np.argmax(which.reshape(-1) == n)) for n in range(len(sizes))]
        alone = np.array([self.prior.cells_cells(one, one)[0, 0] for one in map(self.candidates.take, _each(first))])
        found = alone[which.reshape(-1)]
        return found - np.einsum("bc,bc->c", self.others, self.solved) if self.before else found

    def column(self, cell: int) -> np.ndarray:
        """Covariance of the candidates with one of them, (n,)."""
        found = self.prior.cells_cells(self.candidates, self.candidates.take(np.array([cell])))[:, 0]
        return found - self.others.T @ self.solved[:, cell] if self.before else found


def _each(indices: Sequence[int]) -> list[np.ndarray]:
    return [np.array([n]) for n in indices]
