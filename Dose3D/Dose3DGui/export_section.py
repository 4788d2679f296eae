"""Section "Export": a segmentation of the scene as RTSTRUCT, SEG, .seg.nrrd, label map or masks; database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import slicer
from Dose3DLib.core.errors import InputError
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, parameterNodeWrapper

from .ct_input import CtInput
from .dicom_source import addToDatabase, databaseProblem
from .scene_inputs import JobFiles, VolumeSource, isInScene
from .section import Job, Section, shortText, taskNamed
from .volumes import hasImage

__all__ = ["ExportParameters", "ExportSection"]


@dataclass(frozen=True)
class _Form:
    """A kind of file: the ending that it must have ("" for a folder), and whether it is DICOM."""

    ending: str
    isDicom: bool = False


FORMS = {
    "DICOM RTSTRUCT": _Form(".dcm", isDicom=True),
    "DICOM SEG": _Form(".dcm", isDicom=True),
    "Slicer segmentation (.seg.nrrd)": _Form(".seg.nrrd"),
    "NIfTI label map (.nii.gz)": _Form(".nii.gz"),
    "Folder of NIfTI masks": _Form(""),
}
RTSTRUCT, SEG = "DICOM RTSTRUCT", "DICOM SEG"


@parameterNodeWrapper
class ExportParameters:
    """What is written, and where; saved with the scene.

    exportSegmentation:
        the structures.
    exportForm:
        one of FORMS.
    exportCtSource, exportCtVolume, exportCtPath:
        the CT that they belong to, see CtInput; without one the segmentation's reference volume.
    exportPath:
        the file, or the folder for masks; "" when only the database gets it.
    exportReplace:
        whether an existing file may be replaced.
    exportToDatabase:
        whether Slicer's DICOM database gets a copy.
    """

    exportSegmentation: vtkMRMLSegmentationNode
    exportForm: Annotated[str, Choice(list(FORMS)), Default(RTSTRUCT)]
    exportCtSource: str
    exportCtVolume: vtkMRMLScalarVolumeNode
    exportCtPath: str
    exportPath: str
    exportReplace: bool
    exportToDatabase: bool


class ExportSection(Section):
    """Settings of `dose3d structures convert` from the scene."""

    name = "export"
    title = _("Export structures")
    uiFile = "Dose3DSegmentExport.ui"
    parametersClass = ExportParameters
    runButton = "exportButton"
    copyPythonButton = "exportCopyPythonButton"
    copyCommandButton = "exportCopyCommandButton"
    paths = {"exportCtPathEdit": "exportCtPath", "exportPathEdit": "exportPath"}
    readyText = _("Write the structures")
    task = taskNamed("structures", "convert")

    def setup(self) -> None:
        self.ct = CtInput(self, "exportCt", required=False)

    def refresh(self) -> None:
        self.ct.refresh()
        self.ui.exportDatabaseCheckBox.setEnabled(self._form.isDicom)
        self.ui.exportDatabaseCheckBox.toolTip = (
            _("Copy what is written into Slicer's DICOM database, too (with the CT, where it was no DICOM)")
            if self._form.isDicom
            else _("Slicer's DICOM database takes RTSTRUCT and SEG only.")
        )

    def takeResult(self, segmentation) -> None:
        self.currentParameters().exportSegmentation = segmentation

    # What is chosen

    @property
    def _form(self) -> _Form:
        return FORMS[self.currentParameters().exportForm]

    @property
    def _toDatabase(self) -> bool:
        return self._form.isDicom and self.currentParameters().exportToDatabase

    def _segmentation(self):
        node = self.currentParameters().exportSegmentation
        return node if isInScene(node) else None

    def _volume(self):
        """The chosen CT, else the segmentation's reference volume, else None."""
        if self.ct.isFiles or self.ct.volume is not None:
            return self.ct.volume
        node = self._segmentation()
        role = node.GetReferenceImageGeometryReferenceRole()
        volume = slicer.mrmlScene.GetNodeByID(node.GetNodeReferenceID(role) or "")
        return volume if isInScene(volume) and hasImage(volume) else None

    # Why not

    def problem(self) -> str:
        return self._structuresProblem() or self.ct.problem() or self._ctProblem() or self._pathProblem()

    def _structuresProblem(self) -> str:
        node = self._segmentation()
        if node is None:
            return _("Select the segmentation to export.")
        if node.GetSegmentation().GetNumberOfSegments() == 0:
            return _("“{name}” holds no structure: select another segmentation.").format(name=node.GetName())
        return ""

    def _ctProblem(self) -> str:
        volume = self._volume()
        if self._form.isDicom and volume is None and not self.ct.path:
            return _("{form} refers to the images of a CT: select it.").format(form=self.currentParameters().exportForm)
        if volume is not None and volume.GetTransformNodeID() != self._segmentation().GetTransformNodeID():
            return _("Structures and CT lie under different transforms: harden the transforms first.")
        return ""

    def _pathProblem(self) -> str:
        text, ending = self.currentParameters().exportPath, self._form.ending
        if self._toDatabase and databaseProblem():
            return databaseProblem()
        if not text:
            return "" if self._toDatabase else _("Choose where to write.")
        if ending and not text.lower().endswith(ending):
            return _("The name of the file must end in {ending}.").format(ending=ending)
        if not ending and Path(text).is_file():
            return _("{path} is a file: choose a folder.").format(path=shortText(text))
        return ""

    # The job

    def makeJob(self, files: JobFiles) -> Job:
        from Dose3DLib.tasks import structures_convert

        parameters, form = self.currentParameters(), self._form
        output = Path(parameters.exportPath) if parameters.exportPath else files.output(f"structures{form.ending}")
        source = self._source(files)
        writesCt = form.isDicom and not source.isDicom and not self.ct.isFiles
        series = self._seriesFolder(output, files) if writesCt else None
        settings = structures_convert.Settings(
            structures=files.segmentation(self._segmentation()),
            output=output,
            ct=source.path if source else None,
            series=source.series if source else None,
            ct_output=series,
            seg=parameters.exportForm == SEG,
            resample=source is not None,
            overwrite=parameters.exportReplace,
        )
        room = files.output("database") if self._toDatabase else None
        return Job(self.task, settings, lambda result: self.show(result, series, room))

    def _source(self, files: JobFiles) -> VolumeSource | None:
        if self.ct.isFiles:
            return self.ct.source(files)
        volume = self._volume()
        return files.volume(volume) if volume is not None else None

    def _seriesFolder(self, output: Path, files: JobFiles) -> Path:
        """Where a CT that is no DICOM is written as a series: beside the structures."""
        if not self.currentParameters().exportPath:
            return files.output("ct")
        folder = output.with_name(f"{output.stem}-ct")
        if folder.exists():
            remedy = _("move it away, or give the structures another name")
            raise InputError(folder, _("exists already, and the CT would be written there"), remedy)
        return folder

    def show(self, result, series: Path | None, room: Path | None) -> None:
        """Hand what was written to the database, where wished (`room` is a temporary folder on the way)."""
        if room is not None:
            addToDatabase([Path(result.output), *([series] if series else [])], room)
