"""Function "Generate photons": every control, with a network that was never trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from phase_space_case import PhaseSpaceCase  # isort: skip (first: it makes the next one known)
import slicer


class TestPhaseSpaceGenerate(PhaseSpaceCase):
    function = "phaseSpaceGenerate"

    def useModel(self, **facts) -> Path:
        from builders.photon_model_builder import save_small_model, small_model

        path = save_small_model(self.folder / "small", small_model(**facts))
        self.choose(self.ui.generateModelSelector, "Model in a folder")
        self.ui.generateModelFolderEdit.currentPath = str(path)
        self.ui.generatePhotonsSpinBox.value = 0.002
        return path

    def points(self):
        return self.parameters().generatedPoints

    def test_what_is_missing_is_said(self):
        self.choose(self.ui.generateModelSelector, "Model in a folder")
        self.assertIn("Choose the folder of a trained model", self.ui.applyButton.toolTip)
        self.ui.generateModelFolderEdit.currentPath = str(self.folder)
        self.assertIn("holds no model", self.ui.applyButton.toolTip)
        self.useModel()
        self.assertTrue(self.ui.applyButton.enabled, self.ui.applyButton.toolTip)
        self.ui.generateOthersEdit.currentPath = str(self.folder / "none.phsp")
        self.assertIn("is no file", self.ui.applyButton.toolTip)
        self.ui.generateOthersEdit.currentPath = ""
        self.type(self.ui.generateConditionEdit, "ten")
        self.assertIn("Write the conditions as numbers", self.ui.applyButton.toolTip)

    def test_the_first_photons_come_into_the_scene(self):
        self.useModel()
        self.ui.generateShownSpinBox.value = 300
        self.assertIn("Done", self.runJob())
        places = slicer.util.arrayFromModelPoints(self.points())
        self.assertEqual(places.shape, (300, 3))
        self.assertTrue(np.allclose(places[:, 2], 270, atol=1e-3))
        self.assertEqual(self.points().GetAttribute("Dose3D.Task"), "phsp generate")
        self.assertIn("small", self.points().GetAttribute("Dose3D.Model"))
        self.assertIs(self.ui.shownPointsSelector.currentNode(), self.points())
        self.assertIn("The first 300 generated photons", self.ui.frameLabel.text)
        table = self.table(self.ui.generateTable)
        self.assertEqual(table["photons"], "2,000")
        self.assertNotIn("files", table)
        self.screenshot("phase_space_generate")

    def test_the_seed_decides_and_a_new_run_replaces(self):
        self.useModel()
        self.ui.generateShownSpinBox.value = 50
        self.runJob()
        first = np.array(slicer.util.arrayFromModelPoints(self.points()))
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        self.runJob()
        self.assertTrue(np.array_equal(first, slicer.util.arrayFromModelPoints(self.points())))
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), nodes)
        self.ui.generateSeedSpinBox.value = 3
        self.runJob()
        self.assertFalse(np.array_equal(first, slicer.util.arrayFromModelPoints(self.points())))

    def test_the_file_is_kept_with_the_source_beside(self):
        self.useModel()
        output = self.folder / "made.IAEAphsp"
        self.ui.generateOutputEdit.currentPath = str(output)
        self.check(self.ui.generateSourcesCheckBox, True)
        self.assertIn("Done", self.runJob())
        self.assertTrue(output.is_file())
        text = output.with_suffix(".IAEAheader").read_text("latin-1")
        self.assertIn("2000", text.split("$PARTICLES:")[1].split("$")[0])
        self.assertIn("iaea phase space file = made", (self.folder / "made.egsnrc.txt").read_text())
        self.assertIn("made.egsnrc.txt", self.table(self.ui.generateTable)["files"])
        self.assertIn("exists already", self.runJob())
        self.check(self.ui.generateReplaceCheckBox, True)
        self.assertIn("Done", self.runJob())

    def test_every_setting_reaches_the_task(self):
        path = self.useModel()
        others = self.write()
        self.ui.generateOthersEdit.currentPath = str(others)
        self.ui.generatePhotonsSpinBox.value = 2.5
        self.ui.generateSeedSpinBox.value = 7
        self.ui.generateOutputEdit.currentPath = str(self.folder / "made.phsp")
        self.choose(self.ui.generateFormatSelector, "topas-limited")
        self.choose(self.ui.generateDeviceSelector, "cpu")
        self.check(self.ui.generateSourcesCheckBox, False)
        self.check(self.ui.generateReplaceCheckBox, True)
        self.type(self.ui.generateConditionEdit, "10 20.5")
        text = self.command()
        for words in (
            f"--model {path}", "--photons 2500000", "--seed 7", f"--output {self.folder / 'made.phsp'}",
            "--format topas-limited", "--device cpu", "--condition 10.0 20.5", f"--others {others}", "--no-sources",
            "--overwrite",
        ):  # fmt: skip
            self.assertIn(words, text)

    def test_a_shipped_model_needs_no_folder(self):
        names = [self.ui.generateModelSelector.itemText(n) for n in range(self.ui.generateModelSelector.count)]
        self.assertEqual(names[-1], "Model in a folder")
        from Dose3DLib.bundles.folder import shipped_bundles

        self.assertEqual(names[:-1], shipped_bundles("phase_space"))
        for name in names[:-1]:
            self.choose(self.ui.generateModelSelector, name)
            self.assertFalse(self.isShown(self.ui.generateModelFolderEdit))
            self.assertTrue(self.ui.applyButton.enabled, self.ui.applyButton.toolTip)
            self.assertIn(f"--model {name}", self.command())
        self.choose(self.ui.generateModelSelector, "Model in a folder")
        self.assertTrue(self.isShown(self.ui.generateModelFolderEdit))

    def test_a_conditional_model_says_what_it_wants(self):
        self.useModel(conditions=({"name": "field size cm", "lowest": 5.0, "highest": 20.0},))
        self.assertIn("field size", self.runJob())
        self.type(self.ui.generateConditionEdit, "10")
        self.assertIn("Done", self.runJob())
