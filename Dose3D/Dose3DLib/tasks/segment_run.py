"""`dose3d segment run`: a CT goes in, a structure set that planning systems open comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import InputError, ResourceError
from ..core.output import atomic_output
from ..core.progress import Progress
from ..core.provenance import make_provenance
from .base import Result, TaskSettings, option
from .ct_source import CtSource, load_ct, write_as_series

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle
    from ..dicom.ct import CtReference
    from ..scene.picture import PictureResult
    from ..segmentation.segment import Segmentation

__all__ = ["Settings", "run"]

_READ = 0.03
"""Share of the time in which the CT is read; the others depend on how much the network has to do."""


@dataclass(frozen=True)
class Settings(TaskSettings):
    """What is segmented, by which model, and what is written."""

    ct: Path = option(
        help="folder of a CT series, one of its files, or a NIfTI, NRRD or MetaImage file", positional=True
    )
    output: Path = option(help="folder for the results")
    model: str = option("head_neck_ct", help="name of a shipped model, or a bundle's folder")
    organs: tuple[str, ...] = option((), help="only these of the model's organs (default: all)")
    roi: tuple[float, ...] = option(
        (), help="look in this box only, LPS: x_min x_max y_min y_max z_min z_max; BODY is found on the whole CT",
        unit="mm",
    )  # fmt: skip
    dicom: bool = option(False, help="write an image file as a CT series first, so that an RTSTRUCT can refer to it")
    seg: bool = option(False, help="write segmentation.dcm (DICOM SEG), too")
    series: str | None = option(None, help="Series Instance UID, when the folder holds several CT series")
    resample_slices: bool = option(False, help="accept missing or uneven slices by interpolation")
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", help="where the network runs")
    precision: Literal["auto", "float32", "bfloat16"] = option("auto", help="number format of the network")
    overwrite: bool = option(False, help="replace an existing output")


def run(settings: Settings, progress: Progress | None = None) -> Result:
    """Segment one CT; the output folder appears when everything in it is complete.

    Raises
    ------
    InputError, OutputError, ResourceError, Cancelled
    """
    from ..bundles.bundle import find_bundle
    from ..geometry.box import box_from_numbers

    progress = progress or Progress()
    bundle = find_bundle(settings.model)
    _check_organs(settings, bundle)
    if settings.roi:
        box_from_numbers(settings.roi, "--roi")
    with atomic_output(settings.output, settings.overwrite, settings.inputs()) as draft:
        with progress.part(_READ):
            source = _read(settings, progress)
        found = _segment(settings, source, bundle, progress)
        draft.mkdir(exist_ok=True)
        with progress.part(1.0):
            files, provenance = _write(settings, source, found, bundle, draft, progress)
        provenance["seconds"] = dict(progress.seconds)
        text = json.dumps(provenance, indent=2, ensure_ascii=False) + "\n"
        (draft / "provenance.json").write_text(text, encoding="utf-8")
    files |= {"report": "report.html", "provenance": "provenance.json"}
    summary = {s.name: f"{s.mask.volume_cc:.1f} cc" if not s.mask.is_empty else "not found" for s in found.structures}
    return Result(settings.output, files, summary, tuple(progress.warnings), dict(progress.seconds))


def _check_organs(settings: Settings, bundle: Bundle) -> None:
    unknown = [organ for organ in settings.organs if organ not in bundle.organs]
    if unknown:
        known = ", ".join(bundle.organs)
        raise InputError("--organs", f"{bundle.name} does not know {', '.join(unknown)}", f"choose from {known}")
    if len(set(settings.organs)) != len(settings.organs):
        raise InputError("--organs", "names an organ twice", "name each once")


def _read(settings: Settings, progress: Progress) -> CtSource:
    from ..geometry.box import box_from_numbers
    from ..segmentation.plausibility import refuse_other_images

    source = load_ct(settings.ct, settings.series, settings.resample_slices, progress)
    refuse_other_images(source.volume, str(settings.ct))
    if settings.roi:
        box_from_numbers(settings.roi, "--roi").clipped_to(source.volume.grid, "--roi")
    if source.reference is None and settings.seg and not settings.dicom:
        raise InputError("--seg", "needs a CT series to refer to, and the CT is an image file", "add --dicom")
    if source.reference is None and settings.dicom and source.volume.grid.shape[0] < 2:
        raise InputError(settings.ct, "has one slice, and a CT series needs two", "give more, or leave out --dicom")
    return source


def _segment(settings: Settings, source: CtSource, bundle: Bundle, progress: Progress) -> Segmentation:
    from ..segmentation.estimate import estimate

    loaded, done = estimate(source.volume.grid, bundle, settings.device, settings.roi).milestones
    with progress.stage("load libraries", loaded):
        segment = _load_segment()
    from ..segmentation.segment import SegmentOptions

    options = SegmentOptions(settings.organs, settings.device, settings.precision, settings.roi)
    with progress.part(done):
        return segment(source.volume, bundle, options, progress)


def _load_segment() -> Callable[..., Segmentation]:
    """Import what MONAI would import on the way, so that its time is not taken for the network's."""
    from importlib import import_module

    for name in ("monai.inferers", "monai.transforms", "scipy.ndimage", "skimage.measure", "skimage.morphology"):
        import_module(name)
    from ..segmentation.segment import segment

    return segment


def _write(
    settings: Settings, source: CtSource, found: Segmentation, bundle: Bundle, draft: Path, progress: Progress
) -> tuple[dict[str, str], dict[str, Any]]:
    """All files but the provenance, which is returned beside their names."""
    from ..scene.picture import start_3d

    files = _write_for_planning(settings, source, found, bundle, draft, progress)
    # The 3-D picture is drawn by a process of its own while masks and scene are written.
    with start_3d(found.structures, draft / "picture.png") as drawing:
        files |= _write_images(source, found, draft, progress)
        provenance = _provenance(settings, source, found, bundle, progress)
        with progress.stage("report", 1.0):
            _write_report(draft, source, found, provenance, drawing.finish())
    return files, provenance


def _write_for_planning(
    settings: Settings, source: CtSource, found: Segmentation, bundle: Bundle, draft: Path, progress: Progress
) -> dict[str, str]:
    """DICOM first: it is what the job is for."""
    files: dict[str, str] = {}
    reference = source.reference
    if reference is None and settings.dicom:
        with progress.stage("CT as DICOM", 0.1):
            reference = write_as_series(source.volume, source.patient["series"], draft / "ct", progress)
            files["ct"] = "ct"
    if reference is not None:
        files |= _write_dicom(settings.seg, found, reference, _how(found, bundle), draft, progress)
    return files


def _write_images(source: CtSource, found: Segmentation, draft: Path, progress: Progress) -> dict[str, str]:
    from ..geometry.mask_files import write_masks

    files = {"masks": "masks"}
    with progress.stage("masks", 0.3):
        filled = tuple(s for s in found.structures if not s.mask.is_empty)
        write_masks(replace(found.structures, structures=filled), draft / "masks")
    with progress.stage("scene", 0.85):
        files |= _write_scene(draft, source, found, progress)
    return files


def _how(found: Segmentation, bundle: Bundle) -> str:
    """The provenance that goes into DICOM; no paths, which may name a patient whose images do not."""
    model = f"model {bundle.name} {bundle.version} (SHA-256 of its weights {bundle.weights_sha256})"
    part = ", in a region of interest (BODY on the whole CT)" if found.region is not None else ""
    return f"dose3d segment run, {model}, {found.device} {found.precision}{part}. Research use only."


def _write_dicom(
    seg: bool, found: Segmentation, reference: CtReference, how: str, draft: Path, progress: Progress
) -> dict[str, str]:
    from ..dicom.rtstruct_write import RtStructAttributes, write_rtstruct

    with progress.stage("RTSTRUCT", 0.2):
        write_rtstruct(found.structures, reference, draft / "structures.dcm", RtStructAttributes(provenance=how))
    files = {"rtstruct": "structures.dcm"}
    if seg:
        from ..dicom.seg import SegAttributes, write_seg

        with progress.stage("DICOM SEG", 0.25):
            write_seg(found.structures, reference, draft / "segmentation.dcm", SegAttributes(provenance=how))
        files["seg"] = "segmentation.dcm"
    return files


def _write_scene(draft: Path, source: CtSource, found: Segmentation, progress: Progress) -> dict[str, str]:
    """The scene, when this machine has Slicer's core; without it the job goes on and says so."""
    from ..scene.mrb import ScenePatient, write_scene

    texts = source.patient
    patient = ScenePatient(texts.get("name", ""), texts.get("id", ""), texts.get("study", ""), texts.get("series", ""))
    try:
        write_scene(draft / "scene.mrb", source.volume, found.structures, patient)
    except ResourceError as error:
        progress.warn(f"No scene.mrb: {error}")
        return {}
    return {"scene": "scene.mrb"}


def _provenance(
    settings: Settings, source: CtSource, found: Segmentation, bundle: Bundle, progress: Progress
) -> dict[str, Any]:
    model = {"name": bundle.name, "version": bundle.version, "weights_sha256": bundle.weights_sha256}
    return make_provenance(
        "segment run", settings.to_dict(), progress, inputs=[source.facts], model=model,
        device=found.device, device_reason=found.device_reason, precision=found.precision, confidence=found.confidence,
        **_region_facts(found),
    )  # fmt: skip


def _region_facts(found: Segmentation) -> dict[str, Any]:
    """Where the organs were looked for, when not on the whole CT."""
    if found.region is None:
        return {}
    low, high = found.region.low_mm.tolist(), found.region.high_mm.tolist()
    return {"region_of_interest": {"low_lps_mm": low, "high_lps_mm": high, "BODY": "on the whole CT"}}


def _write_report(
    draft: Path, source: CtSource, found: Segmentation, provenance: dict[str, Any], picture: PictureResult
) -> None:
    from ..report.segmentation import SegmentationReport, write_segmentation_report

    labels = {"name": "Patient", "id": "Patient ID", "study": "Study", "series": "Series"}
    content = SegmentationReport(
        volume=source.volume,
        structures=found.structures,
        title="Structures found on CT",
        patient={label: source.patient[key] for key, label in labels.items() if source.patient.get(key)}
        | _region_text(found),
        picture_3d=picture.path,
        picture_note=picture.note,
        seconds=provenance["seconds"],
        warnings=provenance["warnings"],
        provenance={**provenance, "inputs": [_short(facts) for facts in provenance["inputs"]]},
        quality={organ: {"Edge confidence (0 vague, 1 sharp)": value} for organ, value in found.confidence.items()},
    )
    write_segmentation_report(draft / "report.html", content)
    if picture.path:
        picture.path.unlink()


def _region_text(found: Segmentation) -> dict[str, str]:
    if found.region is None:
        return {}
    pairs = zip("xyz", found.region.low_mm, found.region.high_mm, strict=True)
    text = ", ".join(f"{axis} {low:.1f} to {high:.1f}" for axis, low, high in pairs)
    return {"Looked in": f"{text} mm (LPS); BODY on the whole CT"}


def _short(facts: dict[str, Any]) -> dict[str, Any]:
    """The UIDs of all slices fill pages; provenance.json has them."""
    slices = facts.get("sop_instance_uids")
    short = {key: value for key, value in facts.items() if key != "sop_instance_uids"}
    return {**short, "slices": len(slices)} if slices else short
