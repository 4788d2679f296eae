"""Which cells of a lattice a structure wants: by how much it fills their room, in whole columns, within a budget."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from ..core.errors import InputError
from ..geometry.cells import Cells
from ..geometry.structure import Structure, StructureSet
from .lattice import Lattice, lattice_cells, lattice_in_box
from .occupancy import cell_occupancy, with_covers
from .placement import Placement

__all__ = ["FillRules", "Filling", "chosen_structures", "detector_box", "fill"]


@dataclass(frozen=True)
class FillRules:
    """When a cell is kept.

    Parameters
    ----------
    threshold:
        share of the cell's room (its pitch box) that at least one target fills.
    minimum:
        so many cells of each target, those that it fills most, are kept whatever the threshold says.
    budget:
        channels of the read-out: no more cells than this; None: any number.
    column_axis:
        0, 1 or 2: columns along this axis are whole from their first to their last cell, so that they can be built as
        rods; None: cells may stand alone.
    """

    threshold: float = 0.5
    minimum: int = 1
    budget: int | None = None
    column_axis: int | None = None


@dataclass(frozen=True, eq=False)
class Filling:
    """What was kept.

    Parameters
    ----------
    index:
        (n, 3) lattice indices.
    shares:
        (n,) by target: share of each cell's room.
    notes:
        sentences for the user.
    """

    index: np.ndarray
    shares: dict[str, np.ndarray]
    notes: tuple[str, ...]


def chosen_structures(structures: StructureSet, names: Sequence[str], what: str) -> StructureSet:
    """The structures of these names, upper and lower case aside; they must not be empty.

    Raises
    ------
    InputError
        a name that is not there (near ones are given) or stands for several, an empty structure; names `what`.
    """
    found: list[Structure] = []
    for name in names:
        same = [one for one in structures if one.name == name]
        same = same or [one for one in structures if one.name.strip().lower() == name.strip().lower()]
        if not same:
            known = structures.names
            near = get_close_matches(name.lower(), [one.lower() for one in known], n=3, cutoff=0.5)
            close = [one for one in known if one.lower() in near]
            remedy = f"did you mean {' or '.join(close)}?" if close else f"choose from {', '.join(known)[:200]}"
            raise InputError(what, f"there is no structure {name!r}", remedy)
        if len(same) > 1:
            raise InputError(what, f"{name!r} stands for {len(same)} structures", "write it exactly as in the file")
        if same[0].mask.is_empty and not same[0].contours:
            raise InputError(what, f"the structure {same[0].name!r} is empty", "choose one that has a volume")
        found += [one for one in same if all(one is not other for other in found)]
    return StructureSet(structures.grid, tuple(found), structures.notes)


def detector_box(structures: StructureSet, placement: Placement) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the box around structures in the detector frame, the outer halves of their slices included."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for structure in structures:
        points = placement.detector(_outline(structure, structures))
        low, high = np.minimum(low, points.min(axis=0)), np.maximum(high, points.max(axis=0))
    return low, high


def fill(lattice: Lattice, placement: Placement, targets: StructureSet, rules: FillRules) -> Filling:
    """Cells of the lattice for the targets.

    Raises
    ------
    InputError
        a budget that is too small for the minimum, over a million cells to choose from, no cell at all.
    """
    index = lattice_in_box(lattice, *detector_box(targets, placement))
    walls = (np.asarray(lattice.pitch_mm) - np.asarray(lattice.size_mm)) / 2
    room = with_covers(lattice_cells(lattice, index, placement), walls)
    shares = cell_occupancy(room, targets)
    best = np.max(list(shares.values()), axis=0) if len(index) else np.zeros(0)
    needed, notes = _needed(shares, rules.minimum)
    kept = _completed(index, needed | (best >= max(rules.threshold, 1e-9)), rules.column_axis)
    if not kept.any():
        raise InputError("--fill", "no cell is filled enough", "lower --threshold or raise --minimum")
    if rules.budget is not None and kept.sum() > rules.budget:
        before = int(kept.sum())
        kept = _within_budget(index, kept, needed, _worth(room, best), rules)
        notes.append(f"The budget of {rules.budget} cells left out {before - int(kept.sum())} of {before}.")
    return Filling(index[kept], {name: values[kept] for name, values in shares.items()}, tuple(notes))


def _outline(structure: Structure, structures: StructureSet) -> np.ndarray:
    """(n, 3) LPS points whose hull holds the structure."""
    grid = structures.grid
    if structure.contours:
        points = np.concatenate(
            [np.column_stack([p, np.full(len(p), k)]) for k, polygons in structure.contours.items() for p in polygons]
        )
    else:
        offset, shape = np.array(structure.mask.offset), np.array(structure.mask.block.shape)
        corners = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
        points = (offset + corners * (shape - 1) + (corners - 0.5) * [0, 1, 1])[:, ::-1].astype(float)
    middle, half = grid.to_lps(points), grid.normal * grid.slice_distance_mm / 2
    return np.concatenate([middle - half, middle + half])


def _needed(shares: dict[str, np.ndarray], minimum: int) -> tuple[np.ndarray, list[str]]:
    """The cells of each target's minimum, and a note for targets that touch fewer."""
    count = len(next(iter(shares.values())))
    needed, notes = np.zeros(count, bool), []
    for name, values in shares.items():
        best = np.argsort(-values, kind="stable")[:minimum]
        best = best[values[best] > 1e-9]
        needed[best] = True
        if len(best) < minimum:
            notes.append(f"Only {len(best)} cells touch {name}, and the minimum is {minimum}.")
    return needed, notes


def _columns(index: np.ndarray, axis: int) -> list[np.ndarray]:
    """Positions of the cells of each column, along the axis."""
    others = [a for a in range(3) if a != axis]
    order = np.lexsort((index[:, axis], index[:, others[1]], index[:, others[0]]))
    breaks = np.flatnonzero(np.diff(index[order][:, others], axis=0).any(axis=1)) + 1
    return np.split(order, breaks) if len(order) else []


def _completed(index: np.ndarray, kept: np.ndarray, axis: int | None) -> np.ndarray:
    kept = kept.copy()
    for column in [] if axis is None else _columns(index, axis):
        ends = np.flatnonzero(kept[column])
        if len(ends):
            kept[column[ends[0] : ends[-1] + 1]] = True
    return kept


def _worth(room: Cells, best: np.ndarray) -> np.ndarray:
    """(n,) ranks by the shares in percent; of equal ones the cell that is nearer to the middle of all is worth more."""
    away = np.linalg.norm(room.centers_mm - room.centers_mm.mean(axis=0), axis=1)
    rank = np.empty(len(best))
    rank[np.lexsort((-away, np.round(100 * best)))] = np.arange(len(best))
    return rank


def _within_budget(
    index: np.ndarray, kept: np.ndarray, needed: np.ndarray, worth: np.ndarray, rules: FillRules
) -> np.ndarray:
    """Leave out the cells that are worth least; of columns only ends, so that they stay whole."""
    kept = kept.copy()
    groups = [np.array([n]) for n in np.flatnonzero(kept)]
    if rules.column_axis is not None:
        groups = [part for part in (column[kept[column]] for column in _columns(index, rules.column_axis)) if len(part)]
    ends = [(0, len(group) - 1) for group in groups]
    queue = [(float(worth[group[at]]), n, at) for n, group in enumerate(groups) for at in {0, len(group) - 1}]
    heapq.heapify(queue)
    surplus = int(kept.sum()) - rules.budget
    while surplus and queue:
        _, n, at = heapq.heappop(queue)
        first, last = ends[n]
        cell = groups[n][at]
        if needed[cell] or not kept[cell] or at not in (first, last):
            continue
        kept[cell], surplus = False, surplus - 1
        following = first + 1 if at == first else last - 1
        ends[n] = (first + 1, last) if at == first else (first, last - 1)
        if ends[n][0] <= ends[n][1]:
            heapq.heappush(queue, (float(worth[groups[n][following]]), n, following))
    if surplus:
        cause = f"{rules.budget} cells are too few: {int(kept.sum())} are needed for the minimum of each target"
        remedy = "allow more cells, or lower --minimum" + (
            ", or leave out --columns" if rules.column_axis is not None else ""
        )
        raise InputError("--cells", cause, remedy)
    return kept
