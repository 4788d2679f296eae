"""Review: what was changed, the jump to it, the verdict and its end by an edit, the export; every control of it."""

from __future__ import annotations

import csv
import json
import time
from importlib import import_module
from unittest.mock import patch

import numpy as np
import slicer
from segment_case import GRID, TWO, SegmentCase, qt

# After segment_case, which starts the stand-in where there is no Slicer.
keepOriginal, originalOf = (
    getattr(import_module("Dose3DGui.review_original"), n) for n in ("keepOriginal", "originalOf")
)
verdictOf = import_module("Dose3DGui.review_verdict").verdictOf

VOXEL_CC = 3.0 * 1.5 * 1.5 / 1000


class ReviewCase(SegmentCase):
    """A small CT with two structures as they were found, chosen for the review."""

    def setUp(self):
        qt.QSettings().remove("Dose3D/Reviewer")
        super().setUp()
        self.volume = self.addSmallCt("Łódź µ")
        self.node = self.addStructures(self.volume)
        keepOriginal(self.node)
        self.section = self.widget.sections["review"]
        self.ui.reviewCollapsibleButton.collapsed = False
        self.selectNode(self.ui.reviewedSelector, self.node)
        self.waitCompared()

    def waitCompared(self):
        self.spin(5)
        self.waitUntil(lambda: self.section._steps is None and not self.section._editTimer.active, 10, "no comparison")

    def array(self, name):
        segmentId = self.node.GetSegmentation().GetSegmentIdBySegmentName(name)
        return slicer.util.arrayFromSegmentBinaryLabelmap(self.node, segmentId, self.volume)

    def edit(self, name, change):
        """Change a segment's voxels as Segment Editor's effects do: by a new label map."""
        array = self.array(name).copy()
        change(array)
        segmentId = self.node.GetSegmentation().GetSegmentIdBySegmentName(name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, self.node, segmentId, self.volume)

    def grow(self, array):
        """The first structure by six rows on its slices 4 and 5 (counted from 0), more on the latter."""
        array[4, 5:15, 15:21] = 1
        array[5, 5:15, 15:26] = 1

    def grown(self):
        self.edit("Brainstem", self.grow)
        self.waitCompared()

    def table(self):
        shown = self.ui.reviewTable
        return [[shown.item(r, c).text() for c in range(shown.columnCount)] for r in range(shown.rowCount)]

    def decide(self, status, reviewer="Wiśniewska^Łucja"):
        if reviewer is not None:
            self.type(self.ui.reviewerEdit, reviewer)
        self.choose(self.ui.reviewStatusSelector, status)


class TestReviewTable(ReviewCase):
    def test_nothing_changed(self):
        self.assertIn("0 of 2 structures were changed", self.ui.reviewStateLabel.text)
        self.assertEqual([row[:3] for row in self.table()], [[n, "unchanged", "1.000"] for n in TWO.names])
        self.assertFalse(self.ui.reviewNextButton.enabled)
        self.assertIn("No further slice", self.ui.reviewNextButton.toolTip)

    def test_values_are_those_of_the_voxels(self):
        before = self.array("Brainstem").copy() > 0
        self.grown()
        after = self.array("Brainstem") > 0
        dice = 2 * (before & after).sum() / (before.sum() + after.sum())
        cc = [after.sum() * VOXEL_CC, (after & ~before).sum() * VOXEL_CC, (before & ~after).sum() * VOXEL_CC]
        self.assertEqual(self.table()[0], ["Brainstem", "changed", f"{dice:.3f}", *(f"{v:.2f}" for v in cc)])
        self.assertEqual(self.table()[1][1], "unchanged")
        self.assertIn("1 of 2 structures were changed by a human: Brainstem", self.ui.reviewStateLabel.text)

    def test_added_removed_and_renamed(self):
        segmentation = self.node.GetSegmentation()
        segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName("Parotid_L")).SetName("Speicheldrüse")
        segmentation.RemoveSegment(segmentation.GetSegmentIdBySegmentName("Brainstem"))
        new = segmentation.AddEmptySegment("", "Hand made")
        array = np.zeros(GRID.shape, np.uint8)
        array[3, 2:5, 2:5] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, self.node, new, self.volume)
        self.waitCompared()
        changes = {row[0]: row[1] for row in self.table()}
        self.assertEqual(
            changes, {"Speicheldrüse": "renamed, was Parotid_L", "Hand made": "added", "Brainstem": "removed"}
        )

    def test_selector(self):
        self.selectNode(self.ui.reviewedSelector, None)
        self.assertEqual(self.table(), [])
        self.assertIn("Select the segmentation", self.ui.reviewStateLabel.text)
        self.assertFalse(self.ui.reviewStatusSelector.enabled)
        self.assertFalse(self.ui.reviewKeepButton.enabled)
        self.selectNode(self.ui.reviewedSelector, self.node)
        self.waitCompared()
        self.assertEqual(len(self.table()), 2)

    def test_structures_from_elsewhere_are_kept_as_original(self):
        other = self.addStructures(self.volume, "Other")
        self.selectNode(self.ui.reviewedSelector, other)
        self.assertIn("Nothing to compare with", self.ui.reviewStateLabel.text)
        self.assertIn("Nothing to compare with", self.ui.reviewExportButton.toolTip)
        self.click(self.ui.reviewKeepButton)
        self.waitCompared()
        self.assertIsNotNone(originalOf(other))
        self.assertEqual(len(self.table()), 2)

    def test_keep_counts_from_now_on(self):
        self.grown()
        self.click(self.ui.reviewKeepButton)
        self.waitCompared()
        self.assertEqual([row[1] for row in self.table()], ["unchanged", "unchanged"])

    def test_the_window_stays_free(self):
        """A CT of 34 million voxels: no step of the comparison takes 100 ms."""
        from Dose3DLib.geometry.grid import Grid, Volume
        from Dose3DLib.geometry.mask import Mask
        from Dose3DLib.geometry.structure import Structure, StructureSet
        from Dose3DLib.scene.nodes import add_segmentation, add_volume

        grid = Grid.axial((130, 512, 512), (2.5, 1.0, 1.0), (0, 0, 0))
        volume = add_volume(slicer.mrmlScene, Volume(np.zeros(grid.shape, np.int16), grid), "Large")
        body = Structure("BODY", Mask.from_array(np.ones(grid.shape, bool), grid), interpreted_type="EXTERNAL")
        node = add_segmentation(slicer.mrmlScene, StructureSet(grid, (body,)), "Large", volume)
        keepOriginal(node)
        longest, step = [], self.section.onCompareStep

        def timed():
            start = time.monotonic()
            step()
            longest.append(time.monotonic() - start)

        self.section._timer.disconnect("timeout()", step)
        self.section._timer.connect("timeout()", timed)
        try:
            self.selectNode(self.ui.reviewedSelector, node)
            self.waitCompared()
        finally:
            self.section._timer.disconnect("timeout()", timed)
            self.section._timer.connect("timeout()", step)
        self.assertEqual(self.table()[0][1], "unchanged")
        self.assertGreater(len(longest), 2)
        self.assertLess(float(np.median(longest)), 0.06)
        self.assertLess(max(longest), 0.1)


class TestReviewJump(ReviewCase):
    def sliceNode(self, color):
        return slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{color}")

    def place(self):
        """RAS of the crossing of the three views; a sagittal view's offset would count to the left."""
        return np.array(
            [
                self.sliceNode(color).GetSliceToRAS().GetElement(axis, 3)
                for axis, color in enumerate(("Yellow", "Green", "Red"))
            ]
        )

    def lowest(self, k):
        """RAS of the voxel that `grow` changed nearest to the middle of its changes on slice k."""
        first, last = (15, 20) if k == 4 else (15, 25)
        return GRID.to_lps(np.array([(first + last) / 2, 9.5, k])) * (-1, -1, 1)

    def test_row_shows_the_slice_of_lowest_agreement(self):
        self.grown()
        self.ui.reviewTable.setCurrentCell(0, 0)
        self.spin(1)
        self.assertLess(np.abs(self.place() - self.lowest(5)).max(), 1.6)
        self.assertIn("1 of 2: Brainstem, slice 6 of 9, Dice 0.65", self.ui.reviewPlaceLabel.text)

    def test_row_that_is_clicked_again(self):
        self.grown()
        self.ui.reviewTable.setCurrentCell(0, 0)
        self.sliceNode("Red").SetSliceOffset(0)
        self.ui.reviewTable.cellClicked.emit(0, 0)
        self.assertLess(abs(self.place()[2] - self.lowest(5)[2]), 0.01)

    def test_unchanged_row_says_so(self):
        self.grown()
        before = self.place()
        self.ui.reviewTable.setCurrentCell(1, 0)
        self.assertEqual(self.ui.reviewPlaceLabel.text, "Parotid_L was not changed.")
        self.assertTrue(np.array_equal(before, self.place()))

    def test_next_and_previous(self):
        self.grown()
        self.assertFalse(self.ui.reviewPreviousButton.enabled)
        self.click(self.ui.reviewNextButton)
        self.assertLess(np.abs(self.place() - self.lowest(5)).max(), 1.6)
        self.click(self.ui.reviewNextButton)
        self.assertLess(np.abs(self.place() - self.lowest(4)).max(), 1.6)
        self.assertIn("2 of 2", self.ui.reviewPlaceLabel.text)
        self.assertFalse(self.ui.reviewNextButton.enabled)
        self.click(self.ui.reviewPreviousButton)
        self.assertLess(np.abs(self.place() - self.lowest(5)).max(), 1.6)
        self.assertFalse(self.ui.reviewPreviousButton.enabled)
        self.assertIn("No slice before", self.ui.reviewPreviousButton.toolTip)

    def test_transformed_volume(self):
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = slicer.util.vtkMatrixFromArray(np.array([[1, 0, 0, 7], [0, 1, 0, -3], [0, 0, 1, 11], [0, 0, 0, 1.0]]))
        transform.SetMatrixTransformToParent(matrix)
        for node in (self.volume, self.node):
            node.SetAndObserveTransformNodeID(transform.GetID())
        self.grown()
        self.click(self.ui.reviewNextButton)
        self.assertLess(np.abs(self.place() - self.lowest(5) - [7, -3, 11]).max(), 1.6)


class TestReviewVerdict(ReviewCase):
    def test_approve(self):
        self.decide("APPROVED")
        verdict = verdictOf(self.node)
        self.assertEqual((verdict.status, verdict.reviewer), ("APPROVED", "Wiśniewska^Łucja"))
        self.assertEqual(self.node.GetAttribute("Dose3D.ReviewStatus"), "APPROVED")
        self.assertEqual(self.node.GetAttribute("Dose3D.Reviewer"), "Wiśniewska^Łucja")
        age = time.time() - time.mktime(time.strptime(self.node.GetAttribute("Dose3D.ReviewedAt"), "%Y-%m-%dT%H:%M:%S"))
        self.assertLess(abs(age), 60)
        self.assertIn("APPROVED, Wiśniewska^Łucja", self.ui.reviewVerdictLabel.text)

    def test_reject_and_back(self):
        self.decide("REJECTED")
        self.assertEqual(verdictOf(self.node).status, "REJECTED")
        self.decide("UNAPPROVED", None)
        self.assertEqual(verdictOf(self.node).status, "UNAPPROVED")
        self.assertIsNone(self.node.GetAttribute("Dose3D.Reviewer"))

    def test_no_verdict_without_a_name(self):
        for name, words in (("", "Enter the reviewer's name"), ("a\\b", "backslash")):
            self.decide("APPROVED", name)
            self.assertEqual(verdictOf(self.node).status, "UNAPPROVED")
            self.assertEqual(self.ui.reviewStatusSelector.currentText, "UNAPPROVED")
            self.assertIn(words, self.ui.statusLabel.text)

    def test_reviewer_is_remembered(self):
        self.assertEqual(self.ui.reviewerEdit.text, "")
        self.decide("APPROVED")
        slicer.mrmlScene.Clear(False)
        self.spin(5)
        self.assertEqual(self.ui.reviewerEdit.text, "Wiśniewska^Łucja")

    def test_reviewer_is_slicers_user_at_first(self):
        user = slicer.app.applicationLogic().GetUserInformation()
        self.addCleanup(user.SetName, user.GetName() or "")
        user.SetName("Doe^Jane")
        slicer.mrmlScene.Clear(False)
        self.spin(5)
        self.assertEqual(self.ui.reviewerEdit.text, "Doe^Jane")

    def test_voxels_edited_afterwards(self):
        self.decide("APPROVED")
        self.edit("Parotid_L", lambda array: array.__setitem__((3, 25, 25), 0))
        self.assertEqual(verdictOf(self.node).status, "UNAPPROVED")
        self.assertEqual(self.ui.reviewStatusSelector.currentText, "UNAPPROVED")
        self.assertIn("edited after its review", self.ui.statusLabel.text)
        self.assertIn("edited since APPROVED, Wiśniewska^Łucja", self.ui.reviewVerdictLabel.text)
        self.waitCompared()
        self.assertEqual(self.table()[1][1], "changed")

    def test_edited_while_another_module_is_shown(self):
        self.decide("APPROVED")
        slicer.util.selectModule("Dose3D")
        self.edit("Brainstem", self.grow)
        self.assertEqual(verdictOf(self.node).status, "UNAPPROVED")
        slicer.util.selectModule("Dose3DSegment")
        self.waitCompared()
        self.assertEqual(self.table()[0][1], "changed")

    def test_name_and_number_of_structures_count_colour_does_not(self):
        segmentation = self.node.GetSegmentation()
        self.decide("APPROVED")
        segmentation.GetNthSegment(0).SetColor(1, 0, 0)
        self.node.CreateClosedSurfaceRepresentation()
        self.assertEqual(verdictOf(self.node).status, "APPROVED")
        segmentation.GetNthSegment(0).SetName("Pons")
        self.assertEqual(verdictOf(self.node).status, "UNAPPROVED")
        self.decide("APPROVED")
        segmentation.RemoveSegment(segmentation.GetNthSegmentID(1))
        self.assertEqual(verdictOf(self.node).status, "UNAPPROVED")

    def test_edit_that_nobody_watched(self):
        """As in a session in which this page was never opened: the voxels tell."""
        self.decide("APPROVED")
        self.section._watch.forgetAll()
        with patch.object(self.section._watch, "watch"):
            self.edit("Brainstem", self.grow)
        self.assertEqual(verdictOf(self.node).status, "APPROVED")
        self.section._compared = None
        self.section.refresh()
        self.waitCompared()
        self.assertEqual(verdictOf(self.node).status, "UNAPPROVED")


class TestReviewScene(ReviewCase):
    def test_original_and_verdict_survive_the_scene(self):
        self.grown()
        self.decide("APPROVED")
        self.type(self.ui.reviewCommentEdit, "cord checked")
        rows, path = self.table(), self.folder / "scene.mrb"
        self.assertTrue(slicer.util.saveScene(str(path)))
        self.assertEqual(verdictOf(self.node).status, "APPROVED", "saving is no edit")
        slicer.mrmlScene.Clear(False)
        slicer.util.loadScene(str(path))
        self.node = self.ui.reviewedSelector.currentNode()
        self.waitCompared()
        self.assertEqual(self.table(), rows)
        self.assertEqual(verdictOf(self.node).status, "APPROVED")
        self.assertIn("APPROVED, Wiśniewska^Łucja", self.ui.reviewVerdictLabel.text)
        self.assertEqual(self.ui.reviewCommentEdit.text, "cord checked")
        self.volume = slicer.util.getNode("Łódź µ")
        self.edit("Brainstem", lambda array: array.__setitem__((3, 6, 6), 0))
        self.assertEqual(verdictOf(self.node).status, "UNAPPROVED", "a loaded scene is watched")

    def test_scene_loaded_while_another_module_is_shown_is_watched(self):
        self.decide("APPROVED")
        path = self.folder / "scene.mrb"
        self.assertTrue(slicer.util.saveScene(str(path)))
        slicer.util.selectModule("Dose3D")
        slicer.mrmlScene.Clear(False)
        slicer.util.loadScene(str(path))
        node = slicer.util.getNode("Organs")
        self.assertEqual(verdictOf(node).status, "APPROVED")
        node.GetSegmentation().GetNthSegment(0).SetName("Pons")
        self.assertEqual(verdictOf(node).status, "UNAPPROVED")

    def test_original_is_hidden_and_goes_with_its_segmentation(self):
        original = originalOf(self.node)
        self.assertTrue(original.GetHideFromEditors())
        self.assertIsNone(original.GetDisplayNode())
        self.assertEqual(self.ui.reviewedSelector.nodeCount(), 1)
        count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
        slicer.mrmlScene.RemoveNode(self.node)
        self.spin(5)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), count - 2)
        self.assertEqual(self.table(), [])

    def test_closed_scene_during_a_comparison(self):
        self.section._compared = None
        self.section.refresh()
        slicer.mrmlScene.Clear(False)
        self.spin(50)
        self.assertFalse(self.section._timer.active)
        self.assertEqual(self.table(), [])

    def test_scene_closed_while_another_module_is_shown(self):
        """Nothing of the old scene is held: no label maps, no nodes."""
        slicer.util.selectModule("Dose3D")
        slicer.mrmlScene.Clear(False)
        self.assertIsNone(self.section.comparison)
        self.assertEqual(self.section._watch._names, {})

    def test_observers_do_not_add_up(self):
        before = len(list(self.widget.Observations)) if hasattr(self.widget, "Observations") else 0
        for _ in range(5):
            node = self.addStructures(self.volume, "Again")
            keepOriginal(node)
            self.section.refresh()
            slicer.mrmlScene.RemoveNode(node)
        self.spin(5)
        after = len(list(self.widget.Observations)) if hasattr(self.widget, "Observations") else 0
        self.assertEqual(after, before)
        self.assertEqual(len(self.section._watch._names), 1)


class TestReviewOfResults(ReviewCase):
    """What a job brings into the scene has its original; taking it back brings the earlier one back."""

    def changes(self):
        return [row[1] for row in self.table()]

    def test_result_in_place_of_another_and_undo(self):
        place = import_module("Dose3DGui.scene_results").SegmentationPlace()
        self.grown()
        self.assertEqual(self.changes(), ["changed", "unchanged"])
        place.put(TWO, "New", self.volume, self.node)
        self.waitCompared()
        self.assertEqual(self.changes(), ["unchanged", "unchanged"], "the new result is the new original")
        self.edit("Parotid_L", lambda array: array.__setitem__((3, 25, 25), 0))
        self.waitCompared()
        self.assertEqual(self.changes(), ["unchanged", "changed"])
        place.undo()
        self.waitCompared()
        self.assertEqual(self.changes(), ["changed", "unchanged"])

    def test_new_result_and_undo_leave_no_node(self):
        before = slicer.mrmlScene.GetNumberOfNodes()
        place = import_module("Dose3DGui.scene_results").SegmentationPlace()
        node = place.put(TWO, "New", self.volume)
        self.assertIsNotNone(originalOf(node))
        place.undo()
        self.spin(5)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)


class TestReviewExport(ReviewCase):
    def setUp(self):
        super().setUp()
        (self.folder / "exports").mkdir()
        self.ui.reviewFolderEdit.currentPath = str(self.folder / "exports")

    def result(self):
        return next((self.folder / "exports").iterdir())

    def test_button_says_what_is_missing(self):
        self.assertTrue(self.ui.reviewExportButton.enabled)
        self.ui.reviewFolderEdit.currentPath = ""
        self.assertIn("Choose the folder", self.ui.reviewExportButton.toolTip)
        slicer.mrmlScene.RemoveNode(self.volume)
        self.assertIn("CT that the structures were drawn on is not in the scene", self.ui.reviewExportButton.toolTip)
        self.assertFalse(self.ui.reviewExportButton.enabled)

    def test_export_is_judged_by_pydicom(self):
        import pydicom

        self.node.SetAttribute("Dose3D.Task", "segment run")
        self.node.SetAttribute("Dose3D.Created", "2026-01-01T00:00:00")
        self.grown()
        self.type(self.ui.reviewCommentEdit, "grown by hand")
        self.decide("APPROVED")
        self.assertIn("Done", self.runJob(button=self.ui.reviewExportButton))
        folder = self.result()
        ds = pydicom.dcmread(folder / "structures.dcm")
        when = self.node.GetAttribute("Dose3D.ReviewedAt")
        self.assertEqual((ds.ApprovalStatus, str(ds.ReviewerName)), ("APPROVED", "Wiśniewska^Łucja"))
        self.assertEqual(ds.ReviewDate + ds.ReviewTime, "".join(c for c in when if c.isdigit()))
        self.assertIn("grown by hand", ds.StructureSetDescription)
        made = {item.ROIName: item.ROIGenerationAlgorithm for item in ds.StructureSetROISequence}
        self.assertEqual(made, {"Brainstem": "SEMIAUTOMATIC", "Parotid_L": "AUTOMATIC"})
        images = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in (folder / "ct").iterdir()}
        contours = ds.ROIContourSequence[0].ContourSequence
        self.assertTrue({c.ContourImageSequence[0].ReferencedSOPInstanceUID for c in contours} <= images)
        with (folder / "changes.csv").open(encoding="utf-8") as file:
            rows = {row["structure"]: row for row in csv.DictReader(file)}
        self.assertEqual([f"{float(rows['Brainstem']['dice']):.3f}"], [self.table()[0][2]])
        self.assertEqual(rows["Parotid_L"]["changed"], "no")
        record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        self.assertEqual(record["review"]["changed_by_human"], ["Brainstem"])
        self.assertIn(str(folder), self.ui.reviewExportedLabel.text)
        self.assertEqual(self.filesLeft(), [])

    def test_ct_that_came_from_files_is_used_where_it_is(self):
        """Then the RTSTRUCT refers to the patient's own images; under a transform the volume itself is written."""
        series = self.folder / "series"
        series.mkdir()
        self.volume.SetAttribute("Dose3D.LoadedFrom", str(series))
        for node in (self.volume, self.node, originalOf(self.node)):
            self.save(node, f"{node.GetClassName()}{node.GetID()}.seg.nrrd".replace("VolumeNode", "Volume"))
        settings = self.widget.settingsForCopy(self.section)
        self.assertEqual((settings.ct, settings.dicom), (series, False))
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        for node in (self.volume, self.node):
            node.SetAndObserveTransformNodeID(transform.GetID())
        settings = self.widget.settingsForCopy(self.section)
        self.assertNotEqual(settings.ct, series)
        self.assertTrue(settings.dicom)

    def test_unapproved_without_a_name(self):
        self.assertIn("Done", self.runJob(button=self.ui.reviewExportButton))
        record = json.loads((self.result() / "review.json").read_text(encoding="utf-8"))
        self.assertEqual((record["status"], record["reviewer"]), ("UNAPPROVED", ""))

    def test_copy_buttons(self):
        self.assertFalse(self.ui.reviewCopyCommandButton.enabled)
        self.assertIn("save it to a file", self.ui.reviewCopyCommandButton.toolTip)
        self.grown()
        self.save(originalOf(self.node), "original.seg.nrrd")
        self.save(self.node, "reviewed.seg.nrrd")
        self.save(self.volume, "ct.nrrd")
        self.widget.checkCanApply()
        self.decide("REJECTED")
        self.click(self.ui.reviewCopyCommandButton)
        self.assertIn("dose3d structures review", slicer.app.clipboard().text())
        self.runCommand(self.folder)
        record = json.loads((self.result() / "review.json").read_text(encoding="utf-8"))
        self.assertEqual((record["status"], record["reviewer"]), ("REJECTED", "Wiśniewska^Łucja"))
        self.click(self.ui.reviewCopyPythonButton)
        self.assertIn("structures_review.run(", slicer.app.clipboard().text())
