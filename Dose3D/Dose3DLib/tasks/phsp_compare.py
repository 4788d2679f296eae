"""`dose3d phsp compare`: generated photons against real ones, every figure beside what real against real gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import InputError
from ..core.json_file import write_json
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from .base import Result, TaskSettings, option
from .photon_comparison import Compared, Job, compare_side, histories_of, rng_of, water_of

if TYPE_CHECKING:
    from ..phasespace.compare.sides import Side
    from ..phasespace.phase_space import PhaseSpace
    from ..phasespace.photon_model import PhotonModel
    from ..report.phase_space_compare import ModelPart

__all__ = ["Settings", "run"]

_QUICK_PHOTONS = 20_000
_FEWEST_DRAWS = 2


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
    dose_photons: int = option(10_000_000, help="photons transported for the dose of each side", minimum=1000)
    quick: bool = option(False, help="20,000 photons a side and one draw of each model: a first look")
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", help="where models and dose are computed")
    seed: int = option(0, help="seed of draws and of generated photons", minimum=0)
    overwrite: bool = option(False, help="replace an existing output")


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Compare and write the folder, which appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    progress = progress or Progress()
    models = _checked(settings)
    with atomic_output(settings.output, settings.overwrite, _inputs(settings)) as draft:
        job, generated = _prepared(settings, models, _opened(settings), progress)
        compared = _all_sides(job, generated, progress)
        naive = _naive(job, progress)
        draft.mkdir()
        files = _write(draft, job, compared, naive, progress)
    return Result(settings.output, files, _printed(job, compared), tuple(progress.warnings), dict(progress.seconds))


def _checked(settings: Settings) -> list[PhotonModel]:
    """The models, loaded; whatever is sure to fail fails here."""
    from ..phasespace.compare.water_engine import require_packages
    from ..phasespace.photon_model import load_model

    if settings.generated is None and not settings.model:
        raise InputError("phsp compare", "has nothing to compare", "name a generated file, or --model")
    if settings.output.is_file():
        raise InputError(settings.output, "is a file", "name a folder for the results")
    if settings.dose:
        require_packages()
    models = [load_model(name) for name in settings.model]
    for model in models:
        next(model.blocks(settings.seed, 0, "cpu", settings.condition), None)  # refuses wrong conditions
    return _named_apart(models, settings)


def _opened(settings: Settings) -> dict[str, PhaseSpace]:
    """The files by what they are for; one that serves twice is opened once, and may not be the real one again.

    A file is at every floor of itself, and a floor of one file with itself is none.
    """
    from ..phasespace.read import open_phase_space

    spaces: dict[Path, PhaseSpace] = {}
    opened = {}
    for name in ("real", "generated", "floor", "train"):
        path = getattr(settings, name)
        if path is None:
            continue
        space = open_phase_space(path)
        opened[name] = spaces.setdefault(space.files[0].resolve(), space)
        if name != "real" and opened[name] is opened["real"]:
            raise InputError(path, f"is the real file, given as --{name} again", "name another file")
    return opened


def _named_apart(models: list[PhotonModel], settings: Settings) -> list[PhotonModel]:
    """Models of the same name, or of the generated file's, get a number."""
    taken = [] if settings.generated is None else [settings.generated.name]
    apart = []
    for model in models:
        number = taken.count(model.name)
        taken.append(model.name)
        apart.append(replace(model, name=f"{model.name} ({number + 1})") if number else model)
    return apart


def _warn_of_training(records: Path, models: list[PhotonModel], progress: Progress) -> None:
    """A model that repeats what it was trained on is at every floor of that file."""
    for model in models:
        hashes = [one.get("sha256") for one in model.facts.get("files", []) if one.get("name") == records.name]
        if hashes and file_sha256(records) in hashes:
            progress.warn(
                f"{model.name} was trained on {records.name}: it says little that it looks like it; name a real file "
                "that it has not seen"
            )


def _inputs(settings: Settings) -> tuple[Path, ...]:
    return (*settings.inputs(), *(path for path in map(Path, settings.model) if path.exists()))


def _prepared(
    settings: Settings, models: list[PhotonModel], opened: Mapping[str, PhaseSpace], progress: Progress
) -> tuple[Job, Side | None]:
    """Files read, planes checked, floors made."""
    from ..phasespace.compare.comparison import Plan, lay_ground
    from ..phasespace.compare.load import check_planes, read_side
    from ..training.device import choose_device

    device = choose_device(settings.device).name
    rng = rng_of(settings.seed, 0)
    with progress.stage("read", 0.05):
        sides = {id(space): read_side(space, settings.limit, rng, progress) for space in _apart(opened)}
    real, generated, floor, train = (
        sides.get(id(opened.get(name))) for name in ("real", "generated", "floor", "train")
    )
    for side in (generated, floor, train):
        if side is not None:
            check_planes(real, side, progress)
    for model in models:
        check_planes(real, _empty_side(model), progress)
    _warn_of_training(opened["real"].files[0], models, progress)
    photons = min(settings.photons, _QUICK_PHOTONS) if settings.quick else settings.photons
    plan = Plan(photons, settings.draws, 1 if settings.quick else Plan.model_draws, settings.classifier, settings.seed)
    sizes = ([] if generated is None else [len(generated)]) + [settings.make] * bool(models)
    with progress.stage("real against real", 0.5):
        ground = lay_ground(real, floor, min(sizes), plan, progress)
    water = water_of(settings, ground, device, progress)
    return Job(settings, plan, ground, tuple(models), train, device, water, tuple(_apart(opened))), generated


def _apart(opened: Mapping[str, PhaseSpace]) -> list[PhaseSpace]:
    """Each file once."""
    return list({id(space): space for space in opened.values()}.values())


def _empty_side(model: PhotonModel) -> Side:
    import numpy as np

    from ..phasespace.compare.sides import Side

    return Side(np.zeros((0, 6), np.float32), np.zeros(0, np.int64), model.name, model.plane_cm)


def _all_sides(job: Job, generated: Side | None, progress: Progress) -> list[Compared]:
    """Each generated side in turn; photons of one model are gone before the next one's are made."""
    compared = []
    total = len(job.models) + (generated is not None)
    if generated is not None:
        with progress.part(0.5 + 0.42 / total):
            compared.append(compare_side(job, generated, None, progress))
    for n, model in enumerate(job.models, 1 + total - len(job.models)):
        with progress.part(0.5 + 0.42 * n / total):
            with progress.stage(f"generate {model.name}", 0.3):
                side = _generated(job, model, progress)
            compared.append(compare_side(job, side, model, progress))
    return compared


def _generated(job: Job, model: PhotonModel, progress: Progress) -> Side:
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


def _naive(job: Job, progress: Progress) -> dict[str, dict[str, float]]:
    from ..phasespace.compare.comparison import naive_figures

    if not job.settings.naive:
        return {}
    with progress.stage("naive generators", 0.97):
        return naive_figures(job.ground, job.plan, progress)


def _write(
    draft: Path, job: Job, compared: list[Compared], naive: dict[str, dict[str, float]], progress: Progress
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
    write_json(draft / "compare.json", _record(job, compared, naive, ranks))
    with progress.stage("report", 1.0):
        _write_report(draft / "report.html", job, compared, (naive, ranks), provenance)
    provenance["seconds"] = dict(progress.seconds)
    write_json(draft / "provenance.json", provenance)
    return files


def _named_pictures(compared: Sequence[Compared]) -> Iterator[tuple[str, bytes]]:
    for n, one in enumerate(compared):
        prefix = "" if len(compared) == 1 else f"{n + 1}-"
        for kind, pictures in (("", one.pictures), ("decoded-", one.decoded_pictures)):
            yield from ((f"{prefix}{kind}{title}.png", png) for title, png, _ in pictures)


def _draws_sentence(draws: int) -> str:
    if draws == 1:
        return "A model's value is of one draw."
    return f"A model's value is the median of {draws} draws; a classifier is trained again only where it found little."


def _floor_sentence(job: Job) -> str:
    return (
        f"The floor is what {job.plan.draws} draws of {job.ground.photons:,} real photons against as many other real "
        f"ones give ({job.ground.origin}; no history on both sides). At the floor: not above their 95th percentile. "
        + _draws_sentence(job.plan.model_draws)
    )


def _record(
    job: Job, compared: list[Compared], naive: dict[str, dict[str, float]], ranks: dict[str, float]
) -> dict[str, Any]:
    """compare.json: cm, MeV; shares of figures in percent, those of `floors` and `naive` as fractions."""
    ground, focus = job.ground, job.ground.reference.focus
    return {
        "real": {"name": ground.real.name, "photons": len(ground.real), "histories": histories_of(ground.real),
                 "plane_cm": ground.real.plane_cm, "focus": asdict(focus), "properties": dict(ground.values)},
        "floor": {"origin": ground.origin, "photons": ground.photons, "draws": job.plan.draws,
                  "figures": {name: {"median": one.median, "p95": one.high} for name, one in ground.floors.items()}},
        "models": {one.name: one.record for one in compared},
        "naive": naive,
        "mean_rank": ranks,
    }  # fmt: skip


def _provenance(job: Job, progress: Progress) -> dict[str, Any]:
    """Large files are known by name, size and date: a hash would take longer than all else."""
    settings, files = job.settings, [one for space in job.files for one in space.files]
    inputs = [{"path": str(p), "bytes": p.stat().st_size, "modified": int(p.stat().st_mtime)} for p in files]
    known = [{"name": model.name, "kind": model.kind, "weights_sha256": model.facts.get("weights_sha256"),
              "trained_on": model.facts.get("files", [])} for model in job.models]  # fmt: skip
    return make_provenance("phsp compare", settings.to_dict(), progress, inputs=inputs, models=known,
                           seed=settings.seed, device=job.device, photons=job.ground.photons)  # fmt: skip


def _write_report(path: Path, job: Job, compared: list[Compared], others: tuple, provenance: dict[str, Any]) -> None:
    from ..report.phase_space_compare import ComparisonReport, write_comparison_report

    ground, (naive, ranks) = job.ground, others
    facts = {
        "Real photons": f"{len(ground.real):,} of {histories_of(ground.real):,} histories",
        "Photons a draw": f"{ground.photons:,}",
        "Plane": f"z = {ground.real.plane_cm:.4g} cm",
    }
    content = ComparisonReport(
        ground.real.name, facts, _floor_sentence(job), ground.floors, [_part(one) for one in compared], naive, ranks,
        provenance["seconds"], provenance["warnings"], provenance,
    )  # fmt: skip
    write_comparison_report(path, content)


def _part(one: Compared) -> ModelPart:
    from ..report.phase_space_compare import ModelPart

    return ModelPart(one.name, one.figures, one.verdicts, one.pictures, one.tables, one.facts, one.decoded,
                     one.decoded_pictures)  # fmt: skip


def _printed(job: Job, compared: list[Compared]) -> dict[str, Any]:
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
