"""Phase spaces in, a trained model of photons out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.lock import only_one
from ..core.progress import Progress
from .coordinates import Coordinates, fit_coordinates
from .distil import Distiller
from .learner import PhotonLearner
from .models.registry import model_class
from .phase_space import PhaseSpace
from .photon_model import CALIBRATION_POINTS, Condition, PhotonModel, calibrated
from .training_photons import TrainingPhotons

if TYPE_CHECKING:
    from ..training.loop import FitSettings
    from .models.base import GenerativeModel

__all__ = ["TrainingPlan", "Watch", "train_model"]

_VALIDATIONS = 24
_LEAST_STEPS = 100
"""Between validations: more often tells nothing and takes time."""
_PATIENCE = 6
_PRIOR_POINTS = 200_000
_RECORD = "training.json"
_TEACHER_SHARE = 0.6
"""Of the time of a distilled model: for the flow that it learns from, where none is given."""

Watch = Callable[[PhotonModel, np.ndarray], None]
"""Called with the model as it is and held-out photons (n, 6)."""


@dataclass(frozen=True)
class TrainingPlan:
    """What is trained, and for how long.

    Parameters
    ----------
    model:
        key of `models.registry.MODELS`.
    coordinates:
        "physics" or "raw".
    minutes, steps:
        of training; what comes first ends it. A budget in steps alone is the same on every machine.
    options:
        of the network, in place of its defaults.
    condition, values:
        name with unit of what the files differ in, and its value in each file; "" and none for one distribution.
    teacher:
        of a distilled model; without it a flow is trained first.
    """

    model: str = "flow"
    coordinates: str = "physics"
    minutes: float | None = 10.0
    steps: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = "cpu"
    condition: str = ""
    values: tuple[float, ...] = ()
    teacher: PhotonModel | None = None

    def share(self, part: float) -> TrainingPlan:
        """The same for a part of the time."""
        minutes = None if self.minutes is None else part * self.minutes
        steps = None if self.steps is None else max(1, round(part * self.steps))
        return replace(self, minutes=minutes, steps=steps)


def train_model(
    spaces: Sequence[PhaseSpace], plan: TrainingPlan, room: Path, progress: Progress | None = None,
    watch: Watch | None = None,
) -> PhotonModel:  # fmt: skip
    """Train a model on the photons of files; `room` keeps checkpoint and curve, so that the same call goes on.

    Raises
    ------
    InputError
        files that cannot be learned from, a plan that does not fit them, a room of another training.
    OutputError
        another process trains in this room.
    Cancelled
        a checkpoint is written first.
    """
    progress = progress or Progress()
    conditions = _conditions(plan, spaces)
    record = _record(plan, spaces)
    _check_room(room, record)
    with progress.stage("read photons", 0.05):
        photons = TrainingPhotons(spaces, plan.seed, progress=progress)
        coordinates = _coordinates(photons, plan, conditions)
    _claim(room, record)
    job = _Job(photons, coordinates, conditions, plan, room, progress, watch)
    alone = only_one(room, "another training works there", "wait for its end, or choose another --output")
    with alone, progress.stage("train", 0.99):
        return job.distilled() if plan.model == "distilled" else job.direct()


@dataclass(frozen=True, eq=False)
class _Job:
    """One training: photons, coordinates and where it goes."""

    photons: TrainingPhotons
    coordinates: Coordinates
    conditions: tuple[Condition, ...]
    plan: TrainingPlan
    room: Path
    progress: Progress
    watch: Watch | None

    def direct(self) -> PhotonModel:
        """Train the network on photons themselves."""
        from ..training.loop import fit

        learner = self._learner(self._network())
        network = fit(learner, self._fit_settings(type(learner.network)), self.room, self.progress)
        points, context = learner.data().at(slice(_PRIOR_POINTS))
        network.after_training(points.to(self.plan.device), context.to(self.plan.device))
        return self._calibrated(network)

    def distilled(self) -> PhotonModel:
        """Train a small network to do what a flow does, which is trained first where none is given."""
        from ..training.loop import fit

        teacher, plan = self.plan.teacher, self.plan
        if teacher is None:
            flow = replace(plan.share(_TEACHER_SHARE), model="flow", options={})
            first = replace(self, plan=flow, room=self.room / "flow")
            with self.progress.part(_TEACHER_SHARE):
                teacher = first.direct()
            plan = plan.share(1 - _TEACHER_SHARE)
        job = replace(self, plan=plan, coordinates=replace(teacher.coordinates, calibration=None))
        learner = Distiller(job._learner(job._network()), teacher.network, self.room, self.progress)
        network = fit(learner, job._fit_settings(type(learner.network)), self.room, self.progress)
        return job._calibrated(network)

    def _network(self) -> GenerativeModel:
        from ..training.seeds import seed_everything

        seed_everything(self.plan.seed)
        kind = model_class(self.plan.model)
        size = self.coordinates.context + len(self.conditions)
        return kind(self.coordinates.size, size, self.plan.options).to(self.plan.device)

    def _learner(self, network: GenerativeModel) -> PhotonLearner:
        values = np.array([[c.scaled(v) for c in self.conditions] for v in self.plan.values or [0.0]])
        scaled = values if self.conditions else np.empty((len(self.photons.spaces), 0))
        batch = type(network).FIT.get("batch", 2048)
        watch = None if self.watch is None else self._show
        return PhotonLearner(network, self.photons, self.coordinates, scaled, batch, self.plan.device, watch)

    def _show(self, network: GenerativeModel) -> None:
        self.watch(self._model(network), self.photons.held_out.photons)

    def _fit_settings(self, kind: type[GenerativeModel]) -> FitSettings:
        from ..training.loop import FitSettings
        from ..training.schedule import Budget

        plan = self.plan
        own = {name: value for name, value in kind.FIT.items() if name != "batch"}
        seconds = 60 * plan.minutes / _VALIDATIONS if plan.minutes else 30.0
        steps = None if plan.steps is None else max(_LEAST_STEPS, plan.steps // _VALIDATIONS)
        return FitSettings(Budget(plan.minutes, plan.steps), **own, validate_s=max(seconds, 5.0), validate_steps=steps,
                           checkpoint_s=30.0, patience=_PATIENCE, seed=plan.seed)  # fmt: skip

    def _calibrated(self, network: GenerativeModel) -> PhotonModel:
        """No more points than tell something beside the photons that were there to learn from."""
        points = min(CALIBRATION_POINTS, 4 * len(self.photons.pool(0).photons))
        return calibrated(self._model(network), self.plan.seed, points)

    def _model(self, network: GenerativeModel) -> PhotonModel:
        photons = self.photons
        facts = {
            "histories_per_photon": photons.histories_per_photon,
            "weight": photons.mean_weight,
            "left_out": photons.left_out.to_dict(),
            "conditions": [vars(condition) for condition in self.conditions],
        }
        return PhotonModel(self.room.name, self.plan.model, self.coordinates, network, {"dose3d": facts})


def _coordinates(photons: TrainingPhotons, plan: TrainingPlan, conditions: tuple[Condition, ...]) -> Coordinates:
    """Of the teacher where there is one, since a distilled network speaks its language."""
    if plan.teacher is None:
        pool = photons.pool(0)
        at = np.array([conditions[0].scaled(value) for value in plan.values]) if conditions else None
        return fit_coordinates(pool.photons, photons.plane_cm, plan.coordinates, pool.file, at)
    if plan.teacher.kind != "flow":
        raise InputError(plan.teacher.name, f"is no flow but {plan.teacher.kind}", "give a flow as --teacher")
    if plan.teacher.conditions != conditions:
        cause = "knows other conditions than are given"
        raise InputError(plan.teacher.name, cause, "give --condition and --values as for the teacher, or another one")
    found = plan.teacher.coordinates
    if abs(found.plane_cm - photons.plane_cm) > 1e-3:
        cause = f"is for z = {found.plane_cm:g} cm, the photons are at {photons.plane_cm:g} cm"
        raise InputError(plan.teacher.name, cause, "bring them to its plane: dose3d phsp convert IN OUT --plane Z")
    return found


def _conditions(plan: TrainingPlan, spaces: Sequence[PhaseSpace]) -> tuple[Condition, ...]:
    if not plan.condition and not plan.values:
        return ()
    if not plan.condition or len(plan.values) != len(spaces):
        cause = f"{len(plan.values)} values for {len(spaces)} files"
        raise InputError("--values", cause, "give --condition NAME and one value for each file")
    if len(set(plan.values)) < 2:
        raise InputError("--values", "are all the same", "leave out --condition, or give files that differ")
    return (Condition(plan.condition, min(plan.values), max(plan.values)),)


def _record(plan: TrainingPlan, spaces: Sequence[PhaseSpace]) -> dict[str, Any]:
    """What makes a training the same one when it goes on; its length may change."""
    teacher = {} if plan.teacher is None else {"teacher": plan.teacher.facts.get("weights_sha256")}
    return {**teacher, "model": plan.model, "coordinates": plan.coordinates, "options": plan.options, "seed": plan.seed,
            "condition": plan.condition, "values": list(plan.values),
            "files": [[str(space.files[0]), space.count] for space in spaces]}  # fmt: skip


def _check_room(room: Path, record: dict[str, Any]) -> None:
    """A room belongs to one training: going on with other files or another model would mix them up."""
    path = room / _RECORD
    try:
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else record
    except ValueError:
        known = None
    if known != record:
        cause = "holds a training of other files or another model"
        raise InputError(room, cause, "remove it, or choose another --output")


def _claim(room: Path, record: dict[str, Any]) -> None:
    room.mkdir(parents=True, exist_ok=True)
    (room / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
