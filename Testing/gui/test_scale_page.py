"""Module Dose3D, function "Cells to patient": a dose that cells measured comes back, with its doubt, into the views."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import slicer

from gui_case import GuiCase  # isort: skip (first: inside Slicer it makes the next ones known)
from builders.cells_builder import GRID, ball_dose, lattice_cells
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.layout_csv import write_layout
from Dose3DLib.detector.readings import Readings
from Dose3DLib.detector.readings_csv import read_readings, write_readings
from Dose3DLib.dose.cell_operator import cell_operator
from Dose3DLib.geometry.grid import Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.scene.nodes import add_segmentation, scalar_volume


class ScaleCase(GuiCase):
    moduleName = "Dose3D"

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="Dose3D-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.choose(self.ui.functionSelector, "Cells to patient")
        self.dose, self.body, self.target = ball_dose()

    def parameters(self):
        return self.widget.sections["scale"].currentParameters()

    def measure(self, name: str = "cells.csv", shift_mm=(0.0, 0.0, 0.0)) -> Path:
        """What cells of 10 mm see of the dose, as a file."""
        operator = cell_operator(lattice_cells(shift_mm=shift_mm), GRID)
        values = operator.apply(self.dose)
        sd = np.full(len(values), np.nan)
        write_readings(Readings(operator.cells, values, operator.fraction, sd), self.folder / name)
        return self.folder / name

    def add(self, path: Path) -> None:
        self.ui.scaleMeasuredPathEdit.currentPath = str(path)
        self.click(self.ui.scaleMeasuredAddButton)

    def addCt(self):
        """Water in the body, air around."""
        array = np.where(self.body, 0, -1000).astype(np.int16)
        node = scalar_volume(slicer.mrmlScene, Volume(array, GRID), "CT")
        node.CreateDefaultDisplayNodes()  # a slice view would make them
        return node

    def fill(self) -> object:
        ct = self.addCt()
        self.add(self.measure())
        self.selectNode(self.ui.scaleGridVolumeSelector, ct)
        self.choose(self.ui.scaleMethodSelector, "linear")
        return ct

    def layers(self):
        """The red slice view's layers; made where there is no window and so no view."""
        node = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceCompositeNode")
        if node is None:
            made = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSliceCompositeNode")
            made.UnRegister(None)
            made.SetSingletonTag("Red")
            made.SetLayoutName("Red")
            node = slicer.mrmlScene.AddNode(made)
        return node

    def command(self) -> str:
        self.click(self.ui.copyCommandButton)
        return slicer.app.clipboard().text()


class TestScaleInput(ScaleCase):
    def test_what_is_missing_is_said(self):
        self.assertIn("Add at least one file of measured cells", self.ui.applyButton.toolTip)
        self.add(self.measure())
        self.assertIn("Select the CT volume", self.ui.applyButton.toolTip)
        self.selectNode(self.ui.scaleGridVolumeSelector, self.addCt())
        self.assertTrue(self.ui.applyButton.enabled)
        self.ui.scaleLayoutEdit.currentPath = str(self.folder / "none.csv")
        self.assertIn("choose another layout", self.ui.applyButton.toolTip)
        self.ui.scaleLayoutEdit.currentPath = ""
        self.choose(self.ui.scalePlanSourceSelector, "File on the disk")
        self.ui.scalePlanPathEdit.currentPath = str(self.folder / "plan.nrrd")
        self.assertIn("is no file", self.ui.applyButton.toolTip)

    def test_files_go_into_the_list_and_out_of_it(self):
        self.add(self.measure())
        self.add(self.measure("shifted.csv", (6.0, 6.0, 6.0)))
        self.assertEqual([Path(path).name for path in self.parameters().scaleMeasured], ["cells.csv", "shifted.csv"])
        self.ui.scaleMeasuredList.setCurrentRow(0)
        self.click(self.ui.scaleMeasuredRemoveButton)
        self.assertEqual([Path(path).name for path in self.parameters().scaleMeasured], ["shifted.csv"])

    def test_the_last_measured_cells_of_the_scene_are_offered(self):
        from Dose3DGui.cells_display import showReadings

        path = self.measure()
        showReadings(read_readings(path), path, {}, {})
        self.widget.chooseDefaults()
        self.assertEqual(self.parameters().scaleMeasured, [str(path)])

    def test_rows_follow_plan_and_structures(self):
        self.assertFalse(self.isShown(self.ui.scaleDetectorPlanSourceSelector))
        self.assertFalse(self.isShown(self.ui.scaleCtSourceSelector))
        plan = scalar_volume(slicer.mrmlScene, Volume(self.dose.astype(np.float32), GRID), "Plan")
        self.selectNode(self.ui.scalePlanVolumeSelector, plan)
        self.assertTrue(self.isShown(self.ui.scaleDetectorPlanSourceSelector))
        self.assertFalse(self.isShown(self.ui.scaleCarrySelector))
        self.selectNode(self.ui.scaleDetectorPlanVolumeSelector, plan)
        self.assertTrue(self.isShown(self.ui.scaleCarrySelector))
        structures = StructureSet(GRID, (Structure("Body", Mask.from_array(self.body, GRID)),))
        node = add_segmentation(slicer.mrmlScene, structures, "Organs", None)
        self.widget.handOn(node)
        self.assertIs(self.ui.scaleStructuresNodeSelector.currentNode(), node)
        self.assertTrue(self.isShown(self.ui.scaleCtSourceSelector))

    def test_the_copied_call_has_every_setting(self):
        for name in ("grid", "plan", "recomputed"):
            write_volume(Volume(self.dose.astype(np.float32), GRID), self.folder / f"{name}.nrrd")
        self.add(self.measure())
        write_layout(Layout(lattice_cells()), self.folder / "layout.csv")
        self.ui.scaleLayoutEdit.currentPath = str(self.folder / "layout.csv")
        for prefix, kind, name in (
            ("Grid", "Files", "grid"), ("Plan", "File", "plan"), ("DetectorPlan", "File", "recomputed"),
        ):  # fmt: skip
            self.choose(getattr(self.ui, f"scale{prefix}SourceSelector"), f"{kind} on the disk")
            getattr(self.ui, f"scale{prefix}PathEdit").currentPath = str(self.folder / f"{name}.nrrd")
        self.choose(self.ui.scaleCarrySelector, "ratio")
        self.choose(self.ui.scaleMethodSelector, "kriging")
        self.type(self.ui.scaleBodyEdit, "none")
        self.ui.scaleNoiseSpinBox.value = 2.5
        self.assertFalse(self.ui.scaleSeedSpinBox.enabled)
        self.ui.scaleSamplesSpinBox.value = 4
        self.ui.scaleSeedSpinBox.value = 9
        self.ui.scaleOutputEdit.currentPath = str(self.folder / "out.nrrd")
        self.ui.scaleReportEdit.currentPath = str(self.folder / "report")
        self.check(self.ui.scaleReplaceCheckBox, True)
        text = self.command()
        for words in (
            "dose3d dose scale", f"{self.folder / 'cells.csv'}:{self.folder / 'layout.csv'}", "--carry ratio",
            "--method kriging", "--body none", "--noise 2.5", "--samples 4", "--seed 9", "--overwrite",
            f"--report {self.folder / 'report'}", "--plan-in-detector",
        ):  # fmt: skip
            self.assertIn(words, text)

    def test_a_broken_file_is_one_line(self):
        self.fill()
        (self.folder / "cells.csv").write_text("no table")
        self.assertIn("cells.csv", self.runJob())
        self.assertIsNone(self.parameters().scaleShown)


class TestScaleResult(ScaleCase):
    def test_the_dose_comes_back_over_the_ct(self):
        layers = self.layers()
        ct = self.fill()
        self.assertIn("Done", self.runJob())
        node = self.parameters().scaleShown
        found = slicer.util.arrayFromVolume(node)
        measured = read_readings(self.folder / "cells.csv")
        means = cell_operator(measured.cells, GRID).apply(found.astype(np.float64))
        self.assertLess(np.sqrt(np.nanmean((means - measured.dose_gy) ** 2)), 0.05 * np.nanmax(measured.dose_gy))
        self.assertTrue(self.target[np.unravel_index(found.argmax(), found.shape)])
        self.assertEqual(found.shape, GRID.shape)
        self.assertEqual(node.GetVoxelValueUnits().GetCodeValue(), "Gy")
        self.assertEqual(node.GetAttribute("Dose3D.Task"), "dose scale")
        self.assertEqual(layers.GetBackgroundVolumeID(), ct.GetID())
        self.assertEqual(layers.GetForegroundVolumeID(), node.GetID())
        self.assertTrue(self.panel.report.is_file())
        table = self.ui.scaleTable
        self.assertIn("cells", [table.item(row, 0).text() for row in range(table.rowCount)])
        self.screenshotOfResult("scale", "scale")
        self._uncertainty(node, layers)
        self._otherFunction(node)

    def _uncertainty(self, node, layers) -> None:
        self.check(self.ui.scaleUncertaintyCheckBox, True)
        halfWidth = node.GetNodeReference("dose3dHalfWidth")
        self.assertEqual(layers.GetForegroundVolumeID(), halfWidth.GetID())
        self.assertGreater(np.nanmax(slicer.util.arrayFromVolume(halfWidth)), 0)
        self.screenshot("scale_uncertainty")
        self.check(self.ui.scaleUncertaintyCheckBox, False)
        self.ui.scaleOpacitySlider.value = 0.8
        self.assertAlmostEqual(layers.GetForegroundOpacity(), 0.8)
        isodoses = [node.GetNthNodeReference("dose3dIsodose", n) for n in range(3)]
        self.check(self.ui.scaleIsodosesCheckBox, False)
        self.assertFalse(any(one.GetDisplayNode().GetVisibility() for one in isodoses))

    def _otherFunction(self, node) -> None:
        """ "Show a dose" has numbers of it, too."""
        self.choose(self.ui.functionSelector, "Show a dose")
        self.selectNode(self.ui.shownDoseSelector, node)
        self.assertIn("Highest dose", self.ui.doseSummaryLabel.text)

    def test_again_replaces_and_remove_leaves_nothing(self):
        self.fill()
        before = slicer.mrmlScene.GetNumberOfNodes()
        self.assertIn("No dose was found yet", self.ui.scaleRemoveButton.toolTip)
        self.runJob()
        after = slicer.mrmlScene.GetNumberOfNodes()
        self.ui.scaleReportEdit.currentPath = str(self.folder / "report")
        self.ui.scaleOutputEdit.currentPath = str(self.folder / "dose.nrrd")
        self.runJob()
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), after)
        self.assertTrue((self.folder / "report" / "report.html").is_file())
        self.assertIn("exists already", self.runJob())
        self.click(self.ui.scaleRemoveButton)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)

    def test_settings_and_dose_are_saved_with_the_scene(self):
        self.fill()
        self.runJob()
        path = self.folder / "saved.mrb"
        self.assertTrue(slicer.util.saveScene(str(path)))
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.ui.scaleTable.rowCount, 0)
        slicer.util.loadScene(str(path))
        self.assertEqual(self.ui.scaleMethodSelector.currentText, "linear")
        self.assertEqual(self.ui.scaleMeasuredList.count, 1)
        self.assertGreater(self.ui.scaleTable.rowCount, 3)
        self.check(self.ui.scaleUncertaintyCheckBox, True)
