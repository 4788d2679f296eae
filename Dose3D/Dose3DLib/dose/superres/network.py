"""From the network's two outputs to a dose and how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["BASE_CHANNEL", "NETWORK", "PATCH", "build", "decode"]

BASE_CHANNEL = 0
RESIDUAL_UNIT = 0.1
SPREAD_UNIT = 0.01
"""Units of the outputs, in shares of `dose_scale`: at the start the network changes nothing and is sure within 1 %."""

NETWORK: dict[str, Any] = {
    "_target_": "SegResNet",
    "spatial_dims": 3,
    "init_filters": 16,
    "in_channels": 16,
    "out_channels": 2,
    "blocks_down": [1, 2, 2, 2],
    "blocks_up": [1, 1, 1],
}
"""MONAI's residual network with group normalisation, whose figures depend on a patch: it runs on patches as it learnt.

Its smallest maps stay above 4 voxels a side: below, oneDNN's bfloat16 gradients of convolutions are off by half.
"""

PATCH = (40, 56, 56)
"""Voxels (k, j, i) that the network sees at once, in training and in use."""


def build(options: dict[str, Any] | None = None) -> torch.nn.Module:
    """A fresh network of these options, whose outputs are 0: it starts from the classical dose."""
    import torch
    from monai.networks import nets

    options = dict(options or NETWORK)
    network = getattr(nets, options.pop("_target_"))(**options)
    last = network.conv_final[-1]
    for parameter in last.parameters():
        torch.nn.init.zeros_(parameter)
    return network.to(memory_format=torch.channels_last_3d)


def decode(images: torch.Tensor, outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Dose and scale b of a Laplace distribution around it, both (n, k, j, i) in shares of `dose_scale`."""
    outputs = outputs.float()
    dose = images[:, BASE_CHANNEL].float() + RESIDUAL_UNIT * outputs[:, 0]
    return dose, SPREAD_UNIT * outputs[:, 1].clamp(-5.0, 5.0).exp()
