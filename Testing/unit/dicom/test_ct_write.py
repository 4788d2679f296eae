"""Volumes out as CT series: judged by dciodvfy, SimpleITK and plain pydicom."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from builders.dciodvfy import dciodvfy_errors
from Dose3DLib.core.errors import Cancelled, InputError, OutputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.dicom.ct import read_ct, read_ct_reference
from Dose3DLib.dicom.ct_write import PatientAttributes, write_ct
from Dose3DLib.dicom.rtstruct import read_rtstruct
from Dose3DLib.dicom.rtstruct_write import write_rtstruct
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet


def turned(sheared: bool = False, left_handed: bool = False) -> np.ndarray:
    """An affine without a round number in it."""
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    affine = np.eye(4)
    affine[:3, :3] = turn * [0.0812345678, 1.23456789, 2.4999]
    affine[:3, 3] = -1234.56789012345, 1 / 3, -2000 / 3
    if sheared:
        affine[:3, 2] += [0.3, -0.2, 0.1]
    if left_handed:
        affine[:3, 0] *= -1
    return affine


def noise(shape=(7, 30, 40)) -> np.ndarray:
    return np.random.default_rng(0).integers(-1024, 3072, shape).astype(np.int16)


@pytest.mark.parametrize("sheared", [False, True])
def test_every_voxel_is_where_it_was(tmp_path, sheared):
    volume = Volume(noise(), Grid((7, 30, 40), turned(sheared)))
    reference = write_ct(volume, tmp_path / "ct")
    series = read_ct(tmp_path / "ct")
    assert np.array_equal(series.volume.array, volume.array)
    assert np.abs(series.volume.grid.corners_mm() - volume.grid.corners_mm()).max() < 1e-6
    assert series.reference.slices == reference.slices
    assert series.reference.notes == ()


def test_slices_by_plain_pydicom(tmp_path):
    """Position of each pixel after PS3.3 C.7.6.2.1.1 within 1 um, texts within 16 characters."""
    volume = Volume(noise(), Grid((7, 30, 40), turned(sheared=True)))
    write_ct(volume, tmp_path / "ct")
    for k, path in enumerate(sorted((tmp_path / "ct").iterdir())):
        dataset = pydicom.dcmread(path)
        position, orientation, spacing = (
            np.array([float(v) for v in dataset[keyword].value])
            for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
        )
        corner = position + orientation[:3] * spacing[1] * 39 + orientation[3:] * spacing[0] * 29
        assert np.abs(corner - volume.grid.to_lps(np.array([39, 29, k]))).max() < 1e-3 * 1e-3
        assert np.array_equal(dataset.pixel_array, volume.array[k])
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            assert all(len(str(v)) <= 16 for v in dataset[keyword].value)


def test_simpleitk_sees_the_same(tmp_path):
    volume = Volume(noise(), Grid((7, 30, 40), turned()))
    write_ct(volume, tmp_path / "ct")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "ct")))
    image = reader.Execute()
    assert np.array_equal(sitk.GetArrayFromImage(image), volume.array)
    for ijk in ((0, 0, 0), (39, 29, 6)):
        judged = image.TransformIndexToPhysicalPoint(ijk)
        assert np.allclose(judged, volume.grid.to_lps(np.array(ijk)), atol=1e-3)


def test_left_handed_volumes_keep_their_order_in_the_reference(tmp_path):
    volume = Volume(noise(), Grid((7, 30, 40), turned(left_handed=True)))
    reference = write_ct(volume, tmp_path / "ct")
    series = read_ct(tmp_path / "ct")
    assert reference.grid is volume.grid
    assert np.array_equal(series.volume.array, volume.array[::-1])
    assert series.reference.slices == reference.slices[::-1]
    files = [pydicom.dcmread(path) for path in sorted((tmp_path / "ct").iterdir())]
    assert [file.InstanceNumber for file in files] == list(range(1, 8))
    assert [file.SOPInstanceUID for file in files] == [image.sop_instance_uid for image in series.reference.slices]


@pytest.mark.parametrize("flip", [0, 2], ids=["columns run to the right", "slices run down"])
def test_structures_drawn_on_a_left_handed_volume(tmp_path, flip):
    """As NIfTI files often are: what is written for them lies right on the series, too."""
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    affine[flip, flip] *= -1
    grid = Grid((7, 30, 40), affine)
    reference = write_ct(Volume(noise(), grid), tmp_path / "ct")
    marked = np.zeros(grid.shape, bool)
    marked[2:4, 5:20, 6:30] = True
    marked[3, 10:12, 9:14] = False
    drawn = StructureSet(grid, (Structure("Brain", Mask.from_array(marked, grid)),))
    write_rtstruct(drawn, reference, tmp_path / "rs.dcm")
    found = read_rtstruct(tmp_path / "rs.dcm", read_ct_reference(tmp_path / "ct"))
    assert np.array_equal(found["Brain"].mask.to_array(), marked[::-1])


@pytest.mark.parametrize(
    "patient",
    [
        PatientAttributes(),
        PatientAttributes("Łódź^Ärzt 日本", "id µ", "F", "19700101", "study ö", "series", "HEADNECK", "FFP", "note"),
    ],
)
def test_valid_dicom(tmp_path, patient):
    write_ct(Volume(noise(), Grid((7, 30, 40), turned(True))), tmp_path / "ct", patient)
    for path in sorted((tmp_path / "ct").iterdir())[::3]:
        assert dciodvfy_errors(path) == []
    assert str(pydicom.dcmread(path).PatientName) == patient.patient_name


def test_floats_are_rounded_and_it_is_said(tmp_path):
    array = np.random.default_rng(1).normal(0, 500, (3, 8, 9)).astype(np.float32)
    reference = write_ct(Volume(array, Grid.axial((3, 8, 9), (1, 1, 1), (0, 0, 0))), tmp_path / "ct")
    assert "rounded" in reference.notes[0]
    assert np.array_equal(read_ct(tmp_path / "ct").volume.array, np.rint(array))
    whole = write_ct(Volume(np.rint(array), Grid.axial((3, 8, 9), (1, 1, 1), (0, 0, 0))), tmp_path / "whole")
    assert whole.notes == ()


def test_a_seed_fixes_all_uids(tmp_path):
    volume = Volume(noise(), Grid.axial((7, 30, 40), (1, 1, 1), (0, 0, 0)))
    patient = PatientAttributes(uid_seed="phantom 1", study_date="20200101")
    for name in ("a", "b"):
        write_ct(volume, tmp_path / name, patient)
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    other = write_ct(volume, tmp_path / "c")
    assert other.slices != read_ct_reference(tmp_path / "a").slices


@pytest.mark.parametrize(
    ("array", "affine", "part"),
    [
        (np.full((2, 3, 4), 40000), np.eye(4), "do not fit 16-bit"),
        (np.full((2, 3, 4), np.nan), np.eye(4), "not numbers"),
        (np.zeros((1, 3, 4)), np.eye(4), "one slice"),
        (np.zeros((2, 3, 4)), np.array([[1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "right angles"),
    ],
)
def test_what_dicom_cannot_say_is_refused(tmp_path, array, affine, part):
    with pytest.raises(InputError, match=part):
        write_ct(Volume(array, Grid(array.shape, affine)), tmp_path / "ct")
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_kept(tmp_path):
    (tmp_path / "ct").mkdir()
    with pytest.raises(OutputError, match="exists"):
        write_ct(Volume(noise(), Grid.axial((7, 30, 40), (1, 1, 1), (0, 0, 0))), tmp_path / "ct")


def test_cancel_leaves_nothing(tmp_path):
    asked = iter(range(100))
    volume = Volume(noise(), Grid.axial((7, 30, 40), (1, 1, 1), (0, 0, 0)))
    with pytest.raises(Cancelled):
        write_ct(volume, tmp_path / "ct", progress=Progress(cancelled=lambda: next(asked) > 3))
    assert list(tmp_path.iterdir()) == []
