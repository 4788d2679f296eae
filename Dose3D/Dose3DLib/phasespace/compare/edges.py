"""Edges of the field: where fluence falls to a half, and the penumbra from 80 % to 20 %, with errors.

Rectangular fields are measured along x and y, round ones along the radius, in the plane of the photons. Fluence near an
edge is made monotonous (isotonic regression) instead of smoothed, so a sharp edge stays sharp and no width of a kernel
enters the penumbra; on a wide one a parabola is fitted around each crossing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .bootstrap import group_sums, groups_of_histories, resampled, spread

if TYPE_CHECKING:
    from .sides import Side

__all__ = ["Edge", "EdgeProfile", "Edges", "Field", "compare_edges", "crossings", "field_of"]

LIMIT_CM = 0.05
"""Difference of an edge or a penumbra that is still called the same."""

_LEVELS = (0.8, 0.5, 0.2)
_BINS = 300
_FIRST, _LAST = 0.5, 1.6  # of the half width: where an edge is looked for
_CENTRAL = 0.3  # of the half width: where fluence is 100 %
_BAND = 0.4  # of the half width: half the band across a profile
_WINDOW, _FEWEST_BINS = 0.6, 9  # half width in penumbras, and bins, of the parabola around a crossing
_CORNER = (0.8, 0.95)  # of the half width: filled in rectangular fields only


@dataclass(frozen=True)
class Field:
    """Middle, half widths along x and y [cm], and whether the corners are filled."""

    center_cm: tuple[float, float]
    half_widths_cm: tuple[float, float]
    is_rectangular: bool


@dataclass(frozen=True)
class Edge:
    """One edge of both sides, lengths in cm; None where fluence doesn't fall that far.

    `penumbra` is the distance from 80 % to 20 % of the central fluence. Errors are one standard deviation, by
    bootstrap over histories; `*_difference` is generated minus real, its error from both.
    """

    name: str
    real: float | None
    real_error: float | None
    generated: float | None
    generated_error: float | None
    difference: float | None
    difference_error: float | None
    penumbra_real: float | None
    penumbra_generated: float | None
    penumbra_difference: float | None
    penumbra_difference_error: float | None

    @property
    def verdict(self) -> str:
        """Of edge and penumbra: "same" within `LIMIT_CM`, else "within error" (two standard errors), or "differs"."""
        if self.difference is None:
            return "not found"
        pairs = [(self.difference, self.difference_error), (self.penumbra_difference, self.penumbra_difference_error)]
        found = [(abs(value), error or 0.0) for value, error in pairs if value is not None]
        if all(value <= LIMIT_CM for value, _ in found):
            return "same"
        return "within error" if all(value <= max(LIMIT_CM, 2 * error) for value, error in found) else "differs"


@dataclass(frozen=True)
class EdgeProfile:
    """Fluence across an edge for a picture: middles of bins [cm], fluence of both sides relative to the centre."""

    name: str
    at_cm: tuple[float, ...]
    real: tuple[float, ...]
    generated: tuple[float, ...]


@dataclass(frozen=True)
class Edges:
    """All edges of a field."""

    field: Field
    edges: tuple[Edge, ...]
    profiles: tuple[EdgeProfile, ...]
    limit_cm: float = LIMIT_CM

    @property
    def verdict(self) -> str:
        """One sentence."""
        verdicts = {edge.verdict for edge in self.edges}
        if verdicts & {"differs", "not found"}:
            return f"edges or penumbras differ by more than {10 * self.limit_cm:g} mm"
        agree = f"edges and penumbras agree within {10 * self.limit_cm:g} mm"
        return agree if verdicts == {"same"} else f"{agree} or two standard errors"


def field_of(side: Side) -> Field:
    """Middle, size and shape of the field, from the photons of a side."""
    x, y = side.column("x"), side.column("y")
    center = [float(np.median(x)), float(np.median(y))]
    half = [_quartile_width(x), _quartile_width(y)]
    for _ in range(3):  # the band across needs the other axis
        band_x = np.abs(y - center[1]) < _BAND * half[1]
        band_y = np.abs(x - center[0]) < _BAND * half[0]
        (center[0], half[0]), (center[1], half[1]) = (
            _middle(x[band_x], center[0], half[0]),
            _middle(y[band_y], center[1], half[1]),
        )
    across = np.stack([np.abs(x - center[0]) / half[0], np.abs(y - center[1]) / half[1]])
    corner = np.all((across > _CORNER[0]) & (across < _CORNER[1]), axis=0).mean() / (_CORNER[1] - _CORNER[0]) ** 2
    central = np.all(across < _CENTRAL, axis=0).mean() / _CENTRAL**2
    middle, widths = ((float(pair[0]), float(pair[1])) for pair in (center, half))
    return Field(middle, widths, bool(corner > 0.5 * central))


def _quartile_width(values: np.ndarray) -> float:
    """Half the width of the uniform distribution with the same quartiles; scatter outside hardly counts."""
    low, high = np.percentile(values, [25, 75])
    return max(float(high - low), 1e-6)


def _middle(values: np.ndarray, center: float, half: float) -> tuple[float, float]:
    """Middle and half of the distance of the two 50 % points; what it was given where there is no such point."""
    if len(values) == 0:
        return center, half
    found = []
    for sign in (-1, 1):
        histogram, edges = np.histogram(sign * (values - center), _BINS, (-_LAST * half, _LAST * half))
        found.append(crossings(histogram.astype(float), edges, half)[1])
    if not np.isfinite(found).all():
        return center, half
    return center + (found[1] - found[0]) / 2, (found[0] + found[1]) / 2


def crossings(density: np.ndarray, edges: np.ndarray, half: float) -> np.ndarray:
    """Where a profile falls to 80, 50 and 20 % of its centre, same unit as `edges`; NaN where it doesn't.

    Parameters
    ----------
    density:
        (bins,) fluence, any unit.
    edges:
        (bins + 1,) limits of the bins; 0 is the middle of the field.
    half:
        rough half width of the field.
    """
    from scipy.optimize import isotonic_regression

    middles = (edges[1:] + edges[:-1]) / 2
    central = density[np.abs(middles) < _CENTRAL * half]
    level = central.mean() if central.size else 0.0
    outer = middles > _FIRST * half
    if level <= 0 or outer.sum() < 2:
        return np.full(len(_LEVELS), np.nan)
    at, relative = middles[outer], density[outer] / level
    falling = isotonic_regression(relative, increasing=False).x
    rough = np.array([_crossing(at, falling, wanted) for wanted in _LEVELS])
    reach = _WINDOW * (rough[-1] - rough[0])
    return np.array(
        [_refined(at, relative, place, wanted, reach) for place, wanted in zip(rough, _LEVELS, strict=True)]
    )


def _crossing(at: np.ndarray, falling: np.ndarray, level: float) -> float:
    below = int(np.searchsorted(-falling, -level, side="right"))  # first place under the level
    if below in (0, len(falling)):
        return float("nan")
    high, low = falling[below - 1], falling[below]
    return float(at[below - 1] + (at[below] - at[below - 1]) * (high - level) / (high - low))


def _refined(at: np.ndarray, relative: np.ndarray, place: float, level: float, reach: float) -> float:
    """Where a parabola through the bins around a crossing has the level; the crossing itself on a sharp edge.

    Isotonic regression gains with the cube root of the photons only where a slope has many bins; a local fit gains with
    their square root.
    """
    near = np.abs(at - place) <= reach
    if not near.sum() >= _FEWEST_BINS:
        return place
    curve, slope, offset = np.polyfit(at[near] - place, relative[near], 2)
    moved = 0.0
    for _ in range(4):  # Newton's steps; the start is near
        steepness = 2 * curve * moved + slope
        if steepness >= 0:
            return place
        moved -= (curve * moved**2 + slope * moved + offset - level) / steepness
    return place + moved if abs(moved) <= reach else place


def compare_edges(real: Side, generated: Side, rng: np.random.Generator) -> Edges:
    """Edges of the real field, and those of the generated photons at the same places.

    x and y edges of rectangular fields, one radius of others.
    """
    field = field_of(real)
    cuts = _cuts(field)
    edges, profiles = [], []
    groups = [groups_of_histories(side.history, rng) for side in (real, generated)]
    for name, where in cuts.items():
        counts = [_counts(side, group, field, where) for side, group in zip((real, generated), groups, strict=True)]
        edges.append(_edge(name, counts, where, rng))
        profiles.append(_profile(name, [one.sum(axis=0) for one in counts], where))
    return Edges(field, tuple(edges), tuple(profiles))


@dataclass(frozen=True, eq=False)
class _Cut:
    """Which way an edge is crossed: axis 0 or 1 and a sign, or the radius (axis None); limits of bins in cm."""

    axis: int | None
    sign: int
    half: float
    offset: float
    limits: np.ndarray

    @property
    def areas(self) -> np.ndarray:
        """Relative areas of the bins."""
        return np.diff(self.limits**2 if self.axis is None else self.limits)


def _cuts(field: Field) -> dict[str, _Cut]:
    if not field.is_rectangular:
        half = float(np.mean(field.half_widths_cm))
        return {"radius": _Cut(None, 1, half, 0.0, np.linspace(0, _LAST * half, _BINS + 1))}
    cuts = {}
    for axis, name in enumerate("xy"):
        half = field.half_widths_cm[axis]
        limits = np.linspace(-_CENTRAL * half, _LAST * half, _BINS + 1)
        for sign, word in ((-1, "low"), (1, "high")):
            cuts[f"{name}, {word}"] = _Cut(axis, sign, half, field.center_cm[axis], limits)
    return cuts


def _counts(side: Side, group: np.ndarray, field: Field, cut: _Cut) -> np.ndarray:
    """Photons by group and bin."""
    relative = [side.column(name) - middle for name, middle in zip("xy", field.center_cm, strict=True)]
    if cut.axis is None:
        at = np.hypot(*relative)
    else:
        other = 1 - cut.axis
        band = np.abs(relative[other]) < _BAND * field.half_widths_cm[other]
        at, group = cut.sign * relative[cut.axis][band], group[band]
    places = np.searchsorted(cut.limits, at, side="right") - 1
    return group_sums(group, places, len(cut.limits) - 1)


def _edge(name: str, counts: list[np.ndarray], cut: _Cut, rng: np.random.Generator) -> Edge:
    """Position of 50 % in the coordinates of the file, penumbra, and their errors."""
    found = [_measures(one.sum(axis=0), cut) for one in counts]
    errors = [spread(np.array([_measures(total, cut) for total in resampled(one, rng)])) for one in counts]
    difference, error = found[1] - found[0], np.hypot(errors[0], errors[1])
    known = [
        _known(value)
        for value in (found[0][0], errors[0][0], found[1][0], errors[1][0], difference[0], error[0],
                      found[0][1], found[1][1], difference[1], error[1])
    ]  # fmt: skip
    return Edge(name, *known)


def _measures(counts: np.ndarray, cut: _Cut) -> np.ndarray:
    """Position of the edge in the file's frame (the radius from the middle), and penumbra, cm."""
    high, middle, low = crossings(counts / cut.areas, cut.limits, cut.half)
    return np.array([cut.offset + cut.sign * middle, low - high])


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _profile(name: str, totals: list[np.ndarray], cut: _Cut) -> EdgeProfile:
    middles = (cut.limits[1:] + cut.limits[:-1]) / 2
    central = np.abs(middles) < _CENTRAL * cut.half
    densities = [total / cut.areas for total in totals]
    shown = [density / (density[central].mean() or 1.0) for density in densities]
    at = cut.offset + cut.sign * middles
    return EdgeProfile(name, *(tuple(np.round(values, 5).tolist()) for values in (at, *shown)))
