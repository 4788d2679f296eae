"""The grid that a dose is wanted on: a CT, a dose or any image, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.progress import Progress
from ..core.provenance import file_sha256
from ..geometry.grid import Grid, Volume
from ..geometry.volume_files import image_suffix, read_raw_image

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..dicom.ct import CtReference

__all__ = ["GridSource", "load_grid"]

_AIR_HU = -200.0
"""An image that goes below this is a CT: doses and label maps are not negative."""


@dataclass(frozen=True, eq=False)
class GridSource:
    """A grid, and what came with it.

    Parameters
    ----------
    ct:
        in HU, where the image is a CT.
    reference:
        of a DICOM CT, which structures refer to.
    header:
        patient and study for a DICOM dose on this grid; None for an image file.
    patient:
        plain texts for scene and report.
    frame:
        Frame of Reference UID, "" where the file has none.
    facts:
        for the provenance.
    """

    grid: Grid
    ct: Volume | None = None
    reference: CtReference | None = None
    header: Dataset | None = None
    patient: dict[str, str] = field(default_factory=dict)
    frame: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def load_grid(path: Path, series: str | None, progress: Progress) -> GridSource:
    """Read a CT (DICOM or image file), an RTDOSE or any three-dimensional image.

    Raises
    ------
    InputError
        nothing there that has a grid.
    """
    if not path.exists():
        raise InputError(path, "does not exist", "give a CT, an RTDOSE or an image file with the wanted voxels")
    if path.is_file() and image_suffix(path):
        return _from_image(path, series, progress)
    if path.is_file():
        from ..dicom.references import is_rtdose

        if is_rtdose(path):
            return _from_dose(path)
    from .ct_source import load_ct

    found = load_ct(path, series, False, progress)
    frame = str(found.facts.get("frame_of_reference_uid", ""))
    reference = found.reference
    return GridSource(found.volume.grid, found.volume, reference, reference.header, found.patient, frame, found.facts)


def _from_image(path: Path, series: str | None, progress: Progress) -> GridSource:
    if series is not None:
        raise InputError("--series", "chooses among DICOM series, and --grid is an image file", "leave it out")
    raw = read_raw_image(path)
    for note in raw.notes:
        progress.warn(note)
    ct = Volume(raw.array, raw.grid) if float(raw.array.min()) < _AIR_HU else None
    facts = {"path": str(path), "kind": "image file, a CT" if ct else "image file", "sha256": file_sha256(path)}
    name = path.name.encode("utf-8", "replace").decode("utf-8")
    return GridSource(raw.grid, ct, patient={"series": name}, facts=facts)


def _from_dose(path: Path) -> GridSource:
    from ..dicom.identity import patient_texts, series_uids
    from ..dicom.rtdose import read_rtdose

    found = read_rtdose(path)
    uids = series_uids(found)
    facts = {"path": str(path), "kind": "grid of an RTDOSE", "sha256": file_sha256(path), **uids}
    frame = uids["frame_of_reference_uid"]
    return GridSource(found.volume.grid, None, None, found.header, patient_texts(found), frame, facts)
