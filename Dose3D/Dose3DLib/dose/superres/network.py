"""From the network's three outputs to a dose and how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .inputs import CHANNELS

if TYPE_CHECKING:
    import torch

__all__ = ["BASE_CHANNEL", "NETWORK", "PATCH", "build", "decode"]

BASE_CHANNEL, LOST_CHANNEL = CHANNELS.index("base"), CHANNELS.index("lost_detail")
RESIDUAL_UNIT = 0.03
SPREAD_UNIT = 0.01
"""Units of the outputs, in shares of `dose_scale`: a change of the dose is of a few percent, its spread of one."""
USUAL_GAIN = 0.4
"""Of the detail that a sketch says the cells lose, this much is usually real; the network adds or takes from there."""

NETWORK: dict[str, Any] = {
    "_target_": "SegResNet",
    "spatial_dims": 3,
    "init_filters": 16,
    "in_channels": 16,
    "out_channels": 3,
    "blocks_down": [1, 2, 2, 2],
    "blocks_up": [1, 1, 1],
}
"""MONAI's residual network with group normalisation, whose figures depend on a patch: it runs on patches as it learnt.

Its smallest maps stay above 4 voxels a side: below, oneDNN's bfloat16 gradients of convolutions are off by half.
"""

PATCH = (40, 56, 56)
"""Voxels (k, j, i) that the network sees at once, in training and in use."""


def build(options: dict[str, Any] | None = None) -> torch.nn.Module:
    """A fresh network of these options, whose outputs are 0: it starts from the classical dose and the usual gain."""
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
    detail = images[:, LOST_CHANNEL].float() * (USUAL_GAIN + outputs[:, 2])
    dose = images[:, BASE_CHANNEL].float() + RESIDUAL_UNIT * outputs[:, 0] + detail
    return dose, SPREAD_UNIT * outputs[:, 1].clamp(-5.0, 5.0).exp()
