"""Real against generated beside real against real: every figure of a model with its floor, and the order of models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...core.errors import InputError
from ...core.progress import Progress
from ..photons import RAW
from .baselines import gaussian_copula, shuffled
from .classifier import classifier_auc
from .floor import DRAWS, Figure, Floor, bootstrap_errors, most_photons, real_pairs
from .load import FEWEST
from .metrics import Reference, distances, make_reference, pair_names, properties
from .mmd import PERMUTATIONS, mmd_test
from .sides import Side, draw, features

__all__ = ["JOINT", "Ground", "Plan", "compare", "lay_ground", "naive_figures", "rank", "ranking_figures"]

_WORTH_REPEATING = 0.53
"""A classifier that finds less than this is trained again: the draw then matters. Above, one draw says it all."""

_NAIVE_PHOTONS = 20_000

JOINT = ("AUC physics", "AUC six", "sliced W1", "MMD physics", "MMD six", "map x-u", "map energy-r",
         "correlation worst")  # fmt: skip
"""Figures that models are ranked by: of several variables at once, so that no one marginal decides."""

_PER_VARIABLE = {f"{kind} {name}": ("marginals", "") for kind in ("W1", "KS") for name in (*RAW, "r", "worst")}
_GROUPS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("AUC physics", "AUC six", "sliced W1", "MMD physics", "MMD six"), ("joint", "")),
    **dict.fromkeys(("map x-y", "map x-u", "map energy-r", "correlation worst"), ("joint", "")),
    **_PER_VARIABLE,
    **dict.fromkeys(("mean energy", "scattered mean energy"), ("properties", "MeV")),
    **dict.fromkeys(("spot sigma x", "spot sigma y"), ("properties", "cm")),
    **dict.fromkeys(("511 keV window", "511 keV exact", "scattered share", "impossible photons"), ("properties", "%")),
    **dict.fromkeys(pair_names(), ("correlations", "")),
}
"""Figure -> its group and unit, in the order of the report; shares are in percent."""

_OF_ONE_VARIABLE = dict.fromkeys(("mean energy", "511 keV window", "511 keV exact"), "energy")
"""Properties that follow from one marginal."""


@dataclass(frozen=True)
class Plan:
    """How to compare.

    Parameters
    ----------
    photons:
        of each side of a draw; fewer are taken where there are fewer.
    draws:
        real-against-real draws of the floor.
    model_draws:
        generated-against-real draws, of which the median is the model's figure.
    classifier:
        False leaves out the areas under ROC curves, which take most of the time.
    seed:
        of all draws.
    """

    photons: int = 150_000
    draws: int = 20
    model_draws: int = 5
    classifier: bool = True
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Ground:
    """The real side, what it is measured with, and the floors at `photons` a side."""

    real: Side
    other: Side | None
    reference: Reference
    photons: int
    floors: Mapping[str, Floor] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Where the floor comes from, in words."""
        if self.other is None:
            return f"halves of {self.real.name}, split anew by history for each draw"
        return f"draws of {self.real.name} against draws of {self.other.name}"


def lay_ground(real: Side, other: Side | None, fewest: int, plan: Plan, progress: Progress) -> Ground:
    """Reference and floors.

    Parameters
    ----------
    other:
        a second real side without common histories; None splits the first one.
    fewest:
        photons of the smallest generated side: floors are of draws that all can give.

    Raises
    ------
    InputError
        fewer photons or histories than a floor needs.
    """
    number = min(plan.photons, fewest, most_photons(real, other))
    if number < FEWEST // 2:
        cause = "has too few photons or histories for real-against-real draws"
        raise InputError(real.name, cause, "name a larger file, or give --floor with a second real file")
    if plan.draws < DRAWS:
        progress.warn(f"a floor of {plan.draws} draws knows its 95th percentile badly; {DRAWS} are usual")
    if number < plan.photons:
        progress.warn(f"draws have {number:,} photons a side instead of {plan.photons:,}: there are no more")
    reference = make_reference(real)
    meter = _Meter(reference, plan, np.random.default_rng([plan.seed, 1]), progress, wants_p=False)
    found: dict[str, list[float]] = {}
    for n, (a, b) in enumerate(real_pairs(real, other, number, plan.draws, meter.rng)):
        progress.report(n / (plan.draws + 1), f"real against real, draw {n + 1} of {plan.draws}")
        for name, value in meter.measure(a, b).items():
            found.setdefault(name, []).append(value)
    progress.report(plan.draws / (plan.draws + 1), "errors by bootstrap over histories")
    errors = bootstrap_errors(real, lambda side: properties(side, reference), meter.rng)
    floors = {name: Floor(tuple(values)) for name, values in found.items()}
    return Ground(real, other, reference, number, floors, properties(real, reference), errors)


def compare(
    ground: Ground, generated: Side, plan: Plan, progress: Progress, by_construction: Sequence[str] = ()
) -> tuple[Figure, ...]:
    """All figures of a generated side, in the order of the report.

    The value of a distance is the median of `plan.model_draws` draws, so that it does not hang on one; properties are
    of all photons.
    """
    meter = _Meter(ground.reference, plan, np.random.default_rng([plan.seed, 2]), progress)
    found: dict[str, list[float]] = {}
    for n in range(plan.model_draws):
        progress.report(n / (plan.model_draws + 1), f"{generated.name}, draw {n + 1} of {plan.model_draws}")
        pair = draw(ground.real, ground.photons, meter.rng), draw(generated, ground.photons, meter.rng)
        skipped = {name for name in found if name.startswith("AUC") and found[name][0] > _WORTH_REPEATING}
        for name, value in meter.measure(*pair, skipped).items():
            found.setdefault(name, []).append(value)
    progress.report(plan.model_draws / (plan.model_draws + 1), f"{generated.name}, errors")
    values = properties(generated, ground.reference)
    errors = bootstrap_errors(generated, lambda side: properties(side, ground.reference), meter.rng)
    return tuple(_assemble(ground, found, meter.extras, (values, errors), by_construction))


@dataclass(frozen=True, eq=False)
class _Meter:
    """What measures one pair after the other; `extras` keeps intervals and p-values of the first one."""

    reference: Reference
    plan: Plan
    rng: np.random.Generator
    progress: Progress
    wants_p: bool = True
    extras: dict[str, dict] = field(default_factory=dict)

    def measure(self, a: Side, b: Side, skipped: set[str] = frozenset()) -> dict[str, float]:
        """Every figure of one pair, but for the areas that are `skipped`."""
        figures = distances(a, b, self.reference)
        for kind, values in self._variables(a, b).items():
            self.progress.check()
            number = PERMUTATIONS if self.wants_p and f"MMD {kind}" not in self.extras else 0
            mmd = mmd_test(*map(_standardised_by(values[0]), values), (a, b), self.rng, number)
            figures[f"MMD {kind}"] = mmd.value
            if number:
                self.extras[f"MMD {kind}"] = {"p": mmd.p}
        return figures | (self.areas(a, b, skipped) if self.plan.classifier else {})

    def areas(self, a: Side, b: Side, skipped: set[str] = frozenset()) -> dict[str, float]:
        """Areas under the ROC curves of one pair."""
        figures = {}
        for kind, values in self._variables(a, b).items():
            if f"AUC {kind}" in skipped:
                continue
            self.progress.check()
            auc = classifier_auc(*values, (a, b), self.rng)
            figures[f"AUC {kind}"] = auc.value
            self.extras.setdefault(f"AUC {kind}", {"interval": (auc.low, auc.high)})
        return figures

    def _variables(self, a: Side, b: Side) -> dict[str, list[np.ndarray]]:
        six = [side.photons for side in (a, b)]
        return {"six": six, "physics": [features(photons, self.reference.focus) for photons in six]}


def _standardised_by(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    mean, deviation = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    deviation = np.where(deviation > 0, deviation, 1.0)
    return lambda one: ((one - mean) / deviation).astype(np.float32)


def _assemble(
    ground: Ground, found: Mapping[str, list[float]], extras: Mapping[str, dict],
    ours: tuple[Mapping[str, float], Mapping[str, float]], by_construction: Sequence[str],
) -> Iterator[Figure]:  # fmt: skip
    values, errors = ours
    for name, (group, unit) in _GROUPS.items():
        if name not in found:
            continue
        scale = 100.0 if unit == "%" else 1.0
        floor = Floor(tuple(scale * value for value in ground.floors[name].draws))
        sides = {}
        if name in values:
            error = float(np.hypot(ground.errors[name], errors[name]))
            sides = {"real": scale * ground.values[name], "generated": scale * values[name], "error": scale * error}
        variable = _OF_ONE_VARIABLE.get(name) or (name.split(" ", 1)[-1] if group == "marginals" else "")
        yield Figure(name, group, scale * float(np.median(found[name])), floor, unit=unit,
                     base=0.5 if name.startswith("AUC") else 0.0, by_construction=variable in by_construction, **sides,
                     **extras.get(name, {}))  # fmt: skip


def naive_figures(ground: Ground, plan: Plan, progress: Progress) -> dict[str, dict[str, float]]:
    """Figures of the naive generators made from the real side, one draw each.

    Their classifiers see at most `_NAIVE_PHOTONS` photons, which is enough where nearly every photon betrays itself.
    """
    rng = np.random.default_rng([plan.seed, 3])
    number, found = ground.photons, {}
    few = min(number, _NAIVE_PHOTONS)
    for make in (lambda: gaussian_copula(ground.real, number, rng), lambda: shuffled(ground.real, rng)):
        naive = make()
        progress.report(0.5 * len(found), naive.name)
        meter = _Meter(ground.reference, replace(plan, classifier=False), rng, progress, wants_p=False)
        pair = draw(ground.real, number, rng), draw(naive, number, rng)
        found[naive.name] = meter.measure(*pair)
        if plan.classifier:
            judge = replace(meter, plan=plan)
            found[naive.name] |= judge.areas(draw(pair[0], few, rng), draw(pair[1], few, rng))
    return found


def ranking_figures(figures: Sequence[Figure]) -> dict[str, float]:
    """The joint figures of a model that it is ranked by."""
    return {figure.name: figure.value for figure in figures if figure.name in JOINT}


def rank(models: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean rank of each model over the joint figures that all have, best first; equal figures share a rank."""
    names = list(models)
    common = [one for one in JOINT if names and all(one in models[name] for name in names)]
    ranks = {name: [] for name in names}
    for one in common:
        values = [models[name][one] for name in names]
        for name, value in zip(names, values, strict=True):
            below, same = sum(v < value for v in values), values.count(value)
            ranks[name].append(below + (same + 1) / 2)
    means = {name: float(np.mean(found)) if found else 1.0 for name, found in ranks.items()}
    return dict(sorted(means.items(), key=lambda item: item[1]))
