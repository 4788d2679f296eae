"""Base of the GUI tests: unittest cases that run in Slicer and, where there is none, on the stand-in.

Only what exists in Slicer is used here and in the tests, so that both give the same answer.
"""

from __future__ import annotations

import gc
import os
import sys
import time
import traceback
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Slicer runs a file of this folder by itself, without what pytest puts on the path: `standin`, then `builders`.
sys.path[:0] = [str(HERE), str(HERE.parent)]


def _start_stand_in() -> None:
    try:
        import slicer
    except ImportError as error:
        raise unittest.SkipTest("needs Slicer, or slicer-core with PySide6 for the stand-in") from error
    if not hasattr(slicer, "app"):
        from standin.desktop import start

        start()


_start_stand_in()

import qt  # noqa: E402
import slicer  # noqa: E402

__all__ = ["SHARED_DATA", "GuiCase", "slow"]

try:
    import pytest

    slow = pytest.mark.slow
except ImportError:  # in Slicer

    def slow(test):
        """For tests that take long, which pytest leaves out unless asked."""
        return test


SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


class GuiCase(unittest.TestCase):
    """A module's page, entered, over an empty scene.

    Attributes
    ----------
    moduleName:
        of the module under test.
    widget, ui, logic:
        its Python widget, the widget's named children, its logic.
    """

    moduleName = ""

    def setUp(self):
        self._listenForFaults()
        slicer.mrmlScene.Clear(False)
        slicer.util.selectModule(self.moduleName)
        self.widget = slicer.util.getModuleWidget(self.moduleName)
        self.ui, self.logic = self.widget.ui, self.widget.logic
        self.spin(1)

    def tearDown(self):
        """No job outlives its test; what it left in the scene goes."""
        slicer.mrmlScene.Clear(False)
        self.spin(1)

    def _listenForFaults(self) -> None:
        """An exception in a slot or an observer is only printed, there as here: it fails the test that it came in."""
        faults, before = [], sys.excepthook

        def hear(kind, error, trace):
            faults.append("".join(traceback.format_exception(kind, error, trace)))
            before(kind, error, trace)

        sys.excepthook = hear
        self.addCleanup(lambda: self.assertEqual(faults, [], "\n".join(faults)))
        self.addCleanup(setattr, sys, "excepthook", before)

    # The event loop

    def spin(self, milliseconds: int = 20) -> None:
        """Handle events for a while."""
        end = time.monotonic() + milliseconds / 1000
        slicer.app.processEvents()
        while time.monotonic() < end:
            time.sleep(0.002)
            slicer.app.processEvents()

    def waitUntil(self, condition, seconds: float = 30, message: str = "") -> None:
        """Handle events until the condition holds; fails after a time."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                status = self.widget.panel.ui.statusLabel.text
                self.fail(f"{message or 'what was waited for did not come'} within {seconds} s (status: {status})")
            self.spin(5)

    # What a user does

    def click(self, button) -> None:
        self.assertTrue(button.enabled, f"{button.objectName} is disabled: {button.toolTip}")
        self.assertTrue(self.isShown(button), f"{button.objectName} is not on the page")
        button.click()
        self.spin(1)

    def isShown(self, control) -> bool:
        """Whether it would be seen if the page were: no part around it is hidden."""
        top = self.widget.parent
        return control.isVisibleTo(top)

    def type(self, edit, text: str) -> None:
        """Replace a line's text key by key, then Return."""
        edit.selectAll()
        for key in text:
            self._press(edit, 0, key)
        if not text:
            self._press(edit, qt.Qt.Key_Delete, "")
        self._press(edit, qt.Qt.Key_Return, "\r")
        self.spin(1)

    def _press(self, target, key: int, text: str) -> None:
        for kind in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
            event = qt.QKeyEvent(kind, key, qt.Qt.NoModifier, text)
            qt.QCoreApplication.sendEvent(target, event)

    def choose(self, box, text: str) -> None:
        index = box.findText(text)
        known = [box.itemText(i) for i in range(box.count)]
        self.assertGreaterEqual(index, 0, f"{box.objectName} does not offer {text!r} but {known}")
        box.setCurrentIndex(index)
        self.spin(1)

    def check(self, box, on: bool) -> None:
        if box.checked != on:
            self.click(box)
        self.assertEqual(box.checked, on)

    def selectNode(self, selector, node) -> None:
        selector.setCurrentNode(node)
        self.spin(1)
        self.assertIs(selector.currentNode(), node)

    # Jobs

    @property
    def panel(self):
        return self.widget.panel

    def runJob(self, seconds: float = 240, button=None) -> str:
        """Press Apply (or another button), wait until the job has ended; returns what the status line says."""
        self.click(button or self.ui.applyButton)
        self.waitUntil(lambda: not self.panel.busy, seconds, "the job did not end")
        return self.ui.statusLabel.text

    # Data

    def addPhantom(self, name: str = "CT"):
        """The patient that comes with Dose3D, as a volume node."""
        from Dose3DLib.geometry.phantom import population_phantom
        from Dose3DLib.scene.nodes import add_volume

        return add_volume(slicer.mrmlScene, population_phantom()[0], name)

    def shared(self, path: str) -> Path:
        """A file or folder of the project's data sets; the test skips with a line where there are none."""
        if not SHARED_DATA.is_dir():
            self.skipTest("needs the project's data sets in ../shared/data, which do not come with the repository")
        return SHARED_DATA / path

    def screenshotOfResult(self, prefix: str, name: str) -> None:
        """Keep a picture with the parts above the panel folded, so that it shows the result; unfold them again."""
        found = [getattr(self.ui, f"{prefix}{part}CollapsibleButton", None) for part in ("Inputs", "Settings", "Place")]
        parts = [part for part in found if part is not None and not part.collapsed]
        for part in parts:
            part.collapsed = True
        self.screenshot(name)
        for part in parts:
            part.collapsed = False

    def screenshot(self, name: str) -> None:
        """Keep a picture of the window, or of the page where there is no window, in $DOSE3D_SCREENSHOTS."""
        folder = os.environ.get("DOSE3D_SCREENSHOTS")
        if folder:
            target = slicer.util.mainWindow() or self.widget.parent
            self.spin(50)
            if slicer.util.mainWindow():
                slicer.util.forceRenderAllViews()
            target.grab().save(str(Path(folder) / f"{name}.png"))

    @staticmethod
    def collect() -> None:
        """Let go of what nobody holds any more."""
        gc.collect()
