"""Dose3D Segment: structures from files and to files; what is written is judged by other readers than ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
from Dose3DLib.geometry.files import write_label_map, write_masks, write_seg_nrrd
from Dose3DLib.geometry.grid import Volume
from segment_case import GRID, TWO, SegmentCase, same, voxels, wanted

LOAD = "Load structures from a file"


def ct_volume() -> Volume:
    array = np.arange(np.prod(GRID.shape), dtype=np.int16).reshape(GRID.shape) % 3000 - 1000
    return Volume(array, GRID)


class FilesCase(SegmentCase):
    """A small CT as DICOM, in Slicer's database where a test asks for it."""

    def writeSeries(self) -> Path:
        from Dose3DLib.dicom.ct_write import write_ct

        write_ct(ct_volume(), self.folder / "ct")
        return self.folder / "ct"

    def writeRtstruct(self, series: Path) -> Path:
        from Dose3DLib.dicom.ct import read_ct_reference
        from Dose3DLib.dicom.rtstruct_write import RtStructAttributes, write_rtstruct

        write_rtstruct(TWO, read_ct_reference(series), self.folder / "rs.dcm", RtStructAttributes())
        return self.folder / "rs.dcm"

    def addFromDatabase(self):
        """The CT as a volume that was loaded through the database."""
        import pydicom
        from DICOMLib import DICOMUtils

        self.openDatabase()
        series = self.writeSeries()
        uid = pydicom.dcmread(next(series.iterdir()), stop_before_pixels=True).SeriesInstanceUID
        self.addCleanup(slicer.dicomDatabase.removeSeries, uid)
        DICOMUtils.importDicom(str(series), slicer.dicomDatabase)
        return slicer.mrmlScene.GetNodeByID(DICOMUtils.loadSeriesByUID([uid])[0])

    def openDatabase(self):
        """Slicer's database; one of the test's own where there is none."""
        if slicer.dicomDatabase.isOpen:
            return
        from DICOMLib import DICOMUtils

        former = DICOMUtils.openTemporaryDatabase()
        self.addCleanup(DICOMUtils.closeTemporaryDatabase, former)


class TestSegmentLoad(FilesCase):
    """Function "Load structures from a file"."""

    def setUp(self):
        super().setUp()
        self.choose(self.ui.functionSelector, LOAD)

    def load(self, path: Path):
        self.ui.structuresPathEdit.currentPath = str(path)
        self.assertTrue(self.runJob().startswith("Done."), self.ui.statusLabel.text)
        self.assertEqual(self.filesLeft(), [])
        return self.parameters("load").loadedSegmentation

    def test_seg_nrrd(self):
        write_seg_nrrd(TWO, self.folder / "Łódź.seg.nrrd", {})
        node = self.load(self.folder / "Łódź.seg.nrrd")
        self.assertIs(self.ui.loadedSegmentationSelector.currentNode(), node)
        self.assertIs(self.ui.exportSegmentationSelector.currentNode(), node)
        self.assertTrue(same(voxels(node), wanted()))
        first = node.GetSegmentation().GetNthSegment(0)
        self.assertEqual([round(255 * c) for c in first.GetColor()], [10, 200, 30])
        self.assertEqual(node.GetAttribute("Dose3D.Task"), "structures convert")
        self.assertEqual(node.GetAttribute("Dose3D.ReviewStatus"), "UNAPPROVED")

    def test_label_map(self):
        write_label_map(TWO, self.folder / "map.nii.gz", "refuse", {})
        self.assertTrue(same(voxels(self.load(self.folder / "map.nii.gz")), wanted()))

    def test_folder_of_masks(self):
        write_masks(TWO, self.folder / "masks")
        self.assertTrue(same(voxels(self.load(self.folder / "masks")), wanted()))

    def test_rtstruct_with_the_ct_as_files(self):
        series = self.writeSeries()
        self.choose(self.ui.loadCtSourceSelector, "Files on the disk")
        self.ui.loadCtPathEdit.currentPath = str(series)
        node = self.load(self.writeRtstruct(series))
        self.assertTrue(same(voxels(node), wanted()))
        volume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
        self.assertTrue(
            (np.sort(slicer.util.arrayFromVolume(volume).ravel()) == np.sort(ct_volume().array, None)).all()
        )
        self.load(self.folder / "rs.dcm")
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"), 1)

    def test_rtstruct_of_a_ct_from_the_database(self):
        volume = self.addFromDatabase()
        self.ui.structuresPathEdit.currentPath = str(self.writeRtstruct(self.folder / "ct"))
        self.assertIn("need the CT that they belong to", self.ui.applyButton.toolTip)
        self.selectNode(self.ui.loadCtVolumeSelector, volume)
        node = self.load(self.folder / "rs.dcm")
        self.assertTrue(same(voxels(node), wanted()))
        role = node.GetReferenceImageGeometryReferenceRole()
        self.assertEqual(node.GetNodeReferenceID(role), volume.GetID())

    def test_rtstruct_of_a_ct_that_is_no_dicom(self):
        self.selectNode(self.ui.loadCtVolumeSelector, self.addSmallCt())
        self.ui.structuresPathEdit.currentPath = str(self.writeRtstruct(self.writeSeries()))
        self.assertIn("needs the CT as DICOM", self.runJob())
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 0)
        self.assertEqual(self.filesLeft(), [])

    def test_standard_names(self):
        from dataclasses import replace

        foreign = replace(TWO.structures[1], name="Left parotid")
        write_seg_nrrd(replace(TWO, structures=(foreign,)), self.folder / "a.seg.nrrd", {})
        self.assertEqual(list(voxels(self.load(self.folder / "a.seg.nrrd"))), ["Left parotid"])
        self.check(self.ui.standardNamesCheckBox, True)
        self.assertTrue(self.parameters("load").standardNames)
        self.assertEqual(list(voxels(self.load(self.folder / "a.seg.nrrd"))), ["Parotid_L"])

    def test_into_a_chosen_segmentation_and_back(self):
        chosen = self.addStructures(name="Mine")
        chosen.GetSegmentation().RemoveSegment(chosen.GetSegmentation().GetNthSegmentID(1))
        before = voxels(chosen)
        self.selectNode(self.ui.loadedSegmentationSelector, chosen)
        self.assertFalse(self.ui.loadUndoButton.enabled)
        write_seg_nrrd(TWO, self.folder / "a.seg.nrrd", {})
        self.assertIs(self.load(self.folder / "a.seg.nrrd"), chosen)
        self.assertTrue(same(voxels(chosen), wanted()))
        self.click(self.ui.loadUndoButton)
        self.assertTrue(same(voxels(chosen), before))
        self.assertIsNone(chosen.GetAttribute("Dose3D.Task"))
        self.assertFalse(self.ui.loadUndoButton.enabled)
        self.assertIn("Undone", self.ui.statusLabel.text)
        self.choose(self.ui.functionSelector, "Find structures on a CT")
        self.assertEqual(self.ui.statusLabel.text, "")

    def test_no_structures(self):
        self.assertIn("Choose a file with structures", self.ui.applyButton.toolTip)
        self.ui.structuresPathEdit.currentPath = str(self.folder / "nothing.dcm")
        self.assertIn("does not exist", self.ui.applyButton.toolTip)
        (self.folder / "bad.seg.nrrd").write_bytes(b"no nrrd")
        self.ui.structuresPathEdit.currentPath = str(self.folder / "bad.seg.nrrd")
        self.assertNotIn("Done", self.runJob())
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 0)

    def test_copied_command_gives_the_same(self):
        write_seg_nrrd(TWO, self.folder / "a.seg.nrrd", {})
        node = self.load(self.folder / "a.seg.nrrd")
        self.click(self.ui.copyCommandButton)
        self.runCommand(self.folder)
        self.ui.structuresPathEdit.currentPath = str(self.folder / "structures.seg.nrrd")
        self.assertTrue(same(voxels(self.load(self.folder / "structures.seg.nrrd")), voxels(node)))


class TestSegmentExport(FilesCase):
    """Section "Export"."""

    def setUp(self):
        super().setUp()
        self.ui.exportCollapsibleButton.collapsed = False

    def choosePlace(self, form: str, name: str) -> Path:
        self.choose(self.ui.exportFormSelector, form)
        self.ui.exportPathEdit.currentPath = str(self.folder / name)
        return self.folder / name

    def export(self):
        text = self.runJob(button=self.ui.exportButton)
        self.assertTrue(text.startswith("Done."), text)
        self.assertEqual(self.filesLeft(), [])

    def chooseStructures(self, volume=None):
        node = self.addStructures(volume)
        self.selectNode(self.ui.exportSegmentationSelector, node)
        return node

    def test_why_not(self):
        button = self.ui.exportButton
        self.assertIn("Select the segmentation", button.toolTip)
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Empty")
        self.selectNode(self.ui.exportSegmentationSelector, empty)
        self.assertIn("“Empty” holds no structure", button.toolTip)
        self.chooseStructures()
        self.assertIn("refers to the images of a CT", button.toolTip)
        self.choose(self.ui.exportFormSelector, "NIfTI label map (.nii.gz)")
        self.assertIn("Choose where to write", button.toolTip)
        self.ui.exportPathEdit.currentPath = str(self.folder / "a.dcm")
        self.assertIn("must end in .nii.gz", button.toolTip)
        self.assertFalse(button.enabled)
        self.ui.exportPathEdit.currentPath = str(self.folder / "a.nii.gz")
        self.assertTrue(button.enabled)

    def test_rtstruct_of_a_ct_from_the_database(self):
        import pydicom

        volume = self.addFromDatabase()
        self.chooseStructures(volume)
        path = self.choosePlace("DICOM RTSTRUCT", "out.dcm")
        self.export()
        written = pydicom.dcmread(path)
        self.assertEqual(written.Modality, "RTSTRUCT")
        self.assertEqual([roi.ROIName for roi in written.StructureSetROISequence], ["Brainstem", "Parotid_L"])
        colors = [list(map(int, item.ROIDisplayColor)) for item in written.ROIContourSequence]
        self.assertEqual(colors, [[10, 200, 30], [250, 100, 0]])
        uids = set(volume.GetAttribute("DICOM.instanceUIDs").split())
        for item in written.ROIContourSequence:
            self.assertEqual(len(item.ContourSequence), 5)
            for contour in item.ContourSequence:
                self.assertIn(contour.ContourImageSequence[0].ReferencedSOPInstanceUID, uids)
        corner = np.array(written.ROIContourSequence[0].ContourSequence[0].ContourData, float).reshape(-1, 3)
        low, high = (-33.0 + 1.5 * np.array([5, 14])).tolist()
        self.assertAlmostEqual(corner[:, 0].min(), low - 0.75, delta=0.76)
        self.assertAlmostEqual(corner[:, 0].max(), high + 0.75, delta=0.76)
        self.assertFalse((self.folder / "out-ct").exists())

    def test_rtstruct_of_a_ct_that_is_no_dicom(self):
        import pydicom

        self.chooseStructures(self.addSmallCt("Łódź µ"))
        path = self.choosePlace("DICOM RTSTRUCT", "out.dcm")
        self.export()
        slices = [pydicom.dcmread(file) for file in (self.folder / "out-ct").iterdir()]
        self.assertEqual(len(slices), GRID.shape[0])
        written = pydicom.dcmread(path)
        self.assertEqual(written.StudyInstanceUID, slices[0].StudyInstanceUID)
        contour = written.ROIContourSequence[0].ContourSequence[0]
        referred = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
        self.assertIn(referred, {s.SOPInstanceUID for s in slices})
        self.assertIn("Łódź µ", slices[0].SeriesDescription)

    def test_seg(self):
        import highdicom

        self.chooseStructures(self.addSmallCt())
        path = self.choosePlace("DICOM SEG", "seg.dcm")
        self.export()
        written = highdicom.seg.segread(path)
        self.assertEqual([written.get_segment_description(n).segment_label for n in (1, 2)], ["Brainstem", "Parotid_L"])
        frames = written.get_volume(combine_segments=False).array
        counts = sorted(int(n) for n in frames.sum(axis=tuple(range(frames.ndim - 1))))
        self.assertEqual(counts, sorted(s.mask.voxels for s in TWO))

    def test_nifti_label_map(self):
        import SimpleITK

        self.chooseStructures(self.addSmallCt())
        path = self.choosePlace("NIfTI label map (.nii.gz)", "map.nii.gz")
        self.export()
        image = SimpleITK.ReadImage(str(path))
        labels = SimpleITK.GetArrayFromImage(image)
        self.assertEqual(sorted(np.unique(labels)), [0, 1, 2])
        points = {}
        for number, name in ((1, "Brainstem"), (2, "Parotid_L")):
            indices = [tuple(map(int, index[::-1])) for index in np.argwhere(labels == number)]
            points[name] = np.array([image.TransformIndexToPhysicalPoint(index) for index in indices]) * (-1, -1, 1)
            points[name] = points[name][np.lexsort(np.round(points[name], 2).T)]
        self.assertTrue(same(points, wanted()))

    def test_folder_of_masks(self):
        import SimpleITK

        self.chooseStructures(self.addSmallCt())
        path = self.choosePlace("Folder of NIfTI masks", "masks out")
        self.export()
        image = SimpleITK.ReadImage(str(path / "masks" / "Brainstem.nii.gz"))
        self.assertEqual(int(SimpleITK.GetArrayFromImage(image).sum()), TWO["Brainstem"].mask.voxels)

    def test_seg_nrrd_keeps_colour_and_terminology(self):
        import SimpleITK

        self.chooseStructures(self.addSmallCt())
        path = self.choosePlace("Slicer segmentation (.seg.nrrd)", "a.seg.nrrd")
        self.export()
        image = SimpleITK.ReadImage(str(path))
        self.assertEqual(image.GetMetaData("Segment0_Name"), "Brainstem")
        color = [round(255 * float(c)) for c in image.GetMetaData("Segment0_Color").split()]
        self.assertEqual(color, [10, 200, 30])
        self.assertIn("SCT^119238007^Brain Stem", image.GetMetaData("Segment0_Tags"))

    def test_ct_selector_and_files(self):
        series = self.writeSeries()
        self.chooseStructures(self.addSmallCt())
        self.assertFalse(self.isShown(self.ui.exportCtPathEdit))
        self.choose(self.ui.exportCtSourceSelector, "Files on the disk")
        self.assertTrue(self.isShown(self.ui.exportCtPathEdit))
        self.assertEqual(self.parameters("export").exportCtSource, "files")
        path = self.choosePlace("DICOM RTSTRUCT", "out.dcm")
        self.assertIn("Choose the folder", self.ui.exportButton.toolTip)
        self.ui.exportCtPathEdit.currentPath = str(series)
        self.assertEqual(self.parameters("export").exportCtPath, str(series))
        self.export()
        self.assertTrue(path.is_file())
        self.assertFalse((self.folder / "out-ct").exists())

    def test_replacing(self):
        self.chooseStructures(self.addSmallCt())
        path = self.choosePlace("NIfTI label map (.nii.gz)", "map.nii.gz")
        path.write_bytes(b"mine")
        self.assertIn("exists already", self.runJob(button=self.ui.exportButton))
        self.assertEqual(path.read_bytes(), b"mine")
        self.check(self.ui.exportReplaceCheckBox, True)
        self.assertTrue(self.parameters("export").exportReplace)
        self.export()
        self.assertNotEqual(path.read_bytes(), b"mine")

    def test_a_series_that_is_there_is_named(self):
        self.chooseStructures(self.addSmallCt())
        self.choosePlace("DICOM RTSTRUCT", "out.dcm")
        (self.folder / "out-ct").mkdir()
        self.assertIn("the CT would be written there", self.runJob(button=self.ui.exportButton))
        self.assertFalse((self.folder / "out.dcm").exists())

    def test_different_transforms_are_refused(self):
        volume = self.addSmallCt()
        self.chooseStructures(volume)
        self.choosePlace("NIfTI label map (.nii.gz)", "map.nii.gz")
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        volume.SetAndObserveTransformNodeID(transform.GetID())
        self.widget.enter()
        self.assertIn("different transforms", self.ui.exportButton.toolTip)

    def test_reference_volume_that_goes(self):
        """The page's own settings do not name it."""
        volume = self.addSmallCt()
        self.chooseStructures(volume)
        self.choosePlace("DICOM RTSTRUCT", "out.dcm")
        self.assertTrue(self.ui.exportButton.enabled)
        slicer.mrmlScene.RemoveNode(volume)
        self.assertFalse(self.ui.exportButton.enabled)

    def test_into_the_database(self):
        import pydicom

        self.openDatabase()
        before = set(slicer.dicomDatabase.allFiles())
        self.chooseStructures(self.addSmallCt("Łódź µ"))
        self.choose(self.ui.exportFormSelector, "NIfTI label map (.nii.gz)")
        self.assertFalse(self.ui.exportDatabaseCheckBox.enabled)
        self.assertIn("takes RTSTRUCT and SEG only", self.ui.exportDatabaseCheckBox.toolTip)
        self.choose(self.ui.exportFormSelector, "DICOM RTSTRUCT")
        self.assertIn("Choose where to write", self.ui.exportButton.toolTip)
        self.check(self.ui.exportDatabaseCheckBox, True)
        self.assertTrue(self.parameters("export").exportToDatabase)
        self.export()
        new = [pydicom.dcmread(file) for file in set(slicer.dicomDatabase.allFiles()) - before]
        for uid in {item.SeriesInstanceUID for item in new}:
            self.addCleanup(slicer.dicomDatabase.removeSeries, uid)
        kinds = [item.Modality for item in new]
        self.assertEqual((kinds.count("CT"), kinds.count("RTSTRUCT")), (GRID.shape[0], 1))
        self.assertEqual(len({item.StudyInstanceUID for item in new}), 1)

    def test_copied_calls_give_the_same(self):
        import SimpleITK

        volume = self.addSmallCt()
        node = self.chooseStructures(volume)
        path = self.choosePlace("NIfTI label map (.nii.gz)", "map.nii.gz")
        self.assertFalse(self.ui.exportCopyCommandButton.enabled)
        self.assertIn("save it to a file first", self.ui.exportCopyPythonButton.toolTip)
        self.export()
        expected = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
        self.save(volume, "ct.nrrd")
        self.save(node, "structures.seg.nrrd")
        self.widget.enter()
        for button, runCopied in (
            (self.ui.exportCopyCommandButton, self.runCommand),
            (self.ui.exportCopyPythonButton, self.runPython),
        ):
            path.unlink()
            self.click(button)
            runCopied(self.folder)
            self.assertTrue((SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))) == expected).all())

    def test_a_saved_scene_remembers(self):
        self.chooseStructures(self.addSmallCt())
        self.choosePlace("DICOM SEG", "seg.dcm")
        self.check(self.ui.exportDatabaseCheckBox, True)
        self.assertTrue(slicer.util.saveScene(str(self.folder / "scene.mrb")))
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.ui.exportPathEdit.currentPath, "")
        slicer.util.loadScene(str(self.folder / "scene.mrb"))
        self.assertEqual(self.ui.exportFormSelector.currentText, "DICOM SEG")
        self.assertEqual(self.ui.exportPathEdit.currentPath, str(self.folder / "seg.dcm"))
        self.assertTrue(self.ui.exportDatabaseCheckBox.checked)
        self.assertEqual(self.ui.exportSegmentationSelector.currentNode().GetName(), "Organs")


class TestSegmentSources(FilesCase):
    """Which file of a volume is used."""

    def source(self, node):
        from Dose3DGui.scene_inputs import volumeSource

        return volumeSource(node, None)

    def test_series_of_the_database(self):
        node = self.addFromDatabase()
        found = self.source(node)
        self.assertTrue(found.isDicom and found.isSaved)
        self.assertEqual(len(list(found.path.iterdir())), GRID.shape[0])

    def test_a_cropped_volume_is_not_its_series(self):
        """Slicer may copy the attribute to what it makes from a volume."""
        node = self.addFromDatabase()
        node.SetOrigin(*(c + 3.0 for c in node.GetOrigin()))
        self.assertIsNone(self.source(node))

    def test_a_changed_volume_is_not_its_series(self):
        node = self.addFromDatabase()
        slicer.util.arrayFromVolume(node)[4] = -1000
        slicer.util.arrayFromVolumeModified(node)
        from Dose3DGui.scene_inputs import JobFiles

        files = JobFiles()
        self.addCleanup(files.discard)
        self.assertFalse(files.volume(node).isDicom)
