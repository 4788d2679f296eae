"""`dose3d phsp generate`: any number of photons of a model into a phase-space file of any format."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import InputError, OutputError
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import make_provenance
from .base import Result, TaskSettings, option
from .phsp_convert import Format

if TYPE_CHECKING:
    from ..phasespace.generate import Order
    from ..phasespace.others import Others
    from ..phasespace.photon_model import PhotonModel
    from ..phasespace.write import FileFacts
    from ..training.device import DeviceChoice

__all__ = ["Settings", "run"]

_PLANE_TOLERANCE_CM = 1e-3
_LEAST_BYTES = {"iaea": 21, "egs-mode0": 28, "egs-mode2": 32, "topas": 34, "topas-limited": 29, "npy": 40,
                "npz": 40}  # fmt: skip
"""Bytes of a particle, for formats where that is sure before anything is written."""


_WORTH_A_LOOK = 1 << 20
_MANY_USES = 3


@dataclass(frozen=True)
class Settings(TaskSettings):
    """A model, and how many photons of it go where."""

    model: str = option(help="shipped model (6mv-fast, 6mv-flow ...) or folder of a trained one")
    photons: int = option(help="photons to generate", minimum=1, maximum=10**15)
    output: Path = option(help="file to write; its ending tells the format: .IAEAphsp, .egsphsp1, .phsp, .root ...")
    seed: int = option(0, help="seed; the same one gives the same photons, and fewer are the first of more", minimum=0)
    format: Format | None = option(None, help="format, where the ending does not tell it")
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", help="where the network runs")
    threads: int | None = option(None, help="processor cores that work, on --device cpu (default: all)", minimum=1)
    condition: tuple[float, ...] = option((), help="value of each condition of a conditional model, in its order")
    others: Path | None = option(
        None, help="phase space whose electrons, positrons and others are mixed in, in their right share"
    )
    plane: float | None = option(None, help="plane that is wanted; a model of another one is refused", unit="cm")
    sources: bool = option(True, help="write the source for GATE 10, TOPAS or EGSnrc beside, if it reads the format")
    overwrite: bool = option(False, help="replace existing files")

    def inputs(self) -> tuple[Path, ...]:
        model = Path(self.model)
        return (*super().inputs(), *([model] if model.is_dir() else []))


@dataclass(frozen=True)
class _Job:
    """All that is known before the first photon."""

    settings: Settings
    kind: str
    model: PhotonModel
    order: Order
    device: DeviceChoice
    others: Others | None
    others_files: tuple[Path, ...]
    facts: FileFacts
    texts: dict[str, str]

    @property
    def inputs(self) -> tuple[Path, ...]:
        """What must never be replaced."""
        return (*self.others_files, *self.settings.inputs())


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Generate and write; the files appear when all are complete, a cancel or a fault leaves none.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    progress = progress or Progress()
    job = _prepared(settings, progress)
    with _drafts(job) as drafts:
        particles = _written(job, drafts, progress)
    figures = _figures(job, particles, progress)
    return Result(settings.output, _files(job), figures, tuple(progress.warnings), dict(progress.seconds))


def _prepared(settings: Settings, progress: Progress) -> _Job:
    """Everything that can be refused is refused here."""
    from ..phasespace.formats.losses import losses
    from ..phasespace.generate import Order, cores, header_facts
    from ..phasespace.photon_model import load_model
    from ..phasespace.write import format_of
    from ..training.device import choose_device

    kind = format_of(settings.output, settings.format)
    model = load_model(settings.model)
    _check_plane(settings, model)
    device = choose_device(settings.device)
    threads = settings.threads or cores()
    order = Order(settings.photons, settings.seed, device.name, settings.condition, threads)
    next(model.blocks(order.seed, 0, order.device, order.conditions), None)  # refuses wrong conditions
    _check_places(settings, kind)
    _check_space(settings, kind)
    others, files = _others(settings, model, progress)
    _warn_of_histories(model, progress)
    facts = header_facts(model, order, others)
    for loss in losses(kind, facts):
        progress.warn(loss)
    texts = _source_texts(settings, kind, model, facts) if settings.sources else {}
    return _Job(settings, kind, model, order, device, others, files, facts, texts)


def _check_plane(settings: Settings, model: PhotonModel) -> None:
    if settings.plane is None or abs(settings.plane - model.plane_cm) <= _PLANE_TOLERANCE_CM:
        return
    cause = f"makes photons at z = {model.plane_cm:g} cm, not at {settings.plane:g} cm"
    remedy = f"leave out --plane and move the file: dose3d phsp convert FILE OUTPUT --plane {settings.plane:g}"
    raise InputError(settings.model, cause, remedy)


def _check_places(settings: Settings, kind: str) -> None:
    """Refuse now what would be refused when it is written: `--others` may take long to read."""
    from ..phasespace.write import files_of

    for path in (*files_of(settings.output, kind), *_beside(settings, kind).values()):
        if os.path.exists(path) and not settings.overwrite:
            raise OutputError(path, "exists already", "choose another output or add --overwrite")


def _check_space(settings: Settings, kind: str) -> None:
    """Say at once what would otherwise be found out after an hour."""
    place = next((folder for folder in settings.output.absolute().parents if folder.is_dir()), None)
    needed = settings.photons * _LEAST_BYTES.get(kind, 0)
    if place is None or needed < _WORTH_A_LOOK or needed <= (free := shutil.disk_usage(place).free):
        return
    cause = f"needs {needed / 1e9:.3g} GB, and {free / 1e9:.3g} GB are free"
    raise OutputError(settings.output, cause, "free some space, choose another output or fewer photons")


def _others(settings: Settings, model: PhotonModel, progress: Progress) -> tuple[Others | None, tuple[Path, ...]]:
    """What is mixed in, and the files that the work reads."""
    import numpy as np

    from ..phasespace.others import Others, holds_no_plane, read_others
    from ..phasespace.read import open_phase_space

    if settings.others is None:
        return None, ()
    source = open_phase_space(settings.others)
    for note in source.notes:
        progress.warn(f"{settings.others.name}: {note}")
    if holds_no_plane(source):
        progress.warn(
            f"{settings.others.name} does not say where its particles lie: taken as z = {model.plane_cm:g} cm"
        )
    with progress.stage("read others", 0.1):
        pool = read_others(source, model.plane_cm, np.random.default_rng(settings.seed), progress.report)
    rate = pool.per_photon(model.histories_per_photon, model.weight)
    if not (source.histories and model.histories_per_photon):
        progress.warn(
            "original histories are not known on both sides: others are shared out by the photons beside them"
        )
    others = Others(pool, rate, settings.seed) if rate > 0 else None
    uses = others.count(settings.photons) / len(pool.particles) if others else 0.0
    if uses > _MANY_USES:
        progress.warn(f"each of the {len(pool.particles):,} others of {pool.name} is used {uses:.3g} times: the "
                      "statistical error of their dose stays that of the file")  # fmt: skip
    return others, source.files


def _warn_of_histories(model: PhotonModel, progress: Progress) -> None:
    share = model.histories_per_photon
    if share is None:
        progress.warn("original histories are not known: the training file did not say; doses cannot be normalised")
    elif share < 1:
        progress.warn(
            "more photons start a history than there are original histories; the latter are the normalisation"
        )


def _source_texts(settings: Settings, kind: str, model: PhotonModel, facts: FileFacts) -> dict[str, str]:
    from ..phasespace.sources import SourceFacts, source_texts

    return source_texts(
        SourceFacts(
            settings.output, kind, facts.count, facts.histories, model.plane_cm, settings.others is None, facts.title
        )
    )


@contextmanager
def _drafts(job: _Job) -> Iterator[dict[str, Path]]:
    """Where the files beside the particles are written, by their names in `_beside`."""
    overwrite = job.settings.overwrite
    with ExitStack() as stack:
        places = _beside(job.settings, job.kind).items()
        yield {name: stack.enter_context(atomic_output(path, overwrite, job.inputs)) for name, path in places}


def _beside(settings: Settings, kind: str) -> dict[str, Path]:
    """The files beside the particles: provenance, and sources by the name of their code."""
    from ..phasespace.sources import source_paths

    output = settings.output
    sources = source_paths(output, kind) if settings.sources else {}
    return {"provenance": output.with_name(f"{output.name}.provenance.json"), **sources}


def _files(job: _Job) -> dict[str, str]:
    from ..phasespace.write import files_of

    written = [path.name for path in files_of(job.settings.output, job.settings.format)]
    files = dict(zip(("records", "header"), written, strict=False))
    beside = {name: path.name for name, path in _beside(job.settings, job.kind).items()}
    return files | {name if name == "provenance" else f"source for {name}": path for name, path in beside.items()}


def _written(job: _Job, drafts: dict[str, Path], progress: Progress) -> int:
    """Write all files; gives the number of particles."""
    from ..phasespace.generate import write_photons
    from ..phasespace.write import open_writer

    settings = job.settings
    with open_writer(settings.output, job.facts, settings.format, settings.overwrite, job.inputs) as writer:
        with progress.stage("generate", 1.0):
            particles = write_photons(job.model, job.order, writer, job.others, progress)
        for code, text in job.texts.items():
            drafts[code].write_text(text, encoding="utf-8", errors="backslashreplace")
        text = json.dumps(_provenance(job, particles, progress), indent=2, ensure_ascii=False) + "\n"
        drafts["provenance"].write_text(text, encoding="utf-8", errors="backslashreplace")
    return particles


def _provenance(job: _Job, particles: int, progress: Progress) -> dict[str, Any]:
    inputs = [{"path": str(p), "bytes": p.stat().st_size, "modified": int(p.stat().st_mtime)} for p in job.others_files]
    model = {"name": job.model.name, "weights_sha256": job.model.facts.get("weights_sha256"),
             "trained_on": job.model.facts.get("files", [])}  # fmt: skip
    return make_provenance(
        "phsp generate", job.settings.to_dict(), progress, inputs=inputs, model=model, seed=job.order.seed,
        device=job.device.name, device_reason=job.device.reason, photons=job.order.count, particles=particles,
        histories=job.facts.histories, notes=list(job.facts.notes),
    )  # fmt: skip


def _figures(job: _Job, particles: int, progress: Progress) -> dict[str, Any]:
    """What is printed."""
    from ..phasespace.sources import missing_codes

    seconds = max(progress.seconds.get("generate", 0.0), 1e-3)
    figures = {"model": job.model.name, "format": job.kind, "photons": f"{job.order.count:,}"}
    if particles != job.order.count:
        figures["others"] = f"{particles - job.order.count:,}"
    histories = job.facts.histories
    figures["original histories"] = "unknown" if histories is None else f"{histories:,}"
    figures["speed"] = f"{float(f'{job.order.count / seconds:.3g}'):,.0f} photons a second on {job.device.name}"
    if job.settings.sources and (missing := missing_codes(job.settings.output, job.kind)):
        figures["no source for"] = missing
    return figures
