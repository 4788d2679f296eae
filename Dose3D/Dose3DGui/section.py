"""A function of a page: its own .ui file, its own part of the parameter node, why it cannot run, its job.

Adding a function to a module is one file with a `Section`, one .ui file, and its class in the module's list.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from Dose3DLib.tasks.base import Option, Result, Task, TaskSettings, options_of
from Dose3DLib.tasks.registry import TASKS

from .parameters import openParameters

if TYPE_CHECKING:
    from .scene_inputs import JobFiles

__all__ = ["Job", "Section", "optionOf", "shortText", "storedRecord", "taskNamed"]


@dataclass(frozen=True)
class Job:
    """What Apply starts.

    Parameters
    ----------
    task, settings:
        what runs in the worker process.
    onResult:
        brings the result into the scene, in the GUI thread with a busy cursor; may raise, the status line says it.
    onEvent:
        hears what the task says while it runs, but for its progress, which the panel shows: `curve` (numbers of a step)
        and `picture` (a file), see core/progress.py. Quick, in the GUI thread.
    onCancelled:
        what the status line says of a cancelled job, where that may have left something behind.
    report:
        the report.html that the job writes, where the result does not name it (its output is a file).
    """

    task: Task
    settings: TaskSettings
    onResult: Callable[[Result], None]
    onEvent: Callable[[dict[str, Any]], None] | None = None
    onCancelled: Callable[[], str] | None = None
    report: Path | None = None


def taskNamed(*command: str) -> Task:
    """The registry's task with this command, such as `taskNamed("segment", "run")`."""
    return next(task for task in TASKS if task.command == command)


def optionOf(task: Task, name: str) -> Option:
    """A setting of a task: its choices, default and range hold for the page as for Python and the command line."""
    return next(option for option in options_of(task.load().Settings) if option.name == name)


class Section:
    """Base of all functions of a page. A subclass gives the class attributes, `problem` and `makeJob`.

    Class attributes
    ----------------
    name:
        short and unique in the page; the parameter node remembers the chosen function by it.
    title:
        what the function selector shows and the running job is called; a translated text.
    uiFile:
        file below the module's Resources/UI. Its top widget is a qMRMLWidget whose mrmlSceneChanged is wired to its
        node selectors; names of widgets are unique in the whole page.
    parametersClass:
        a class made by parameterNodeWrapper; its members are unique in the whole page, since all sections wrap the
        one node of the module. Widgets with SlicerParameterName are connected to it.
    resultPart:
        name of the widget of the .ui that the page shows below the job panel (the collapsible "Result"), or "".
    runButton, copyPythonButton, copyCommandButton:
        names of the section's own buttons. A section without a runButton is a *function*: it appears in the page's
        function selector, its .ui above the job panel, and the panel's buttons serve it. A section with one stands
        below the result (Review, Export) and is always there.
    alwaysThere:
        True for a section without a job that stands there as well.
    paths:
        name of a ctkPathLineEdit -> str member that it is kept equal to (parameterNodeWrapper offers only Path, which
        shows an unset path as ".").
    readyText:
        tooltip of the run button when it can be pressed.
    """

    name = ""
    title = ""
    uiFile = ""
    parametersClass: Any = None
    resultPart = ""
    runButton = ""
    alwaysThere = False
    copyPythonButton = ""
    copyCommandButton = ""
    paths: dict[str, str] = {}
    readyText = ""

    def __init__(self, page):
        """Load the .ui and connect what `paths` names; `setup` follows when the page is complete.

        Attributes: `page` (Dose3DModuleWidget), `widget` (the .ui's top), `ui` (its named children), `parameters`
        (None while the page is not shown: see `currentParameters`).
        """
        self.page = page
        self.parameters = None
        self._guiTag = None
        self.widget = slicer.util.loadUI(page.resourcePath(f"UI/{self.uiFile}"))
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.widget.setMRMLScene(slicer.mrmlScene)
        for edit in self.paths:
            self.wire(edit, "currentPathChanged(QString)", self.onPathChanged)

    # What a subclass gives

    def setup(self) -> None:
        """Connect the section's own handlers (by `wire`); called once, `page.ui` has the widgets of all sections."""

    def chooseDefaults(self) -> None:
        """Called when the page is shown: fill unset parameters with what the scene offers."""

    def refresh(self) -> None:
        """Bring widgets to what the parameters say; called after every change of the parameter node. Quick."""

    def problem(self) -> str:
        """Why the job cannot start, a sentence with what to do; "" when it can. Quick: called after every change."""
        return ""

    def makeJob(self, files: JobFiles) -> Job:
        """The job as the page says; `files` turns nodes into paths (see JobFiles) and names the output.

        Called at Apply, and with `files.mayWrite` False for the copy buttons: then nothing may be written, and
        JobFiles raises NotSaved where a node has no file of its own.

        Raises
        ------
        Dose3DError
            settings that cannot be; the status line says it.
        """
        raise NotImplementedError

    def takeResult(self, segmentation) -> None:
        """Another section brought this segmentation: the next step is probably about it."""

    def onSceneClosed(self) -> None:
        """Forget what belongs to the scene (kept copies, report); called when the scene begins to close."""

    # What it has

    def currentParameters(self):
        """The parameters, also while another module is shown (as when a job ends then)."""
        return self.parameters or openParameters(self.parametersClass, self.page.logic.getParameterNode())

    def wire(self, widgetName: str, signal: str, handler: Callable[..., None]) -> None:
        """Connect a signal of a widget; a misspelt one is an error here, where Qt would only return False."""
        if not getattr(self.ui, widgetName).connect(signal, handler):
            raise ValueError(f"{widgetName} has no signal {signal}")

    def setParameterNode(self, node) -> None:
        """Connect to the module's parameter node, or to none. Called by the page."""
        if self.parameters:
            self.parameters.disconnectGui(self._guiTag)
        self.parameters = openParameters(self.parametersClass, node) if node else None
        if self.parameters:
            self._guiTag = self.parameters.connectGui(self.ui)

    def onPathChanged(self, path=None) -> None:
        """Keep the paths with the scene."""
        if not self.parameters or self.page.refreshing:
            return
        # All are read first: each write makes the page show what the parameter node says.
        shown = {member: getattr(self.ui, edit).currentPath for edit, member in self.paths.items()}
        for member, text in shown.items():
            if getattr(self.parameters, member) != text:
                setattr(self.parameters, member, text)

    def refreshAll(self) -> None:
        """Called by the page: paths, then the section's own widgets."""
        for edit, member in self.paths.items():
            value = getattr(self.parameters, member)
            if getattr(self.ui, edit).currentPath != value:
                getattr(self.ui, edit).currentPath = value
        self.refresh()

    @property
    def isFunction(self) -> bool:
        return not (self.runButton or self.alwaysThere)


def storedRecord(text: str) -> dict:
    """What a finished job wrote into the scene: `rows` and `path`; empty where a text is of no version of ours."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    complete = isinstance(found, dict) and isinstance(found.get("rows"), dict) and isinstance(found.get("path"), str)
    return found if complete else {}


def shortText(path: Path | str, length: int = 60) -> str:
    """A path that fits into a sentence of the page: its end, after dots where it is long."""
    text = str(path)
    return text if len(text) <= length else "..." + text[3 - length :]
