"""Module Dose3D, function "DVH": figures that follow from a straight line, goals, curves in a plot."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import slicer

from gui_case import GuiCase  # isort: skip (first: inside Slicer it makes the next ones known)
from builders.slope_builder import box_structures, slope_dose
from Dose3DLib.geometry.segnrrd import write_seg_nrrd
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.scene.nodes import add_segmentation, scalar_volume


class TestDvhPage(GuiCase):
    moduleName = "Dose3D"

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="Dose3D-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.choose(self.ui.functionSelector, "DVH")

    def figures(self):
        return self.widget.sections["dvh"].currentParameters().dvhTable

    def column(self, title: str) -> np.ndarray:
        return slicer.util.arrayFromTableColumn(self.figures(), title)

    def useScene(self) -> None:
        self.selectNode(self.ui.dvhDoseVolumeSelector, scalar_volume(slicer.mrmlScene, slope_dose(), "Slope"))
        organs = add_segmentation(slicer.mrmlScene, box_structures(), "Organs", None)
        self.selectNode(self.ui.dvhStructuresNodeSelector, organs)

    def useFiles(self) -> None:
        write_volume(slope_dose(), self.folder / "dose.nrrd")
        write_seg_nrrd(box_structures(), self.folder / "organs.seg.nrrd")
        self.choose(self.ui.dvhDoseSourceSelector, "File on the disk")
        self.ui.dvhDosePathEdit.currentPath = str(self.folder / "dose.nrrd")
        self.choose(self.ui.dvhStructuresSourceSelector, "Files on the disk")
        self.ui.dvhStructuresPathEdit.currentPath = str(self.folder / "organs.seg.nrrd")

    def test_what_is_missing_is_said(self):
        self.assertIn("Select the dose volume", self.ui.applyButton.toolTip)
        dose = scalar_volume(slicer.mrmlScene, slope_dose(), "Slope")
        self.selectNode(self.ui.dvhDoseVolumeSelector, dose)
        self.assertIn("Select the segmentation", self.ui.applyButton.toolTip)
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Empty")
        self.selectNode(self.ui.dvhStructuresNodeSelector, empty)
        self.assertIn("has no segments", self.ui.applyButton.toolTip)
        self.useFiles()
        self.assertTrue(self.ui.applyButton.enabled)
        self.ui.dvhStructuresPathEdit.currentPath = str(self.folder / "none.seg.nrrd")
        self.assertIn("does not exist", self.ui.applyButton.toolTip)
        self.ui.dvhStructuresPathEdit.currentPath = str(self.folder / "organs.seg.nrrd")
        self.ui.dvhSamplesEdit.currentPath = str(self.folder / "none")
        self.assertIn("is no folder", self.ui.applyButton.toolTip)

    def test_rows_follow_the_choices(self):
        self.assertTrue(self.isShown(self.ui.dvhStructuresNodeSelector))
        self.choose(self.ui.dvhStructuresSourceSelector, "Files on the disk")
        self.assertFalse(self.isShown(self.ui.dvhStructuresNodeSelector))
        self.assertTrue(self.isShown(self.ui.dvhStructuresPathEdit))
        self.assertFalse(self.isShown(self.ui.dvhGoalsPathEdit))
        self.choose(self.ui.dvhGoalsSelector, "file")
        self.assertTrue(self.isShown(self.ui.dvhGoalsPathEdit))

    def test_figures_of_a_straight_line(self):
        self.useScene()
        self.type(self.ui.dvhMetricsEdit, "Mean[Gy] D50%[Gy] Max[Gy] V20Gy[%]")
        self.assertIn("Done", self.runJob())
        names = [self.figures().GetTable().GetValue(row, 0).ToString() for row in range(2)]
        self.assertEqual(names, ["PTV", "Body"])
        np.testing.assert_allclose(self.column("volume (cc)"), [4.8**3, 7.2**3], rtol=1e-6)
        np.testing.assert_allclose(self.column("Mean[Gy]"), [20, 20], atol=0.01)
        np.testing.assert_allclose(self.column("D50%[Gy]"), [20, 20], atol=0.11)
        np.testing.assert_allclose(self.column("Max[Gy]"), [22.4, 23.6], atol=0.11)  # half a voxel
        np.testing.assert_allclose(self.column("V20Gy[%]"), [50, 50], atol=0.6)
        self.assertIs(self.ui.dvhTableView.mrmlTableNode(), self.figures())
        self.assertEqual(self.figures().GetAttribute("Dose3D.Task"), "dose dvh")
        self.assertTrue(self.panel.report.is_file())

    def test_curves_are_a_plot_in_the_structures_colours(self):
        self.useScene()
        self.assertFalse(self.ui.dvhPlotButton.enabled)
        self.runJob()
        self.click(self.ui.dvhPlotButton)
        chart = self.figures().GetNodeReference("dose3dChart")
        series = [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
        self.assertEqual([one.GetName() for one in series], ["PTV", "Body"])
        self.assertEqual(chart.GetXAxisTitle(), "Dose (Gy)")
        colors = [tuple(np.round(np.array(one.GetColor()) * 255)) for one in series]
        self.assertEqual(colors, [tuple(map(float, structure.color)) for structure in box_structures()])
        table = series[0].GetTableNode()
        doses, volumes = (slicer.util.arrayFromTableColumn(table, name) for name in ("Dose (Gy)", "PTV"))
        expected = np.clip((22.4 - doses) / 4.8, 0, 1) * 100
        np.testing.assert_allclose(volumes, expected, atol=2.2)  # a voxel is 1 of 24
        self.screenshotOfResult("dvh", "dvh")

    def test_a_second_dose_is_dashed(self):
        self.useScene()
        second = scalar_volume(slicer.mrmlScene, slope_dose(22.0), "Other")
        self.selectNode(self.ui.dvhReferenceVolumeSelector, second)
        self.assertIn("Done", self.runJob())
        chart = self.figures().GetNodeReference("dose3dChart")
        series = {chart.GetNthPlotSeriesNode(n).GetName(): chart.GetNthPlotSeriesNode(n) for n in range(4)}
        other = series["PTV, second dose"]
        self.assertEqual(other.GetLineStyle(), other.LineStyleDash)
        self.assertEqual(series["PTV"].GetLineStyle(), other.LineStyleSolid)

    def test_possible_doses_become_bands(self):
        self.useFiles()
        (self.folder / "samples").mkdir()
        for number, middle in enumerate((19.0, 20.0, 21.0)):
            write_volume(slope_dose(middle), self.folder / "samples" / f"{number}.nrrd")
        self.ui.dvhSamplesEdit.currentPath = str(self.folder / "samples")
        self.assertIn("Done", self.runJob())
        chart = self.figures().GetNodeReference("dose3dChart")
        self.assertEqual(chart.GetNumberOfPlotSeriesNodes(), 6)

    def test_goals_are_listed_with_their_states(self):
        self.useFiles()
        goals = ("PTV,Mean[Gy],>= 19,,,", "Body,Max[Gy],<= 15,,,", "Eye,Max[Gy],<= 9,,,")
        text = "\n".join(["structure,metric,limit,near,source,note", *goals])
        (self.folder / "goals.csv").write_text(text)
        self.choose(self.ui.dvhGoalsSelector, "file")
        self.assertIn("Choose the CSV file", self.ui.applyButton.toolTip)
        self.ui.dvhGoalsPathEdit.currentPath = str(self.folder / "goals.csv")
        self.assertIn("Done", self.runJob())
        table = self.ui.dvhGoalsTable
        rows = [[table.item(row, column).text() for column in (0, 3)] for row in range(table.rowCount)]
        self.assertEqual(rows, [["PTV", "pass"], ["Body", "fail"], ["Eye", "absent"]])
        self.screenshotOfResult("dvh", "dvh_goals")

    def test_a_protocol_reaches_the_task(self):
        self.useFiles()
        self.choose(self.ui.dvhGoalsSelector, "quantec")
        self.ui.dvhPrescriptionSpinBox.value = 20
        self.type(self.ui.dvhOnlyEdit, "PTV")
        self.choose(self.ui.dvhEndsSelector, "none")
        self.check(self.ui.dvhLenientCheckBox, True)
        self.ui.dvhFolderEdit.currentPath = str(self.folder / "kept")
        self.check(self.ui.dvhReplaceCheckBox, True)
        self.click(self.ui.copyCommandButton)
        text = slicer.app.clipboard().text()
        for words in (
            "dose3d dose dvh", "--goals quantec", "--prescription 20.0", "--only PTV", "--ends none", "--lenient",
            "--overwrite",
        ):  # fmt: skip
            self.assertIn(words, text)

    def test_results_are_kept_where_wanted(self):
        self.useFiles()
        self.ui.dvhFolderEdit.currentPath = str(self.folder / "kept")
        self.assertIn("Done", self.runJob())
        self.assertTrue((self.folder / "kept" / "dvh.csv").is_file())
        self.assertIn("exists already", self.runJob())

    def test_again_and_remove_leave_nothing_behind(self):
        self.useScene()
        before = slicer.mrmlScene.GetNumberOfNodes()
        self.runJob()
        after = slicer.mrmlScene.GetNumberOfNodes()
        self.runJob()
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), after)
        self.click(self.ui.dvhRemoveButton)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)
        self.assertFalse(self.isShown(self.ui.dvhTableView))
        self.assertIn("No DVH was made yet", self.ui.dvhPlotButton.toolTip)

    def test_a_removed_plot_is_said(self):
        self.useScene()
        self.runJob()
        slicer.mrmlScene.RemoveNode(self.figures().GetNodeReference("dose3dChart"))
        self.click(self.ui.dvhPlotButton)
        self.assertIn("make it anew", self.ui.statusLabel.text)

    def test_settings_and_figures_are_saved_with_the_scene(self):
        self.useFiles()
        self.ui.dvhPrescriptionSpinBox.value = 20
        self.runJob()
        path = self.folder / "saved.mrb"
        self.assertTrue(slicer.util.saveScene(str(path)))
        slicer.mrmlScene.Clear(0)
        self.assertFalse(self.isShown(self.ui.dvhTableView))
        slicer.util.loadScene(str(path))
        self.assertEqual(self.ui.dvhPrescriptionSpinBox.value, 20)
        np.testing.assert_allclose(self.column("volume (cc)"), [4.8**3, 7.2**3], rtol=1e-4)
        self.click(self.ui.dvhPlotButton)

    def test_no_structure_of_that_name_is_one_line(self):
        self.useFiles()
        self.type(self.ui.dvhOnlyEdit, "PVT")
        self.assertIn('did you mean "PTV"', self.runJob())
        self.assertIsNone(self.figures())
