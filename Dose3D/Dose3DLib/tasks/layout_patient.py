"""The patient that a detector is built for: CT, structures and plan, as far as they are given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.progress import Progress
from .structure_source import DICOM_FORMS, StructureSource, check_names, form_of

if TYPE_CHECKING:
    from ..geometry.structure import StructureSet
    from .ct_source import CtSource
    from .detector_layout import Settings
    from .plan_source import PlanSource

__all__ = ["Patient", "body_name", "default_targets", "load_patient"]

_BODY_NAMES = ("body", "external", "skin", "patient")


@dataclass(frozen=True, eq=False)
class Patient:
    """What is known of the patient; `facts` are for the provenance. Structures without volume are left out."""

    ct: CtSource | None = None
    structures: StructureSet | None = None
    plan: PlanSource | None = None
    facts: tuple[dict[str, Any], ...] = ()


def load_patient(settings: Settings, progress: Progress) -> Patient:
    """Read what the settings name; notes become warnings.

    Raises
    ------
    InputError
        damaged or of another CT; DICOM structures without the CT; no structure that has a volume.
    """
    form = None if settings.structures is None else form_of(settings.structures)
    if form in DICOM_FORMS and settings.ct is None:
        raise InputError("--ct", f"is missing, and {form} needs the CT it belongs to", "give the folder of the CT")
    if settings.names and form != "label map":
        raise InputError("--names", "names the labels of a label map, and there is none", "leave it out")
    if settings.surface_frame and form != "surfaces":
        raise InputError("--surface-frame", "is about surfaces, and there are none", "leave it out")
    facts: list[dict[str, Any]] = []
    ct = _load_ct(settings, form, progress)
    if ct is not None:
        facts.append({key: value for key, value in ct.facts.items() if key != "sop_instance_uids"})
    structures = None
    if form is not None:
        structures, source_facts = _load_structures(settings, form, ct, progress)
        facts.append(source_facts)
    plan = None
    if settings.plan is not None:
        from .plan_source import load_plan

        plan = load_plan(settings.plan, progress)
        facts.append(plan.facts)
        _check_frames(ct, plan, progress)
    return Patient(ct, structures, plan, tuple(facts))


def _load_ct(settings: Settings, form: str | None, progress: Progress) -> CtSource | None:
    if settings.ct is None:
        return None
    from .ct_source import load_ct

    ct = load_ct(settings.ct, settings.series, settings.resample_slices, progress)
    if form in DICOM_FORMS and ct.reference is None:
        raise InputError(settings.ct, f"is an image file, and {form} needs the CT as DICOM", "give the DICOM folder")
    return ct


def _load_structures(
    settings: Settings, form: Any, ct: CtSource | None, progress: Progress
) -> tuple[StructureSet, dict[str, Any]]:
    grid = ct.volume.grid if ct is not None and form == "surfaces" else None
    source = StructureSource(
        settings.structures, form, grid, ct.reference if ct else None, settings.lenient, False, settings.names,
        settings.surface_frame,
    )  # fmt: skip
    with progress.stage("read structures", 1.0):
        found = source.read(progress)
    for note in found.notes:
        progress.warn(note)
    check_names(settings.structures, found, dicom=False)
    filled = tuple(one for one in found if one.contours or not one.mask.is_empty)
    empty = [one.name for one in found if all(one is not other for other in filled)]
    if not filled:
        raise InputError(settings.structures, "holds no structure that has a volume", "give structures of this patient")
    if wanted := [name for name in settings.fill if name in empty]:
        raise InputError("--fill", f"the structure {wanted[0]!r} is empty", "choose one that has a volume")
    if empty:
        progress.warn(f"empty, left out: {', '.join(empty)}")
    return replace(found, structures=filled), source.facts()


def _check_frames(ct: CtSource | None, plan: PlanSource, progress: Progress) -> None:
    frame = "" if ct is None else str(ct.facts.get("frame_of_reference_uid", ""))
    if frame and plan.frame and frame != plan.frame:
        progress.warn("Plan and CT have different frames of reference: the isocentre may not lie where it seems to.")


def default_targets(structures: StructureSet) -> tuple[str, ...]:
    """Names of what gets cells when nobody says: targets by type or name, else the body, else all."""
    targets = [one.name for one in structures if one.is_target]
    body = body_name(structures)
    return tuple(targets) or ((body,) if body else tuple(structures.names))


def body_name(structures: StructureSet) -> str:
    """Name of the outline of the patient: type EXTERNAL, else one of the usual names; "" where there is none."""
    for one in structures:
        if one.interpreted_type.upper() == "EXTERNAL":
            return one.name
    return next((one.name for one in structures if one.name.strip().lower() in _BODY_NAMES), "")
