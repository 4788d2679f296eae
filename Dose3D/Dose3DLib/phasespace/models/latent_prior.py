"""The distribution of an autoencoder's codes, fitted after training: a mixture of Gaussians with full covariances.

Codes of real photons are never quite standard normal; codes drawn from what they are decode to better photons
(Ghosh et al., "From variational to deterministic autoencoders", 2020; Dai and Wipf, "Diagnosing and enhancing VAE
models", 2019).
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["LatentPrior"]

_MOST_CODES = 60_000
_LEAST_CODES = 50
_CODES_A_COMPONENT = 20
_STEPS = 100


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
        z, given = codes.double().cpu().numpy(), context.double().cpu().numpy()
        for number, (center, chosen) in enumerate(_groups(given, len(self.centers))):
            # Groups that stay unused repeat the first one, so that they never win by lying at 0.
            places = range(len(self.centers)) if number == 0 else [number]
            for place in places:
                self.centers[place] = torch.as_tensor(center)
            self._fit_group(list(places), z[chosen])

    def _fit_group(self, places: list[int], codes: np.ndarray) -> None:
        """Expectation-maximisation for one context; few codes get fewer components, the rest then has no share."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        codes = codes[:: max(1, len(codes) // _MOST_CODES)]
        number = int(np.clip(len(codes) // _CODES_A_COMPONENT, 1, self.components))
        mixture = GaussianMixture(number, reg_covar=1e-5, max_iter=_STEPS, tol=1e-4, random_state=0,
                                  init_params="k-means++")  # fmt: skip
        with warnings.catch_warnings():
            # The last steps change nothing that photons would show.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(codes)
        shares = np.zeros(self.components)
        shares[:number] = mixture.weights_
        for place in places:
            self.cumulative[place] = torch.as_tensor(np.cumsum(shares))
            self.means[place, :number] = torch.as_tensor(mixture.means_)
            self.factors[place, :number] = torch.as_tensor(np.linalg.cholesky(mixture.covariances_))


def _groups(context: np.ndarray, most: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The most frequent distinct contexts, each with the indices of its rows; all rows in one where all are rare."""
    distinct, which, counts = np.unique(context, axis=0, return_inverse=True, return_counts=True)
    frequent = [n for n in np.argsort(-counts, kind="stable")[:most] if counts[n] >= _LEAST_CODES]
    if not frequent:
        return [(context.mean(axis=0), np.arange(len(context)))]
    return [(distinct[n], np.flatnonzero(which.ravel() == n)) for n in frequent]
