"""The least distance of points to a trilinear function over boxes, by bounds from below and above.

In a box the function is an affine part plus a remainder of at most `rest`. The distance to the affine part, less the
remainder, is a convex problem of one unknown (the multiplier of the dose), whose dual value is a lower bound; the
function at the place where that is reached gives an upper one. A box whose bounds differ is cut into eight, in which
the remainder is a quarter: so the least distance of all is found, not a local one.

Positions are in units of the distance to agreement, doses in units of the dose difference, less the point's dose.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

__all__ = ["Boxes", "lower_to_boxes"]

TOLERANCE = 2e-3
"""A gamma is at most this much too high, and never too low."""
_AT_ONE = 1e-6
"""The same where it decides whether the point passes."""
_MOST_CUTS = 24
_TOGETHER = 1 << 15  # boxes: their arrays stay in the cache


@dataclass(frozen=True)
class Boxes:
    """Boxes that may hold a nearer place.

    Parameters
    ----------
    point:
        (m,) number of the point that each box belongs to.
    place:
        (3, m) the point, from the middle of the box.
    half:
        (3, m) half the lengths; 0 along an axis of one point.
    terms:
        (8, m) coefficients of 1, z, y, yz, x, xz, xy, xyz in -1..1: bit 1 of the number is the last axis.
    """

    point: np.ndarray
    place: np.ndarray
    half: np.ndarray
    terms: np.ndarray

    @classmethod
    def of_corners(cls, point: np.ndarray, place: np.ndarray, half: np.ndarray, corners: np.ndarray) -> Boxes:
        """From (8, m) values at the corners; bit 1 of the corner's number is the upper end of the last axis."""
        values = corners.reshape(2, 2, 2, -1)
        for axis in range(3):
            low, high = values.take(0, axis), values.take(1, axis)
            values = np.stack([(low + high) / 2, (high - low) / 2], axis)
        return cls(point, place, half, values.reshape(8, -1))

    def select(self, chosen: np.ndarray) -> Boxes:
        return Boxes(self.point[chosen], self.place[:, chosen], self.half[:, chosen], self.terms[:, chosen])

    def part(self, start: int, stop: int) -> Boxes:
        return self.select(slice(start, stop))


def lower_to_boxes(best: np.ndarray, boxes: Boxes) -> None:
    """Lower `best` (n,), the least distance known of each point, by those to its boxes (in place)."""
    queue = [boxes.part(start, start + _TOGETHER) for start in range(0, len(boxes.point), _TOGETHER)][::-1]
    cuts = [0] * len(queue)
    while queue:
        current, cut = queue.pop(), cuts.pop()
        current = current.select(_quick_bound(current) < _wanted(best, current.point))
        if not len(current.point):
            continue
        bound, at = _solve(current)
        np.minimum.at(best, current.point, _value(current, at))
        current = current.select(bound < _wanted(best, current.point, bound))
        if len(current.point) and cut < _MOST_CUTS:
            halves = _cut(current)
            size = len(halves.point)
            parts = [halves.part(start, start + _TOGETHER) for start in range(0, size, _TOGETHER)]
            queue += parts
            cuts += [cut + 1] * len(parts)


def _wanted(best: np.ndarray, point: np.ndarray, bound: np.ndarray | None = None) -> np.ndarray:
    """What a box must promise to get below, to be looked into."""
    known = best[point]
    if bound is None:
        return known
    decides = (known > 1) & (bound < 1)
    return known - np.where(decides, _AT_ONE, TOLERANCE)


def _rest(terms: np.ndarray) -> np.ndarray:
    """Bound of what is not affine."""
    return np.abs(terms[3]) + np.abs(terms[5]) + np.abs(terms[6]) + np.abs(terms[7])


def _quick_bound(boxes: Boxes) -> np.ndarray:
    """Lower bound from the box alone and from the affine part without the box."""
    terms, rest = boxes.terms, _rest(boxes.terms)
    outside = np.maximum(np.abs(boxes.place) - boxes.half, 0.0)
    gap = np.square(outside).sum(axis=0)
    slope = _slope(boxes)
    there = np.abs(terms[0] + (slope * boxes.place).sum(axis=0))
    plane = np.maximum(there - rest, 0.0) / np.sqrt(1 + np.square(slope).sum(axis=0))
    swing = np.abs(terms[1]) + np.abs(terms[2]) + np.abs(terms[4]) + rest
    level = np.maximum(np.abs(terms[0]) - swing, 0.0)
    return np.maximum(np.sqrt(gap + level**2), plane)


def _slope(boxes: Boxes) -> np.ndarray:
    """(3, m) gradient of the affine part."""
    return np.divide(boxes.terms[[4, 2, 1]], boxes.half, out=np.zeros_like(boxes.half), where=boxes.half > 0)


def _solve(boxes: Boxes) -> tuple[np.ndarray, np.ndarray]:
    """Lower bound (m,) of the distance within each box, and the place (3, m) where its affine part has it.

    The place is p - l g, clipped to the box, for the multiplier l = |affine part there| - rest, if above 0. The error
    of that equation falls with l and is linear between the multipliers at which a clip begins or ends.
    """
    slope, half, place = _slope(boxes), boxes.half, boxes.place
    start = np.clip(place, -half, half)
    sign = np.where(boxes.terms[0] + (slope * start).sum(axis=0) < 0, -1.0, 1.0)
    slope, level = slope * sign, boxes.terms[0] * sign - _rest(boxes.terms)
    low, high = np.zeros_like(level), np.maximum(level + (slope * start).sum(axis=0), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        clips = np.concatenate([(place - half) / slope, (place + half) / slope])
    for clip in clips:
        clip = np.where((clip > low) & (clip < high), clip, low)
        is_low = level + (slope * np.clip(place - clip * slope, -half, half)).sum(axis=0) > clip
        low, high = np.where(is_low, clip, low), np.where(is_low | (clip == low), high, clip)
    middle = (low + high) / 2
    free = place - middle * slope
    at = np.clip(free, -half, half)
    error = level + (slope * at).sum(axis=0) - middle
    multiplier = np.clip(middle + error / (1 + (slope**2 * (at == free)).sum(axis=0)), low, high)
    at = np.clip(place - multiplier * slope, -half, half)
    reached = level + (slope * at).sum(axis=0)
    bound = np.square(at - place).sum(axis=0) + multiplier * (2 * reached - multiplier)
    return np.sqrt(np.maximum(bound, 0.0)), at


def _value(boxes: Boxes, at: np.ndarray) -> np.ndarray:
    """Distance (m,) to the function itself at a place (3, m) of each box: an upper bound."""
    x, y, z = np.divide(at, boxes.half, out=np.zeros_like(at), where=boxes.half > 0)
    t = boxes.terms
    dose = t[0] + t[1] * z + y * (t[2] + t[3] * z) + x * (t[4] + t[5] * z + y * (t[6] + t[7] * z))
    return np.sqrt(np.square(at - boxes.place).sum(axis=0) + dose**2)


def _cut(boxes: Boxes) -> Boxes:
    """Every box as its eight halves; axes of length 0 stay whole."""
    parts = []
    for sign in product((-0.5, 0.5), repeat=3):
        x, y, z = sign
        shift = np.array(sign)[:, None]
        real = ~((boxes.half == 0) & (shift > 0)).any(axis=0)
        some = boxes.select(real)
        t = some.terms
        terms = np.stack([
            t[0] + t[1] * z + y * (t[2] + t[3] * z) + x * (t[4] + t[5] * z + y * (t[6] + t[7] * z)),
            (t[1] + t[3] * y + t[5] * x + t[7] * x * y) / 2,
            (t[2] + t[3] * z + t[6] * x + t[7] * x * z) / 2,
            (t[3] + t[7] * x) / 4,
            (t[4] + t[5] * z + t[6] * y + t[7] * y * z) / 2,
            (t[5] + t[7] * y) / 4,
            (t[6] + t[7] * z) / 4,
            t[7] / 8,
        ])  # fmt: skip
        parts.append(Boxes(some.point, some.place - some.half * shift, some.half / 2, terms))
    return Boxes(*(np.concatenate([getattr(one, name) for one in parts], axis=-1)
                   for name in ("point", "place", "half", "terms")))  # fmt: skip
