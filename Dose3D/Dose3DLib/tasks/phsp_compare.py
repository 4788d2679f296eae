"""`dose3d phsp compare`: generated photons against real ones, every figure beside what real against real gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import InputError
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import make_provenance
from .base import Result, TaskSettings, option

if TYPE_CHECKING:
    import numpy as np

    from ..phasespace.compare.comparison import Ground, Plan
    from ..phasespace.compare.floor import Figure
    from ..phasespace.compare.sides import Side
    from ..phasespace.compare.water import DoseDraws
    from ..phasespace.compare.water_engine import WaterEngine
    from ..phasespace.photon_model import PhotonModel
    from ..report.phase_space_compare import ModelPart

__all__ = ["Settings", "run"]

_QUICK_PHOTONS = 20_000
_DECODED_AT_ONCE = 20_000
_SHOWN = 300_000
_FEWEST_DRAWS = 2
_NAMES = ("original", "generated")
_HIGHEST_MARGIN = 1.05
_OTHER_DRAWS = 1 << 20
"""Added to the seed for the generated side's transport, so that both sides have their own."""


@dataclass(frozen=True)
class Settings(TaskSettings):
    """Real photons, and generated ones: a file, models, or both."""

    real: Path = option(help="real phase space that no model was trained on", positional=True)
    generated: Path | None = option(None, help="generated phase space", positional=True)
    output: Path = option(help="folder for report, figures and pictures")
    model: tuple[str, ...] = option((), help="shipped models or folders of trained ones; several are ranked")
    floor: Path | None = option(
        None, help="second real phase space, for real against real (default: halves of the first, by history)"
    )
    train: Path | None = option(None, help="phase space that the model was trained on: adds the test of memorisation")
    photons: int = option(150_000, help="photons a side in each draw", minimum=50, maximum=5_000_000)
    draws: int = option(20, help="real-against-real draws of the floor", minimum=_FEWEST_DRAWS, maximum=1000)
    make: int = option(1_000_000, help="photons a model makes, for means and errors", minimum=100, maximum=100_000_000)
    limit: int = option(
        3_000_000, help="photons of a file at most; of a larger file whole histories at random places", minimum=1000
    )
    condition: tuple[float, ...] = option((), help="value of each condition of a conditional model, in its order")
    classifier: bool = option(True, help="classifier two-sample test, which takes most of the time")
    naive: bool = option(True, help="naive generators beside the models: Gaussian copula, every variable shuffled")
    dose: bool = option(False, help="dose in water; its tables take minutes once on each computer")
    ssd: float = option(100.0, help="from the focus to the water's surface", unit="cm", minimum=1, maximum=1000)
    dose_histories: int = option(5_000_000, help="photons transported for the dose of each side", minimum=1000)
    quick: bool = option(False, help="20,000 photons a side and one draw of each model: a first look")
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", help="where models and dose are computed")
    seed: int = option(0, help="seed of draws and of generated photons", minimum=0)
    overwrite: bool = option(False, help="replace an existing output")


@dataclass(eq=False)
class _Compared:
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
class _Water:
    """What transports photons, and the dose of the real ones."""

    engine: WaterEngine
    real: DoseDraws


@dataclass(frozen=True, eq=False)
class _Job:
    """All that the comparison of each side needs."""

    settings: Settings
    plan: Plan
    ground: Ground
    train: Side | None
    device: str
    water: _Water | None


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Compare and write the folder, which appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    progress = progress or Progress()
    models = _checked(settings)
    with atomic_output(settings.output, settings.overwrite, _inputs(settings)) as draft:
        job, generated = _prepared(settings, models, progress)
        compared = _all_sides(job, models, generated, progress)
        naive = _naive(job, progress)
        draft.mkdir()
        files = _write(draft, job, compared, naive, progress)
    return Result(settings.output, files, _printed(job, compared), tuple(progress.warnings), dict(progress.seconds))


def _checked(settings: Settings) -> list[PhotonModel]:
    """The models, loaded; whatever is sure to fail fails here."""
    from ..phasespace.photon_model import load_model

    if settings.generated is None and not settings.model:
        raise InputError("phsp compare", "has nothing to compare", "name a generated file, or --model")
    if settings.output.is_file():
        raise InputError(settings.output, "is a file", "name a folder for the results")
    models = [load_model(name) for name in settings.model]
    for model in models:
        next(model.blocks(settings.seed, 0, "cpu", settings.condition), None)  # refuses wrong conditions
    return models


def _inputs(settings: Settings) -> tuple[Path, ...]:
    return (*settings.inputs(), *(path for path in map(Path, settings.model) if path.exists()))


def _prepared(settings: Settings, models: list[PhotonModel], progress: Progress) -> tuple[_Job, Side | None]:
    """Files read, planes checked, floors made."""
    from ..phasespace.compare.comparison import Plan, lay_ground
    from ..phasespace.compare.load import check_planes, read_side
    from ..training.device import choose_device

    device = choose_device(settings.device).name
    rng = _rng(settings.seed, 0)
    with progress.stage("read", 0.05):
        paths = (settings.real, settings.generated, settings.floor, settings.train)
        real, generated, floor, train = (
            None if path is None else read_side(path, settings.limit, rng, progress) for path in paths
        )
    for side in (generated, floor, train):
        if side is not None:
            check_planes(real, side, progress)
    for model in models:
        check_planes(real, _empty_side(model), progress)
    photons = min(settings.photons, _QUICK_PHOTONS) if settings.quick else settings.photons
    plan = Plan(photons, settings.draws, 1 if settings.quick else Plan.model_draws, settings.classifier, settings.seed)
    sizes = ([] if generated is None else [len(generated)]) + [settings.make] * bool(models)
    with progress.stage("real against real", 0.5):
        ground = lay_ground(real, floor, min(sizes), plan, progress)
    water = _water(settings, ground, device, progress)
    return _Job(settings, plan, ground, train, device, water), generated


def _empty_side(model: PhotonModel) -> Side:
    import numpy as np

    from ..phasespace.compare.sides import Side

    return Side(np.zeros((0, 6), np.float32), np.zeros(0, np.int64), model.name, model.plane_cm)


def _all_sides(job: _Job, models: list[PhotonModel], generated: Side | None, progress: Progress) -> list[_Compared]:
    """Each generated side in turn; photons of one model are gone before the next one's are made."""
    compared = []
    total = len(models) + (generated is not None)
    if generated is not None:
        with progress.part(0.5 + 0.42 / total):
            compared.append(_compare(job, generated, None, progress))
    for n, model in enumerate(models, 1 + total - len(models)):
        with progress.part(0.5 + 0.42 * n / total):
            with progress.stage(f"generate {model.name}", 0.3):
                side = _generated(job, model, progress)
            compared.append(_compare(job, side, model, progress))
    return compared


def _generated(job: _Job, model: PhotonModel, progress: Progress) -> Side:
    """Photons of a model in memory, 24 bytes each."""
    import numpy as np

    from ..phasespace.compare.sides import Side

    settings, count = job.settings, max(job.settings.make, job.ground.photons)
    count = min(count, 5 * _QUICK_PHOTONS) if settings.quick else count
    photons, filled = np.empty((count, 6), np.float32), 0
    for block in model.blocks(settings.seed, count, job.device, settings.condition):
        photons[filled : filled + len(block)] = block.cpu().numpy()
        filled += len(block)
        progress.report(filled / count, f"{filled:,} photons of {model.name}")
    return Side(photons, np.arange(count), model.name, model.plane_cm)


def _compare(job: _Job, side: Side, model: PhotonModel | None, progress: Progress) -> _Compared:
    """All that is known about one generated side."""
    from ..phasespace.compare.comparison import compare

    with progress.stage(f"compare {side.name}", 0.7):
        given = () if model is None else model.by_construction
        found = _Compared(side.name, len(side), compare(job.ground, side, job.plan, progress, given))
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
        if model is not None:
            _add_decoded(job, model, found)
    _add_facts(side, model, found)
    return found


def _add_facts(side: Side, model: PhotonModel | None, found: _Compared) -> None:
    found.facts = {"Photons": f"{len(side):,}", "Photons a history": f"{len(side) / _histories(side):.3g}"}
    if model is not None:
        given = ", ".join(model.by_construction) or "none"
        found.facts |= {"Network": model.kind, "Marginals right by construction": given}
    found.record |= {"photons": len(side), "figures": {f.name: f.to_dict() for f in found.figures}}
    found.record |= {"facts": found.facts, "verdicts": dict(found.verdicts)}


def _histories(side: Side) -> int:
    import numpy as np

    return len(np.unique(side.history))


def _rng(seed: int, stream: int) -> np.random.Generator:
    """One stream of random numbers for each purpose, so that leaving one out changes no other."""
    import numpy as np

    return np.random.default_rng([seed, stream])


def _add_rings_and_edges(job: _Job, side: Side, found: _Compared) -> None:
    from ..phasespace.compare.edges import compare_edges
    from ..phasespace.compare.rings import compare_rings
    from ..report.phase_space_physics import edges_parts, rings_parts

    rings = compare_rings(job.ground.real, side, _rng(job.settings.seed, 4))
    edges = compare_edges(job.ground.real, side, _rng(job.settings.seed, 5))
    found.record |= {"rings": asdict(rings), "edges": asdict(edges)}
    found.verdicts += [(f"Rings: {one.name}", one.verdict) for one in rings.figures]
    found.verdicts.append(("Field edges", edges.verdict))
    found.add(rings_parts(rings, _NAMES))
    found.add(edges_parts(edges, _NAMES))


def _add_memorisation(job: _Job, side: Side, found: _Compared) -> None:
    from ..phasespace.compare.memorisation import compare_with_train
    from ..report.phase_space_physics import memorisation_parts

    result = compare_with_train(side, job.train, job.ground.real, _rng(job.settings.seed, 6))
    found.record["memorisation"] = asdict(result)
    found.verdicts.append(("Memorisation", result.verdict))
    found.add(memorisation_parts(result))


def _water(settings: Settings, ground: Ground, device: str, progress: Progress) -> _Water | None:
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
        parts = batches(real, _rng(settings.seed, 9))
        draws = dose_draws(parts, engine, plan, _uses(settings, real), settings.seed, progress)
    return _Water(engine, draws)


def _uses(settings: Settings, side: Side) -> int:
    return max(1, round(settings.dose_histories / len(side)))


def _add_dose(job: _Job, side: Side, found: _Compared, progress: Progress) -> None:
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
    draws = dose_draws(batches(possible, _rng(settings.seed, 10)), water.engine, water.real.plan,
                       _uses(settings, possible), seed, progress)  # fmt: skip
    result = compare_doses(water.real, draws, _rng(settings.seed, 11))
    found.figures += result.figures
    found.record["dose"] = {**asdict(result), "figures": [one.to_dict() for one in result.figures]}
    found.verdicts.append(("Dose in water", result.verdict))
    found.add(dose_parts(result, _NAMES))


def _add_pictures(job: _Job, side: Side, found: _Compared) -> None:
    """Figures, marginals, maps, correlations and focus before what is there already."""
    from ..phasespace.compare.marginal_curves import marginal_curves
    from ..report.phase_space_compare import figures_picture

    found.record["marginals"] = marginal_curves(job.ground.real, side)
    shown = _views(job, side, _NAMES)
    found.pictures[:0] = [figures_picture(found.figures, side.name), *shown]


def _views(job: _Job, side: Side, names: tuple[str, str]) -> list[tuple[str, bytes, str]]:
    """Marginals, maps, correlations, focus of the real side and another one."""
    from ..phasespace.compare.metrics import correlations
    from ..phasespace.compare.sides import draw
    from ..report import photon_figures as pictures

    rng, focus = _rng(job.settings.seed, 7), job.ground.reference.focus
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


def _columns(job: _Job, side: Side) -> dict[str, np.ndarray]:
    import numpy as np

    columns = {name: side.column(name) for name in ("x", "y", "u", "v", "w", "energy")}
    at_x, at_y = job.ground.reference.focus.positions(side.photons).T
    return {**columns, "r": np.hypot(columns["x"], columns["y"]), "focus_x": at_x, "focus_y": at_y}


def _add_decoded(job: _Job, model: PhotonModel, found: _Compared) -> None:
    """Real photons through the network and back, where it has an encoder."""
    import numpy as np

    from ..phasespace.compare.metrics import distances
    from ..phasespace.compare.sides import Side, draw
    from ..report.phase_space_compare import label_of

    settings, rng = job.settings, _rng(job.settings.seed, 8)
    original = draw(job.ground.real, job.ground.photons, rng)
    pieces = np.array_split(original.photons, max(1, len(original) // _DECODED_AT_ONCE))
    try:
        parts = [model.reconstruct(piece, settings.seed + n, settings.condition) for n, piece in enumerate(pieces)]
    except NotImplementedError:
        return
    decoded = Side(np.concatenate(parts), np.arange(sum(map(len, parts))), f"{model.name}, decoded", model.plane_cm)
    number = len(decoded)
    values = distances(draw(original, number, rng), decoded, job.ground.reference)
    floors = job.ground.floors
    names = [name for name in values if name in floors and name.split(" ")[0] in ("sliced", "W1", "KS", "map")]
    kinds = {name: f"{name.split(' ')[0]} " if name.split(" ")[0] in ("W1", "KS") else "" for name in names}
    found.decoded = [(kinds[name] + label_of(name), values[name], floors[name]) for name in names]
    found.decoded_pictures = _views(job, decoded, ("original", "decoded"))[:2]
    found.record["decoded"] = {name: values[name] for name in names} | {"photons": number}


def _naive(job: _Job, progress: Progress) -> dict[str, dict[str, float]]:
    from ..phasespace.compare.comparison import naive_figures

    if not job.settings.naive:
        return {}
    with progress.stage("naive generators", 0.97):
        return naive_figures(job.ground, job.plan, progress)


def _write(
    draft: Path, job: _Job, compared: list[_Compared], naive: dict[str, dict[str, float]], progress: Progress
) -> dict[str, str]:
    """Report, figures, pictures, provenance into an empty folder; the files by name."""
    from ..phasespace.compare.comparison import rank, ranking_figures

    ranks = rank({one.name: ranking_figures(one.figures) for one in compared} | naive)
    compared.sort(key=lambda one: ranks[one.name])
    files = {"report": "report.html", "comparison": "compare.json", "provenance": "provenance.json"}
    for name, png in _named_pictures(compared):
        (draft / name).write_bytes(png)
        files[name.removesuffix(".png")] = name
    provenance = _provenance(job, progress)
    _write_json(draft / "compare.json", _record(job, compared, naive, ranks))
    with progress.stage("report", 1.0):
        _write_report(draft / "report.html", job, compared, (naive, ranks), provenance)
    provenance["seconds"] = dict(progress.seconds)
    _write_json(draft / "provenance.json", provenance)
    return files


def _named_pictures(compared: Sequence[_Compared]) -> Iterator[tuple[str, bytes]]:
    for n, one in enumerate(compared):
        prefix = "" if len(compared) == 1 else f"{n + 1}-"
        for kind, pictures in (("", one.pictures), ("decoded-", one.decoded_pictures)):
            yield from ((f"{prefix}{kind}{title}.png", png) for title, png, _ in pictures)


def _floor_sentence(job: _Job) -> str:
    return (
        f"The floor is what {job.plan.draws} draws of {job.ground.photons:,} real photons against as many other real "
        f"ones give ({job.ground.origin}; no history on both sides). At the floor: not above their 95th percentile. "
        f"A model's value is the median of {job.plan.model_draws} draws; a classifier is trained again only where it "
        "found little."
    )


def _record(
    job: _Job, compared: list[_Compared], naive: dict[str, dict[str, float]], ranks: dict[str, float]
) -> dict[str, Any]:
    """compare.json: cm, MeV; shares of figures in percent, those of `floors` and `naive` as fractions."""
    ground, focus = job.ground, job.ground.reference.focus
    return {
        "real": {"name": ground.real.name, "photons": len(ground.real), "histories": _histories(ground.real),
                 "plane_cm": ground.real.plane_cm, "focus": asdict(focus), "properties": dict(ground.values)},
        "floor": {"origin": ground.origin, "photons": ground.photons, "draws": job.plan.draws,
                  "figures": {name: {"median": one.median, "p95": one.high} for name, one in ground.floors.items()}},
        "models": {one.name: one.record for one in compared},
        "naive": naive,
        "mean_rank": ranks,
    }  # fmt: skip


def _provenance(job: _Job, progress: Progress) -> dict[str, Any]:
    """Large files are known by name, size and date: a hash would take longer than all else."""
    from ..phasespace.read import open_phase_space

    settings = job.settings
    paths = [path for path in (settings.real, settings.generated, settings.floor, settings.train) if path is not None]
    files = [one for path in paths for one in open_phase_space(path).files]
    inputs = [{"path": str(p), "bytes": p.stat().st_size, "modified": int(p.stat().st_mtime)} for p in files]
    return make_provenance("phsp compare", settings.to_dict(), progress, inputs=inputs, seed=settings.seed,
                           device=job.device, photons=job.ground.photons)  # fmt: skip


def _write_report(path: Path, job: _Job, compared: list[_Compared], others: tuple, provenance: dict[str, Any]) -> None:
    from ..report.phase_space_compare import ComparisonReport, write_comparison_report

    ground, (naive, ranks) = job.ground, others
    facts = {
        "Real photons": f"{len(ground.real):,} of {_histories(ground.real):,} histories",
        "Photons a draw": f"{ground.photons:,}",
        "Plane": f"z = {ground.real.plane_cm:.4g} cm",
    }
    content = ComparisonReport(
        ground.real.name, facts, _floor_sentence(job), ground.floors, [_part(one) for one in compared], naive, ranks,
        provenance["seconds"], provenance["warnings"], provenance,
    )  # fmt: skip
    write_comparison_report(path, content)


def _part(one: _Compared) -> ModelPart:
    from ..report.phase_space_compare import ModelPart

    return ModelPart(one.name, one.figures, one.verdicts, one.pictures, one.tables, one.facts, one.decoded,
                     one.decoded_pictures)  # fmt: skip


def _printed(job: _Job, compared: list[_Compared]) -> dict[str, Any]:
    """What is said on the screen."""
    lines: dict[str, Any] = {"photons a draw": f"{job.ground.photons:,}"}
    for one in compared:
        figures = {figure.name: figure for figure in one.figures}
        for name in ("AUC physics", "AUC six", "sliced W1", "W1 worst", "KS worst"):
            if name in figures:
                figure = figures[name]
                words = f"{figure.value:.4g} (floor {figure.floor.median:.4g}, up to {figure.floor.high:.4g})"
                lines[f"{one.name}, {name}"] = f"{words}: {figure.verdict}"
    return lines


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=True, default=float) + "\n"
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
