"""Which cells to build when there are too few: those that leave least unknown in targets and organs.

Greedy choice by pivoted updates of the posterior covariance, then exchanges of one cell until none helps. Greedy is
close to the best on such problems (A. Krause, A. Singh and C. Guestrin, Near-optimal sensor placements in Gaussian
processes, JMLR 9, 2008); the exchanges mend what it decided too early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..geometry.cells import Cells
from .posterior import DosePrior, Posterior
from .regions import Region
from .rules import Rules

__all__ = ["MOST_CANDIDATES", "Choice", "choose_cells"]

MOST_CANDIDATES = 3000
"""Matrices of this size squared are held; of more candidates those that tell most by themselves are taken."""
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
    """Posterior covariances of the candidates given the cells that are chosen so far.

    With A the covariance of places and candidates and W the places' weights, a candidate's worth is a diagonal element
    of A'WA. This matrix is kept in A's stead: it has the size of the candidates however many places there are, and
    many are needed, since a choice fits itself to the places that it is judged at.
    """

    def __init__(
        self, candidates: Cells, regions: Sequence[Region], rules: Rules, prior: DosePrior, before: Sequence[Cells]
    ):
        self.rules, self.prior, self.noise = rules, prior, prior.noise_gy**2
        total = sum(region.weight for region in regions)
        self.worth, self.left = np.zeros((len(candidates),) * 2), 0.0
        for region in regions:
            between, variance = _conditioned(region.points_mm, candidates, prior, before)
            weight = region.weight / total / len(region.points_mm)
            self.worth += weight * (between.T @ between)
            self.left += weight * float(variance.sum())
        self.own = _own(candidates, prior, before)
        self.first_worth, self.first_own = self.worth.copy(), self.own.copy()
        self.chosen: list[int] = []

    @property
    def value(self) -> float:
        return self.left / self.prior.variance_gy2

    def gains(self) -> np.ndarray:
        """How much each candidate would lower the weighted variance, (n,) Gy^2."""
        return np.diagonal(self.worth) / (np.maximum(np.diagonal(self.own), 0.0) + self.noise)

    def add(self, cell: int) -> None:
        worth, own = self.worth[:, cell].copy(), self.own[:, cell].copy()
        scale = max(own[cell], 0.0) + self.noise
        self.left -= worth[cell] / scale
        # A loses a b'/s, so A'WA loses (u b' + b u')/s and gains (a'Wa) b b'/s^2, with u = A'Wa.
        cross = np.outer((worth - 0.5 * worth[cell] / scale * own) / scale, own)
        self.worth -= cross + cross.T
        self.own -= np.outer(own / scale, own)
        self.chosen.append(cell)

    def remove(self, cell: int) -> None:
        """Take a chosen cell back: the step of `add` backwards, from the inverse of the chosen cells' covariance."""
        chosen = np.array(self.chosen)
        inner, inner_worth = self.first_own[np.ix_(chosen, chosen)], self.first_worth[np.ix_(chosen, chosen)]
        unit = np.zeros(len(chosen))
        unit[self.chosen.index(cell)] = 1.0
        factor = np.linalg.inv(inner + np.eye(len(chosen)) * self.noise)
        column = factor @ unit
        own = self.first_own[:, chosen] @ column
        worth = self.first_worth[:, chosen] @ column
        worth -= self.first_own[:, chosen] @ (factor @ (inner_worth @ column))
        scale, square = column @ unit, column @ inner_worth @ column
        self.left += square / scale
        cross = np.outer((worth + 0.5 * square / scale * own) / scale, own)
        self.worth += cross + cross.T
        self.own += np.outer(own / scale, own)
        self.chosen.remove(cell)

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


def _conditioned(
    points: np.ndarray, candidates: Cells, prior: DosePrior, before: Sequence[Cells]
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of places with candidates (p, n), and variance of places, given cells that are measured anyway."""
    between = prior.points_cells(points, candidates)
    if not before:
        return between, np.full(len(points), prior.variance_gy2)
    to_points = np.hstack([prior.points_cells(points, cells) for cells in before])
    known = Posterior(points, prior)
    for cells in before:
        known.add(cells)
    return between - to_points @ _solved(candidates, prior, before), known.variance


def _own(candidates: Cells, prior: DosePrior, before: Sequence[Cells]) -> np.ndarray:
    own = prior.cells_cells(candidates, candidates)
    if not before:
        return own
    to_candidates = np.vstack([prior.cells_cells(cells, candidates) for cells in before])
    return own - to_candidates.T @ _solved(candidates, prior, before)


def _solved(candidates: Cells, prior: DosePrior, before: Sequence[Cells]) -> np.ndarray:
    matrix = np.block([[prior.cells_cells(a, b) for b in before] for a in before])
    matrix += np.eye(len(matrix)) * prior.noise_gy**2
    return np.linalg.solve(matrix, np.vstack([prior.cells_cells(cells, candidates) for cells in before]))
