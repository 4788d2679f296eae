"""Runs one task in the worker process for a module: bar, status line, Cancel; Slicer's window is never blocked."""

from __future__ import annotations

import logging
from collections.abc import Callable

import qt
import slicer
from Dose3DLib.core.errors import Cancelled, Dose3DError
from Dose3DLib.tasks.base import Result, Task, TaskSettings
from Dose3DLib.worker.client import WorkerJob
from slicer.i18n import tr as _

__all__ = ["JobPanel"]

POLL_MILLISECONDS = 100


class JobPanel:
    """Starts a job, polls it by a timer and ends it, at most one at a time.

    Parameters
    ----------
    progressBar, statusLabel, cancelButton:
        widgets of the module's page; the panel sets their state.
    onChanged:
        called when the panel becomes busy or idle, so that the module can enable its Apply button.
    """

    def __init__(self, progressBar, statusLabel, cancelButton, onChanged: Callable[[], None]):
        self._bar, self._label, self._cancelButton = progressBar, statusLabel, cancelButton
        self._onChanged = onChanged
        self._job: WorkerJob | None = None
        self._onResult: Callable[[Result], None] | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.connect("timeout()", self.poll)
        cancelButton.connect("clicked()", self.cancel)
        self._show("")

    @property
    def busy(self) -> bool:
        return self._job is not None

    def start(self, task: Task, settings: TaskSettings, onResult: Callable[[Result], None]) -> None:
        """Start the task; `onResult` gets its result in the GUI thread. Errors appear in the status line."""
        if self.busy:
            raise RuntimeError("a job is running already")
        try:
            self._job = WorkerJob(task, settings).start()
        except Dose3DError as error:
            self._show(str(error))
            self._onChanged()
            return
        self._onResult = onResult
        self._show(_("Starting..."))
        self._timer.start()
        self._onChanged()

    def cancel(self) -> None:
        """Ask the job to stop; the timer goes on until its process has ended."""
        if self.busy:
            self._job.cancel()
            self._show(_("Cancelling..."))

    def close(self) -> None:
        """End the job and wait for it (under 2 s): the page goes away."""
        self.cancel()
        while self.busy:
            self.poll()

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
        job, self._job = self._job, None
        onResult, self._onResult = self._onResult, None
        message = ""
        try:
            result = job.wait(self._showEvent)
            self._show(_("Bringing the result into the scene..."))
            onResult(result)
            message = " ".join([_("Done."), *result.warnings])
        except Cancelled:
            message = _("Cancelled; nothing was changed.")
        except Dose3DError as error:
            message = str(error)
        except Exception as error:  # whatever the worker or the scene says belongs in the status line as well
            logging.exception("Dose3D")
            message = str(error)
        self._show(message)
        self._onChanged()

    def _showEvent(self, event: dict) -> None:
        if event["event"] == "progress":
            self._bar.setValue(round(100 * event["fraction"]))
            remaining = event.get("remaining_s")
            words = [event.get("stage", ""), event.get("message", "")]
            if remaining is not None:
                words.append(_("about {seconds} s left").format(seconds=round(remaining)))
            self._label.text = ", ".join(word for word in words if word)
        elif event["event"] == "warning":
            logging.warning(event["message"])

    def _show(self, message: str) -> None:
        self._label.text = message
        self._bar.setVisible(self.busy)
        self._cancelButton.setEnabled(self.busy)
        if not self.busy:
            self._bar.setValue(0)
        slicer.app.processEvents()
