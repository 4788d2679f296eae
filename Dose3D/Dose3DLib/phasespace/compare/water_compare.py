"""Doses in water of two sides against each other: differences per photon, their errors, floors, and gamma."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...geometry.gamma import GammaCriteria, gamma_on_axes, passing_share
from .bootstrap import half_pairs
from .floor import Figure, Floor
from .water import DoseDraws

__all__ = ["DoseComparison", "DoseCurve", "compare_doses"]

_FLOOR_DRAWS = 100
_GAMMA_DRAWS = 20
_CRITERIA = (GammaCriteria(3.0, 3.0), GammaCriteria(2.0, 2.0))
_MM_PER_CM = 10.0
_GROUP = "dose in water"
_WITHIN = 2.0


@dataclass(frozen=True)
class DoseCurve:
    """One curve of both sides, fGy per photon, with standard errors; `at_cm` are depths, or places from the middle."""

    name: str
    at_cm: tuple[float, ...]
    real: tuple[float, ...]
    real_error: tuple[float, ...]
    generated: tuple[float, ...]
    generated_error: tuple[float, ...]

    @property
    def largest_error_percent(self) -> float:
        """The larger of both sides' largest errors, of the real maximum."""
        return 100 * max(*self.real_error, *self.generated_error) / max(self.real)

    @property
    def within(self) -> float:
        """Share of the places at which both sides agree within two standard errors: 95 % when they are alike."""
        error = np.hypot(self.real_error, self.generated_error)
        return float((np.abs(np.subtract(self.generated, self.real)) <= _WITHIN * error).mean())


@dataclass(frozen=True)
class DoseComparison:
    """All of the dose in water.

    Parameters
    ----------
    ssd_cm, central_cm, profile_depth_cm, voxel_cm:
        distance of the surface from the focus; width over which depth dose and profiles are averaged; depth of the
        profiles; edge of a voxel.
    photons, uses:
        of the real and of the generated side.
    depth, x, y:
        curves.
    figures:
        differences beside their floors.
    across_cm, depths_cm, gamma:
        map of gamma 3 %/3 mm (global) in the x-z plane, rows are depths; None below a tenth of the maximum.
    """

    ssd_cm: float
    central_cm: float
    profile_depth_cm: float
    voxel_cm: float
    photons: tuple[int, int]
    uses: tuple[int, int]
    depth: DoseCurve
    x: DoseCurve
    y: DoseCurve
    figures: tuple[Figure, ...]
    across_cm: tuple[float, ...]
    depths_cm: tuple[float, ...]
    gamma: tuple[tuple[float | None, ...], ...]

    @property
    def verdict(self) -> str:
        """One sentence."""
        above = [figure for figure in self.figures if not figure.at_floor]
        error = f"error of the depth dose up to {self.depth.largest_error_percent:.2g} % of the maximum"
        if not above:
            return f"agrees as real with real; {error}"
        names = ", ".join(f"{one.name} ({one.value:.3g} over {one.floor.high:.3g} {one.unit})" for one in above)
        return (
            f"{len(self.figures) - len(above)} of {len(self.figures)} figures at the floor; over the 95th percentile "
            f"of real against real: {names}; {error}"
        )


def compare_doses(real: DoseDraws, generated: DoseDraws, rng: np.random.Generator) -> DoseComparison:
    """Compare what `dose_draws` gave for both sides, in the same water.

    A floor is what halves of the real side differ by, brought to the errors that the two sides have.
    """
    plan = real.plan
    across, depths = plan.across_cm, plan.tank.depths_cm
    curves = [
        _curve(name, at, *(getattr(side, name) for side in (real, generated)))
        for name, at in (("depth", depths), ("x", across), ("y", across))
    ]
    figures, gamma = _figures(real, generated, rng)
    return DoseComparison(
        plan.ssd_cm, 2 * plan.central_half_width_cm, plan.profile_depth_cm, plan.tank.step_cm,
        (real.photons, generated.photons), (real.uses, generated.uses), *curves, figures,
        tuple(across.tolist()), tuple(plan.plane_depths_cm.tolist()),
        tuple(tuple(round(v, 4) if np.isfinite(v) else None for v in row) for row in gamma.tolist()),
    )  # fmt: skip


def _error(draws: np.ndarray) -> np.ndarray:
    """Standard error of the mean over batches."""
    return draws.std(axis=0, ddof=1) / np.sqrt(len(draws))


def _curve(name: str, at: np.ndarray, real: np.ndarray, generated: np.ndarray) -> DoseCurve:
    values = (at, real.mean(axis=0), _error(real), generated.mean(axis=0), _error(generated))
    return DoseCurve(name, *(tuple(one.tolist()) for one in values))


def _figures(real: DoseDraws, generated: DoseDraws, rng: np.random.Generator) -> tuple[tuple[Figure, ...], np.ndarray]:
    figures = []
    for name, label in (("depth", "depth dose"), ("x", "profile along x"), ("y", "profile along y")):
        pair = getattr(real, name), getattr(generated, name)
        largest = pair[0].mean(axis=0).max()
        for word, measure in (("rms", _rms), ("worst", _largest)):
            figures.append(_curve_figure(f"{label}, {word}", pair, lambda d, m=measure, s=largest: 100 * m(d) / s, rng))
    figures.append(_output(real, generated, rng))
    maps = []
    for criteria in _CRITERIA:
        figure, gamma = _gamma(real, generated, criteria, rng)
        figures.append(figure)
        maps.append(gamma)
    return tuple(figures), maps[0]


def _rms(difference: np.ndarray) -> float:
    return float(np.sqrt(np.square(difference).mean()))


def _largest(difference: np.ndarray) -> float:
    return float(np.abs(difference).max())


def _curve_figure(
    name: str, pair: tuple[np.ndarray, np.ndarray], measure: Callable[[np.ndarray], float], rng: np.random.Generator
) -> Figure:
    """A measure of the difference of two curves in percent of the real maximum."""
    real, generated = pair
    floor = Floor(tuple(measure(d) for d in _real_differences(real, generated, _FLOOR_DRAWS, rng)))
    return Figure(name, _GROUP, measure(generated.mean(axis=0) - real.mean(axis=0)), floor, unit="%")


def _real_differences(
    real: np.ndarray, generated: np.ndarray, draws: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """What the means of real and generated would differ by, were both real: halves of the real batches, scaled."""
    wanted = np.square(_error(real)).mean() + np.square(_error(generated)).mean()
    differences = []
    for a, b in half_pairs(len(real), draws, rng):
        had = np.square(_error(real[a])).mean() + np.square(_error(real[b])).mean()
        scale = np.sqrt(wanted / had) if had > 0 else 0.0
        differences.append(scale * (real[a].mean(axis=0) - real[b].mean(axis=0)))
    return differences


def _output(real: DoseDraws, generated: DoseDraws, rng: np.random.Generator) -> Figure:
    """Dose per photon at the profile depth, mean over the central square."""
    ours, theirs = (side.depth[:, real.plan.slab].mean(axis=1, keepdims=True) for side in (real, generated))
    floor = Floor(tuple(_largest(d) for d in _real_differences(ours, theirs, _FLOOR_DRAWS, rng)))
    error = float(np.hypot(_error(ours)[0], _error(theirs)[0]))
    means = float(ours.mean()), float(theirs.mean())
    name = f"output per photon at {real.plan.profile_depth_cm:g} cm"
    difference = abs(means[1] - means[0])
    return Figure(name, _GROUP, difference, floor, "fGy", real=means[0], generated=means[1], error=error)


def _gamma(
    real: DoseDraws, generated: DoseDraws, criteria: GammaCriteria, rng: np.random.Generator
) -> tuple[Figure, np.ndarray]:
    """Share of the points that fail, in percent, and the map of all batches.

    Noise of a dose raises gamma or lowers it, by the side that it is on. So generated against real is judged as real
    against real is: a half of the real batches against as many others, or against generated ones with as much noise.
    """
    axes = [_MM_PER_CM * real.plan.plane_depths_cm, _MM_PER_CM * real.plan.across_cm]

    def failing(reference: np.ndarray, evaluated: np.ndarray) -> float:
        return 100 * (1 - passing_share(gamma_on_axes(axes, reference, evaluated, criteria)))

    number = _as_noisy(generated.plane, real.plane)
    floors, values = [], []
    for a, b in half_pairs(len(real.plane), _GAMMA_DRAWS, rng):
        reference = real.plane[a].mean(axis=0)
        some = rng.permutation(len(generated.plane))[:number]
        floors.append(failing(reference, real.plane[b].mean(axis=0)))
        values.append(failing(reference, generated.plane[some].mean(axis=0)))
    name = f"gamma {criteria.dose_percent:g} %/{criteria.distance_mm:g} mm, failing"
    figure = Figure(name, _GROUP, float(np.median(values)), Floor(tuple(floors)), unit="%")
    return figure, gamma_on_axes(axes, real.plane.mean(axis=0), generated.plane.mean(axis=0), criteria)


def _as_noisy(generated: np.ndarray, real: np.ndarray) -> int:
    """How many generated batches have the noise of half of the real ones; all where these are too noisy."""
    wanted = 2 * np.square(_error(real)).mean()
    had = np.square(_error(generated)).mean() * len(generated)
    return int(np.clip(round(had / wanted), 2, len(generated))) if wanted > 0 else len(generated)
