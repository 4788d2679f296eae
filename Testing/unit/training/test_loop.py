"""The shared loop: resume equals an uninterrupted run, cancel keeps a checkpoint, early stop, budget."""

from __future__ import annotations

import csv
import errno
from pathlib import Path

import pytest
import torch
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.training.checkpoint import load_checkpoint, save_checkpoint
from Dose3DLib.training.loop import FitSettings, fit
from Dose3DLib.training.schedule import Budget
from Dose3DLib.training.seeds import step_generator


class Line:
    """Fits y = 3 x + 1; the batch follows from the step alone."""

    def __init__(self, scores=()):
        torch.manual_seed(5)
        self.network = torch.nn.Linear(1, 1)
        self.drawn: list[int] = []
        self.scores = list(scores)

    def draw(self, step):
        self.drawn.append(step)
        x = torch.from_numpy(step_generator(1, step).normal(size=(16, 1))).float()
        return x, 3 * x + 1

    def loss(self, network, batch):
        x, y = batch
        return ((network(x) - y) ** 2).mean(), {"bias": float(network.bias.detach())}

    def validate(self, network):
        return {"score": self.scores.pop(0)} if self.scores else {}


def settings(**changes):
    return FitSettings(**{"budget": Budget(steps=60), "learning_rate": 0.1, "ema_decay": 0.5, **changes})


def stop_at(step):
    def cancelled():
        return cancelled.seen >= step

    cancelled.seen = 0

    def listen(event):
        if event["event"] == "progress":
            cancelled.seen += 1

    return Progress(listen, cancelled)


def test_it_learns(tmp_path):
    network = fit(Line(), settings(budget=Budget(steps=200)), tmp_path)
    assert float(network.weight) == pytest.approx(3, abs=0.05)
    assert float(network.bias) == pytest.approx(1, abs=0.05)
    assert not network.training


def test_resumed_run_ends_with_the_same_weights(tmp_path):
    whole = fit(Line(), settings(), tmp_path / "whole")
    with pytest.raises(Cancelled):
        fit(Line(), settings(), tmp_path / "parts", stop_at(23))
    second = Line()
    resumed = fit(second, settings(), tmp_path / "parts")
    assert 15 < second.drawn[0] < 30, "it goes on where it was"
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_finished_run_returns_at_once(tmp_path):
    first = fit(Line(), settings(), tmp_path)
    again = Line()
    network = fit(again, settings(), tmp_path)
    assert again.drawn == []
    assert torch.equal(first.weight, network.weight)


def test_curve_of_a_resumed_run_has_each_step_once(tmp_path):
    with pytest.raises(Cancelled):
        fit(Line(), settings(), tmp_path, stop_at(35))
    fit(Line(), settings(), tmp_path)
    with (tmp_path / "curve.csv").open(newline="") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row["name"] == "loss"]
    assert steps == [10, 20, 30, 40, 50, 60]
    assert (tmp_path / "curve.png").stat().st_size > 2000


def test_early_stop_after_patience(tmp_path):
    learner = Line(scores=[0.9, 0.8, 0.7, 0.6] + [0.5] * 100)
    fit(learner, settings(budget=Budget(steps=1000), validate_s=0.0, patience=2), tmp_path)
    assert len(learner.drawn) < 20
    again = Line(scores=[1.0])
    fit(again, settings(budget=Budget(steps=1000), validate_s=0.0, patience=2), tmp_path)
    assert again.drawn == [], "it is over, and stays so"


def test_minutes_are_a_budget(tmp_path):
    learner = Line()
    fit(learner, settings(budget=Budget(minutes=0.01)), tmp_path)
    assert 5 < len(learner.drawn) < 100_000


def test_validations_by_steps_do_not_depend_on_the_clock(tmp_path):
    said = []
    wanted = settings(budget=Budget(steps=25), validate_s=0.0, validate_steps=10)
    fit(Line(scores=range(100)), wanted, tmp_path, Progress(said.append))
    assert [event["step"] for event in said if event["event"] == "curve" and "score" in event] == [10, 20, 25]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_keeps_the_checkpoint_before(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"numbers": torch.arange(1000)})
    (tmp_path / "checkpoint.pt.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        save_checkpoint(path, {"numbers": torch.zeros(1000)})
    assert caught.value.errno == errno.ENOSPC
    assert torch.equal(load_checkpoint(path)["numbers"], torch.arange(1000))
    assert [one.name for one in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"checkpoint\.pt.*delete it"):
        fit(Line(), settings(), tmp_path)


def test_checkpoint_of_another_network_is_refused(tmp_path):
    fit(Line(), settings(), tmp_path)
    other = Line()
    other.network = torch.nn.Linear(2, 1)
    with pytest.raises(InputError, match="another network"):
        fit(other, settings(), tmp_path)


def test_loss_that_is_not_a_number_stops(tmp_path):
    learner = Line()
    learner.loss = lambda network, batch: (network(batch[0]).mean() * float("nan"), {})
    with pytest.raises(InputError, match="not a number"):
        fit(learner, settings(), tmp_path)
