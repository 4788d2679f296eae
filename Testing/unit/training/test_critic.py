"""The shared loop with a critic: both learn, each with its own optimiser; resume equals an uninterrupted run."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.training.loop import FitSettings, fit
from Dose3DLib.training.schedule import Budget
from Dose3DLib.training.seeds import step_generator

SETTINGS = FitSettings(budget=Budget(steps=60), learning_rate=0.05, ema_decay=0.5, optimizer="adam", betas=(0.5, 0.9))


class Shift(torch.nn.Module):
    """Adds a number; its critic may be a part of it."""

    def __init__(self, with_critic=False):
        super().__init__()
        torch.manual_seed(3)
        self.shift = torch.nn.Parameter(torch.zeros(1))
        if with_critic:
            self.critic = torch.nn.Linear(1, 1)

    def forward(self, x):
        return x + self.shift


class Duel:
    """The shift must find 2, of which only the critic (a line, its weight held near -1..1) knows."""

    critic_steps = 3

    def __init__(self, inside=False):
        self.network = Shift(inside)
        self.critic = self.network.critic if inside else torch.nn.Linear(1, 1)
        self.turns: list[int] = []
        self.frozen_during_loss: list[bool] = []

    def draw(self, step):
        return torch.from_numpy(step_generator(2, step).normal(size=(4, 64, 1))).float()

    def critic_loss(self, network, batch, turn):
        self.turns.append(turn)
        with torch.no_grad():
            made = network(batch[turn])
        gap = self.critic(made).mean() - self.critic(batch[turn] + 2).mean()
        return gap + (self.critic.weight**2).sum(), {"gap": float(gap.detach())}

    def loss(self, network, batch):
        self.frozen_during_loss.append(not any(p.requires_grad for p in self.critic.parameters()))
        return -self.critic(network(batch[3])).mean(), {}

    def validate(self, network):
        return {}


def stop_at(step):
    def cancelled():
        return cancelled.seen >= step

    cancelled.seen = 0

    def listen(event):
        cancelled.seen += event["event"] == "progress"

    return Progress(listen, cancelled)


def test_network_learns_from_its_critic(tmp_path):
    learner = Duel()
    network = fit(learner, dataclasses.replace(SETTINGS, budget=Budget(steps=400)), tmp_path)
    assert float(network.shift.detach()) == pytest.approx(2, abs=0.15)
    assert learner.turns[:7] == [0, 1, 2, 0, 1, 2, 0]
    assert all(learner.frozen_during_loss)


def test_curve_shows_the_critic(tmp_path):
    fit(Duel(), SETTINGS, tmp_path)
    names = {line.split(",")[2] for line in (tmp_path / "curve.csv").read_text().splitlines()[1:]}
    assert {"loss", "critic", "gap"} <= names


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop"])
def test_resumed_duel_ends_with_the_same_weights(tmp_path, optimizer, inside):
    settings = dataclasses.replace(SETTINGS, optimizer=optimizer)
    first = Duel(inside)
    whole = fit(first, settings, tmp_path / "whole")
    with pytest.raises(Cancelled):
        fit(Duel(inside), settings, tmp_path / "parts", stop_at(23))
    second = Duel(inside)
    resumed = fit(second, settings, tmp_path / "parts")
    assert len(second.turns) < len(first.turns), "it goes on where it was"
    assert torch.equal(whole.shift, resumed.shift)
    for a, b in zip(first.critic.parameters(), second.critic.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("inside", [False, True])
def test_each_has_its_own_learning_rate(tmp_path, inside):
    """Without a rate of its own the critic stays, then the network does; no matter where the critic lies."""
    learner = Duel(inside)
    before = learner.critic.weight.detach().clone()
    fit(learner, dataclasses.replace(SETTINGS, critic_learning_rate=1e-12), tmp_path / "a")
    assert torch.allclose(learner.critic.weight, before, atol=1e-8)
    assert float(learner.network.shift.detach()) != 0
    learner = Duel(inside)
    fit(learner, dataclasses.replace(SETTINGS, learning_rate=1e-12, critic_learning_rate=0.05), tmp_path / "b")
    assert not torch.allclose(learner.critic.weight, before, atol=1e-3)
    assert float(learner.network.shift.detach()) == pytest.approx(0, abs=1e-8)


def test_checkpoint_without_a_critic_is_refused(tmp_path):
    learner = Duel()
    alone = Duel()
    alone.critic = None
    alone.loss = lambda network, batch: (network(batch[3]).mean() ** 2, {})
    fit(alone, SETTINGS, tmp_path)
    with pytest.raises(InputError, match="another network"):
        fit(learner, SETTINGS, tmp_path)


def test_critic_that_is_not_a_number_stops(tmp_path):
    learner = Duel()
    learner.critic_loss = lambda network, batch, turn: (learner.critic(batch[0]).mean() * float("nan"), {})
    with pytest.raises(InputError, match="step 0: .*not a number"):
        fit(learner, SETTINGS, tmp_path)


def test_unknown_optimiser_is_refused(tmp_path):
    with pytest.raises(InputError, match="choose from adamw, adam, rmsprop"):
        fit(Duel(), dataclasses.replace(SETTINGS, optimizer="sgd"), tmp_path)
