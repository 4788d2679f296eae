"""The job panel: every end of a job, one job at a time, nothing left behind; a toy stands for the network."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import slicer
from gui_case import GuiCase

TOYS = Path(__file__).resolve().parents[1] / "toys"


class PanelCase(GuiCase):
    """The page of Dose3D Segment whose first function runs the toy task; temporary files lie in the test's folder."""

    moduleName = "Dose3DSegment"

    def setUp(self):
        super().setUp()
        self.rooms = tempfile.TemporaryDirectory(prefix="panel-test-")
        self.addCleanup(self.rooms.cleanup)
        self.patch(patch.object(tempfile, "tempdir", self.rooms.name))
        self.section = self.widget.sections["find"]
        self.results = []
        self.makeToy()

    def patch(self, change):
        """A change for the length of the test."""
        change.start()
        self.addCleanup(change.stop)

    def makeToy(self, onEvent=None, onCancelled=None, **options):
        """Let the function run the toy; the path of the toy is also the worker's."""
        if str(TOYS) not in sys.path:
            sys.path.insert(0, str(TOYS))
        places = os.pathsep.join([str(TOYS), os.environ.get("PYTHONPATH", "")])
        self.patch(patch.dict(os.environ, {"PYTHONPATH": places}))
        from Dose3DGui.section import Job
        from toy_cli import TOY

        def makeJob(files):
            import toy_task

            settings = toy_task.Settings(ct=Path(self.rooms.name), output=files.output("result"), **options)
            take = lambda result: self.results.append((Path(result.output) / "note.txt").is_file())  # noqa: E731
            return Job(TOY, settings, take, onEvent, onCancelled)

        for name, value in (("makeJob", makeJob), ("problem", lambda: "")):
            setattr(self.section, name, value)
            self.addCleanup(self.section.__dict__.pop, name, None)
        self.widget.checkCanApply()

    def start(self):
        self.click(self.ui.applyButton)
        self.assertTrue(self.panel.busy)

    def waitForProgress(self):
        self.waitUntil(lambda: "step" in self.ui.statusLabel.text, 30, "no progress")

    def waitForEnd(self, seconds=30):
        self.waitUntil(lambda: not self.panel.busy, seconds, "the job goes on")

    def filesLeft(self):
        return sorted(path.name for path in Path(self.rooms.name).iterdir())

    def assertIdle(self):
        self.assertTrue(self.ui.applyButton.enabled)
        self.assertFalse(self.ui.cancelButton.enabled)
        self.assertFalse(self.isShown(self.ui.progressBar))
        self.assertEqual(self.filesLeft(), [])


class TestJobPanelEnds(PanelCase):
    """Each end leaves an idle page that says how it was, and nothing on the disk."""

    def test_well(self):
        self.assertEqual(self.runJob(), "Done.")
        self.assertEqual(self.results, [True])
        self.assertGreaterEqual(self.panel.loadSeconds, 0)
        self.assertIdle()

    def test_bad_input(self):
        self.makeToy(behaviour="input_error")
        self.assertIn("no CT in the folder; choose another folder", self.runJob())
        self.assertEqual(self.results, [])
        self.assertIdle()

    def test_killed(self):
        self.makeToy(behaviour="kill")
        self.assertIn("was killed by SIGKILL", self.runJob())
        self.assertIdle()

    def test_a_fault_of_the_program(self):
        self.makeToy(behaviour="bug")
        self.assertNotIn("Done", self.runJob())
        self.assertEqual(self.results, [])
        self.assertIdle()

    def test_a_result_that_cannot_be_shown(self):
        from Dose3DGui.section import Job

        job = self.section.makeJob

        def makeJob(files):
            made = job(files)
            return Job(made.task, made.settings, lambda result: 1 / 0)

        self.section.makeJob = makeJob
        self.assertIn("division by zero", self.runJob())
        self.assertIdle()

    def test_no_start(self):
        def refuse(files):
            raise RuntimeError("No space left on device; free some space there")

        self.section.makeJob = refuse
        self.widget.checkCanApply()
        self.assertIn("free some space there", self.ui.copyCommandButton.toolTip)
        self.click(self.ui.applyButton)
        self.assertIn("free some space there", self.ui.statusLabel.text)
        self.assertFalse(self.panel.busy)
        self.assertIdle()

    def test_problem_that_came_without_notice(self):
        """A node may change without the parameter node: Apply looks once more."""
        self.section.problem = lambda: "The region was turned."
        self.click(self.ui.applyButton)
        self.assertEqual(self.ui.statusLabel.text, "The region was turned.")
        self.assertFalse(self.panel.busy)

    def test_warnings_are_told(self):
        self.makeToy(behaviour="warn")
        text = self.runJob()
        self.assertTrue(text.startswith("Done. "), text)


class TestJobPanelRunning(PanelCase):
    """While a job runs."""

    def test_what_the_page_shows(self):
        self.makeToy(steps=80, seconds=0.05)  # the remaining time is said after 2 s
        self.start()
        self.assertEqual(self.ui.statusLabel.text, "Starting...")
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("is running", self.ui.applyButton.toolTip)
        self.assertTrue(self.ui.cancelButton.enabled)
        self.assertTrue(self.isShown(self.ui.progressBar))
        self.waitUntil(lambda: "left" in self.ui.statusLabel.text, 30, "no remaining time")
        self.assertGreater(self.ui.progressBar.value, 0)
        self.waitForEnd()

    def test_first_progress_comes_soon(self):
        self.makeToy(steps=20, seconds=0.05)
        start = time.monotonic()
        self.start()
        self.waitForProgress()
        self.assertLess(time.monotonic() - start, 2.0)
        self.waitForEnd()

    def test_event_loop_is_free(self):
        """The longest time between two looks at the job, which run in the event loop."""
        self.makeToy(steps=40, seconds=0.05)
        self.start()
        longest = 0.0
        while self.panel.busy and not self.results:
            start = time.monotonic()
            self.panel.poll()
            longest = max(longest, time.monotonic() - start) if self.panel.busy else longest
            slicer.app.processEvents()
        self.assertLess(longest, 0.1)

    def test_cancel(self):
        self.makeToy(steps=400, seconds=0.05)
        self.start()
        self.waitForProgress()
        process = self.panel._job._process
        start = time.monotonic()
        self.click(self.ui.cancelButton)
        self.assertLess(time.monotonic() - start, 0.3)
        self.waitForEnd()
        self.assertLess(time.monotonic() - start, 2.0)
        self.assertIsNotNone(process.returncode)
        self.assertIn("Cancelled; nothing was changed.", self.ui.statusLabel.text)
        self.assertEqual(self.results, [])
        self.assertIdle()

    def test_scene_closes(self):
        self.makeToy(steps=400, seconds=0.05)
        self.start()
        self.waitForProgress()
        start = time.monotonic()
        slicer.mrmlScene.Clear(0)
        self.assertLess(time.monotonic() - start, 1.0)
        self.waitForEnd()
        self.assertLess(time.monotonic() - start, 2.5)
        self.assertEqual(self.results, [])
        self.assertEqual(self.filesLeft(), [])
        self.assertIn("Cancelled", self.ui.statusLabel.text)

    def test_scene_closes_when_the_job_is_just_done(self):
        """Its result is not brought into the new scene."""
        self.start()
        self.waitUntil(lambda: not self.panel._job.running, 30)
        slicer.mrmlScene.Clear(0)
        self.waitForEnd()
        self.assertEqual(self.results, [])
        self.assertEqual(self.filesLeft(), [])

    def test_page_goes_away(self):
        self.makeToy(steps=400, seconds=0.05)
        self.start()
        self.waitForProgress()
        start = time.monotonic()
        self.panel.close()
        self.addCleanup(type(self.panel)._panels.add, self.panel)
        self.assertLess(time.monotonic() - start, 0.5)
        self.assertFalse(self.panel.busy)
        self.assertEqual(self.filesLeft(), [])

    def test_another_page_keeps_the_job(self):
        self.makeToy(steps=20, seconds=0.05)
        self.start()
        self.widget.exit()
        self.waitForEnd()
        self.widget.enter()
        self.assertEqual(self.results, [True])
        self.assertIdle()

    def test_second_job_is_refused(self):
        self.makeToy(steps=400, seconds=0.05)
        self.start()
        self.assertFalse(self.panel.run(self.section))
        self.assertIn("“Find structures on a CT” is running", self.ui.statusLabel.text)
        export = self.widget.sections["export"]
        self.assertFalse(self.panel.run(export))
        self.assertIn("is running", self.ui.exportButton.toolTip)
        self.click(self.ui.cancelButton)
        self.waitForEnd()


class TestJobPanelLive(PanelCase):
    """Numbers and pictures of a running job, for the section that started it."""

    def makeLabel(self):
        import qt
        from Dose3DGui.live_pictures import LivePictures

        label = qt.QLabel()
        label.resize(300, 50)
        return label, LivePictures({"curve": label})

    def test_numbers_and_pictures_arrive_while_it_runs(self):
        heard = []
        self.makeToy(heard.append, behaviour="pictures", steps=30, seconds=0.05)
        self.start()
        self.waitUntil(lambda: len(heard) > 3, 30, "no live event")
        self.assertTrue(self.panel.busy)
        self.assertEqual([event["event"] for event in heard[:4]], ["curve", "picture", "curve", "picture"])
        self.assertEqual((heard[2]["step"], heard[2]["loss"]), (1, 0.5))
        self.assertEqual(Path(heard[3]["path"]).name, "curve.png")
        self.waitForEnd()

    def test_the_newest_picture_is_shown(self):
        label, pictures = self.makeLabel()
        self.assertFalse(label.isVisibleTo(None))
        self.makeToy(pictures.hear, behaviour="pictures", steps=7)
        self.assertEqual(self.runJob(), "Done.")
        self.assertEqual((label.pixmap.width(), label.pixmap.height()), (6, 40))
        pictures.clear()
        self.assertFalse(label.isVisibleTo(None))

    def test_a_wide_picture_takes_the_width_of_the_page(self):
        label, pictures = self.makeLabel()
        self.makeToy(pictures.hear, behaviour="pictures", steps=602)
        self.runJob()
        self.assertEqual((label.pixmap.width(), label.pixmap.height()), (300, 20))

    def test_a_closed_scene_hears_nothing_more(self):
        heard = []
        self.makeToy(heard.append, behaviour="pictures", steps=400, seconds=0.05)
        self.start()
        self.waitUntil(lambda: heard, 30, "no live event")
        slicer.mrmlScene.Clear(0)
        number = len(heard)
        self.waitForEnd()
        self.assertEqual(len(heard), number)

    def test_what_a_cancelled_job_leaves_is_said(self):
        self.makeToy(onCancelled=lambda: "Cancelled; the checkpoint is kept.", steps=400, seconds=0.05)
        self.start()
        self.waitForProgress()
        self.click(self.ui.cancelButton)
        self.waitForEnd()
        self.assertEqual(self.ui.statusLabel.text, "Cancelled; the checkpoint is kept.")


class TestJobPanelReport(PanelCase):
    """The report outlives the temporary files, not the scene."""

    def makeReport(self):
        from Dose3DGui.scene_inputs import JobFiles
        from Dose3DLib.tasks.base import Result

        files = JobFiles()
        (files.folder / "report.html").write_text("<p>the report</p>")
        self.panel._files = files
        self.panel._keepReport(Result(files.folder, {"report": "report.html"}))
        self.panel._files = None
        self.panel._showState()
        files.discard()

    def test_open_report(self):
        self.assertFalse(self.ui.openReportButton.enabled)
        self.assertIn("No report", self.ui.openReportButton.toolTip)
        self.makeReport()
        self.click(self.ui.openReportButton)
        self.assertIn("report.html", self.ui.statusLabel.text)
        self.assertEqual(self.panel.report.read_text(), "<p>the report</p>")

    def test_report_goes_with_the_scene(self):
        self.makeReport()
        slicer.mrmlScene.Clear(0)
        self.assertIsNone(self.panel.report)
        self.assertFalse(self.ui.openReportButton.enabled)
        self.assertEqual(self.filesLeft(), [])


class TestJobPanelManyRuns(PanelCase):
    def test_ten_runs_leave_nothing(self):
        """Neither observers nor nodes nor files nor processes."""
        self.runJob()
        gc.collect()
        before = (len(self.widget.Observations), slicer.mrmlScene.GetNumberOfNodes())
        for _ in range(10):
            self.runJob()
        gc.collect()
        self.assertEqual((len(self.widget.Observations), slicer.mrmlScene.GetNumberOfNodes()), before)
        self.assertEqual(self.filesLeft(), [])
