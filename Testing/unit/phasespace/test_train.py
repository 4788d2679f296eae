"""Training: what it learns, resume, determinism, conditions, distillation; and the bundle that it becomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from builders.beam_builder import LINE_MEV, LINE_SHARE, beam_particles, beam_photons, beam_space
from Dose3DLib.bundles.folder import open_folder
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.phasespace.card import described, model_card
from Dose3DLib.phasespace.learner import sliced_distance
from Dose3DLib.phasespace.photon_model import BLOCK, PhotonModel, load_model, save_model
from Dose3DLib.phasespace.train import TrainingPlan, train_model

SMALL = {"flow": {"width": 16, "bins": 4, "transforms": 2}, "distilled": {"width": 16, "layers": 2}}


def plan(model: str = "flow", steps: int = 20, **changes) -> TrainingPlan:
    return TrainingPlan(model=model, minutes=None, steps=steps, options=SMALL[model], **changes)


def space(count: int = 8000, **field):
    return beam_space(beam_particles(beam_photons(count, **field)), histories=20_000)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> PhotonModel:
    return train_model([space()], plan(steps=200), tmp_path_factory.mktemp("room"))


def standardised(photons: np.ndarray, like: np.ndarray) -> np.ndarray:
    return (photons - like.mean(axis=0)) / like.std(axis=0)


def test_it_learns(model):
    real = beam_photons(20_000, seed=5)
    shuffled = np.column_stack([np.random.default_rng(n).permutation(column) for n, column in enumerate(real.T)])
    made = model.tensor(20_000, seed=1).numpy()
    distances = [sliced_distance(standardised(side, real), standardised(real, real)) for side in (made, shuffled)]
    assert distances[0] < 0.5 * distances[1]


def test_what_the_model_says_about_itself(model):
    assert model.histories_per_photon == pytest.approx(2.5)
    assert model.plane_cm == 27.0
    assert model.by_construction == ("r", "energy")
    made = model.tensor(50_000, seed=2).numpy()
    assert (made[:, 5] == LINE_MEV).mean() == pytest.approx(LINE_SHARE, abs=0.006)
    assert np.hypot(made[:, 0], made[:, 1]).max() <= 6.0001


def test_the_same_photons_for_a_seed_whatever_the_count(model):
    whole = model.tensor(BLOCK + 3000, seed=7)
    assert torch.equal(model.tensor(1000, seed=7), whole[:1000])
    assert torch.equal(model.tensor(BLOCK + 1, seed=7), whole[: BLOCK + 1])
    assert not torch.equal(model.tensor(1000, seed=8), whole[:1000])
    assert not torch.equal(whole[BLOCK:], whole[:3000])
    assert [len(block) for block in model.blocks(7, BLOCK + 1)] == [BLOCK, 1]
    assert len(model.tensor(0, seed=7)) == 0


@pytest.mark.parametrize("kind", ["flow", "distilled"])
def test_the_same_seed_gives_the_same_model_and_resume_changes_nothing(tmp_path, kind):
    whole = train_model([space(3000)], plan(kind, steps=10), tmp_path / "whole")
    cancel: list[bool] = []
    stopped = Progress(
        lambda event: event.get("message", "").startswith("step 4,") and cancel.append(True), lambda: bool(cancel)
    )
    with pytest.raises(Cancelled):
        train_model([space(3000)], plan(kind, steps=10), tmp_path / "cut", stopped)
    again = train_model([space(3000)], plan(kind, steps=10), tmp_path / "cut")
    for first, second in zip(whole.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(first, second)


def test_a_room_of_another_training_is_refused(tmp_path):
    train_model([space(3000)], plan(steps=2), tmp_path)
    with pytest.raises(InputError, match="another model"):
        train_model([space(3000)], plan(steps=2, seed=1), tmp_path)
    with pytest.raises(InputError, match="other files"):
        train_model([space(4000)], plan(steps=2), tmp_path)


def test_conditions_move_the_field(tmp_path):
    files = [space(6000, field_cm=size, seed=n) for n, size in enumerate((2.0, 6.0))]
    found = train_model(files, plan(steps=250, condition="radius cm", values=(2.0, 6.0)), tmp_path)
    small, large = (found.tensor(5000, conditions=(size,)).numpy() for size in (2.0, 6.0))
    radius = [np.hypot(side[:, 0], side[:, 1]).mean() for side in (small, large)]
    assert radius[0] < 0.7 * radius[1]
    assert found.by_construction == ()
    with pytest.raises(InputError, match="radius cm 7 is outside"):
        found.tensor(10, conditions=(7.0,))
    with pytest.raises(InputError, match="needs radius cm"):
        found.tensor(10)


@pytest.mark.parametrize(
    ("condition", "values", "words"),
    [("size cm", (1.0,), "1 values for 2"), ("", (1.0, 2.0), "give --condition"), ("size cm", (2.0, 2.0), "the same")],
)
def test_conditions_that_make_no_sense_are_refused(tmp_path, condition, values, words):
    with pytest.raises(InputError, match=words):
        train_model([space(3000), space(3000)], plan(condition=condition, values=values), tmp_path)


def test_a_distilled_network_does_what_its_teacher_does(tmp_path, model):
    found = train_model([space()], plan("distilled", steps=500, teacher=model), tmp_path)
    noise = torch.randn((4000, 5), generator=torch.Generator().manual_seed(3))
    context = torch.zeros((4000, 2))
    with torch.no_grad():
        answer, own = model.network.sample(noise, context), found.network.sample(noise, context)
    assert float((own - answer).square().mean()) < 0.5 * float((noise - answer).square().mean())
    assert found.coordinates.tables is model.coordinates.tables


def test_a_teacher_of_another_plane_is_refused(tmp_path, model):
    other = beam_space(beam_particles(beam_photons(3000), plane_cm=50.0))
    with pytest.raises(InputError, match="phsp convert"):
        train_model([other], plan("distilled", teacher=model), tmp_path)


def test_a_bundle_makes_the_same_photons(tmp_path, model):
    files = [{"name": "beam.IAEAphsp", "sha256": "ab" * 32, "title": "", "particles": 8000, "histories": 20_000}]
    run = {"minutes": 1.0, "steps": 60, "seed": 0, "device": "cpu: asked for"}
    whole = described(model, "mine", files, run)
    save_model(tmp_path / "mine", whole, model_card(whole), "none")
    again = load_model(tmp_path / "mine")
    assert np.abs(again.tensor(3000, 4).numpy() - model.tensor(3000, 4).numpy()).max() < 1e-4
    assert again.facts["weights_sha256"]
    card = (tmp_path / "mine" / "docs" / "README.md").read_text(encoding="utf-8")
    for words in ("511 keV", "beam.IAEAphsp", "2.5 primary particles", "For research only", "z = 27 cm", "ab" * 32):
        assert words in card


def test_a_bundle_holds_no_photon(tmp_path, model):
    """The tables are quantiles of one coordinate each: no row of them is a photon."""
    arrays = model.coordinates.arrays()
    assert sum(values.size for values in arrays.values()) == 2 * 5 * (4096 + 81)
    assert sum(p.numel() for p in model.network.parameters()) < 20_000


def test_a_damaged_bundle_and_one_of_another_kind_are_refused(tmp_path, model):
    whole = described(model, "mine", [], {"minutes": 1.0, "steps": 60, "seed": 0, "device": "cpu"})
    save_model(tmp_path / "mine", replace(whole, metadata={**whole.metadata}), "card", "none")
    weights = tmp_path / "mine" / "models" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\1\2\3")
    with pytest.raises(InputError, match="damaged"):
        load_model(tmp_path / "mine")
    with pytest.raises(InputError, match="finds structures"):
        load_model("head_neck_ct")
    with pytest.raises(InputError, match="makes photons"):
        open_folder(tmp_path / "mine", "segmentation")
    with pytest.raises(InputError, match="no such model"):
        load_model("6mv-flwo")
