"""Module "Dose3D Segment": the organs of a CT by a trained network, as a segmentation in the scene."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import slicer
import vtk
from Dose3DGui.job_panel import JobPanel
from Dose3DGui.packages import ensurePackages
from Dose3DLib.tasks.registry import TASKS
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin


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
            "them into the scene as a segmentation. The network runs in a process of its own: Slicer stays usable, "
            "and Cancel stops it. To get DICOM RTSTRUCT, masks and a report as files, use the command line "
            "<code>dose3d segment run</code>, which runs the same task. For research use only."
        )
        self.parent.acknowledgementText = _(
            "Made within the Dose-3D project, POIR.04.04.00-00-15E5/18: a reconfigurable detector for measuring the "
            "spatial distribution of radiation dose for individual patient treatment plans."
        )


@parameterNodeWrapper
class Dose3DSegmentParameterNode:
    """The page's settings, saved with the scene.

    inputVolume: the CT, in Hounsfield units.
    outputSegmentation: where the structures go; a new one is made when there is none.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputSegmentation: vtkMRMLSegmentationNode


class Dose3DSegmentWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The page: widgets and parameter node; the work is the Logic's."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._panel = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self) -> None:
        """Called when the user opens the module for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/Dose3DSegment.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = Dose3DSegmentLogic()
        self._panel = JobPanel(self.ui.progressBar, self.ui.statusLabel, self.ui.cancelButton, self.onJobChanged)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called when the application closes and the module widget is destroyed."""
        if self._panel:
            self._panel.close()
            self.logic.discard()
        self.removeObservers()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Called each time the user opens a different module; a running job goes on."""
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event) -> None:
        """A job belongs to its scene: it ends with it."""
        self._panel.close()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Take the scene's settings; on first use choose the first volume there is."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            first = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if first:
                self._parameterNode.inputVolume = first

    def setParameterNode(self, inputParameterNode: Dose3DSegmentParameterNode | None) -> None:
        """Connect the page to a parameter node, or to none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
        self._parameterNode = inputParameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
            self._checkCanApply()

    def _checkCanApply(self, caller=None, event=None) -> None:
        if self._panel is None:
            return
        hasInput = bool(self._parameterNode and self._parameterNode.inputVolume)
        self.ui.applyButton.setEnabled(hasInput and not self._panel.busy)
        self.ui.applyButton.toolTip = _("Find the structures") if hasInput else _("Select a CT volume")

    def onApplyButton(self) -> None:
        """Start the job; the result is brought into the scene when it ends."""
        with slicer.util.tryWithErrorDisplay(_("The job could not be started."), waitCursor=True):
            ensurePackages()
            volume, segmentation = self._parameterNode.inputVolume, self._parameterNode.outputSegmentation
            settings = self.logic.prepare(volume)
            self._panel.start(self.logic.task, settings, lambda result: self.onResult(result, volume, segmentation))

    def onJobChanged(self) -> None:
        """However a job ended, the CT that was written for it does not stay on the disk."""
        if not self._panel.busy:
            self.logic.discard()
        self._checkCanApply()

    def onResult(self, result, volume, segmentation) -> None:
        """Show the structures in the scene and select them on the page."""
        shown = self.logic.showResult(result, volume, segmentation)
        self.logic.getParameterNode().outputSegmentation = shown


class Dose3DSegmentLogic(ScriptedLoadableModuleLogic):
    """From a volume node to a task's settings, from its result to a segmentation node. No Qt."""

    task = next(task for task in TASKS if task.command == ("segment", "run"))

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._folder = None

    def getParameterNode(self):
        return Dose3DSegmentParameterNode(super().getParameterNode())

    def prepare(self, volumeNode):
        """Write the volume to a temporary file and return the task's settings.

        The file is in the volume's own coordinates: what transforms the volume will transform the segmentation.
        """
        from Dose3DLib.tasks import segment_run

        self.discard()
        self._folder = Path(tempfile.mkdtemp(prefix="Dose3DSegment-"))
        path = self._folder / "ct.nrrd"
        slicer.util.exportNode(volumeNode, str(path), {"useCompression": False})
        return segment_run.Settings(ct=path, output=self._folder / "result")

    def showResult(self, result, volumeNode, segmentationNode=None):
        """Bring the result's masks into the scene; returns the segmentation node (a new one when none is given)."""
        from Dose3DLib.geometry.mask_files import read_masks
        from Dose3DLib.scene.nodes import add_segmentation

        if slicer.mrmlScene.GetNodeByID(volumeNode.GetID()) is None:
            raise RuntimeError(_("The CT volume was removed from the scene; its structures were not added."))
        structures = read_masks(Path(result.output) / "masks", None)
        name = f"{volumeNode.GetName()} structures"
        made = add_segmentation(slicer.mrmlScene, structures, name, volumeNode)
        self.discard()
        if segmentationNode is None:
            return made
        segmentationNode.CopyContent(made)
        slicer.mrmlScene.RemoveNode(made)
        return segmentationNode

    def discard(self) -> None:
        """Remove the temporary files of the last job."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


class Dose3DSegmentTest(ScriptedLoadableModuleTest):
    """What Slicer's "Reload and Test" runs."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_settings_of_volume()

    def test_settings_of_volume(self):
        """A volume becomes a file that the task's settings name."""
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
        slicer.util.updateVolumeFromArray(volume, np.zeros((4, 5, 6), np.int16))
        logic = Dose3DSegmentLogic()
        settings = logic.prepare(volume)
        self.assertTrue(Path(settings.ct).exists())
        logic.discard()
        self.assertFalse(Path(settings.ct).exists())
