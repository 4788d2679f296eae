"""Patches, augmentation and loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from Dose3DLib.segmentation.augment import Augmentation
from Dose3DLib.segmentation.learner import PatchLearner, Sampling, TrainingCase
from Dose3DLib.segmentation.loss import partial_dice_ce
from Dose3DLib.segmentation.preprocess import InputSpec
from Dose3DLib.training.seeds import step_state

SPEC = InputSpec((2.5, 3.0, 3.0), (2.5, 3.9, 3.9))


def case(name="a", known=(True, True), shape=(30, 40, 50)):
    """Two organs as bright boxes, one left (growing i), one right."""
    hu = np.full(shape, -100, np.int16)
    labels = np.zeros(shape, np.uint16)
    for organ, middle in ((0, 36), (1, 12)):
        box = (slice(10, 16), slice(14, 22), slice(middle, middle + 6))
        hu[box] = 200 + 300 * organ
        if known[organ]:
            labels[box] |= 1 << organ
    return TrainingCase(name, hu, labels, np.array(known))


def learner(cases, augmentation=None, **sampling):
    network = torch.nn.Conv3d(1, 2, 1)
    return PatchLearner(network, cases, SPEC, Sampling((16, 16, 16), 2, **sampling), augmentation)


def test_same_seed_and_step_same_batch():
    one, two = (learner([case()], Augmentation(((0, 1),)), seed=3) for _ in range(2))
    two.draw(0)
    for a, b in zip(one.draw(7), two.draw(7), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.draw(8)[0], one.draw(7)[0])


def test_patches_hold_the_organ_that_was_chosen():
    batches = [learner([case()], background_share=0.0).draw(step) for step in range(10)]
    assert all(truth.flatten(2).amax(2).amax(1).min() == 1 for _, truth, _ in batches)


def test_patch_larger_than_the_scan_is_filled_with_air():
    small = case(shape=(16, 24, 50))
    drawn = PatchLearner(torch.nn.Conv3d(1, 2, 1), [small], SPEC, Sampling((32, 32, 32), 1)).draw(0)
    images, truths, _ = drawn
    assert images.shape == (1, 1, 32, 32, 32)
    assert float(images.min()) == pytest.approx(-3.0)
    assert truths.sum() > 0


@pytest.mark.parametrize("step", range(12))
def test_image_and_labels_move_together(step):
    """After every change of shape the brighter voxels are still those that are labelled."""
    image = torch.full((1, 32, 32, 32), -1.0)
    labels = torch.zeros(1, 32, 32, 32)
    image[0, 8:24, 8:24, 18:28], labels[0, 8:24, 8:24, 18:28] = 1.0, 1.0
    moved, moved_labels = _WithoutIntensity()(image, labels, step_state(0, step))
    found = (moved > 0).flatten()
    truth = (moved_labels > 0).flatten()
    assert set(moved_labels.unique().tolist()) <= {0.0, 1.0, 2.0}
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.93


class _WithoutIntensity(Augmentation):
    def __call__(self, image, labels, state):
        self._shape.set_random_state(state=state)
        moved = self._shape({"image": image, "labels": labels})
        return moved["image"].as_tensor(), moved["labels"].as_tensor()


def test_mirroring_swaps_left_and_right():
    """Organ 0 stays the one on the left (growing i), in mirrored patches too."""
    augmentation = Augmentation(((0, 1),))
    seen = set()
    for step in range(30):
        image, labels = torch.zeros(1, 16, 16, 16), torch.zeros(1, 16, 16, 16)
        labels[0, 6:10, 6:10, 10:14], labels[0, 6:10, 6:10, 2:6] = 1.0, 2.0
        image[0, 6:10, 6:10, 10:14] = 2.0
        image, labels = augmentation(image, labels, step_state(1, step))
        i = torch.arange(16.0)
        left, right = (float(((labels == bit).sum((0, 1, 2)) * i).sum() / (labels == bit).sum()) for bit in (1, 2))
        assert left > right
        bright = float((image.clamp(min=0).sum((0, 1, 2)) * i).sum() / image.clamp(min=0).sum())
        seen.add(bright > 7.5)
    assert seen == {True, False}, "some were mirrored, some not"


def test_unknown_organ_gives_no_gradient():
    logits = torch.zeros(2, 2, 8, 8, 8, requires_grad=True)
    truth = torch.zeros(2, 2, 8, 8, 8)
    truth[:, :, 2:5, 2:5, 2:5] = 1
    partial_dice_ce(logits, truth, torch.tensor([[True, False], [True, True]])).backward()
    assert logits.grad[0, 1].abs().sum() == 0
    assert logits.grad[0, 0].abs().sum() > 0
    assert logits.grad[1, 1].abs().sum() > 0


def test_loss_is_small_for_the_truth_and_large_for_its_opposite():
    truth = torch.zeros(1, 1, 8, 8, 8)
    truth[..., 2:6] = 1
    known = torch.tensor([[True]])
    good, bad = (float(partial_dice_ce((truth * 40 - 20) * sign, truth, known)) for sign in (1, -1))
    assert good < 0.01
    assert bad > 10


def test_learner_trains_with_the_shared_loop(tmp_path):
    """A one-voxel network learns to tell the bright box from the brighter one."""
    from Dose3DLib.training.loop import FitSettings, fit
    from Dose3DLib.training.schedule import Budget

    one = learner([case(), case("b", (True, False))])
    first = float(one.loss(one.network, one.draw(0))[0].detach())
    network = fit(one, FitSettings(Budget(steps=40), learning_rate=0.05, ema_decay=0.0), tmp_path)
    assert float(one.loss(network, one.draw(0))[0].detach()) < 0.7 * first
