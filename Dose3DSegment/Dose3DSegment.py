"""Module "Dose3D Segment": the organs of a CT by a trained network, and detectors of cells in the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer
from Dose3DGui.detector_export_section import DetectorExportSection
from Dose3DGui.detector_layout_section import LayoutSection
from Dose3DGui.export_section import ExportSection
from Dose3DGui.load_section import LoadSection
from Dose3DGui.module_widget import Dose3DModuleWidget
from Dose3DGui.review_section import ReviewSection
from Dose3DGui.scene_inputs import JobFiles
from Dose3DGui.scene_results import SegmentationPlace, provenanceOf
from Dose3DGui.segment_section import FindSection
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import *


class Dose3DSegment(ScriptedLoadableModule):
    """What Slicer shows of the module; see ScriptedLoadableModule."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Dose3D Segment")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        self.parent.dependencies = ["Dose3D"]
        self.parent.contributors = ["Dose3D consortium"]
        self.parent.helpText = _(
            "Finds seven organs at risk and the body outline on a head-and-neck CT with a trained network and puts "
            "them into the scene as a segmentation; loads structures from RTSTRUCT, DICOM SEG and masks; exports them "
            "again, also into Slicer's DICOM database; lays out the cells of a detector and writes them for "
            "simulations, printers and planning systems. Work is done in a process of its own: Slicer stays usable, "
            "and Cancel stops it. The copy buttons give the same call for Python and for the command line. "
            "For research use only."
        )
        self.parent.acknowledgementText = _(
            "Made within the Dose-3D project, POIR.04.04.00-00-15E5/18: a reconfigurable detector for measuring the "
            "spatial distribution of radiation dose for individual patient treatment plans."
        )


class Dose3DSegmentWidget(Dose3DModuleWidget):
    """The page; each function is a section of Dose3DGui."""

    sectionClasses = (FindSection, LoadSection, LayoutSection, DetectorExportSection, ReviewSection, ExportSection)
    researchText = _("The shipped network knows head-and-neck CTs; review what it finds.")

    def makeLogic(self):
        return Dose3DSegmentLogic()


class Dose3DSegmentLogic(ScriptedLoadableModuleLogic):
    """For scripts: what the page does, without the page. No Qt."""

    def segment(self, volumeNode, segmentationNode=None, **options):
        """Find the structures of a volume node and return the segmentation node; waits for the result.

        `segmentationNode` gets them, a new one when it is None; `options` are settings of `segment run`, such as
        organs=("Brainstem",) or device="cpu".

        Raises
        ------
        Dose3DError
            settings or a CT that cannot be used; one line that says what to do.
        """
        from Dose3DLib.geometry.mask_files import read_masks
        from Dose3DLib.tasks import segment_run
        from Dose3DLib.worker.client import run_in_worker

        files = JobFiles()
        try:
            settings = segment_run.Settings(**self.inputOf(volumeNode, files), output=files.output("result"), **options)
            output = Path(run_in_worker(FindSection.task, settings).output)
            name = _("{volume} structures").format(volume=volumeNode.GetName())
            structures, facts = read_masks(output / "masks", None), provenanceOf(output)
            return SegmentationPlace().put(structures, name, volumeNode, segmentationNode, facts)
        finally:
            files.discard()

    def inputOf(self, volumeNode, files: JobFiles) -> dict:
        """The settings that name the volume: its own files, or a temporary one among `files`."""
        source = files.volume(volumeNode)
        return {"ct": source.path, "series": source.series}


class Dose3DSegmentTest(ScriptedLoadableModuleTest):
    """What Slicer's "Reload and Test" runs; the tests of the page are in Testing/gui."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_settings_of_volume()

    def test_settings_of_volume(self):
        """A volume becomes a file that the task's settings name, and goes again."""
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
        slicer.util.updateVolumeFromArray(volume, np.zeros((4, 5, 6), np.int16))
        files = JobFiles()
        path = Dose3DSegmentLogic().inputOf(volume, files)["ct"]
        self.assertTrue(path.exists())
        files.discard()
        self.assertFalse(path.exists())
