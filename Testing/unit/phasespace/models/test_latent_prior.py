"""The mixture fitted to codes: draws have the codes' distribution, contexts have their own, weights restore it."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from Dose3DLib.phasespace.models.latent_prior import LatentPrior, fit_mixture
from sklearn.mixture import GaussianMixture


def ring(number, seed, shift=0.0):
    """Codes on a ring: nothing like a normal distribution."""
    generator = np.random.default_rng(seed)
    angle = generator.uniform(0, 2 * np.pi, number)
    codes = np.column_stack([np.cos(angle), np.sin(angle)]) * 2 + 0.1 * generator.normal(size=(number, 2)) + shift
    return torch.from_numpy(codes).float()


def drawn(prior, context, seed=0):
    noise = torch.randn(len(context), 3, generator=torch.Generator().manual_seed(seed))
    return prior(noise[:, 0], noise[:, 1:], context)


def distance(a, b):
    return ot.sliced_wasserstein_distance(a.numpy(), b.numpy(), n_projections=100, seed=0)


def test_unfitted_prior_is_standard_normal():
    prior = LatentPrior(2, 1, 5, 3)
    noise = torch.randn(100, 2)
    assert torch.equal(prior(torch.randn(100), noise, torch.rand(100, 1)), noise)


def test_draws_have_the_distribution_of_the_codes():
    prior, nothing = LatentPrior(2, 0, 16, 1), torch.zeros(5000, 0)
    before = distance(drawn(prior, nothing), ring(5000, 1))
    prior.fit(ring(5000, 2), nothing)
    floor = distance(ring(5000, 3), ring(5000, 1))
    assert distance(drawn(prior, nothing), ring(5000, 1)) < min(0.2 * before, floor + 0.05)


def test_components_come_with_their_shares():
    codes = torch.cat([ring(1000, 1) * 0.05 - 8, ring(3000, 2) * 0.05 + 8])
    prior = LatentPrior(2, 0, 2, 1)
    prior.fit(codes, torch.zeros(4000, 0))
    assert float((drawn(prior, torch.zeros(20_000, 0)) < 0).all(dim=1).float().mean()) == pytest.approx(0.25, abs=0.01)


def test_each_context_has_its_own_mixture_and_rare_ones_the_nearest():
    given = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).repeat_interleave(torch.tensor([3000, 300, 10]), dim=0)
    codes = torch.cat([ring(3000, 1), ring(300, 2, shift=20.0), ring(10, 3, shift=-20.0)])
    prior = LatentPrior(2, 2, 8, 4)
    prior.fit(codes, given)
    assert float(drawn(prior, torch.tensor([[0.0, 0.0]] * 500)).mean()) == pytest.approx(0, abs=0.2)
    assert float(drawn(prior, torch.tensor([[1.0, 0.0]] * 500)).mean()) == pytest.approx(20, abs=0.2)
    assert float(drawn(prior, torch.tensor([[0.9, 0.05]] * 500)).mean()) == pytest.approx(20, abs=0.2)
    assert float(drawn(prior, torch.tensor([[0.0, 0.4]] * 500)).mean()) == pytest.approx(0, abs=0.2)


def test_contexts_that_never_repeat_share_one_mixture():
    prior = LatentPrior(2, 1, 16, 4)
    prior.fit(ring(5000, 2, shift=3.0), torch.rand(5000, 1))
    assert float(drawn(prior, torch.rand(2000, 1)).mean()) == pytest.approx(3, abs=0.1)


def test_few_codes_make_a_prior_all_the_same():
    prior = LatentPrior(2, 0, 16, 1)
    prior.fit(ring(5, 1), torch.zeros(5, 0))
    assert torch.isfinite(drawn(prior, torch.zeros(100, 0))).all()


def test_fit_and_restore_are_exact():
    first, second, nothing = LatentPrior(2, 0, 8, 1), LatentPrior(2, 0, 8, 1), torch.zeros(2000, 0)
    first.fit(ring(2000, 1), nothing)
    second.fit(ring(2000, 1), nothing)
    third = LatentPrior(2, 0, 8, 1)
    third.load_state_dict(first.state_dict())
    for other in (second, third):
        assert torch.equal(drawn(first, nothing), drawn(other, nothing))


def test_mixture_is_that_of_scikit_learn():
    """Of clusters that lie apart there is one best mixture; both find it."""
    stretched = torch.tensor([[1.0, 0.4], [0.0, 0.3]])
    codes = torch.cat([torch.randn(2000, 2, generator=torch.Generator().manual_seed(1)) @ stretched,
                       ring(1000, 2, shift=12.0), ring(500, 3, shift=-12.0) * 0.5]).double()  # fmt: skip
    shares, means, covariances = fit_mixture(codes, 3)
    theirs = GaussianMixture(3, random_state=0, reg_covar=1e-5).fit(codes.numpy())
    order, their_order = torch.argsort(shares), np.argsort(theirs.weights_)
    np.testing.assert_allclose(shares[order], theirs.weights_[their_order], atol=1e-6)
    np.testing.assert_allclose(means[order], theirs.means_[their_order], atol=1e-6)
    np.testing.assert_allclose(covariances[order], theirs.covariances_[their_order], atol=1e-6)
