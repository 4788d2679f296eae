"""The generative adversarial network of Sarrut, Krah and Létang 2019: a Wasserstein GAN with gradient penalty.

"Generative adversarial networks (GAN) for compact beam source modelling in Monte Carlo simulations", Phys. Med. Biol.
64, 215004. Generator and critic are fully connected, three hidden layers of 400 neurons, six latent numbers; the
gradient penalty is that of Gulrajani et al. 2017. `training.loop` gives the critic its own steps and optimiser.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .base import GenerativeModel
from .layers import Shortcut, mlp
from .losses import gradient_penalty

__all__ = ["WganGp"]


class WganGp(GenerativeModel):
    """Options: `latent` numbers, `width` and `layers` of both networks, `critic_steps` before each step of the
    generator, `penalty` weight of the gradient penalty, `shortcut`: whether the generator starts by passing its noise
    on, so that it only learns how coordinates depend on each other."""

    DEFAULTS: ClassVar[dict[str, Any]] = {"latent": 6, "width": 256, "layers": 3, "shortcut": True, "critic_steps": 2,
                                          "penalty": 10.0}  # fmt: skip
    FAITHFUL: ClassVar[dict[str, Any]] = {"width": 400, "shortcut": False}
    """Options that make the model what its paper says."""
    FIT: ClassVar[dict[str, Any]] = {"learning_rate": 3e-4, "critic_learning_rate": 1e-3, "batch": 256,
                                     "weight_decay": 0.0, "ema_decay": 0.998, "optimizer": "adam",
                                     "betas": (0.5, 0.9)}  # fmt: skip
    """The critic learns faster, so that the generator never runs ahead of it (Heusel et al. 2017)."""

    STOPS_EARLY: ClassVar[bool] = False
    """The generator's loss is relative to its critic and says nothing by itself."""

    def __init__(self, size: int, context: int, options: dict[str, Any] | None = None):
        super().__init__(size, context, options)
        latent, width, layers = (self.options[name] for name in ("latent", "width", "layers"))
        self.latent_size, self.critic_steps = latent, self.options["critic_steps"]
        self.generator = mlp(latent + context, size, width, layers, nn.ReLU)
        if self.options["shortcut"]:
            self.generator = Shortcut(self.generator, min(size, latent))
        # In a tuple, so that it is no part of what is averaged, counted and shipped: only training needs it.
        self._critic = (Critic(size, context, width, layers),)

    @property
    def critic(self) -> nn.Module:
        """The network that tells real from generated photons; `training.loop` trains it."""
        return self._critic[0]

    def _apply(self, fn: Any, recurse: bool = True) -> WganGp:
        """The critic goes along to another device or number format."""
        self.critic._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def sample(self, noise: Tensor, context: Tensor) -> Tensor:
        return self.generator(torch.cat([noise, context], dim=1))

    def loss(self, points: Tensor, context: Tensor, noise: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The generator's: what the critic says of generated photons, negative."""
        return -self.critic(self._make(context, noise), context).mean(), {}

    def critic_loss(self, points: Tensor, context: Tensor, noise: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Generated minus real, plus the penalty; `wasserstein` estimates the distance of the two."""
        with torch.no_grad():
            made = self._make(context, noise)
        distance = self.critic(points, context).mean() - self.critic(made, context).mean()
        penalty = gradient_penalty(self.critic, points, made, context, noise)
        loss = self.options["penalty"] * penalty - distance
        return loss, {"wasserstein": float(distance.detach()), "penalty": float(penalty.detach())}

    def _make(self, context: Tensor, noise: torch.Generator) -> Tensor:
        weight = next(self.generator.parameters())
        shape = (len(context), self.latent_size)
        return self.sample(torch.randn(shape, generator=noise, device=weight.device, dtype=weight.dtype), context)


class Critic(nn.Module):
    """One number for a photon (n, size) and its context (n, context): the higher, the more real it looks."""

    def __init__(self, size: int, context: int, width: int, layers: int):
        super().__init__()
        self.layers = mlp(size + context, 1, width, layers, nn.ReLU)

    def forward(self, points: Tensor, context: Tensor) -> Tensor:
        return self.layers(torch.cat([points, context], dim=1))[:, 0]
