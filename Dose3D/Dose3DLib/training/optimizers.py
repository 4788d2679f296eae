"""Optimisers of the shared loop: one of the network and, in adversarial training, one of its critic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from ..core.errors import InputError

if TYPE_CHECKING:
    import torch

    from .loop import FitSettings, Learner

__all__ = ["AdversarialLearner", "Critic", "descend", "make_optimizer", "own_parameters"]


class AdversarialLearner(Protocol):
    """What a `training.loop.Learner` has besides, when its network is trained against a critic."""

    critic: torch.nn.Module
    """May be a part of `network`; the network's optimiser leaves its weights alone in either case."""

    critic_steps: int
    """Steps of the critic before each step of the network."""

    def critic_loss(self, network: torch.nn.Module, batch: Any, turn: int) -> tuple[torch.Tensor, dict[str, float]]:
        """The critic's loss in its step `turn` (0, 1 ...) on the batch of this step, and values for the curve.

        All chance must follow from the batch and the turn, so that a resumed run repeats it.
        """


class Critic:
    """The critic of a learner with its optimiser: trains, is saved and goes on like the network."""

    def __init__(self, learner: AdversarialLearner, settings: FitSettings):
        self.learner, self.module, self.settings = learner, learner.critic, settings
        self.rate = settings.critic_learning_rate or settings.learning_rate
        self.optimizer = make_optimizer(self.module.parameters(), settings, self.rate)

    @classmethod
    def of(cls, learner: Learner, settings: FitSettings) -> Critic | None:
        """None where the learner has no critic."""
        return cls(learner, settings) if getattr(learner, "critic", None) is not None else None

    def train(self, factor: float, batch: Any, step: int) -> dict[str, float]:
        """All its steps before step `step` of the network, `factor` scales its rate. Afterwards it is frozen, so that
        the network's step computes no gradients of its weights; returns the values of the last one for the curve."""
        self.module.train().requires_grad_(True)
        values: dict[str, float] = {}
        for turn in range(self.learner.critic_steps):
            loss, values = self.learner.critic_loss(self.learner.network, batch, turn)
            descend(self.optimizer, loss, self.rate * factor, self.settings.gradient_norm, step)
            values = {"critic": float(loss.detach()), **values}
        self.module.requires_grad_(False)
        return values

    def state(self) -> dict[str, Any]:
        return {"weights": self.module.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])


def own_parameters(network: torch.nn.Module, critic: Critic | None) -> list[torch.nn.Parameter]:
    """The parameters of a network without those of a critic that is a part of it."""
    others = {id(p) for p in critic.module.parameters()} if critic else set()
    return [p for p in network.parameters() if id(p) not in others]


def make_optimizer(
    parameters: Iterable[torch.nn.Parameter], settings: FitSettings, rate: float
) -> torch.optim.Optimizer:
    """The optimiser that the settings name.

    Raises
    ------
    InputError
        no such name.
    """
    import torch

    common = {"lr": rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(parameters, betas=settings.betas, **common)
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters, betas=settings.betas, **common)
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, **common)
    raise InputError(settings.optimizer, "is no optimiser", "choose from adamw, adam, rmsprop")


def descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor, rate: float, norm: float, step: int) -> None:
    """One step down the gradient of `loss`, which is cut at the norm `norm`, with a learning rate.

    Raises
    ------
    InputError
        a loss that is not a number; nothing is changed then.
    """
    import torch

    if not torch.isfinite(loss):
        raise InputError(f"step {step}", "the loss is not a number", "lower the learning rate or check the data")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for group in optimizer.param_groups:
        group["lr"] = rate
    torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], norm)
    optimizer.step()
