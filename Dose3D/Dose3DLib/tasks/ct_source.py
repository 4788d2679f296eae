"""The CT that a task is given, whatever it is: a DICOM series, or an image file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress
from ..core.provenance import file_sha256
from ..geometry.grid import Volume
from ..geometry.hounsfield import odd_values
from ..geometry.volume_files import image_suffix, read_raw_image, to_volume

if TYPE_CHECKING:
    from ..dicom.ct import CtReference

__all__ = ["CtSource", "load_ct", "write_as_series"]


@dataclass(frozen=True, eq=False)
class CtSource:
    """A CT in HU, and who it is.

    Parameters
    ----------
    reference:
        of the DICOM series, None for an image file.
    patient:
        plain texts for scene and report: `name`, `id`, `study`, `series`.
    facts:
        for the provenance: path, kind, UIDs, SHA-256 of the image file or of the HU that were read ([k, j, i], little
        endian).
    """

    volume: Volume
    reference: CtReference | None
    patient: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)


def load_ct(path: Path, series: str | None, resample_slices: bool, progress: Progress) -> CtSource:
    """Read a DICOM folder (or one file of a series), or a NIfTI, NRRD or MetaImage file; notes become warnings.

    Raises
    ------
    InputError
        nothing there, no CT in it, or a CT that cannot be used.
    """
    if not path.exists():
        raise InputError(path, "does not exist", "give a folder of DICOM files or an image file")
    if not path.is_file() and not path.is_dir():
        raise InputError(path, "is neither a file nor a folder", "give a folder of DICOM files or an image file")
    if path.is_file() and image_suffix(path):
        if series is not None:
            raise InputError("--series", "chooses among DICOM series, and the CT is an image file", "leave it out")
        facts = {"path": str(path), "kind": "image file", "sha256": file_sha256(path)}
        with progress.stage("read image", 1.0):
            raw = read_raw_image(path)
            for note in (*raw.notes, *odd_values(float(raw.array.min()), float(raw.array.max()))):
                progress.warn(note)
            return CtSource(
                to_volume(raw), None, {"series": path.name.encode("utf-8", "replace").decode("utf-8")}, facts
            )
    from ..dicom.ct import read_ct

    found = read_ct(path, series, resample_slices, progress)
    for note in found.reference.notes:
        progress.warn(note)
    from ..dicom.identity import patient_texts, series_facts

    facts = {
        "path": str(path),
        "kind": "DICOM series",
        **series_facts(found.reference),
        "hu_sha256": _sha256(found.volume),
    }
    return CtSource(found.volume, found.reference, patient_texts(found.reference), facts)


def write_as_series(volume: Volume, name: str, folder: Path, progress: Progress) -> CtReference:
    """Write a CT that is no DICOM as a series, so that structures can refer to it; `name` is its image file's."""
    from ..dicom.ct_write import PatientAttributes, write_ct

    patient = PatientAttributes(patient_name="", patient_id=name[:64], series_description=f"from {name}"[:64])
    reference = write_ct(volume, folder, patient)
    for note in reference.notes:
        progress.warn(note)
    return reference


def _sha256(volume: Volume) -> str:
    """Of what the files say, however they are encoded: their own hashes would change with a compression."""
    array = volume.array
    return hashlib.sha256(np.ascontiguousarray(array, array.dtype.newbyteorder("<"))).hexdigest()
