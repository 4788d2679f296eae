"""Autoencoders that generate: BetaVAE, MKMMD_VAE, MMD_WAE and InfoVAE.

They share encoder and decoder, which take the context beside photon and code, and differ in what draws the codes
towards a standard normal distribution. With `learned_variance` off and `fitted_prior` 0 the losses are exactly those of
the papers, on the mean squared error; these two options and physical coordinates make them good.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .base import GenerativeModel
from .latent_prior import LatentPrior
from .layers import Shortcut, mlp
from .losses import gaussian_nll, imq_kernel, kl_to_standard_normal, mmd, multi_rbf_kernel, rbf_kernel

__all__ = ["MKMMD_VAE", "MMD_WAE", "BetaVAE", "InfoVAE"]

_ENCODED_AT_ONCE = 65536
_LOG_VARIANCE = (-7.0, 6.0)
"""Limits of a learned variance: a deviation of 0.03, of a coordinate that is roughly standard normal, to 20."""
_BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the multi-kernel MMD, in units of the median distance's."""
_IMQ_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Tolstikhin et al. 2018, in units of the mean squared distance of two normal codes."""

_DEFAULTS: dict[str, Any] = {
    "latent": 5,
    "width": 128,
    "layers": 3,
    "shortcut": True,
    "learned_variance": True,
    "fitted_prior": 64,
    "prior_groups": 12,
}
_FAITHFUL: dict[str, Any] = {"latent": 6, "width": 256, "shortcut": False, "learned_variance": False,
                             "fitted_prior": 0}  # fmt: skip
_FIT: dict[str, Any] = {"learning_rate": 2e-3, "batch": 2048, "weight_decay": 0.0, "ema_decay": 0.998}


class _Autoencoder(GenerativeModel):
    """What the four share.

    Options
    -------
    latent, width, layers:
        numbers of a code; neurons of a hidden layer; hidden layers of encoder and of decoder.
    shortcut:
        whether codes start as the coordinates themselves, which the networks then bend; else they start anywhere.
    learned_variance:
        the decoder gives a mean and a variance of each coordinate; the negative log likelihood of that Gaussian stands
        in place of the squared error, and samples get its noise. Without it all that the code does not hold is lost.
    fitted_prior:
        Gaussians of the mixture that is fitted to the codes after training; 0: codes are drawn from the normal
        distribution.
    prior_groups:
        most contexts with a mixture of their own.
    """

    DEFAULTS: ClassVar[dict[str, Any]] = _DEFAULTS
    FAITHFUL: ClassVar[dict[str, Any]] = _FAITHFUL
    """Options that make the model what its paper says."""
    FIT: ClassVar[dict[str, Any]] = _FIT
    HAS_ENCODER: ClassVar[bool] = True
    STOCHASTIC: ClassVar[bool] = True
    """Whether the encoder gives a distribution; else one code a photon."""

    def __init__(self, size: int, context: int, options: dict[str, Any] | None = None):
        super().__init__(size, context, options)
        latent, width, layers = (self.options[name] for name in ("latent", "width", "layers"))
        self.codes = latent
        coded, decoded = (2 if twice else 1 for twice in (self.STOCHASTIC, self.options["learned_variance"]))
        self.encoder = mlp(size + context, coded * latent, width, layers)
        self.decoder = mlp(latent + context, decoded * size, width, layers)
        if self.options["shortcut"]:
            self.encoder, self.decoder = (Shortcut(net, min(size, latent)) for net in (self.encoder, self.decoder))
        mixture = self.options["fitted_prior"]
        self.prior = LatentPrior(latent, context, mixture, self.options["prior_groups"]) if mixture else None
        self.latent_size = latent + (size if self.options["learned_variance"] else 0) + (1 if mixture else 0)

    def sample(self, noise: Tensor, context: Tensor) -> Tensor:
        """Columns of the noise: the code's, then those of the decoder's noise, then the choice of a Gaussian."""
        z = noise[:, : self.codes]
        if self.prior is not None:
            z = self.prior(noise[:, -1], z, context)
        mean, log_variance = self.decode(z, context)
        if log_variance is None:
            return mean
        return mean + torch.exp(0.5 * log_variance) * noise[:, self.codes : self.codes + self.size]

    def encode(self, points: Tensor, context: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and log variance (n, latent) of the code; no variance where the encoder is deterministic."""
        out = self.encoder(torch.cat([points, context], dim=1))
        return _halves(out) if self.STOCHASTIC else (out, None)

    def decode(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and log variance (n, size) of the coordinates; no variance unless it is learned."""
        out = self.decoder(torch.cat([z, context], dim=1))
        return _halves(out) if self.options["learned_variance"] else (out, None)

    def reconstruct(self, points: Tensor, context: Tensor) -> Tensor:
        return self.decode(self.encode(points, context)[0], context)[0]

    def loss(self, points: Tensor, context: Tensor, noise: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Error of the decoded photons plus the model's own term on the codes."""
        mean, log_variance = self.encode(points, context)
        z = mean if log_variance is None else mean + torch.exp(0.5 * log_variance) * _normal_like(mean, noise)
        error = self.error(points, *self.decode(z, context))
        term, values = self.regulariser(mean, log_variance, z, noise)
        return error + term, {"error": float(error.detach()), **values}

    def error(self, points: Tensor, mean: Tensor, log_variance: Tensor | None) -> Tensor:
        """Mean squared error of a coordinate; with learned variance the negative log likelihood of a photon, nats."""
        if log_variance is None:
            return nn.functional.mse_loss(mean, points)
        return gaussian_nll(points, mean, log_variance).mean()

    def regulariser(
        self, mean: Tensor, log_variance: Tensor | None, z: Tensor, noise: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """The term on the codes `z`, drawn from a Gaussian of `mean` and `log_variance`, and values for the curve."""
        raise NotImplementedError

    def after_training(self, points: Tensor, context: Tensor) -> None:
        """Fit the prior to the codes of real photons (n, size), context (n, context)."""
        if self.prior is None:
            return
        noise = torch.Generator(points.device).manual_seed(0)
        codes = []
        with torch.no_grad():
            for some, given in zip(points.split(_ENCODED_AT_ONCE), context.split(_ENCODED_AT_ONCE), strict=True):
                mean, log_variance = self.encode(some, given)
                spread = 0 if log_variance is None else torch.exp(0.5 * log_variance)
                codes.append(mean + spread * _normal_like(mean, noise))
            self.prior.fit(torch.cat(codes), context)

    def _mmd(self, z: Tensor, noise: torch.Generator, kernel: Any) -> Tensor:
        """Squared MMD of codes and standard normal numbers; of the first `mmd_points` of a batch: it costs n^2."""
        some = z[: self.options["mmd_points"]]
        return mmd(some, _normal_like(some, noise), kernel)


class BetaVAE(_Autoencoder):
    """Error + beta KL: Higgins et al., "beta-VAE", 2017. `beta` 1 with a learned variance is the evidence bound.

    From 1 on the codes of nearly independent coordinates collapse, since the decoder's noise does as well and costs
    nothing; below, a code holds its photon, and the fitted prior knows how codes are distributed.
    """

    DEFAULTS: ClassVar[dict[str, Any]] = {**_DEFAULTS, "beta": 0.3}
    FAITHFUL: ClassVar[dict[str, Any]] = {**_FAITHFUL, "beta": 0.02}

    def regulariser(
        self, mean: Tensor, log_variance: Tensor, z: Tensor, noise: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        divergence = kl_to_standard_normal(mean, log_variance).mean()
        return self.options["beta"] * divergence, {"kl": float(divergence.detach())}


class MKMMD_VAE(_Autoencoder):
    """Error + `weight` x squared MMD with several RBF kernels, of codes drawn from the encoder's distribution."""

    DEFAULTS: ClassVar[dict[str, Any]] = {**_DEFAULTS, "weight": 10.0, "mmd_points": 512}
    FAITHFUL: ClassVar[dict[str, Any]] = {**_FAITHFUL, "weight": 10.0}

    def regulariser(
        self, mean: Tensor, log_variance: Tensor, z: Tensor, noise: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        kernel = multi_rbf_kernel([factor * self.codes**0.5 for factor in _BANDWIDTHS])
        discrepancy = self._mmd(z, noise, kernel)
        return self.options["weight"] * discrepancy, {"mmd": float(discrepancy.detach())}


class MMD_WAE(_Autoencoder):
    """Error + `weight` x squared MMD, deterministic encoder: Tolstikhin et al. 2018. `kernel`: "imq" or "rbf"."""

    DEFAULTS: ClassVar[dict[str, Any]] = {**_DEFAULTS, "weight": 10.0, "kernel": "imq", "mmd_points": 512}
    FAITHFUL: ClassVar[dict[str, Any]] = {**_FAITHFUL, "weight": 10.0}
    STOCHASTIC: ClassVar[bool] = False

    def regulariser(
        self, mean: Tensor, log_variance: None, z: Tensor, noise: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        discrepancy = self._mmd(z, noise, _kernel(self.options["kernel"], self.codes))
        return self.options["weight"] * discrepancy, {"mmd": float(discrepancy.detach())}


class InfoVAE(_Autoencoder):
    """Error + (1 - alpha) KL + (alpha + lambda - 1) x squared MMD: Zhao, Song and Ermon, "InfoVAE", 2017, equation 6.

    `alpha` 0 and `lambda` 1 is the VAE; `alpha` 1 the MMD-VAE.
    """

    DEFAULTS: ClassVar[dict[str, Any]] = {**_DEFAULTS, "alpha": 0.5, "lambda": 10.0, "kernel": "rbf", "mmd_points": 512}
    FAITHFUL: ClassVar[dict[str, Any]] = {**_FAITHFUL, "alpha": 0.98, "lambda": 10.0}

    def regulariser(
        self, mean: Tensor, log_variance: Tensor, z: Tensor, noise: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        divergence = kl_to_standard_normal(mean, log_variance).mean()
        discrepancy = self._mmd(z, noise, _kernel(self.options["kernel"], self.codes))
        alpha, weight = self.options["alpha"], self.options["lambda"]
        term = (1 - alpha) * divergence + (alpha + weight - 1) * discrepancy
        return term, {"kl": float(divergence.detach()), "mmd": float(discrepancy.detach())}


def _halves(out: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, and log variance within limits: a code that holds all would else make the likelihood endless."""
    mean, log_variance = out.chunk(2, dim=1)
    return mean, log_variance.clamp(*_LOG_VARIANCE)


def _normal_like(values: Tensor, noise: torch.Generator) -> Tensor:
    return torch.randn(values.shape, generator=noise, device=values.device, dtype=values.dtype)


def _kernel(name: str, latent: int) -> Any:
    """The kernel of this name, at the scale of distances between normal codes (mean squared distance 2 x latent)."""
    if name == "imq":
        return imq_kernel([scale * 2 * latent for scale in _IMQ_SCALES])
    return rbf_kernel(latent**0.5)
