"""Runs one task in the worker process for a page: Apply, Cancel, bar, status, report; Slicer is never blocked.

There is one job at a time in the whole application, whatever page started it. The event loop is free while it runs: a
timer looks at the worker's events. Bringing the result into the scene is timed apart (`loadSeconds`).
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import weakref
from pathlib import Path

import qt
import slicer
from Dose3DLib.core.errors import Cancelled, Dose3DError
from Dose3DLib.tasks.base import Result
from Dose3DLib.worker.client import WorkerJob
from slicer.i18n import tr as _

from .packages import ensurePackages
from .scene_inputs import JobFiles, NotSaved
from .section import Job, Section

__all__ = ["JobPanel"]

UI_FILE = Path(__file__).resolve().parents[1] / "Resources" / "UI" / "Dose3DJobPanel.ui"
POLL_MILLISECONDS = 100
LIVE_EVENTS = ("curve", "picture")
"""What the section that asked for the job hears while it runs."""


class JobPanel:
    """The buttons and the line below a function's settings.

    Parameters
    ----------
    parentLayout:
        where the panel's widgets go.
    page:
        the Dose3DModuleWidget whose sections it runs.

    Attributes
    ----------
    ui:
        applyButton, cancelButton, progressBar, statusLabel, hintLabel, copyPythonButton, copyCommandButton,
        openReportButton.
    loadSeconds:
        how long the last result took to be brought into the scene; None before.
    report:
        report.html of the last result, None when there is none. It outlives the job's temporary files, until the next
        job, the end of the scene or of the application.
    """

    _panels: weakref.WeakSet[JobPanel] = weakref.WeakSet()
    _running: JobPanel | None = None

    def __init__(self, parentLayout, page):
        self._page = page
        self._widget = slicer.util.loadUI(str(UI_FILE))
        parentLayout.addWidget(self._widget)
        self.ui = slicer.util.childWidgetVariables(self._widget)
        self.loadSeconds: float | None = None
        self.report: Path | None = None
        self._reportFolder: Path | None = None
        self._job: WorkerJob | None = None
        self._files: JobFiles | None = None
        self._title = ""
        self._asked: Job | None = None  # None as well while a job ends whose result nobody wants
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.connect("timeout()", self.poll)
        for name, handler in (
            ("applyButton", self.onApplyButton),
            ("cancelButton", self.onCancelButton),
            ("copyPythonButton", self.onCopyPythonButton),
            ("copyCommandButton", self.onCopyCommandButton),
            ("openReportButton", self.onOpenReportButton),
        ):
            getattr(self.ui, name).connect("clicked()", handler)
        JobPanel._panels.add(self)
        self.say("")

    # Buttons

    def onApplyButton(self) -> None:
        """Start the job of the function that the page shows."""
        self.run(self._page.currentSection)

    def onCancelButton(self) -> None:
        """Ask the job to stop."""
        self.cancel()

    def onCopyPythonButton(self) -> None:
        """Put the Python lines of the shown function on the clipboard."""
        self.copyPython(self._page.currentSection)

    def onCopyCommandButton(self) -> None:
        """Put the command line of the shown function on the clipboard."""
        self.copyCommand(self._page.currentSection)

    def onOpenReportButton(self) -> None:
        """Show the report in the browser; while Slicer tests, only the status line says so."""
        if self.report and not slicer.app.testingEnabled():
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.report)))
        self.say(_("Report: {path}").format(path=self.report))

    def copyPython(self, section: Section) -> None:
        """The exact Python call of a section's job, on the clipboard."""
        self._copy(section, "to_python", _("Copied as Python."))

    def copyCommand(self, section: Section) -> None:
        """The exact command of a section's job, on the clipboard."""
        self._copy(section, "to_command", _("Copied as a command."))

    def _copy(self, section: Section, form: str, done: str) -> None:
        try:
            text = getattr(self._page.settingsForCopy(section), form)()
        except (NotSaved, Dose3DError, OSError, RuntimeError) as error:
            self.say(str(error))
            return
        slicer.app.clipboard().setText(text)
        self.say(done)

    def offer(self, section: Section, buttons: dict, advice: str = "") -> None:
        """Enable a section's buttons that can be pressed; the others say why not in their tooltip.

        `buttons` maps applyButton, copyPythonButton, copyCommandButton to widgets, as far as there are any.
        `advice` is a sentence on packages that are missing.
        """
        problem = section.problem()
        _offer(buttons.get("applyButton"), self.runningText() or problem, " ".join([section.readyText, advice]).strip())
        obstacle = self._copyObstacle(section)
        _offer(buttons.get("copyPythonButton"), obstacle, _("The Python lines that do the same, on the clipboard"))
        _offer(buttons.get("copyCommandButton"), obstacle, _("The command that does the same, on the clipboard"))
        if buttons.get("hintLabel"):
            self.ui.hintLabel.text = problem or advice
            self.ui.hintLabel.setVisible(bool(self.ui.hintLabel.text) and not self.busy)

    def _copyObstacle(self, section: Section) -> str:
        try:
            self._page.settingsForCopy(section)
        except (NotSaved, Dose3DError, OSError, RuntimeError) as error:
            return str(error)
        return ""

    # The job

    @property
    def busy(self) -> bool:
        return self._job is not None

    @classmethod
    def runningText(cls) -> str:
        """A sentence that names the running job of the application, or ""."""
        if cls._running is None:
            return ""
        text = _("“{title}” is running: wait for it, or cancel it where it was started.")
        return text.format(title=cls._running._title)

    def run(self, section: Section) -> bool:
        """Prepare and start a section's job; False when it could not be started, and the status line says why."""
        obstacle = self.runningText() or section.problem()  # a node may change without the parameter node
        if obstacle:
            self.say(obstacle)
            return False
        self.say(_("Starting..."))
        files = JobFiles()
        try:
            with slicer.util.WaitCursor():
                ensurePackages()
                self._start(section, section.makeJob(files), files)
        except Exception as error:  # whatever a page, a disk or an installer says belongs in the status line
            files.discard()
            self._sayError(error)
            return False
        return True

    def _start(self, section: Section, job: Job, files: JobFiles) -> None:
        self._dropReport()
        self._job = WorkerJob(job.task, job.settings).start()
        self._files, self._asked, self._title = files, job, section.title
        JobPanel._running = self
        self._timer.start()
        self._changed()

    def cancel(self) -> None:
        """Ask the job to stop; the timer goes on until its process has ended (under 2 s)."""
        if self.busy:
            self._job.cancel()
            self.say(_("Cancelling..."))

    def abandon(self) -> None:
        """The scene goes away: cancel without waiting, and take no result."""
        self._asked = None
        self._dropReport()
        self.cancel()

    def close(self) -> None:
        """The page goes away: end the job at once."""
        self._asked = None
        if self.busy:
            self._job.kill()
        while self.busy:
            self.poll()
        self._timer.stop()
        self._dropReport()
        JobPanel._panels.discard(self)

    def poll(self) -> None:
        """Show what the job says; take its result when it has ended."""
        if not self.busy:
            return
        for event in self._job.poll():
            self._showEvent(event)
        if not self._job.running:
            self._finish()

    def _finish(self) -> None:
        self._timer.stop()
        try:
            self._conclude()
        finally:
            self._job = None
            JobPanel._running = None
            self._files.discard()
            self._files = self._asked = None
            self._changed()

    def _conclude(self) -> None:
        """The result into the scene, or the reason why not into the status line."""
        try:
            result = self._job.wait(self._showEvent)
            if self._asked is None:
                raise Cancelled
            self._load(result)
            self.say(" ".join([_("Done."), *result.warnings]))
        except Cancelled:
            hasMore = self._asked is not None and self._asked.onCancelled is not None
            self.say(self._asked.onCancelled() if hasMore else _("Cancelled; nothing was changed."))
        except Exception as error:  # whatever the worker or the scene says belongs in the status line as well
            self._sayError(error)

    def _load(self, result: Result) -> None:
        self.say(_("Bringing the result into the scene..."))
        start = time.monotonic()
        with slicer.util.WaitCursor():
            self._asked.onResult(result)
            self._page.chooseDefaults()
        self.loadSeconds = time.monotonic() - start
        self._keepReport(result)

    # The report

    def _keepReport(self, result: Result) -> None:
        """Remember the report; one among temporary files moves to a place of its own."""
        name = result.files.get("report")
        report = self._asked.report if name is None else Path(result.output) / name
        if report is None:
            return
        if report.is_relative_to(self._files.folder):
            self._reportFolder = Path(tempfile.mkdtemp(prefix="Dose3D-report-"))
            report = Path(shutil.move(str(report), str(self._reportFolder)))
        self.report = report

    def _dropReport(self) -> None:
        if self._reportFolder is not None:
            shutil.rmtree(self._reportFolder, ignore_errors=True)
        self.report = self._reportFolder = None
        self._showState()

    # What it shows

    def say(self, text: str) -> None:
        """Show a sentence in the status line, at once."""
        self.ui.statusLabel.text = text
        self.ui.statusLabel.setVisible(bool(text))
        self._showState()
        self.ui.statusLabel.repaint()

    def _sayError(self, error: Exception) -> None:
        if not isinstance(error, Dose3DError | RuntimeError):
            logging.exception("Dose3D", exc_info=error)
        self.say(str(error) or type(error).__name__)

    def _showState(self) -> None:
        self.ui.progressBar.setVisible(self.busy)
        _offer(
            self.ui.cancelButton, "" if self.busy else _("No job is running."), _("Stop the job; nothing is changed.")
        )
        _offer(
            self.ui.openReportButton, "" if self.report else _("No report yet."), _("Open the report in the browser")
        )

    def _showEvent(self, event: dict) -> None:
        if event["event"] == "progress":
            self.ui.progressBar.setValue(round(100 * event["fraction"]))
            words = [event.get("stage", ""), event.get("message", ""), _remaining(event.get("remaining_s"))]
            self.ui.statusLabel.text = ", ".join(word for word in words if word)
        elif event["event"] == "warning":
            logging.warning(event["message"])
        elif event["event"] in LIVE_EVENTS and self._asked is not None and self._asked.onEvent is not None:
            self._asked.onEvent(event)

    def _changed(self) -> None:
        """A job began or ended: the buttons of all pages follow."""
        self.ui.progressBar.setValue(0)
        self._showState()
        for panel in list(JobPanel._panels):
            panel._page.checkCanApply()


def _offer(button, problem: str, ready: str) -> None:
    """Enable a button, or say in its tooltip why it cannot be pressed."""
    if button is not None:
        button.setEnabled(not problem)
        button.toolTip = problem or ready


def _remaining(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return _("about {seconds} s left").format(seconds=round(seconds))
    return _("about {minutes} min left").format(minutes=round(seconds / 60))
