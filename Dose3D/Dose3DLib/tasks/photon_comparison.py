"""What `phsp compare` finds out about one generated side: figures, rings, edges, memorisation, dose, pictures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.progress import Progress

if TYPE_CHECKING:
    from ..phasespace.compare.comparison import Ground, Plan
    from ..phasespace.compare.floor import Figure
    from ..phasespace.compare.sides import Side
    from ..phasespace.compare.water import DoseDraws
    from ..phasespace.compare.water_engine import WaterEngine
    from ..phasespace.phase_space import PhaseSpace
    from ..phasespace.photon_model import PhotonModel
    from .phsp_compare import Settings

__all__ = ["Compared", "Job", "Water", "compare_side", "histories_of", "rng_of", "water_of"]

_DECODED_AT_ONCE = 20_000
_SHOWN = 300_000
_NAMES = ("original", "generated")
_HIGHEST_MARGIN = 1.05
_OTHER_DRAWS = 1 << 20
"""Added to the seed for the generated side's transport, so that both sides have their own."""


@dataclass(eq=False)
class Compared:
    """One generated side: what made it, its figures, and what goes onto the page and into compare.json."""

    name: str
    photons: int
    figures: tuple[Figure, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)
    verdicts: list[tuple[str, str]] = field(default_factory=list)
    pictures: list[tuple[str, bytes, str]] = field(default_factory=list)
    tables: list[tuple[str, Any]] = field(default_factory=list)
    decoded: list[tuple] = field(default_factory=list)
    decoded_pictures: list[tuple[str, bytes, str]] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    def add(self, parts: tuple[list, list]) -> None:
        """Pictures and tables of one subject, after those that are there."""
        self.pictures += parts[0]
        self.tables += parts[1]


@dataclass(frozen=True, eq=False)
class Water:
    """What transports photons, and the dose of the real ones."""

    engine: WaterEngine
    real: DoseDraws


@dataclass(frozen=True, eq=False)
class Job:
    """All that the comparison of each side needs."""

    settings: Settings
    plan: Plan
    ground: Ground
    models: tuple[PhotonModel, ...]
    train: Side | None
    device: str
    water: Water | None
    files: tuple[PhaseSpace, ...] = ()


def compare_side(job: Job, side: Side, model: PhotonModel | None, progress: Progress) -> Compared:
    """All that is known about one generated side."""
    from ..phasespace.compare.comparison import compare

    with progress.stage(f"compare {side.name}", 0.7):
        given = () if model is None else model.by_construction
        found = Compared(side.name, len(side), compare(job.ground, side, job.plan, progress, given))
    with progress.stage(f"rings and edges of {side.name}", 0.8):
        _add_rings_and_edges(job, side, found)
    if job.train is not None:
        with progress.stage(f"memorisation of {side.name}", 0.9):
            _add_memorisation(job, side, found)
    if job.settings.dose:
        with progress.stage(f"dose of {side.name}", 0.97):
            _add_dose(job, side, found, progress)
    with progress.stage("pictures", 1.0):
        _add_pictures(job, side, found)
        if model is not None and model.network.HAS_ENCODER:
            _add_decoded(job, model, found)
    _add_facts(side, model, found)
    return found


def _add_facts(side: Side, model: PhotonModel | None, found: Compared) -> None:
    found.facts = {"Photons": f"{len(side):,}", "Photons a history": f"{len(side) / histories_of(side):.3g}"}
    if model is not None:
        given = ", ".join(model.by_construction) or "none"
        found.facts |= {"Network": model.kind, "Marginals right by construction": given}
    found.record |= {"photons": len(side), "figures": {f.name: f.to_dict() for f in found.figures}}
    found.record |= {"facts": found.facts, "verdicts": dict(found.verdicts)}


def histories_of(side: Side) -> int:
    return len(np.unique(side.history))


def rng_of(seed: int, stream: int) -> np.random.Generator:
    """One stream of random numbers for each purpose, so that leaving one out changes no other."""
    return np.random.default_rng([seed, stream])


def _add_rings_and_edges(job: Job, side: Side, found: Compared) -> None:
    from ..phasespace.compare.edges import compare_edges
    from ..phasespace.compare.rings import compare_rings
    from ..report.phase_space_physics import edges_parts, rings_parts

    rings = compare_rings(job.ground.real, side, rng_of(job.settings.seed, 4))
    edges = compare_edges(job.ground.real, side, rng_of(job.settings.seed, 5))
    found.record |= {"rings": asdict(rings), "edges": asdict(edges)}
    found.verdicts += [(f"Rings: {one.name}", one.verdict) for one in rings.figures]
    found.verdicts.append(("Field edges", edges.verdict))
    found.add(rings_parts(rings, _NAMES))
    found.add(edges_parts(edges, _NAMES))


def _add_memorisation(job: Job, side: Side, found: Compared) -> None:
    from ..phasespace.compare.memorisation import compare_with_train
    from ..report.phase_space_physics import memorisation_parts

    result = compare_with_train(side, job.train, job.ground.real, rng_of(job.settings.seed, 6))
    found.record["memorisation"] = asdict(result)
    found.verdicts.append(("Memorisation", result.verdict))
    found.add(memorisation_parts(result))


def water_of(settings: Settings, ground: Ground, device: str, progress: Progress) -> Water | None:
    """Dose of the real photons, and what computes that of the others; None when no dose is wanted."""
    from ..phasespace.compare.water import batches, dose_draws, plan_of
    from ..phasespace.compare.water_engine import WaterEngine

    if not settings.dose:
        return None
    real = ground.real
    plan = plan_of(real, ground.reference.focus, settings.ssd)
    with progress.stage("dose of real photons", 0.55):
        highest = _HIGHEST_MARGIN * float(real.photons[:, 5].max())
        engine = WaterEngine(plan.tank, highest, progress, device if device == "cuda" else "cpu")
        parts = batches(real, rng_of(settings.seed, 9))
        draws = dose_draws(parts, engine, plan, _uses(settings, real), settings.seed, progress)
    return Water(engine, draws)


def _uses(settings: Settings, side: Side) -> int:
    return max(1, round(settings.dose_photons / len(side)))


def _add_dose(job: Job, side: Side, found: Compared, progress: Progress) -> None:
    from ..phasespace.compare.sides import take
    from ..phasespace.compare.water import batches, dose_draws
    from ..phasespace.compare.water_compare import compare_doses
    from ..report.phase_space_physics import dose_parts

    settings, water = job.settings, job.water
    energy = side.photons[:, 5]
    possible = take(side, (energy > 0) & (energy <= water.engine.highest_mev) & (side.photons[:, 4] > 0))
    if len(possible) < len(side):
        progress.warn(f"{len(side) - len(possible):,} impossible photons of {side.name} have no part in its dose")
    seed = settings.seed + _OTHER_DRAWS
    draws = dose_draws(batches(possible, rng_of(settings.seed, 10)), water.engine, water.real.plan,
                       _uses(settings, possible), seed, progress)  # fmt: skip
    result = compare_doses(water.real, draws, rng_of(settings.seed, 11))
    found.figures += result.figures
    found.record["dose"] = {**asdict(result), "figures": [one.to_dict() for one in result.figures]}
    found.verdicts.append(("Dose in water", result.verdict))
    found.add(dose_parts(result, _NAMES))


def _add_pictures(job: Job, side: Side, found: Compared) -> None:
    """Figures, marginals, maps, correlations and focus before what is there already."""
    from ..phasespace.compare.marginal_curves import marginal_curves
    from ..report.phase_space_compare import figures_picture

    found.record["marginals"] = marginal_curves(job.ground.real, side)
    shown = _views(job, side, _NAMES)
    found.pictures[:0] = [figures_picture(found.figures, side.name), *shown]


def _views(job: Job, side: Side, names: tuple[str, str]) -> list[tuple[str, bytes, str]]:
    """Marginals, maps, correlations, focus of the real side and another one."""
    from ..phasespace.compare.metrics import correlations
    from ..phasespace.compare.sides import draw
    from ..report import photon_figures as pictures

    rng, focus = rng_of(job.settings.seed, 7), job.ground.reference.focus
    pair = [draw(one, min(len(one), _SHOWN), rng) for one in (job.ground.real, side)]
    columns = [_columns(job, one) for one in pair]
    matrices = [correlations(one.photons) for one in pair]
    word = names[1]
    return [
        ("marginals", pictures.marginals_figure(*columns, names), f"Marginal distributions, original and {word}."),
        ("maps", pictures.maps_figure(*columns, names), f"Photons of pairs of variables, original and {word}."),
        ("correlations", pictures.correlations_figure(*matrices, names), "Pearson correlations."),
        ("focus", pictures.focus_figure(*columns, focus.sigma_cm, names),
         f"Photons traced back to the focus, {focus.distance_cm:.4g} cm upstream of the plane."),
    ]  # fmt: skip


def _columns(job: Job, side: Side) -> dict[str, np.ndarray]:
    from ..report.photon_figures import columns_of

    at_x, at_y = job.ground.reference.focus.positions(side.photons).T
    return {**columns_of(side.photons), "focus_x": at_x, "focus_y": at_y}


def _add_decoded(job: Job, model: PhotonModel, found: Compared) -> None:
    """Real photons through a network with an encoder and back."""
    from ..phasespace.compare.metrics import distances
    from ..phasespace.compare.sides import Side, draw
    from ..report.phase_space_compare import label_of

    settings, rng = job.settings, rng_of(job.settings.seed, 8)
    original = draw(job.ground.real, job.ground.photons, rng)
    pieces = np.array_split(original.photons, max(1, len(original) // _DECODED_AT_ONCE))
    parts = [model.reconstruct(piece, settings.seed + n, settings.condition) for n, piece in enumerate(pieces)]
    decoded = Side(np.concatenate(parts), np.arange(sum(map(len, parts))), f"{model.name}, decoded", model.plane_cm)
    number = len(decoded)
    values = distances(draw(original, number, rng), decoded, job.ground.reference)
    floors = job.ground.floors
    names = [name for name in values if name in floors and name.split(" ")[0] in ("sliced", "W1", "KS", "map")]
    kinds = {name: f"{name.split(' ')[0]} " if name.split(" ")[0] in ("W1", "KS") else "" for name in names}
    found.decoded = [(kinds[name] + label_of(name), values[name], floors[name]) for name in names]
    found.decoded_pictures = _views(job, decoded, ("original", "decoded"))[:2]
    found.record["decoded"] = {name: values[name] for name in names} | {"photons": number}
