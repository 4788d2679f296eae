"""How far two versions of a structure set agree: what was changed, by how much, and on which slices.

Dice is `2 |A and B| / (|A| + |B|)` (L. R. Dice, Ecology 26, 1945), by voxels; 1 where both are empty. Everything here
follows from three counts a slice, so that a caller who must not block can count slab by slab.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .grid import Grid
from .mask import Mask
from .structure import StructureSet

__all__ = ["Agreement", "SliceAgreement", "agreement_of", "compare_masks", "compare_sets", "lowest_slices",
           "slice_counts"]  # fmt: skip

State = Literal["unchanged", "changed", "added", "removed", "renamed"]


@dataclass(frozen=True)
class SliceAgreement:
    """One slice (index k) on which two versions differ: Dice of the slice, and the area that only one of them has."""

    index: int
    dice: float
    changed_mm2: float


@dataclass(frozen=True)
class Agreement:
    """Two versions of one structure.

    Parameters
    ----------
    name:
        of the later version, or of the earlier one where there is no later.
    state:
        `unchanged` (the very same voxels), `changed`, `added` or `removed` (the other version is not there or empty),
        `renamed` (the same voxels under another name).
    dice:
        of all voxels.
    before_cc, after_cc, added_cc, removed_cc:
        volumes: of both versions, of what only the later has, and of what only the earlier has.
    slices:
        those that differ, lowest Dice first, among equals the largest changed area first.
    former_name:
        of a renamed structure.
    """

    name: str
    state: State
    dice: float
    before_cc: float
    after_cc: float
    added_cc: float
    removed_cc: float
    slices: tuple[SliceAgreement, ...] = field(default=())
    former_name: str = ""

    @property
    def is_changed(self) -> bool:
        """True when the voxels differ anywhere, be it one; a new name alone is no change."""
        return self.state not in ("unchanged", "renamed")


def slice_counts(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Voxels of two bool blocks (k, j, i) of one shape, by slice: shape (k, 3), columns before, after, both."""
    return np.stack([np.count_nonzero(part, axis=(1, 2)) for part in (before, after, before & after)], axis=1)


def agreement_of(name: str, counts: np.ndarray, grid: Grid) -> Agreement:
    """What the counts of all slices (grid's k, 3) say about a structure."""
    cc = grid.voxel_volume_mm3 / 1000.0
    before, after, both = (int(n) for n in counts.sum(axis=0))
    state: State = "unchanged" if before == after == both else "changed" if before and after else "removed"
    return Agreement(
        name,
        "added" if after and not before else state,
        _dice(before, after, both),
        before * cc,
        after * cc,
        (after - both) * cc,
        (before - both) * cc,
        _slices(counts, grid),
    )


def compare_masks(name: str, before: Mask, after: Mask) -> Agreement:
    """Compare two masks on one grid; only the box around both is looked at."""
    boxes = [mask.slices for mask in (before, after) if not mask.is_empty]
    counts = np.zeros((before.grid.shape[0], 3), np.int64)
    if boxes:
        box = tuple(slice(min(b[a].start for b in boxes), max(b[a].stop for b in boxes)) for a in range(3))
        counts[box[0]] = slice_counts(_in_box(before, box), _in_box(after, box))
    return agreement_of(name, counts, before.grid)


def compare_sets(before: StructureSet, after: StructureSet) -> list[Agreement]:
    """Compare by name: the later set's structures in their order, then what only the earlier one has.

    A structure of a new name whose voxels are exactly those of one that has gone is `renamed`.

    Raises
    ------
    ValueError
        the sets lie on different grids.
    """
    if not before.grid.same_as(after.grid):
        raise ValueError("the two structure sets lie on different grids")
    gone = {s.name: s for s in before if s.name not in after.names}
    found = []
    for structure in after:
        if structure.name in before.names:
            found.append(compare_masks(structure.name, before[structure.name].mask, structure.mask))
            continue
        former = [name for name, old in gone.items() if _same_and_filled(old.mask, structure.mask)]
        if former:
            old = gone.pop(former[0])
            same = compare_masks(structure.name, old.mask, structure.mask)
            found.append(Agreement(**{**vars(same), "state": "renamed", "former_name": old.name}))
        else:
            found.append(compare_masks(structure.name, Mask.empty(after.grid), structure.mask))
    return found + [compare_masks(name, old.mask, Mask.empty(before.grid)) for name, old in gone.items()]


def lowest_slices(agreements: Iterable[Agreement]) -> list[tuple[str, SliceAgreement]]:
    """All slices that differ, with the structure's name: lowest Dice first, then the largest changed area."""
    listed = [(one.name, slice_) for one in agreements for slice_ in one.slices]
    return sorted(listed, key=lambda pair: _order(pair[1]))


def _order(one: SliceAgreement) -> tuple[float, float, int]:
    return one.dice, -one.changed_mm2, one.index


def _slices(counts: np.ndarray, grid: Grid) -> tuple[SliceAgreement, ...]:
    pixel_mm2 = grid.voxel_volume_mm3 / grid.slice_distance_mm
    found = []
    for index in np.flatnonzero((counts[:, 0] != counts[:, 2]) | (counts[:, 1] != counts[:, 2])):
        before, after, both = (int(n) for n in counts[index])
        changed = (before + after - 2 * both) * pixel_mm2
        found.append(SliceAgreement(int(index), _dice(before, after, both), changed))
    return tuple(sorted(found, key=_order))


def _dice(before: int, after: int, both: int) -> float:
    return 2.0 * both / (before + after) if before + after else 1.0


def _in_box(mask: Mask, box: tuple[slice, ...]) -> np.ndarray:
    block = np.zeros([b.stop - b.start for b in box], bool)
    if not mask.is_empty:
        inside = tuple(slice(m.start - b.start, m.stop - b.start) for m, b in zip(mask.slices, box, strict=True))
        block[inside] = mask.block
    return block


def _same_and_filled(a: Mask, b: Mask) -> bool:
    return not a.is_empty and a.same_voxels(b)
