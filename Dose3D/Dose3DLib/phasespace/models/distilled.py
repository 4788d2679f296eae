"""A small network that does what a flow does, in one pass: distillation as in Hinton, Vinyals and Dean, 2015.

A flow maps noise to photons in many steps, exactly. The same map, learned from pairs of noise and photon, fits into a
few thousand weights, since the coordinates have taken all sharp structure out of it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .base import GenerativeModel

__all__ = ["Distilled"]


class Distilled(GenerativeModel):
    """A perceptron that adds a correction to the noise. Options: `width` and number of `layers` that are hidden."""

    DEFAULTS: ClassVar[dict[str, Any]] = {"width": 64, "layers": 3}
    FIT: ClassVar[dict[str, Any]] = {"learning_rate": 3e-3, "batch": 4096, "weight_decay": 0.0, "ema_decay": 0.998}

    def __init__(self, size: int, context: int, options: dict[str, Any] | None = None):
        super().__init__(size, context, options)
        widths = [size + context, *[self.options["width"]] * self.options["layers"]]
        hidden = [part for pair in zip(widths[:-1], widths[1:], strict=True)
                  for part in (nn.Linear(*pair), nn.SiLU(inplace=True))]  # fmt: skip
        self.network = nn.Sequential(*hidden, nn.Linear(widths[-1], size))

    def sample(self, noise: Tensor, context: Tensor) -> Tensor:
        return noise + self.network(torch.cat([noise, context], dim=1))

    def loss(self, points: Tensor, context: Tensor, noise: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Sliced Wasserstein distance of generated and real photons; training adds the distance to the flow's."""
        draws = torch.randn(points.shape, generator=noise, device=points.device)
        return sliced_wasserstein(self.sample(draws, context), points, noise), {}


def sliced_wasserstein(made: Tensor, real: Tensor, noise: torch.Generator, directions: int = 32) -> Tensor:
    """Mean squared difference of the sorted projections of two samples (n, d) on random directions."""
    chosen = torch.randn((made.shape[1], directions), generator=noise, device=made.device)
    chosen = chosen / chosen.norm(dim=0)
    return ((made @ chosen).sort(dim=0).values - (real @ chosen).sort(dim=0).values).square().mean()
