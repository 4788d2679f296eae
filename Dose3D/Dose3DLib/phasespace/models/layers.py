"""Layers that several networks of photons share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Shortcut", "mlp"]

_START = 0.1
"""Of the usual size of an output layer's weights, where a shortcut is to count at first."""


def mlp(inputs: int, outputs: int, width: int, layers: int, activation: type[nn.Module] = nn.SiLU) -> nn.Sequential:
    """`layers` hidden layers of `width` neurons, and a linear one."""
    widths = [inputs] + [width] * layers
    hidden = [part for a, b in zip(widths, widths[1:], strict=False) for part in (nn.Linear(a, b), activation())]
    return nn.Sequential(*hidden, nn.Linear(widths[-1], outputs))


class Shortcut(nn.Module):
    """An `mlp` plus a linear layer beside it, which starts as the identity of the first `kept` columns."""

    def __init__(self, bend: nn.Sequential, kept: int):
        super().__init__()
        self.bend, self.straight = bend, nn.Linear(bend[0].in_features, bend[-1].out_features, bias=False)
        with torch.no_grad():
            bend[-1].weight.mul_(_START)
            bend[-1].bias.zero_()
            self.straight.weight.zero_()
            self.straight.weight[:kept, :kept] = torch.eye(kept)

    def forward(self, values: Tensor) -> Tensor:
        return self.bend(values) + self.straight(values)
