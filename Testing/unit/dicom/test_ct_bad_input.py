"""Each bad CT is refused with one line that names the file, the cause and the remedy."""

from __future__ import annotations

import errno
import os
import shutil
from threading import Thread

import numpy as np
import pydicom
import pytest
from builders import ct_builder as cb
from Dose3DLib.core.errors import InputError, ResourceError
from Dose3DLib.dicom.ct import list_series, read_ct, read_ct_reference
from pydicom.data import get_testdata_file
from pydicom.uid import JPEGLSLossless, RLELossless, generate_uid


def refused(path, *parts, series_uid=None, resample_slices=False, pixels=False, what=None):
    read = read_ct if pixels else read_ct_reference
    with pytest.raises(InputError) as caught:
        read(path, series_uid, resample_slices)
    line = str(caught.value)
    assert "\n" not in line
    for part in parts:
        assert part in line
    assert caught.value.remedy
    assert what is None or caught.value.what.endswith(what)
    return line


def test_no_such_folder(tmp_path):
    refused(tmp_path / "nix", "no such file or folder", "check the path")


def test_empty_folder(tmp_path):
    refused(tmp_path, "no file in this folder", "name the folder")


def test_no_dicom_in_the_folder(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    refused(tmp_path, "there is no CT, only 1 file(s) not DICOM", "name the folder that holds the CT")


def test_a_file_that_is_not_dicom(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    refused(tmp_path / "a.txt", "not DICOM", what="a.txt")


def test_only_mr(tmp_path):
    shutil.copy(get_testdata_file("MR_small.dcm"), tmp_path / "mr.dcm")
    refused(tmp_path, "there is no CT, only 1 x MR Image")
    refused(tmp_path / "mr.dcm", "this is not a CT but a MR Image", "name a CT file", what="mr.dcm")
    uid = pydicom.dcmread(tmp_path / "mr.dcm").SeriesInstanceUID
    refused(tmp_path, "is not a CT but a MR Image", series_uid=uid)


def test_a_structure_set_instead_of_a_ct(tmp_path):
    shutil.copy(get_testdata_file("rtplan.dcm"), tmp_path / "plan.dcm")
    refused(tmp_path / "plan.dcm", "not a CT but a RT Plan")


def test_mr_disguised_in_the_ct_class(tmp_path):
    cb.write_series(tmp_path, Modality="MR")
    refused(tmp_path, "6 x CT class with modality MR")


def test_only_a_scout(tmp_path):
    cb.write_series(tmp_path, cb.phantom_hu((1, 8, 8)), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    refused(tmp_path, "only 1 x CT localizer")


def test_several_series(tmp_path):
    cb.write_series(tmp_path / "a", SeriesInstanceUID="1.2.3", SeriesDescription="thin")
    cb.write_series(tmp_path / "b", cb.phantom_hu()[:4], SeriesInstanceUID="1.2.4", SeriesDescription="thick")
    line = refused(tmp_path, "there are 2 CT series", "1.2.3 (CT 'thin', 6 slices)", "1.2.4 (CT 'thick', 4 slices)")
    assert "--series UID" in line


def test_unknown_series(tmp_path):
    cb.write_series(tmp_path, SeriesInstanceUID="1.2.3")
    refused(tmp_path, "there is no CT series 9.9; there is 1.2.3", "--series", series_uid="9.9")


def test_missing_slice_names_its_place(tmp_path):
    paths = cb.write_series(tmp_path)
    paths[3].unlink()
    line = refused(tmp_path, "1 slice(s) missing", "slice distance 2.500 mm", "--resample-slices")
    assert paths[2].name in line
    assert paths[4].name in line
    assert "35.00" in line


def test_damaged_slice_is_told_beside_the_gap(tmp_path):
    paths = cb.write_series(tmp_path)
    paths[3].write_bytes(paths[3].read_bytes()[:300])
    refused(tmp_path, "1 slice(s) missing", "(skipped 1 file(s) that are no readable images: 1 DICOM without series")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_the_folder_is_not_waited_for(tmp_path):
    cb.write_series(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    notes = []
    reader = Thread(target=lambda: notes.extend(read_ct_reference(tmp_path).notes), daemon=True)
    reader.start()
    reader.join(20)
    assert "1 not a file" in "".join(notes)


def test_a_folder_that_may_not_be_opened(tmp_path, monkeypatch):
    """Root may open everything, so the system's refusal is played."""
    cb.write_series(tmp_path / "ct")
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    refused(tmp_path / "closed", "Permission denied", "check who may use it", what="closed")
    assert "1 could not be opened" in "".join(read_ct_reference(tmp_path).notes)


@pytest.mark.parametrize("back", [1, 8, 9, 40])
def test_cut_in_encapsulated_pixels(tmp_path, back):
    paths = cb.write_series(tmp_path)
    dataset = pydicom.dcmread(paths[2])
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(paths[2])
    assert read_ct(tmp_path).volume.array.shape[0] == 6
    paths[2].write_bytes(paths[2].read_bytes()[:-back])
    refused(tmp_path, "cut short", what=paths[2].name)


def test_several_missing_slices(tmp_path):
    paths = cb.write_series(tmp_path, cb.phantom_hu((12, 8, 8)))
    for k in (3, 7, 8):
        paths[k].unlink()
    refused(tmp_path, "3 slice(s) missing")


def test_uneven_slices(tmp_path):
    places = cb.positions(6)
    places[4:, 2] += 0.9
    cb.write_series(tmp_path, places=places)
    refused(tmp_path, "unevenly spaced, 2.500 to 3.400 mm", "--resample-slices")


def test_a_jump_that_needs_too_many_slices(tmp_path):
    places = np.array([[0, 0, z] for z in (0, 0.1, 200, 400)])
    cb.write_series(tmp_path, cb.phantom_hu((4, 8, 8)), places=places)
    refused(tmp_path, "an even grid would need", resample_slices=True)


def test_slice_shifted_sideways(tmp_path):
    places = cb.positions(6)
    places[2, 0] += 3
    paths = cb.write_series(tmp_path, places=places)
    for resample in (False, True):
        refused(tmp_path, "3.00 mm beside the line", resample_slices=resample, what=paths[2].name)


def test_two_slices_at_one_place(tmp_path):
    places = cb.positions(6)
    places[3] = places[2]
    paths = cb.write_series(tmp_path, places=places)
    line = refused(tmp_path, "another slice at the same position", "remove the wrong one")
    assert paths[2].name in line
    assert paths[3].name in line


def test_phases_in_one_series(tmp_path):
    places = np.repeat(cb.positions(3), 2, axis=0)
    cb.write_series(tmp_path, places=places)
    refused(tmp_path, "each of the 3 slice positions is there 2 times", "one phase")


def test_two_slices_with_one_uid(tmp_path):
    cb.write_series(tmp_path, change=lambda k, d: setattr(d, "SOPInstanceUID", "1.2.3.99") if k in (1, 2) else None)
    refused(tmp_path, "another slice with the same SOP Instance UID", "unique UIDs")


def test_one_slice(tmp_path):
    paths = cb.write_series(tmp_path, cb.phantom_hu((1, 8, 8)))
    refused(tmp_path, "one slice position only", "at least two slices", what=paths[0].name)


def _change_slice(which, **values):
    return lambda k, dataset: cb.override(dataset, values) if k == which else None


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"ImageOrientationPatient": cb.ds(cb.oblique((1, 0, 0)))}, "differs from"),
        ({"PixelSpacing": ["1.3", "0.81"]}, "pixel spacing"),
        ({"FrameOfReferenceUID": "1.2.3"}, "frame of reference"),
    ],
)
def test_slice_of_other_geometry(tmp_path, values, part):
    paths = cb.write_series(tmp_path, change=_change_slice(4, **values))
    refused(tmp_path, part, "series of their own", what=paths[4].name)


def test_slice_of_other_size(tmp_path):
    uid, frame, study = generate_uid(), generate_uid(), generate_uid()
    common = {"SeriesInstanceUID": uid, "FrameOfReferenceUID": frame, "StudyInstanceUID": study}
    cb.write_series(tmp_path, **common)
    cb.write_series(
        tmp_path, cb.phantom_hu((1, 16, 16)), places=cb.positions(7)[6:], names=lambda k: "odd.dcm", **common
    )
    refused(tmp_path, "size 16 x 16 against 16 x 20 pixels", what="odd.dcm")


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"ImagePositionPatient": None}, "Image Position (Patient) (0020,0032) is missing"),
        ({"ImageOrientationPatient": None}, "Image Orientation (Patient) (0020,0037) is missing"),
        ({"PixelSpacing": None}, "Pixel Spacing (0028,0030) is missing"),
        ({"Rows": None}, "Rows (0028,0010) is missing"),
        ({"ImagePositionPatient": ["0", "0"]}, "has 2 values instead of 3"),
        ({"ImagePositionPatient": ["0", "0", "1e30"]}, "absurd value"),
        ({"PixelSpacing": ["0", "0"]}, "Pixel Spacing [0.0, 0.0] mm is absurd"),
        ({"PixelSpacing": ["-1", "1"]}, "absurd"),
        ({"ImageOrientationPatient": ["0"] * 6}, "not two unit vectors at right angles"),
        ({"ImageOrientationPatient": ["1", "0", "0", "1", "0", "0"]}, "not two unit vectors at right angles"),
        ({"RescaleSlope": "0"}, "Rescale Slope is 0"),
        ({"NumberOfFrames": "3"}, "several frames in one CT Image have no positions"),
        ({"BitsAllocated": None}, "Bits Allocated (0028,0100) is missing"),
        ({"BitsStored": 17}, "pixels of 17 bits up to bit 15 in 16 bits are absurd"),
        ({"HighBit": 40}, "absurd"),
        ({"PixelRepresentation": 7}, "neither 0 nor 1"),
        ({"SOPInstanceUID": None}, "SOP Instance UID (0008,0018) is missing"),
    ],
)
def test_missing_or_absurd_geometry(tmp_path, values, part):
    paths = cb.write_series(tmp_path, change=_change_slice(2, **values))
    refused(tmp_path, part, "export", what=paths[2].name)


@pytest.mark.parametrize("bad", [b"NaN ", b"inf ", b"abc "])
def test_values_that_are_no_numbers(tmp_path, bad):
    paths = cb.write_series(tmp_path)
    data = paths[1].read_bytes()
    tag = data.index(b"\x20\x00\x32\x00DS") + 8
    length = int.from_bytes(data[tag - 2 : tag], "little")
    paths[1].write_bytes(data[:tag] + bad.ljust(length - 4, b" ") + b"\\1\\2" + data[tag + length :])
    refused(tmp_path, "Image Position (Patient)", what=paths[1].name)


def test_truncated_pixels(tmp_path):
    paths = cb.write_series(tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:-100])
    refused(tmp_path, "cut short", "copy or export", what=paths[2].name)


def test_truncated_before_the_pixels(tmp_path):
    paths = cb.write_series(tmp_path)
    data = paths[2].read_bytes()
    paths[2].write_bytes(data[: data.index(b"\xe0\x7f\x10\x00")])
    refused(tmp_path, "cut short", what=paths[2].name)


def test_truncated_in_the_header_is_counted_and_the_gap_is_found(tmp_path):
    paths = cb.write_series(tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:300])
    refused(tmp_path, "1 slice(s) missing")
    paths[0].write_bytes(paths[0].read_bytes()[:300])
    paths[1].write_bytes(paths[1].read_bytes()[:300])
    assert any("skipped 3 file(s)" in note for note in read_ct(tmp_path).reference.notes)


def test_truncated_compressed_pixels(tmp_path):
    paths = cb.write_series(tmp_path, cb.phantom_hu((3, 64, 64)), compress=JPEGLSLossless)
    data = paths[1].read_bytes()
    paths[1].write_bytes(data[: len(data) - 300])
    refused(tmp_path, pixels=True, what=paths[1].name)


def test_damaged_compressed_pixels(tmp_path):
    paths = cb.write_series(tmp_path, cb.phantom_hu((3, 64, 64)), compress=JPEGLSLossless)
    data = paths[1].read_bytes()
    start = data.index(b"\xff\xd8\xff")
    paths[1].write_bytes(data[:start] + b"\0" * 40 + data[start + 40 :])
    refused(tmp_path, "cannot be decoded", "copy or export", pixels=True, what=paths[1].name)


def test_a_decoder_that_is_not_installed(tmp_path, monkeypatch):
    cb.write_series(tmp_path, cb.phantom_hu((3, 64, 64)), compress=JPEGLSLossless)
    decoder = pydicom.pixels.get_decoder(JPEGLSLossless)
    monkeypatch.setattr(decoder, "_available", {})
    monkeypatch.setattr(decoder, "_unavailable", {"pyjpegls": ("pyjpegls",)})
    with pytest.raises(ResourceError, match="no decoder for JPEG-LS Lossless.* is installed; install python-gdcm"):
        read_ct(tmp_path)


def test_colour_images(tmp_path):
    def colour(k, dataset):
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
        dataset.PixelData = dataset.PixelData * 3

    cb.write_series(tmp_path, change=colour, PixelRepresentation=0, rescale=lambda k: (1.0, -1024.0))
    refused(tmp_path, "it is a colour image (3 samples a pixel)", "export the CT itself")


def test_enhanced_without_frame_positions(tmp_path):
    def drop(dataset):
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            del frame.PlanePositionSequence

    cb.write_enhanced(tmp_path / "e.dcm", change=drop)
    refused(tmp_path, "Image Position (Patient) (0020,0032) is missing", what="e.dcm")


def test_enhanced_without_functional_groups(tmp_path):
    cb.write_enhanced(tmp_path / "e.dcm", PerFrameFunctionalGroupsSequence=None)
    refused(tmp_path, "6 frames but 0 functional groups", what="e.dcm")


def test_enhanced_with_one_frame(tmp_path):
    cb.write_enhanced(tmp_path / "e.dcm", cb.phantom_hu((1, 8, 8)), shuffle=False)
    refused(tmp_path, "one slice position only")


def test_enhanced_with_a_missing_frame(tmp_path):
    places = cb.positions(6)
    places[4:, 2] += 2.5
    cb.write_enhanced(tmp_path / "e.dcm", places=places)
    refused(tmp_path, "1 slice(s) missing", "e.dcm frame")


def test_list_series_of_nothing(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        list_series(tmp_path / "nix")


def test_nothing_unreadable_stops_the_scan(tmp_path):
    paths = cb.write_series(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "garbage.dcm").write_bytes(b"\0" * 128 + b"DICM" + bytes(range(256)) * 4)
    series = read_ct(tmp_path)
    assert series.volume.grid.shape[0] == len(paths)
    assert any("skipped 2 file(s)" in note for note in series.reference.notes)
