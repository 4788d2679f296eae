"""A neural spline flow: the exact likelihood of photons, and a smooth map from normal noise to them.

Durkan, Bekasov, Murray and Papamakarios, "Neural spline flows", 2019; autoregressive as in Papamakarios et al. 2017.
The network is zuko's.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import GenerativeModel

__all__ = ["Flow"]


class Flow(GenerativeModel):
    """zuko's NSF. Options: `transforms` in a row, `bins` of each spline, `width` of the two hidden layers."""

    DEFAULTS: ClassVar[dict[str, Any]] = {"transforms": 3, "bins": 16, "width": 128}
    FIT: ClassVar[dict[str, Any]] = {"learning_rate": 2e-3, "batch": 2048, "weight_decay": 0.0, "ema_decay": 0.998,
                                     "gradient_norm": 5.0}  # fmt: skip

    def __init__(self, size: int, context: int, options: dict[str, Any] | None = None):
        from zuko.flows import NSF

        super().__init__(size, context, options)
        width = self.options["width"]
        self.flow = NSF(size, context, bins=self.options["bins"], transforms=self.options["transforms"],
                        hidden_features=(width, width))  # fmt: skip

    def sample(self, noise: Tensor, context: Tensor) -> Tensor:
        return self._distribution(context).transform.inv(noise)

    def loss(self, points: Tensor, context: Tensor, noise: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Negative log likelihood of a photon, nats."""
        return -self.log_probability(points, context).mean(), {}

    def log_probability(self, points: Tensor, context: Tensor) -> Tensor:
        """Of points (n, size), nats, (n,)."""
        return self._distribution(context).log_prob(points)

    def _distribution(self, context: Tensor) -> Any:
        return self.flow(context) if self.context else self.flow()
