"""The gamma index of two doses in one, two or three dimensions, exact for doses that are linear between grid points.

gamma of a reference point is the smallest distance to the evaluated dose in the space of position (in units of the
distance to agreement) and dose (in units of the dose difference): Low et al., Med Phys 25, 656 (1998). The evaluated
dose is taken as simplices between its grid points, to which distances are exact, without a search in steps: Ju et al.,
Med Phys 35, 879 (2008).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product

import numpy as np

__all__ = ["GammaCriteria", "gamma_index", "passing_share"]


@dataclass(frozen=True)
class GammaCriteria:
    """Dose difference (share of `normal`), distance to agreement [cm], and how far gamma is looked for.

    Parameters
    ----------
    dose_share:
        0.03 for 3 %, of the largest reference dose (global gamma).
    distance_cm:
        0.3 for 3 mm.
    threshold_share:
        reference points below this share of the largest dose get no gamma (NaN).
    highest:
        larger gammas are given as this.
    """

    dose_share: float = 0.03
    distance_cm: float = 0.3
    threshold_share: float = 0.1
    highest: float = 2.0


def gamma_index(
    axes: Sequence[np.ndarray], reference: np.ndarray, evaluated: np.ndarray, criteria: GammaCriteria | None = None
) -> np.ndarray:
    """Global gamma of each point of the reference, float64 of its shape; NaN below the threshold.

    Parameters
    ----------
    axes:
        one increasing array of positions [cm] per dimension, for both doses.
    reference, evaluated:
        doses on the grid of the axes, any unit, the same for both.
    """
    criteria = criteria or GammaCriteria()
    if reference.shape != evaluated.shape or reference.shape != tuple(len(axis) for axis in axes):
        raise ValueError("both doses must lie on the grid of the axes")
    largest = float(reference.max())
    chosen = np.nonzero(reference >= criteria.threshold_share * largest)
    result = np.full(reference.shape, np.nan)
    if largest <= 0:
        return result
    scaled = [np.asarray(axis, np.float64) / criteria.distance_cm for axis in axes]
    doses = [dose.astype(np.float64) / (criteria.dose_share * largest) for dose in (reference, evaluated)]
    points = np.column_stack([axis[at] for axis, at in zip(scaled, chosen, strict=True)] + [doses[0][chosen]])
    nearest = np.abs(points[:, -1] - doses[1][chosen])  # at the same place: distance zero
    for cell in _cells(scaled, chosen, criteria.highest):
        _improve(nearest, points, cell, scaled, doses[1])
    result[chosen] = np.minimum(nearest, criteria.highest)
    return result


def passing_share(gamma: np.ndarray) -> float:
    """Share of the points with a gamma that have at most 1; NaN where there is none."""
    known = gamma[np.isfinite(gamma)]
    return float((known <= 1).mean()) if known.size else float("nan")


def _cells(
    axes: Sequence[np.ndarray], chosen: Sequence[np.ndarray], reach: float
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Cells of the grid near the points: which points have such a cell, and the cell's lowest corner for these."""
    steps = []
    for axis in axes:
        smallest = float(np.diff(axis).min()) if len(axis) > 1 else np.inf
        far = int(np.ceil(reach / smallest)) if np.isfinite(smallest) else 0
        steps.append(range(-far - 1, far + 1) if len(axis) > 1 else range(1))
    for offset in sorted(product(*steps), key=lambda o: sum(abs(one + 0.5) for one in o)):
        corner = [at + one for at, one in zip(chosen, offset, strict=True)]
        fits = np.ones(len(chosen[0]), bool)
        for at, axis in zip(corner, axes, strict=True):
            fits &= (at >= 0) & (at < max(1, len(axis) - 1))
        if fits.any():
            yield np.flatnonzero(fits), [at[fits] for at in corner]


def _improve(
    nearest: np.ndarray,
    points: np.ndarray,
    cell: tuple[np.ndarray, list[np.ndarray]],
    axes: Sequence[np.ndarray],
    dose: np.ndarray,
) -> None:
    """Lower the distances of points by the simplices of one cell each (in place)."""
    which, corner = cell
    close = _gap(points[which], corner, axes) < nearest[which]
    which, corner = which[close], [at[close] for at in corner]
    moving = [axis for axis, places in enumerate(axes) if len(places) > 1]
    for order in permutations(moving):
        at, vertices = list(corner), []
        for axis in (None, *order):  # from the lowest corner to the highest, one axis after the other
            if axis is not None:
                at[axis] = at[axis] + 1
            vertices.append(np.column_stack([a[i] for a, i in zip(axes, at, strict=True)] + [dose[tuple(at)]]))
        np.minimum.at(nearest, which, _distance(points[which], np.stack(vertices, axis=1)))


def _gap(points: np.ndarray, corner: list[np.ndarray], axes: Sequence[np.ndarray]) -> np.ndarray:
    """Distance in space alone of points to their cells: gamma cannot be less."""
    squares = np.zeros(len(points))
    for axis, (places, at) in enumerate(zip(axes, corner, strict=True)):
        low, high = places[at], places[np.minimum(at + 1, len(places) - 1)]
        squares += np.maximum(0, np.maximum(low - points[:, axis], points[:, axis] - high)) ** 2
    return np.sqrt(squares)


def _distance(points: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Distance of points (n, d) to simplices (n, corners, d).

    The nearest place lies inside exactly one face (a corner, an edge, ...), where it is the foot of the perpendicular;
    feet on other faces lie in the simplex, too, so the least of all feet that are inside their face is the distance.
    """
    corners = vertices.shape[1]
    best = np.full(len(points), np.inf)
    for size in range(1, corners + 1):
        for face in combinations(range(corners), size):
            foot, inside = _foot(points, vertices[:, face])
            distance = np.linalg.norm(points - foot, axis=1)
            best = np.where(inside, np.minimum(best, distance), best)
    return best


def _foot(points: np.ndarray, face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Foot of the perpendicular on the plane of a face, and whether it lies inside the face."""
    origin = face[:, 0]
    if face.shape[1] == 1:
        return origin, np.ones(len(points), bool)
    sides = face[:, 1:] - origin[:, None]
    gram = sides @ sides.transpose(0, 2, 1)
    right = np.einsum("nkd,nd->nk", sides, points - origin)
    part = np.linalg.solve(gram, right[..., None])[..., 0]
    inside = (part >= 0).all(axis=1) & (part.sum(axis=1) <= 1)
    return origin + np.einsum("nk,nkd->nd", part, sides), inside
