"""Pixels of a CT: transfer syntaxes, bits, signs, padding, rescale to Hounsfield units."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from builders import ct_builder as cb
from Dose3DLib.dicom.ct import read_ct, read_ct_reference
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)


def test_rescale_per_slice_and_unsigned(tmp_path):
    array = cb.phantom_hu()
    cb.write_series(tmp_path, array, rescale=lambda k: (1.0, -1024.0 - k), PixelRepresentation=0)
    series = read_ct(tmp_path)
    assert np.array_equal(series.volume.array, array)
    assert series.volume.array.dtype == np.int16


def test_fractional_rescale_gives_float(tmp_path):
    array = cb.phantom_hu()
    cb.write_series(tmp_path, array, rescale=lambda k: (0.5 + 0.25 * (k % 2), -1024.25), PixelRepresentation=0)
    volume = read_ct(tmp_path).volume
    assert volume.array.dtype == np.float32
    assert np.abs(volume.array - array).max() <= 0.375
    each_slice_judged_by_simpleitk(tmp_path, volume)


def each_slice_judged_by_simpleitk(folder, volume):
    reader = sitk.ImageFileReader()
    for path in folder.iterdir():
        reader.SetFileName(str(path))
        image = reader.Execute()
        k = round(float(volume.grid.to_index(np.array(image.GetOrigin()))[2]))
        assert np.allclose(sitk.GetArrayFromImage(image)[0], volume.array[k])


def test_values_beyond_int16_become_float(tmp_path):
    array = np.full((2, 4, 4), 60000)
    array[0, 0, 0] = -1000
    cb.write_series(tmp_path, array, rescale=lambda k: (1.0, -1024.0), PixelRepresentation=0)
    series = read_ct(tmp_path)
    assert series.volume.array.dtype == np.float32
    assert np.array_equal(series.volume.array, array)
    assert any("60000" in note for note in series.reference.notes)


def test_padding_becomes_air_also_when_its_sign_is_written_wrongly(tmp_path):
    array = cb.phantom_hu()
    array[:, 0, :3] = -2000

    def unsigned_tag(k, dataset):
        dataset.add_new(0x00280120, "US", 65536 - 2000)

    cb.write_series(tmp_path, array, change=unsigned_tag)
    series = read_ct(tmp_path)
    assert (series.volume.array[:, 0, :3] == -1024).all()
    assert np.array_equal(series.volume.array[:, 1:], array[:, 1:])
    assert any("18 voxels of padding" in note for note in series.reference.notes)


def test_padding_range(tmp_path):
    array = cb.phantom_hu()
    array[2, 0, :3] = -2000, -1990, -1980
    cb.write_series(
        tmp_path, array, change=lambda k, d: (d.add_new(0x00280120, "SS", -2000), d.add_new(0x00280121, "SS", -1985))
    )
    assert read_ct(tmp_path).volume.array[2, 0, :3].tolist() == [-1024, -1024, -1980]


def test_twelve_bits_with_an_overlay_above(tmp_path):
    array = cb.phantom_hu()

    def overlay(k, dataset):
        stored = np.frombuffer(dataset.PixelData, "<u2") | 0x8000
        dataset.PixelData = stored.tobytes()

    cb.write_series(
        tmp_path,
        array,
        rescale=lambda k: (1.0, -1024.0),
        change=overlay,
        PixelRepresentation=0,
        BitsStored=12,
        HighBit=11,
    )
    assert np.array_equal(read_ct(tmp_path).volume.array, array)


def test_twelve_signed_bits_without_sign_extension(tmp_path):
    array = cb.phantom_hu()

    def cut(k, dataset):
        dataset.PixelData = (np.frombuffer(dataset.PixelData, "<u2") & 0x0FFF).tobytes()

    cb.write_series(tmp_path, array, change=cut, BitsStored=12, HighBit=11)
    assert np.array_equal(read_ct(tmp_path).volume.array, array)


@pytest.mark.parametrize(
    ("syntax", "preamble"),
    [
        (ExplicitVRLittleEndian, True),
        (ImplicitVRLittleEndian, True),
        (ExplicitVRBigEndian, True),
        (DeflatedExplicitVRLittleEndian, True),
        (ExplicitVRLittleEndian, False),
        (ImplicitVRLittleEndian, False),
        (ExplicitVRBigEndian, False),
    ],
)
def test_uncompressed_syntaxes(tmp_path, syntax, preamble):
    array = cb.phantom_hu()
    cb.write_series(tmp_path, array, syntax=syntax, preamble=preamble)
    assert np.array_equal(read_ct(tmp_path).volume.array, array)
    assert read_ct_reference(tmp_path).grid.shape == array.shape


@pytest.mark.parametrize(
    "compress", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=["RLE", "JPEG-LS", "JPEG 2000"]
)
@pytest.mark.parametrize("signed", [0, 1])
def test_compressed_syntaxes(tmp_path, compress, signed):
    array = cb.phantom_hu((3, 64, 80))
    offset = 0.0 if signed else -1024.0
    cb.write_series(tmp_path, array, compress=compress, rescale=lambda k: (1.0, offset), PixelRepresentation=signed)
    assert np.array_equal(read_ct(tmp_path).volume.array, array)


@pytest.mark.parametrize(
    "process", ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.57"], ids=["first order", "process 14"]
)
def test_jpeg_lossless_of_old_scanners(tmp_path, process):
    array = cb.phantom_hu()
    paths = cb.write_series(tmp_path / "raw", array, rescale=lambda k: (1.0, -1024.0), PixelRepresentation=0)
    jpeg_by_gdcm(paths, tmp_path / "jpeg", process)
    assert np.array_equal(read_ct(tmp_path / "jpeg").volume.array, array)


def jpeg_by_gdcm(paths, folder, syntax):
    import gdcm

    folder.mkdir()
    wanted = gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax))
    for path in paths:
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(wanted)
        change.SetInput(reader.GetImage())
        if not change.Change():
            pytest.skip("this GDCM cannot encode the syntax")
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(folder / path.name))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()


def test_lossy_jpeg_is_said(tmp_path):
    paths = cb.write_series(tmp_path, cb.phantom_hu(), LossyImageCompression="01")
    assert len(paths) == 6
    assert "the CT was compressed with loss" in read_ct_reference(tmp_path).notes


def test_pydicoms_own_files_decode(tmp_path):
    """Each is one slice of other software; twice at two positions it makes a series."""
    for name in ("CT_small.dcm",):
        folder = tmp_path / name
        folder.mkdir()
        dataset = pydicom.dcmread(get_testdata_file(name))
        truth = dataset.pixel_array * int(dataset.RescaleSlope) + int(dataset.RescaleIntercept)
        for n in range(2):
            dataset.ImagePositionPatient[2] += 5
            dataset.SOPInstanceUID = generate_uid()
            dataset.save_as(folder / f"{n}.dcm")
        volume = read_ct(folder).volume
        assert np.array_equal(volume.array[0], truth)
        assert volume.grid.slice_distance_mm == pytest.approx(5)


@pytest.mark.parametrize("name", ["693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm"])
def test_jpeg_2000_of_other_software(tmp_path, name):
    """Slices of real CTs: 14 bits lossy; 13 bits whose header contradicts the code stream in the sign."""
    dataset = pydicom.dcmread(get_testdata_file(name))
    truth = dataset.pixel_array * int(dataset.RescaleSlope) + int(dataset.RescaleIntercept)
    padding = dataset.get("PixelPaddingValue")
    for n in range(2):
        dataset.ImagePositionPatient[2] += 5
        dataset.SOPInstanceUID = generate_uid()
        dataset.save_as(tmp_path / f"{n}.dcm")
    array = read_ct(tmp_path).volume.array[0]
    kept = np.ones(array.shape, bool) if padding is None else dataset.pixel_array != padding
    assert kept.any()
    assert np.array_equal(array[kept], truth[kept])
    assert (array[~kept] == -1024).all()


def test_jpeg_baseline(tmp_path):
    """Eight bits of a lossy JPEG, in CT Image Storage as some archives make it."""
    array = cb.phantom_hu((2, 32, 32))
    window = lambda k: (10.0, -1000.0)  # noqa: E731 - 8 bits hold steps of 10 HU
    overrides = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    paths = cb.write_series(tmp_path / "raw", array, rescale=window, LossyImageCompression="01", **overrides)
    exact = read_ct(tmp_path / "raw").volume.array
    assert np.abs(exact - array).max() <= 5
    jpeg_by_gdcm(paths, tmp_path / "jpeg", "1.2.840.10008.1.2.4.50")
    series = read_ct(tmp_path / "jpeg")
    judged = np.stack([pydicom.dcmread(tmp_path / "jpeg" / path.name).pixel_array for path in paths])
    assert np.array_equal(series.volume.array, judged.astype(np.int16) * 10 - 1000)
    assert "the CT was compressed with loss" in series.reference.notes


def test_note_when_these_are_not_hounsfield_units(tmp_path):
    cb.write_series(tmp_path, cb.phantom_hu() + 1000)
    assert any("are these Hounsfield units" in note for note in read_ct(tmp_path).reference.notes)


def test_note_without_rescale_and_frame_of_reference(tmp_path):
    cb.write_series(tmp_path, cb.phantom_hu(), RescaleSlope=None, RescaleIntercept=None, FrameOfReferenceUID=None)
    notes = read_ct(tmp_path).reference.notes
    assert any("Rescale Slope or Intercept is missing" in note for note in notes)
    assert any("no Frame of Reference UID" in note for note in notes)
