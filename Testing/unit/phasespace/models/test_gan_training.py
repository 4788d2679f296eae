"""The adversarial network learns through the same door as all models: its critic is trained, and not shipped."""

from __future__ import annotations

import csv

import torch
from builders.phase_space_builder import beam_records, write_phase_space
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.train import TrainingPlan, train_model


def test_critic_takes_part_in_training_and_stays_out_of_the_model(tmp_path):
    space = open_phase_space(write_phase_space(tmp_path, beam_records(3000)))
    plan = TrainingPlan("gan", "raw", minutes=None, steps=20, options={"width": 16, "critic_steps": 3})
    model = train_model([space], plan, tmp_path / "room")
    with (tmp_path / "room" / "curve.csv").open(newline="") as file:
        names = {row["name"] for row in csv.DictReader(file)}
    assert {"critic", "wasserstein", "penalty"} <= names
    state = torch.load(tmp_path / "room" / "checkpoint.pt", weights_only=True)
    moved = state["critic"]["weights"]["layers.0.weight"]
    assert state["critic"]["optimizer"]["state"][0]["step"] == 20 * 3
    assert torch.isfinite(moved).all()
    assert not any("critic" in name for name in model.network.state_dict())
    assert torch.isfinite(model.tensor(100, seed=1)).all()
