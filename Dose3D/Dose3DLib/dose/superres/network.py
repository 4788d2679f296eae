"""From the network's two outputs to a dose and how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["BASE_CHANNEL", "NETWORK", "build", "decode"]

BASE_CHANNEL = 0
RESIDUAL_UNIT = 0.1
SPREAD_UNIT = 0.01
"""Units of the outputs, in shares of `dose_scale`: at the start the network changes nothing and is sure within 1 %."""

NETWORK: dict[str, Any] = {
    "_target_": "BasicUNet",
    "spatial_dims": 3,
    "in_channels": 15,
    "out_channels": 2,
    "features": [32, 32, 64, 128, 128, 16],
    "norm": None,
}
"""MONAI's U-Net, without normalisation: its means over a patch would differ from those over a patient."""


def build(options: dict[str, Any] | None = None) -> torch.nn.Module:
    """A fresh network of these options, whose outputs are 0: it starts from the classical dose."""
    import torch
    from monai.networks import nets

    options = dict(options or NETWORK)
    network = getattr(nets, options.pop("_target_"))(**options)
    for module in (m for m in network.modules() if isinstance(m, torch.nn.Conv3d)):
        torch.nn.init.kaiming_normal_(module.weight, a=0.1, nonlinearity="leaky_relu")
        torch.nn.init.zeros_(module.bias)
    torch.nn.init.zeros_(network.final_conv.weight)
    return network.to(memory_format=torch.channels_last_3d)


def decode(images: torch.Tensor, outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Dose and scale b of a Laplace distribution around it, both (n, k, j, i) in shares of `dose_scale`."""
    outputs = outputs.float()
    dose = images[:, BASE_CHANNEL].float() + RESIDUAL_UNIT * outputs[:, 0]
    return dose, SPREAD_UNIT * outputs[:, 1].clamp(-5.0, 5.0).exp()
