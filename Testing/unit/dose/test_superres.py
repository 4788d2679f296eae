"""The parts of the super-resolution that need no trained weights: inputs, field, learner, calibration."""

import numpy as np
import pytest
from builders.cells_builder import GRID, ball_dose, ball_problem
from Dose3DLib.core.errors import InputError
from Dose3DLib.dose.scale import ScaleProblem
from Dose3DLib.dose.superres.infer import Calibration, load_calibration, predict
from Dose3DLib.dose.superres.inputs import (
    CHANNELS,
    base_dose,
    dose_scale,
    model_input,
    signed_distance,
    target_masks,
)
from Dose3DLib.dose.superres.learner import DoseCase, DoseLearner, Sampling
from Dose3DLib.dose.superres.network import NETWORK, USUAL_GAIN, build
from Dose3DLib.dose.superres.posterior import DoseField


def misfit(problem: ScaleProblem, dose: np.ndarray) -> np.ndarray:
    """In standard deviations of each cell."""
    return np.concatenate(
        [
            (operator.matrix @ dose.ravel() - value) / sd
            for operator, value, sd in zip(problem.operators, problem.values, problem.sd, strict=True)
        ]
    )


def channel(image: np.ndarray, name: str) -> np.ndarray:
    return image[CHANNELS.index(name)]


class TestInputs:
    def test_channels_say_what_is_known(self):
        problem = ball_problem()
        _, body, target = ball_dose()
        image = model_input(problem, base_dose(problem), target_masks(problem))
        assert image.shape == (len(CHANNELS), *GRID.shape)
        assert np.isfinite(image).all()
        assert (channel(image, "body") > 0).tolist() == body.tolist()
        assert ((channel(image, "highest_target") > 0) == target).all()
        assert np.ptp(channel(image, "target_level")[target]) == 0
        assert 0.7 < channel(image, "target_level")[target].mean() < 1.1
        assert channel(image, "coverage").sum() * GRID.voxel_volume_mm3 == pytest.approx(
            (problem.operators[0].cells.volumes_mm3 * problem.operators[0].fraction).sum(), rel=1e-5
        )

    def test_the_sketch_shows_the_edge_that_the_fit_has_lost(self):
        """Adding some of it comes nearer to the truth, and most where the target ends."""
        problem, (dose, body, target) = ball_problem(noise=0.0), ball_dose()
        base = base_dose(problem)
        lost = channel(model_input(problem, base, target_masks(problem)), "lost_detail") * dose_scale(problem)
        at_edge = np.abs(signed_distance(target, GRID)) * 30 < 4
        before, after = np.abs(base - dose)[at_edge].mean(), np.abs(base + USUAL_GAIN * lost - dose)[at_edge].mean()
        assert after < 0.9 * before
        assert np.abs(lost)[at_edge].mean() > 2 * np.abs(lost)[body & ~at_edge].mean()
        assert not lost[~body].any() or np.abs(lost[~body]).max() < 1e-6

    def test_what_is_missing_is_said(self):
        known = ball_problem(with_plan=True)
        bare = ScaleProblem(known.operators, known.values, known.sd, GRID)
        image = model_input(bare, base_dose(bare), target_masks(bare))
        for name in ("has_ct", "has_plan", "target_level", "ct", "plan"):
            assert not channel(image, name).any()
        assert (channel(image, "any_target") == -1).all()
        full = model_input(known, base_dose(known), target_masks(known))
        assert channel(full, "has_ct").all()
        assert channel(full, "has_plan").all()

    def test_a_right_plan_is_kept(self):
        """2 % too high everywhere: the scale takes it back."""
        problem, (dose, body, _) = ball_problem(with_plan=True, noise=0.0), ball_dose()
        assert np.abs(base_dose(problem) - dose)[body].max() < 0.02

    def test_doses_scale(self):
        problem = ball_problem()
        doubled = ScaleProblem(problem.operators, tuple(2 * v for v in problem.values), problem.sd, GRID, problem.body)
        once = ScaleProblem(problem.operators, problem.values, problem.sd, GRID, problem.body)
        assert dose_scale(doubled) == pytest.approx(2 * dose_scale(once))
        a, b = (base_dose(p) / dose_scale(p) for p in (once, doubled))
        assert a == pytest.approx(b, abs=1e-4)

    def test_the_border_lies_between_voxels(self):
        mask = np.zeros(GRID.shape, bool)
        mask[:10] = True
        distance = signed_distance(mask, GRID) * 30
        assert distance[9, 0, 0] == pytest.approx(1.25, abs=1e-5)
        assert distance[10, 0, 0] == pytest.approx(-1.25, abs=1e-5)


class TestField:
    @pytest.fixture(scope="class")
    @staticmethod
    def field() -> DoseField:
        problem, (dose, body, _) = ball_problem(), ball_dose()
        return DoseField(problem, np.where(body, dose + 3.0, 0.0), np.where(body, 2.0, 0.0), 5.0)

    def test_the_mean_meets_the_cells_within_their_noise(self, field):
        before, after = misfit(field.problem, field.mean), misfit(field.problem, field.conditioned())
        covered = field.problem.operators[0].matrix @ field.sd.ravel() > 1.9
        assert np.sqrt((before[covered] ** 2).mean()) > 5
        assert np.sqrt((after[covered] ** 2).mean()) < 1.0

    def test_a_wrong_level_is_taken_back(self, field):
        dose, body, _ = ball_dose()
        assert np.abs(field.conditioned() - dose)[body].mean() < 0.5 * 3.0

    def test_samples_agree_with_the_cells_and_differ_between_them(self, field):
        rng = np.random.default_rng(0)
        drawn = np.stack([field.sample(rng) for _ in range(12)])
        covered = field.problem.operators[0].matrix @ field.sd.ravel() > 1.9
        for one in drawn:
            assert np.sqrt((misfit(field.problem, one)[covered] ** 2).mean()) < 2.0
        body = field.problem.body
        measured = field.problem.operators[0].adjoint(np.ones(len(field.problem.operators[0].cells))) > 0
        spread = drawn.std(axis=0)
        assert spread[body & ~measured].mean() > 1.2 * spread[body & measured].mean() > 0
        assert spread[body].mean() < 2.0  # the cells took some of the prior's
        assert not drawn[:, ~body].any()

    def test_same_seed_same_sample(self, field):
        one, two = (field.sample(np.random.default_rng(5)) for _ in range(2))
        assert (one == two).all()

    def test_the_prior_has_its_standard_deviation_and_correlation(self, field):
        noise = np.random.default_rng(0).standard_normal((20, *GRID.shape)).astype(np.float32)
        smooth = np.stack([field._smooth(n) for n in noise])[:, 6:-6, 6:-6, 6:-6]
        assert smooth.std() == pytest.approx(1.0, abs=0.05)
        neighbours = np.corrcoef(smooth[..., 1:].ravel(), smooth[..., :-1].ravel())[0, 1]
        assert neighbours == pytest.approx(np.exp(-((3.5 / 5.0) ** 2) / 2), abs=0.05)


class TestLearner:
    @staticmethod
    def case(number: int) -> DoseCase:
        problem, (dose, body, _) = ball_problem(), ball_dose()
        image = model_input(problem, base_dose(problem), target_masks(problem))
        return DoseCase(image, (dose / dose_scale(problem) + 0 * number).astype(np.float32), body.astype(np.float32))

    def learner(self) -> DoseLearner:
        network = build({**NETWORK, "init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]})
        return DoseLearner(network, self.case, Sampling(patch=(16, 16, 16), batch=2, seed=4))

    def test_it_starts_from_the_classical_dose(self):
        learner = self.learner()
        image = self.case(0).image
        dose, spread = predict(learner.network, image)
        usual = channel(image, "base") + USUAL_GAIN * channel(image, "lost_detail")
        assert dose == pytest.approx(usual, abs=1e-6)
        assert spread == pytest.approx(np.full(GRID.shape, 0.01))

    def test_batches_follow_from_step_and_seed(self):
        first, again = self.learner(), self.learner()
        first.draw(3)
        for a, b in zip(first.draw(40), again.draw(40), strict=True):
            assert (a == b).all()

    def test_image_truth_and_weight_are_turned_together(self):
        """A case whose truth is one of its channels keeps that, whatever is mirrored."""
        case = self.case(0)
        twin = DoseCase(case.image, case.image[1], case.image[5])
        learner = DoseLearner(self.learner().network, lambda n: twin, Sampling(patch=(16, 16, 16), seed=1))
        for step in range(12):
            images, truths, weights = learner.draw(step)
            assert (images[:, 1] == truths).all()
            assert (images[:, 5] == weights).all()

    def test_padding_has_no_weight(self):
        whole = DoseCase(self.case(0).image, self.case(0).truth, np.ones(GRID.shape, np.float32))
        learner = DoseLearner(self.learner().network, lambda n: whole, Sampling(patch=(32, 32, 32), seed=1))
        assert float(learner.draw(0)[2].sum()) == np.prod(GRID.shape)

    def test_training_lowers_the_error(self):
        import torch

        torch.manual_seed(0)
        learner = self.learner()
        optimizer, batch = torch.optim.Adam(learner.network.parameters(), 1e-2), learner.draw(0)
        errors = []
        for _ in range(60):
            loss, values = learner.loss(learner.network, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            errors.append(values["percent"])
        assert np.mean(errors[-10:]) < 0.8 * np.mean(errors[:10])


class TestCalibration:
    def test_between_and_beyond_its_points(self):
        calibration = Calibration((0.01, 0.03), (0.02, 0.08), 5.0)
        assert calibration.band(np.array([0.001, 0.02, 0.03, 0.06])) == pytest.approx([0.02, 0.05, 0.08, 0.16])

    @pytest.mark.parametrize(
        "own",
        [
            {},
            {"channels": ["base"]},
            {"channels": list(CHANNELS), "calibration": {}},
            {
                "channels": list(CHANNELS),
                "calibration": {"no_body": {"spread": [1], "half_width": [1], "length_mm": 5}},
            },
        ],
    )
    def test_a_bundle_without_it_is_refused(self, own, tmp_path):
        from Dose3DLib.bundles.bundle import Bundle

        with pytest.raises(InputError, match="get the bundle again"):
            load_calibration(Bundle(tmp_path, {"dose3d": own}, {}))
