"""Function "Convert a phase space": every control, and files that numpy reads by itself."""

from __future__ import annotations

import numpy as np

from phase_space_case import PhaseSpaceCase  # isort: skip (first: it makes the next ones known)
import qt
import slicer


class TestPhaseSpaceConvert(PhaseSpaceCase):
    function = "phaseSpaceConvert"

    def setUp(self):
        super().setUp()
        for part in (self.ui.convertFiltersCollapsibleButton, self.ui.convertPlaceCollapsibleButton):
            part.collapsed = False
            self.addCleanup(setattr, part, "collapsed", True)

    def useFile(self, count: int = 400, output: str = "out.npy"):
        self.ui.convertPathEdit.currentPath = str(self.write(count))
        self.ui.convertOutputEdit.currentPath = str(self.folder / output)
        return self.folder / output

    def uncheck(self, species: str, state=None):
        shown = self.ui.convertSpeciesList
        items = {shown.item(row).text(): shown.item(row) for row in range(shown.count)}
        items[species].setCheckState(qt.Qt.Unchecked if state is None else state)
        self.spin(1)

    def test_what_is_missing_is_said(self):
        self.assertIn("Choose the phase space to convert", self.ui.applyButton.toolTip)
        self.ui.convertPathEdit.currentPath = str(self.folder / "none.phsp")
        self.assertIn("is no file", self.ui.applyButton.toolTip)
        self.useFile(output="out.npy")
        self.assertTrue(self.ui.applyButton.enabled, self.ui.applyButton.toolTip)
        self.ui.convertOutputEdit.currentPath = ""
        self.assertIn("Name the file to write", self.ui.applyButton.toolTip)

    def test_impossible_limits_are_said(self):
        self.useFile()
        self.ui.convertMinEnergySpinBox.value = 3
        self.ui.convertMaxEnergySpinBox.value = 2
        self.assertIn("lowest energy is above the highest", self.ui.applyButton.toolTip)
        self.ui.convertMaxEnergySpinBox.value = 0
        for text in ("1 2 3", "5 1 0 1", "wide"):
            self.type(self.ui.convertRectangleEdit, text)
            self.assertIn("Write the rectangle", self.ui.applyButton.toolTip, text)
        self.type(self.ui.convertRectangleEdit, "-1,5; 1.5 -2 2")
        self.assertTrue(self.ui.applyButton.enabled)
        for species in ("photon", "electron", "positron", "neutron", "proton"):
            self.uncheck(species)
        self.assertIn("Keep at least one species", self.ui.applyButton.toolTip)
        self.uncheck("photon", qt.Qt.Checked)
        self.assertTrue(self.ui.applyButton.enabled)

    def test_filters_and_plane_reach_the_file(self):
        output = self.useFile()
        self.ui.convertMaxEnergySpinBox.value = 2
        self.ui.convertMaxRadiusSpinBox.value = 3
        self.check(self.ui.convertPlaneCheckBox, True)
        self.ui.convertPlaneSpinBox.value = 54
        self.assertIn("Done", self.runJob())
        found = np.load(output)
        self.assertTrue(0 < len(found) < 400)
        self.assertLessEqual(float(found["Ekine"].max()), 2.0)
        self.assertTrue(np.allclose(found["Z"], 540))
        # All come from the origin: twice as far, those within 3 cm are within 6 cm.
        self.assertLessEqual(float(np.hypot(found["X"], found["Y"]).max()), 60 + 1e-3)
        self.assertGreater(float(np.hypot(found["X"], found["Y"]).max()), 50)
        table = self.table(self.ui.convertTable)
        self.assertEqual(table["photons"], str(len(found)))
        self.assertIn("out.npy", table["files"])
        self.screenshot("phase_space_convert")

    def test_every_setting_reaches_the_task(self):
        self.useFile(output="out.phsp")
        self.choose(self.ui.convertFormatSelector, "topas-ascii")
        self.check(self.ui.convertReplaceCheckBox, True)
        self.uncheck("electron")
        values = {"MinEnergy": 0.25, "MaxEnergy": 5.0, "MinRadius": 0.5, "MaxRadius": 4.5, "MaxAngle": 80.0}
        for name, value in values.items():
            getattr(self.ui, f"convert{name}SpinBox").value = value
        self.ui.convertParticlesSpinBox.value = 0.0003
        self.type(self.ui.convertRectangleEdit, "-3 3 -2 2")
        self.check(self.ui.convertTurnCheckBox, True)
        turned = {"Gantry": 90.0, "Collimator": -30.0, "SourceAxis": 80.0, "SourceZ": 1.5}
        for name, value in turned.items():
            getattr(self.ui, f"convert{name}SpinBox").value = value
        self.ui.convertRecycleSpinBox.value = 3
        self.check(self.ui.convertInputPlaneCheckBox, True)
        self.ui.convertInputPlaneSpinBox.value = 26.5
        self.choose(self.ui.convertInputUnitSelector, "cm")
        text = self.command()
        for words in (
            "phsp convert", "--format topas-ascii", "--overwrite", "--species photon positron neutron proton",
            "--min-energy 0.25", "--max-energy 5.0", "--min-radius 0.5", "--max-radius 4.5", "--max-angle 80.0",
            "--rectangle=-3.0", "--particles 300", "--gantry 90.0", "--collimator", "--source-axis 80.0",
            "--source-z 1.5", "--recycle 3", "--input-plane 26.5",
            "--input-unit cm",
        ):  # fmt: skip
            self.assertTrue(words in text or words.replace("=", " ") in text, f"{words} is not in {text}")

    def test_what_is_off_reaches_nothing(self):
        self.useFile()
        for name in ("InputPlane", "Plane", "Gantry", "Collimator", "SourceAxis", "SourceZ"):
            self.assertFalse(getattr(self.ui, f"convert{name}SpinBox").enabled, name)
        self.click(self.ui.copyPythonButton)
        text = slicer.app.clipboard().text()
        self.assertEqual(text.count("="), 3, text)  # the result, input and output alone

    def test_a_file_is_replaced_when_asked(self):
        output = self.useFile()
        self.assertIn("Done", self.runJob())
        self.assertIn("exists already", self.runJob())
        self.check(self.ui.convertReplaceCheckBox, True)
        self.ui.convertParticlesSpinBox.value = 0.0001
        self.assertIn("Done", self.runJob())
        self.assertEqual(len(np.load(output)), 100)

    def test_on_to_the_look(self):
        self.assertFalse(self.ui.convertLookButton.enabled)
        self.assertIn("Nothing was converted", self.ui.convertLookButton.toolTip)
        output = self.useFile(output="out.IAEAphsp")
        self.runJob()
        self.click(self.ui.convertLookButton)
        self.assertEqual(self.ui.phaseSpacePathEdit.currentPath, str(output))
        self.assertTrue(self.isShown(self.ui.phaseSpacePathEdit))
        self.assertFalse(self.isShown(self.ui.convertPathEdit))
        self.assertIn("Done", self.runJob())
        self.assertEqual(self.table(self.ui.summaryTable)["particles"], "400")
