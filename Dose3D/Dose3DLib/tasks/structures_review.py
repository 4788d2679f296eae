"""`dose3d structures review`: what a human changed in a structure set, who reviewed it, and with which result."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import InputError
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import make_provenance
from .base import Result, TaskSettings, option
from .ct_source import CtSource, load_ct, write_as_series
from .structure_source import DICOM_FORMS, StructureSource, check_names, form_of

if TYPE_CHECKING:
    from ..dicom.ct import CtReference
    from ..geometry.agreement import Agreement
    from ..geometry.structure import StructureSet

__all__ = ["Settings", "run"]

LONGEST_COMMENT = 1000
"""Characters; with "Research use only. " it fits DICOM's Structure Set Description (1024)."""

_TIME = "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True)
class Settings(TaskSettings):
    """Two versions of the structures of one CT, and the reviewer's verdict."""

    original: Path = option(
        help="structures as found: RTSTRUCT, SEG, .seg.nrrd, label map, or folder of masks", positional=True
    )
    reviewed: Path = option(help="the same after the review, in any of these forms", positional=True)
    ct: Path = option(help="CT that they belong to: DICOM folder or image file")
    reviewer: str = option("", help="who reviewed (DICOM person name); APPROVED and REJECTED need it")
    status: Literal["UNAPPROVED", "APPROVED", "REJECTED"] = option("UNAPPROVED", help="verdict of the review")
    reviewed_at: str | None = option(None, help="when it was reviewed, as 2026-01-31T14:05:00 (default: now)")
    comment: str = option("", help="what the reviewer says about it")
    output: Path = option(help="folder for the results")
    series: str | None = option(None, help="Series Instance UID, when the CT folder holds several CT series")
    resample_slices: bool = option(False, help="accept a CT with missing or uneven slices by interpolation")
    dicom: bool = option(False, help="write an image file as a CT series first, so that an RTSTRUCT can refer to it")
    overwrite: bool = option(False, help="replace an existing output")


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Compare, and write the reviewed structures with who approved them; the output appears when it is complete.

    Raises
    ------
    InputError, OutputError, ResourceError, Cancelled
    """
    from ..geometry.agreement import compare_sets

    progress = progress or Progress()
    when = _check_review(settings)
    for path in (settings.original, settings.reviewed):
        form_of(path)
    with atomic_output(settings.output, settings.overwrite, settings.inputs()) as draft:
        with progress.part(0.3):
            ct = load_ct(settings.ct, settings.series, settings.resample_slices, progress)
        sources = [_source(path, ct) for path in (settings.original, settings.reviewed)]
        with progress.stage("read structures", 0.55):
            dicom = ct.reference is not None or settings.dicom
            before, after = (_read(source, dicom, progress) for source in sources)
        with progress.stage("compare", 0.65):
            agreements = compare_sets(before, after)
        draft.mkdir()
        files = _write(settings, when, ct, after, agreements, draft, progress)
        provenance = _provenance(settings, when, ct, sources, agreements, progress)
        with progress.stage("report", 1.0):
            _write_report(settings, when, draft, ct, (before, after), agreements, provenance)
        provenance["seconds"] = dict(progress.seconds)
        _write_json(draft / "provenance.json", provenance)
    files |= {"report": "report.html", "provenance": "provenance.json"}
    summary = {"status": settings.status, "changed": f"{sum(a.is_changed for a in agreements)} of {len(agreements)}"}
    summary |= {one.name: _change_words(one) for one in agreements}
    return Result(settings.output, files, summary, tuple(progress.warnings), dict(progress.seconds))


def _check_review(settings: Settings) -> datetime:
    """Refuse a verdict without a name, and what DICOM cannot hold; the time of the review."""
    from ..dicom.attributes import check_person_name

    check_person_name(settings.reviewer, "--reviewer")
    if settings.status != "UNAPPROVED" and not settings.reviewer.strip(" ^"):
        raise InputError("--reviewer", f"is missing, and {settings.status} needs one", "name the reviewer")
    if len(settings.comment) > LONGEST_COMMENT:
        cause = f"has {len(settings.comment)} characters, {LONGEST_COMMENT} are allowed"
        raise InputError("--comment", cause, "shorten it")
    if settings.reviewed_at is None:
        return datetime.now().replace(microsecond=0)
    try:
        return datetime.strptime(settings.reviewed_at, _TIME)
    except ValueError as error:
        raise InputError(
            "--reviewed-at", f"'{settings.reviewed_at}' is no time", "write 2026-01-31T14:05:00"
        ) from error


def _source(path: Path, ct: CtSource) -> StructureSource:
    form = form_of(path)
    if form in DICOM_FORMS and ct.reference is None:
        raise InputError(path, f"is {form}, which needs the CT as DICOM", "give the DICOM folder with --ct")
    return StructureSource(path, form, ct.volume.grid, ct.reference)


def _read(source: StructureSource, dicom: bool, progress: Progress) -> StructureSet:
    found = source.read(progress)
    for note in found.notes:
        progress.warn(f"{source.path.name}: {note}")
    check_names(source.path, found, dicom)
    return replace(found, structures=tuple(replace(one, name=one.name.strip()) for one in found))


def _write(
    settings: Settings, when: datetime, ct: CtSource, after: StructureSet, agreements: Sequence[Agreement],
    draft: Path, progress: Progress,
) -> dict[str, str]:  # fmt: skip
    from ..geometry.mask_files import write_masks

    filled = tuple(one for one in after if not one.mask.is_empty)
    if not filled:
        raise InputError(settings.reviewed, "holds no voxel of any structure", "give the reviewed structures")
    files = {"masks": "masks", "changes": "changes.csv", "review": "review.json"}
    reference = ct.reference
    if reference is None and settings.dicom:
        with progress.stage("CT as DICOM", 0.7):
            reference = write_as_series(ct.volume, ct.patient["series"], draft / "ct", progress)
        files["ct"] = "ct"
    if reference is not None:
        with progress.stage("RTSTRUCT", 0.75):
            _write_rtstruct(settings, when, reference, replace(after, structures=filled), agreements, draft)
        files["rtstruct"] = "structures.dcm"
    else:
        progress.warn("No structures.dcm: the CT is an image file, and an RTSTRUCT must refer to a DICOM CT (--dicom).")
    with progress.stage("masks", 0.9):
        write_masks(replace(after, structures=filled), draft / "masks", progress)
    _write_table(draft / "changes.csv", agreements)
    _write_json(draft / "review.json", _review_record(settings, when, agreements))
    return files


def _write_rtstruct(
    settings: Settings, when: datetime, reference: CtReference, after: StructureSet, agreements: Sequence[Agreement],
    draft: Path,
) -> None:  # fmt: skip
    """Each structure says in the file itself whether a human changed it."""
    from ..dicom.rtstruct_write import RtStructAttributes, write_rtstruct

    changed = [one for one in agreements if one.is_changed]
    names = ", ".join(one.name for one in changed) or "none"
    how = f"dose3d structures review ({settings.status}); structures changed by a human: {names}. Research use only."
    attributes = RtStructAttributes(
        label="Dose3D review",
        name="Dose3D structures, reviewed",
        description=f"Research use only. {settings.comment}",
        series_description=f"Dose3D structures, {settings.status.lower()}",
        series_number=1001,
        approval_status=settings.status,
        reviewer=settings.reviewer.strip(),
        reviewed_at=when,
        algorithm="AUTOMATIC" if (_origin(settings.original) or {}).get("task") == "segment run" else "",
        algorithms={one.name: "MANUAL" if one.state == "added" else "SEMIAUTOMATIC" for one in changed},
        roi_descriptions={one.name: f"Reviewed: {_change_words(one)}" for one in agreements},
        provenance=how,
    )
    write_rtstruct(after, reference, draft / "structures.dcm", attributes)


def _change_words(one: Agreement) -> str:
    """One structure in a line, for the screen and for DICOM."""
    if one.state == "unchanged":
        return "unchanged"
    if one.state == "renamed":
        return f"unchanged, renamed from {one.former_name}"
    sizes = f"+{one.added_cc:.2f} cc, -{one.removed_cc:.2f} cc"
    return f"{one.state} by a human, Dice {one.dice:.3f}, {sizes}"


def _write_table(path: Path, agreements: Sequence[Agreement]) -> None:
    """One line a structure; volumes in cm^3, slices counted from 1."""
    heading = ("structure", "state", "changed", "former_name", "dice", "before_cc", "after_cc", "added_cc",
               "removed_cc", "changed_slices", "lowest_slice", "lowest_slice_dice")  # fmt: skip
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(heading)
        for one in agreements:
            numbers = [
                f"{value:.6g}" for value in (one.dice, one.before_cc, one.after_cc, one.added_cc, one.removed_cc)
            ]
            lowest = (one.slices[0].index + 1, f"{one.slices[0].dice:.6g}") if one.slices else ("", "")
            changed = "yes" if one.is_changed else "no"
            writer.writerow([one.name, one.state, changed, one.former_name, *numbers, len(one.slices), *lowest])


def _review_record(settings: Settings, when: datetime, agreements: Sequence[Agreement]) -> dict[str, Any]:
    """review.json; `slices` have their `index` counted from 0, lowest agreement first."""
    structures = [{**asdict(one), "changed_by_human": one.is_changed} for one in agreements]
    return {**_verdict(settings, when), "structures": structures}


def _verdict(settings: Settings, when: datetime) -> dict[str, Any]:
    return {
        "status": settings.status,
        "reviewer": settings.reviewer.strip(),
        "reviewed_at": when.strftime(_TIME),
        "comment": settings.comment,
    }


def _provenance(
    settings: Settings, when: datetime, ct: CtSource, sources: Sequence[StructureSource],
    agreements: Sequence[Agreement], progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    names = [one.name for one in agreements if one.is_changed]
    review = {**_verdict(settings, when), "by": "a human", "changed_by_human": names}
    inputs = [ct.facts, *(source.facts() for source in sources)]
    return make_provenance(
        "structures review", settings.to_dict(), progress, inputs=inputs, review=review,
        original_made_by=_origin(settings.original),
    )  # fmt: skip


def _origin(original: Path) -> dict[str, Any] | None:
    """What the record beside the original structures says about who found them; None where there is none of ours."""
    for folder in (original, original.parent):
        try:
            record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
            return {key: record.get(key) for key in ("task", "made_utc", "model") if record.get(key)}
        except (OSError, ValueError, AttributeError):
            continue
    return None


def _write_report(
    settings: Settings, when: datetime, draft: Path, ct: CtSource, versions: tuple[StructureSet, StructureSet],
    agreements: Sequence[Agreement], provenance: dict[str, Any],
) -> None:  # fmt: skip
    from ..report.review import ReviewReport, write_review_report

    labels = {"name": "Patient", "id": "Patient ID", "study": "Study", "series": "Series"}
    review = {"Status": settings.status, "Reviewer": settings.reviewer.strip() or "not named",
              "Reviewed": when.strftime("%Y-%m-%d %H:%M:%S"), "Comment": settings.comment}  # fmt: skip
    content = ReviewReport(
        volume=ct.volume,
        before=versions[0],
        after=versions[1],
        agreements=agreements,
        status=settings.status,
        patient={label: ct.patient[key] for key, label in labels.items() if ct.patient.get(key)},
        review={name: text for name, text in review.items() if text},
        seconds=provenance["seconds"],
        warnings=provenance["warnings"],
        provenance={**provenance, "inputs": [_short(facts) for facts in provenance["inputs"]]},
    )
    write_review_report(draft / "report.html", content)


def _short(facts: dict[str, Any]) -> dict[str, Any]:
    """Without the UIDs of all slices, which fill pages."""
    return {key: value for key, value in facts.items() if key != "sop_instance_uids"}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", errors="backslashreplace")  # \udcff of an odd path is JSON's own escape
