"""Plans that plain pydicom wrote, real ones read by plain pydicom, and broken ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pydicom
import pytest
from builders import ct_builder as cb
from builders.plan_builder import beam, write_plan
from Dose3DLib.core.errors import InputError
from Dose3DLib.dicom.rtplan import read_rtplan
from pydicom.uid import RTIonPlanStorage


def test_everything_that_places_a_detector(tmp_path):
    path = write_plan(tmp_path / "p.dcm", [beam(3, (10, -20, 30), (350, None, 10)), beam(5, (10, -20, 30.005), (90,))])
    plan = read_rtplan(path)
    dataset = pydicom.dcmread(path)
    assert plan.isocenters_mm.tolist() == [[10, -20, 30]]
    assert plan.patient_positions == ("HFS",)
    assert [b.number for b in plan.beams] == [3, 5]
    assert plan.beams[0].gantry_deg == (350, 350, 10)  # a control point without one keeps the one before
    assert plan.beams[0].collimator_deg == (30, 30, 30)
    assert plan.beams[0].couch_deg == (350, 350, 350)
    assert (plan.beams[1].energy_mv, plan.beams[1].meterset, plan.beams[1].dose_gy) == (6, 100.5, 0.5)
    assert plan.fraction_groups[0].beams == (3, 5)
    assert (plan.fractions, plan.prescribed_gy) == (30, 60)
    assert plan.prescriptions[1].dose_gy == 45
    assert (plan.structure_set_uid, plan.dose_uids) == ("1.2.3.4", ("1.2.3.5",))
    assert plan.frame_of_reference_uid == dataset.FrameOfReferenceUID
    assert plan.notes == ()


def test_several_isocentres_and_setup_fields(tmp_path):
    beams = [beam(1, (0, 0, 0)), beam(2, (0, 0, 50)), beam(3, (9, 9, 9), TreatmentDeliveryType="SETUP"), beam(4, None)]
    plan = read_rtplan(write_plan(tmp_path / "p.dcm", beams))
    assert plan.isocenters_mm.tolist() == [[0, 0, 0], [0, 0, 50]]
    assert [b.number for b in plan.treatment_beams] == [1, 2, 4]
    assert plan.notes == ("beam 4 of the plan has no isocentre",)


def test_what_is_not_written_is_unknown_and_said(tmp_path):
    def strip(dataset):
        for keyword in ("PatientSetupSequence", "FractionGroupSequence", "DoseReferenceSequence"):
            delattr(dataset, keyword)

    plan = read_rtplan(write_plan(tmp_path / "p.dcm", change=strip, FrameOfReferenceUID=None))
    assert (plan.fractions, plan.prescribed_gy, plan.patient_positions) == (None, None, ())
    assert plan.beams[0].meterset is None
    assert any("Frame of Reference UID" in note for note in plan.notes)
    assert any("does not say how the patient lies" in note for note in plan.notes)


def test_each_beam_has_its_own_set_up(tmp_path):
    def two_setups(dataset):
        second = pydicom.Dataset()
        second.PatientSetupNumber, second.PatientPosition = 2, "FFP"
        dataset.PatientSetupSequence.append(second)

    beams = [beam(1), beam(2, ReferencedPatientSetupNumber=2)]
    plan = read_rtplan(write_plan(tmp_path / "p.dcm", beams, change=two_setups))
    assert plan.patient_positions == ("HFS", "FFP")


def _first_point(**values):
    def change(dataset):
        cb.override(dataset.BeamSequence[0].ControlPointSequence[0], values)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.BeamSequence.clear(), "the plan has no beams"),
        (lambda d: cb.override(d, {"BeamSequence": None, "ApplicationSetupSequence": [pydicom.Dataset()]}), "brachyth"),
        (lambda d: d.BeamSequence.append(d.BeamSequence[0]), "same number"),
        (lambda d: cb.override(d.BeamSequence[0], {"ControlPointSequence": None}), "beam 1 has no control points"),
        (lambda d: cb.override(d.BeamSequence[0], {"BeamNumber": None}), "a beam has no number"),
        (_first_point(IsocenterPosition=None), "no treatment beam has an isocentre"),
        (_first_point(IsocenterPosition=["1", "2"]), "has 2 values instead of 3"),
        (_first_point(IsocenterPosition=["1", "2", "1e9"]), "absurd value"),
        (lambda d: cb.override(d, {"SOPClassUID": RTIonPlanStorage}), "a plan of ions"),
        (lambda d: cb.override(d, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.2"}), "no RTPLAN but RT Dose Storage"),
        (
            lambda d: cb.override(d.FractionGroupSequence[0], {"NumberOfFractionsPlanned": -3}),
            "-3 fractions are planned",
        ),
    ],
)
def test_refused_with_the_reason(tmp_path, change, words):
    path = write_plan(tmp_path / "p.dcm", change=change)
    with pytest.raises(InputError, match=words):
        read_rtplan(path)


def test_no_plan_at_all(tmp_path):
    (tmp_path / "text").write_text("not DICOM, whatever it may say about beams")
    (tmp_path / "empty").write_bytes(b"")
    for name, words in (("nothing", "there is no such file"), ("text", "DICOM"), ("empty", "DICOM")):
        with pytest.raises(InputError, match=words):
            read_rtplan(tmp_path / name)


def test_damaged_bytes_never_crash(tmp_path):
    """Only InputError leaves, whatever bytes are broken."""
    whole = bytearray(write_plan(tmp_path / "p.dcm").read_bytes())
    rng = np.random.default_rng(5)
    for _ in range(60):
        broken = bytearray(whole)
        for at in rng.integers(132, len(whole), 20):
            broken[at] = int(rng.integers(256))
        (tmp_path / "b.dcm").write_bytes(broken[: int(rng.integers(140, len(whole)))])
        try:
            read_rtplan(tmp_path / "b.dcm")
        except InputError:
            continue


def test_real_plans(shared_data, tmp_path):
    folder = shared_data / "dicom_quirks"
    (tmp_path / "breast.dcm").write_bytes(gzip.decompress((folder / "dicompyler_breast/rtplan.dcm.gz").read_bytes()))
    for path in (tmp_path / "breast.dcm", Path(folder / "pydicom/rtplan.dcm")):
        plan, dataset = read_rtplan(path), pydicom.dcmread(path)
        assert len(plan.beams) == len(dataset.BeamSequence)
        point = dataset.BeamSequence[0].ControlPointSequence[0]
        assert plan.isocenters_mm[0].tolist() == [float(mm) for mm in point.IsocenterPosition]
        assert plan.beams[0].gantry_deg[0] == float(point.GantryAngle)
        assert len(plan.beams[0].gantry_deg) == len(dataset.BeamSequence[0].ControlPointSequence)
        assert plan.patient_positions == (dataset.PatientSetupSequence[0].PatientPosition,)
        assert plan.fractions == int(dataset.FractionGroupSequence[0].NumberOfFractionsPlanned)
        assert plan.prescribed_gy == max(
            float(d.TargetPrescriptionDose) for d in dataset.DoseReferenceSequence if "TargetPrescriptionDose" in d
        )
