"""What tasks that place cells share: the patient, the structures in which the dose is wanted, the writing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress
from .structure_source import DICOM_FORMS, StructureSource, check_names, form_of

if TYPE_CHECKING:
    from ..detector.posterior import DosePrior
    from ..detector.regions import Region
    from ..geometry.structure import Structure, StructureSet
    from .ct_source import CtSource

__all__ = ["Patient", "center_of", "named", "prior_of", "read_patient", "regions_of"]


class _PatientSettings(Protocol):
    """The settings that all these tasks have."""

    structures: Path
    ct: Path
    names: Path | None
    series: str | None
    surface_frame: str | None
    lenient: bool
    resample_slices: bool


@dataclass(frozen=True, eq=False)
class Patient:
    """The CT, its structures that are not empty, and what they were read from."""

    ct: CtSource
    structures: StructureSet
    facts: list[dict[str, Any]]


def read_patient(settings: _PatientSettings, progress: Progress) -> Patient:
    """Read CT and structures; empty structures go, named in a warning.

    Raises
    ------
    InputError
        not readable, of another CT, or nothing in it.
    """
    from .ct_source import load_ct

    form = form_of(settings.structures)
    if settings.names and form != "label map":
        raise InputError("--names", f"names the labels of a label map, and this is {form}", "leave it out")
    if settings.surface_frame and form != "surfaces":
        raise InputError("--surface-frame", f"is about surfaces, and this is {form}", "leave it out")
    with progress.part(0.3):
        ct = load_ct(settings.ct, settings.series, settings.resample_slices, progress)
    if form in DICOM_FORMS and ct.reference is None:
        raise InputError(settings.ct, f"is an image file, and {form} needs the CT as DICOM", "give the DICOM folder")
    source = StructureSource(
        settings.structures, form, ct.volume.grid, ct.reference, settings.lenient, True, settings.names,
        settings.surface_frame,
    )  # fmt: skip
    with progress.stage("read structures", 0.35):
        found = source.read(progress)
    for note in found.notes:
        progress.warn(note)
    check_names(settings.structures, found, dicom=False)
    filled = tuple(s for s in found if s.contours or not s.mask.is_empty)
    if not filled:
        raise InputError(settings.structures, "holds no voxel of any structure", "give structures of this CT")
    empty = [s.name for s in found if all(s is not other for other in filled)]
    if empty:
        progress.warn(f"Empty, or outside the CT, and left out: {', '.join(empty)}.")
    ct_facts = {key: value for key, value in ct.facts.items() if key != "sop_instance_uids"}
    return Patient(ct, replace(found, structures=filled), [ct_facts, source.facts()])


def named(patient: Patient, names: Iterable[str], flag: str) -> list[Structure]:
    """The structures of these names, in that order.

    Raises
    ------
    InputError
        no such structure (the nearest name is given), twice the same, or empty.
    """
    known, found = patient.structures.names, []
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            remedy = f'did you mean "{near[0]}"?' if near else f"choose from {', '.join(known)}"
            raise InputError(flag, f"'{name}' is none of the structures, or it is empty or outside the CT", remedy)
        if any(s.name == name for s in found):
            raise InputError(flag, f"names '{name}' twice", "leave one out")
        found.append(patient.structures[name])
    return found


def regions_of(
    patient: Patient, targets: Sequence[str], organs: Sequence[str], organ_weight: float, progress: Progress
) -> list[Region]:
    """Targets, each with weight 1, then organs; without names all structures that look like targets.

    Raises
    ------
    InputError
        a wrong name, a structure in both lists, or no target among the structures.
    """
    from ..detector.regions import make_region

    both = sorted(set(targets) & set(organs))
    if both:
        raise InputError("--organs", f"{', '.join(both)} is among the targets, too", "leave it out of one of them")
    chosen = named(patient, targets, "--targets") if targets else [s for s in patient.structures if s.is_target]
    chosen = [s for s in chosen if s.name not in organs]
    if not chosen:
        cause = "names none, and no structure is a PTV, CTV, GTV or ITV by its type or name"
        raise InputError("--targets", cause, f"choose from {', '.join(patient.structures.names)}")
    if not targets:
        progress.warn(f"--targets is not given: {', '.join(s.name for s in chosen)} were taken.")
    others = named(patient, organs, "--organs")
    found = [make_region(s) for s in chosen if _is_filled(s)]
    found += [make_region(s, organ_weight, is_target=False) for s in others if _is_filled(s)]
    missing = [s.name for s in (*chosen, *others) if not _is_filled(s)]
    if missing:
        remedy = "give structures that lie in the CT"
        raise InputError("--targets", f"{', '.join(missing)} has no volume within the CT", remedy)
    return found


def prior_of(settings: Any) -> DosePrior:
    """From the settings `dose_sd`, `length` and `noise`."""
    from ..detector.posterior import DosePrior

    return DosePrior(settings.dose_sd, settings.length, settings.noise)


def center_of(regions: Iterable[Region]) -> np.ndarray:
    """(3,) LPS: the middle of the targets' volume, rounded to 0.1 mm so that it can be set on a machine."""
    targets = [region for region in regions if region.is_target]
    volumes = np.array([region.volume_mm3 for region in targets])
    middles = np.array([region.filled_mm.mean(axis=0) for region in targets])
    return np.round(volumes @ middles / volumes.sum(), 1) + 0.0


def _is_filled(structure: Structure) -> bool:
    from ..detector.regions import occupied_voxels

    return bool((occupied_voxels(structure)[1] > 0).any())
