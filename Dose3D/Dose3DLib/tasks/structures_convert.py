"""`dose3d structures convert`: structures from any of the five forms to any other, voxel by voxel; from surfaces, too.

The forms: RTSTRUCT and DICOM SEG (.dcm), Slicer's .seg.nrrd, a label map (NIfTI, NRRD, MetaImage), a folder of masks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import InputError
from ..core.nomenclature import Nomenclature, load_user_table, lookup
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import file_sha256, make_provenance
from .base import Result, TaskSettings, option
from .structure_source import DICOM_FORMS, Form, StructureSource, check_names, form_of

if TYPE_CHECKING:
    from ..dicom.ct import CtReference
    from ..geometry.grid import Grid
    from ..geometry.structure import StructureSet

__all__ = ["Settings", "run"]


@dataclass(frozen=True)
class Settings(TaskSettings):
    """What is converted into what; both sides are known by their kind."""

    structures: Path = option(
        help="RTSTRUCT or SEG (.dcm), .seg.nrrd, label map (.nii.gz, .nrrd, .mha), folder of masks, or closed surfaces "
        "(.stl, .vtp)",
        positional=True,
    )
    output: Path = option(help="one of the same forms, chosen by its ending; a folder gets masks/NAME.nii.gz")
    ct: Path | None = option(None, help="CT that the structures belong to: DICOM folder or image; DICOM needs it")
    ct_output: Path | None = option(
        None, help="first write the CT, an image file, as a DICOM series into this new folder, for DICOM to refer to"
    )
    names: Path | None = option(None, help="table of a label map's names: CSV, JSON, dataset.json, .ctbl, ITK-SNAP")
    series: str | None = option(None, help="Series Instance UID, when the CT folder holds several CT series")
    seg: bool = option(False, help="write a DICOM SEG into the .dcm instead of an RTSTRUCT")
    engine: Literal["dose3d", "rt-utils"] = option("dose3d", help="what reads and writes RTSTRUCT")
    overlaps: Literal["refuse", "first", "last"] = option(
        "refuse", help="which structure a voxel of several gets in a label map"
    )
    standard_names: bool = option(False, help="rename structures that the table knows to their TG-263 names")
    name_table: Path | None = option(None, help="your own table of structure names for --standard-names (CSV)")
    lenient: bool = option(False, help="accept what is doubtful, such as another patient, and say so")
    resample: bool = option(False, help="bring structures of another grid onto the CT's (nearest voxel)")
    resample_slices: bool = option(False, help="accept a CT with missing or uneven slices by interpolation")
    overwrite: bool = option(False, help="replace an existing output")


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Convert one set of structures; the output appears when it is complete.

    Raises
    ------
    InputError, OutputError, ResourceError, Cancelled
    """
    progress = progress or Progress()
    form, target = form_of(settings.structures), _form_of_output(settings)
    _check_settings(settings, form, target)
    _spare_the_ct(settings)
    table = load_user_table(settings.name_table) if settings.name_table else None
    with (
        _series_output(settings) as series,
        atomic_output(settings.output, settings.overwrite, settings.inputs()) as draft,
    ):
        with progress.stage("read CT", 0.2):
            ct = _written_ct(settings, series, progress) if series else _read_ct(settings, form, target)
            _warn(progress, ct.notes)
        source = StructureSource(
            settings.structures, form, ct.grid, ct.reference, settings.lenient, settings.resample, settings.names
        )
        with progress.stage("read structures", 0.6):
            found = _read(settings, source, progress)
            _warn(progress, found.notes)
        found = _renamed(settings, found, table) if settings.standard_names else found
        found = _checked(settings, found, target, progress)
        with progress.stage("write structures", 1.0):
            _write(settings, source, target, found, ct, draft, progress)
    files = {"masks": "masks", "provenance": "provenance.json"} if target == "masks" else {}
    summary = {s.name: f"{s.mask.volume_cc:.2f} cc, {s.mask.voxels} voxels" for s in found}
    return Result(settings.output, files, summary, tuple(progress.warnings), dict(progress.seconds))


@dataclass(frozen=True, eq=False)
class _Ct:
    """The CT as far as it was given: DICOM series, grid alone, or nothing."""

    reference: CtReference | None = None
    grid: Grid | None = None
    notes: tuple[str, ...] = ()


def _form_of_output(settings: Settings) -> Form:
    from ..geometry.volume_files import image_suffix

    path = settings.output
    if path.name.lower().endswith(".dcm"):
        return "SEG" if settings.seg else "RTSTRUCT"
    if path.name.lower().endswith(".seg.nrrd"):
        return ".seg.nrrd"
    if image_suffix(path):
        return "label map"
    if re.fullmatch(r"\.[A-Za-z]\w{0,4}", path.suffix) and not path.is_dir():
        raise InputError(path, "has an unknown ending", "use .dcm, .seg.nrrd, .nii.gz, .nrrd, .mha, or a folder's name")
    return "masks"


def _check_settings(settings: Settings, source: Form, target: Form) -> None:
    """Refuse settings that would have no effect: a typing error should not pass for a wish."""
    if settings.seg and target != "SEG":
        raise InputError("--seg", "goes with an output that ends in .dcm", "leave it out or end --output in .dcm")
    if settings.names and source != "label map":
        raise InputError("--names", f"names the labels of a label map, and this is {source}", "leave it out")
    if settings.engine == "rt-utils" and "RTSTRUCT" not in (source, target):
        raise InputError("--engine", "rt-utils reads and writes RTSTRUCT only", "leave it out")
    if settings.name_table and not settings.standard_names:
        raise InputError("--name-table", "serves --standard-names", "add --standard-names or leave it out")
    if settings.ct is None and (settings.series or settings.resample):
        flag = "--series" if settings.series else "--resample"
        raise InputError(flag, "is about a CT, and none is given", "add --ct or leave it out")
    if settings.ct_output is not None:
        _check_ct_output(settings, source, target)
    dicom = [form for form in (source, target) if form in DICOM_FORMS]
    if dicom and settings.ct is None:
        raise InputError("--ct", f"is missing, and {dicom[0]} needs the CT it belongs to", "give the folder of the CT")


def _check_ct_output(settings: Settings, source: Form, target: Form) -> None:
    from ..geometry.volume_files import image_suffix

    if settings.ct is None or settings.ct.is_dir() or not image_suffix(settings.ct):
        raise InputError("--ct-output", "is for a CT that is an image file", "leave it out")
    if source in DICOM_FORMS or target not in DICOM_FORMS or settings.engine == "rt-utils":
        cause = "is for structures that are no DICOM and become RTSTRUCT or SEG by our own writer"
        raise InputError("--ct-output", cause, "leave it out")
    place, output = settings.ct_output.resolve(), settings.output.resolve()
    if place == output or place in output.parents or output in place.parents:
        raise InputError("--ct-output", "and --output lie in one another", "give two places")


@contextmanager
def _series_output(settings: Settings) -> Iterator[Path | None]:
    """Where the CT is written as a series; None when it is not."""
    if settings.ct_output is None:
        yield None
        return
    with atomic_output(settings.ct_output, settings.overwrite, settings.inputs()) as draft:
        yield draft


def _written_ct(settings: Settings, folder: Path, progress: Progress) -> _Ct:
    """The CT of an image file, now also a DICOM series in `folder`."""
    from .ct_source import load_ct, write_as_series

    source = load_ct(settings.ct, settings.series, settings.resample_slices, progress)
    reference = write_as_series(source.volume, settings.ct.name, folder, progress)
    return _Ct(reference, source.volume.grid)


def _spare_the_ct(settings: Settings) -> None:
    """--overwrite replaces structures, never an image of the CT that they belong to."""
    path, ct = settings.output, settings.ct
    if ct is None or not settings.overwrite or not path.is_file():
        return
    if ct.is_file() and path.samefile(ct):
        raise InputError(path, "is the CT itself", "choose another output")
    if path.resolve().is_relative_to(ct.resolve()):
        from ..dicom.series import is_ct_file

        if is_ct_file(path):
            raise InputError(path, "is an image of the CT", "choose another output")


def _read_ct(settings: Settings, source: Form, target: Form) -> _Ct:
    from ..geometry.volume_files import image_suffix, read_raw_image

    path = settings.ct
    if path is None:
        return _Ct()
    if not path.exists():
        raise InputError(path, "does not exist", "give the CT's folder or image file")
    if not path.is_file() and not path.is_dir():
        raise InputError(path, "is neither a file nor a folder", "give the CT's folder or image file")
    if path.is_file() and image_suffix(path):
        if settings.series:
            raise InputError("--series", "chooses among DICOM series, and the CT is an image file", "leave it out")
        for form in (source, target):
            if form in DICOM_FORMS:
                remedy = "give the DICOM folder" + ("" if source in DICOM_FORMS else ", or add --ct-output")
                raise InputError(path, f"is an image file, and {form} needs the CT as DICOM", remedy)
        raw = read_raw_image(path)
        return _Ct(None, raw.grid, raw.notes)
    from ..dicom.ct import read_ct_reference

    reference = read_ct_reference(path, settings.series, settings.resample_slices)
    return _Ct(reference, reference.grid, reference.notes)


def _read(settings: Settings, source: StructureSource, progress: Progress) -> StructureSet:
    if source.form == "RTSTRUCT" and settings.engine == "rt-utils":
        from ..dicom.rt_utils_engine import read_by_rt_utils

        return read_by_rt_utils(settings.structures, settings.ct, source.reference)
    return source.read(progress)


def _renamed(settings: Settings, found: StructureSet, table: Nomenclature | None) -> StructureSet:
    """Standard names; the type comes along where the source gave none of its own."""
    origin: dict[str, str] = {}
    structures = []
    for structure in found:
        entry = lookup(structure.name, table)
        name = entry.name if entry else structure.name
        if name in origin:
            cause = f"'{origin[name]}' and '{structure.name}' are both {name}"
            raise InputError(settings.structures, cause, "rename one, or leave out --standard-names")
        origin[name] = structure.name
        plain = structure.interpreted_type in ("", "ORGAN")
        kind = entry.interpreted_type if entry and plain else structure.interpreted_type
        structures.append(replace(structure, name=name, interpreted_type=kind))
    return replace(found, structures=tuple(structures))


def _checked(settings: Settings, found: StructureSet, target: Form, progress: Progress) -> StructureSet:
    """Names that every form can hold; empty structures go, named in a warning."""
    check_names(settings.structures, found, dicom=target in DICOM_FORMS)
    empty = [s.name for s in found if s.mask.is_empty]
    filled = tuple(s for s in found if not s.mask.is_empty)
    if not filled:
        raise InputError(settings.structures, "holds no voxel of any structure", "give structures of this CT")
    if empty:
        progress.warn(f"not found (empty, left out): {', '.join(empty)}")
    return replace(found, structures=filled)


def _write(
    settings: Settings,
    source: StructureSource,
    target: Form,
    found: StructureSet,
    ct: _Ct,
    draft: Path,
    progress: Progress,
) -> None:
    from ..geometry import files

    provenance = make_provenance(
        "structures convert", settings.to_dict(), progress, inputs=_inputs(settings, source, ct), engine=settings.engine
    )
    if target == "masks":
        draft.mkdir()
        files.write_masks(found, draft / "masks", progress)
        provenance["seconds"] = dict(progress.seconds)
        text = json.dumps(provenance, indent=2, ensure_ascii=False) + "\n"
        (draft / "provenance.json").write_text(text, encoding="utf-8")
    elif target == ".seg.nrrd":
        files.write_seg_nrrd(found, draft, provenance)
    elif target == "label map":
        if settings.overlaps == "refuse":
            files.refuse_overlaps(found, settings.output)
        files.write_label_map(found, draft, settings.overlaps, provenance)
    else:
        _write_dicom(settings, target, found, ct, draft)


def _inputs(settings: Settings, source: StructureSource, ct: _Ct) -> list[dict[str, Any]]:
    listed = [source.facts()]
    if ct.reference is not None and settings.ct_output is None:
        from ..dicom.identity import series_uids

        listed.append({"path": str(settings.ct), "kind": "DICOM series", **series_uids(ct.reference)})
    elif settings.ct is not None:
        listed.append({"path": str(settings.ct), "kind": "image file", "sha256": file_sha256(settings.ct)})
    return listed


def _write_dicom(settings: Settings, target: Form, found: StructureSet, ct: _Ct, draft: Path) -> None:
    # Without the file's name: it may name a patient, and nobody looks for one in here when de-identifying.
    how = "dose3d structures convert. Research use only."
    if target == "SEG":
        from ..dicom.seg import SegAttributes, write_seg

        write_seg(found, ct.reference, draft, SegAttributes(algorithm="SEMIAUTOMATIC", provenance=how))
    elif settings.engine == "rt-utils":
        from ..dicom.rt_utils_engine import write_by_rt_utils

        write_by_rt_utils(found, settings.ct, ct.reference, draft)
    else:
        from ..dicom.rtstruct_write import RtStructAttributes, write_rtstruct

        write_rtstruct(found, ct.reference, draft, RtStructAttributes(algorithm="", provenance=how))


def _warn(progress: Progress, notes: tuple[str, ...]) -> None:
    for note in notes:
        progress.warn(note)
