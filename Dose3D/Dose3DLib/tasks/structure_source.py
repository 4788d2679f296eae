"""The structures that a task is given, whatever they are: one of the six forms, known by what the file is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import InputError
from ..core.progress import Progress
from ..core.provenance import file_sha256

if TYPE_CHECKING:
    from ..dicom.ct import CtReference
    from ..geometry.grid import Grid
    from ..geometry.structure import StructureSet

__all__ = ["DICOM_FORMS", "Form", "StructureSource", "check_names", "form_of"]

Form = Literal["RTSTRUCT", "SEG", ".seg.nrrd", "label map", "masks", "surfaces"]
DICOM_FORMS = ("RTSTRUCT", "SEG")


@dataclass(frozen=True, eq=False)
class StructureSource:
    """A path of known form and what it takes to read it.

    Parameters
    ----------
    grid:
        what the structures are brought onto; None leaves them on their own.
    reference:
        the DICOM CT, which RTSTRUCT and SEG need.
    lenient, resample:
        see `dicom.rtstruct.read_rtstruct` and `geometry.placing`.
    names:
        table of a label map's names.
    frame:
        LPS or RAS of surfaces whose files don't say it.
    """

    path: Path
    form: Form
    grid: Grid | None = None
    reference: CtReference | None = None
    lenient: bool = False
    resample: bool = False
    names: Path | None = None
    frame: str | None = None

    def read(self, progress: Progress | None = None) -> StructureSet:
        """The structures.

        Raises
        ------
        InputError
            damaged, of another CT, or on another grid.
        """
        from ..geometry import files

        path, grid = self.path, self.grid
        readers: dict[str, Callable[[], StructureSet]] = {
            "RTSTRUCT": self._read_rtstruct,
            "SEG": self._read_seg,
            ".seg.nrrd": lambda: files.read_seg_nrrd(path, grid, self.resample),
            "label map": lambda: files.read_label_map(path, self._label_names(), grid, self.resample),
            "masks": lambda: files.read_masks(path, grid, self.resample, progress),
            "surfaces": lambda: files.read_surfaces(path, grid, self.frame),
        }
        return readers[self.form]()

    def facts(self) -> dict[str, Any]:
        """For the provenance: path, form, SHA-256 of a single file."""
        facts: dict[str, Any] = {"path": str(self.path), "kind": self.form}
        return {**facts, "sha256": file_sha256(self.path)} if self.path.is_file() else facts

    def _read_rtstruct(self) -> StructureSet:
        from ..dicom.rtstruct import read_rtstruct

        return read_rtstruct(self.path, self.reference, self.lenient)

    def _read_seg(self) -> StructureSet:
        from ..dicom.seg import read_seg

        return read_seg(self.path, self.reference, self.lenient, self.resample)

    def _label_names(self) -> list[Any] | None:
        from ..geometry.label_names import read_names

        return read_names(self.names) if self.names else None


def form_of(path: Path) -> Form:
    """Which of the six forms a path holds.

    Raises
    ------
    InputError
        nothing there, or none of them.
    """
    from ..geometry.files import has_surfaces, image_suffix, is_surface_file

    if path.is_dir():
        return "surfaces" if has_surfaces(path) else "masks"
    if not path.exists():
        raise InputError(path, "does not exist", "give structures as a file or folder")
    if not path.is_file():
        raise InputError(path, "is neither a file nor a folder", "give structures as a file or folder")
    if path.name.lower().endswith(".seg.nrrd"):
        return ".seg.nrrd"
    if image_suffix(path):
        return "label map"
    if is_surface_file(path):
        return "surfaces"
    if path.suffix.lower() in (".dcm", ".ima", "") or _has_dicom_mark(path):
        return _dicom_form(path)
    remedy = "give .dcm, .seg.nrrd, a label map (.nii.gz, .nrrd, .mha), surfaces (.stl, .vtp) or a folder of masks"
    raise InputError(path, "is none of the forms that structures come in", remedy)


def check_names(path: Path, structures: StructureSet, dicom: bool) -> None:
    """Raise InputError for a name that is empty, there twice, or (for DICOM) over 64 characters."""
    names = [name.strip() for name in structures.names]
    for name in names:
        if not name:
            raise InputError(path, "has a structure with an empty name", "name it")
        if names.count(name) > 1:
            raise InputError(path, f"has the structure '{name}' twice", "give each its own name")
        if len(name) > 64 and dicom:
            cause = f"has a name of {len(name)} characters, DICOM allows 64: '{name[:40]}...'"
            raise InputError(path, cause, "shorten it")


def _has_dicom_mark(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _dicom_form(path: Path) -> Form:
    from ..dicom.seg import is_seg

    return "SEG" if is_seg(path) else "RTSTRUCT"
