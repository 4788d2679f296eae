"""RT Structure Sets in (DICOM PS3.3 A.19): contours by their geometry, masks by pixel centre and even-odd rule.

Decisions where the standard leaves room or files break it are listed in docs/contours.md; each one taken for a file is
said in the notes of the result.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID, RTStructureSetStorage

from ..core.errors import InputError
from ..core.nomenclature import color_for
from ..geometry.contours import contours_to_mask
from ..geometry.overlap import overlapping_slices
from ..geometry.structure import PlanarContours, Structure, StructureSet
from .attributes import clean_text
from .contour_parser import RawContour, RawRoi, load_rtstruct
from .ct import CtReference
from .planes import PlacedContours, place_contours
from .values import text

__all__ = ["read_rtstruct"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
EXPORT_AGAIN = "export the structures again, or accept it with --lenient"
SAME_PATIENT = "give the CT and the structures of one patient, or accept it with --lenient"
NOTES_IN_AN_ERROR = 3


def read_rtstruct(path: Path, reference: CtReference, lenient: bool = False) -> StructureSet:
    """Read the structures of an RTSTRUCT onto the grid of its CT.

    Contours are placed by their coordinates, never by the images they name. Structures without any closed contour in
    the CT are left out and named in the notes.

    Parameters
    ----------
    path:
        the file.
    reference:
        the CT that it was drawn on.
    lenient:
        turns what makes the file doubtful for this CT (another patient, another frame of reference, images that the CT
        lacks) and damaged contours into notes.

    Raises
    ------
    InputError
        not an RTSTRUCT, damaged, of another patient or frame of reference, or without any structure in this CT.
    """
    dataset, rois = load_rtstruct(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of values that are no fault of the user, such as long names
        return _read(dataset, rois, reference, _Report(Path(path), lenient))


def _read(dataset: Dataset, rois: list[RawRoi], reference: CtReference, report: _Report) -> StructureSet:
    kind = UID(text(dataset, "SOPClassUID"))
    if kind != RTStructureSetStorage:
        cause = f"is a {clean_text(kind.name, 64) or 'file without a class'}, no RT Structure Set"
        raise InputError(report.path, cause, "give an RTSTRUCT file")
    if text(dataset, "Modality") != "RTSTRUCT":
        report.note(f"Modality is '{text(dataset, 'Modality')}' in a file of the class RT Structure Set")
    entries = _entries(dataset, rois, report)
    _check_patient(dataset, reference, report)
    entries = _check_frames(dataset, entries, reference, report)
    _check_images(entries, reference, report)
    structures = _structures(entries, reference, report)
    if not structures:
        more = len(report.notes) - NOTES_IN_AN_ERROR
        said = report.notes[:NOTES_IN_AN_ERROR] + ([f"and {more} more"] if more > 0 else [])
        cause = f"holds no closed contour in this CT ({'; '.join(said)})"
        raise InputError(report.path, cause, "give the CT it belongs to")
    return StructureSet(reference.grid, tuple(structures), tuple(report.notes))


class _Report:
    """Gathers the notes; `doubt` raises unless reading is lenient."""

    def __init__(self, path: Path, lenient: bool):
        self.path, self.lenient, self.notes = path, lenient, []

    def note(self, sentence: str) -> None:
        sentence = _CONTROL.sub(" ", sentence)
        if sentence not in self.notes:
            self.notes.append(sentence)

    def doubt(self, cause: str, remedy: str) -> None:
        if not self.lenient:
            raise InputError(self.path, _CONTROL.sub(" ", cause), remedy)
        self.note(cause)


@dataclass(frozen=True, eq=False)
class _Entry:
    """One ROI of the file; `kind` is its interpreted type."""

    number: int
    name: str
    color: tuple[int, int, int]
    kind: str
    frame_uid: str
    contours: list[RawContour]


def _entries(dataset: Dataset, rois: list[RawRoi], report: _Report) -> list[_Entry]:
    contours: dict[str, list[RawRoi]] = defaultdict(list)
    for roi in rois:
        contours[_number_key(roi.number)].append(roi)
    observations = _items(dataset, "RTROIObservationsSequence")
    kinds = {_number_key(text(o, "ReferencedROINumber")): text(o, "RTROIInterpretedType") for o in observations}
    taken: Counter[str] = Counter()
    entries = []
    for item in _items(dataset, "StructureSetROISequence"):
        number = _number_key(text(item, "ROINumber"))
        parts = contours.pop(number, [])
        name = _CONTROL.sub(" ", text(item, "ROIName")).strip()
        if not name:
            name = f"ROI_{number}"
            report.note(f"the structure of ROI number '{number}' has no name and is called {name}")
        name = _free_name(name, taken, report)
        entries.append(_entry(number, name, parts, kinds.get(number, ""), text(item, "ReferencedFrameOfReferenceUID")))
    for number, parts in contours.items():
        report.note(f"contours of ROI number '{number}', which the file does not name, are called ROI_{number}")
        entries.append(_entry(number, _free_name(f"ROI_{number}", taken, report), parts, "", ""))
    return entries


def _items(dataset: Dataset, keyword: str) -> Iterable[Dataset]:
    try:
        return list(dataset.get(keyword) or [])
    except Exception:  # pydicom raises all kinds on damaged sequences
        return []


def _number_key(number: str) -> str:
    return str(int(number)) if re.fullmatch(r"[+-]?\d{1,12}", number) else number


def _free_name(name: str, taken: Counter[str], report: _Report) -> str:
    """`name`, with a number when the file has it already; names over the 64 characters of LO are kept."""
    if len(name) > 64:
        report.note(f"the name '{name}' has {len(name)} characters, DICOM allows 64")
    free, count = name, 1
    while taken[free]:
        count += 1
        free = f"{name}_{count}"
    taken[free] += 1
    if free != name:
        report.note(f"a further structure named '{name}' is called '{free}'")
    return free


def _entry(number: str, name: str, parts: list[RawRoi], kind: str, frame_uid: str) -> _Entry:
    colors = [color for color in (_color(part.color) for part in parts) if color]
    color = colors[0] if colors else color_for(name)
    kind = kind.upper() if re.fullmatch("[A-Za-z0-9_ ]{0,16}", kind) else ""
    contours = [contour for part in parts for contour in part.contours]
    return _Entry(int(number) if re.fullmatch(r"-?\d+", number) else 0, name, color, kind, frame_uid, contours)


def _color(value: str) -> tuple[int, int, int] | None:
    parts = [part.strip() for part in value.split("\\")]
    if len(parts) != 3 or not all(re.fullmatch(r"\d{1,3}", part) for part in parts):
        return None
    red, green, blue = (min(int(part), 255) for part in parts)
    return red, green, blue


def _check_patient(dataset: Dataset, reference: CtReference, report: _Report) -> None:
    own, other = text(dataset, "PatientID"), text(reference.header, "PatientID")
    if own and other and own != other:
        report.doubt(f"is of patient '{own}', the CT of '{other}'", SAME_PATIENT)


def _check_frames(dataset: Dataset, entries: list[_Entry], reference: CtReference, report: _Report) -> list[_Entry]:
    """Refuse a file of another frame of reference; of a file with several keep the structures of the CT's frame."""
    chain = _items(dataset, "ReferencedFrameOfReferenceSequence")
    frames = {text(item, "FrameOfReferenceUID") for item in chain} - {""}
    if not frames:
        report.note("no Referenced Frame of Reference Sequence: contours are placed by their coordinates alone")
    general = frames or {text(dataset, "FrameOfReferenceUID")} - {""}
    wanted = text(reference.header, "FrameOfReferenceUID")
    if not wanted:
        return entries
    foreign = [e for e in entries if wanted not in ({e.frame_uid} if e.frame_uid else general or {wanted})]
    if foreign and (len(foreign) == len(entries) or report.lenient):
        report.doubt(
            f"lies in another frame of reference ({foreign[0].frame_uid or min(general)}) than the CT ({wanted})",
            "give the CT that the structures were drawn on, or accept it with --lenient",
        )
        return entries
    if foreign:
        report.note(f"in another frame of reference, left out: {', '.join(e.name for e in foreign)}")
    return [e for e in entries if e not in foreign]


def _check_images(entries: list[_Entry], reference: CtReference, report: _Report) -> None:
    known = {image.sop_instance_uid for image in reference.slices if image is not None}
    if None in reference.slices:
        return  # interpolated slices stand for images that have no place in the grid
    closed = [c for entry in entries for c in entry.contours if c.kind in CLOSED]
    missing = sorted({uid for contour in closed for uid in contour.images} - known)
    if missing:
        listed = ", ".join(missing[:20]) + " ..." * (len(missing) > 20)
        report.doubt(
            f"refers to {len(missing)} image(s) that the CT lacks: {listed}",
            "give the complete CT that the structures were drawn on, or accept it with --lenient",
        )
    bare = sum(not contour.images for contour in closed)
    if bare:
        report.note(f"{bare} of {len(closed)} contours name no image (no Contour Image Sequence)")


def _structures(entries: list[_Entry], reference: CtReference, report: _Report) -> list[Structure]:
    chosen = _closed_contours(entries, report)
    placed = place_contours([c.text for _, c in chosen], reference.grid)
    by_name: dict[str, PlanarContours] = {entry.name: {} for entry in entries}
    remarks: dict[str, Counter[str]] = defaultdict(Counter)
    for n, (entry, _) in enumerate(chosen):
        _take(n, entry, placed, by_name[entry.name], remarks[entry.name], report)
    _say_off_plane(chosen, placed, report)
    for name, counts in remarks.items():
        for remark, count in counts.items():
            report.note(f"{name}: {count} contour(s) left out, {remark}")
    return [_structure(entry, by_name[entry.name], reference, report) for entry in entries if by_name[entry.name]]


def _closed_contours(entries: list[_Entry], report: _Report) -> list[tuple[_Entry, RawContour]]:
    """The closed contours of all structures; all others are named in notes."""
    chosen, bare, other = [], [], []
    for entry in entries:
        closed = [c for c in entry.contours if c.kind in CLOSED]
        kinds = sorted({c.kind or "no geometric type" for c in entry.contours if c.kind not in CLOSED})
        if kinds:
            other.append(f"{entry.name} ({', '.join(kinds)})")
        if not entry.contours:
            bare.append(entry.name)
        chosen += [(entry, contour) for contour in _without_repeats(entry, closed, report)]
    if other:
        report.note(f"points and open lines enclose nothing, left out: {'; '.join(other)}")
    if bare:
        report.note(f"without contours, left out: {', '.join(bare)}")
    return chosen


def _without_repeats(entry: _Entry, contours: list[RawContour], report: _Report) -> list[RawContour]:
    """Contours of CLOSED_PLANAR that are written twice count once: by even-odd they would cancel each other."""
    seen: set[bytes] = set()
    kept = []
    for contour in contours:
        if contour.kind == "CLOSED_PLANAR" and contour.text and contour.text in seen:
            continue
        seen.add(contour.text)
        kept.append(contour)
    if len(kept) < len(contours):
        report.note(f"{entry.name}: {len(contours) - len(kept)} contour(s) written twice count once")
    return kept


def _take(
    n: int, entry: _Entry, placed: PlacedContours, into: PlanarContours, remarks: Counter[str], report: _Report
) -> None:
    fault = placed.faults.get(n)
    if fault is None:
        into.setdefault(placed.slices[n], []).append(placed.polygons[n])
    elif fault.damage and not report.lenient:
        raise InputError(report.path, f"a contour of '{entry.name}' {fault.reason}", EXPORT_AGAIN)
    else:
        remarks[fault.reason] += 1


def _say_off_plane(chosen: list[tuple[_Entry, RawContour]], placed: PlacedContours, report: _Report) -> None:
    off: dict[str, list[float]] = defaultdict(list)
    for n, distance_mm in placed.off_plane_mm.items():
        off[chosen[n][0].name].append(distance_mm)
    for name, distances in off.items():
        report.note(f"{name}: {len(distances)} contour(s) lie up to {max(distances):.2g} mm off their slice")


def _structure(entry: _Entry, contours: PlanarContours, reference: CtReference, report: _Report) -> Structure:
    mask = contours_to_mask(contours, reference.grid)
    overlaps = overlapping_slices(contours, reference.grid)
    if overlaps:
        report.note(f"{entry.name}: contours overlap on {len(overlaps)} slice(s), what two of them share is outside")
    if mask.is_empty:
        report.note(f"{entry.name}: its contours enclose no voxel centre, the mask is empty")
    return Structure(entry.name, mask, contours, entry.color, entry.kind, entry.number)
