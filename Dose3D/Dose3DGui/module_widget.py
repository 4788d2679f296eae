"""The base of the three pages: frame, functions, parameter node, one job panel, scene events.

A page shows, from top to bottom: the function selector (when there is more than one function), the chosen function's
"Input" and "Settings", the job panel, the function's "Result", then sections that are always there ("Review",
"Export"). One function is one `Section`. A module's widget is a subclass that names them::

    class Dose3DSegmentWidget(Dose3DModuleWidget):
        sectionClasses = (FindSection, LoadSection, ReviewSection, ExportSection)

        def makeLogic(self):
            return Dose3DSegmentLogic()

The frame is Dose3DPage.ui; each section brings its own .ui (see `Section`). `self.ui` holds the named widgets of
frame, panel and all sections, `self.panel` the JobPanel, `self.sections` the sections by name.
"""

from __future__ import annotations

from pathlib import Path

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from .job_panel import JobPanel
from .packages import packagesAdvice
from .scene_inputs import JobFiles, NotSaved
from .section import Section

__all__ = ["Dose3DModuleWidget"]

UI_FOLDER = Path(__file__).resolve().parents[1] / "Resources" / "UI"
"""Beside the module files in the source tree and in an installed extension alike."""


@parameterNodeWrapper
class PageParameters:
    """What belongs to the page as a whole.

    pageFunction: name of the section that the function selector shows.
    """

    pageFunction: str


class Dose3DModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """A page of sections and one job panel."""

    sectionClasses: tuple[type[Section], ...] = ()
    researchText = ""
    """A sentence after "For research use only." at the foot of the page."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self.sections: dict[str, Section] = {}
        self.refreshing = False
        self._node = None
        self._page = None
        self._advice = ""

    def makeLogic(self):
        """The module's logic."""
        raise NotImplementedError

    # Life

    def setup(self) -> None:
        """Called when the user opens the module for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = self.makeLogic()
        frame = slicer.util.loadUI(str(UI_FOLDER / "Dose3DPage.ui"))
        self.layout.addWidget(frame)
        self.ui = slicer.util.childWidgetVariables(frame)
        self.ui.researchLabel.text = " ".join([_("For research use only."), self.researchText]).strip()
        self._addSections()
        self._fillFunctionSelector()
        self._observeScene()
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called when the application closes and the module widget is destroyed."""
        if self.panel:
            self.panel.close()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Called each time the user opens a different module; a running job goes on."""
        self.setParameterNode(None)

    def _addSections(self) -> None:
        """Functions, panel, results, the rest: in the order in which Tab walks through them."""
        made = [kind(self) for kind in self.sectionClasses]
        for section in filter(lambda s: s.resultPart, made):
            getattr(section.ui, section.resultPart).setParent(None)  # else Tab would come to it before the panel
        self.sections = {section.name: section for section in made}
        for section in filter(lambda s: s.isFunction, made):
            self.ui.functionPlace.layout().addWidget(section.widget)
        self.panel = JobPanel(self.ui.jobPanelPlace.layout(), self)
        for section in made:
            if section.resultPart:
                self.ui.resultPlace.layout().addWidget(getattr(section.ui, section.resultPart))
            if not section.isFunction:
                self.ui.extrasPlace.layout().addWidget(section.widget)
        for part in (self.panel.ui, *(section.ui for section in made)):
            self.ui.__dict__.update({name: w for name, w in vars(part).items() if name not in vars(self.ui)})
        for section in made:
            section.setup()
            self._wireButtons(section)

    def _wireButtons(self, section: Section) -> None:
        """The buttons of a section that is no function; the panel has those of the functions."""
        if section.runButton:
            section.wire(section.runButton, "clicked()", lambda: self.run(section))
        if section.copyPythonButton:
            section.wire(section.copyPythonButton, "clicked()", lambda: self.panel.copyPython(section))
        if section.copyCommandButton:
            section.wire(section.copyCommandButton, "clicked()", lambda: self.panel.copyCommand(section))

    def _fillFunctionSelector(self) -> None:
        functions = self._functions()
        self.ui.functionSelector.addItems([section.title for section in functions])
        self.ui.functionRow.setVisible(len(functions) > 1)
        self.ui.functionSelector.connect("currentIndexChanged(int)", self.onFunctionChanged)

    # Scene and parameter node

    def _observeScene(self) -> None:
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)

    def onSceneStartClose(self, caller, event) -> None:
        """A job belongs to its scene: it ends with it."""
        self.panel.abandon()
        self.setParameterNode(None)
        for section in self.sections.values():
            section.onSceneClosed()

    def onSceneEndClose(self, caller, event) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event) -> None:
        """A scene was loaded: show its settings."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onNodeRemoved(self, caller, event) -> None:
        """What a button needs may be gone."""
        self.checkCanApply()

    def initializeParameterNode(self) -> None:
        """Take the scene's settings; unset ones become what the scene offers."""
        self._advice = packagesAdvice()
        self.setParameterNode(self.logic.getParameterNode())
        self.chooseDefaults()
        self.checkCanApply()

    def chooseDefaults(self) -> None:
        """Unset parameters become what the scene offers: when the page is shown, and when a result has come."""
        if self._node is not None:
            for section in self.sections.values():
                section.chooseDefaults()

    def setParameterNode(self, node) -> None:
        """Connect all sections to the module's parameter node (vtkMRMLScriptedModuleNode), or to none."""
        if self._node is not None:
            self.removeObserver(self._node, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        self._node = node
        self._page = PageParameters(node) if node else None
        for section in self.sections.values():
            section.setParameterNode(node)
        if node is not None:
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
            self.onParametersChanged()

    def onParametersChanged(self, caller=None, event=None) -> None:
        """The page shows what the parameter node says."""
        if self._node is None or self.refreshing:
            return
        self.refreshing = True
        try:
            self._showFunction()
            for section in self.sections.values():
                section.refreshAll()
        finally:
            self.refreshing = False
        self.checkCanApply()

    # Functions

    def _functions(self) -> list[Section]:
        return [section for section in self.sections.values() if section.isFunction]

    @property
    def currentSection(self) -> Section:
        """The function that the page shows and the panel works for; the first when the scene names none."""
        functions = {section.name: section for section in self._functions()}
        return functions.get(self._page.pageFunction if self._page else "", next(iter(functions.values())))

    def onFunctionChanged(self, index: int) -> None:
        """Keep the choice with the scene; the page follows the parameter node."""
        if self._page and not self.refreshing:
            self._page.pageFunction = self._functions()[index].name
            if not self.panel.busy:
                self.panel.say("")  # what the last job said was about another function

    def showFunction(self, section: Section) -> None:
        """Choose a function as if the user had."""
        self.ui.functionSelector.currentIndex = self._functions().index(section)

    def _showFunction(self) -> None:
        current = self.currentSection
        for index, section in enumerate(self._functions()):
            if section is current:
                self.ui.functionSelector.currentIndex = index
            section.widget.setVisible(section is current)
            if section.resultPart:
                getattr(section.ui, section.resultPart).setVisible(section is current)

    # Jobs

    def run(self, section: Section) -> bool:
        """Start a section's job; False when it could not be started (the status line says why)."""
        return self.panel.run(section)

    def handOn(self, segmentation) -> None:
        """Tell all sections of a segmentation that a job brought."""
        for section in self.sections.values():
            section.takeResult(segmentation)

    def checkCanApply(self, caller=None, event=None) -> None:
        """Enable each button that can be pressed; the others say why not in their tooltip."""
        if self.panel is None or self._node is None:
            return
        current = self.currentSection
        for section in self.sections.values():
            if section is current:
                self.panel.offer(section, vars(self.panel.ui), self._advice)
            elif section.runButton:
                self.panel.offer(section, self._buttonsOf(section), self._advice)

    def _buttonsOf(self, section: Section) -> dict:
        names = {
            "applyButton": section.runButton,
            "copyPythonButton": section.copyPythonButton,
            "copyCommandButton": section.copyCommandButton,
        }
        return {role: getattr(section.ui, name) for role, name in names.items() if name}

    def settingsForCopy(self, section: Section):
        """What "Copy as ..." writes down; raises NotSaved, or a Dose3DError for settings that cannot be."""
        problem = section.problem()
        if problem:
            raise NotSaved(problem)
        return section.makeJob(JobFiles(mayWrite=False)).settings
