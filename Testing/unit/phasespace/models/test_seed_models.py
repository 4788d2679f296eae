"""The autoencoders and the adversarial network on a small known distribution, and their losses term by term."""

from __future__ import annotations

import dataclasses

import numpy as np
import ot
import pytest
import torch
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.phasespace.models import losses
from Dose3DLib.phasespace.models.registry import model_class
from Dose3DLib.training.loop import FitSettings, fit
from Dose3DLib.training.schedule import Budget
from Dose3DLib.training.seeds import step_generator

AUTOENCODERS = ("beta-vae", "mkmmd-vae", "mmd-wae", "info-vae")
SEEDS = (*AUTOENCODERS, "gan")
SMALL = {"latent": 3, "width": 32, "layers": 2}
LEARNS = {"gan": {"steps": 400, "shortcut": False}}
"""What the adversarial network needs to learn in seconds, from a random start."""
RATES = {"learning_rate": 0.01, "critic_learning_rate": 0.01}


def drawn(number, seed=0):
    """Points (n, 3) and context (n, 1): a bent curve with noise, turned upside down where the context is 1."""
    generator = np.random.default_rng(seed)
    side = (generator.random(number) < 0.5).astype(np.float64)
    along = generator.normal(size=number)
    bend = (1.5 * along**2 - 1.5) * np.where(side > 0, -1, 1)
    points = np.column_stack([along, bend, generator.normal(size=number)])
    points[:, 1] += 0.2 * generator.normal(size=number)
    return torch.from_numpy(points).float(), torch.from_numpy(side[:, None]).float()


class Student:
    """A learner of the synthetic distribution; the noise of a step follows from the step, as photons' does."""

    def __init__(self, network, batch=256):
        self.network, self.batch = network, batch
        if getattr(network, "critic", None) is not None:
            self.critic, self.critic_steps = network.critic, network.critic_steps

    def draw(self, step):
        parts = [drawn(self.batch, [step, part]) for part in range(4)]
        return parts, int(step_generator(1, step).integers(2**62))

    def loss(self, network, batch):
        return network.loss(*batch[0][-1], torch.Generator().manual_seed(batch[1]))

    def critic_loss(self, network, batch, turn):
        return network.critic_loss(*batch[0][turn], torch.Generator().manual_seed(batch[1] + 1 + turn))

    def validate(self, network):
        return {}


def build(name, **options):
    torch.manual_seed(4)
    kind = model_class(name)
    small = {key: value for key, value in SMALL.items() if key in kind.DEFAULTS}
    quick = {"fitted_prior": 4} if kind.DEFAULTS.get("fitted_prior") else {}
    return kind(3, 1, {**small, **quick, **options})


def settings(name, steps):
    own = {key: value for key, value in model_class(name).FIT.items() if key != "batch"}
    return FitSettings(Budget(steps=steps), **{**own, "ema_decay": 0.98, **RATES})


def trained(name, room, steps=250, **options):
    network = fit(Student(build(name, **options)), settings(name, steps), room)
    network.after_training(*drawn(4000, seed=7))
    return network


def made(network, number=3000, seed=1, side=None):
    noise = torch.randn(number, network.latent_size, generator=torch.Generator().manual_seed(seed))
    context = drawn(number, seed=9)[1] if side is None else torch.full((number, 1), float(side))
    with torch.no_grad():
        return network.sample(noise, context)


def distance(network):
    """Sliced Wasserstein distance of points with their context."""
    points, context = drawn(3000, seed=9)
    real, fake = torch.cat([points, context], 1).numpy(), torch.cat([made(network), context], 1).numpy()
    return ot.sliced_wasserstein_distance(real, fake, n_projections=100, seed=0)


@pytest.mark.parametrize("name", SEEDS)
def test_each_learns_the_distribution(name, tmp_path):
    before = distance(build(name, shortcut=False))
    network = trained(name, tmp_path, **LEARNS.get(name, {}))
    assert distance(network) < 0.6 * before
    upright, upside_down = made(network, side=0), made(network, side=1)
    far = upright[:, 0].abs() > 1.5
    assert float(upright[far, 1].mean()) > 1, "the context turns the curve over"
    assert float(upside_down[upside_down[:, 0].abs() > 1.5, 1].mean()) < -1


@pytest.mark.parametrize("name", SEEDS)
def test_same_noise_gives_the_same_photons_whatever_the_batch(name):
    network = build(name)
    whole = made(network, 1000)
    assert torch.equal(whole, made(network, 1000))
    noise = torch.randn(1000, network.latent_size, generator=torch.Generator().manual_seed(1))
    context = drawn(1000, seed=9)[1]
    with torch.no_grad():
        parts = [network.sample(noise[s], context[s]) for s in (slice(0, 1), slice(1, 400), slice(400, None))]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-5, atol=1e-5)
    assert not torch.equal(whole, made(network, 1000, seed=2))


@pytest.mark.parametrize("name", SEEDS)
def test_all_noise_counts(name):
    """No column of the noise is drawn in vain."""
    network = build(name)
    if getattr(network, "prior", None) is not None:
        network.after_training(*drawn(2000, seed=7))
    noise = torch.randn(200, network.latent_size, generator=torch.Generator().manual_seed(1))
    context = drawn(200, seed=9)[1]
    with torch.no_grad():
        before = network.sample(noise, context)
        for column in range(network.latent_size):
            other = noise.clone()
            other[:, column] = -other[:, column]
            assert not torch.allclose(network.sample(other, context), before), column


@pytest.mark.parametrize("name", SEEDS)
def test_resumed_training_ends_with_the_same_weights(name, tmp_path):
    whole = fit(Student(build(name)), settings(name, 30), tmp_path / "whole")
    seen = []
    progress = Progress(lambda event: seen.append(event), lambda: len(seen) > 14)
    with pytest.raises(Cancelled):
        fit(Student(build(name)), settings(name, 30), tmp_path / "parts", progress)
    resumed = fit(Student(build(name)), settings(name, 30), tmp_path / "parts")
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", SEEDS)
def test_weights_alone_restore_a_model(name, tmp_path):
    network = trained(name, tmp_path, steps=5)
    other = build(name)
    other.load_state_dict(network.state_dict())
    assert torch.equal(made(other), made(network))
    assert not any("critic" in key for key in network.state_dict()), "only training needs it"


@pytest.mark.parametrize("name", SEEDS)
def test_without_context(name):
    network = model_class(name)(3, 0, {})
    points = drawn(300)[0]
    loss, _ = network.loss(points, torch.zeros(300, 0), torch.Generator().manual_seed(0))
    loss.backward()
    network.after_training(points, torch.zeros(300, 0))
    with torch.no_grad():
        found = network.sample(torch.randn(10, network.latent_size), torch.zeros(10, 0))
    assert found.shape == (10, 3)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_decoded_photons_are_near_the_real_ones(name, tmp_path):
    network = trained(name, tmp_path, 150, **{**model_class(name).FAITHFUL, **SMALL})
    points, context = drawn(2000, seed=11)
    with torch.no_grad():
        error = float((network.reconstruct(points, context) - points).square().mean())
    assert error < 0.3 * float(points.var())


@pytest.mark.parametrize("name", SEEDS)
def test_unknown_option_is_refused(name):
    with pytest.raises(InputError, match="options are"):
        model_class(name)(3, 1, {"depth": 3})


def parts_of(network, points, context, seed=3):
    """Code distribution, code and decoded points as `loss` draws them."""
    noise = torch.Generator().manual_seed(seed)
    mean, log_variance = network.encode(points, context)
    z = mean if log_variance is None else mean + torch.exp(0.5 * log_variance) * torch.randn(
        mean.shape, generator=noise
    )  # fmt: skip
    return mean, log_variance, z, network.decode(z, context)[0], noise


def loss_of(network, points, context):
    return float(network.loss(points, context, torch.Generator().manual_seed(3))[0].detach())


def faithful(name, **options):
    return build(name, **{**model_class(name).FAITHFUL, **SMALL, **options})


def test_beta_vae_is_squared_error_plus_beta_kl():
    network, (points, context) = faithful("beta-vae", beta=0.3), drawn(200)
    mean, log_variance, _, decoded, _ = parts_of(network, points, context)
    kl = losses.kl_to_standard_normal(mean, log_variance).mean()
    expected = ((decoded - points) ** 2).mean() + 0.3 * kl
    assert loss_of(network, points, context) == pytest.approx(float(expected.detach()), rel=1e-6)


@pytest.mark.parametrize("name", ["mkmmd-vae", "mmd-wae"])
def test_mmd_models_are_squared_error_plus_mmd(name):
    network, (points, context) = faithful(name, weight=2.0, mmd_points=100), drawn(200)
    _, log_variance, z, decoded, noise = parts_of(network, points, context)
    assert (log_variance is None) == (name == "mmd-wae"), "the WAE's encoder is deterministic"
    normal = torch.randn(100, 3, generator=noise)
    multi = losses.multi_rbf_kernel([f * 3**0.5 for f in (0.25, 0.5, 1, 2, 4)])
    imq = losses.imq_kernel([f * 6 for f in (0.1, 0.2, 0.5, 1, 2, 5, 10)])
    term = losses.mmd(z[:100], normal, multi if name == "mkmmd-vae" else imq)
    expected = ((decoded - points) ** 2).mean() + 2 * term
    assert loss_of(network, points, context) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize(("alpha", "weight"), [(0.0, 1.0), (1.0, 5.0), (0.6, 3.0), (-2.0, 4.0)])
def test_info_vae_has_the_weights_of_zhao(alpha, weight):
    network, (points, context) = faithful("info-vae", alpha=alpha, mmd_points=200, **{"lambda": weight}), drawn(200)
    mean, log_variance, z, decoded, noise = parts_of(network, points, context)
    kl = losses.kl_to_standard_normal(mean, log_variance).mean()
    term = losses.mmd(z, torch.randn(200, 3, generator=noise), losses.rbf_kernel(3**0.5))
    expected = ((decoded - points) ** 2).mean() + (1 - alpha) * kl + (alpha + weight - 1) * term
    assert loss_of(network, points, context) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_learned_variance_replaces_the_squared_error_by_a_likelihood():
    network, (points, context) = build("beta-vae", beta=0.0), drawn(200)
    *_, z, _, _ = parts_of(network, points, context)
    mean, log_variance = network.decode(z, context)
    likelihood = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance)).log_prob(points).sum(dim=1)
    assert loss_of(network, points, context) == pytest.approx(-float(likelihood.detach().mean()), rel=1e-5)


@pytest.mark.parametrize("name", SEEDS)
def test_shortcut_starts_with_the_coordinates_themselves(name):
    """Codes of the autoencoders are the points, generated points the noise, both but for a little."""
    network, (points, context) = build(name, shortcut=True), drawn(300)
    with torch.no_grad():
        if name == "gan":
            noise = torch.randn(300, 3, generator=torch.Generator().manual_seed(1))
            found, expected = network.sample(noise, context), noise
        else:
            found, expected = network.encode(points, context)[0], points
    assert float((found - expected).abs().max()) < 0.2
    assert not torch.equal(found, expected)


def test_faithful_models_have_the_plain_prior_and_no_noise_of_the_decoder():
    for name in AUTOENCODERS:
        network = faithful(name)
        assert network.latent_size == 3
        assert network.prior is None
    assert build("beta-vae").latent_size == 3 + 3 + 1


def test_generator_and_critic_of_the_gan():
    network, (points, context) = build("gan"), drawn(200)
    noise = torch.Generator().manual_seed(3)
    fake = network.sample(torch.randn(200, 3, generator=noise), context)
    assert loss_of(network, points, context) == pytest.approx(
        -float(network.critic(fake, context).mean().detach()), rel=1e-6
    )
    penalty = losses.gradient_penalty(network.critic, points, fake, context, noise)
    expected = network.critic(fake, context).mean() - network.critic(points, context).mean() + 10 * penalty
    found, _ = network.critic_loss(points, context, torch.Generator().manual_seed(3))
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    found.backward()
    assert all(p.grad is None for p in network.generator.parameters()), "the critic's loss leaves the generator alone"


def test_gan_has_the_size_of_the_paper_and_its_critic_comes_along():
    network = model_class("gan")(6, 0, model_class("gan").FAITHFUL)
    widths = [layer.out_features for layer in network.generator if isinstance(layer, torch.nn.Linear)]
    assert (network.latent_size, widths) == (6, [400, 400, 400, 6])
    network.double()
    assert next(network.critic.parameters()).dtype == torch.float64


def test_optimisers_and_rates_are_fields_of_the_loop():
    fields = {field.name for field in dataclasses.fields(FitSettings)}
    for name in SEEDS:
        assert set(model_class(name).FIT) - {"batch"} <= fields
