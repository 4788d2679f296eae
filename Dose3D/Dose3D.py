"""Module "Dose3D": the home of the library in Slicer; doses of patients and detectors, structures between files."""

from __future__ import annotations

from pathlib import Path

import slicer
from Dose3DGui.detector_measure_section import MeasureSection
from Dose3DGui.dose_compare_section import CompareDosesSection
from Dose3DGui.dose_display import DoseDisplay, DoseResult
from Dose3DGui.dose_scale_section import ScaleSection
from Dose3DGui.dose_section import DoseSection
from Dose3DGui.dvh_section import DvhSection
from Dose3DGui.module_widget import Dose3DModuleWidget
from Dose3DGui.packages_section import PackagesSection
from Dose3DGui.sample_data import registerSampleData
from Dose3DGui.structures_section import StructuresSection
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import *


class Dose3D(ScriptedLoadableModule):
    """What Slicer shows of the module; see ScriptedLoadableModule."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Dose3D")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        self.parent.dependencies = []
        self.parent.contributors = ["Dose3D consortium"]
        self.parent.helpText = _(
            "Shows doses (DICOM RTDOSE, or images in Gy) with isodoses in the slices and in 3-D, and the difference of "
            "two doses; compares doses by gamma; makes dose-volume histograms; says what the cells of a detector see "
            "of a dose, and finds the dose in the patient from what they measured; converts structures between DICOM "
            "RTSTRUCT, DICOM SEG, .seg.nrrd, label maps and folders of masks without losing a voxel. The copy buttons "
            "give the same call for Python and for the command line. For research use only."
        )
        self.parent.acknowledgementText = _(
            "Made within the Dose-3D project, POIR.04.04.00-00-15E5/18: a reconfigurable detector for measuring the "
            "spatial distribution of radiation dose for individual patient treatment plans."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


class Dose3DWidget(Dose3DModuleWidget):
    """The page; each function is a section of Dose3DGui."""

    sectionClasses = (
        DoseSection,
        MeasureSection,
        ScaleSection,
        CompareDosesSection,
        DvhSection,
        StructuresSection,
        PackagesSection,
    )

    def makeLogic(self):
        return Dose3DLogic()


class Dose3DLogic(ScriptedLoadableModuleLogic):
    """For scripts: what the page does, without the page. No Qt."""

    def showDose(self, dose, output, **options):
        """Show the dose of a file (RTDOSE, or an image in Gy) and return its volume node; waits for the result.

        `output` is a folder for dose, scene and report as files; `options` are settings of `dose show`, such as
        levels=(20, 50), unit="Gy" or reference=Path("other.dcm").

        Raises
        ------
        Dose3DError
            settings or a dose that cannot be used; one line that says what to do.
        """
        from Dose3DLib.tasks import dose_show
        from Dose3DLib.worker.client import run_in_worker

        settings = dose_show.Settings(dose=Path(dose), output=Path(output), **options)
        result = DoseResult(Path(run_in_worker(DoseSection.task, settings).output))
        return DoseDisplay().show(result, None, None, result.summary()["name"])

    def convertStructures(self, structures, output, **options):
        """Convert structures between files; `options` are settings of `structures convert`. Waits for the result."""
        from Dose3DLib.tasks import structures_convert
        from Dose3DLib.worker.client import run_in_worker

        settings = structures_convert.Settings(structures=Path(structures), output=Path(output), **options)
        return run_in_worker(StructuresSection.task, settings)


class Dose3DTest(ScriptedLoadableModuleTest):
    """What Slicer's "Reload and Test" runs; the tests of the page are in Testing/gui."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_page_opens()

    def test_page_opens(self):
        """The page opens, and says what is missing."""
        slicer.util.selectModule("Dose3D")
        widget = slicer.modules.Dose3DWidget
        self.assertFalse(widget.ui.applyButton.enabled)
        self.assertTrue(widget.ui.applyButton.toolTip)
