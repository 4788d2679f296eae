"""`scale_dose`: what it hands on, and that the network's answer is taken as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.scale_builder import ball_problem
from Dose3DLib.core.progress import Progress
from Dose3DLib.dose.projection import misfit
from Dose3DLib.dose.scale import ScaleProblem
from Dose3DLib.dose.scaling import scale_dose
from Dose3DLib.dose.superres import infer
from Dose3DLib.geometry.grid import Volume


def test_everything_is_there_and_agrees_with_the_cells():
    problem, truth = ball_problem(noise=0.01)
    found = scale_dose(problem, "linear", samples=1, seed=3)
    assert found.misfit < 1.1 < found.misfit_before
    assert found.misfit == misfit(found.problem, found.dose)
    assert found.weight_mm2 is None
    assert len(found.samples) == 1
    assert found.half_width.shape == found.unseen.shape == problem.grid.shape
    assert np.abs(found.dose - truth)[problem.body].mean() < 2.5


def test_the_integral_is_kept():
    """Cells that see the whole body fix the integral of the dose within their noise."""
    problem, truth = ball_problem(noise=0.01)
    for name in ("cubic", "tikhonov"):
        assert scale_dose(problem, name).dose.sum() == pytest.approx(truth.sum(), rel=0.02)


def test_the_networks_answer_is_handed_on(monkeypatch):
    problem, truth = ball_problem(noise=0.01)
    asked = {}

    def fake(
        given: ScaleProblem, samples: int, seed: int, progress: Progress, unseen: np.ndarray
    ) -> infer.SuperResolved:
        asked.update(problem=given, samples=samples, seed=seed, unseen=unseen)
        volume = Volume(truth.astype(np.float32), given.grid)
        return infer.SuperResolved(volume, Volume(np.ones_like(volume.array), given.grid), (volume,), {"model": "m"})

    monkeypatch.setattr(infer, "super_resolve", fake)
    found = scale_dose(problem, "network", samples=1, seed=5)
    assert (asked["samples"], asked["seed"]) == (1, 5)
    assert asked["problem"].body is not None
    assert np.allclose(found.dose, truth, atol=1e-4)
    assert (found.half_width == 1).all()
    assert found.model == {"model": "m"}
    assert (asked["unseen"] == found.unseen).all()


@pytest.mark.parametrize(
    "change",
    [
        {"values": ()},
        {"sd": (np.ones(3),)},
        {"body": np.ones((2, 2, 2), bool)},
    ],
)
def test_problems_that_do_not_fit(change):
    with pytest.raises(ValueError, match=r"need|fit|grid"):
        replace(ball_problem()[0], **change)
