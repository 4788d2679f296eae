"""Losses of autoencoders and adversarial networks, each as its paper has it.

Kullback-Leibler divergence: Kingma and Welling, "Auto-encoding variational Bayes", 2014. Maximum mean discrepancy,
MMD: Gretton et al., "A kernel two-sample test", 2012; several kernels: the same authors, "Optimal kernel choice for
large-scale two-sample tests", 2012. Inverse multiquadric kernel: Tolstikhin et al., "Wasserstein auto-encoders", 2018.
Gradient penalty: Gulrajani et al., "Improved training of Wasserstein GANs", 2017.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = [
    "gaussian_nll",
    "gradient_penalty",
    "imq_kernel",
    "kl_to_standard_normal",
    "mmd",
    "multi_rbf_kernel",
    "rbf_kernel",
    "squared_distances",
]

Kernel = Callable[[Tensor], Tensor]
"""Values of a kernel at squared distances; 1 at distance 0."""


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log_variance)) || N(0, 1)) of each row of (n, d), nats, (n,)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


def gaussian_nll(points: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """-log N(points; mean, diag exp(log_variance)) of each row of (n, d), nats, (n,)."""
    terms = log_variance + (points - mean).square() * torch.exp(-log_variance) + math.log(2 * math.pi)
    return 0.5 * terms.sum(dim=1)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Between all rows of (n, d) and all of (m, d): (n, m), not below 0."""
    crossed = torch.addmm(y.square().sum(dim=1)[None, :], x, y.T, alpha=-2)
    return (crossed + x.square().sum(dim=1)[:, None]).clamp_min(0)


def rbf_kernel(bandwidth: float) -> Kernel:
    """exp(-d^2 / (2 bandwidth^2))."""
    return lambda squared: torch.exp(squared / (-2 * bandwidth**2))


def multi_rbf_kernel(bandwidths: Sequence[float]) -> Kernel:
    """The mean of several RBF kernels: structures of several sizes count."""

    def kernel(squared: Tensor) -> Tensor:
        total = torch.zeros_like(squared)
        for bandwidth in bandwidths:
            total = total + torch.exp(squared / (-2 * bandwidth**2))
        return total / len(bandwidths)

    return kernel


def imq_kernel(scales: Sequence[float]) -> Kernel:
    """The mean of inverse multiquadrics c / (c + d^2) over several c; tails count more than with an RBF kernel."""

    def kernel(squared: Tensor) -> Tensor:
        total = torch.zeros_like(squared)
        for scale in scales:
            total = total + scale / (scale + squared)
        return total / len(scales)

    return kernel


def mmd(x: Tensor, y: Tensor, kernel: Kernel, unbiased: bool = False) -> Tensor:
    """Squared MMD of two samples (n, d) and (m, d).

    By default the V-statistic, never below 0; `unbiased`: the U-statistic, whose mean is 0 for equal distributions.
    """
    within_x, within_y = kernel(squared_distances(x, x)), kernel(squared_distances(y, y))
    across = kernel(squared_distances(x, y)).mean()
    if not unbiased:
        return within_x.mean() + within_y.mean() - 2 * across
    return _mean_off_diagonal(within_x) + _mean_off_diagonal(within_y) - 2 * across


def _mean_off_diagonal(values: Tensor) -> Tensor:
    number = len(values)
    return (values.sum() - values.diagonal().sum()) / (number * (number - 1))


def gradient_penalty(
    critic: Callable[[Tensor, Tensor], Tensor], real: Tensor, made: Tensor, context: Tensor, noise: torch.Generator
) -> Tensor:
    """Mean of (|gradient of the critic| - 1)^2 at random places between real and made points, both (n, d).

    The gradient is that in the points, not in their context (n, c). Differentiable in the critic's weights.
    """
    share = torch.rand(len(real), 1, generator=noise, device=real.device, dtype=real.dtype)
    places = (share * real + (1 - share) * made).detach().requires_grad_(True)
    value = critic(places, context).sum()
    (gradient,) = torch.autograd.grad(value, places, create_graph=True)
    return (gradient.norm(dim=1) - 1).square().mean()
