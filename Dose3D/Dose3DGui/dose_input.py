"""A dose of a function: a volume of the scene, or a file on the disk."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .ct_input import CtInput
from .scene_inputs import JobFiles, NotSaved, savedFile, writeNode
from .section import shortText

__all__ = ["DoseInput", "looksLikeDose"]

IMAGES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")


class DoseInput(CtInput):
    """Like CtInput, for an RTDOSE file or an image of doses; a volume is never taken from its DICOM folder."""

    def chooseDefaults(self) -> None:
        """The first volume that says it is a dose, while none is chosen."""
        if self._required and self.volume is None and not self.isFiles:
            for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
                if looksLikeDose(node):
                    setattr(self._section.parameters, f"{self._prefix}Volume", node)
                    return

    def problem(self) -> str:
        if not self.isFiles and self.volume is None:
            return _("Select the dose volume, or choose a file on the disk.") if self._required else ""
        return super().problem()

    def _pathProblem(self) -> str:
        if not self.path:
            return _("Choose an RTDOSE file, or an image of doses.")
        if not Path(self.path).is_file():
            return _("{path} is no file: choose another one.").format(path=shortText(self.path))
        return ""

    def file(self, files: JobFiles) -> Path | None:
        """The dose as a file for the task; None when there is none and it is not required.

        Raises
        ------
        NotSaved
            the volume would have to be written, and `files` may not.
        """
        if self.isFiles:
            return Path(self.path)
        if self.volume is None:
            return None
        saved = savedFile(self.volume, IMAGES)
        if saved is not None:
            return saved
        if not files.mayWrite:
            text = _("“{name}” exists only in the scene, or was changed since it was saved: save it to a file first.")
            raise NotSaved(text.format(name=self.volume.GetName()))
        path = files.folder / f"{self._prefix}.nrrd"
        writeNode(self.volume, path)
        return path


def looksLikeDose(node) -> bool:
    """Whether a volume says that it is a dose: by its unit, or as SlicerRT marks doses."""
    units = node.GetVoxelValueUnits()
    return (units is not None and units.GetCodeValue() == "Gy") or node.GetAttribute("DicomRtImport.DoseVolume") == "1"
