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
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 15,
    "out_channels": 2,
    "channels": [40, 80, 160, 240],
    "strides": [2, 2, 2],
    "num_res_units": 2,
    "norm": None,
    "act": "LEAKYRELU",
}
"""MONAI's residual U-Net, without normalisation: its means over a patch would differ from those over a patient."""


def build(options: dict[str, Any] | None = None) -> torch.nn.Module:
    """A fresh network of these options, whose outputs are 0: it starts from the classical dose."""
    import torch
    from monai.networks import nets

    options = dict(options or NETWORK)
    network = getattr(nets, options.pop("_target_"))(**options)
    last = [m for m in network.modules() if getattr(m, "out_channels", None) == options["out_channels"]]
    for module in (m for m in last if hasattr(m, "weight")):
        torch.nn.init.zeros_(module.weight)
        torch.nn.init.zeros_(module.bias)
    return network.to(memory_format=torch.channels_last_3d)


def decode(images: torch.Tensor, outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Dose and scale b of a Laplace distribution around it, both (n, k, j, i) in shares of `dose_scale`."""
    outputs = outputs.float()
    dose = images[:, BASE_CHANNEL].float() + RESIDUAL_UNIT * outputs[:, 0]
    return dose, SPREAD_UNIT * outputs[:, 1].clamp(-5.0, 5.0).exp()
