"""Boxes of one size that follow a structure's shape: layers of rows of boxes, each row and layer free to slide.

The Dice coefficient 2|A and B| / (|A| + |B|) of the boxes B and the structure A is a ratio, whose largest value is
found by solving a series of sums (W. Dinkelbach, Management Science 13, 1967): maximise the sum over boxes of
2 * overlap - t * (box volume), with t the ratio so far. Each sum over layers of rows is maximised exactly, since
non-overlapping intervals on a line are (dynamic programming): boxes in a row, rows in a layer, layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

__all__ = ["Filling", "Packing", "frame_filling", "lattice_packing", "pack", "with_minimum"]

_ROUNDS = 12
_PRICE_ROUNDS = 25


@dataclass(frozen=True, eq=False)
class Filling:
    """How much of each part of a regular grid along a detector's axes a structure fills.

    Parameters
    ----------
    share:
        (x, y, z) float, 0 to 1, along the detector's axes.
    low_mm:
        (3,) the grid's lower corner in the detector's axes.
    step_mm:
        edge of the parts.
    axes:
        (3, 3) columns are the detector's axes in LPS.
    """

    share: np.ndarray
    low_mm: np.ndarray
    step_mm: float
    axes: np.ndarray


@dataclass(frozen=True, eq=False)
class Packing:
    """Boxes: centres (n, 3) along the axes of the filling, mm; volume shared with the structure; Dice."""

    centers_mm: np.ndarray
    shared_mm3: np.ndarray
    dice: float


def frame_filling(places_mm: np.ndarray, volume_mm3: float, axes: np.ndarray, box_mm: float, parts: int) -> Filling:
    """The filling by equal parts of a structure at LPS places (m, 3), on a grid of `parts` to a box's edge.

    One box of margin lies around the structure.
    """
    step = box_mm / parts
    places = places_mm @ axes
    low = places.min(axis=0) - box_mm - step / 2
    counts = np.ceil((places.max(axis=0) - low + box_mm) / step).astype(int) + 1
    index = np.floor((places - low) / step).astype(np.int64)
    flat = np.bincount(np.ravel_multi_index(tuple(index.T), counts), minlength=int(counts.prod()))
    share = flat.reshape(counts) * (volume_mm3 / len(places_mm) / step**3)
    return Filling(share, low, step, axes)


def pack(filling: Filling, parts: int, most: int | None = None) -> Packing:
    """The layers of rows with the highest Dice, of at most `most` boxes; each axis may be that of layers or rows."""
    sums = _box_sums(filling.share, parts) * filling.step_mm**3
    volume, box = float(filling.share.sum()) * filling.step_mm**3, (parts * filling.step_mm) ** 3
    best = max((_best_boxes(sums, order, parts, (volume, box), most) for order in permutations(range(3))),
               key=lambda found: found[1])  # fmt: skip
    starts, dice = best
    centers = filling.low_mm + (starts + parts / 2) * filling.step_mm
    return Packing(centers, sums[tuple(starts.T)], dice)


def lattice_packing(
    filling: Filling, parts: int, phases: Iterable[tuple[int, int, int]], share: float | None = None
) -> Packing:
    """The regular lattice with the highest Dice among phases (in parts).

    Of each the boxes that the structure fills by `share` are taken, or where None those with the highest Dice.
    """
    sums = _box_sums(filling.share, parts) * filling.step_mm**3
    volumes = float(filling.share.sum()) * filling.step_mm**3, (parts * filling.step_mm) ** 3
    starts, dice = max((_lattice_boxes(sums, parts, phase, volumes, share) for phase in phases), key=lambda one: one[1])
    centers = filling.low_mm + (starts + parts / 2) * filling.step_mm
    return Packing(centers, sums[tuple(starts.T)], dice)


def _lattice_boxes(
    sums: np.ndarray, parts: int, phase: tuple[int, int, int], volumes: tuple[float, float], share: float | None
) -> tuple[np.ndarray, float]:
    """Starts (n, 3) and Dice of one phase."""
    volume, box = volumes
    axes = [np.arange(p, n, parts) for p, n in zip(phase, sums.shape, strict=True)]
    every = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    shared = sums[tuple(every.T)]
    order = np.argsort(-shared, kind="stable")
    if share is None:  # the ratio rises as long as the next fullest box is filled by more than half of it
        ratios = 2 * np.cumsum(shared[order]) / (volume + box * np.arange(1, len(order) + 1))
        count = int(np.argmax(ratios)) + 1
    else:
        count = int((shared >= share * box).sum())
    chosen = order[:count]
    return every[chosen], _dice(shared[chosen], volume, box)


def _dice(shared: np.ndarray, volume: float, box: float) -> float:
    return float(2 * shared.sum() / (volume + box * len(shared)))


def _box_sums(share: np.ndarray, parts: int) -> np.ndarray:
    """Sum of the shares in the box that starts at each part."""
    for axis in range(3):
        total = np.moveaxis(np.cumsum(share, axis=axis), axis, 0)
        total = np.concatenate([np.zeros_like(total[:1]), total])
        share = np.moveaxis(total[parts:] - total[:-parts], 0, axis)
    return share


def _best_boxes(
    sums: np.ndarray, order: tuple[int, ...], parts: int, volumes: tuple[float, float], most: int | None
) -> tuple[np.ndarray, float]:
    """Starts (n, 3) and Dice with layers across order[0], rows along order[2]."""
    ordered = np.transpose(sums, order)
    found = _ratio(ordered, parts, volumes, 0.0)
    if most is not None and len(found[0]) > most:
        found = _within_stock(ordered, parts, volumes, most)
    return found[0][:, np.argsort(order)], found[1]


def _within_stock(sums: np.ndarray, parts: int, volumes: tuple[float, float], most: int) -> tuple[np.ndarray, float]:
    """The lowest price of a box at which no more than `most` are bought, by halving."""
    low, high, best = 0.0, 2 * volumes[1], (np.zeros((0, 3), np.int64), 0.0)
    for _ in range(_PRICE_ROUNDS):
        price = (low + high) / 2
        found = _ratio(sums, parts, volumes, price)
        if len(found[0]) > most:
            low = price
        else:
            high = price
            best = max(best, found, key=lambda one: one[1])
    return best


def _ratio(sums: np.ndarray, parts: int, volumes: tuple[float, float], price: float) -> tuple[np.ndarray, float]:
    """Dinkelbach's iteration; `price` is what a box costs beyond its volume."""
    volume, box = volumes
    dice, starts = 0.5, np.zeros((0, 3), np.int64)
    for _ in range(_ROUNDS):
        starts = _layers(2 * sums - dice * box - price, parts)
        found = _dice(sums[tuple(starts.T)], volume, box)
        if found <= dice + 1e-9 and dice != 0.5:
            break
        dice = found
    return starts, found


def _layers(gain: np.ndarray, parts: int) -> np.ndarray:
    """Starts (n, 3) of the boxes with the largest sum of gains; rows run along the last axis."""
    rows = _chain(np.moveaxis(gain, 2, 0), parts)
    layers = _chain(np.moveaxis(rows[-1], 1, 0), parts)
    stack = _chain(layers[-1], parts)
    found = [
        (z, y, x)
        for z in _taken(stack, parts)
        for y in _taken(layers[:, z], parts)
        for x in _taken(rows[:, z, y], parts)
    ]
    return np.array(found, np.int64).reshape(-1, 3)


def _chain(gain: np.ndarray, parts: int) -> np.ndarray:
    """Best sum of gains of intervals of `parts` that end by each place; along axis 0, (n + parts, ...)."""
    best = np.zeros((len(gain) + parts, *gain.shape[1:]))
    for end in range(1, len(best)):
        best[end] = best[end - 1]
        if end >= parts:
            best[end] = np.maximum(best[end], best[end - parts] + gain[end - parts])
    return best


def _taken(best: np.ndarray, parts: int) -> Iterator[int]:
    """Starts of the intervals behind the last of the best sums."""
    end = len(best) - 1
    while end > 0:
        if best[end] > best[end - 1]:
            end -= parts
            yield end
        else:
            end -= 1


def with_minimum(packing: Packing, filling: Filling, parts: int, minimum: int) -> Packing:
    """The packing with boxes added where this filling, of one target, has fewer than `minimum`.

    A box counts for a target that fills half of it, or half of what the target fills of its fullest box. Added are, of
    the places that are free, those that the target fills most, and the nearest where it reaches into none: a target
    smaller than a box gets its neighbours. Dice and shares stay those of the packing.
    """
    sums, length = _box_sums(filling.share, parts), parts * filling.step_mm
    enough = 0.5 * min(float(sums.max()), float(parts**3))
    centers = packing.centers_mm
    count = _counted(centers, filling, sums, enough, length)
    if count >= minimum:
        return packing
    starts = np.argwhere(np.ones(sums.shape, bool))
    places = filling.low_mm + (starts + parts / 2) * filling.step_mm
    middle = filling.low_mm + (np.argwhere(filling.share > 0).mean(axis=0) + 0.5) * filling.step_mm
    order = np.lexsort((np.linalg.norm(places - middle, axis=1), -sums[tuple(starts.T)]))
    for place in places[order]:
        if count == minimum:
            break
        if not (np.abs(centers - place) < length - 1e-6).all(axis=1).any():
            centers, count = np.vstack([centers, place]), count + 1
    added = np.zeros(len(centers) - len(packing.centers_mm))
    return Packing(centers, np.concatenate([packing.shared_mm3, added]), packing.dice)


def _counted(centers: np.ndarray, filling: Filling, sums: np.ndarray, enough: float, length: float) -> int:
    """How many boxes a target fills well enough."""
    index = np.rint((centers - length / 2 - filling.low_mm) / filling.step_mm).astype(int)
    inside = ((index >= 0) & (index < sums.shape)).all(axis=1)
    return int((sums[tuple(index[inside].T)] >= enough).sum())
