"""Module Dose3D, function "Compare doses": gamma of two straight lines, which is known, and the maps in the views."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
import slicer

from gui_case import GuiCase  # isort: skip (first: inside Slicer it makes the next ones known)
from builders.detector_builder import small_layout
from builders.slope_builder import box_structures, slope_dose
from Dose3DLib.detector.layout_csv import write_layout
from Dose3DLib.detector.placement import Placement
from Dose3DLib.geometry.segnrrd import write_seg_nrrd
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.scene.nodes import add_segmentation, scalar_volume

MORE_GY = 1.2
TOP_GY = 23.9
GAMMA = MORE_GY / math.hypot(0.03 * TOP_GY, 0.1 * 2)
"""Of parallel slopes of 0.1 Gy/mm by 3 %/2 mm: their distance over the length of the criteria's normal."""
ROWS = 4
"""Voxels from the ends of x, where the other slope is out of reach."""


class TestComparePage(GuiCase):
    moduleName = "Dose3D"

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="Dose3D-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.choose(self.ui.functionSelector, "Compare doses")

    def parameters(self):
        return self.widget.sections["compareDoses"].currentParameters()

    def useScene(self, more: float = MORE_GY):
        reference = scalar_volume(slicer.mrmlScene, slope_dose(), "Plan")
        evaluated = scalar_volume(slicer.mrmlScene, slope_dose(20 + more), "Measured")
        reference.CreateDefaultDisplayNodes()  # a slice view would make them
        self.selectNode(self.ui.gammaReferenceVolumeSelector, reference)
        self.selectNode(self.ui.gammaEvaluatedVolumeSelector, evaluated)
        return reference, evaluated

    def useFiles(self) -> None:
        for name, middle in (("Reference", 20.0), ("Evaluated", 20 + MORE_GY)):
            write_volume(slope_dose(middle), self.folder / f"{name}.nrrd")
            self.choose(getattr(self.ui, f"gamma{name}SourceSelector"), "File on the disk")
            getattr(self.ui, f"gamma{name}PathEdit").currentPath = str(self.folder / f"{name}.nrrd")

    def names(self) -> list[str]:
        nodes = (slicer.mrmlScene.GetNthNode(n) for n in range(slicer.mrmlScene.GetNumberOfNodes()))
        return sorted(f"{node.GetClassName()} {node.GetName()}" for node in nodes)

    def fact(self, name: str) -> str:
        table = self.ui.gammaTable
        found = {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount)}
        return next(value for key, value in found.items() if key.startswith(name))

    def test_what_is_missing_is_said(self):
        self.assertIn("Select the dose volume", self.ui.applyButton.toolTip)
        reference = scalar_volume(slicer.mrmlScene, slope_dose(), "Plan")
        self.selectNode(self.ui.gammaReferenceVolumeSelector, reference)
        self.assertIn("Select the dose that is evaluated", self.ui.applyButton.toolTip)
        self.selectNode(self.ui.gammaEvaluatedVolumeSelector, reference)
        self.assertIn("same volume", self.ui.applyButton.toolTip)
        self.useFiles()
        self.assertTrue(self.ui.applyButton.enabled)
        self.type(self.ui.gammaCriteriaEdit, "3 and 2")
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("3 and 2", self.ui.applyButton.toolTip)
        self.type(self.ui.gammaCriteriaEdit, "tg218")
        self.assertTrue(self.ui.applyButton.enabled)
        self.ui.gammaLayoutEdit.currentPath = str(self.folder / "none.csv")
        self.assertIn("choose another layout", self.ui.applyButton.toolTip)

    def test_gamma_of_parallel_slopes(self):
        self.useScene()
        self.assertIn("Done", self.runJob())
        node = self.parameters().gammaShown
        values = slicer.util.arrayFromVolume(node)[:, :, ROWS:-ROWS]
        np.testing.assert_allclose(values, GAMMA, rtol=0.005)
        self.assertEqual(node.GetName(), "Gamma 3 %/2 mm global")
        self.assertEqual(node.GetAttribute("Dose3D.Task"), "dose compare")
        self.assertIn("0.0 % of", self.fact("gamma"))
        self.assertTrue(self.panel.report.is_file())
        self.screenshotOfResult("gamma", "compare")

    def test_the_slices_show_gamma_or_the_difference_over_the_reference(self):
        layers = self.layers()
        reference, _evaluated = self.useScene(0.5)
        self.runJob()
        node = self.parameters().gammaShown
        self.assertEqual(layers.GetBackgroundVolumeID(), reference.GetID())
        self.assertEqual(layers.GetForegroundVolumeID(), node.GetID())
        self.check(self.ui.gammaDifferenceCheckBox, True)
        difference = node.GetNodeReference("dose3dDifference")
        self.assertEqual(layers.GetForegroundVolumeID(), difference.GetID())
        np.testing.assert_allclose(slicer.util.arrayFromVolume(difference), 0.5, atol=1e-5)
        self.ui.gammaOpacitySlider.value = 0.3
        self.assertAlmostEqual(layers.GetForegroundOpacity(), 0.3)
        self.assertIn("100.0 %", self.fact("gamma"))

    def test_the_ct_lies_beneath(self):
        layers = self.layers()
        ct = self.addPhantom()
        self.useScene(0.5)
        self.selectNode(self.ui.gammaCtVolumeSelector, ct)
        self.runJob()
        self.assertEqual(layers.GetBackgroundVolumeID(), ct.GetID())

    def test_structures_and_a_detector_have_figures(self):
        self.useScene(0.5)
        organs = add_segmentation(slicer.mrmlScene, box_structures(), "Organs", None)
        self.selectNode(self.ui.gammaStructuresNodeSelector, organs)
        self.type(self.ui.gammaOnlyEdit, "PTV")
        write_layout(small_layout(Placement(np.zeros(3))), self.folder / "layout.csv")
        self.ui.gammaLayoutEdit.currentPath = str(self.folder / "layout.csv")
        self.assertIn("Done", self.runJob())
        self.assertIn("voxels pass", self.fact("PTV"))
        self.assertIn("cells", self.fact("detector"))

    def test_maps_follow_the_transform_of_the_reference(self):
        reference, _evaluated = self.useScene()
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        reference.SetAndObserveTransformNodeID(transform.GetID())
        self.runJob()
        self.assertEqual(self.parameters().gammaShown.GetTransformNodeID(), transform.GetID())

    def test_again_and_remove_leave_nothing_behind(self):
        self.useScene()
        before = self.names()
        self.assertFalse(self.ui.gammaRemoveButton.enabled)
        self.runJob()
        after = slicer.mrmlScene.GetNumberOfNodes()
        self.runJob()
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), after)
        self.click(self.ui.gammaRemoveButton)
        self.assertEqual(self.names(), before)
        self.assertEqual(self.ui.gammaTable.rowCount, 0)

    def test_the_copied_call_has_every_setting(self):
        self.useFiles()
        write_seg_nrrd(box_structures(), self.folder / "organs.seg.nrrd")
        self.choose(self.ui.gammaStructuresSourceSelector, "Files on the disk")
        self.ui.gammaStructuresPathEdit.currentPath = str(self.folder / "organs.seg.nrrd")
        self.type(self.ui.gammaOnlyEdit, "PTV; Body")
        self.check(self.ui.gammaLocalCheckBox, True)
        self.ui.gammaThresholdSpinBox.value = 20
        self.ui.gammaNormalisationSpinBox.value = 22
        self.ui.gammaHighestSpinBox.value = 3
        self.ui.gammaPointsSpinBox.value = 500
        self.check(self.ui.gammaLenientCheckBox, True)
        self.ui.gammaFolderEdit.currentPath = str(self.folder / "kept")
        self.check(self.ui.gammaReplaceCheckBox, True)
        self.click(self.ui.copyCommandButton)
        text = slicer.app.clipboard().text()
        for words in (
            "dose3d dose compare", "--only PTV Body", "--local", "--threshold 20.0", "--normalisation 22.0",
            "--highest 3.0", "--points 500", "--lenient", "--overwrite",
        ):  # fmt: skip
            self.assertIn(words, text)

    def test_settings_and_maps_are_saved_with_the_scene(self):
        self.useFiles()
        self.type(self.ui.gammaCriteriaEdit, "2/2")
        self.runJob()
        path = self.folder / "saved.mrb"
        self.assertTrue(slicer.util.saveScene(str(path)))
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.ui.gammaTable.rowCount, 0)
        slicer.util.loadScene(str(path))
        self.assertEqual(self.ui.gammaCriteriaEdit.text, "2/2")
        self.assertIn("voxels pass", self.fact("gamma"))
        self.check(self.ui.gammaDifferenceCheckBox, True)

    def test_a_broken_file_is_one_line(self):
        self.useFiles()
        (self.folder / "Evaluated.nrrd").write_bytes(b"NRRD0004\nbroken")
        self.assertIn("Evaluated.nrrd", self.runJob())
        self.assertIsNone(self.parameters().gammaShown)

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
