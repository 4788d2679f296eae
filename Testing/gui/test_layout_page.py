"""Module Dose3D Segment, function "Detector layout": published, regular, filled and read ones, and where they stand."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import slicer

from gui_case import GuiCase  # isort: skip (first: inside Slicer it makes the next ones known)
from builders.detector_builder import small_layout
from builders.slope_builder import TARGET_MM, box_structures
from Dose3DLib.detector.layout_csv import read_layout, write_layout
from Dose3DLib.scene.detector_nodes import cell_values, columns_of
from Dose3DLib.scene.nodes import add_segmentation


class LayoutCase(GuiCase):
    moduleName = "Dose3DSegment"

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="Dose3D-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.choose(self.ui.functionSelector, "Detector layout")
        self.ui.layoutOutputEdit.currentPath = str(self.folder / "layout.csv")

    def parameters(self):
        return self.widget.sections["layout"].currentParameters()

    def made(self):
        """The layout that was written."""
        return read_layout(self.folder / "layout.csv")

    def make(self) -> str:
        status = self.runJob()
        self.assertIn("Done", status)
        return status


class TestLayoutPage(LayoutCase):
    def test_rows_follow_the_source(self):
        rows = {
            "Published layout": ("layoutPresetSelector", "layoutPresetText"),
            "Regular lattice": ("layoutCountEdit", "layoutPitchEdit", "layoutRowShiftSpinBox", "layoutGapEdit"),
            "Fill structures": ("layoutFillEdit", "layoutThresholdSpinBox", "layoutColumnsSelector", "layoutPhaseEdit"),
            "Layout file": ("layoutFileEdit",),
        }
        every = {name for names in rows.values() for name in names}
        for source, names in rows.items():
            self.choose(self.ui.layoutSourceSelector, source)
            shown = {name for name in every if self.isShown(getattr(self.ui, name))}
            self.assertLessEqual(set(names), shown)
            self.assertEqual(self.isShown(self.ui.layoutFileEdit), source == "Layout file")
            self.assertEqual(self.isShown(self.ui.layoutPresetSelector), source == "Published layout")
            self.assertEqual(self.isShown(self.ui.layoutCenteredCheckBox), source != "Fill structures")

    def test_what_is_missing_is_said(self):
        self.assertTrue(self.ui.applyButton.enabled)
        self.choose(self.ui.layoutSourceSelector, "Layout file")
        self.assertIn("Choose the file of a layout", self.ui.applyButton.toolTip)
        self.ui.layoutFileEdit.currentPath = str(self.folder / "none.csv")
        self.assertIn("is no file", self.ui.applyButton.toolTip)
        self.choose(self.ui.layoutSourceSelector, "Fill structures")
        self.assertIn("Choose the structures", self.ui.applyButton.toolTip)
        self.choose(self.ui.layoutSourceSelector, "Regular lattice")
        self.type(self.ui.layoutCountEdit, "")
        self.assertIn("Write how many cells", self.ui.applyButton.toolTip)
        self.type(self.ui.layoutCountEdit, "4 4")
        self.assertIn("Cells along x y z: write 1 or 3 numbers, not 2", self.ui.applyButton.toolTip)
        self.type(self.ui.layoutCountEdit, "4 4 4")
        self.type(self.ui.layoutIsocenterEdit, "there")
        self.assertIn("Isocentre: write numbers", self.ui.applyButton.toolTip)
        self.type(self.ui.layoutIsocenterEdit, "")
        self.ui.layoutPlanEdit.currentPath = str(self.folder / "plan.dcm")
        self.assertIn("choose another plan", self.ui.applyButton.toolTip)
        self.ui.layoutPlanEdit.currentPath = ""
        self.ui.layoutOutputEdit.currentPath = ""
        self.assertIn("Choose a .csv file", self.ui.applyButton.toolTip)

    def test_a_published_layout(self):
        self.choose(self.ui.layoutPresetSelector, "2x2x8_tower")
        self.assertEqual(self.ui.layoutPresetText.text, "Tower of 8 squares")
        self.type(self.ui.layoutIsocenterEdit, "10 20 30")
        self.make()
        node = self.parameters().layoutShown
        self.assertEqual(len(cell_values(node, "layer")), 32)
        self.assertEqual(node.GetAttribute("Dose3D.Task"), "detector layout")
        np.testing.assert_allclose(self.made().placement.isocenter_mm, [10, 20, 30])
        self.assertIn("32", self.ui.layoutTable.item(0, 1).text())
        self.screenshot("layout_preset")

    def test_a_regular_lattice(self):
        self.choose(self.ui.layoutSourceSelector, "Regular lattice")
        self.type(self.ui.layoutCountEdit, "3 2 4")
        self.type(self.ui.layoutSizeEdit, "8")
        self.type(self.ui.layoutWallEdit, "0.5")
        self.type(self.ui.layoutPitchEdit, "10 12 14")
        self.ui.layoutLayerShiftSpinBox.value = 5
        self.make()
        layout = self.made()
        points = np.round(layout.detector_centers_mm(), 6)
        self.assertEqual(len(points), 24)
        self.assertEqual([len(np.unique(points[:, axis])) for axis in range(3)], [6, 2, 4])
        self.assertEqual(np.diff(np.unique(points[:, 2])).tolist(), [14, 14, 14])
        self.assertTrue((layout.cells.sizes_mm == 8).all())
        self.assertEqual(layout.wall_mm, 0.5)

    def test_structures_of_the_scene_are_filled(self):
        node = add_segmentation(slicer.mrmlScene, box_structures(), "Organs", None)
        self.choose(self.ui.layoutSourceSelector, "Fill structures")
        self.selectNode(self.ui.layoutStructuresNodeSelector, node)
        self.type(self.ui.layoutFillEdit, "PTV")
        self.type(self.ui.layoutPhaseEdit, "6 6 6")
        self.type(self.ui.layoutIsocenterEdit, "0 0 0")
        self.make()
        layout = self.made()
        self.assertEqual(len(layout), 64)  # 48 mm each way in steps of 12
        self.assertLess(np.abs(layout.cells.centers_mm).max(), TARGET_MM / 2)
        columns = columns_of(self.parameters().layoutShown)
        self.assertIn("share in PTV", columns)
        np.testing.assert_allclose(cell_values(self.parameters().layoutShown, "share in PTV"), 1, atol=1e-4)
        self.choose(self.ui.layoutCellsSelector, "layer")
        self.screenshotOfResult("layout", "layout_filled")

    def test_rules_of_filling(self):
        node = add_segmentation(slicer.mrmlScene, box_structures(), "Organs", None)
        self.choose(self.ui.layoutSourceSelector, "Fill structures")
        self.selectNode(self.ui.layoutStructuresNodeSelector, node)
        self.type(self.ui.layoutFillEdit, "Body; PTV")
        self.ui.layoutMostSpinBox.value = 30
        self.ui.layoutMinimumSpinBox.value = 2
        self.ui.layoutThresholdSpinBox.value = 80
        self.make()
        self.assertEqual(len(self.made()), 30)

    def test_a_layout_file_is_put_elsewhere(self):
        write_layout(small_layout(), self.folder / "in.csv")
        self.choose(self.ui.layoutSourceSelector, "Layout file")
        self.ui.layoutFileEdit.currentPath = str(self.folder / "in.csv")
        self.type(self.ui.layoutIsocenterEdit, "1 2 3")
        self.make()
        moved = self.made().cells.centers_mm - small_layout().cells.centers_mm
        np.testing.assert_allclose(moved, np.tile([1 - 12.5, 2 + 40.25, 3 - 301.0], (11, 1)), atol=1e-9)

    def test_position_axes_and_turn_reach_the_task(self):
        self.choose(self.ui.layoutFrameSelector, "lps")
        self.choose(self.ui.layoutPositionSelector, "HFP")
        self.assertFalse(self.ui.layoutTurnAxisSelector.enabled)
        self.ui.layoutAngleSpinBox.value = 30
        self.choose(self.ui.layoutTurnAxisSelector, "z")
        self.check(self.ui.layoutCenteredCheckBox, True)
        self.check(self.ui.layoutReplaceCheckBox, True)
        self.ui.layoutReportEdit.currentPath = str(self.folder / "report")
        self.click(self.ui.copyCommandButton)
        text = slicer.app.clipboard().text()
        for words in (
            "--frame lps", "--patient-position HFP", "--angle 30.0", "--turn-axis z", "--centered", "--overwrite",
            f"--report-output {self.folder / 'report'}",
        ):  # fmt: skip
            self.assertIn(words, text)

    def test_the_copied_call_of_a_filled_one(self):
        self.choose(self.ui.layoutSourceSelector, "Fill structures")
        self.choose(self.ui.layoutStructuresSourceSelector, "Files on the disk")
        self.ui.layoutStructuresPathEdit.currentPath = str(self.folder)
        self.type(self.ui.layoutFillEdit, "PTV 70; PTV_56")
        self.choose(self.ui.layoutColumnsSelector, "y")
        self.type(self.ui.layoutGapEveryEdit, "4 0 4")
        self.type(self.ui.layoutGapEdit, "5 0 5")
        self.ui.layoutRowShiftSpinBox.value = -6
        self.click(self.ui.copyCommandButton)
        text = slicer.app.clipboard().text()
        for words in ("--columns y", "--gap-every 4.0 0.0 4.0", "--gap 5.0 0.0 5.0", "--row-shift"):
            self.assertIn(words, text)
        self.assertIn("PTV 70", text)
        self.assertNotIn("--preset", text)

    def test_again_replaces_file_and_cells_when_asked(self):
        self.make()
        self.assertIn("exists already", self.runJob())
        self.check(self.ui.layoutReplaceCheckBox, True)
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        self.make()
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), nodes)
        self.click(self.ui.layoutRemoveButton)
        self.assertIsNone(self.widget.sections["layout"].cells.node)

    def test_found_structures_are_offered(self):
        node = add_segmentation(slicer.mrmlScene, box_structures(), "Organs", None)
        self.widget.handOn(node)
        self.assertIs(self.ui.layoutStructuresNodeSelector.currentNode(), node)

    def test_settings_are_saved_with_the_scene(self):
        self.choose(self.ui.layoutSourceSelector, "Regular lattice")
        self.type(self.ui.layoutCountEdit, "2 2 2")
        self.make()
        path = self.folder / "saved.mrb"
        self.assertTrue(slicer.util.saveScene(str(path)))
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.ui.layoutTable.rowCount, 0)
        slicer.util.loadScene(str(path))
        self.assertEqual(self.ui.layoutSourceSelector.currentText, "Regular lattice")
        self.assertEqual(self.ui.layoutCountEdit.text, "2 2 2")
        self.assertEqual(len(cell_values(self.parameters().layoutShown, "layer")), 8)

    def test_an_impossible_lattice_is_one_line(self):
        self.choose(self.ui.layoutSourceSelector, "Regular lattice")
        self.type(self.ui.layoutPitchEdit, "5")
        self.assertIn("overlap", self.runJob())
        self.assertFalse((self.folder / "layout.csv").exists())
