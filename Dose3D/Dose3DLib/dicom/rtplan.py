"""RTPLAN in (DICOM PS3.3 A.20, C.8.8.9 to C.8.8.14): what places a detector, and what a dose refers to."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import RTIonPlanStorage, RTPlanStorage

from ..core.errors import InputError
from .values import EXPORT_AGAIN, number, numbers, text

__all__ = ["SAME_POINT_MM", "FractionGroup", "PlanBeam", "Prescription", "RtPlan", "read_rtplan"]

SAME_POINT_MM = 0.01
"""Isocentres closer than this are one: planning systems write them with two decimals or more."""


@dataclass(frozen=True)
class PlanBeam:
    """One beam.

    Parameters
    ----------
    number, name:
        Beam Number and Name.
    radiation, energy_mv, delivery, kind:
        Radiation Type (PHOTON ...), Nominal Beam Energy, Treatment Delivery Type (TREATMENT, SETUP ...), Beam Type
        (STATIC, DYNAMIC); "" or None where the file does not say.
    isocenter_mm:
        (3,) LPS, of the first control point; None where the file does not say.
    gantry_deg, collimator_deg, couch_deg:
        IEC 61217, one value a control point; what a control point leaves out is that of the one before.
    patient_position:
        HFS ... of the beam's patient set-up, "" where unknown.
    meterset, dose_gy:
        of one fraction, at the beam's dose point; None where unknown.
    """

    number: int
    name: str
    radiation: str
    energy_mv: float | None
    delivery: str
    kind: str
    isocenter_mm: tuple[float, float, float] | None
    gantry_deg: tuple[float, ...]
    collimator_deg: tuple[float, ...]
    couch_deg: tuple[float, ...]
    patient_position: str
    meterset: float | None = None
    dose_gy: float | None = None

    @property
    def is_treatment(self) -> bool:
        """False for set-up fields and images."""
        return self.delivery in ("", "TREATMENT", "CONTINUATION")


@dataclass(frozen=True)
class FractionGroup:
    """Fractions that deliver the same beams; `beams` are beam numbers."""

    number: int
    fractions: int | None
    beams: tuple[int, ...]


@dataclass(frozen=True)
class Prescription:
    """One dose reference: `dose_gy` of the whole plan (target prescription, or an organ's maximum)."""

    description: str
    kind: str
    dose_gy: float | None
    roi_number: int | None


@dataclass(frozen=True, eq=False)
class RtPlan:
    """A plan of external beams; UIDs are "" where the file does not say."""

    label: str
    beams: tuple[PlanBeam, ...]
    fraction_groups: tuple[FractionGroup, ...]
    prescriptions: tuple[Prescription, ...]
    sop_instance_uid: str
    frame_of_reference_uid: str
    structure_set_uid: str
    dose_uids: tuple[str, ...]
    header: Dataset
    notes: tuple[str, ...] = field(default=())

    @property
    def treatment_beams(self) -> tuple[PlanBeam, ...]:
        return tuple(beam for beam in self.beams if beam.is_treatment)

    @property
    def isocenters_mm(self) -> np.ndarray:
        """(m, 3) LPS, each isocentre of the treatment beams once, in the order of the beams."""
        found: list[np.ndarray] = []
        for beam in self.treatment_beams:
            if beam.isocenter_mm is not None and not any(
                np.linalg.norm(np.array(beam.isocenter_mm) - other) <= SAME_POINT_MM for other in found
            ):
                found.append(np.array(beam.isocenter_mm))
        return np.array(found).reshape(-1, 3)

    @property
    def patient_positions(self) -> tuple[str, ...]:
        """Each patient position of the treatment beams once; unknown ones are left out."""
        return tuple(dict.fromkeys(beam.patient_position for beam in self.treatment_beams if beam.patient_position))

    @property
    def fractions(self) -> int | None:
        """Of all fraction groups; None when any is unknown."""
        planned = [group.fractions for group in self.fraction_groups]
        return None if not planned or None in planned else sum(planned)

    @property
    def prescribed_gy(self) -> float | None:
        """The highest prescribed dose of a target, for the whole plan; None where none is written."""
        doses = [one.dose_gy for one in self.prescriptions if one.kind == "TARGET" and one.dose_gy is not None]
        return max(doses, default=None)


def read_rtplan(path: Path) -> RtPlan:
    """Read a plan; values that a file leaves out are None or "", those that are damaged are refused.

    Raises
    ------
    InputError
        no RTPLAN, a plan of ions or of sources (brachytherapy), no beams, numbers that are none, no isocentre.
    """
    path = Path(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = _read(path)
        positions = _patient_positions(dataset, path)
        shares = _beam_shares(dataset, path)
        beams = tuple(_beam(item, positions, shares, path) for item in _items(dataset, "BeamSequence", path))
        groups = tuple(_group(item, path) for item in _items(dataset, "FractionGroupSequence", path))
        prescriptions = tuple(_prescription(item, path) for item in _items(dataset, "DoseReferenceSequence", path))
        plan = RtPlan(
            text(dataset, "RTPlanLabel"),
            beams,
            groups,
            prescriptions,
            text(dataset, "SOPInstanceUID"),
            text(dataset, "FrameOfReferenceUID"),
            next(iter(_referenced(dataset, "ReferencedStructureSetSequence", path)), ""),
            tuple(_referenced(dataset, "ReferencedDoseSequence", path)),
            dataset,
            tuple(_notes(dataset, beams)),
        )
    _check(plan, path)
    return plan


def _read(path: Path) -> Dataset:
    if not path.is_file():
        raise InputError(path, "there is no such file", "name an RTPLAN file")
    try:
        dataset = pydicom.dcmread(path, force=True)
    except Exception as error:  # pydicom raises all kinds on damaged files
        raise InputError(path, "the file cannot be read as DICOM", "name an RTPLAN file") from error
    uid = text(dataset, "SOPClassUID")
    if uid == RTIonPlanStorage:
        raise InputError(path, "this is a plan of ions, which has other beams", "name a plan of photons")
    if uid != RTPlanStorage:
        cause = f"this is no RTPLAN but {pydicom.uid.UID(uid).name}" if uid else "this is no DICOM object"
        raise InputError(path, cause, "name an RTPLAN file")
    return dataset


def _items(dataset: Dataset, keyword: str, path: Path) -> Sequence[Dataset]:
    """The items of a sequence, none when it is absent."""
    try:
        found = dataset.get(keyword)
        return [] if not found else list(found)
    except Exception as error:  # pydicom raises all kinds on damaged sequences
        raise InputError(path, f"its {keyword} cannot be read", EXPORT_AGAIN) from error


def _integer(dataset: Dataset, keyword: str, path: Path) -> int | None:
    found = number(dataset, keyword, path)
    if found is not None and found != int(found):
        raise InputError(path, f"{keyword} is {found:g}, not a whole number", EXPORT_AGAIN)
    return None if found is None else int(found)


def _patient_positions(dataset: Dataset, path: Path) -> dict[int, str]:
    """Patient Position by Patient Setup Number (PS3.3 C.8.8.12); an additional position where that is what is there."""
    return {
        _integer(item, "PatientSetupNumber", path) or 0: (
            text(item, "PatientPosition") or text(item, "PatientAdditionalPosition")
        ).upper()
        for item in _items(dataset, "PatientSetupSequence", path)
    }


def _beam_shares(dataset: Dataset, path: Path) -> dict[int, tuple[float | None, float | None]]:
    """Meterset and dose of each beam number, from the first fraction group that has it."""
    shares: dict[int, tuple[float | None, float | None]] = {}
    for group in _items(dataset, "FractionGroupSequence", path):
        for item in _items(group, "ReferencedBeamSequence", path):
            beam = _integer(item, "ReferencedBeamNumber", path)
            if beam is not None:
                shares.setdefault(beam, (number(item, "BeamMeterset", path), number(item, "BeamDose", path)))
    return shares


def _beam(
    item: Dataset, positions: dict[int, str], shares: dict[int, tuple[float | None, float | None]], path: Path
) -> PlanBeam:
    points = _items(item, "ControlPointSequence", path)
    beam = _integer(item, "BeamNumber", path)
    if beam is None:
        raise InputError(path, "a beam has no number", EXPORT_AGAIN)
    if not points:
        raise InputError(path, f"beam {beam} has no control points", EXPORT_AGAIN)
    setup = _integer(item, "ReferencedPatientSetupNumber", path)
    only = next(iter(positions.values())) if len(positions) == 1 else ""
    isocenter = numbers(points[0], "IsocenterPosition", 3, path)
    return PlanBeam(
        beam,
        text(item, "BeamName"),
        text(item, "RadiationType").upper(),
        number(points[0], "NominalBeamEnergy", path),
        text(item, "TreatmentDeliveryType").upper(),
        text(item, "BeamType").upper(),
        None if isocenter is None else (isocenter[0], isocenter[1], isocenter[2]),
        _angles(points, "GantryAngle", path),
        _angles(points, "BeamLimitingDeviceAngle", path),
        _angles(points, "PatientSupportAngle", path),
        only if setup is None else positions.get(setup, ""),
        *shares.get(beam, (None, None)),
    )


def _angles(points: Sequence[Dataset], keyword: str, path: Path) -> tuple[float, ...]:
    """One angle a control point; () where the first has none, since it carries what does not change (C.8.8.14.5)."""
    current = number(points[0], keyword, path)
    if current is None:
        return ()
    angles = []
    for point in points:
        current = number(point, keyword, path, current)
        angles.append(float(current))
    return tuple(angles)


def _group(item: Dataset, path: Path) -> FractionGroup:
    beams = [_integer(one, "ReferencedBeamNumber", path) for one in _items(item, "ReferencedBeamSequence", path)]
    fractions = _integer(item, "NumberOfFractionsPlanned", path)
    if fractions is not None and fractions < 0:
        raise InputError(path, f"{fractions} fractions are planned", EXPORT_AGAIN)
    return FractionGroup(
        _integer(item, "FractionGroupNumber", path) or 0, fractions, tuple(one for one in beams if one is not None)
    )


def _prescription(item: Dataset, path: Path) -> Prescription:
    kind = text(item, "DoseReferenceType").upper()
    keyword = "TargetPrescriptionDose" if kind == "TARGET" else "OrganAtRiskMaximumDose"
    return Prescription(
        text(item, "DoseReferenceDescription"),
        kind,
        number(item, keyword, path),
        _integer(item, "ReferencedROINumber", path),
    )


def _referenced(dataset: Dataset, keyword: str, path: Path) -> list[str]:
    return [uid for uid in (text(i, "ReferencedSOPInstanceUID") for i in _items(dataset, keyword, path)) if uid]


def _notes(dataset: Dataset, beams: tuple[PlanBeam, ...]) -> list[str]:
    notes = []
    lacking = [str(beam.number) for beam in beams if beam.is_treatment and beam.isocenter_mm is None]
    if lacking:
        notes.append(f"beam {', '.join(lacking)} of the plan has no isocentre")
    if text(dataset, "RTPlanGeometry").upper() == "TREATMENT_DEVICE":
        notes.append("the plan refers to the treatment device, not to a patient's structures")
    if not text(dataset, "FrameOfReferenceUID"):
        notes.append("the plan has no Frame of Reference UID: nothing says on which CT its isocentre lies")
    unknown = [str(beam.number) for beam in beams if beam.is_treatment and not beam.patient_position]
    if unknown:
        notes.append(f"beam {', '.join(unknown)} of the plan does not say how the patient lies")
    return notes


def _check(plan: RtPlan, path: Path) -> None:
    if not plan.beams:
        remedy = "name a plan of external beams"
        if "ApplicationSetupSequence" in plan.header:
            raise InputError(path, "this is a plan of brachytherapy, without beams", remedy)
        raise InputError(path, "the plan has no beams", remedy)
    repeated = len({beam.number for beam in plan.beams}) < len(plan.beams)
    if repeated:
        raise InputError(path, "two beams have the same number", EXPORT_AGAIN)
    if not len(plan.isocenters_mm):
        raise InputError(path, "no treatment beam has an isocentre", "export the plan with Isocenter Position")
