"""CT series in; geometry and HU are judged by SimpleITK (GDCM) or by what the test wrote with plain pydicom."""

from __future__ import annotations

import gzip
import shutil
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from builders import ct_builder as cb
from Dose3DLib.core.errors import Cancelled
from Dose3DLib.core.progress import Progress
from Dose3DLib.dicom.ct import ImageReference, list_series, read_ct, read_ct_reference
from pydicom.data import get_testdata_file
from pydicom.uid import (
    JPEGLSLossless,
    RLELossless,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

GANTRY = (1.0, 0.0, 0.0, 0.0, float(np.cos(np.radians(15))), float(-np.sin(np.radians(15))))


def expected_affine(orientation, spacing, places):
    affine = np.eye(4)
    affine[:3, 0] = np.array(orientation[:3]) * spacing[1]
    affine[:3, 1] = np.array(orientation[3:]) * spacing[0]
    affine[:3, 2] = places[1] - places[0]
    affine[:3, 3] = places[0]
    return affine


def judged_by_simpleitk(folder: Path, volume) -> None:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    array = sitk.GetArrayFromImage(image)
    if not np.allclose(
        image.TransformIndexToPhysicalPoint((0, 0, 0)), volume.grid.to_lps(np.array([0, 0, 0])), atol=1e-4
    ):
        raise AssertionError("other first voxel than SimpleITK")
    for ijk in ((3, 0, 0), (0, 5, 0), (4, 3, volume.grid.shape[0] - 1)):
        judged = image.TransformIndexToPhysicalPoint(ijk)
        assert np.allclose(judged, volume.grid.to_lps(np.array(ijk)), atol=1e-4)
    assert np.array_equal(array, volume.array)


@pytest.mark.parametrize(
    "orientation",
    [cb.AXIAL, cb.CORONAL, cb.SAGITTAL, cb.PRONE, cb.FEET_FIRST, cb.oblique(), cb.oblique((170, -40, 95))],
    ids=["axial", "coronal", "sagittal", "prone", "feet first", "oblique", "oblique2"],
)
def test_any_orientation_as_simpleitk_sees_it(tmp_path, orientation):
    array = cb.phantom_hu()
    cb.write_series(tmp_path / "ct", array, orientation=orientation)
    series = read_ct(tmp_path / "ct")
    assert np.array_equal(series.volume.array, array)
    assert series.volume.array.dtype == np.int16
    places = cb.positions(6, orientation)
    assert np.allclose(series.volume.grid.affine, expected_affine(orientation, (1.3, 0.8), places), atol=1e-9)
    assert np.linalg.det(series.volume.grid.affine) > 0
    judged_by_simpleitk(tmp_path / "ct", series.volume)


@pytest.mark.parametrize("spacing", [(0.08, 0.11), (5.0, 0.5)])
def test_row_and_column_spacing_are_not_swapped(tmp_path, spacing):
    array = cb.phantom_hu((4, 24, 9))
    cb.write_series(tmp_path, array, spacing=spacing)
    grid = read_ct(tmp_path).volume.grid
    assert grid.shape == (4, 24, 9)
    assert grid.spacing_mm == pytest.approx((2.5, *spacing))


def test_gantry_tilt_is_an_exact_shear(tmp_path):
    places = cb.positions(6, GANTRY, step=(0.0, 0.0, 3.0))
    array = cb.phantom_hu()
    cb.write_series(tmp_path, array, orientation=GANTRY, places=places)
    grid = read_ct(tmp_path).volume.grid
    for k, place in enumerate(places):
        assert np.allclose(grid.to_lps(np.array([0, 0, k])), place, atol=1e-6)
    assert grid.is_sheared
    assert grid.slice_distance_mm == pytest.approx(3 * np.cos(np.radians(15)))


def test_k_grows_along_the_normal_whatever_the_file_order(tmp_path):
    array = cb.phantom_hu()
    paths = cb.write_series(tmp_path, array)
    assert [p.name for p in paths] != sorted(p.name for p in paths)
    reference = read_ct_reference(tmp_path)
    uids = [pydicom.dcmread(p).SOPInstanceUID for p in paths]
    assert [s.sop_instance_uid for s in reference.slices] == uids
    assert reference.slices[0] == ImageReference("1.2.840.10008.5.1.4.1.1.2", uids[0], None)
    assert reference.header.SOPInstanceUID == uids[0]
    assert reference.header.PatientName == "Test^Ärzt"
    assert "PixelData" not in reference.header


@pytest.mark.parametrize("compress", [None, RLELossless, JPEGLSLossless])
def test_enhanced_ct(tmp_path, compress):
    array = cb.phantom_hu()
    path = cb.write_enhanced(tmp_path / "e.dcm", array, orientation=cb.oblique(), compress=compress)
    series = read_ct(tmp_path)
    assert np.array_equal(series.volume.array, array)
    places = cb.positions(6, cb.oblique())
    assert np.allclose(series.volume.grid.affine, expected_affine(cb.oblique(), (1.3, 0.8), places), atol=1e-9)
    uid = pydicom.dcmread(path).SOPInstanceUID
    assert {s.sop_instance_uid for s in series.reference.slices} == {uid}
    stored = pydicom.dcmread(path).PerFrameFunctionalGroupsSequence
    for k, reference in enumerate(series.reference.slices):
        position = stored[reference.frame_number - 1].PlanePositionSequence[0].ImagePositionPatient
        assert np.allclose([float(v) for v in position], places[k])
    assert np.array_equal(read_ct(path).volume.array, array)


def test_enhanced_ct_in_several_files_of_a_series(tmp_path):
    array, places = cb.phantom_hu(), cb.positions(6)
    common = {"SeriesInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}
    cb.write_enhanced(tmp_path / "b.dcm", array[:2], places=places[:2], **common)
    cb.write_enhanced(tmp_path / "a.dcm", array[2:], places=places[2:], **common)
    series = read_ct(tmp_path)
    assert np.array_equal(series.volume.array, array)
    assert len({s.sop_instance_uid for s in series.reference.slices}) == 2


def test_unicode_path_and_tree(tmp_path):
    folder = tmp_path / "Prüfung ä 日本 mit Leerzeichen"
    array = cb.phantom_hu()
    cb.write_series(folder, array, names=lambda k: f"Ordner {k % 2}/Schicht ö{k}")
    assert np.array_equal(read_ct(folder).volume.array, array)


def test_linked_folders_are_followed_once(tmp_path):
    array = cb.phantom_hu()
    cb.write_series(tmp_path / "archive", array)
    (tmp_path / "patient").mkdir()
    (tmp_path / "patient" / "CT").symlink_to(tmp_path / "archive", target_is_directory=True)
    (tmp_path / "archive" / "circle").symlink_to(tmp_path / "patient", target_is_directory=True)
    series = read_ct(tmp_path / "patient")
    assert np.array_equal(series.volume.array, array)
    assert series.reference.notes == ()


def test_one_file_means_its_series(tmp_path):
    array = cb.phantom_hu()
    paths = cb.write_series(tmp_path, array)
    cb.write_series(tmp_path, array + 7, names=lambda k: f"other{k}.dcm")
    assert np.array_equal(read_ct(paths[3]).volume.array, array)


def test_mixed_folder_is_sorted_out(tmp_path):
    array = cb.phantom_hu()
    uid, study = generate_uid(), generate_uid()
    cb.write_series(tmp_path, array, SeriesInstanceUID=uid, StudyInstanceUID=study)
    scout = cb.phantom_hu((1, 30, 40))
    cb.write_series(
        tmp_path,
        scout,
        orientation=cb.CORONAL,
        names=lambda k: "scout.dcm",
        SeriesInstanceUID=uid,
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )
    for name, uid_of_class, modality in (
        ("rs", RTStructureSetStorage, "RTSTRUCT"),
        ("sc", SecondaryCaptureImageStorage, "CT"),
    ):
        dataset = cb.header(SOPClassUID=uid_of_class, Modality=modality, SeriesInstanceUID=uid)
        dataset.SOPInstanceUID = generate_uid()
        cb.save(dataset, tmp_path / f"{name}.dcm")
    shutil.copy(get_testdata_file("MR_small.dcm"), tmp_path / "mr.dcm")
    (tmp_path / "README.txt").write_text("not DICOM at all, but longer than a preamble " * 8)
    (tmp_path / "empty").touch()
    series = read_ct(tmp_path)
    assert np.array_equal(series.volume.array, array)
    ignored = next(note for note in series.reference.notes if "ignored" in note)
    for part in ("1 x CT localizer", "1 x MR Image", "1 x RT Structure Set", "1 x Secondary Capture Image"):
        assert part in ignored
    assert any("skipped 2 file(s)" in note for note in series.reference.notes)


def test_copies_of_a_slice_are_dropped_with_a_note(tmp_path):
    array = cb.phantom_hu()
    paths = cb.write_series(tmp_path, array)
    shutil.copy(paths[2], tmp_path / "copy.dcm")
    series = read_ct(tmp_path)
    assert np.array_equal(series.volume.array, array)
    assert any("1 file(s) hold the same slice twice" in note for note in series.reference.notes)


def test_choosing_one_of_several_series(tmp_path):
    array = cb.phantom_hu()
    cb.write_series(tmp_path / "a", array, SeriesInstanceUID="1.2.3.4", SeriesDescription="thin")
    cb.write_series(tmp_path / "b", array[:4], SeriesInstanceUID="1.2.3.5", SeriesDescription="thick")
    assert read_ct(tmp_path, "1.2.3.5").volume.array.shape[0] == 4
    listed = {s.uid: (s.description, s.images, s.modality) for s in list_series(tmp_path)}
    assert listed == {"1.2.3.4": ("thin", 6, "CT"), "1.2.3.5": ("thick", 4, "CT")}


def test_resampling_fills_a_missing_slice_linearly(tmp_path):
    array = cb.phantom_hu()
    paths = cb.write_series(tmp_path, array)
    paths[3].unlink()
    series = read_ct(tmp_path, resample_slices=True)
    assert series.volume.grid.shape == array.shape
    expected = array.astype(np.float64)
    expected[3] = (expected[2] + expected[4]) / 2
    assert np.allclose(series.volume.array, expected)
    assert [s is None for s in series.reference.slices] == [k == 3 for k in range(6)]
    assert any("1 of 6 interpolated" in note for note in series.reference.notes)


def test_resampling_of_a_tilted_stack(tmp_path):
    array, places = cb.phantom_hu(), cb.positions(6, GANTRY, step=(0.0, 0.0, 3.0))
    paths = cb.write_series(tmp_path, array, orientation=GANTRY, places=places)
    whole = read_ct(tmp_path).volume
    paths[2].unlink()
    series = read_ct(tmp_path, resample_slices=True)
    assert series.volume.grid.same_as(whole.grid)
    for k in (0, 1, 3, 4, 5):
        assert np.array_equal(series.volume.array[k], array[k])


def test_resampling_of_two_zones(tmp_path):
    """2 mm slices go over into 5 mm ones; a ramp along z stays it, but slices snap by up to 0.1 mm."""
    z = np.array([0, 2, 4, 6, 8, 13, 18, 23.0])
    array = np.broadcast_to((z * 10 - 1000)[:, None, None], (8, 4, 5))
    places = np.column_stack([np.zeros(8), np.zeros(8), z])
    cb.write_series(tmp_path, array, places=places)
    series = read_ct(tmp_path, resample_slices=True)
    assert np.allclose(series.volume.grid.to_lps(np.array([0, 0, series.volume.grid.shape[0] - 1])), places[-1])
    depth = series.volume.grid.to_lps(np.array([[0, 0, k] for k in range(series.volume.grid.shape[0])]))[:, 2]
    assert np.allclose(series.volume.array[:, 2, 2], depth * 10 - 1000, atol=1.0)
    assert series.volume.grid.slice_distance_mm <= 2.1


def test_rounded_positions_are_still_even(tmp_path):
    z = np.round(np.arange(30) * 1.25, 1)
    array = np.zeros((30, 4, 4)) - 1000
    cb.write_series(tmp_path, array, places=np.column_stack([np.zeros(30), np.zeros(30), z]))
    reference = read_ct_reference(tmp_path)
    assert reference.grid.slice_distance_mm == pytest.approx(z[-1] / 29)
    assert any("off an even grid" in note for note in reference.notes)


def test_progress_and_cancel(tmp_path):
    cb.write_series(tmp_path, cb.phantom_hu())
    events = []
    read_ct(tmp_path, progress=Progress(events.append))
    said = [(event.get("stage"), event.get("message")) for event in events]
    assert ("decode slices", "slice 3 of 6") in said
    fractions = [event["fraction"] for event in events if event["event"] == "progress"]
    assert fractions == sorted(fractions)
    asked = iter(range(100))
    with pytest.raises(Cancelled):
        read_ct(tmp_path, progress=Progress(cancelled=lambda: next(asked) > 3))


@pytest.mark.parametrize("name", ["a_iso1mm_80", "b_aniso_64x80", "c_oblique_64"])
def test_phantoms_of_the_shared_data(shared_data, name):
    series = read_ct(shared_data / "dicom_phantom" / name / "ct")
    judged_by_simpleitk(shared_data / "dicom_phantom" / name / "ct", series.volume)


def test_tilted_phantom_slice_by_slice(shared_data):
    folder = shared_data / "dicom_phantom" / "d_gantry15_64" / "ct"
    volume = read_ct(folder).volume
    for k, path in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(path)
        assert np.allclose(
            volume.grid.to_lps(np.array([0, 0, k])), [float(v) for v in dataset.ImagePositionPatient], atol=1e-3
        )
        assert np.array_equal(volume.array[k], dataset.pixel_array * dataset.RescaleSlope + dataset.RescaleIntercept)


def test_real_patients(shared_data):
    series = read_ct(shared_data / "dicom_onko_hn" / "ct")
    judged_by_simpleitk(shared_data / "dicom_onko_hn" / "ct", series.volume)
    for patient in ("pt_226", "pt_236"):
        folder = shared_data / "openkbp_dicom" / patient
        assert "ignored among the CT: 1 x RT Dose, 1 x RT Structure Set" in read_ct_reference(folder).notes
        judged_by_simpleitk(folder / "CT", read_ct(folder / "CT").volume)


def test_slice_of_another_vendor(shared_data, tmp_path):
    """GE Discovery MI with padding -2000 and many private groups."""
    folder = shared_data / "dicom_quirks" / "mim_phantom"
    series = read_ct(folder)
    assert series.volume.array.min() == -1024
    assert series.volume.grid.slice_distance_mm == pytest.approx(5)
    packed = shared_data / "dicom_quirks" / "dicompyler_breast"
    for path in packed.glob("*.gz"):
        (tmp_path / path.stem).write_bytes(gzip.decompress(path.read_bytes()))


def test_headers_are_read_fast(tmp_path):
    """186 slices take about 0.15 s of processor time here; the bound leaves room for slow machines."""
    array = np.zeros((186, 8, 8), np.int16) - 1000
    cb.write_series(tmp_path, array, names=lambda k: f"{k}.dcm")
    best = min(timed(lambda: read_ct_reference(tmp_path)) for _ in range(3))
    assert best < 0.8


def timed(function) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start
