"""Set-ups of a few cells each: which lattice (phase, angle), and which of its cells, leave least unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.cells import Cells
from .choose import Choice, choose_cells
from .lattice import Lattice, lattice_cells, turned
from .layout import Layout
from .placement import Placement
from .posterior import DosePrior
from .regions import Region
from .rules import make_rules

__all__ = ["Setup", "Stock", "candidate_lattices", "choose_setups", "lattice_candidates", "taken"]

_FEW_POINTS = 300
"""Places per region in the look at each lattice; the choice itself uses all."""
_AROUND = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
_BETTER = 1e-6


@dataclass(frozen=True)
class Stock:
    """What there is to build from.

    Parameters
    ----------
    cells:
        a set-up.
    minimum:
        cells that each target gets in every set-up.
    column_axis:
        axis of the detector along which cells must follow one another (0, 1, 2); None: they may stand anywhere.
    """

    cells: int
    minimum: int = 3
    column_axis: int | None = None


@dataclass(frozen=True, eq=False)
class Setup:
    """One acquisition: its layout, the choice behind it, and how many candidates there were."""

    layout: Layout
    choice: Choice
    candidates: int


def candidate_lattices(
    regions: Sequence[Region],
    lattice: Lattice,
    placement: Placement,
    phases: int = 1,
    angles_deg: Iterable[float] = (0.0,),
) -> list[Layout]:
    """Lattices of candidates: `phases` per axis in equal parts of the pitch, turned about the detector's y axis."""
    found = []
    for angle in angles_deg:
        place = turned(placement, float(angle))
        for step in np.ndindex(phases, phases, phases):
            phase = np.array(lattice.phase_mm) + np.array(step) / phases * np.array(lattice.pitch_mm)
            name = f"phase {', '.join(f'{mm:.3g}' for mm in phase)} mm, angle {float(angle):g} degrees"
            found.append(lattice_candidates(regions, replace(lattice, phase_mm=tuple(phase)), place, name))
    return found


def lattice_candidates(regions: Sequence[Region], lattice: Lattice, placement: Placement, name: str = "") -> Layout:
    """All cells of a lattice whose room holds a part of a region, and their neighbours."""
    pitch, phase = np.array(lattice.pitch_mm), np.array(lattice.phase_mm)
    near = np.concatenate([_different(_index(region.filled_mm, placement, phase, pitch)) for region in regions])
    index = _different((near[:, None] + _AROUND[None]).reshape(-1, 3))
    index = index[np.lexsort((index[:, 0], index[:, 2], index[:, 1]))]  # layers along y, as the lattice counts
    first = index.min(axis=0)
    cells = lattice_cells(lattice, index, placement, first)
    return Layout(cells, placement, tuple(f"Layer_{b}" for b in index[:, 1] - first[1]), lattice.wall_mm, name)


def _index(points_mm: np.ndarray, placement: Placement, phase: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    return np.rint((placement.detector(points_mm) - phase) / pitch).astype(np.int64)


def _different(index: np.ndarray) -> np.ndarray:
    """The different rows of whole numbers (n, 3): by marking them in a block, since there may be 400 000."""
    low = index.min(axis=0)
    marked = np.zeros(index.max(axis=0) - low + 1, bool)
    marked[tuple((index - low).T)] = True
    return np.argwhere(marked) + low


def choose_setups(
    candidates: Sequence[Layout],
    regions: Sequence[Region],
    stock: Stock,
    setups: int = 1,
    prior: DosePrior | None = None,
    tick: Callable[[float], None] = lambda share: None,
) -> list[Setup]:
    """Choose the cells of each set-up, one after the other, then each again given the others.

    All set-ups have the angle of the first: cells that are taken together need the same axes. Each choice has the value
    of all set-ups that were chosen by then.

    Raises
    ------
    ValueError
        more cells than any of the candidates' layouts has.
    """
    search = _Search(regions, stock, prior or DosePrior(), tick, rounds=setups if setups == 1 else 2 * setups)
    usable = [layout for layout in candidates if len(layout) >= stock.cells]
    if not usable:
        raise ValueError(f"{stock.cells} cells of {max(map(len, candidates))} candidates")
    found: list[Setup] = []
    for _ in range(setups):
        found.append(search.run(usable, [setup.layout.cells for setup in found]))
        usable = [layout for layout in usable if np.allclose(layout.cells.axes, found[0].layout.cells.axes)]
    for number in range(setups if setups > 1 else 0):
        again = search.run(usable, [setup.layout.cells for n, setup in enumerate(found) if n != number])
        if again.choice.value < found[-1].choice.value - _BETTER:
            found[number] = again
            found[-1] = replace(found[-1], choice=replace(found[-1].choice, value=again.choice.value))
    return found


class _Search:
    """For one more set-up the best lattice by a quick look at each, then its cells chosen with care."""

    def __init__(
        self, regions: Sequence[Region], stock: Stock, prior: DosePrior, tick: Callable[[float], None], rounds: int
    ):
        self.regions, self.stock, self.prior = regions, stock, prior
        self.tick, self.rounds, self.done = tick, rounds, 0

    def run(self, candidates: Sequence[Layout], before: Sequence[Cells]) -> Setup:
        best = candidates[0]
        if len(candidates) > 1:
            few = [replace(r, points_mm=r.points_mm[:: max(1, len(r.points_mm) // _FEW_POINTS)]) for r in self.regions]
            values = []
            for n, layout in enumerate(candidates):
                values.append(_choose(layout, few, self.stock, self.prior, before, exchange=False).value)
                self.tick((self.done + (n + 1) / (len(candidates) + 1)) / self.rounds)
            best = candidates[int(np.argmin(values))]
        choice = _choose(best, self.regions, self.stock, self.prior, before, exchange=True)
        self.done += 1
        self.tick(self.done / self.rounds)
        return Setup(taken(best, choice.chosen), choice, len(best))


def _choose(
    layout: Layout, regions: Sequence[Region], stock: Stock, prior: DosePrior, before: Sequence[Cells], exchange: bool
) -> Choice:
    rules = make_rules(layout.cells, regions, stock.minimum, layout.wall_mm, stock.column_axis)
    return choose_cells(layout.cells, regions, stock.cells, rules, prior, before, exchange)


def taken(layout: Layout, chosen: np.ndarray) -> Layout:
    """The layout with these cells only (indices or bool)."""
    chosen = np.arange(len(layout))[chosen]
    layers = tuple(layout.layers[n] for n in chosen)
    facts = {name: np.asarray(column)[chosen] for name, column in layout.facts.items()}
    return Layout(layout.cells.take(chosen), layout.placement, layers, layout.wall_mm, layout.name, facts)
