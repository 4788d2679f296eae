"""Function "Train a model of photons": phase spaces in, a model out; loss and marginals are seen while it learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from .file_list import FileList
from .live_pictures import LivePictures
from .scene_inputs import JobFiles
from .section import Job, Section, optionOf, shortText, storedRecord, taskNamed
from .tables import FactsTable

__all__ = ["TrainParameters", "TrainSection"]

TASK = taskNamed("phsp", "train")
MODEL, COORDINATES, MINUTES, SEED, DEVICE = (
    optionOf(TASK, name) for name in ("model", "coordinates", "minutes", "seed", "device")
)


@parameterNodeWrapper
class TrainParameters:
    """What learns from what, for how long; saved with the scene.

    trainFiles:
        phase spaces in one plane, one of the files of each.
    trainModel, trainCoordinates, trainFaithful, trainMinutes, trainSeed, trainDevice:
        as the settings of the task.
    trainOutput, trainReplace:
        folder of the model.
    trainResult:
        JSON of the model that was trained last: `rows`, `path`.
    """

    trainFiles: list[str]
    trainModel: Annotated[str, Choice(list(MODEL.choices)), Default(MODEL.default)]
    trainCoordinates: Annotated[str, Choice(list(COORDINATES.choices)), Default(COORDINATES.default)]
    trainFaithful: bool
    trainMinutes: Annotated[float, WithinRange(MINUTES.minimum, MINUTES.maximum), Default(MINUTES.default)]
    trainSeed: Annotated[int, WithinRange(SEED.minimum, 1_000_000), Default(SEED.default)]
    trainDevice: Annotated[str, Choice(list(DEVICE.choices)), Default(DEVICE.default)]
    trainOutput: str
    trainReplace: bool
    trainResult: str


class TrainSection(Section):
    """Settings of `dose3d phsp train`, what it draws while it runs, and its model."""

    name = "phaseSpaceTrain"
    title = _("Train a model of photons")
    uiFile = "Dose3DPhaseSpaceTrain.ui"
    parametersClass = TrainParameters
    resultPart = "trainResultCollapsibleButton"
    paths = {"trainOutputEdit": "trainOutput"}
    readyText = _("Train the model; Cancel keeps what it has learned for the next time")
    task = TASK

    def setup(self) -> None:
        self.files = FileList(self, "train", "trainFiles")
        self.facts = FactsTable(self.ui.trainTable)
        self.pictures = LivePictures({"marginals": self.ui.trainMarginalsPicture, "curve": self.ui.trainCurvePicture})
        self.wire("trainUseButton", "clicked()", self.onUseButton)

    def onSceneClosed(self) -> None:
        self.pictures.clear()
        self.ui.trainLossLabel.text = ""

    # Handlers

    def onUseButton(self) -> None:
        """Go to the function that generates photons, with this model."""
        self.page.sections["phaseSpaceGenerate"].choose(self._result()["path"])

    # What the page shows

    def refresh(self) -> None:
        self.files.refresh()
        found = self._result()
        self.facts.show(found.get("rows", {}))
        self.ui.trainResumeLabel.text = self._resumeText()
        self.ui.trainResumeLabel.setVisible(bool(self.ui.trainResumeLabel.text))
        self.ui.trainUseButton.setEnabled(bool(found))
        obstacle = "" if found else _("No model was trained yet.")
        self.ui.trainUseButton.toolTip = obstacle or _("Go to “Generate photons” with this model")

    def _result(self) -> dict:
        return storedRecord(self.currentParameters().trainResult)

    def _resumeText(self) -> str:
        output = self.currentParameters().trainOutput
        if not output or not (_workFolder(output) / "checkpoint.pt").is_file():
            return ""
        text = _("A training was begun there: with the same settings Apply goes on with it. {path} holds it.")
        return text.format(path=shortText(_workFolder(output)))

    # The job

    def problem(self) -> str:
        return self.files.problem() or ("" if self.currentParameters().trainOutput else _("Choose a model folder."))

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import phsp_train

        parameters = self.currentParameters()
        settings = phsp_train.Settings(
            phase_spaces=tuple(parameters.trainFiles),
            output=Path(parameters.trainOutput),
            model=parameters.trainModel,
            coordinates=parameters.trainCoordinates,
            faithful=parameters.trainFaithful,
            minutes=parameters.trainMinutes,
            seed=parameters.trainSeed,
            device=parameters.trainDevice,
            overwrite=parameters.trainReplace,
        )
        room = _workFolder(parameters.trainOutput)
        return Job(self.task, settings, self.show, lambda event: self.hear(event, room), self.cancelled)

    def hear(self, event: dict, room: Path) -> None:
        """Numbers and pictures of the running training; the curve is drawn anew at each checkpoint."""
        self.pictures.hear(event)
        if event["event"] == "curve":
            numbers = {name: value for name, value in event.items() if isinstance(value, float) and name != "time_s"}
            words = [f"{name} {value:.4g}" for name, value in numbers.items()]
            self.ui.trainLossLabel.text = _("Step {step}: {words}").format(step=event["step"], words=", ".join(words))
            self.pictures.show(room / "curve.png")

    def cancelled(self) -> str:
        """What a cancelled training leaves behind."""
        room = _workFolder(self.currentParameters().trainOutput)
        if not (room / "checkpoint.pt").is_file():
            return _("Cancelled before there was anything to keep.")
        self.refresh()
        return _("Cancelled; the checkpoint is kept in {path}: Apply goes on from there.").format(path=shortText(room))

    def show(self, result) -> None:
        """Say what was trained, with its last pictures."""
        folder = Path(result.output)
        for name in ("marginals", "curve"):
            self.pictures.show(folder / result.files[name])
        self.currentParameters().trainResult = json.dumps({"rows": result.summary, "path": str(folder)})
        self.refresh()


def _workFolder(output: str) -> Path:
    from Dose3DLib.tasks.phsp_train import work_folder

    return work_folder(Path(output))
