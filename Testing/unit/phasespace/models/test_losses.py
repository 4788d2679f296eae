"""Losses against independent implementations: geomloss, torch.distributions, POT, sums by hand, known gradients."""

from __future__ import annotations

import math

import geomloss
import numpy as np
import ot
import pytest
import torch
from Dose3DLib.phasespace.models import losses
from torch.distributions import Independent, Normal, kl_divergence


def cloud(number, size, seed, shift=0.0, dtype=torch.float64):
    return torch.randn(number, size, generator=torch.Generator().manual_seed(seed), dtype=dtype) + shift


def test_kl_is_that_of_torch_distributions():
    mean, log_variance = cloud(50, 6, 1), cloud(50, 6, 2)
    coded = Independent(Normal(mean, torch.exp(0.5 * log_variance)), 1)
    normal = Independent(Normal(torch.zeros(6).double(), torch.ones(6).double()), 1)
    ours = losses.kl_to_standard_normal(mean, log_variance)
    torch.testing.assert_close(ours, kl_divergence(coded, normal))


def test_likelihood_is_that_of_torch_distributions():
    points, mean, log_variance = (cloud(50, 5, seed) for seed in (1, 2, 3))
    theirs = -Independent(Normal(mean, torch.exp(0.5 * log_variance)), 1).log_prob(points)
    torch.testing.assert_close(losses.gaussian_nll(points, mean, log_variance), theirs)


@pytest.mark.parametrize("bandwidth", [0.5, 1.0, 3.0])
def test_rbf_mmd_is_that_of_geomloss(bandwidth):
    """geomloss gives half the squared MMD, weights 1/n."""
    x, y = cloud(60, 4, 1), cloud(90, 4, 2, shift=0.5)
    theirs = 2 * geomloss.SamplesLoss("gaussian", blur=bandwidth, backend="tensorized")(x, y)
    torch.testing.assert_close(losses.mmd(x, y, losses.rbf_kernel(bandwidth)), theirs)


def test_multi_kernel_mmd_is_the_mean_of_those_of_geomloss():
    x, y = cloud(60, 4, 1), cloud(90, 4, 2, shift=0.5)
    bandwidths = (0.5, 1.0, 2.0, 4.0)
    each = [2 * geomloss.SamplesLoss("gaussian", blur=b, backend="tensorized")(x, y) for b in bandwidths]
    theirs = torch.stack(each).mean()
    torch.testing.assert_close(losses.mmd(x, y, losses.multi_rbf_kernel(bandwidths)), theirs)


def test_inverse_multiquadric_mmd_is_the_sum_by_hand():
    x, y, scales = cloud(7, 3, 1).numpy(), cloud(5, 3, 2, shift=1.0).numpy(), (0.3, 2.0)

    def mean(first, second):
        values = [np.mean([c / (c + np.sum((a - b) ** 2)) for c in scales]) for a in first for b in second]
        return sum(values) / len(values)

    by_hand = mean(x, x) + mean(y, y) - 2 * mean(x, y)
    ours = losses.mmd(torch.from_numpy(x), torch.from_numpy(y), losses.imq_kernel(scales))
    assert float(ours) == pytest.approx(by_hand, rel=1e-10)


def test_squared_distances_are_those_of_pot():
    x, y = cloud(30, 6, 1), cloud(40, 6, 2, shift=3.0)
    np.testing.assert_allclose(losses.squared_distances(x, y), ot.dist(x.numpy(), y.numpy()), rtol=1e-10)


def test_squared_distances_never_fall_below_zero():
    """Rounding would make them; the inverse multiquadric would then exceed 1."""
    x = cloud(200, 6, 1, shift=50.0, dtype=torch.float32)
    assert float(losses.squared_distances(x, x).min()) >= 0


def test_unbiased_mmd_is_zero_on_average_and_the_other_is_not():
    kernel = losses.rbf_kernel(1.5)
    pairs = [(cloud(20, 3, 2 * n), cloud(20, 3, 2 * n + 1)) for n in range(300)]
    unbiased = np.array([float(losses.mmd(x, y, kernel, unbiased=True)) for x, y in pairs])
    biased = np.array([float(losses.mmd(x, y, kernel)) for x, y in pairs])
    assert abs(unbiased.mean()) < 3 * unbiased.std() / math.sqrt(len(pairs))
    assert biased.mean() > 10 * biased.std() / math.sqrt(len(pairs))
    assert biased.min() >= 0


@pytest.mark.parametrize("kernel", [losses.rbf_kernel(2.0), losses.imq_kernel((1.0, 10.0)),
                                    losses.multi_rbf_kernel((1.0, 4.0))])  # fmt: skip
def test_mmd_grows_with_the_wasserstein_distance(kernel):
    """POT's exact optimal transport puts shifted clouds in the same order."""
    x = cloud(80, 3, 1)
    others = [cloud(80, 3, 2, shift=shift) for shift in (0.0, 0.4, 0.8, 1.6)]
    cost = [ot.emd2([], [], ot.dist(x.numpy(), y.numpy())) for y in others]
    ours = [float(losses.mmd(x, y, kernel)) for y in others]
    assert np.argsort(cost).tolist() == np.argsort(ours).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_gradient_penalty_of_a_line_is_known(scale):
    """A linear critic has the same gradient everywhere: its weights. What is given beside the points does not count."""
    weight = scale * torch.nn.functional.normalize(cloud(1, 5, 4), dim=1)

    def critic(points, context):
        return (points @ weight.T)[:, 0] + 100 * context[:, 0]

    real, made, context = cloud(40, 5, 1), cloud(40, 5, 2), cloud(40, 1, 3)
    penalty = losses.gradient_penalty(critic, real, made, context, torch.Generator().manual_seed(0))
    assert float(penalty.detach()) == pytest.approx((scale - 1) ** 2, abs=1e-12)


def test_gradient_penalty_looks_between_real_and_made():
    """|x|^2 / 2 has the gradient x: all places lie on the way from 0 to (3, 4), uniformly."""
    real, made = torch.zeros(20_000, 2).double(), torch.tensor([[3.0, 4.0]]).double().repeat(20_000, 1)
    penalty = losses.gradient_penalty(lambda x, c: x.square().sum(dim=1) / 2, real, made, torch.zeros(20_000, 0),
                                      torch.Generator().manual_seed(0))  # fmt: skip
    assert float(penalty.detach()) == pytest.approx(4**3 / 15 + 1 / 15, rel=0.03), "mean of (5 t - 1)^2 for t in 0..1"


def test_gradient_penalty_trains_the_critic():
    """Its gradient in the critic's weights against a finite difference."""
    torch.manual_seed(0)
    critic = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()

    def penalty():
        noise = torch.Generator().manual_seed(0)
        both = cloud(30, 3, 1), cloud(30, 3, 2)
        return losses.gradient_penalty(lambda x, c: critic(x)[:, 0], *both, torch.zeros(30, 0), noise)

    penalty().backward()
    weight, step = critic[0].weight, 1e-5
    values = []
    for change in (step, -2 * step):
        with torch.no_grad():
            weight[2, 1] += change
        values.append(float(penalty().detach()))
    assert float(weight.grad[2, 1]) == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)
