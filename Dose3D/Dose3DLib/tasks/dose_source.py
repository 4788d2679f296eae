"""The dose that a task is given, whatever it is: an RTDOSE, or an image file of doses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress
from ..core.provenance import file_sha256
from ..geometry.grid import Volume
from ..geometry.volume_files import IMAGE_SUFFIXES, image_suffix, read_raw_image

__all__ = ["DoseSource", "load_dose"]

_UNLIKELY_GY = 300.0
"""No treatment gives more, so larger numbers are rather cGy or percent."""
_REMEDY = f"give an RTDOSE (.dcm) or an image of doses in Gy ({', '.join(IMAGE_SUFFIXES)})"


@dataclass(frozen=True, eq=False)
class DoseSource:
    """A dose, and whose it is.

    Parameters
    ----------
    volume:
        float32, in `units`.
    units:
        "Gy", or "relative" where an RTDOSE says so.
    patient:
        plain texts for scene and report: `name`, `id`, `study`, `series`.
    frame:
        Frame of Reference UID, "" where the file has none.
    facts:
        for the provenance: path, kind, SHA-256.
    """

    volume: Volume
    units: str
    patient: dict[str, str]
    frame: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def load_dose(path: Path, progress: Progress) -> DoseSource:
    """Read an RTDOSE or an image of doses in Gy; notes become warnings.

    Raises
    ------
    InputError
        nothing there, no dose, or no value above 0.
    """
    if not path.is_file():
        raise InputError(path, "is a folder" if path.is_dir() else "does not exist", _REMEDY)
    found = _from_image(path, progress) if image_suffix(path) else _from_dicom(path, progress)
    lowest, highest = float(found.volume.array.min()), float(found.volume.array.max())
    if highest <= 0:
        raise InputError(path, f"holds no dose above 0 (its highest value is {highest:g})", _REMEDY)
    if lowest < 0:
        count = int(np.count_nonzero(found.volume.array < 0))
        progress.warn(f"{path.name}: {count:,} voxels have a negative dose, down to {lowest:.4g} {found.units}")
    if found.units == "Gy" and highest > _UNLIKELY_GY:
        progress.warn(f"{path.name}: the highest dose would be {highest:.4g} Gy; are its numbers in cGy?")
    return found


def _from_image(path: Path, progress: Progress) -> DoseSource:
    raw = read_raw_image(path)
    for note in raw.notes:
        progress.warn(note)
    facts = {"path": str(path), "kind": "image file, taken as Gy", "sha256": file_sha256(path)}
    volume = Volume(np.ascontiguousarray(raw.array, np.float32), raw.grid)
    return DoseSource(volume, "Gy", {"series": path.name.encode("utf-8", "replace").decode("utf-8")}, "", facts)


def _from_dicom(path: Path, progress: Progress) -> DoseSource:
    from ..dicom.identity import patient_texts, series_uids
    from ..dicom.rtdose import read_rtdose

    found = read_rtdose(path)
    for note in found.notes:
        progress.warn(f"{path.name}: {note}")
    uids = series_uids(found)
    facts = {"path": str(path), "kind": "RTDOSE", "sha256": file_sha256(path), **uids}
    units = "Gy" if found.units == "GY" else "relative"
    if units == "relative":
        progress.warn(f"{path.name}: levels are in its own numbers or in percent, not in Gy")
    return DoseSource(found.volume, units, patient_texts(found), uids["frame_of_reference_uid"], facts)
