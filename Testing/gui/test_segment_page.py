"""Module Dose3D Segment: every control of the page; the long jobs are in test_segment_jobs.py."""

from __future__ import annotations

import json
import shutil

import numpy as np
import slicer
import vtk
from Dose3DLib.bundles.bundle import find_bundle
from segment_case import GRID, TWO, SegmentCase, qt

ALL = find_bundle("head_neck_ct").organs


class TestSegmentInput(SegmentCase):
    """Where the CT comes from."""

    def test_empty_scene_says_what_to_do(self):
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("Select the CT volume", self.ui.applyButton.toolTip)
        self.assertEqual(self.ui.hintLabel.text, self.ui.applyButton.toolTip)
        self.assertTrue(self.isShown(self.ui.hintLabel))

    def test_the_first_volume_is_taken_on_entering(self):
        volume = self.addPhantom("Łódź µ")
        self.widget.exit()
        self.widget.enter()
        self.assertIs(self.ui.ctVolumeSelector.currentNode(), volume)
        self.assertTrue(self.ui.applyButton.enabled)
        self.assertFalse(self.isShown(self.ui.hintLabel))

    def test_volume_selector(self):
        first, second = self.addPhantom("A"), self.addPhantom("B")
        for volume in (first, second):
            self.selectNode(self.ui.ctVolumeSelector, volume)
            self.assertIs(self.parameters("find").ctVolume, volume)
        self.assertTrue(self.ui.applyButton.enabled)

    def test_source_shows_the_row_that_counts(self):
        self.assertTrue(self.isShown(self.ui.ctVolumeSelector))
        self.assertFalse(self.isShown(self.ui.ctPathEdit))
        self.choose(self.ui.ctSourceSelector, "Files on the disk")
        self.assertEqual(self.parameters("find").ctSource, "files")
        self.assertFalse(self.isShown(self.ui.ctVolumeSelector))
        self.assertTrue(self.isShown(self.ui.ctPathEdit))
        self.choose(self.ui.ctSourceSelector, "Volume of the scene")
        self.assertTrue(self.isShown(self.ui.ctVolumeSelector))

    def test_path(self):
        self.choose(self.ui.ctSourceSelector, "Files on the disk")
        self.assertIn("Choose the folder", self.ui.applyButton.toolTip)
        self.ui.ctPathEdit.currentPath = str(self.folder / "nothing")
        self.assertIn("does not exist", self.ui.applyButton.toolTip)
        self.ui.ctPathEdit.currentPath = str(self.folder)
        self.assertEqual(self.parameters("find").ctPath, str(self.folder))
        self.assertTrue(self.ui.applyButton.enabled)

    def test_volume_without_image(self):
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
        self.selectNode(self.ui.ctVolumeSelector, empty)
        self.assertIn("“Empty” holds no image", self.ui.applyButton.toolTip)

    def test_removed_volume(self):
        volume = self.addCt()
        self.assertTrue(self.ui.applyButton.enabled)
        slicer.mrmlScene.RemoveNode(volume)
        self.assertFalse(self.ui.applyButton.enabled)


class TestSegmentSettings(SegmentCase):
    """Model, organs, region, device, files."""

    def setUp(self):
        super().setUp()
        self.volume = self.addCt()

    def settings(self):
        return self.widget.settingsForCopy(self.widget.sections["find"]).to_dict()

    def test_shipped_model_and_its_organs(self):
        self.assertIn("head_neck_ct: Seven organs", self.ui.modelSelector.currentText)
        self.assertEqual(tuple(self.organs()), ALL)
        self.assertTrue(all(item.checkState() == qt.Qt.Checked for item in self.organs().values()))
        self.assertFalse(self.isShown(self.ui.modelFolderEdit))

    def test_model_in_a_folder(self):
        self.choose(self.ui.modelSelector, "Model in a folder")
        self.assertTrue(self.isShown(self.ui.modelFolderEdit))
        self.assertEqual(self.parameters("find").modelName, "")
        self.assertIn("Choose the folder of a model", self.ui.applyButton.toolTip)
        self.assertEqual(self.organs(), {})
        self.ui.modelFolderEdit.currentPath = str(self.folder)
        self.assertIn("models/model.safetensors", self.ui.applyButton.toolTip)
        self.assertFalse(self.ui.applyButton.enabled)

    def test_model_of_ones_own(self):
        own = shutil.copytree(find_bundle("head_neck_ct").path, self.folder / "own")
        path = own / "configs" / "metadata.json"
        metadata = json.loads(path.read_text(encoding="utf-8"))
        metadata["network_data_format"]["outputs"]["pred"]["channel_def"]["0"] = "OpticChiasm"
        path.write_text(json.dumps(metadata), encoding="utf-8")
        self.choose(self.ui.modelSelector, "Model in a folder")
        self.ui.modelFolderEdit.currentPath = str(own)
        self.assertEqual(tuple(self.organs()), ("OpticChiasm", *ALL[1:]))
        self.assertTrue(self.ui.applyButton.enabled)
        self.assertEqual(self.parameters("find").modelFolder, str(own))

    def test_uncheck_an_organ(self):
        self.organs()["Mandible"].setCheckState(qt.Qt.Unchecked)
        self.assertEqual(self.parameters("find").leftOutOrgans, ["Mandible"])
        self.assertEqual(self.widget.sections["find"].organs(), tuple(name for name in ALL if name != "Mandible"))

    def test_none_and_all(self):
        self.click(self.ui.noOrgansButton)
        self.assertEqual(sorted(self.parameters("find").leftOutOrgans), sorted(ALL))
        self.assertTrue(all(item.checkState() == qt.Qt.Unchecked for item in self.organs().values()))
        self.assertIn("Check at least one organ", self.ui.applyButton.toolTip)
        self.organs()["Larynx"].setCheckState(qt.Qt.Checked)
        self.assertEqual(self.widget.sections["find"].organs(), ("Larynx",))
        self.click(self.ui.allOrgansButton)
        self.assertEqual(self.widget.sections["find"].organs(), ALL)
        self.assertTrue(self.ui.applyButton.enabled)

    def test_region_that_is_made_here_begins_around_the_ct(self):
        self.ui.roiSelector.addNode()
        roi = self.parameters("find").regionOfInterest
        found, expected = [0.0] * 6, [0.0] * 6
        roi.GetRASBounds(found)
        self.volume.GetRASBounds(expected)
        for a, b in zip(found, expected, strict=True):
            self.assertAlmostEqual(a, b, places=3)
        self.assertTrue(self.ui.applyButton.enabled)

    def test_region_becomes_six_numbers_in_lps(self):
        self.save(self.volume, "ct.nrrd")
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
        roi.SetCenter(10, 20, 30)
        roi.SetSize(4, 6, 8)
        self.selectNode(self.ui.roiSelector, roi)
        self.assertEqual(self.settings()["roi"], [-12.0, -8.0, -23.0, -17.0, 26.0, 34.0])

    def test_oblique_region_is_refused(self):
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Askew")
        roi.SetCenter(0, 0, 0)
        roi.SetSize(50, 50, 50)
        self.selectNode(self.ui.roiSelector, roi)
        self.assertTrue(self.ui.applyButton.enabled)
        turn = vtk.vtkTransform()
        turn.RotateZ(10)
        roi.ApplyTransform(turn)
        self.click(self.ui.applyButton)  # the page hears nothing of the turn, Apply looks again
        self.assertFalse(self.widget.panel.busy)
        self.assertIn("“Askew” is oblique", self.ui.statusLabel.text)
        self.widget.enter()
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("reset its rotation", self.ui.applyButton.toolTip)

    def test_quarter_turn_is_no_obliqueness(self):
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Turned")
        roi.SetCenter(0, 0, 0)
        roi.SetSize(50, 30, 20)
        turn = vtk.vtkTransform()
        turn.RotateZ(90)
        roi.ApplyTransform(turn)
        self.selectNode(self.ui.roiSelector, roi)
        self.assertTrue(self.ui.applyButton.enabled)

    def test_empty_region_is_refused(self):
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Nowhere")
        self.selectNode(self.ui.roiSelector, roi)
        self.assertIn("“Nowhere” is empty", self.ui.applyButton.toolTip)

    def test_region_of_a_transformed_ct_is_refused(self):
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
        roi.SetCenter(0, 0, 0)
        roi.SetSize(50, 50, 50)
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        self.volume.SetAndObserveTransformNodeID(transform.GetID())
        self.selectNode(self.ui.roiSelector, roi)
        self.assertIn("harden the transform first", self.ui.applyButton.toolTip)

    def test_device(self):
        self.save(self.volume, "ct.nrrd")
        self.assertEqual(self.ui.deviceSelector.currentText, "auto")
        for device in ("cpu", "cuda", "mps", "auto"):
            self.choose(self.ui.deviceSelector, device)
            self.assertEqual(self.parameters("find").device, device)
            self.assertEqual(self.settings()["device"], device)

    def test_estimate_follows_the_region(self):
        whole = self.ui.estimateLabel.text
        self.assertRegex(whole, r"about \d+ (s|min), \d+\.\d GB of memory")
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
        roi.SetCenter(0, 0, 0)
        roi.SetSize(60, 60, 60)
        self.selectNode(self.ui.roiSelector, roi)
        self.assertNotEqual(self.ui.estimateLabel.text, whole)
        self.choose(self.ui.ctSourceSelector, "Files on the disk")
        self.assertIn("known when a volume", self.ui.estimateLabel.text)

    def test_result_folder_and_replacing(self):
        self.save(self.volume, "ct.nrrd")
        self.ui.resultFolderEdit.currentPath = str(self.folder / "kept")
        self.assertEqual(self.settings()["output"], str(self.folder / "kept"))
        self.assertFalse(self.settings()["overwrite"])
        self.check(self.ui.replaceResultCheckBox, True)
        self.assertTrue(self.settings()["overwrite"])

    def test_every_control_has_a_tooltip(self):
        for name in ("ctSourceSelector", "ctVolumeSelector", "ctPathEdit", "modelSelector", "modelFolderEdit",
                     "organsList", "roiSelector", "deviceSelector", "resultFolderEdit", "outputSegmentationSelector",
                     "undoButton", "applyButton", "cancelButton", "copyPythonButton", "copyCommandButton",
                     "exportButton", "exportDatabaseCheckBox", "structuresPathEdit", "loadUndoButton"):  # fmt: skip
            self.assertTrue(getattr(self.ui, name).toolTip, name)


class TestSegmentCopy(SegmentCase):
    """The copy buttons without running what they give."""

    def test_a_volume_of_the_scene_must_be_saved_first(self):
        volume = self.addCt("Łódź µ")
        for button in (self.ui.copyPythonButton, self.ui.copyCommandButton):
            self.assertFalse(button.enabled)
            self.assertIn("“Łódź µ” exists only in the scene", button.toolTip)
            self.assertIn("save it to a file first", button.toolTip)
        path = self.save(volume, "Łódź µ.nrrd")
        self.widget.enter()
        self.click(self.ui.copyCommandButton)
        self.assertEqual(self.ui.statusLabel.text, "Copied as a command.")
        self.assertIn(str(path), slicer.app.clipboard().text())
        self.click(self.ui.copyPythonButton)
        self.assertEqual(self.ui.statusLabel.text, "Copied as Python.")
        self.assertIn("segment_run.Settings(", slicer.app.clipboard().text())

    def test_a_volume_that_was_changed_since(self):
        volume = self.addCt()
        self.save(volume, "ct.nrrd")
        self.widget.enter()
        self.assertTrue(self.ui.copyCommandButton.enabled)
        slicer.util.arrayFromVolume(volume)[0, 0, 0] = 77
        slicer.util.arrayFromVolumeModified(volume)
        self.widget.enter()
        self.assertFalse(self.ui.copyCommandButton.enabled)

    def test_nothing_is_written_for_copying(self):
        self.addCt()
        self.widget.enter()
        self.assertEqual(self.filesLeft(), [])


class TestSegmentPage(SegmentCase):
    """Functions, scene, fit."""

    def test_function_selector(self):
        self.assertTrue(self.isShown(self.ui.inputsCollapsibleButton))
        self.assertFalse(self.isShown(self.ui.loadInputsCollapsibleButton))
        self.choose(self.ui.functionSelector, "Load structures from a file")
        self.assertFalse(self.isShown(self.ui.inputsCollapsibleButton))
        self.assertTrue(self.isShown(self.ui.loadInputsCollapsibleButton))
        self.assertTrue(self.isShown(self.ui.loadResultCollapsibleButton))
        self.assertIs(self.widget.currentSection, self.widget.sections["load"])
        self.assertIn("Choose a file with structures", self.ui.applyButton.toolTip)
        self.choose(self.ui.functionSelector, "Find structures on a CT")
        self.assertTrue(self.isShown(self.ui.resultCollapsibleButton))

    def test_settings_survive_saving_and_loading_the_scene(self):
        volume = self.addCt("Łódź µ")
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
        roi.SetCenter(0, 0, 0)
        roi.SetSize(60, 50, 40)
        self.selectNode(self.ui.roiSelector, roi)
        self.organs()["Mandible"].setCheckState(qt.Qt.Unchecked)
        self.choose(self.ui.deviceSelector, "cpu")
        self.ui.resultFolderEdit.currentPath = str(self.folder / "kept")
        self.check(self.ui.replaceResultCheckBox, True)
        self.choose(self.ui.functionSelector, "Load structures from a file")
        self.ui.structuresPathEdit.currentPath = str(self.folder / "a.dcm")
        self.assertTrue(slicer.util.saveScene(str(self.folder / "scene.mrb")))
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.parameters("find").device, "auto")
        self.assertEqual(self.ui.deviceSelector.currentText, "auto")
        slicer.util.loadScene(str(self.folder / "scene.mrb"))
        self.assertEqual(self.ui.functionSelector.currentText, "Load structures from a file")
        self.assertEqual(self.ui.structuresPathEdit.currentPath, str(self.folder / "a.dcm"))
        self.choose(self.ui.functionSelector, "Find structures on a CT")
        self.assertEqual(self.ui.ctVolumeSelector.currentNode().GetName(), volume.GetName())
        self.assertEqual(self.ui.roiSelector.currentNode().GetName(), "Box")
        self.assertEqual(self.organs()["Mandible"].checkState(), qt.Qt.Unchecked)
        self.assertEqual(self.ui.deviceSelector.currentText, "cpu")
        self.assertEqual(self.ui.resultFolderEdit.currentPath, str(self.folder / "kept"))
        self.assertTrue(self.ui.replaceResultCheckBox.checked)

    def test_closing_the_scene_clears_the_page(self):
        self.addCt()
        self.click(self.ui.noOrgansButton)
        slicer.mrmlScene.Clear(0)
        self.assertIsNone(self.ui.ctVolumeSelector.currentNode())
        self.assertFalse(self.ui.applyButton.enabled)
        self.addCt()
        self.assertTrue(self.ui.applyButton.enabled)

    def test_a_scene_without_settings_is_taken_as_it_comes(self):
        """Such as the scene.mrb of a result: its CT is chosen."""
        from Dose3DLib.geometry.grid import Volume
        from Dose3DLib.scene.mrb import ScenePatient, write_scene

        ct = Volume(np.zeros(GRID.shape, np.int16), GRID)
        write_scene(self.folder / "scene.mrb", ct, TWO, ScenePatient(series_description="From a result"))
        slicer.util.loadScene(str(self.folder / "scene.mrb"))
        self.assertEqual(self.ui.ctVolumeSelector.currentNode().GetName(), "From a result")

    def test_nothing_of_a_closed_scene_is_kept(self):
        for name in ("find", "load"):
            place = self.widget.sections[name].place
            place.put(TWO, "Organs", None)
            self.assertTrue(place.canUndo)
            slicer.mrmlScene.Clear(0)
            self.assertIsNone(place._before)

    def test_pages_observers_go_with_it(self):
        count = len(self.widget.Observations)
        for _ in range(3):
            self.widget.exit()
            self.widget.enter()
        self.assertEqual(len(self.widget.Observations), count)

    def test_width_fits_the_module_panel(self):
        self.addCt()
        for function in ("Find structures on a CT", "Load structures from a file"):
            self.choose(self.ui.functionSelector, function)
            self.assertLessEqual(self.ui.functionRow.parent().minimumSizeHint.width(), 500, function)

    def test_tab_walks_from_top_to_bottom(self):
        self.addCt()
        names = ("functionSelector", "ctSourceSelector", "modelSelector", "organsList", "allOrgansButton",
                 "noOrgansButton", "deviceSelector", "replaceResultCheckBox", "applyButton", "cancelButton",
                 "copyPythonButton", "copyCommandButton", "openReportButton", "undoButton")  # fmt: skip
        order, widget = [], self.ui.functionSelector
        for _ in range(400):
            order.append(widget.name)
            widget = widget.nextInFocusChain()
            if widget is self.ui.functionSelector:
                break
        places = [order.index(name) for name in names]
        self.assertEqual(places, sorted(places), order)
