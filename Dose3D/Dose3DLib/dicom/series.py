"""Sorts the files of a folder into series and finds the CT that is meant."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import UID

from ..core.errors import InputError
from ..core.progress import Progress
from .frames import CT_CLASSES, ENHANCED_CLASSES
from .scan import Scan, ScannedFile, read_header, scan
from .values import text

__all__ = ["Selection", "SeriesSummary", "is_ct_file", "kind_of", "list_series", "select_ct_series"]

NAME_A_CT = "name a CT file or the folder of a CT series"


@dataclass(frozen=True)
class SeriesSummary:
    """What a user needs to choose a series; `images` counts files, or frames of an enhanced file."""

    uid: str
    modality: str
    kind: str
    description: str
    images: int
    patient_id: str
    study_uid: str

    def __str__(self) -> str:
        return f"{self.uid} ({self.modality} '{self.description}', {self.images} slices)"


@dataclass(frozen=True, eq=False)
class Selection:
    """The files of the chosen CT series, sentences on what was left out, and that on damaged and foreign files."""

    root: Path
    files: tuple[ScannedFile, ...]
    notes: tuple[str, ...]
    skipped: str = ""


def kind_of(file: ScannedFile) -> str:
    """`CT`, `CT localizer` or the name of the file's class, such as `RT Structure Set`, `MR Image`."""
    uid, modality = text(file.header, "SOPClassUID"), text(file.header, "Modality").upper()
    if uid in CT_CLASSES and modality in ("CT", ""):
        return "CT localizer" if "LOCALIZER" in text(file.header, "ImageType").upper() else "CT"
    if uid in CT_CLASSES:
        return f"CT class with modality {modality}"
    name = UID(uid).name
    return name.removesuffix(" Storage") if name != uid else f"object of unknown class {uid}"


def is_ct_file(path: Path) -> bool:
    """True for a DICOM file that holds a CT image."""
    file = read_header(path)
    return not isinstance(file, str) and kind_of(file) == "CT"


def list_series(folder: Path, progress: Progress | None = None) -> list[SeriesSummary]:
    """All series in a folder tree, CT first, then by description.

    Raises
    ------
    InputError
        no such folder, or nothing in it.
    """
    summaries = _summaries(scan(_existing(folder), progress).files)
    return sorted(summaries, key=lambda s: (s.kind != "CT", s.description, s.uid))


def _summaries(files: tuple[ScannedFile, ...]) -> list[SeriesSummary]:
    groups: dict[tuple[str, str], list[ScannedFile]] = {}
    for file in files:
        groups.setdefault((text(file.header, "SeriesInstanceUID"), kind_of(file)), []).append(file)
    return [_summary(uid, kind, members) for (uid, kind), members in groups.items()]


def _summary(uid: str, kind: str, members: list[ScannedFile]) -> SeriesSummary:
    header = members[0].header
    fields = (text(header, keyword) for keyword in ("SeriesDescription", "PatientID", "StudyInstanceUID"))
    description, patient_id, study_uid = fields
    images = sum(_images(member) for member in members)
    return SeriesSummary(uid, text(header, "Modality"), kind, description, images, patient_id, study_uid)


def _images(file: ScannedFile) -> int:
    frames = text(file.header, "NumberOfFrames")
    return int(frames) if frames.isdigit() and text(file.header, "SOPClassUID") in ENHANCED_CLASSES else 1


def select_ct_series(path: Path, series_uid: str | None = None, progress: Progress | None = None) -> Selection:
    """Find the one CT series that a path means.

    A file means its own series in its folder (an enhanced file: itself); a folder means the only CT series in its tree,
    or the one of `series_uid`. Localizers, secondary captures, RT objects and other modalities are left out with a
    note.

    Raises
    ------
    InputError
        no such path, no CT there, several CT series and none chosen, or no series of that UID.
    """
    path = _existing(path)
    if path.is_file():
        file = _checked_file(path)
        if series_uid is None and text(file.header, "SOPClassUID") in ENHANCED_CLASSES:
            return Selection(path, (file,), ())
        wanted = series_uid or text(file.header, "SeriesInstanceUID")
        return _select(scan(path.parent, progress, recursive=False), wanted)
    return _select(scan(path, progress), series_uid)


def _existing(path: Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise InputError(path, "there is no such file or folder", "check the path")
    return path


def _checked_file(path: Path) -> ScannedFile:
    file = read_header(path)
    if isinstance(file, str):
        raise InputError(path, f"this is no image that can be read: {file}", NAME_A_CT)
    kind = kind_of(file)
    if kind != "CT":
        raise InputError(path, f"this is not a CT but a {kind}", NAME_A_CT)
    return file


def _select(found: Scan, series_uid: str | None) -> Selection:
    series = [s for s in _summaries(found.files) if s.kind == "CT" and series_uid in (None, s.uid)]
    if not series:
        raise _no_ct(found, series_uid)
    if len(series) > 1:
        names = "; ".join(str(s) for s in sorted(series, key=lambda s: (s.description, s.uid)))
        raise InputError(found.root, f"there are {len(series)} CT series: {names}", "choose one with --series UID")
    uid = series[0].uid
    files = [f for f in found.files if kind_of(f) == "CT" and text(f.header, "SeriesInstanceUID") == uid]
    kept, notes = _drop_copies(files)
    skipped = _note_on_skipped(found)
    notes = [*notes, *_notes_on_rest(found, uid), *filter(None, [skipped])]
    return Selection(found.root, tuple(kept), tuple(notes), skipped)


def _no_ct(found: Scan, series_uid: str | None) -> InputError:
    all_series = _summaries(found.files)
    cts = [s for s in all_series if s.kind == "CT"]
    same = [s for s in all_series if s.uid == series_uid]
    if same:
        return InputError(found.root, f"the series {series_uid} is not a CT but a {same[0].kind}", "choose a CT series")
    if cts:
        cause = f"there is no CT series {series_uid}; there is {'; '.join(str(s) for s in cts)}"
        return InputError(found.root, cause, "choose one of these with --series UID")
    cause = f"there is no CT, only {_count_kinds(found)}"
    return InputError(found.root, cause, "name the folder that holds the CT's slices")


def _count_kinds(found: Scan) -> str:
    kinds = Counter(kind_of(file) for file in found.files)
    parts = [f"{n} x {kind}" for kind, n in sorted(kinds.items())]
    parts += [f"{n} file(s) {reason}" for reason, n in sorted(found.skipped.items())]
    return ", ".join(parts)


def _drop_copies(files: list[ScannedFile]) -> tuple[list[ScannedFile], list[str]]:
    """Keep one of several files that hold the same instance; refuse two instances under one UID."""
    kept: dict[str, ScannedFile] = {}
    copies = 0
    for file in files:
        uid = text(file.header, "SOPInstanceUID")
        if not uid:
            raise InputError(file.path, "SOP Instance UID (0008,0018) is missing", "export the series again")
        first = kept.setdefault(uid, file)
        if first is file:
            continue
        if text(first.header, "ImagePositionPatient") != text(file.header, "ImagePositionPatient"):
            cause = f"{file.path.name} is another slice with the same SOP Instance UID"
            raise InputError(first.path, cause, "export the series again with unique UIDs")
        copies += 1
    notes = [f"{copies} file(s) hold the same slice twice; the copies were left out"] if copies else []
    return list(kept.values()), notes


def _notes_on_rest(found: Scan, uid: str) -> list[str]:
    notes = []
    others = [f for f in found.files if kind_of(f) != "CT" or text(f.header, "SeriesInstanceUID") != uid]
    if others:
        kinds = Counter("CT of another series" if kind_of(file) == "CT" else kind_of(file) for file in others)
        listed = ", ".join(f"{n} x {kind}" for kind, n in sorted(kinds.items()))
        notes.append(f"ignored among the CT: {listed}")
    return notes


def _note_on_skipped(found: Scan) -> str:
    if not found.skipped:
        return ""
    listed = ", ".join(f"{n} {reason}" for reason, n in sorted(found.skipped.items()))
    return f"skipped {sum(found.skipped.values())} file(s) that are no readable images: {listed}"
