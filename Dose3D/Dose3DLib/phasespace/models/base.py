"""What every generator of photons is: a network from normal noise to coordinates of a photon."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.errors import InputError

__all__ = ["GenerativeModel"]


class GenerativeModel(nn.Module):
    """Base of all models; it knows neither centimetres nor MeV, only coordinates that are roughly standard normal.

    A new model is one file with a class like this and a line in `registry.py`.

    Parameters
    ----------
    size:
        coordinates of a photon.
    context:
        columns of what is given with each photon: lines of the spectrum, conditions that files differ in; may be 0.
    options:
        JSON values that replace entries of `DEFAULTS`.

    Attributes
    ----------
    latent_size:
        normal numbers that one photon takes.

    Raises
    ------
    InputError
        an option that `DEFAULTS` does not have.
    """

    DEFAULTS: ClassVar[dict[str, Any]] = {}
    """Options of the network and of its loss."""

    FIT: ClassVar[dict[str, Any]] = {"learning_rate": 1e-3, "batch": 2048}
    """How it is trained best: `batch`, and fields of `training.loop.FitSettings`."""

    HAS_ENCODER: ClassVar[bool] = False
    """Whether `reconstruct` works: real photons in, decoded ones out."""

    STOPS_EARLY: ClassVar[bool] = True
    """Whether `loss` on held-out photons tells when a network has begun to learn its photons by heart."""

    def __init__(self, size: int, context: int, options: dict[str, Any] | None = None):
        super().__init__()
        unknown = sorted(set(options or {}) - set(self.DEFAULTS))
        if unknown:
            raise InputError(unknown[0], "is no option of this model", f"options are {', '.join(self.DEFAULTS)}")
        self.size, self.context, self.options = size, context, {**self.DEFAULTS, **(options or {})}
        self.latent_size = size

    def sample(self, noise: Tensor, context: Tensor) -> Tensor:
        """Coordinates (n, size) from standard normal noise (n, latent_size) and context (n, context).

        The same for the same noise: all chance is in the noise.
        """
        raise NotImplementedError

    def loss(self, points: Tensor, context: Tensor, noise: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The loss to minimise on coordinates (n, size) of real photons, and values for the curve."""
        raise NotImplementedError

    def reconstruct(self, points: Tensor, context: Tensor) -> Tensor:
        """Encode and decode real photons, both (n, size); only models with an encoder can."""
        raise NotImplementedError

    def after_training(self, points: Tensor, context: Tensor) -> None:
        """What is fitted once the weights are final, such as the latent prior; nothing by default."""
