"""Function "Train a model of photons": every control, a real training of seconds, what is seen while it runs."""

from __future__ import annotations

import json
from pathlib import Path

from phase_space_case import PhaseSpaceCase  # isort: skip (first: it makes the next ones known)
import slicer
from gui_case import slow


class TestPhaseSpaceTrain(PhaseSpaceCase):
    function = "phaseSpaceTrain"

    def add(self, path: Path):
        self.ui.trainPathEdit.currentPath = str(path)
        self.click(self.ui.trainAddButton)

    def files(self) -> list[str]:
        return [self.ui.trainList.item(row).text() for row in range(self.ui.trainList.count)]

    def prepare(self, minutes: float = 0.05, model: str = "beta-vae", count: int = 6000) -> Path:
        """The fastest learner on photons of a formula."""
        self.add(self.write(count))
        self.choose(self.ui.trainModelSelector, model)
        self.choose(self.ui.trainDeviceSelector, "cpu")
        self.ui.trainMinutesSpinBox.value = minutes
        self.ui.trainOutputEdit.currentPath = str(self.folder / "model")
        return self.folder / "model"

    def test_what_is_missing_is_said(self):
        self.assertIn("Add at least one phase space", self.ui.applyButton.toolTip)
        path = self.write()
        self.add(path)
        self.assertIn("Choose a model folder", self.ui.applyButton.toolTip)
        self.ui.trainOutputEdit.currentPath = str(self.folder / "model")
        self.assertTrue(self.ui.applyButton.enabled, self.ui.applyButton.toolTip)
        path.unlink()
        self.widget.checkCanApply()
        self.assertIn("is no file: remove it from the list", self.ui.applyButton.toolTip)

    def test_files_come_into_the_list_and_out(self):
        first, second = self.write(stem="first"), self.write(stem="second")
        self.assertFalse(self.ui.trainAddButton.enabled)
        self.ui.trainPathEdit.currentPath = str(self.folder / "none")
        self.assertFalse(self.ui.trainAddButton.enabled)
        self.assertIn("Choose a file first", self.ui.trainAddButton.toolTip)
        for path in (first, second, first):
            self.add(path)
        self.assertEqual(self.files(), [str(first), str(second)])
        self.assertEqual(self.ui.trainPathEdit.currentPath, "")
        self.assertFalse(self.ui.trainRemoveButton.enabled)
        self.ui.trainList.setCurrentRow(0)
        self.assertTrue(self.ui.trainRemoveButton.enabled)
        self.click(self.ui.trainRemoveButton)
        self.assertEqual(self.files(), [str(second)])
        self.assertEqual(self.parameters().trainFiles, [str(second)])

    def test_every_setting_reaches_the_task(self):
        output = self.prepare(model="gan", minutes=2.5)
        self.choose(self.ui.trainCoordinatesSelector, "raw")
        self.check(self.ui.trainFaithfulCheckBox, True)
        self.ui.trainSeedSpinBox.value = 4
        self.check(self.ui.trainReplaceCheckBox, True)
        text = self.command()
        for words in (
            "phsp train", str(self.folder / "beam.IAEAphsp"), f"--output {output}", "--model gan",
            "--coordinates raw", "--minutes 2.5", "--faithful", "--seed 4", "--device cpu", "--overwrite",
        ):  # fmt: skip
            self.assertIn(words, text)

    def test_loss_and_marginals_are_seen_while_it_learns(self):
        self.prepare(minutes=1.0)
        self.click(self.ui.applyButton)
        picture = self.ui.trainMarginalsPicture
        self.waitUntil(lambda: self.isShown(picture), 90, "no marginals")
        self.assertTrue(self.panel.busy)
        self.assertGreater(picture.pixmap.width(), 100)
        self.assertRegex(self.ui.trainLossLabel.text, r"^Step \d+: .*score")
        self.screenshot("phase_space_train")
        self.click(self.ui.cancelButton)
        self.waitUntil(lambda: not self.panel.busy, 10)
        self.assertIn("the checkpoint is kept", self.ui.statusLabel.text)
        self.assertTrue((self.folder / "model.training" / "checkpoint.pt").is_file())
        self.assertFalse((self.folder / "model").exists())
        self.assertIn("A training was begun there", self.ui.trainResumeLabel.text)

    def test_cancel_before_anything_was_learned(self):
        self.prepare(minutes=1.0)
        self.click(self.ui.applyButton)
        self.click(self.ui.cancelButton)
        self.waitUntil(lambda: not self.panel.busy, 10)
        self.assertIn("before there was anything to keep", self.ui.statusLabel.text)
        self.assertFalse(self.isShown(self.ui.trainResumeLabel))

    def test_a_model_goes_on_to_generate(self):
        self.assertFalse(self.ui.trainUseButton.enabled)
        self.assertIn("No model was trained yet", self.ui.trainUseButton.toolTip)
        output = self.prepare()
        self.assertIn("Done", self.runJob(120))
        metadata = json.loads((output / "configs" / "metadata.json").read_text())
        self.assertEqual(metadata["dose3d"]["kind"], "phase_space")
        self.assertIn("beta-vae", self.table(self.ui.trainTable)["model"])
        self.assertTrue(self.isShown(self.ui.trainMarginalsPicture))
        self.assertTrue(self.isShown(self.ui.trainCurvePicture))
        self.click(self.ui.trainUseButton)
        self.assertTrue(self.isShown(self.ui.generatePhotonsSpinBox))
        self.assertEqual(self.ui.generateModelFolderEdit.currentPath, str(output))
        self.ui.generatePhotonsSpinBox.value = 0.001
        self.assertIn("Done", self.runJob())

    @slow
    def test_the_training_of_an_interrupted_run_goes_on(self):
        output = self.prepare(minutes=0.2)
        self.click(self.ui.applyButton)
        self.waitUntil(lambda: "step" in self.ui.statusLabel.text, 60, "no step")
        self.click(self.ui.cancelButton)
        self.waitUntil(lambda: not self.panel.busy, 10)
        steps = (self.folder / "model.training" / "curve.csv").read_text().splitlines()[1:]
        self.assertIn("Done", self.runJob(120))
        curve = (output / "docs" / "curve.csv").read_text().splitlines()[1:]
        self.assertEqual(curve[: len(steps)], steps)

    @slow
    def test_pictures_go_with_the_scene(self):
        self.prepare()
        self.runJob(120)
        slicer.mrmlScene.Clear(0)
        self.choose(self.ui.functionSelector, self.section.title)
        self.assertFalse(self.isShown(self.ui.trainMarginalsPicture))
        self.assertEqual(self.files(), [])
