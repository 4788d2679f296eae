"""RTSTRUCT in: exact on all truth masks, every oddity said in a note, every fault one InputError."""

from __future__ import annotations

import contextlib
import gzip
import io
import warnings
from collections import Counter

import numpy as np
import pydicom
import pytest
from builders.ct_builder import write_series
from builders.rtstruct_decoder import Plane, decode, read_planes
from Dose3DLib.core.errors import InputError
from Dose3DLib.dicom.ct import CtReference, ImageReference, read_ct_reference
from Dose3DLib.dicom.rtstruct import read_rtstruct
from Dose3DLib.dicom.rtstruct_write import write_rtstruct
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

PHANTOMS = ["a_iso1mm_80", "b_aniso_64x80", "c_oblique_64", "d_gantry15_64"]


# ---------------------------------------------------------------- real and phantom files
@pytest.mark.parametrize("phantom", PHANTOMS)
def test_phantom_exactly(shared_data, phantom):
    folder = shared_data / "dicom_phantom"
    truth = np.load(folder / "truth_masks.npz")
    found = read_rtstruct(folder / phantom / "rs_exact.dcm", read_ct_reference(folder / phantom / "ct"))
    names = [key.split("/")[1] for key in truth.files if key.startswith(phantom)]
    assert sorted(found.names) == sorted(names)
    assert found.notes == ()
    for name in names:
        assert np.array_equal(found[name].mask.to_array(), truth[f"{phantom}/{name}"]), name


@pytest.mark.parametrize(
    ("file", "notes"),
    [
        ("no_contourimageseq", ["47 of 47 contours name no image"]),
        ("no_refframeseq", ["no Referenced Frame of Reference Sequence"]),
        ("neither", ["no Referenced Frame of Reference Sequence", "47 of 47 contours name no image"]),
        ("no_observations", []),
    ],
)
def test_incomplete_files_decode_by_geometry(shared_data, file, notes):
    folder = shared_data / "dicom_phantom"
    truth = np.load(folder / "truth_masks.npz")
    reference = read_ct_reference(folder / "a_iso1mm_80" / "ct")
    found = read_rtstruct(folder / "a_iso1mm_80" / f"rs_quirk_{file}.dcm", reference)
    assert len(found) == 3
    for structure in found:
        assert np.array_equal(structure.mask.to_array(), truth[f"a_iso1mm_80/{structure.name}"])
    assert len(found.notes) == len(notes)
    assert all(note.startswith(start) for note, start in zip(found.notes, notes, strict=True))


def test_quirks(shared_data):
    folder = shared_data / "dicom_phantom"
    truth = np.load(folder / "truth_masks.npz")
    found = read_rtstruct(folder / "a_iso1mm_80/rs_quirks.dcm", read_ct_reference(folder / "a_iso1mm_80/ct"))
    for key in truth.files:
        if key.startswith("quirks/"):
            assert np.array_equal(found[key.split("/")[1]].mask.to_array(), truth[key]), key
    assert found["same_contour_twice"].mask.voxels == 4095
    assert found["overlapping_two_contours"].mask.voxels == 3094
    assert found.names[6:] == [
        'µ-Organ "left"/right <50%>', "PTV_70.2Gy+5mm (1)", "日本語 ROI", "Lymph\\node", "leading and trailing",
        "x" * 64, "x" * 80, "duplicate", "duplicate_2", "outside_image_r60",
    ]  # fmt: skip
    notes = "\n".join(found.notes)
    for words in (
        "isocentre_point (POINT); open_planar_line (OPEN_PLANAR); open_nonplanar_wire (OPEN_NONPLANAR)",
        "without contours, left out: empty_no_contoursequence, no_roicontour_item",
        "off_plane_0.4mm: 13 contour(s) lie up to 0.4 mm off their slice",
        "two_point_contour: 1 contour(s) left out, under 3 points",
        "one_point_contour: 1 contour(s) left out, under 3 points",
        "below_first_slice: 1 contour(s) left out, beyond the CT's slices",
        "same_contour_twice: 13 contour(s) written twice count once",
        "a further structure named 'duplicate' is called 'duplicate_2'",
        "has 80 characters",
        "overlapping_two_contours: contours overlap on 13 slice(s), what two of them share is outside",
    ):
        assert words in notes


@pytest.mark.parametrize("patient", ["pt_226", "pt_236"])
def test_openkbp_exactly(shared_data, patient):
    folder = shared_data / "openkbp_dicom" / patient
    reference = read_ct_reference(folder / "CT")
    found = read_rtstruct(folder / "RTSTRUCT.dcm", reference)
    truth = np.load(folder / "truth_masks.npz")
    shape, first = tuple(truth["shape"]), int(truth["ct_first_slice"])
    masks = np.unpackbits(truth["structures"], count=int(np.prod(shape))).reshape(shape).astype(bool)
    assert found.names == truth["structure_names"].tolist()
    for name, mask in zip(found.names, masks, strict=True):
        assert np.array_equal(found[name].mask.to_array(), mask[first : first + reference.grid.shape[0]]), name


def test_wrong_modality_and_closed_polygons(shared_data):
    folder = shared_data / "dicom_opentps"
    reference = read_ct_reference(folder / "ct")
    file = folder / "rtstruct_modality_rtdose.dcm"
    with pytest.raises(InputError, match="of patient 'exported_simple_patient', the CT of 'ANONYMOUS'"):
        read_rtstruct(file, reference)
    found = read_rtstruct(file, reference, lenient=True)
    assert found["TargetVolume"].mask.volume_cc == pytest.approx(31.64, abs=0.01)
    assert found.notes[0] == "Modality is 'RTDOSE' in a file of the class RT Structure Set"
    assert all((p[0] != p[-1]).any() for polygons in found["TargetVolume"].contours.values() for p in polygons)


@pytest.mark.parametrize("file", ["invalid_reference_rt.dcm", "non_existent_reference_rt.dcm"])
def test_images_that_the_ct_lacks(shared_data, file):
    folder = shared_data / "dicom_quirks" / "mim_phantom"
    reference = read_ct_reference(folder / "ct")
    with pytest.raises(InputError, match=r"refers to 1 image\(s\) that the CT lacks: 1\.2\.826"):
        read_rtstruct(folder / file, reference)
    found = read_rtstruct(folder / file, reference, lenient=True)
    for name, mask in decode_visible(folder / file, read_planes(folder / "ct")).items():
        assert np.array_equal(found[name].mask.to_array(), mask), name


def decode_visible(file, planes):
    """As the independent decoder, for a copy of the file without the contours beyond the CT."""
    ds = pydicom.dcmread(file)
    for item in ds.ROIContourSequence:
        near = [c for c in item.ContourSequence if min(abs(p.distance(first_point(c))) for p in planes) < 1]
        for contour in near:
            contour.pop("ContourImageSequence", None)
        item.ContourSequence = near
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds)
    buffer.seek(0)
    return decode(buffer, planes)


def first_point(contour):
    return np.array([float(v) for v in contour.ContourData[:3]])


@pytest.mark.parametrize(
    ("file", "image", "lung"),
    [
        ("dicompyler_breast/rtss.dcm.gz", "dicompyler_breast/ct.0.dcm", "Lt Lung"),
        ("lctsc_plastimatch/RT.dcm.gz", "lctsc_plastimatch/CT01.dcm", "Lung_L"),
    ],
)
def test_lungs_of_real_patients(shared_data, tmp_path, file, image, lung):
    """Nested holes (dicompyler) and keyholes (plastimatch), where the contours have most points."""
    folder = shared_data / "dicom_quirks"
    (tmp_path / "rs.dcm").write_bytes(gzip.decompress((folder / file).read_bytes()))
    ds = pydicom.dcmread(tmp_path / "rs.dcm")
    (number,) = (roi.ROINumber for roi in ds.StructureSetROISequence if roi.ROIName == lung)
    (item,) = (i for i in ds.ROIContourSequence if i.ReferencedROINumber == number)
    points = Counter()
    for contour in item.ContourSequence:
        points[float(contour.ContourData[2])] += contour.NumberOfContourPoints
    top = points.most_common(1)[0][0]
    heights = [max(height for height in points if height < top), top]
    reference, planes = made_up_ct(folder / image, heights)
    found = read_rtstruct(tmp_path / "rs.dcm", reference, lenient=True)
    item.ContourSequence = [c for c in item.ContourSequence if float(c.ContourData[2]) in heights]
    for contour in item.ContourSequence:
        contour.pop("ContourImageSequence", None)
    ds.ROIContourSequence = [item]
    pydicom.dcmwrite(tmp_path / "two.dcm", ds)
    assert len(item.ContourSequence) >= 2
    assert np.array_equal(found[lung].mask.to_array(), decode(tmp_path / "two.dcm", planes)[lung])
    assert any("beyond the CT's slices" in note for note in found.notes)


def made_up_ct(path, heights):
    """Reference and planes of two slices like the one in the file, at other heights."""
    header = pydicom.dcmread(path, stop_before_pixels=True)
    planes = [Plane(header) for _ in heights]
    for plane, height in zip(planes, heights, strict=True):
        plane.position = np.array([*plane.position[:2], height])
    affine = np.eye(4)
    affine[:3, 0] = planes[0].row * planes[0].between_columns
    affine[:3, 1] = planes[0].column * planes[0].between_rows
    affine[:3, 2], affine[:3, 3] = planes[1].position - planes[0].position, planes[0].position
    grid = Grid((2, *planes[0].shape), affine)
    return CtReference(grid, header, (ImageReference(str(header.SOPClassUID), planes[0].uid, None),) * 2, ()), planes


# ---------------------------------------------------------------- forms of files
@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A CT, its reference and a good RTSTRUCT with two structures."""
    folder = tmp_path_factory.mktemp("rs")
    write_series(folder / "ct", spacing=(0.98, 0.98))
    reference = read_ct_reference(folder / "ct")
    k, j, i = np.indices(reference.grid.shape)
    disc = np.hypot(j - 7.2, i - 9.4)
    arrays = {"disc": disc < 5, "ring": (disc < 6) & (disc > 3) & (k > 1)}
    structures = tuple(Structure(n, Mask.from_array(a, reference.grid)) for n, a in arrays.items())
    write_rtstruct(StructureSet(reference.grid, structures), reference, folder / "rs.dcm")
    return folder / "rs.dcm", reference, arrays


def undefined_lengths(dataset):
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                undefined_lengths(item)


def encoded(base, folder, syntax, undefined):
    """The good file in a transfer syntax; None: implicit little endian without file meta information."""
    ds = pydicom.dcmread(base[0])
    if undefined:
        undefined_lengths(ds)
    if syntax is None:
        del ds.file_meta
        pydicom.dcmwrite(folder / "rs.dcm", ds, implicit_vr=True, little_endian=True)
    else:
        ds.file_meta.TransferSyntaxUID = syntax
        order = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
        pydicom.dcmwrite(folder / "rs.dcm", ds, enforce_file_format=True, **order)
    return folder / "rs.dcm"


def element_ends(file):
    """Where the elements of the data set end: cut there, the file is sound, if poorer."""
    ends = set()
    with file.open("rb") as stream:
        pydicom.filereader.read_partial(stream, lambda *_: ends.add(stream.tell()), force=True)
    return {end - header for end in ends for header in (0, 8, 12)}


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, None],
)
def test_any_encoding(base, tmp_path, syntax, undefined):
    _, reference, arrays = base
    encoded(base, tmp_path, syntax, undefined)
    found = read_rtstruct(tmp_path / "rs.dcm", reference)
    assert found.notes == ()
    assert found.names == list(arrays)
    assert all(np.array_equal(found[name].mask.to_array(), arrays[name]) for name in arrays)


def test_the_fast_way_is_taken(base, monkeypatch):  # otherwise all would judge the way through pydicom
    monkeypatch.setattr("Dose3DLib.dicom.contour_parser._rois_by_pydicom", None)
    assert len(read_rtstruct(base[0], base[1])) == 2


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "not a DICOM"), (b"hello world" * 50, "not a DICOM"), (None, "No such file")]
)
def test_foreign_files(base, tmp_path, content, words):
    if content is not None:
        (tmp_path / "rs.dcm").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_rtstruct(tmp_path / "rs.dcm", base[1])


def test_a_ct_slice_is_no_structure_set(base):
    with pytest.raises(InputError, match="is a CT Image Storage, no RT Structure Set"):
        read_rtstruct(next((base[0].parent / "ct").iterdir()), base[1])


def test_class_of_an_unknown_value_representation(base, tmp_path):
    data = base[0].read_bytes()
    start = data.index(b"\x08\x00\x16\x00UI")
    (tmp_path / "rs.dcm").write_bytes(data[: start + 4] + b"U}K\x19" + data[start + 8 :])
    with pytest.raises(InputError, match="no RT Structure Set") as refused:
        read_rtstruct(tmp_path / "rs.dcm", base[1])
    assert len(refused.value.cause) < 100


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, None])
def test_truncated_file(base, tmp_path, syntax, undefined):
    """Cut anywhere but between two elements of the data set; pydicom would give the part that is there."""
    file, whole = encoded(base, tmp_path, syntax, undefined), tmp_path / "cut.dcm"
    data, ends = file.read_bytes(), element_ends(file)
    for length in {*range(150, len(data), len(data) // 60), len(data) - 10, len(data) - 1} - ends:
        whole.write_bytes(data[:length])
        with pytest.raises(InputError, match=r"cut short|not a DICOM file"):
            read_rtstruct(whole, base[1], lenient=True)


def test_zeros_behind_the_end(base, tmp_path):
    (tmp_path / "rs.dcm").write_bytes(base[0].read_bytes() + b"\0" * 300)
    assert len(read_rtstruct(tmp_path / "rs.dcm", base[1])) == 2


# ---------------------------------------------------------------- odd contents
def changed(base, tmp_path, change):
    ds = pydicom.dcmread(base[0])
    change(ds)
    pydicom.dcmwrite(tmp_path / "rs.dcm", ds, enforce_file_format=True)
    return tmp_path / "rs.dcm"


def test_other_patient(base, tmp_path):
    file = changed(base, tmp_path, lambda ds: setattr(ds, "PatientID", "T2"))
    with pytest.raises(InputError, match="is of patient 'T2', the CT of 'T1'; give"):
        read_rtstruct(file, base[1])
    assert read_rtstruct(file, base[1], lenient=True).notes == ("is of patient 'T2', the CT of 'T1'",)


def test_other_frame_of_reference(base, tmp_path):
    def change(ds):
        for roi in ds.StructureSetROISequence:
            roi.ReferencedFrameOfReferenceUID = "1.2.3"

    file = changed(base, tmp_path, change)
    with pytest.raises(InputError, match=r"another frame of reference \(1.2.3\)"):
        read_rtstruct(file, base[1])
    assert len(read_rtstruct(file, base[1], lenient=True)) == 2


def test_one_structure_in_another_frame_is_left_out(base, tmp_path):
    file = changed(
        base, tmp_path, lambda ds: setattr(ds.StructureSetROISequence[1], "ReferencedFrameOfReferenceUID", "1.2.3")
    )
    found = read_rtstruct(file, base[1])
    assert (found.names, found.notes) == (["disc"], ("in another frame of reference, left out: ring",))


def test_control_characters_in_texts(base, tmp_path):
    data = base[0].read_bytes()
    for old, new in ((b"disc", b"d\ni\t"), (b"T1", b"T\n")):
        data = data.replace(old, new)
    (tmp_path / "rs.dcm").write_bytes(data)
    found = read_rtstruct(tmp_path / "rs.dcm", base[1], lenient=True)
    assert found.names == ["d i", "ring"]
    assert "\n" not in "".join(found.notes)
    assert found.notes == ("is of patient 'T', the CT of 'T1'",)


def test_names_and_numbers(base, tmp_path):
    def change(ds):
        ds.StructureSetROISequence[0].ROIName = ""
        ds.StructureSetROISequence[1].ROINumber = 77
        ds.ROIContourSequence[0].ROIDisplayColor = None
        del ds.RTROIObservationsSequence

    found = read_rtstruct(changed(base, tmp_path, change), base[1])
    assert found.names == ["ROI_1", "ROI_2"]
    assert found.notes == (
        "the structure of ROI number '1' has no name and is called ROI_1",
        "contours of ROI number '2', which the file does not name, are called ROI_2",
        "without contours, left out: ring",
    )
    assert {s.interpreted_type for s in found} == {""}


def test_contours_of_a_sagittal_plane(base, tmp_path):
    def change(ds):
        ds.ROIContourSequence[0].ContourSequence[0].ContourData = [0, 0, 31, 0, 5, 31, 0, 5, 42, 0, 0, 42]

    found = read_rtstruct(changed(base, tmp_path, change), base[1])
    assert found.notes == ("disc: 1 contour(s) left out, not parallel to the CT's slices",)


def test_nothing_in_this_ct(base, tmp_path):
    def change(ds):
        for item in ds.ROIContourSequence:
            for contour in item.ContourSequence:
                contour.ContourGeometricType = "POINT"

    with pytest.raises(InputError, match=r"holds no closed contour in this CT \(points and open lines"):
        read_rtstruct(changed(base, tmp_path, change), base[1])


def test_xor_contours_written_twice_cancel(base, tmp_path):
    def change(ds):
        contours = ds.ROIContourSequence[0].ContourSequence
        for contour in (contours[0], contours[0]):
            contour.ContourGeometricType = "CLOSEDPLANAR_XOR"
        contours.append(contours[0])

    found = read_rtstruct(changed(base, tmp_path, change), base[1])
    assert not found["disc"].mask.to_array()[0].any()
    assert np.array_equal(found["disc"].mask.to_array()[1:], base[2]["disc"][1:])


# ---------------------------------------------------------------- damaged and hostile contents
def with_contours(reference, path, contours):
    """A minimal RTSTRUCT whose Contour Data are these bytes, as they are (item by item, implicit VR)."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.3", "RTSTRUCT"
    ds.PatientID = reference.header.PatientID
    roi, item = Dataset(), Dataset()
    roi.ROINumber, roi.ROIName, item.ReferencedROINumber = 1, "organ", 1
    items = []
    for n in range(len(contours)):
        contour = Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 4
        contour.add_new("ContourData", "LT", f"#{n:06d}")
        items.append(contour)
    item.ContourSequence = items
    ds.StructureSetROISequence, ds.ROIContourSequence = [roi], [item]
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, "1.2.3"
    for sequence in (ds["ROIContourSequence"], item["ContourSequence"]):
        sequence.is_undefined_length = True
    item.is_undefined_length_sequence_item = True
    for contour in items:
        contour.is_undefined_length_sequence_item = True
    buffer = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    data = buffer.getvalue()
    for n, content in enumerate(contours):
        content = content + b" " * (len(content) % 2)
        marked = (8).to_bytes(4, "little") + f"#{n:06d} ".encode()
        assert data.count(marked) == 1
        data = data.replace(marked, len(content).to_bytes(4, "little") + content)
    path.write_bytes(data)
    return path


ODD_NUMBERS = st.one_of(
    st.floats(-40, 60).map(str),
    st.sampled_from(["", "nan", "-inf", "1e308", "-1e17", "999999.5", "abc", "1.2.3", "--", " ", "0x10", "32.5", "µ"]),
)
SQUARE = b"-5\\-15\\32.5\\0\\-15\\32.5\\0\\-10\\32.5\\-5\\-10\\32.5"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SQUARE.replace(b"-15", b"nan", 1), "something else than finite numbers"),
        (SQUARE.replace(b"-15", b"inf", 1), "something else than finite numbers"),
        (SQUARE.replace(b"-15", b"1e300", 1), "something else than finite numbers"),
        (SQUARE.replace(b"-15", b"abc", 1), "something else than finite numbers"),
        (SQUARE.replace(b"-15", b"", 1), "something else than finite numbers"),
        (SQUARE.replace(b"-15", b"1,5", 1), "something else than finite numbers"),
        (SQUARE + b"\\7", "three numbers a point"),
    ],
)
def test_damaged_contour_is_refused_by_name(base, tmp_path, content, words):
    file = with_contours(base[1], tmp_path / "rs.dcm", [SQUARE, content])
    with pytest.raises(InputError, match=f"a contour of 'organ' .*{words}.*export the structures again"):
        read_rtstruct(file, base[1])
    found = read_rtstruct(file, base[1], lenient=True)
    assert found["organ"].mask.voxels == 25
    assert any("1 contour(s) left out" in note for note in found.notes)


def test_blanks_and_exponents_are_numbers(base, tmp_path):
    content = SQUARE.replace(b"32.5", b" 3.25E+1 ").replace(b"-15", b"-1.5e1")
    found = read_rtstruct(with_contours(base[1], tmp_path / "rs.dcm", [content]), base[1])
    assert found["organ"].mask.voxels == 25


POINT = b"1\\2\\32.5"


@pytest.mark.parametrize("content", [b"", POINT, POINT + b"\\3\\4\\32.5", (POINT + b"\\") * 5 + POINT])
def test_under_three_points(base, tmp_path, content):
    file = with_contours(base[1], tmp_path / "rs.dcm", [SQUARE, content])
    found = read_rtstruct(file, base[1])
    assert "organ: 1 contour(s) left out, under 3 points" in found.notes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(ODD_NUMBERS, max_size=14), min_size=1, max_size=4), st.booleans())
def test_fuzzed_coordinates(base, tmp_path, contours, lenient):
    """Read, or refused in one line; and quickly (huge numbers must not become huge loops)."""
    texts = ["\\".join(parts).encode("latin-1") for parts in contours]
    file = with_contours(base[1], tmp_path / "rs.dcm", [SQUARE, *texts])
    with contextlib.nullcontext() if lenient else contextlib.suppress(InputError):
        assert read_rtstruct(file, base[1], lenient).names == ["organ"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_fuzzed_bytes(base, tmp_path, data):
    """Bytes overwritten, cut out or doubled anywhere in the file."""
    content = bytearray(base[0].read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        stop = start + data.draw(st.integers(0, 12))
        content[start:stop] = data.draw(st.one_of(st.binary(max_size=12), st.just(bytes(content[start:stop]) * 2)))
    (tmp_path / "rs.dcm").write_bytes(content)
    with contextlib.suppress(InputError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_rtstruct(tmp_path / "rs.dcm", base[1], data.draw(st.booleans()))
