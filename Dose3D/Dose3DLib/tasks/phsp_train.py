"""`dose3d phsp train`: a model that makes photons, learned from the phase spaces of a linear accelerator."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import Cancelled, InputError
from ..core.output import MODEL_MARK, atomic_output
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from ..phasespace.models.registry import MODELS
from .base import Result, TaskSettings, option

if TYPE_CHECKING:
    import numpy as np

    from ..phasespace.phase_space import PhaseSpace
    from ..phasespace.photon_model import PhotonModel
    from ..phasespace.train import TrainingPlan, Watch

__all__ = ["Settings", "run", "work_folder"]

_SHOWN = 50_000
_LICENCE = "The weights belong to whoever made the phase spaces that they learned; Dose3D claims no right to them.\n"
_FILES = {
    "metadata": "configs/metadata.json",
    "weights": "models/model.safetensors",
    "card": "docs/README.md",
    "curve": "docs/curve.png",
    "marginals": "docs/marginals.png",
    "provenance": "docs/provenance.json",
}


@dataclass(frozen=True)
class Settings(TaskSettings):
    """Phase spaces, a kind of model, and how long it may learn.

    While it runs, `OUTPUT.training` holds the checkpoint, the curve and pictures; the same command goes on there after
    an interruption. Histories are held out to stop in time.
    """

    phase_spaces: tuple[str, ...] = option(
        help="phase spaces of any format, all in the same plane: one of the files of each", positional=True
    )
    output: Path = option(help="folder for the model, a bundle")
    model: str = option(
        "flow",
        help="kind of model: flow is the best, distilled the fastest, the others are those of the literature",
        choices=tuple(MODELS),
    )
    coordinates: Literal["physics", "raw"] = option(
        "physics", help="what the model sees: back-projected and normal by rank, or the raw six variables"
    )
    minutes: float = option(10.0, help="time to train", unit="min", minimum=0.01, maximum=100_000)
    steps: int | None = option(
        None, help="steps to train, in place of minutes: the same model on every machine", minimum=1
    )
    faithful: bool = option(False, help="losses as in the papers, without learned variance and fitted prior")
    teacher: str | None = option(
        None, help="flow (name or folder) that a distilled model learns from (default: one is trained first)"
    )
    condition: str | None = option(None, help='what the files differ in, with its unit, as "field size cm"')
    values: tuple[float, ...] = option((), help="value of the condition in each file, in their order")
    seed: int = option(0, help="seed of all chance", minimum=0)
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", help="where the network is trained")
    input_plane: float | None = option(None, help="z of files that do not hold it (EGSnrc, arrays)", unit="cm")
    input_unit: Literal["mm", "cm", "m"] | None = option(
        None, help="unit of lengths of files that do not tell it (arrays, ROOT; default: mm)"
    )
    overwrite: bool = option(False, help="replace an existing model")

    def inputs(self) -> tuple[Path, ...]:
        return tuple(map(Path, self.phase_spaces))


def work_folder(output: Path) -> Path:
    """Where checkpoint, curve.png and marginals.png of a running training lie."""
    return output.parent / f"{output.name}.training"


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Train and write the bundle, which appears when it is complete.

    Raises
    ------
    InputError, OutputError, Cancelled
    """
    from ..phasespace.train import train_model

    progress = progress or Progress()
    plan, reason = _plan(settings)
    room = work_folder(settings.output)
    with atomic_output(settings.output, settings.overwrite, settings.inputs(), MODEL_MARK) as draft:
        spaces = _opened(settings, progress)
        with _said_where_it_goes_on(room, progress):
            model = train_model(spaces, plan, room, progress, _watch(room, progress))
        with progress.stage("write", 1.0):
            provenance = _provenance(settings, spaces, reason, room, progress)
            model = _write(draft, settings.output.name, model, spaces, provenance)
    shutil.rmtree(room, ignore_errors=True)
    return Result(
        settings.output, dict(_FILES), _figures(model, provenance), tuple(progress.warnings), dict(progress.seconds)
    )


@contextmanager
def _said_where_it_goes_on(room: Path, progress: Progress) -> Iterator[None]:
    try:
        yield
    except Cancelled:
        if any(room.rglob("checkpoint.pt")):
            progress.warn(f"what was learned so far is kept in {room}: the same command goes on there")
        raise


def _plan(settings: Settings) -> tuple[TrainingPlan, str]:
    """What to train, and why on this device."""
    from ..phasespace.models.registry import model_class
    from ..phasespace.photon_model import load_model
    from ..phasespace.train import TrainingPlan
    from ..training.device import choose_device

    if not settings.phase_spaces:
        raise InputError("--phase-spaces", "names no file", "give at least one phase space")
    if settings.teacher and settings.model != "distilled":
        raise InputError("--teacher", f"is not used by {settings.model}", "give --model distilled, or leave it out")
    device = choose_device(settings.device)
    faithful = getattr(model_class(settings.model), "FAITHFUL", {}) if settings.faithful else {}
    teacher = load_model(settings.teacher) if settings.teacher else None
    minutes = None if settings.steps else settings.minutes
    plan = TrainingPlan(settings.model, settings.coordinates, minutes, settings.steps, dict(faithful),
                        settings.seed, device.name, settings.condition or "", settings.values, teacher)  # fmt: skip
    return plan, f"{device.name}: {device.reason}"


def _check_plane_is_known(space: PhaseSpace) -> None:
    """Traced back from a plane that is not theirs, photons have no focus."""
    if not space.is_plane_known:
        raise InputError(space.files[0], "does not say in which plane its particles lie", "give --input-plane Z in cm")


def _opened(settings: Settings, progress: Progress) -> list[PhaseSpace]:
    from ..phasespace.read import open_phase_space

    spaces = [open_phase_space(Path(n), settings.input_plane, settings.input_unit) for n in settings.phase_spaces]
    places = [space.files[0].resolve() for space in spaces]
    for space, place in zip(spaces, places, strict=True):
        if places.count(place) > 1:  # what is held out would be learned from the copy
            raise InputError(space.files[0], "is given twice", "name each phase space once")
        _check_plane_is_known(space)
        for note in space.notes:
            progress.warn(f"{space.files[0].name}: {note}")
        if not space.histories:
            progress.warn(f"{space.files[0].name} does not say how many histories were simulated, so doses of what the "
                          "model makes cannot be normalised to them")  # fmt: skip
    return spaces


def _watch(room: Path, progress: Progress) -> Watch:
    """Draws real and generated photons beside each other at each validation."""

    def show(model: PhotonModel, real: np.ndarray) -> None:
        from ..report.photon_figures import columns_of, marginals_figure

        values = [(condition.lowest + condition.highest) / 2 for condition in model.conditions]
        try:
            made = model.tensor(min(len(real), _SHOWN), 0, next(model.network.parameters()).device.type, values)
        except InputError:  # a network that has hardly begun
            return
        sides = (columns_of(photons[:_SHOWN]) for photons in (real, made.cpu().numpy()))
        draft = room / "marginals.part.png"
        draft.write_bytes(marginals_figure(*sides, ("held out", "generated")))
        draft.replace(room / "marginals.png")  # whole at any time: somebody may be looking at it
        progress.emit("picture", path=str(room / "marginals.png"), title="Marginals")

    return show


def _write(
    draft: Path, name: str, model: PhotonModel, spaces: list[PhaseSpace], provenance: Mapping[str, Any]
) -> PhotonModel:
    """The bundle, with curve and marginals among its documents."""
    from ..phasespace.card import described, model_card
    from ..phasespace.photon_model import save_model

    model = described(model, name, provenance["inputs"], provenance["training"])
    save_model(draft, model, model_card(model), _LICENCE)
    room = Path(provenance["room"])
    for file in ("curve.png", "curve.csv", "marginals.png"):
        if (room / file).is_file():
            shutil.copyfile(room / file, draft / "docs" / file)
    text = json.dumps({k: v for k, v in provenance.items() if k != "room"}, indent=2, ensure_ascii=False)
    (draft / "docs" / "provenance.json").write_text(text + "\n", encoding="utf-8")
    return model


def _provenance(
    settings: Settings, spaces: list[PhaseSpace], reason: str, room: Path, progress: Progress
) -> dict[str, Any]:
    inputs = []
    for space in spaces:
        progress.report(0.0, f"hash of {space.files[0].name}")
        inputs.append({"name": space.files[0].name, "sha256": file_sha256(space.files[0]), "title": space.title,
                       "particles": space.count, "histories": space.histories})  # fmt: skip
    rows = (room / "curve.csv").read_text(encoding="utf-8").splitlines()
    last = rows[-1].split(",") if len(rows) > 1 else ("0", "0")
    minutes = round(float(last[1]) / 60, 2)
    training = {"minutes": minutes, "steps": int(last[0]), "seed": settings.seed, "device": reason}
    facts = {"inputs": inputs, "training": training, "seed": settings.seed, "device": reason, "room": str(room)}
    return make_provenance("phsp train", settings.to_dict(), progress, **facts)


def _figures(model: PhotonModel, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What is printed."""
    place, training = model.coordinates, provenance["training"]
    figures: dict[str, Any] = {"model": f"{model.kind}, {place.frame} coordinates"}
    figures["trained"] = f"{training['steps']:,} steps in {training['minutes']:g} min"
    figures["plane"] = f"{place.plane_cm:g} cm"
    if place.tables:
        figures["focus"] = f"{place.focus_cm:.3g} cm"
    figures["highest energy"] = f"{place.highest_mev:.4g} MeV"
    lines = ", ".join(f"{1000 * e:.5g} keV ({100 * s:.2g} %)"
                      for e, s in zip(place.lines.tolist(), place.line_shares, strict=True))  # fmt: skip
    figures["lines kept"] = lines or "none"
    if model.histories_per_photon:
        figures["histories a photon"] = f"{model.histories_per_photon:.6g}"
    return figures
