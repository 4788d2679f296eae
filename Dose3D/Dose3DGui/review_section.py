"""Section "Review": what a human changed in found structures, the slices worth a look, who approves, and the export."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import qt
import slicer
from Dose3DLib.core.errors import Dose3DError
from slicer import vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from .review_comparison import Comparison, referenceVolumeOf
from .review_original import keepOriginal, originalOf, removeOrphans
from .review_verdict import STATUSES, Verdict, VerdictWatch, setVerdict, takeBack, verdictOf
from .scene_inputs import JobFiles, VolumeSource, isInScene
from .section import Job, Section, shortText, taskNamed
from .tables import fillTable, prepareTable

__all__ = ["ReviewParameters", "ReviewSection"]

STEP_MILLISECONDS, STEP_PAUSE_MILLISECONDS = 25, 10
"""The window stays free: this long at a time, with this pause between."""
EDIT_PAUSE_MILLISECONDS = 400
"""After the last stroke of a brush, before all is compared again."""
MOST_COLUMN_PIXELS = 110
REVIEWER_KEY = "Dose3D/Reviewer"


@parameterNodeWrapper
class ReviewParameters:
    """What is reviewed, by whom; saved with the scene. The verdict itself is kept on the segmentation.

    reviewedSegmentation:
        the structures, after the corrections.
    reviewerName, reviewComment:
        for the next verdict, and for the export.
    reviewFolder:
        each export becomes a new folder in it.
    """

    reviewedSegmentation: vtkMRMLSegmentationNode
    reviewerName: str
    reviewComment: str
    reviewFolder: str


class ReviewSection(Section):
    """Settings of `dose3d structures review` from the scene, and its table before anything is written."""

    name = "review"
    title = _("Export the review")
    uiFile = "Dose3DSegmentReview.ui"
    parametersClass = ReviewParameters
    runButton = "reviewExportButton"
    copyPythonButton = "reviewCopyPythonButton"
    copyCommandButton = "reviewCopyCommandButton"
    paths = {"reviewFolderEdit": "reviewFolder"}
    readyText = _("Write the reviewed structures, what was changed and who approved it")
    task = taskNamed("structures", "review")

    def setup(self) -> None:
        self.comparison: Comparison | None = None
        self._steps = self._compared = self._at = None
        self._showing = False
        self._watch = VerdictWatch(self.page, self.onSegmentationEdited)
        titles = [_("Structure"), _("Change"), _("Dice"), _("Volume (cc)"), _("Added"), _("Removed")]
        prepareTable(self.ui.reviewTable, titles)
        self.ui.reviewStatusSelector.addItems(list(STATUSES))
        self._timer = self._makeTimer(STEP_PAUSE_MILLISECONDS, False, self.onCompareStep)
        self._editTimer = self._makeTimer(EDIT_PAUSE_MILLISECONDS, True, self.onEditsPaused)
        self.wire("reviewTable", "cellClicked(int,int)", self.onRowChosen)
        self.wire("reviewTable", "currentCellChanged(int,int,int,int)", self.onRowChosen)
        self.wire("reviewPreviousButton", "clicked()", self.onPreviousButton)
        self.wire("reviewNextButton", "clicked()", self.onNextButton)
        self.wire("reviewKeepButton", "clicked()", self.onKeepButton)
        self.wire("reviewStatusSelector", "currentIndexChanged(int)", self.onStatusChanged)
        scene = slicer.mrmlScene
        self.page.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.page.addObserver(scene, scene.EndImportEvent, self.onSceneImported)

    @staticmethod
    def _makeTimer(milliseconds: int, single: bool, handler) -> qt.QTimer:
        timer = qt.QTimer()
        timer.setInterval(milliseconds)
        timer.setSingleShot(single)
        timer.connect("timeout()", handler)
        return timer

    def chooseDefaults(self) -> None:
        """The first segmentation that came with an original; the reviewer that Slicer or the last review knows."""
        self._watch.watch()
        parameters = self.parameters
        if self._node() is None:
            nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
            first = next((node for node in nodes if originalOf(node)), None)
            if first is not None:
                parameters.reviewedSegmentation = first
        if not parameters.reviewerName:
            parameters.reviewerName = _knownReviewer()

    def onSceneClosed(self) -> None:
        self._watch.forgetAll()
        self._stop()

    # Scene

    def onNodeRemoved(self, caller, event) -> None:
        """An original goes with its segmentation; not before a scene that is being loaded is complete."""
        if not slicer.mrmlScene.IsBatchProcessing():
            removeOrphans()
            self._watch.forgetGone()

    def onSceneImported(self, caller, event) -> None:
        """What a scene brought is watched, too."""
        self._watch.watch()

    def onSegmentationEdited(self, node) -> None:
        """A verdict is about what was seen: an edit ends it. The table follows when the strokes pause."""
        former = takeBack(node)
        if former:
            text = _("“{name}” was edited after its review ({former}): it is UNAPPROVED again.")
            self.page.panel.say(text.format(name=node.GetName(), former=former))
        if node is self._node():
            self._compared = None
            self._showVerdict()
            self._editTimer.start()

    def onEditsPaused(self) -> None:
        """Compare again, when the page is shown; else this is done on entering."""
        if self.parameters:
            self._compareIfNew()

    # The comparison

    def refresh(self) -> None:
        self._watch.watch()
        self._compareIfNew()
        self._showVerdict()

    def _node(self):
        node = self.currentParameters().reviewedSegmentation
        return node if isInScene(node) else None

    def _compareIfNew(self) -> None:
        node = self._node()
        original = originalOf(node)
        key = (node.GetID(), original.GetID(), original.GetMTime()) if original is not None else ()
        if key == self._compared:
            return
        self._stop()
        self._compared = key
        self.ui.reviewKeepButton.setEnabled(node is not None)
        if original is None:
            self.ui.reviewStateLabel.text = self._noOriginalText(node)
            return
        try:
            self.comparison = Comparison(original, node)
        except Dose3DError as error:
            self.ui.reviewStateLabel.text = str(error)
            return
        self._steps = self.comparison.steps()
        self._timer.start()

    @staticmethod
    def _noOriginalText(node) -> str:
        if node is None:
            return _("Select the segmentation that was corrected.")
        return _("Nothing to compare with: these structures came from elsewhere. Keep them as they are, then edit.")

    def onCompareStep(self) -> None:
        """Some milliseconds of work; the window is free between."""
        end = time.monotonic() + STEP_MILLISECONDS / 1000
        while time.monotonic() < end:
            fraction = next(self._steps, None) if self._steps else None
            if fraction is None:
                self._timer.stop()
                self._conclude()
                return
        self.ui.reviewStateLabel.text = _("Comparing, {percent} %").format(percent=round(100 * fraction))

    def _conclude(self) -> None:
        self._steps = None
        if self.comparison is None or self._node() is None:
            return
        self._checkFingerprint()
        changed = [one.name for one in self.comparison.agreements if one.is_changed]
        text = _("{count} of {all} structures were changed by a human").format(
            count=len(changed), all=len(self.comparison.agreements)
        )
        self.ui.reviewStateLabel.text = text + (f": {', '.join(changed)}" if changed else "")
        self._fillTable()
        self._showPlace(_("{count} slices differ.").format(count=len(self.comparison.lowest())))

    def _checkFingerprint(self) -> None:
        """Edits that nobody watched (this page was never opened then) end a verdict as well."""
        node, verdict = self._node(), verdictOf(self._node())
        if verdict.isGiven and not verdict.voxels:
            setVerdict(node, replace(verdict, voxels=self.comparison.fingerprint))
        elif verdict.isGiven and verdict.voxels != self.comparison.fingerprint:
            self.onSegmentationEdited(node)
            self._compared = (node.GetID(), originalOf(node).GetID(), originalOf(node).GetMTime())

    def _fillTable(self) -> None:
        segmentation, rows, colors = self._node().GetSegmentation(), [], []
        for one in self.comparison.agreements:
            sizes = [f"{value:.2f}" for value in (one.after_cc, one.added_cc, one.removed_cc)]
            rows.append([one.name, _changeText(one), f"{one.dice:.3f}", *sizes])
            segment = segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName(one.name))
            colors.append(tuple(round(255 * part) for part in segment.GetColor()) if segment else (128, 128, 128))
        self._showing = True
        fillTable(self.ui.reviewTable, rows, colors)
        self.ui.reviewTable.resizeColumnsToContents()
        for column in (0, 1):  # long names have tooltips; the numbers must be seen
            width = min(self.ui.reviewTable.columnWidth(column), MOST_COLUMN_PIXELS)
            self.ui.reviewTable.setColumnWidth(column, width)
        self._showing = False

    def _stop(self) -> None:
        self._timer.stop()
        self._editTimer.stop()
        self.comparison = self._steps = self._compared = self._at = None
        self._showing = True
        fillTable(self.ui.reviewTable, [])
        self._showing = False
        self._showPlace("")

    # The slices

    def onRowChosen(self, row: int, column: int = 0) -> None:
        """Show the slice of this structure where the two versions agree least."""
        if self._showing or self.comparison is None or not 0 <= row < len(self.comparison.agreements):
            return
        name = self.comparison.agreements[row].name
        found = [n for n, (other, _slice) in enumerate(self.comparison.lowest()) if other == name]
        if found:
            self._jump(found[0])
        else:
            self._showPlace(_("{name} was not changed.").format(name=name))

    def onNextButton(self) -> None:
        """The slice that agrees next better."""
        self._jump(0 if self._at is None else self._at + 1)

    def onPreviousButton(self) -> None:
        """The slice that agrees next worse."""
        self._jump(self._at - 1)

    def _jump(self, number: int) -> None:
        listed = self.comparison.lowest()
        name, one = listed[number]
        place = self.comparison.place(name, one.index)
        self._at = number
        if place is not None:
            slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *place, slicer.vtkMRMLSliceNode.OffsetJumpSlice)
        text = _("{number} of {all}: {name}, slice {slice} of {slices}, Dice {dice:.2f}, {area:.0f} mm² changed")
        self._showPlace(
            text.format(
                number=number + 1, all=len(listed), name=name, slice=one.index + 1, slices=self.comparison.sliceCount,
                dice=one.dice, area=one.changed_mm2,
            )
        )  # fmt: skip

    def _showPlace(self, text: str) -> None:
        count = len(self.comparison.lowest()) if self.comparison and not self._steps else 0
        self.ui.reviewPlaceLabel.text = text
        nextProblem = (
            "" if count and (self._at is None or self._at + 1 < count) else _("No further slice that differs.")
        )
        previousProblem = "" if count and self._at else _("No slice before this one.")
        for button, problem, ready in (
            (self.ui.reviewNextButton, nextProblem, _("Show the slice with the next lowest agreement in all views")),
            (self.ui.reviewPreviousButton, previousProblem, _("Show the slice before, with lower agreement")),
        ):
            button.setEnabled(not problem)
            button.toolTip = problem or ready

    # Original and verdict

    def onKeepButton(self) -> None:
        """From now on changes are counted from the present state."""
        keepOriginal(self._node())
        self.page.panel.say(_("Kept: changes are counted from the present state."))
        self._compared = None
        self._compareIfNew()
        self.page.checkCanApply()

    def onStatusChanged(self, index: int) -> None:
        """Keep the verdict with name and time on the segmentation, or say why there can be none."""
        node = self._node()
        if self._showing or node is None or STATUSES[index] == verdictOf(node).status:
            return
        reviewer = self.currentParameters().reviewerName.strip()
        problem = _nameProblem(reviewer) if STATUSES[index] != "UNAPPROVED" else ""
        if problem:
            self.page.panel.say(problem)
        else:
            self._decide(node, STATUSES[index], reviewer)
        self._showVerdict()
        self.page.checkCanApply()

    def _decide(self, node, status: str, reviewer: str) -> None:
        if status == "UNAPPROVED":
            setVerdict(node, Verdict())
            return
        done = self.comparison is not None and self._steps is None and self._compared
        when = datetime.now().strftime("%Y-%m-%dT%H:%M:%S")
        setVerdict(node, Verdict(status, reviewer, when, self.comparison.fingerprint if done else ""))
        qt.QSettings().setValue(REVIEWER_KEY, reviewer)
        self.page.panel.say(_("“{name}”: {verdict}").format(name=node.GetName(), verdict=verdictOf(node).words))

    def _showVerdict(self) -> None:
        node = self._node()
        verdict = verdictOf(node) if node is not None else Verdict()
        self._showing = True
        self.ui.reviewStatusSelector.currentIndex = STATUSES.index(verdict.status)
        self._showing = False
        self.ui.reviewStatusSelector.setEnabled(node is not None)
        hint = _("The verdict, DICOM's Approval Status; it is kept with the segmentation until that is edited.")
        self.ui.reviewStatusSelector.toolTip = hint if node is not None else _("Select a segmentation first.")
        former = _("edited since {former}").format(former=verdict.former) if verdict.former else ""
        self.ui.reviewVerdictLabel.text = verdict.words if verdict.isGiven else former or _("not reviewed yet")

    # The export

    def problem(self) -> str:
        node = self._node()
        if node is None or originalOf(node) is None:
            return self._noOriginalText(node)
        volume = referenceVolumeOf(node)
        if volume is None:
            return _("The CT that the structures were drawn on is not in the scene.")
        if volume.GetTransformNodeID() != node.GetTransformNodeID():
            return _("Structures and CT lie under different transforms: harden the transforms first.")
        folder = self.currentParameters().reviewFolder
        if not folder:
            return _("Choose the folder for the reviewed structures.")
        if Path(folder).is_file():
            return _("{path} is a file: choose a folder.").format(path=shortText(folder))
        return ""

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import structures_review

        node, parameters = self._node(), self.currentParameters()
        verdict, source = verdictOf(node), _ctOf(referenceVolumeOf(node), files)
        settings = structures_review.Settings(
            original=self._originalFile(node, files),
            reviewed=files.segmentation(node),
            ct=source.path,
            series=source.series,
            reviewer=verdict.reviewer if verdict.isGiven else parameters.reviewerName.strip(),
            status=verdict.status,
            reviewed_at=verdict.reviewedAt if verdict.isGiven else None,
            comment=parameters.reviewComment,
            output=Path(parameters.reviewFolder) / f"review_{datetime.now():%Y%m%d-%H%M%S}",
            dicom=not source.isDicom,
        )
        return Job(self.task, settings, self.show)

    @staticmethod
    def _originalFile(node, files: JobFiles) -> Path:
        """The original as a file, beside it the record of who found it."""
        path = files.segmentation(originalOf(node))
        task, made = node.GetAttribute("Dose3D.Task"), node.GetAttribute("Dose3D.Created")
        if files.mayWrite and task and path.is_relative_to(files.folder):
            model = {
                "name": node.GetAttribute("Dose3D.Model"),
                "weights_sha256": node.GetAttribute("Dose3D.ModelSHA256"),
            }
            record = {"task": task, "made_utc": made, "model": {k: v for k, v in model.items() if v}}
            (path.parent / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
        return path

    def show(self, result) -> None:
        """Say where it is."""
        self.ui.reviewExportedLabel.text = _("Written to {path}").format(path=result.output)
        self.ui.reviewExportedLabel.toolTip = str(result.output)


def _changeText(one) -> str:
    if one.state == "renamed":
        return _("renamed, was {name}").format(name=one.former_name)
    words = {"changed": _("changed"), "added": _("added"), "removed": _("removed")}
    return words.get(one.state, _("unchanged"))


def _nameProblem(reviewer: str) -> str:
    """Why this is no reviewer, or ""."""
    from Dose3DLib.dicom.attributes import check_person_name

    if not reviewer:
        return _("Enter the reviewer's name first: an approved or rejected review bears one.")
    try:
        check_person_name(reviewer, _("The reviewer's name"))
    except Dose3DError as error:
        return str(error)
    return ""


def _knownReviewer() -> str:
    """Who reviewed last on this machine, else Slicer's own user information, else ""."""
    remembered = slicer.util.settingsValue(REVIEWER_KEY, "")
    if remembered:
        return str(remembered)
    logic = slicer.app.applicationLogic() if hasattr(slicer.app, "applicationLogic") else None
    user = logic.GetUserInformation() if hasattr(logic, "GetUserInformation") else None
    return (user.GetName() or "") if user is not None else ""


def _ctOf(volume, files: JobFiles) -> VolumeSource:
    """The CT's files: those that an earlier result was read from, else as for any job.

    Not under a transform: a tilted gantry's slices stand upright in the scene, which the files don't.
    """
    loaded = volume.GetAttribute("Dose3D.LoadedFrom")
    if loaded and Path(loaded).exists() and volume.GetTransformNodeID() is None:
        return VolumeSource(Path(loaded), isDicom=Path(loaded).is_dir(), isSaved=True)
    return files.volume(volume)
