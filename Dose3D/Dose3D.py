"""Module "Dose3D": the home of the library in Slicer; converts structures between files."""

from __future__ import annotations

from pathlib import Path

import slicer
from Dose3DGui.job_panel import JobPanel
from Dose3DGui.packages import ensurePackages
from Dose3DLib.tasks.registry import TASKS
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin


class Dose3D(ScriptedLoadableModule):
    """What Slicer shows of the module; see ScriptedLoadableModule."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Dose3D")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        self.parent.dependencies = []
        self.parent.contributors = ["Dose3D consortium"]
        self.parent.helpText = _(
            "Converts structures between DICOM RTSTRUCT, DICOM SEG, .seg.nrrd, label maps and folders of masks, "
            "without losing a voxel; the same as <code>dose3d structures convert</code>. The dose of a segmented "
            "detector arrives with a later version. For research use only."
        )
        self.parent.acknowledgementText = _(
            "Made within the Dose-3D project, POIR.04.04.00-00-15E5/18: a reconfigurable detector for measuring the "
            "spatial distribution of radiation dose for individual patient treatment plans."
        )


@parameterNodeWrapper
class Dose3DParameterNode:
    """The page's settings, saved with the scene; paths as text.

    inputPath: structures as a file or a folder.
    ctPath: folder of the CT series that they belong to.
    outputPath: what to write; the name's ending chooses the kind of file.
    """

    inputPath: str
    ctPath: str
    outputPath: str


class Dose3DWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The page: widgets and parameter node; the work is the Logic's."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._panel = None

    def setup(self) -> None:
        """Called when the user opens the module for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/Dose3D.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = Dose3DLogic()
        self._panel = JobPanel(self.ui.progressBar, self.ui.statusLabel, self.ui.cancelButton, self._checkCanApply)
        for edit in self._edits():
            edit.connect("currentPathChanged(QString)", self.onPathChanged)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called when the application closes and the module widget is destroyed."""
        if self._panel:
            self._panel.close()
        self.removeObservers()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()

    def onSceneEndClose(self, caller, event) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Take the paths that the scene remembers; ctkPathLineEdit itself remembers the last ones used."""
        node = self.logic.getParameterNode()
        for edit, value in zip(self._edits(), (node.inputPath, node.ctPath, node.outputPath), strict=True):
            if value:
                edit.currentPath = value
        self._checkCanApply()

    def onPathChanged(self, path=None) -> None:
        """Keep the paths with the scene."""
        node = self.logic.getParameterNode()
        node.inputPath, node.ctPath, node.outputPath = (edit.currentPath for edit in self._edits())
        self._checkCanApply()

    def onApplyButton(self) -> None:
        """Start the conversion in a process of its own."""
        with slicer.util.tryWithErrorDisplay(_("The conversion could not be started."), waitCursor=True):
            ensurePackages()
            settings = self.logic.settings(*(edit.currentPath for edit in self._edits()))
            self._panel.start(self.logic.task, settings, lambda result: self._keepHistory())

    def _keepHistory(self) -> None:
        for edit in self._edits():
            edit.addCurrentPathToHistory()

    def _edits(self):
        return self.ui.inputPath, self.ui.ctPath, self.ui.outputPath

    def _checkCanApply(self) -> None:
        if self._panel is None:
            return
        complete = all(edit.currentPath for edit in self._edits())
        self.ui.applyButton.setEnabled(complete and not self._panel.busy)
        self.ui.applyButton.toolTip = _("Convert the structures") if complete else _("Choose the three places first")


class Dose3DLogic(ScriptedLoadableModuleLogic):
    """From the page's paths to a task's settings. No Qt."""

    task = next(task for task in TASKS if task.command == ("structures", "convert"))

    def getParameterNode(self):
        return Dose3DParameterNode(super().getParameterNode())

    def settings(self, inputPath: str, ctPath: str, outputPath: str):
        """The task's settings; a wrong one raises InputError with a line that says what to do."""
        from Dose3DLib.tasks import structures_convert

        return structures_convert.Settings(structures=Path(inputPath), ct=Path(ctPath), output=Path(outputPath))


class Dose3DTest(ScriptedLoadableModuleTest):
    """What Slicer's "Reload and Test" runs."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_settings_of_paths()

    def test_settings_of_paths(self):
        """The three paths arrive in the task's settings."""
        settings = Dose3DLogic().settings("structures.dcm", "CT", "masks")
        self.assertEqual(settings.output, Path("masks"))
