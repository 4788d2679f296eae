"""`fit`: the loop that segmentation, photons, doses and GANs share, on ignite's Engine.

What differs between them is a `Learner`: its network, how a batch of step n is drawn, what one step returns. The loop
brings budget, learning rate, EMA, checkpoints, resume, the live curve, early stop and cancellation. A learner with a
`critic` is trained against it: some steps of the critic, each with an optimiser of its own, before each of the network.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..core.errors import InputError
from ..core.progress import Progress
from .checkpoint import load_checkpoint, save_checkpoint
from .curve import Curve
from .optimizers import AdversarialLearner, Critic, descend, make_optimizer, own_parameters
from .schedule import Budget, cosine_with_warm_up
from .seeds import seed_everything

if TYPE_CHECKING:
    import torch
    from ignite.engine import Engine

__all__ = ["AdversarialLearner", "FitSettings", "Learner", "fit"]


_LOSABLE_S = 5.0
"""Training that a cancel may cost at most, where a validation begins."""


class Learner(Protocol):
    """What a noun gives to the loop."""

    network: torch.nn.Module

    def draw(self, step: int) -> Any:
        """The batch of a step; must depend on the step and the seed only, so that a resumed run repeats it."""

    def loss(self, network: torch.nn.Module, batch: Any) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss to minimise, and values for the curve."""

    def validate(self, network: torch.nn.Module) -> dict[str, float]:
        """Values on held-out data; `score` (higher is better) drives early stopping. May be empty."""


@dataclass(frozen=True)
class FitSettings:
    """How to train.

    Parameters
    ----------
    budget:
        when it ends.
    learning_rate, weight_decay:
        of the optimiser; the rate rises linearly, then falls along half a cosine over the budget.
    optimizer:
        "adamw", "adam" or "rmsprop", also of the critic.
    betas:
        decay of the two moments in Adam's.
    critic_learning_rate:
        where a critic is trained too; None: as `learning_rate`.
    ema_decay:
        decay of the moving average of the weights, which is what `fit` returns; 0 switches it off.
    gradient_norm:
        largest norm of the gradient.
    checkpoint_s, validate_s:
        seconds between checkpoints and between validations (both also at the end).
    validate_steps:
        steps between validations, in place of the seconds: then they fall on the same steps on every machine.
    patience:
        validations without a better `score` until an early stop; None: never. With it, `fit` returns the network of the
        best validation.
    seed:
        of torch's global generator (dropout); the initial weights and the batches are the learner's.
    """

    budget: Budget
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    ema_decay: float = 0.999
    gradient_norm: float = 12.0
    optimizer: str = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    critic_learning_rate: float | None = None
    checkpoint_s: float = 120.0
    validate_s: float = 600.0
    validate_steps: int | None = None
    patience: int | None = None
    seed: int = 0


class _Run:
    """State of one run: what is saved, and what the handlers do."""

    def __init__(self, learner: Learner, settings: FitSettings, room: Path, progress: Progress):
        import torch

        self.learner, self.settings, self.room, self.progress = learner, settings, room, progress
        self.critic = Critic.of(learner, settings)
        parameters = own_parameters(learner.network, self.critic)
        self.optimizer = make_optimizer(parameters, settings, settings.learning_rate)
        self.average = torch.optim.swa_utils.AveragedModel(
            learner.network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.ema_decay)
        )
        self.step, self.seconds, self.best, self.stale = 0, 0.0, -math.inf, 0
        self.best_state: dict[str, torch.Tensor] | None = None
        self._restore(load_checkpoint(room / "checkpoint.pt"))
        self.curve = Curve(room, self.step)
        self._clock = self._saved = self._validated = time.monotonic()

    @property
    def spent(self) -> float:
        return self.settings.budget.spent(self.step, self.seconds)

    @property
    def network(self) -> torch.nn.Module:
        """The network to validate and to ship: the moving average, unless that is switched off."""
        return self.average.module if self.settings.ema_decay else self.learner.network

    def _restore(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        try:
            self.learner.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.critic:
                self.critic.load_state(state["critic"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise InputError(
                self.room, "its checkpoint is of another network", "give another folder or delete checkpoint.pt"
            ) from error
        self.step, self.seconds, self.best, self.stale = state["counters"]
        self.best_state = state.get("best")

    def save(self) -> None:
        state = {
            "network": self.learner.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "counters": [self.step, self.seconds, self.best, self.stale],
        }
        if self.critic:
            state["critic"] = self.critic.state()
        if self.best_state is not None:
            state["best"] = self.best_state
        save_checkpoint(self.room / "checkpoint.pt", state)
        self._saved = time.monotonic()

    def train_step(self, engine: Engine, batch: Any) -> dict[str, float]:
        """One step of the network, after those of its critic where there is one; returns the values for the curve."""
        factor = cosine_with_warm_up(self.spent)
        self.learner.network.train()
        values = self.critic.train(factor, batch, self.step) if self.critic else {}
        loss, more = self.learner.loss(self.learner.network, batch)
        descend(self.optimizer, loss, self.settings.learning_rate * factor, self.settings.gradient_norm, self.step)
        # An average over more steps than have been taken would still hold the random start.
        if self.step > 20:
            self.average.update_parameters(self.learner.network)
        else:
            self.average.module.load_state_dict(self.learner.network.state_dict())
        return {"loss": float(loss.detach()), **values, **more}

    def after_step(self, engine: Engine) -> None:
        """Clock, progress, curve, checkpoint, validation, end."""
        now = time.monotonic()
        self.seconds += now - self._clock
        self._clock = now
        self.step += 1
        if self.step % 10 == 0:
            self.curve.add(self.step, self.seconds, engine.state.output)
        self.progress.report(self.spent, f"step {self.step}, loss {engine.state.output['loss']:.4f}")
        every = self.settings.validate_steps
        if self.step % every == 0 if every else now - self._validated > self.settings.validate_s:
            if now - self._saved > _LOSABLE_S:  # a cancel during a long validation must not cost what came before it
                self.save()
            self.validate()
        if now - self._saved > self.settings.checkpoint_s:
            self.save()
            self.curve.draw()
        if self.is_over:
            engine.terminate()

    def validate(self) -> None:
        """Validation takes no part of the time budget."""
        self.network.eval()
        values = self.learner.validate(self.network)
        if values:
            self.curve.add(self.step, self.seconds, {f"validation {name}": value for name, value in values.items()})
            self.progress.emit("curve", step=self.step, **values)
        score = values.get("score")
        if score is not None:
            self._judge(score)
        self._validated = self._clock = time.monotonic()

    def _judge(self, score: float) -> None:
        """Count validations that bring nothing better; keep the weights of the best where that may end the run."""
        self.stale = 0 if score > self.best else self.stale + 1
        if self.settings.patience is not None and score > self.best:
            self.best_state = {key: value.detach().cpu().clone() for key, value in self.network.state_dict().items()}
        self.best = max(self.best, score)

    def finished(self) -> torch.nn.Module:
        """The network to ship, in evaluation mode."""
        if self.best_state is not None:
            self.network.load_state_dict(self.best_state)
        return self.network.eval()

    @property
    def is_over(self) -> bool:
        """True when the budget is spent or the patience is."""
        return self.spent >= 1.0 or (self.settings.patience is not None and self.stale > self.settings.patience)


def fit(learner: Learner, settings: FitSettings, room: Path, progress: Progress | None = None) -> torch.nn.Module:
    """Train `learner.network` until the budget is spent; returns the network to ship, in evaluation mode.

    `room` holds `checkpoint.pt`, `curve.csv` and `curve.png`. Called again with the same room it goes on where the
    last checkpoint was; with a finished one it returns at once.

    Raises
    ------
    Cancelled
        a checkpoint is written first.
    InputError
        a checkpoint of another network, a loss that is not a number.
    """
    from ignite.engine import Engine, Events

    room.mkdir(parents=True, exist_ok=True)
    progress = progress or Progress()
    seed_everything(settings.seed)
    run = _Run(learner, settings, room, progress)
    if not run.is_over:
        engine = Engine(run.train_step)
        engine.add_event_handler(Events.ITERATION_COMPLETED, run.after_step)
        try:
            engine.run(_batches(learner, run), max_epochs=1, epoch_length=2**31)
        finally:
            run.save()
        run.validate()
        run.save()
        run.curve.draw()
    return run.finished()


def _batches(learner: Learner, run: _Run) -> Any:
    while True:
        yield learner.draw(run.step)
