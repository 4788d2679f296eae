"""RTDOSE in and out: judged by SimpleITK, plain pydicom and dciodvfy."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from builders import ct_builder as cb
from builders.dciodvfy import dciodvfy_errors
from Dose3DLib.core.errors import InputError
from Dose3DLib.dicom.rtdose import read_rtdose
from Dose3DLib.dicom.rtdose_write import RtDoseAttributes, write_rtdose
from Dose3DLib.geometry.grid import Grid, Volume
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RTDoseStorage, generate_uid

DOSE = np.random.default_rng(5).integers(0, 60000, (4, 6, 9))


def write_plain(path, offsets, orientation=cb.AXIAL, position=(-10.0, -20.0, 30.0), bits=16, **overrides):
    """An RTDOSE by plain pydicom; DOSE holds its stored values in the order of the planes."""
    syntax = overrides.pop("syntax", ExplicitVRLittleEndian)
    dataset = cb.header(SOPClassUID=RTDoseStorage, Modality="RTDOSE", RescaleSlope=None, RescaleIntercept=None)
    dataset.SOPInstanceUID = generate_uid()
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = cb.ds(position), cb.ds(orientation)
    dataset.PixelSpacing, dataset.GridFrameOffsetVector = ["3", "2"], cb.ds(offsets)
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = DOSE.shape
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    dataset.DoseGridScaling = "0.001"
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    dataset.PixelData = DOSE.astype(f"{order}u{bits // 8}").tobytes()
    dataset["PixelData"].VR = "OW"
    cb.override(dataset, overrides)
    cb.save(dataset, path, syntax)
    return path


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_values(tmp_path, bits, syntax):
    dose = read_rtdose(write_plain(tmp_path / "d.dcm", [0, 2.5, 5, 7.5], bits=bits, syntax=syntax))
    assert dose.volume.array.dtype == np.float32
    assert np.allclose(dose.volume.array, DOSE * 0.001, rtol=1e-6)
    assert dose.units == "GY"
    assert dose.notes == ()
    assert "PixelData" not in dose.header


PLANES_UP = [[-10, -20, 30 + 2.5 * k] for k in range(4)]
PLANES_DOWN = [[-10, -20, 30 - 2.5 * k] for k in range(4)]


@pytest.mark.parametrize(
    ("orientation", "offsets", "planes"),
    [
        (cb.AXIAL, [0, 2.5, 5, 7.5], PLANES_UP),
        (cb.AXIAL, [30, 32.5, 35, 37.5], PLANES_UP),
        (cb.AXIAL, [0, -2.5, -5, -7.5], PLANES_DOWN),
        (cb.AXIAL, [30, 27.5, 25, 22.5], PLANES_DOWN),
        (cb.PRONE, [0, 2.5, 5, 7.5], PLANES_UP),
        (cb.PRONE, [30, 32.5, 35, 37.5], PLANES_UP),
        # Feet first: the normal points to -z; relative offsets run along it, absolute ones are z itself.
        (cb.FEET_FIRST, [0, 2.5, 5, 7.5], PLANES_DOWN),
        (cb.FEET_FIRST, [30, 27.5, 25, 22.5], PLANES_DOWN),
        (cb.FEET_FIRST, [30, 32.5, 35, 37.5], PLANES_UP),
        (cb.CORONAL, [0, 2.5, 5, 7.5], [[-10, -20 + 2.5 * k, 30] for k in range(4)]),
    ],
)
def test_each_plane_is_where_the_standard_says(tmp_path, orientation, offsets, planes):
    volume = read_rtdose(write_plain(tmp_path / "d.dcm", offsets, orientation)).volume
    assert np.linalg.det(volume.grid.affine) > 0
    for plane, place in enumerate(planes):
        i, j, k = volume.grid.to_index(np.array(place, float))
        assert (i, j, k) == pytest.approx((0, 0, round(k)), abs=1e-6)
        assert np.allclose(volume.array[round(k)], DOSE[plane] * 0.001, rtol=1e-6)
        corner = np.array(place) + np.array(orientation[:3]) * 2 * 8 + np.array(orientation[3:]) * 3 * 5
        assert np.allclose(volume.grid.to_lps(np.array([8, 5, round(k)])), corner)


def test_oblique(tmp_path):
    turned = cb.oblique()
    grid = read_rtdose(write_plain(tmp_path / "d.dcm", [0, 2.5, 5, 7.5], turned)).volume.grid
    normal = np.cross(turned[:3], turned[3:])
    assert np.allclose(grid.to_lps(np.array([0, 0, 3])), np.array([-10, -20, 30]) + 7.5 * normal)


def test_relative_dose_is_said():
    dose = read_rtdose(get_testdata_file("rtdose.dcm"))
    assert dose.units == "RELATIVE"
    assert any("RELATIVE, not in Gy" in note for note in dose.notes)


@pytest.mark.parametrize("name", ["rtdose.dcm", "rtdose_rle.dcm", "rtdose_expb.dcm"])
def test_pydicoms_own_files(name):
    source = pydicom.dcmread(get_testdata_file(name))
    volume = read_rtdose(get_testdata_file(name)).volume
    assert np.allclose(volume.array, source.pixel_array * float(source.DoseGridScaling))


def test_real_dose_as_simpleitk_sees_it(shared_data):
    path = shared_data / "openkbp_dicom" / "pt_226" / "RTDOSE.dcm"
    volume = read_rtdose(path).volume
    image = sitk.ReadImage(str(path))
    assert np.allclose(sitk.GetArrayFromImage(image), np.rint(volume.array / 0.002), atol=0)
    assert np.allclose(image.GetOrigin(), volume.grid.affine[:3, 3])


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        ({"offsets": [0, 2.5, 5, 9]}, "unevenly spaced"),
        ({"offsets": [5, 7.5, 10, 12.5]}, "neither 0 nor the z"),
        ({"offsets": [0, 2.5, 5]}, "has 3 values instead of 4"),
        ({"GridFrameOffsetVector": None}, "is missing"),
        ({"DoseGridScaling": None}, "Dose Grid Scaling .* is missing"),
        ({"DoseGridScaling": "0"}, "Dose Grid Scaling is 0"),
        ({"PixelData": None}, "no dose values"),
        ({"PixelSpacing": ["0", "2"]}, "absurd"),
        ({"ImagePositionPatient": None}, "is missing"),
        ({"NumberOfFrames": 400}, "cannot be decoded"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.5"}, "no RTDOSE but RT Plan"),
    ],
)
def test_bad_dose(tmp_path, overrides, part):
    overrides = {"offsets": [0, 2.5, 5, 7.5], **overrides}
    path = write_plain(tmp_path / "d.dcm", **overrides)
    with pytest.raises(InputError, match=part) as caught:
        read_rtdose(path)
    assert caught.value.what == str(path)


def test_no_dose_file(tmp_path):
    (tmp_path / "x").write_text("no DICOM")
    for path in (tmp_path / "x", tmp_path / "nix", tmp_path):
        with pytest.raises(InputError):
            read_rtdose(path)
    with pytest.raises(InputError, match="one dose plane"):
        read_rtdose(get_testdata_file("rtdose_1frame.dcm"))


def oblique_volume(array, left_handed=False):
    turned = np.array(cb.oblique())
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = turned[:3] * 2.1, turned[3:] * 3.3
    affine[:3, 2] = np.cross(turned[:3], turned[3:]) * (-2.7 if left_handed else 2.7)
    affine[:3, 3] = -100.123456789, 50 / 3, 7
    return Volume(array, Grid(array.shape, affine))


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("left_handed", [False, True])
def test_written_dose_by_plain_pydicom(tmp_path, bits, left_handed):
    array = (np.random.default_rng(2).random((5, 6, 7)) * 73.2).astype(np.float32)
    volume = oblique_volume(array, left_handed)
    written = write_rtdose(volume, tmp_path / "d.dcm", cb.header(), RtDoseAttributes(bits=bits))
    dataset = pydicom.dcmread(tmp_path / "d.dcm")
    scaling = float(dataset.DoseGridScaling)
    assert scaling == pytest.approx(array.max() / 2**bits, rel=1e-4)
    position = np.array([float(v) for v in dataset.ImagePositionPatient])
    cosines = np.array([float(v) for v in dataset.ImageOrientationPatient])
    for plane, offset in enumerate(dataset.GridFrameOffsetVector):
        place = position + float(offset) * np.cross(cosines[:3], cosines[3:])
        index = volume.grid.to_index(place)
        assert np.allclose(index, np.rint(index), atol=1e-6)
        off = np.abs(dataset.pixel_array[plane] * scaling - array[round(index[2])])
        assert off.max() <= scaling / 2 * 1.001
    assert np.allclose(written.volume.array, array, atol=scaling)
    assert f"({bits} bits)" in written.notes[0]
    again = read_rtdose(tmp_path / "d.dcm").volume
    assert np.array_equal(again.array, written.volume.array[::-1] if left_handed else written.volume.array)


@pytest.mark.parametrize("bits", [16, 32])
def test_written_dose_as_simpleitk_sees_it(tmp_path, bits):
    array = (np.random.default_rng(2).random((5, 6, 7)) * 73.2).astype(np.float32)
    volume = oblique_volume(array)
    written = write_rtdose(volume, tmp_path / "d.dcm", cb.header(), RtDoseAttributes(bits=bits))
    image = sitk.ReadImage(str(tmp_path / "d.dcm"))
    scaling = float(written.header.DoseGridScaling)
    assert np.allclose(sitk.GetArrayFromImage(image) * scaling, written.volume.array, rtol=1e-6)
    for ijk in ((0, 0, 0), (6, 5, 4)):
        judged = image.TransformIndexToPhysicalPoint(ijk)
        assert np.allclose(judged, volume.grid.to_lps(np.array(ijk)), atol=1e-4)


def test_reading_and_writing_changes_nothing(tmp_path):
    source = write_plain(tmp_path / "a.dcm", [30, 27.5, 25, 22.5])
    dose = read_rtdose(source)
    write_rtdose(dose.volume, tmp_path / "b.dcm", dose.header, RtDoseAttributes(bits=16, grid_scaling=0.001))
    stored = pydicom.dcmread(tmp_path / "b.dcm")
    assert np.array_equal(stored.pixel_array, DOSE[::-1])
    assert float(stored.GridFrameOffsetVector[0]) == 0
    assert read_rtdose(tmp_path / "b.dcm").volume.grid.same_as(dose.volume.grid)


def test_valid_dicom_in_the_study_of_the_ct(tmp_path):
    header = cb.header()
    attributes = RtDoseAttributes(
        bits=16,
        plan_uid="1.2.3",
        comment="µ\\x" * 9,
        provenance="scaled by 2",
        dose_type="EFFECTIVE",
    )
    array = np.random.default_rng(2).random((5, 6, 7)).astype(np.float32)
    write_rtdose(oblique_volume(array), tmp_path / "d.dcm", header, attributes)
    dataset = pydicom.dcmread(tmp_path / "d.dcm")
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert dataset[keyword].value == header[keyword].value
    assert dataset.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == "1.2.3"
    assert dciodvfy_errors(tmp_path / "d.dcm") == []


@pytest.mark.parametrize(
    ("value", "attributes", "part"),
    [
        (-1.0, {}, "negative"),
        (np.nan, {}, "not numbers"),
        (100.0, {"bits": 16, "grid_scaling": 0.001}, "do not fit 16 bits"),
    ],
)
def test_dose_that_cannot_be_written(tmp_path, value, attributes, part):
    array = np.zeros((3, 4, 5), np.float32)
    array[1, 1, 1] = value
    with pytest.raises(InputError, match=part):
        write_rtdose(oblique_volume(array), tmp_path / "d.dcm", cb.header(), RtDoseAttributes(**attributes))
    assert list(tmp_path.iterdir()) == []


def test_sheared_and_flat_grids_are_refused(tmp_path):
    volume = oblique_volume(np.zeros((3, 4, 5), np.float32))
    affine = volume.grid.affine.copy()
    affine[:3, 2] += affine[:3, 0] * 0.1
    with pytest.raises(InputError, match="sheared"):
        write_rtdose(Volume(volume.array, Grid((3, 4, 5), affine)), tmp_path / "d.dcm", cb.header())
    with pytest.raises(InputError, match="one plane"):
        write_rtdose(oblique_volume(np.zeros((1, 4, 5), np.float32)), tmp_path / "d.dcm", cb.header())
    with pytest.raises(InputError, match="choose 16 or 32"):
        RtDoseAttributes(bits=8)


def test_a_dose_of_zero_everywhere(tmp_path):
    write_rtdose(oblique_volume(np.zeros((3, 4, 5), np.float32)), tmp_path / "d.dcm", cb.header())
    assert not read_rtdose(tmp_path / "d.dcm").volume.array.any()
