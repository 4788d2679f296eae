"""RTPLANs for tests, by plain pydicom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from builders import ct_builder as cb
from pydicom.dataset import Dataset
from pydicom.uid import RTPlanStorage, generate_uid


def _item(**values: Any) -> Dataset:
    item = Dataset()
    cb.override(item, values)
    return item


def beam(
    number: int = 1,
    isocenter: Sequence[float] | None = (10.0, -20.0, 30.0),
    gantry: Sequence[float | None] = (0.0,),
    **overrides: Any,
) -> Dataset:
    """A beam with one control point a gantry angle; None leaves the angle out, as files do that do not change it."""
    points = [_item(ControlPointIndex=n) for n in range(len(gantry))]
    for point, angle in zip(points, gantry, strict=True):
        if angle is not None:
            point.GantryAngle = cb.ds(angle)[0]
    first = {"NominalBeamEnergy": "6", "BeamLimitingDeviceAngle": "30", "PatientSupportAngle": "350"}
    if isocenter is not None:
        first["IsocenterPosition"] = cb.ds(isocenter)
    cb.override(points[0], first)
    item = _item(BeamNumber=number, BeamName=f"Beam {number}", BeamType="STATIC", RadiationType="PHOTON")
    cb.override(item, {"TreatmentDeliveryType": "TREATMENT", "ReferencedPatientSetupNumber": 1})
    item.ControlPointSequence = points
    cb.override(item, overrides)
    return item


def write_plan(
    path: Path,
    beams: Sequence[Dataset] | None = None,
    position: str = "HFS",
    change: Callable[[Dataset], None] = lambda dataset: None,
    **overrides: Any,
) -> Path:
    """A plan of 30 fractions with 60 Gy prescribed to a target; `change` edits the data set last."""
    beams = [beam()] if beams is None else list(beams)
    dataset = cb.header(SOPClassUID=RTPlanStorage, Modality="RTPLAN", RescaleSlope=None, RescaleIntercept=None)
    dataset.SOPInstanceUID = generate_uid()
    dataset.RTPlanLabel, dataset.RTPlanGeometry = "Plan A", "PATIENT"
    dataset.PatientSetupSequence = [_item(PatientSetupNumber=1, PatientPosition=position)]
    shares = [_item(ReferencedBeamNumber=b.BeamNumber, BeamMeterset="100.5", BeamDose="0.5") for b in beams]
    group = _item(FractionGroupNumber=1, NumberOfFractionsPlanned=30, NumberOfBeams=len(beams))
    group.ReferencedBeamSequence = shares
    dataset.FractionGroupSequence = [group]
    target = _item(DoseReferenceNumber=1, DoseReferenceType="TARGET", DoseReferenceDescription="PTV60")
    cb.override(target, {"TargetPrescriptionDose": "60", "ReferencedROINumber": 4})
    organ = _item(DoseReferenceNumber=2, DoseReferenceType="ORGAN_AT_RISK", OrganAtRiskMaximumDose="45")
    dataset.DoseReferenceSequence = [target, organ]
    dataset.ReferencedStructureSetSequence = [_item(ReferencedSOPInstanceUID="1.2.3.4")]
    dataset.ReferencedDoseSequence = [_item(ReferencedSOPInstanceUID="1.2.3.5")]
    dataset.BeamSequence = beams
    cb.override(dataset, overrides)
    change(dataset)
    cb.save(dataset, path)
    return path
