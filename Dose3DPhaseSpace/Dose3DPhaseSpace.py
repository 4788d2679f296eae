"""Module "Dose3D Phase Space": phase spaces of linear accelerators, and models that make such photons."""

from __future__ import annotations

from pathlib import Path

import slicer
from Dose3DGui.module_widget import Dose3DModuleWidget
from Dose3DGui.phase_space_compare_section import CompareSection
from Dose3DGui.phase_space_convert_section import ConvertSection
from Dose3DGui.phase_space_generate_section import GenerateSection
from Dose3DGui.phase_space_section import PhaseSpaceSection
from Dose3DGui.phase_space_train_section import TrainSection
from Dose3DGui.photons_section import PhotonsSection
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import *


class Dose3DPhaseSpace(ScriptedLoadableModule):
    """What Slicer shows of the module; see ScriptedLoadableModule."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Dose3D Phase Space")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        self.parent.dependencies = ["Dose3D"]
        self.parent.contributors = ["Dose3D consortium"]
        self.parent.helpText = _(
            "Opens phase spaces (IAEA, EGSnrc, TOPAS, penEasy, ROOT, MCPL, numpy): counts and energies of each "
            "species, a random sample of the photons in 3-D as points and lines coloured by energy, and plots. "
            "Converts, filters and moves them; trains networks that make such photons, generates any number of them "
            "for Monte Carlo codes, and compares them with real ones, every figure beside what real against real "
            "gives. Files of any size: they are read in pieces, in a process of its own. For research use only."
        )
        self.parent.acknowledgementText = _(
            "Made within the Dose-3D project, POIR.04.04.00-00-15E5/18: a reconfigurable detector for measuring the "
            "spatial distribution of radiation dose for individual patient treatment plans."
        )


class Dose3DPhaseSpaceWidget(Dose3DModuleWidget):
    """The page; each function is a section of Dose3DGui."""

    sectionClasses = (
        PhaseSpaceSection,
        ConvertSection,
        TrainSection,
        GenerateSection,
        CompareSection,
        PhotonsSection,
    )

    def makeLogic(self):
        return Dose3DPhaseSpaceLogic()


class Dose3DPhaseSpaceLogic(ScriptedLoadableModuleLogic):
    """For scripts: what the page does, without the page. No Qt."""

    def open(self, path):
        """The phase space of an IAEA file: `.count`, `.histories`, `.read(start, stop)`, `.chunks()`, `.sample(...)`.

        Raises
        ------
        Dose3DError
            a file that cannot be read; one line that says what to do.
        """
        from Dose3DLib.phasespace.read import open_phase_space

        return open_phase_space(Path(path))


class Dose3DPhaseSpaceTest(ScriptedLoadableModuleTest):
    """What Slicer's "Reload and Test" runs; the tests of the page are in Testing/gui."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_page_opens()

    def test_page_opens(self):
        """The page opens, and says what is missing."""
        slicer.util.selectModule("Dose3DPhaseSpace")
        widget = slicer.modules.Dose3DPhaseSpaceWidget
        self.assertFalse(widget.ui.applyButton.enabled)
        self.assertTrue(widget.ui.applyButton.toolTip)
