"""Figures of two sides of photons: distances of marginals and of all variables together, differences of properties.

Every function takes arrays; `distances` gathers what one pair of equally large sides gives, real against generated or
real against real, so that both are computed by the same lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..focus import robust_sigma
from ..phase_space import CHUNK
from ..photons import RAW
from .sides import Focus, Side, focus_of

__all__ = ["DIRECTIONS", "LINE_MEV", "Reference", "correlations", "distances", "kolmogorov_smirnov", "make_reference",
           "map_distance", "pair_names", "properties", "sliced_wasserstein", "wasserstein_1"]  # fmt: skip

DIRECTIONS = 200
"""Random directions of the sliced Wasserstein distance; always the same ones."""

LINE_MEV = 0.51099895
"""Energy of annihilation photons (CODATA 2018)."""

_WINDOW_MEV = (0.510, 0.512)
_FLOAT_STEPS_MEV = 1e-6
_BINS = 40
_SCATTERED_SIGMAS = 8.0


@dataclass(frozen=True, eq=False)
class Reference:
    """What both sides are measured with; made from the real side.

    Parameters
    ----------
    mean, deviation:
        (6,) of the variables `RAW`; a variable that does not vary has deviation 1.
    directions:
        (200, 6) unit vectors in the standardised variables.
    radius_deviation:
        of the distance from the axis, cm.
    focus:
        where the real photons come from.
    x_edges, y_edges, energy_edges, radius_edges, slope_edges:
        of the maps: cm, MeV, direction cosines; up to the real side's 0.05 and 99.95 percentiles.
    """

    mean: np.ndarray
    deviation: np.ndarray
    directions: np.ndarray
    radius_deviation: float
    focus: Focus
    x_edges: np.ndarray
    y_edges: np.ndarray
    energy_edges: np.ndarray
    radius_edges: np.ndarray
    slope_edges: np.ndarray

    def standardised(self, photons: np.ndarray) -> np.ndarray:
        """(n, 6) float32 with mean 0 and deviation 1 of the real side."""
        return ((photons - self.mean) / self.deviation).astype(np.float32)


def make_reference(real: Side) -> Reference:
    """Measure the real side."""
    deviation = real.photons.std(axis=0, dtype=np.float64)
    x, y, energy = (real.column(name) for name in ("x", "y", "energy"))
    return Reference(
        mean=real.photons.mean(axis=0, dtype=np.float64),
        deviation=np.where(deviation > 0, deviation, 1.0),
        directions=_directions(),
        radius_deviation=float(np.hypot(x, y).std()) or 1.0,
        focus=focus_of(real),
        x_edges=_edges(x),
        y_edges=_edges(y),
        energy_edges=_edges(energy, low=0.0),
        radius_edges=_edges(np.hypot(x, y), low=0.0),
        slope_edges=_edges(real.column("u")),
    )


def _directions() -> np.ndarray:
    vectors = np.random.default_rng(200).standard_normal((DIRECTIONS, len(RAW)))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _edges(values: np.ndarray, low: float | None = None) -> np.ndarray:
    lowest, highest = np.percentile(values, [0.05, 99.95])
    lowest = lowest if low is None else low
    return np.linspace(lowest, highest if highest > lowest else lowest + 1.0, _BINS + 1)


def wasserstein_1(a: np.ndarray, b: np.ndarray) -> float:
    """First Wasserstein distance of two equally many values: the mean difference once both are sorted."""
    if len(a) != len(b):
        raise ValueError("both sides must have the same number of values")
    return float(np.abs(np.sort(a) - np.sort(b)).mean(dtype=np.float64))


def kolmogorov_smirnov(a: np.ndarray, b: np.ndarray) -> float:
    """Largest distance of the two cumulative distributions; equal values, as in a line, count together."""
    a, b = np.sort(a), np.sort(b)
    values = np.concatenate([a, b])
    at_a = np.searchsorted(a, values, side="right") / len(a)
    return float(np.abs(at_a - np.searchsorted(b, values, side="right") / len(b)).max())


def sliced_wasserstein(a: np.ndarray, b: np.ndarray, directions: np.ndarray) -> float:
    """Mean Wasserstein distance of the projections of two (n, d) arrays on (k, d) unit vectors."""
    a, b = np.ascontiguousarray(directions @ a.T), np.ascontiguousarray(directions @ b.T)
    return float(np.mean([wasserstein_1(*pair) for pair in zip(a, b, strict=True)]))


def correlations(photons: np.ndarray) -> np.ndarray:
    """(6, 6) Pearson correlations; zero where a variable does not vary."""
    mean = photons.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((photons.shape[1],) * 2)
    for start in range(0, len(photons), CHUNK):
        values = photons[start : start + CHUNK] - mean
        covariance += values.T @ values
    deviation = np.sqrt(np.diag(covariance))
    scale = np.outer(deviation, deviation)
    matrix = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def map_distance(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray], edges: tuple) -> float:
    """Total variation of two 2-D histograms, 0 to 1: the share of photons that lie in other pixels."""
    maps = [np.histogram2d(*(np.clip(v, e[0], e[-1]) for v, e in zip(side, edges, strict=True)), bins=edges)[0]
            for side in (a, b)]  # fmt: skip
    return float(np.abs(maps[0] / len(a[0]) - maps[1] / len(b[0])).sum() / 2)


def pair_names() -> list[str]:
    """ "correlation x y" and so on, of all pairs of variables."""
    return [f"correlation {RAW[i]} {RAW[j]}" for i, j in zip(*np.triu_indices(len(RAW), 1), strict=True)]


def properties(side: Side, reference: Reference) -> dict[str, float]:
    """Figures of one side alone: energy, 511 keV line, spot, scattered and impossible photons, correlations."""
    energy = side.column("energy")
    x, y = reference.focus.positions(side.photons).T
    off = np.hypot(x, y) > _SCATTERED_SIGMAS * reference.focus.sigma_cm
    low, high = _WINDOW_MEV
    impossible = (energy <= 0) | (side.photons[:, 4] <= 0)
    pairs = correlations(side.photons)[np.triu_indices(len(RAW), 1)]
    return {
        "mean energy": float(energy.mean()),
        "511 keV window": float(((energy >= low) & (energy <= high)).mean()),
        "511 keV exact": float((np.abs(energy - LINE_MEV) <= _FLOAT_STEPS_MEV).mean()),
        "spot sigma x": robust_sigma(x),
        "spot sigma y": robust_sigma(y),
        "scattered share": float(off.mean()),
        "scattered mean energy": float(energy[off].mean()) if off.any() else 0.0,
        "impossible photons": float(impossible.mean()),
        **dict(zip(pair_names(), pairs.tolist(), strict=True)),
    }


def distances(a: Side, b: Side, reference: Reference) -> dict[str, float]:
    """All distances of two equally large sides, by name; each is zero when both are equal."""
    figures = {**_marginals(a, b, reference), **_joint(a, b, reference)}
    ours, others = properties(a, reference), properties(b, reference)
    differences = {name: abs(ours[name] - others[name]) for name in ours}
    return {**figures, "correlation worst": max(differences[name] for name in pair_names()), **differences}


def _marginals(a: Side, b: Side, reference: Reference) -> dict[str, float]:
    """W1 (in deviations of the real side) and KS of each variable and of the radius, and the worst of the six."""
    pairs = list(zip(reference.standardised(a.photons).T, reference.standardised(b.photons).T, strict=True))
    radii = [np.hypot(*side.photons[:, :2].T) / reference.radius_deviation for side in (a, b)]
    figures = {}
    for kind, distance in (("W1", wasserstein_1), ("KS", kolmogorov_smirnov)):
        six = {f"{kind} {name}": distance(*pair) for name, pair in zip(RAW, pairs, strict=True)}
        figures |= {**six, f"{kind} worst": max(six.values()), f"{kind} r": distance(*radii)}
    return figures


def _joint(a: Side, b: Side, reference: Reference) -> dict[str, float]:
    """Distances of several variables at once."""
    sides = [reference.standardised(side.photons) for side in (a, b)]
    columns = [{name: side.column(name) for name in RAW} for side in (a, b)]
    for one in columns:
        one["r"] = np.hypot(one["x"], one["y"])
    edges = {"x": reference.x_edges, "y": reference.y_edges, "u": reference.slope_edges}
    edges |= {"energy": reference.energy_edges, "r": reference.radius_edges}
    maps = {"map x-y": ("x", "y"), "map x-u": ("x", "u"), "map energy-r": ("energy", "r")}
    return {
        "sliced W1": sliced_wasserstein(*sides, reference.directions),
        **{label: map_distance(*(tuple(one[n] for n in names) for one in columns), tuple(edges[n] for n in names))
           for label, names in maps.items()},
    }  # fmt: skip
