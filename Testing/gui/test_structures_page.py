"""Module Dose3D, function "Convert structures": every control, between files and the scene."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import slicer

from gui_case import GuiCase  # isort: skip (first: inside Slicer it makes the next ones known)
from Dose3DLib.core.errors import InputError
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.mask_files import read_masks, write_masks
from Dose3DLib.geometry.segnrrd import read_seg_nrrd, write_seg_nrrd
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.scene.nodes import add_segmentation, scalar_volume

GRID = Grid.axial((6, 20, 20), (3.0, 2.0, 2.0), (-20.0, -20.0, 0.0))


def box(name: str, low: int, high: int, color=(200, 30, 30)) -> Structure:
    array = np.zeros(GRID.shape, bool)
    array[1:5, low:high, low:high] = True
    return Structure(name, Mask.from_array(array, GRID), color=color)


TWO = StructureSet(GRID, (box("Left parotid", 2, 8), box("Brainstem", 10, 18, (30, 200, 30))))
OVERLAPPING = StructureSet(GRID, (box("A", 2, 10), box("B", 6, 14)))


class StructuresCase(GuiCase):
    moduleName = "Dose3D"

    def setUp(self):
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="Dose3D-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.choose(self.ui.functionSelector, "Convert structures")

    def structuresFile(self, structures: StructureSet = TWO) -> Path:
        path = self.folder / "in.seg.nrrd"
        write_seg_nrrd(structures, path)
        return path

    def useFile(self, path: Path) -> None:
        self.choose(self.ui.convertSourceSelector, "Files on the disk")
        self.ui.convertPathEdit.currentPath = str(path)

    def writeTo(self, name: str) -> Path:
        self.ui.convertOutputEdit.currentPath = str(self.folder / name)
        return self.folder / name

    def segmentation(self):
        return self.widget.sections["structures"].currentParameters().convertedSegmentation

    def addSegmentation(self, structures: StructureSet = TWO):
        return add_segmentation(slicer.mrmlScene, structures, "Organs", None)

    def segmentNames(self, node) -> list[str]:
        segments = node.GetSegmentation()
        return [segments.GetNthSegment(n).GetName() for n in range(segments.GetNumberOfSegments())]


class TestConvertStructures(StructuresCase):
    def test_nothing_chosen(self):
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("Select the segmentation", self.ui.applyButton.toolTip)

    def test_rows_follow_source_and_target(self):
        self.assertTrue(self.isShown(self.ui.convertSegmentationSelector))
        self.assertFalse(self.isShown(self.ui.convertPathEdit))
        self.choose(self.ui.convertSourceSelector, "Files on the disk")
        self.assertFalse(self.isShown(self.ui.convertSegmentationSelector))
        self.assertTrue(self.isShown(self.ui.convertPathEdit))
        self.assertTrue(self.isShown(self.ui.convertOutputEdit))
        self.choose(self.ui.convertTargetSelector, "Segmentation of the scene")
        self.assertFalse(self.isShown(self.ui.convertOutputEdit))
        self.assertFalse(self.isShown(self.ui.convertReplaceCheckBox))

    def test_rows_follow_the_kind_of_file(self):
        self.useFile(self.structuresFile())
        self.assertFalse(self.isShown(self.ui.namesPathEdit))
        self.assertFalse(self.isShown(self.ui.convertOverlapsSelector))
        self.assertFalse(self.isShown(self.ui.convertSegCheckBox))
        self.writeTo("labels.nii.gz")
        self.assertTrue(self.isShown(self.ui.convertOverlapsSelector))
        self.writeTo("structures.dcm")
        self.assertTrue(self.isShown(self.ui.convertSegCheckBox))
        self.assertFalse(self.isShown(self.ui.convertOverlapsSelector))
        self.useFile(self.folder / "labels.nii.gz")
        self.assertTrue(self.isShown(self.ui.namesPathEdit))

    def test_what_is_missing_is_said(self):
        self.choose(self.ui.convertSourceSelector, "Files on the disk")
        self.assertIn("Choose a file with structures", self.ui.applyButton.toolTip)
        self.useFile(self.folder / "nothing.dcm")
        self.assertIn("does not exist", self.ui.applyButton.toolTip)
        self.useFile(self.structuresFile())
        self.assertIn("Choose where to write", self.ui.applyButton.toolTip)
        self.writeTo("out.dcm")
        self.assertIn("DICOM needs the CT", self.ui.applyButton.toolTip)
        self.writeTo("out")
        self.assertTrue(self.ui.applyButton.enabled)
        self.check(self.ui.convertResampleCheckBox, True)
        self.assertIn("onto the grid of a CT", self.ui.applyButton.toolTip)

    def test_scene_to_scene_is_refused(self):
        self.selectNode(self.ui.convertSegmentationSelector, self.addSegmentation())
        self.choose(self.ui.convertTargetSelector, "Segmentation of the scene")
        self.assertIn("Both are in the scene", self.ui.applyButton.toolTip)

    def test_an_empty_segmentation_is_refused(self):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Empty")
        self.selectNode(self.ui.convertSegmentationSelector, node)
        self.assertIn("has no segments", self.ui.applyButton.toolTip)

    def test_file_to_a_folder_of_masks(self):
        self.useFile(self.structuresFile())
        out = self.writeTo("out")
        self.assertIn("Done", self.runJob())
        found = {s.name: s.mask.voxels for s in read_masks(out / "masks", None)}
        self.assertEqual(found, {s.name: s.mask.voxels for s in TWO})
        table = self.ui.convertTable
        self.assertEqual([table.item(row, 0).text() for row in range(table.rowCount)], [s.name for s in TWO])
        self.assertIn("1.73 cc", table.item(0, 1).text())  # 6 x 6 x 4 voxels of 12 mm3

    def test_standard_names(self):
        self.useFile(self.structuresFile())
        self.check(self.ui.convertNamesCheckBox, True)
        out = self.writeTo("out.seg.nrrd")
        self.runJob()
        self.assertEqual([s.name for s in read_seg_nrrd(out)], ["Parotid_L", "Brainstem"])

    def test_overlaps_of_a_label_map(self):
        self.useFile(self.structuresFile(OVERLAPPING))
        out = self.writeTo("labels.nii.gz")
        self.assertIn("overlap", self.runJob())
        self.assertFalse(out.exists())
        self.choose(self.ui.convertOverlapsSelector, "last")
        self.assertIn("Done", self.runJob())
        self.assertTrue(out.exists())

    def test_an_existing_file_is_replaced_only_when_asked(self):
        self.useFile(self.structuresFile())
        self.writeTo("out.seg.nrrd").write_bytes(b"mine")
        self.assertIn("exists already", self.runJob())
        self.check(self.ui.convertReplaceCheckBox, True)
        self.assertIn("Done", self.runJob())
        self.assertEqual(len(read_seg_nrrd(self.folder / "out.seg.nrrd")), 2)

    def test_scene_to_file(self):
        self.selectNode(self.ui.convertSegmentationSelector, self.addSegmentation())
        out = self.writeTo("out.seg.nrrd")
        self.assertIn("Done", self.runJob())
        self.assertEqual({s.name: s.mask.voxels for s in read_seg_nrrd(out)}, {s.name: s.mask.voxels for s in TWO})

    def test_file_to_scene_and_undo(self):
        self.useFile(self.structuresFile())
        self.choose(self.ui.convertTargetSelector, "Segmentation of the scene")
        self.assertIn("Done", self.runJob())
        node = self.segmentation()
        self.assertEqual(self.segmentNames(node), [s.name for s in TWO])
        self.assertEqual(node.GetAttribute("Dose3D.Task"), "structures convert")
        self.assertTrue(self.ui.convertUndoButton.enabled)
        self.screenshot("structures")
        self.click(self.ui.convertUndoButton)
        self.assertEqual(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"), [])
        self.assertFalse(self.ui.convertUndoButton.enabled)

    def test_closing_the_scene_forgets_the_last_result(self):
        self.useFile(self.structuresFile())
        self.choose(self.ui.convertTargetSelector, "Segmentation of the scene")
        self.runJob()
        self.assertEqual(self.ui.convertTable.rowCount, 2)
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.ui.convertTable.rowCount, 0)
        self.assertFalse(self.ui.convertUndoButton.enabled)

    def test_a_chosen_segmentation_is_filled_and_given_back(self):
        target = self.addSegmentation(OVERLAPPING)
        self.useFile(self.structuresFile())
        self.choose(self.ui.convertTargetSelector, "Segmentation of the scene")
        self.selectNode(self.ui.convertedSegmentationSelector, target)
        self.runJob()
        self.assertIs(self.segmentation(), target)
        self.assertEqual(self.segmentNames(target), [s.name for s in TWO])
        self.click(self.ui.convertUndoButton)
        self.assertEqual(self.segmentNames(target), ["A", "B"])

    def test_names_of_a_label_map(self):
        labels = np.zeros(GRID.shape, np.uint8)
        labels[1:4, 3:9, 3:9] = 7
        write_volume(Volume(labels, GRID), self.folder / "labels.nii.gz")
        (self.folder / "names.csv").write_text("label,name\n7,Cochlea_L\n")
        self.useFile(self.folder / "labels.nii.gz")
        self.ui.namesPathEdit.currentPath = str(self.folder / "names.csv")
        out = self.writeTo("out.seg.nrrd")
        self.assertIn("Done", self.runJob())
        self.assertEqual([s.name for s in read_seg_nrrd(out)], ["Cochlea_L"])

    def test_onto_the_grid_of_a_ct(self):
        """Each voxel of the masks is eight of the CT: the volumes stay."""
        fine = Grid.axial((12, 40, 40), (1.5, 1.0, 1.0), (-20.5, -20.5, -0.75))
        ct = scalar_volume(slicer.mrmlScene, Volume(np.zeros(fine.shape, np.int16), fine), "CT")
        write_masks(TWO, self.folder / "masks")
        self.useFile(self.folder / "masks")
        self.selectNode(self.ui.convertCtVolumeSelector, ct)
        self.check(self.ui.convertResampleCheckBox, True)
        out = self.writeTo("out.seg.nrrd")
        self.assertIn("Done", self.runJob())
        found = read_seg_nrrd(out)
        self.assertEqual(found.grid.shape, fine.shape)
        self.assertEqual({s.name: s.mask.voxels for s in found}, {s.name: 8 * s.mask.voxels for s in TWO})

    def test_the_copied_call_has_every_setting(self):
        ct = self.folder / "ct"
        ct.mkdir()
        self.useFile(self.structuresFile())
        self.choose(self.ui.convertCtSourceSelector, "Files on the disk")
        self.ui.convertCtPathEdit.currentPath = str(ct)
        self.writeTo("out.dcm")
        for box_ in (
            self.ui.convertSegCheckBox, self.ui.convertNamesCheckBox, self.ui.convertResampleCheckBox,
            self.ui.convertSlicesCheckBox, self.ui.convertLenientCheckBox, self.ui.convertReplaceCheckBox,
        ):  # fmt: skip
            self.check(box_, True)
        self.click(self.ui.copyCommandButton)
        text = slicer.app.clipboard().text()
        self.assertIn("dose3d structures convert", text)
        for flag in ("--seg", "--standard-names", "--resample", "--resample-slices", "--lenient", "--overwrite"):
            self.assertIn(f"{flag}", text.split())
        self.assertIn(str(ct), text)

    def test_an_error_is_one_line_in_the_status(self):
        (self.folder / "broken.nrrd").write_bytes(b"NRRD0004\nbroken")
        self.useFile(self.folder / "broken.nrrd")
        self.writeTo("out")
        self.assertIn("broken.nrrd", self.runJob())
        self.assertFalse((self.folder / "out").exists())

    def test_the_settings_are_saved_with_the_scene(self):
        self.useFile(self.structuresFile())
        self.writeTo("out.seg.nrrd")
        self.check(self.ui.convertNamesCheckBox, True)
        path = self.folder / "saved.mrb"
        self.assertTrue(slicer.util.saveScene(str(path)))
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.ui.functionSelector.currentText, "Show a dose")
        slicer.util.loadScene(str(path))
        self.assertEqual(self.ui.functionSelector.currentText, "Convert structures")
        self.assertEqual(self.ui.convertPathEdit.currentPath, str(self.folder / "in.seg.nrrd"))
        self.assertTrue(self.ui.convertNamesCheckBox.checked)


class TestStructuresLogic(StructuresCase):
    """What scripts call."""

    def test_converts_with_the_tasks_settings(self):
        output = self.folder / "masks"
        result = self.logic.convertStructures(self.structuresFile(), output, standard_names=True)
        self.assertEqual(set(result.summary), {"Parotid_L", "Brainstem"})
        self.assertEqual(sorted(p.name for p in (output / "masks").iterdir() if p.name.endswith(".nii.gz")),
                         ["Brainstem.nii.gz", "Parotid_L.nii.gz"])  # fmt: skip

    def test_refuses_in_one_line(self):
        with self.assertRaisesRegex(InputError, "none.seg.nrrd"):
            self.logic.convertStructures(self.folder / "none.seg.nrrd", self.folder / "masks")
        self.assertFalse((self.folder / "masks").exists())
