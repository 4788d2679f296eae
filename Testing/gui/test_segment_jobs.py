"""Dose3D Segment with the shipped network on the phantom: result, undo, copied calls, files, cancel."""

from __future__ import annotations

import json
import time

import slicer
from Dose3DLib.geometry.mask_files import read_masks
from segment_case import SegmentCase, qt, same, slow, voxels, wanted

PATIENCE = 240
"""Seconds for a job that takes ten on a quiet machine."""


class JobCase(SegmentCase):
    def few(self):
        """Two organs in a box: quicker than all."""
        for name, item in self.organs().items():
            item.setCheckState(qt.Qt.Checked if name in ("Brainstem", "Mandible") else qt.Qt.Unchecked)

    def shownSegmentations(self):
        """All but the hidden copies that Review keeps."""
        nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        return [node for node in nodes if not node.GetHideFromEditors()]

    def find(self):
        text = self.runJob(PATIENCE)
        self.assertTrue(text.startswith("Done."), text)
        self.assertEqual(self.filesLeft(), [])
        return self.parameters("find").outputSegmentation


class TestSegmentResult(JobCase):
    def test_all_organs_of_a_volume_with_a_foreign_name(self):
        volume = self.addCt("Łódź µ")
        self.few()
        self.click(self.ui.allOrgansButton)
        start = time.monotonic()
        node = self.find()
        self.assertLess(self.panel.loadSeconds, time.monotonic() - start)
        self.assertEqual(node.GetName(), "Łódź µ structures")
        self.assertIs(self.ui.outputSegmentationSelector.currentNode(), node)
        names = sorted(voxels(node))
        self.assertEqual(names, sorted([*self.organs(), "BODY"]))
        role = node.GetReferenceImageGeometryReferenceRole()
        self.assertEqual(node.GetNodeReferenceID(role), volume.GetID())
        brainstem = node.GetSegmentation().GetSegment(node.GetSegmentation().GetSegmentIdBySegmentName("Brainstem"))
        tag = brainstem.GetTerminologyEntryTagName()
        self.assertIn("SCT^119238007^Brain Stem", tag_text(brainstem, tag))
        facts = {name[7:]: node.GetAttribute(name) for name in node.GetAttributeNames() if name.startswith("Dose3D.")}
        self.assertEqual((facts["Task"], facts["ReviewStatus"]), ("segment run", "UNAPPROVED"))
        self.assertTrue(facts["Model"].startswith("head_neck_ct "))
        self.assertEqual(len(facts["ModelSHA256"]), 64)
        self.assertIn(facts["Device"], ("cpu", "cuda", "mps"))
        self.assertTrue(facts["Version"] and facts["Created"])
        self.click(self.ui.openReportButton)
        self.assertIn("Brainstem", self.panel.report.read_text(encoding="utf-8"))
        self.screenshot("segment-result")
        self.click(self.ui.undoButton)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 0)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationDisplayNode"), 0)
        self.assertIsNone(self.ui.outputSegmentationSelector.currentNode())
        self.assertFalse(self.ui.undoButton.enabled)
        self.assertIn("Nothing to undo", self.ui.undoButton.toolTip)

    @slow
    def test_into_a_chosen_segmentation_and_back(self):
        volume = self.addCt()
        chosen = self.addStructures(volume, "Mine")
        chosen.SetAttribute("Dose3D.Task", "by hand")
        self.selectNode(self.ui.outputSegmentationSelector, chosen)
        self.few()
        self.assertIs(self.find(), chosen)
        self.assertEqual(sorted(voxels(chosen)), ["BODY", "Brainstem", "Mandible"])
        self.assertEqual(chosen.GetAttribute("Dose3D.Task"), "segment run")
        self.assertEqual(self.shownSegmentations(), [chosen])
        self.click(self.ui.undoButton)
        self.assertTrue(same(voxels(chosen), wanted()))
        self.assertEqual(chosen.GetAttribute("Dose3D.Task"), "by hand")
        self.assertIsNone(chosen.GetAttribute("Dose3D.Model"))


class TestSegmentDoors(JobCase):
    @slow
    def test_the_three_doors_give_the_same(self):
        """Apply, the copied command and the copied Python: the same voxels, organs, region and device."""
        volume = self.addCt()
        path = self.save(volume, "Łódź µ.nrrd")
        self.few()
        self.choose(self.ui.deviceSelector, "cpu")
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
        bounds = [0.0] * 6
        volume.GetRASBounds(bounds)
        middle = [(bounds[2 * a] + bounds[2 * a + 1]) / 2 for a in range(3)]
        roi.SetCenter(*middle)
        roi.SetSize(*[0.8 * (bounds[2 * a + 1] - bounds[2 * a]) for a in range(3)])
        self.selectNode(self.ui.roiSelector, roi)
        clicked = voxels(self.find())
        for button, runCopied, name in (
            (self.ui.copyCommandButton, self.runCommand, "command"),
            (self.ui.copyPythonButton, self.runPython, "python"),
        ):
            self.click(button)
            (self.folder / name).mkdir()
            runCopied(self.folder / name)
            result = self.folder / name / "structures"
            self.assertTrue(same(wanted(read_masks(result / "masks", None)), clicked), name)
            settings = json.loads((result / "provenance.json").read_text(encoding="utf-8"))["settings"]
            self.assertEqual(settings["ct"], str(path))
            self.assertEqual(settings["organs"], ["Brainstem", "Mandible"])
            self.assertEqual(len(settings["roi"]), 6)

    def test_files_on_the_disk_and_a_folder_for_the_results(self):
        volume = self.addPhantom("Phantom")
        path = self.save(volume, "ct.nrrd")
        slicer.mrmlScene.RemoveNode(volume)
        self.choose(self.ui.ctSourceSelector, "Files on the disk")
        self.ui.ctPathEdit.currentPath = str(path)
        self.few()
        kept = self.folder / "kept"
        self.ui.resultFolderEdit.currentPath = str(kept)
        node = self.find()
        self.assertTrue((kept / "provenance.json").is_file())
        self.assertEqual(self.panel.report, kept / "report.html")
        shown = slicer.mrmlScene.GetNthNodeByClass(0, "vtkMRMLScalarVolumeNode")
        role = node.GetReferenceImageGeometryReferenceRole()
        self.assertEqual(node.GetNodeReferenceID(role), shown.GetID())
        self.assertTrue(same(voxels(node), wanted(read_masks(kept / "masks", None))))
        self.assertIn("exists already", self.runJob(PATIENCE))
        slicer.mrmlScene.Clear(0)
        self.assertTrue((kept / "report.html").is_file())


class TestSegmentEnds(JobCase):
    def test_cancel_half_way(self):
        self.addCt()
        self.click(self.ui.applyButton)
        self.waitUntil(lambda: self.ui.progressBar.value >= 10, PATIENCE, "no progress")
        process = self.panel._job._process
        start = time.monotonic()
        self.click(self.ui.cancelButton)
        self.waitUntil(lambda: not self.panel.busy, 10, "the job goes on")
        self.assertLess(time.monotonic() - start, 2.5)
        self.assertIsNotNone(process.returncode)
        self.assertEqual(self.filesLeft(), [])
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 0)
        self.assertTrue(self.ui.applyButton.enabled)

    def test_volume_that_goes_while_the_job_runs(self):
        volume = self.addCt()
        self.few()
        self.click(self.ui.applyButton)
        slicer.mrmlScene.RemoveNode(volume)
        self.waitUntil(lambda: not self.panel.busy, PATIENCE, "the job goes on")
        self.assertIn("was removed from the scene", self.ui.statusLabel.text)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 0)
        self.assertEqual(self.filesLeft(), [])

    def test_an_image_that_is_no_ct(self):
        volume = self.addSmallCt()
        slicer.util.arrayFromVolume(volume)[:] = 7
        slicer.util.arrayFromVolumeModified(volume)
        self.selectNode(self.ui.ctVolumeSelector, volume)
        text = self.runJob(PATIENCE)
        self.assertNotIn("Done", text)
        self.assertEqual(self.filesLeft(), [])


class TestSegmentLogic(JobCase):
    @slow
    def test_scripts_have_a_call_without_the_page(self):
        volume = self.addPhantom()
        node = self.logic.segment(volume, organs=("Brainstem",), device="cpu")
        self.assertEqual(sorted(voxels(node)), ["BODY", "Brainstem"])
        self.assertEqual(self.filesLeft(), [])


def tag_text(segment, tag: str) -> str:
    import vtk

    text = vtk.reference("")
    segment.GetTag(tag, text)
    return str(text)
