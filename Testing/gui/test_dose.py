"""Module Dose3D, function "Show a dose": every control, real jobs on doses whose isodoses are known."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import slicer

from gui_case import GuiCase  # isort: skip (first: inside Slicer it makes the next ones known)
from builders.dose_builder import ball_dose, write_rtdose_file
from Dose3DLib.geometry.grid import Volume
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.scene.nodes import scalar_volume


class DoseCase(GuiCase):
    """The page with its first function; `self.folder` goes away after the test."""

    moduleName = "Dose3D"

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="Dose3D-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.choose(self.ui.functionSelector, "Show a dose")
        self.red, self.layers = self.viewNode("vtkMRMLSliceNode"), self.viewNode("vtkMRMLSliceCompositeNode")

    def doseFile(self, name: str = "dose.dcm", **options) -> Path:
        return write_rtdose_file(ball_dose(**options), self.folder / name)

    def addDose(self, name: str = "Dose", unit: bool = True, **options):
        """A dose as a volume of the scene, which says so by its unit."""
        node = scalar_volume(slicer.mrmlScene, ball_dose(**options), name)
        if unit:
            entry = slicer.vtkCodedEntry()
            entry.SetFromString("CodeValue:Gy|CodingSchemeDesignator:UCUM|CodeMeaning:gray")
            node.SetVoxelValueUnits(entry)
        return node

    def useFile(self, path: Path) -> None:
        self.choose(self.ui.doseSourceSelector, "File on the disk")
        self.ui.dosePathEdit.currentPath = str(path)

    def parameters(self):
        return self.widget.sections["dose"].currentParameters()

    def isodoses(self) -> list:
        models = slicer.util.getNodesByClass("vtkMRMLModelNode")
        return [model for model in models if model.GetName().startswith("Isodose")]

    def viewNode(self, kind: str):
        """The red slice view's node of this class; made where there is no window and so no view."""
        node = slicer.mrmlScene.GetSingletonNode("Red", kind)
        if node is None:
            made = slicer.mrmlScene.CreateNodeByClass(kind)
            made.UnRegister(None)
            made.SetSingletonTag("Red")
            made.SetLayoutName("Red")
            node = slicer.mrmlScene.AddNode(made)
        return node

    def showFile(self, **options) -> object:
        self.useFile(self.doseFile(**options))
        self.assertIn("Done", self.runJob())
        return self.parameters().shownDose


class TestDoseInput(DoseCase):
    """What the page takes."""

    def test_nothing_chosen(self):
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("Select the dose volume", self.ui.applyButton.toolTip)

    def test_a_dose_of_the_scene_is_found(self):
        self.addPhantom()
        dose = self.addDose()
        self.widget.initializeParameterNode()
        self.assertIs(self.ui.doseVolumeSelector.currentNode(), dose)
        self.assertTrue(self.ui.applyButton.enabled)

    def test_rows_follow_the_source(self):
        self.assertTrue(self.isShown(self.ui.doseVolumeSelector))
        self.assertFalse(self.isShown(self.ui.dosePathEdit))
        self.choose(self.ui.doseSourceSelector, "File on the disk")
        self.assertFalse(self.isShown(self.ui.doseVolumeSelector))
        self.assertTrue(self.isShown(self.ui.dosePathEdit))
        self.assertIn("Choose an RTDOSE file", self.ui.applyButton.toolTip)

    def test_rows_of_the_second_dose_and_the_ct_follow_theirs(self):
        self.choose(self.ui.referenceSourceSelector, "File on the disk")
        self.assertTrue(self.isShown(self.ui.referencePathEdit))
        self.assertFalse(self.isShown(self.ui.referenceVolumeSelector))
        self.choose(self.ui.doseCtSourceSelector, "Files on the disk")
        self.assertTrue(self.isShown(self.ui.doseCtPathEdit))
        self.assertFalse(self.isShown(self.ui.doseCtVolumeSelector))

    def test_a_missing_file_is_said(self):
        self.useFile(self.folder / "nothing.dcm")
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("is no file", self.ui.applyButton.toolTip)

    def test_the_same_volume_twice_is_refused(self):
        dose = self.addDose()
        self.selectNode(self.ui.doseVolumeSelector, dose)
        self.selectNode(self.ui.referenceVolumeSelector, dose)
        self.assertIn("same volume", self.ui.applyButton.toolTip)

    def test_levels_must_be_numbers(self):
        self.selectNode(self.ui.doseVolumeSelector, self.addDose())
        for text, words in (("fifty", "Write the levels as numbers"), ("0 50", "above 0")):
            self.type(self.ui.doseLevelsEdit, text)
            self.assertFalse(self.ui.applyButton.enabled)
            self.assertIn(words, self.ui.applyButton.toolTip)
        self.type(self.ui.doseLevelsEdit, "30, 50; 95%")
        self.assertTrue(self.ui.applyButton.enabled)
        self.assertEqual(self.widget.sections["dose"].levels(), (30.0, 50.0, 95.0))

    def test_gy_needs_levels_and_no_prescription(self):
        self.selectNode(self.ui.doseVolumeSelector, self.addDose())
        self.choose(self.ui.doseUnitSelector, "Gy")
        self.assertIn("Write the levels in Gy", self.ui.applyButton.toolTip)
        self.assertFalse(self.ui.prescriptionSpinBox.enabled)
        self.type(self.ui.doseLevelsEdit, "20 40")
        self.assertTrue(self.ui.applyButton.enabled)
        self.choose(self.ui.doseUnitSelector, "percent")
        self.assertTrue(self.ui.prescriptionSpinBox.enabled)


class TestDoseResult(DoseCase):
    """What comes into the scene."""

    def test_a_file_becomes_a_dose_with_isodoses(self):
        self.type(self.ui.doseLevelsEdit, "25 50")
        self.ui.prescriptionSpinBox.value = 60
        node = self.showFile()
        self.assertTrue(np.allclose(slicer.util.arrayFromVolume(node), ball_dose().array, atol=1e-5))
        self.assertEqual([m.GetName() for m in self.isodoses()], ["Isodose 25 % (15 Gy)", "Isodose 50 % (30 Gy)"])
        self.assertEqual(node.GetVoxelValueUnits().GetCodeValue(), "Gy")
        self.assertEqual(node.GetAttribute("Dose3D.Task"), "dose show")
        self.assertEqual(node.GetDisplayNode().GetLowerThreshold(), 15)
        self.assertIn("Highest dose 60 Gy at L 10.0, P -5.0, S 20.0 mm", self.ui.doseSummaryLabel.text)
        table = self.ui.isodoseTable
        self.assertEqual([table.item(row, 0).text() for row in range(table.rowCount)], ["25 % (15 Gy)", "50 % (30 Gy)"])
        self.assertAlmostEqual(float(table.item(1, 1).text()), 14.1, delta=0.6)  # a ball of 15 mm
        self.screenshot("dose")

    def test_levels_in_gy(self):
        self.choose(self.ui.doseUnitSelector, "Gy")
        self.type(self.ui.doseLevelsEdit, "20")
        self.showFile()
        self.assertEqual([m.GetName() for m in self.isodoses()], ["Isodose 20 Gy"])

    def test_slices_go_to_the_highest_dose_and_come_back_to_it(self):
        self.showFile()
        view = self.red
        self.assertAlmostEqual(view.GetSliceToRAS().GetElement(2, 3), 20, places=3)
        view.JumpSliceByCentering(0, 0, 0)
        self.click(self.ui.highestDoseButton)
        self.assertAlmostEqual(view.GetSliceToRAS().GetElement(2, 3), 20, places=3)

    def test_a_dose_of_the_scene_keeps_its_node_and_its_transform(self):
        dose = self.addDose("Łódź µ", maximum=50.0)
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        dose.SetAndObserveTransformNodeID(transform.GetID())
        self.selectNode(self.ui.doseVolumeSelector, dose)
        self.assertIn("Done", self.runJob())
        self.assertIs(self.parameters().shownDose, dose)
        self.assertEqual(len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")), 1)
        self.assertEqual({m.GetTransformNodeID() for m in self.isodoses()}, {transform.GetID()})

    def test_running_again_replaces_the_isodoses(self):
        self.selectNode(self.ui.doseVolumeSelector, self.addDose())
        self.runJob()
        self.assertEqual(len(self.isodoses()), 7)
        self.type(self.ui.doseLevelsEdit, "50")
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        self.runJob()
        self.assertEqual(len(self.isodoses()), 1)
        self.assertLess(slicer.mrmlScene.GetNumberOfNodes(), nodes)

    def test_the_dose_lies_over_the_ct(self):
        ct = self.addPhantom()
        self.selectNode(self.ui.doseCtVolumeSelector, ct)
        node = self.showFile()
        self.assertEqual(self.layers.GetBackgroundVolumeID(), ct.GetID())
        self.assertEqual(self.layers.GetForegroundVolumeID(), node.GetID())
        self.assertAlmostEqual(self.layers.GetForegroundOpacity(), 0.45)
        self.ui.doseOpacitySlider.value = 0.8
        self.assertAlmostEqual(self.layers.GetForegroundOpacity(), 0.8)

    def test_a_ct_from_files(self):
        grid = ball_dose().grid
        write_volume(Volume(np.full(grid.shape, -20, np.int16), grid), self.folder / "ct.nrrd")
        self.choose(self.ui.doseCtSourceSelector, "Files on the disk")
        self.ui.doseCtPathEdit.currentPath = str(self.folder / "ct.nrrd")
        self.showFile()
        background = slicer.mrmlScene.GetNodeByID(self.layers.GetBackgroundVolumeID())
        self.assertEqual(background.GetName(), "ct.nrrd")

    def test_isodoses_can_be_hidden(self):
        self.showFile()
        self.assertTrue(all(m.GetDisplayNode().GetVisibility() for m in self.isodoses()))
        self.check(self.ui.isodosesCheckBox, False)
        self.assertFalse(any(m.GetDisplayNode().GetVisibility() for m in self.isodoses()))
        self.check(self.ui.isodosesCheckBox, True)
        self.assertTrue(all(m.GetDisplayNode().GetVisibility() for m in self.isodoses()))

    def test_a_difference_is_shown_on_demand(self):
        second = self.doseFile("second.dcm", maximum=55.0)
        self.choose(self.ui.referenceSourceSelector, "File on the disk")
        self.ui.referencePathEdit.currentPath = str(second)
        node = self.showFile()
        difference = node.GetNodeReference("dose3dDifference")
        self.assertAlmostEqual(float(slicer.util.arrayFromVolume(difference).max()), 5.0, places=3)
        self.assertEqual(self.layers.GetBackgroundVolumeID(), node.GetID())
        self.check(self.ui.differenceCheckBox, True)
        self.assertEqual(self.layers.GetBackgroundVolumeID(), difference.GetID())
        self.screenshot("dose_difference")
        self.check(self.ui.differenceCheckBox, False)
        self.assertEqual(self.layers.GetBackgroundVolumeID(), node.GetID())
        self.assertIn("Difference +0 to +5 Gy", self.ui.doseSummaryLabel.text)

    def test_no_difference_without_a_second_dose(self):
        self.showFile()
        self.assertFalse(self.ui.differenceCheckBox.enabled)
        self.assertIn("No second dose", self.ui.differenceCheckBox.toolTip)

    def test_a_second_dose_of_the_scene(self):
        self.selectNode(self.ui.doseVolumeSelector, self.addDose("first"))
        self.selectNode(self.ui.referenceVolumeSelector, self.addDose("second", maximum=61.0))
        self.runJob()
        found = self.parameters().shownDose.GetNodeReference("dose3dDifference")
        self.assertAlmostEqual(float(slicer.util.arrayFromVolume(found).min()), -1.0, places=3)

    def test_remove_takes_everything_back(self):
        before = slicer.mrmlScene.GetNumberOfNodes()
        self.showFile()
        self.click(self.ui.removeDoseButton)
        self.assertEqual(self.isodoses(), [])
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"), [])
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)
        self.assertFalse(self.ui.removeDoseButton.enabled)

    def test_results_are_kept_where_wanted_and_replaced_when_asked(self):
        self.ui.doseFolderEdit.currentPath = str(self.folder / "kept")
        self.showFile()
        self.assertTrue((self.folder / "kept" / "scene.mrb").is_file())
        self.assertIn("exists already", self.runJob())
        self.check(self.ui.doseReplaceCheckBox, True)
        self.assertIn("Done", self.runJob())

    def test_a_file_that_is_no_dose_is_refused(self):
        (self.folder / "text.dcm").write_text("no dose")
        self.useFile(self.folder / "text.dcm")
        self.assertIn("text.dcm", self.runJob())
        self.assertIsNone(self.parameters().shownDose)

    def test_the_copied_call_is_that_of_the_other_doors(self):
        path = self.doseFile()
        self.useFile(path)
        self.type(self.ui.doseLevelsEdit, "50 95")
        self.ui.prescriptionSpinBox.value = 60
        self.click(self.ui.copyCommandButton)
        text = slicer.app.clipboard().text()
        self.assertIn("dose3d dose show", text)
        self.assertIn(f"{path}", text)
        self.assertIn("--levels 50.0 95.0", text)
        self.assertIn("--prescription 60.0", text)
        self.click(self.ui.copyPythonButton)
        self.assertIn("dose_show.run(dose_show.Settings(", slicer.app.clipboard().text())

    def test_a_dose_that_is_in_no_file_cannot_be_copied(self):
        self.selectNode(self.ui.doseVolumeSelector, self.addDose())
        self.assertFalse(self.ui.copyCommandButton.enabled)
        self.assertIn("exists only in the scene", self.ui.copyCommandButton.toolTip)

    def test_the_page_survives_saving_and_loading(self):
        self.type(self.ui.doseLevelsEdit, "50")
        self.showFile()
        self.ui.doseOpacitySlider.value = 0.7
        path = self.folder / "saved.mrb"
        self.assertTrue(slicer.util.saveScene(str(path)))
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.ui.doseSummaryLabel.text, "")
        self.assertEqual(self.ui.isodoseTable.rowCount, 0)
        self.assertFalse(self.ui.highestDoseButton.enabled)
        slicer.util.loadScene(str(path))
        self.assertEqual(self.ui.doseLevelsEdit.text, "50")
        self.assertAlmostEqual(self.ui.doseOpacitySlider.value, 0.7)
        self.assertIn("Highest dose 60 Gy", self.ui.doseSummaryLabel.text)
        self.check(self.ui.isodosesCheckBox, False)
        self.assertFalse(any(m.GetDisplayNode().GetVisibility() for m in self.isodoses()))

    def test_another_shown_dose_brings_its_own_numbers(self):
        first = self.showFile()
        self.useFile(self.doseFile("b.dcm", maximum=40.0))
        self.runJob()
        self.assertIn("Highest dose 40 Gy", self.ui.doseSummaryLabel.text)
        self.selectNode(self.ui.shownDoseSelector, first)
        self.assertIn("Highest dose 60 Gy", self.ui.doseSummaryLabel.text)

    def test_a_dose_removed_meanwhile_is_said(self):
        dose = self.addDose()
        self.selectNode(self.ui.doseVolumeSelector, dose)
        self.click(self.ui.applyButton)
        slicer.mrmlScene.RemoveNode(dose)
        self.waitUntil(lambda: not self.widget.panel.busy, 60)
        self.assertIn("removed from the scene", self.ui.statusLabel.text)
        self.assertEqual(self.isodoses(), [])

    def test_closing_the_scene_ends_the_job(self):
        self.useFile(self.doseFile())
        self.click(self.ui.applyButton)
        slicer.mrmlScene.Clear(0)
        self.waitUntil(lambda: not self.widget.panel.busy, 10)
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"), [])


class TestDoseLogic(DoseCase):
    """What scripts call."""

    def test_shows_a_file_and_returns_its_volume(self):
        node = self.logic.showDose(self.doseFile(), self.folder / "result", levels=(50.0,))
        self.assertEqual(node.GetVoxelValueUnits().GetCodeValue(), "Gy")
        self.assertEqual(len(self.isodoses()), 1)
        self.assertTrue((self.folder / "result" / "report.html").is_file())
