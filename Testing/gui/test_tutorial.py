"""The steps of docs/tutorial.md, one after the other; with DOSE3D_SCREENSHOTS set they make its pictures.

DOSE3D_SCREENSHOTS=docs/pictures python3 run.py test Testing/gui/test_tutorial.py
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pydicom

from gui_case import GuiCase  # isort: skip (first: without Slicer it makes the next ones known)
import slicer
from Dose3DGui.sample_data import addPhantom


class TutorialTest(GuiCase):
    moduleName = "Dose3DSegment"

    def test_from_a_ct_to_reviewed_structures(self):
        folder = Path(tempfile.mkdtemp(prefix="Dose3D-tutorial-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        volume = self.load_the_patient()
        segmentation = self.find_structures(volume)
        self.correct(segmentation, volume)
        self.see_what_was_changed()
        self.approve_and_export(folder / "reviewed")
        self.look_at_the_files(folder / "reviewed")

    def load_the_patient(self):
        """Step 1."""
        (volume,) = addPhantom()
        self.widget.initializeParameterNode()
        self.assertIs(self.ui.ctVolumeSelector.currentNode(), volume)
        self.screenshot("tutorial-1-patient")
        return volume

    def find_structures(self, volume):
        """Step 2."""
        self.assertIn("Done", self.runJob(120))
        segmentation = self.ui.outputSegmentationSelector.currentNode()
        names = {segmentation.GetSegmentation().GetNthSegment(i).GetName() for i in range(8)}
        self.assertLessEqual({"Brainstem", "SpinalCord", "Parotid_L", "Parotid_R", "Mandible", "BODY"}, names)
        segmentation.CreateClosedSurfaceRepresentation()
        self.spin(50)
        slicer.util.resetThreeDViews()
        self.screenshot("tutorial-2-structures")
        return segmentation

    def correct(self, segmentation, volume):
        """Step 3, as Segment Editor would do it: the left parotid loses what lies above one slice."""
        segmentId = segmentation.GetSegmentation().GetSegmentIdBySegmentName("Parotid_L")
        array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segmentId, volume).copy()
        slices = array.any(axis=(1, 2)).nonzero()[0]
        array[slices[-2] :] = 0
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation, segmentId, volume)

    def see_what_was_changed(self):
        """Step 4."""
        for name in ("inputsCollapsibleButton", "settingsCollapsibleButton", "resultCollapsibleButton"):
            getattr(self.ui, name).collapsed = True
        self.ui.reviewCollapsibleButton.collapsed = False
        self.waitUntil(lambda: "1 of 8 structures were changed" in self.ui.reviewStateLabel.text, 60, "no comparison")
        self.assertIn("Parotid_L", self.ui.reviewStateLabel.text)
        self.click(self.ui.reviewNextButton)
        self.screenshot("tutorial-3-review")

    def approve_and_export(self, folder: Path):
        """Step 5."""
        self.type(self.ui.reviewerEdit, "Nowak^Anna")
        self.choose(self.ui.reviewStatusSelector, "APPROVED")
        self.ui.reviewFolderEdit.currentPath = str(folder)
        self.assertIn("Done", self.runJob(60, self.ui.reviewExportButton))
        self.screenshot("tutorial-4-approved")

    def look_at_the_files(self, folder: Path):
        """Step 6."""
        (folder,) = folder.iterdir()
        self.assertTrue((folder / "report.html").is_file())
        self.assertIn("Parotid_L", (folder / "changes.csv").read_text(encoding="utf-8"))
        masks = sorted(path.name for path in (folder / "masks").iterdir())
        self.assertIn("Parotid_L.nii.gz", masks)
        for path in folder.glob("*.dcm"):
            self.assertEqual(pydicom.dcmread(path).ApprovalStatus, "APPROVED")
