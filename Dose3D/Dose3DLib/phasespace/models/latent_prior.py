"""The distribution of an autoencoder's codes, fitted after training: a mixture of Gaussians with full covariances.

Codes of real photons are never quite standard normal; codes drawn from what they are decode to better photons
(Ghosh et al., "From variational to deterministic autoencoders", 2020; Dai and Wipf, "Diagnosing and enhancing VAE
models", 2019).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["LatentPrior"]

_MOST_CODES = 60_000
_LEAST_CODES = 50
_CODES_A_COMPONENT = 20
_STEPS = 60
_LEAST_VARIANCE = 1e-5


class LatentPrior(nn.Module):
    """Gaussian mixtures of codes, one for each of a few contexts; standard normal until it is fitted.

    The distinct contexts of the training data get a mixture each, rare ones and those beyond the first `groups` none;
    when sampling, the nearest one that has a mixture counts.

    Parameters
    ----------
    latent, context:
        numbers of a code and of a context.
    components:
        Gaussians of a mixture.
    groups:
        most contexts with a mixture of their own; 1 where nothing is given.
    """

    def __init__(self, latent: int, context: int, components: int, groups: int):
        super().__init__()
        self.components, groups = components, groups if context else 1
        self.register_buffer("centers", torch.zeros(groups, context))
        self.register_buffer("cumulative", torch.linspace(0, 1, components + 1)[1:].repeat(groups, 1))
        self.register_buffer("means", torch.zeros(groups, components, latent))
        self.register_buffer("factors", torch.eye(latent).repeat(groups, components, 1, 1))

    def forward(self, choice: Tensor, normal: Tensor, context: Tensor) -> Tensor:
        """Codes (n, latent) from normal numbers: `choice` (n,) takes the component, `normal` (n, latent) the place."""
        group = (context[:, None] - self.centers).square().sum(dim=2).argmin(dim=1)
        share = torch.special.ndtr(choice)
        component = (share[:, None] > self.cumulative[group, :-1]).sum(dim=1)
        return self.means[group, component] + torch.einsum("nij,nj->ni", self.factors[group, component], normal)

    def fit(self, codes: Tensor, context: Tensor) -> None:
        """Fit to codes (n, latent) of real photons and their context (n, context); always the same for the same."""
        z, given = codes.double().cpu(), context.double().cpu().numpy()
        for number, (center, chosen) in enumerate(_groups(given, len(self.centers))):
            # Groups that stay unused repeat the first one, so that they never win by lying at 0.
            places = range(len(self.centers)) if number == 0 else [number]
            for place in places:
                self.centers[place] = torch.as_tensor(center)
            self._fit_group(list(places), z[torch.from_numpy(chosen)])

    def _fit_group(self, places: list[int], codes: Tensor) -> None:
        """One context's mixture; few codes get fewer components, the rest then has no share."""
        codes = codes[:: max(1, len(codes) // _MOST_CODES)]
        number = min(max(len(codes) // _CODES_A_COMPONENT, 1), self.components)
        shares, means, covariances = fit_mixture(codes, number)
        cumulative = torch.ones(self.components)
        cumulative[:number] = torch.cumsum(shares, dim=0)
        factors = torch.linalg.cholesky(covariances)
        for place in places:
            self.cumulative[place] = cumulative
            self.means[place, :number] = means
            self.factors[place, :number] = factors


def fit_mixture(codes: Tensor, components: int, steps: int = _STEPS) -> tuple[Tensor, Tensor, Tensor]:
    """Shares (k,), means (k, d) and covariances (k, d, d) of Gaussians, by expectation-maximisation; codes (n, d).

    A Gaussian's logarithm is linear in the code, its products and 1: both steps are matrix products with these.
    """
    number, size = codes.shape
    products = (codes[:, :, None] * codes[:, None, :]).flatten(1)
    terms = torch.cat([torch.ones(number, 1, dtype=codes.dtype), codes, products], dim=1)
    least = _LEAST_VARIANCE * torch.eye(size, dtype=codes.dtype)
    belongs = torch.nn.functional.one_hot(torch.cdist(codes, _spread_out(codes, components)).argmin(dim=1), components)
    belongs = belongs.to(codes.dtype)
    for _ in range(steps):
        sums = belongs.T @ terms
        counts = sums[:, :1].clamp_min(1e-9)
        means = sums[:, 1 : 1 + size] / counts
        squares = (sums[:, 1 + size :] / counts).view(-1, size, size)
        covariances = squares - means[:, :, None] * means[:, None, :] + least
        precision = torch.linalg.inv(covariances)
        linear = torch.einsum("kij,kj->ki", precision, means)
        constant = (counts[:, 0] / number).log() - 0.5 * ((means * linear).sum(dim=1) + torch.logdet(covariances))
        weights = torch.cat([constant[:, None], linear, -0.5 * precision.flatten(1)], dim=1)
        belongs = torch.softmax(terms @ weights.T, dim=1)
    return counts[:, 0] / number, means, covariances


def _spread_out(codes: Tensor, number: int) -> Tensor:
    """Codes (number, d) to start from: each drawn with the squared distance to those before (k-means++)."""
    generator = torch.Generator().manual_seed(0)
    found = [codes[0]]
    nearest = torch.full((len(codes),), torch.inf, dtype=codes.dtype)
    while len(found) < number:
        nearest = torch.minimum(nearest, (codes - found[-1]).square().sum(dim=1))
        found.append(codes[int(torch.multinomial(nearest.clamp_min(1e-12), 1, generator=generator))])
    return torch.stack(found)


def _groups(context: np.ndarray, most: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The most frequent distinct contexts, each with the indices of its rows; all rows in one where all are rare."""
    distinct, which, counts = np.unique(context, axis=0, return_inverse=True, return_counts=True)
    frequent = [n for n in np.argsort(-counts, kind="stable")[:most] if counts[n] >= _LEAST_CODES]
    if not frequent:
        return [(context.mean(axis=0), np.arange(len(context)))]
    return [(distinct[n], np.flatnonzero(which.ravel() == n)) for n in frequent]
