"""Module Dose3D, function "Measure dose with a detector": real jobs on a dose whose cell means are known."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import slicer

from gui_case import GuiCase  # isort: skip (first: inside Slicer it makes the next ones known)
from builders.detector_builder import small_layout
from Dose3DLib.detector.layout_csv import write_layout
from Dose3DLib.detector.readings_csv import read_readings
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.scene.detector_nodes import cell_values, columns_of
from Dose3DLib.scene.nodes import scalar_volume

GRID = Grid.axial((40, 30, 50), (2.0, 3.0, 2.0), (-40.0, -80.0, 270.0))
DOSE, SHARE = "dose (Gy)", "share in the dose's grid"


def gradient_dose(gray_per_mm: float = 0.1) -> Volume:
    """0.1 Gy a millimetre towards L: the mean of a cell is the dose in its middle."""
    x = GRID.affine[0, 3] + GRID.affine[0, 0] * np.arange(GRID.shape[2])
    return Volume(np.broadcast_to(10 + gray_per_mm * x, GRID.shape).astype(np.float32), GRID)


class TestMeasurePage(GuiCase):
    moduleName = "Dose3D"

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="Dose3D-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.choose(self.ui.functionSelector, "Measure dose with a detector")

    def parameters(self):
        return self.widget.sections["measure"].currentParameters()

    def fill(self) -> None:
        """Dose, layout and output, as files."""
        write_volume(gradient_dose(), self.folder / "dose.nrrd")
        write_layout(small_layout(), self.folder / "layout.csv")
        self.choose(self.ui.measureDoseSourceSelector, "File on the disk")
        self.ui.measureDosePathEdit.currentPath = str(self.folder / "dose.nrrd")
        self.ui.measureLayoutEdit.currentPath = str(self.folder / "layout.csv")
        self.ui.measureOutputEdit.currentPath = str(self.folder / "cells.csv")

    def test_what_is_missing_is_said(self):
        self.assertIn("Select the dose volume", self.ui.applyButton.toolTip)
        self.fill()
        self.assertTrue(self.ui.applyButton.enabled)
        self.ui.measureLayoutEdit.currentPath = ""
        self.assertIn("Choose the file of the detector's layout", self.ui.applyButton.toolTip)
        self.ui.measureLayoutEdit.currentPath = str(self.folder / "none.csv")
        self.assertIn("is no file", self.ui.applyButton.toolTip)
        self.ui.measureLayoutEdit.currentPath = str(self.folder / "layout.csv")
        self.ui.measureOutputEdit.currentPath = ""
        self.assertIn("Choose a .csv file", self.ui.applyButton.toolTip)

    def test_isocentre_is_three_numbers(self):
        self.fill()
        for text, words in (("1 2", "write 3 numbers, not 2"), ("here", "write numbers")):
            self.type(self.ui.measureIsocenterEdit, text)
            self.assertIn(words, self.ui.applyButton.toolTip)
        self.type(self.ui.measureIsocenterEdit, "1,5 2 3")
        self.assertTrue(self.ui.applyButton.enabled)

    def test_the_ct_is_there_for_the_mean_over_mass(self):
        self.fill()
        self.assertFalse(self.isShown(self.ui.measureCtSourceSelector))
        self.choose(self.ui.measureWeightingSelector, "mass")
        self.assertTrue(self.isShown(self.ui.measureCtVolumeSelector))
        self.assertIn("needs densities", self.ui.applyButton.toolTip)
        self.choose(self.ui.measureCtSourceSelector, "Files on the disk")
        self.assertTrue(self.isShown(self.ui.measureCtPathEdit))
        self.choose(self.ui.measureWeightingSelector, "volume")
        self.assertTrue(self.ui.applyButton.enabled)

    def test_cells_of_known_means(self):
        self.fill()
        self.assertIn("Done", self.runJob())
        node = self.parameters().measureShown
        layout = small_layout()
        expected = 10 + 0.1 * layout.cells.centers_mm[:, 0]
        np.testing.assert_allclose(cell_values(node, DOSE), expected, rtol=1e-5)
        np.testing.assert_allclose(read_readings(self.folder / "cells.csv").dose_gy, expected, rtol=1e-6)
        self.assertEqual(node.GetAttribute("Dose3D.Task"), "detector measure")
        bounds = [0.0] * 6
        node.GetRASBounds(bounds)
        corners = layout.cells.corners_mm().reshape(-1, 3) * [-1, -1, 1]
        np.testing.assert_allclose(bounds[::2], corners.min(axis=0), atol=1e-3)
        np.testing.assert_allclose(bounds[1::2], corners.max(axis=0), atol=1e-3)
        middle = [(bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)]
        for camera in slicer.util.getNodesByClass("vtkMRMLCameraNode"):
            np.testing.assert_allclose(camera.GetFocalPoint(), middle, atol=1e-3)
        table = self.ui.measureTable
        self.assertEqual((table.item(0, 0).text(), table.item(0, 1).text()), ("cells", "11"))
        self.screenshotOfResult("measure", "measure")

    def test_a_dose_of_the_scene_is_found_and_a_cell_outside_is_unknown(self):
        self.fill()
        dose = gradient_dose()
        cut = Grid((40, 22, 50), GRID.affine)  # the last cell lies beyond
        node = scalar_volume(slicer.mrmlScene, Volume(dose.array[:, :22], cut), "Dose")
        self.choose(self.ui.measureDoseSourceSelector, "Volume of the scene")
        self.selectNode(self.ui.measureDoseVolumeSelector, node)
        self.assertIn("lie outside the dose's grid", self.runJob())
        values = cell_values(self.parameters().measureShown, DOSE)
        self.assertTrue(np.isnan(values[10]))
        self.assertTrue(np.isfinite(values[0]))

    def test_other_colours(self):
        self.fill()
        self.runJob()
        node = self.parameters().measureShown
        self.assertEqual(node.GetDisplayNode().GetActiveScalarName(), DOSE)
        self.assertEqual(columns_of(node), [DOSE, SHARE])
        self.choose(self.ui.measureCellsSelector, SHARE)
        self.assertEqual(node.GetDisplayNode().GetActiveScalarName(), SHARE)
        self.assertAlmostEqual(node.GetDisplayNode().GetScalarRange()[1], 1.0)

    def test_the_isocentre_moves_the_detector(self):
        self.fill()
        self.type(self.ui.measureIsocenterEdit, "10 -40.25 301")
        self.assertIn("Done", self.runJob())
        values = cell_values(self.parameters().measureShown, DOSE)
        expected = 10 + 0.1 * (small_layout().cells.centers_mm[:, 0] - 2.5)
        np.testing.assert_allclose(values, expected, rtol=1e-5)

    def test_added_error_has_a_seed(self):
        self.fill()
        self.assertFalse(self.ui.measureSeedSpinBox.enabled)
        self.ui.measureNoiseSpinBox.value = 2
        self.assertTrue(self.ui.measureSeedSpinBox.enabled)
        self.runJob()
        node = self.parameters().measureShown
        self.assertIn("standard deviation (Gy)", columns_of(node))
        self.assertFalse(np.allclose(cell_values(node, DOSE), 10 + 0.1 * small_layout().cells.centers_mm[:, 0]))

    def test_again_replaces_file_and_cells_when_asked(self):
        self.fill()
        self.runJob()
        self.assertIn("exists already", self.runJob())
        self.check(self.ui.measureReplaceCheckBox, True)
        nodes = slicer.mrmlScene.GetNumberOfNodes()
        self.assertIn("Done", self.runJob())
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), nodes)

    def test_remove_takes_the_cells_out_and_leaves_the_file(self):
        self.fill()
        before = slicer.mrmlScene.GetNumberOfNodes()
        self.runJob()
        self.click(self.ui.measureRemoveButton)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)
        self.assertFalse(self.ui.measureRemoveButton.enabled)
        self.assertTrue((self.folder / "cells.csv").is_file())

    def test_settings_and_cells_are_saved_with_the_scene(self):
        self.fill()
        self.choose(self.ui.measureModelSelector, "constant")
        self.runJob()
        self.choose(self.ui.measureCellsSelector, SHARE)
        path = self.folder / "saved.mrb"
        self.assertTrue(slicer.util.saveScene(str(path)))
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.ui.measureTable.rowCount, 0)
        slicer.util.loadScene(str(path))
        self.assertEqual(self.ui.measureModelSelector.currentText, "constant")
        self.assertEqual(self.ui.measureCellsSelector.currentText, SHARE)
        self.assertEqual(len(cell_values(self.parameters().measureShown, DOSE)), 11)

    def test_the_copied_call_has_every_setting(self):
        self.fill()
        self.type(self.ui.measureIsocenterEdit, "1 2 3")
        self.ui.measureNoiseSpinBox.value = 1.5
        self.ui.measureSeedSpinBox.value = 7
        self.check(self.ui.measureReplaceCheckBox, True)
        self.click(self.ui.copyCommandButton)
        text = slicer.app.clipboard().text()
        for words in ("dose3d detector measure", "--isocenter 1.0 2.0 3.0", "--noise 1.5", "--seed 7", "--overwrite"):
            self.assertIn(words, text)

    def test_cells_outside_the_dose_are_one_line(self):
        self.fill()
        self.type(self.ui.measureIsocenterEdit, "900 0 0")
        self.assertIn("lie outside the dose", self.runJob())
        self.assertIsNone(self.parameters().measureShown)
        self.assertFalse((self.folder / "cells.csv").exists())
