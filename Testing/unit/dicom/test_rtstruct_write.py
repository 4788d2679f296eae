"""RTSTRUCT out: judged by a decoder of its own, dciodvfy, plain pydicom and plastimatch."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from datetime import datetime

import numpy as np
import pydicom
import pytest
from builders.ct_builder import CORONAL, FEET_FIRST, oblique, positions, write_enhanced, write_series
from builders.dciodvfy import dciodvfy_errors
from builders.rtstruct_decoder import decode, read_planes
from Dose3DLib.core.errors import InputError, OutputError
from Dose3DLib.dicom.ct import read_ct_reference
from Dose3DLib.dicom.rtstruct import read_rtstruct
from Dose3DLib.dicom.rtstruct_write import RtStructAttributes, write_rtstruct
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet

SHAPE = (6, 16, 20)
TILT = (1.0, 0.0, 0.0, 0.0, np.cos(np.radians(15)), np.sin(np.radians(15)))
GEOMETRIES = {
    "axial 0.98 mm": {"spacing": (0.98, 0.98)},
    "anisotropic": {"spacing": (1.3, 0.8)},
    "oblique": {"orientation": oblique(), "spacing": (0.98, 1.17)},
    "coronal": {"orientation": CORONAL},
    "feet first": {"orientation": FEET_FIRST},
    "tilted gantry": {
        "orientation": TILT, "spacing": (0.98, 0.98), "places": positions(6, TILT, step=(0, 0, 2.5)),
    },
}  # fmt: skip


def shapes() -> dict[str, np.ndarray]:
    """Solid, ring, touching corners, one voxel, checkerboard, noise with holes."""
    k, j, i = np.indices(SHAPE)
    away = np.hypot(j - 7.3, i - 9.1)
    one = np.zeros(SHAPE, bool)
    one[2, 5, 6] = True
    touching = one.copy()
    touching[2, 6, 7] = touching[2, 4, 7] = True
    noise = np.random.default_rng(1).random(SHAPE)
    return {
        "disc": (away < 6) & (k > 0), "ring": (away < 6) & (away > 3), "island": (away < 6) ^ (away < 4) ^ (away < 2),
        "one voxel": one, "touching": touching, "checkerboard": (k + j + i) % 2 == 0, "sparse": noise < 0.2,
        "half": noise < 0.5, "dense": noise < 0.9, "whole image": np.ones(SHAPE, bool),
    }  # fmt: skip


def structure_set(reference, arrays=None, **changes):
    arrays = shapes() if arrays is None else arrays
    structures = [Structure(n, Mask.from_array(a, reference.grid), **changes) for n, a in arrays.items()]
    return StructureSet(reference.grid, tuple(structures))


@pytest.fixture
def reference(tmp_path):
    write_series(tmp_path / "ct", spacing=(0.98, 0.98))
    return read_ct_reference(tmp_path / "ct")


@pytest.mark.parametrize("keyholes", [True, False])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_every_reader_gets_the_same_voxels(tmp_path, geometry, keyholes):
    write_series(tmp_path / "ct", **GEOMETRIES[geometry])
    reference = read_ct_reference(tmp_path / "ct")
    write_rtstruct(structure_set(reference), reference, tmp_path / "rs.dcm", RtStructAttributes(keyholes=keyholes))
    masks = decode(tmp_path / "rs.dcm", read_planes(tmp_path / "ct"))
    again = read_rtstruct(tmp_path / "rs.dcm", reference)
    assert again.notes == ()
    for name, array in shapes().items():
        assert np.array_equal(masks[name], array), name
        assert np.array_equal(again[name].mask.to_array(), array), name
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []


@pytest.mark.parametrize("geometry", ["axial 0.98 mm", "anisotropic", "oblique"])
def test_plastimatch_gets_the_same_voxels(tmp_path, geometry):
    if shutil.which("plastimatch") is None:
        pytest.skip("needs the Debian package plastimatch")
    SimpleITK = pytest.importorskip("SimpleITK")

    write_series(tmp_path / "ct", **GEOMETRIES[geometry])
    reference = read_ct_reference(tmp_path / "ct")
    write_rtstruct(structure_set(reference), reference, tmp_path / "rs.dcm")
    command = ["plastimatch", "convert", "--input", "rs.dcm", "--referenced-ct", "ct", "--output-prefix", "out"]
    subprocess.run([*command, "--prefix-format", "nrrd"], cwd=tmp_path, check=True, capture_output=True)
    for name, array in shapes().items():
        found = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "out" / f"{name}.nrrd"))) > 0
        assert np.array_equal(found, array), name


def test_coordinates_are_short_and_exact(tmp_path):
    write_series(tmp_path / "ct", **GEOMETRIES["oblique"])
    reference = read_ct_reference(tmp_path / "ct")
    write_rtstruct(structure_set(reference), reference, tmp_path / "rs.dcm")
    dataset = pydicom.dcmread(tmp_path / "rs.dcm")
    for item in dataset.ROIContourSequence:
        for contour in item.ContourSequence:
            texts = contour.get_item("ContourData").value.rstrip(b" ").split(b"\\")
            assert max(map(len, texts)) <= 16
            points = np.array([float(text) for text in texts]).reshape(-1, 3)
            corners = reference.grid.to_index(points) + (0.5, 0.5, 0)
            exact = reference.grid.to_lps(np.rint(corners) - (0.5, 0.5, 0))
            assert np.abs(points - exact).max() < 1e-4
            steps = np.diff(np.rint(corners)[:, :2], axis=0)
            assert ((steps != 0).sum(axis=1) == 1).all()


def test_a_structure_set_says_what_it_belongs_to(tmp_path, reference):
    attributes = RtStructAttributes(
        label="Plan A", description="d" * 1500, series_description="by model X", provenance="model X, 7 organs\n" * 200
    )
    arrays = {"Parotid_L": shapes()["disc"], "Łódź µ 日本語": shapes()["ring"]}
    structures = structure_set(reference, arrays, color=(10, 20, 255), interpreted_type="PTV")
    assert write_rtstruct(structures, reference, tmp_path / "rs.dcm", attributes) == ()
    ds = pydicom.dcmread(tmp_path / "rs.dcm")
    header = reference.header
    assert ds.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "StudyDate"):
        assert ds[keyword].value == header[keyword].value
    assert ds.SeriesInstanceUID != header.SeriesInstanceUID
    assert (ds.ApprovalStatus, ds.StructureSetLabel, ds.Modality) == ("UNAPPROVED", "Plan A", "RTSTRUCT")
    assert len(ds.StructureSetDescription) == 1024
    equipment = ds.ContributingEquipmentSequence[0]
    assert equipment.ContributionDescription.startswith("model X, 7 organs model X")
    assert equipment.SoftwareVersions == ds.SoftwareVersions
    frame = ds.ReferencedFrameOfReferenceSequence[0]
    assert frame.FrameOfReferenceUID == header.FrameOfReferenceUID
    study = frame.RTReferencedStudySequence[0]
    assert study.ReferencedSOPInstanceUID == header.StudyInstanceUID
    series = study.RTReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == header.SeriesInstanceUID
    listed = [i.ReferencedSOPInstanceUID for i in series.ContourImageSequence]
    assert listed == [image.sop_instance_uid for image in reference.slices]
    assert [str(roi.ROIName) for roi in ds.StructureSetROISequence] == list(arrays)
    assert {roi.ROIGenerationAlgorithm for roi in ds.StructureSetROISequence} == {"AUTOMATIC"}
    assert [list(item.ROIDisplayColor) for item in ds.ROIContourSequence] == [[10, 20, 255]] * 2
    assert {o.RTROIInterpretedType for o in ds.RTROIObservationsSequence} == {"PTV"}
    assert ds.RTROIObservationsSequence[0].RTROIIdentificationCodeSequence[0].CodeValue == "45289007"
    again = read_rtstruct(tmp_path / "rs.dcm", reference)
    assert [(s.name, s.color, s.interpreted_type, s.number) for s in again] == [
        ("Parotid_L", (10, 20, 255), "PTV", 1), ("Łódź µ 日本語", (10, 20, 255), "PTV", 2)
    ]  # fmt: skip
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []


def test_frames_of_an_enhanced_ct(tmp_path):
    write_enhanced(tmp_path / "ct.dcm")
    reference = read_ct_reference(tmp_path / "ct.dcm")
    write_rtstruct(structure_set(reference), reference, tmp_path / "rs.dcm")
    ds = pydicom.dcmread(tmp_path / "rs.dcm")
    contours = [c for item in ds.ROIContourSequence if item.ReferencedROINumber == 10 for c in item.ContourSequence]
    frames = [c.ContourImageSequence[0].ReferencedFrameNumber for c in contours]
    assert frames == [image.frame_number for image in reference.slices]
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []
    assert read_rtstruct(tmp_path / "rs.dcm", reference)["half"].mask.voxels == shapes()["half"].sum()


def test_interpolated_slices_name_no_image(tmp_path):
    places = np.delete(positions(7), 3, axis=0)
    write_series(tmp_path / "ct", places=places)
    reference = read_ct_reference(tmp_path / "ct", resample_slices=True)
    assert None in reference.slices
    array = np.ones(reference.grid.shape, bool)
    write_rtstruct(structure_set(reference, {"all": array}), reference, tmp_path / "rs.dcm")
    contours = pydicom.dcmread(tmp_path / "rs.dcm").ROIContourSequence[0].ContourSequence
    assert ["ContourImageSequence" in c for c in contours] == [image is not None for image in reference.slices]
    assert read_rtstruct(tmp_path / "rs.dcm", reference)["all"].mask.to_array().all()
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []


def test_contour_over_64_kilobytes(tmp_path):
    """A DS value of explicit VR ends at 65534 bytes; the file falls back to implicit VR."""
    comb = np.zeros((2, 90, 180), np.int16)
    write_series(tmp_path / "ct", comb, spacing=(0.977, 0.977))
    reference = read_ct_reference(tmp_path / "ct")
    array = np.zeros(comb.shape, bool)
    array[:, ::2] = True
    array[:, :, ::6] = True
    array[:, 1::2, 1] = True
    arrays = {"comb": array, "grid": ~array}
    write_rtstruct(structure_set(reference, arrays), reference, tmp_path / "rs.dcm")
    ds = pydicom.dcmread(tmp_path / "rs.dcm")
    assert ds.file_meta.TransferSyntaxUID == pydicom.uid.ImplicitVRLittleEndian
    assert max(len(c.get_item("ContourData").value) for i in ds.ROIContourSequence for c in i.ContourSequence) > 65534
    again = read_rtstruct(tmp_path / "rs.dcm", reference)
    assert all(np.array_equal(again[name].mask.to_array(), arrays[name]) for name in arrays)
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []


def test_contours_of_a_file_are_written_as_they_were(tmp_path, reference):
    angle = np.linspace(0, 2 * np.pi, 77, endpoint=False)
    circle = np.column_stack([9.123456 + 5.4 * np.cos(angle), 7.7 + 5.4 * np.sin(angle)])
    structure = Structure("circle", Mask.empty(reference.grid), {2: [circle], 4: [circle, circle[:9]]})
    write_rtstruct(StructureSet(reference.grid, (structure,)), reference, tmp_path / "rs.dcm")
    again = read_rtstruct(tmp_path / "rs.dcm", reference)["circle"].contours
    assert [len(again[k]) for k in (2, 4)] == [1, 2]
    assert np.abs(again[2][0] - circle).max() < 1e-6
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []


@pytest.mark.parametrize("contours", [{6: [np.eye(3)[:, :2]]}, {-1: [np.eye(3)[:, :2]]}, {0: [np.zeros((2, 2))]},
                                      {0: [np.full((3, 2), np.nan)]}, {0: [np.full((3, 2), 1e14)]}])  # fmt: skip
def test_contours_that_have_no_place_are_refused(tmp_path, reference, contours):
    structure = Structure("a", Mask.empty(reference.grid), contours)
    with pytest.raises(InputError, match="mend its contours"):
        write_rtstruct(StructureSet(reference.grid, (structure,)), reference, tmp_path / "rs.dcm")


def test_empty_structures_are_named_and_left_out(tmp_path, reference):
    arrays = {"full": shapes()["disc"], "void": np.zeros(SHAPE, bool)}
    notes = write_rtstruct(structure_set(reference, arrays), reference, tmp_path / "rs.dcm")
    assert notes == ("left out because empty: void",)
    assert [roi.ROIName for roi in pydicom.dcmread(tmp_path / "rs.dcm").StructureSetROISequence] == ["full"]


def test_poor_header_still_gives_a_valid_file(tmp_path):
    """Type 2 attributes missing, values of a wrong form, texts too long: emptied, cut or made anew."""
    missing = dict.fromkeys(
        ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
         "AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator")
    )  # fmt: skip
    write_series(tmp_path / "ct", **missing)
    reference = read_ct_reference(tmp_path / "ct")
    write_rtstruct(structure_set(reference), reference, tmp_path / "rs.dcm")
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference.header.PatientSex, reference.header.StudyDate = "X", "yesterday"
        reference.header.StudyDescription, reference.header.StudyID = "a\\b\n" + "long " * 30, "1234567890123456789"
    write_rtstruct(structure_set(reference), reference, tmp_path / "rs.dcm")
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []
    ds = pydicom.dcmread(tmp_path / "rs.dcm")
    assert (ds.PatientSex, ds.StudyDate, len(ds.StudyID)) == ("", "", 16)
    assert ds.StudyDescription.startswith("a; b long")


DISC = shapes()["disc"]
BAD_NAMES = {
    "empty": ({"": DISC}, "empty name"), "blank": ({"  ": DISC}, "empty name"), "long": ({"x" * 65: DISC}, "65 char"),
    "twice": ({"a": DISC, "a ": DISC}, "have this name"), "backslash": ({"a\\b": DISC}, "backslash"),
    "line": ({"a\nb": DISC}, "control"), "surrogate": ({"a\ud800": DISC}, "control"),
    "nothing": ({"a": DISC & False}, "are all empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_NAMES)
def test_what_cannot_be_written_is_refused(tmp_path, reference, case):
    arrays, words = BAD_NAMES[case]
    with pytest.raises(InputError, match=words):
        write_rtstruct(structure_set(reference, arrays), reference, tmp_path / "out" / "rs.dcm")
    assert not (tmp_path / "out").exists()


def test_sixty_four_characters_are_allowed(tmp_path, reference):
    write_rtstruct(structure_set(reference, {"x" * 64: DISC, "ß" * 32: DISC}), reference, tmp_path / "rs.dcm")
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []
    # The standard counts characters; dciodvfy counts the bytes of UTF-8 and would object.
    write_rtstruct(structure_set(reference, {"ß" * 64: DISC}), reference, tmp_path / "rs.dcm")
    assert read_rtstruct(tmp_path / "rs.dcm", reference).names == ["ß" * 64]


def test_another_grid_is_refused(tmp_path, reference):
    other = Grid.axial(SHAPE, (2.5, 0.98, 0.98), (0, 0, 0))
    structures = StructureSet(other, (Structure("a", Mask.from_array(DISC, other)),))
    with pytest.raises(InputError, match="grid of the CT"):
        write_rtstruct(structures, reference, tmp_path / "rs.dcm")


@pytest.mark.parametrize(
    "changes",
    [
        {"label": ""}, {"label": "x" * 17}, {"approval_status": "?"}, {"approval_status": "APPROVED"},
        {"approval_status": "REJECTED", "reviewer": "  "}, {"algorithm": "?"}, {"algorithms": {"disc": "?"}},
        {"reviewer": "a\\b"}, {"reviewer": "a=b"}, {"reviewer": "a\nb"}, {"reviewer": "x" * 65},
        {"reviewer": "a^b^c^d^e^f"},
    ],
)  # fmt: skip
def test_attributes_are_checked(changes):
    with pytest.raises(InputError):
        RtStructAttributes(**changes)


@pytest.mark.parametrize("status", ["APPROVED", "REJECTED"])
def test_approval_names_its_reviewer(tmp_path, reference, status):
    when = datetime(2024, 2, 3, 4, 5, 6)
    attributes = RtStructAttributes(approval_status=status, reviewer="Łódź^Jane", reviewed_at=when)
    write_rtstruct(structure_set(reference), reference, tmp_path / "rs.dcm", attributes)
    ds = pydicom.dcmread(tmp_path / "rs.dcm")
    assert (ds.ApprovalStatus, ds.ReviewerName.family_name, ds.ReviewerName.given_name) == (status, "Łódź", "Jane")
    assert (ds.ReviewDate, ds.ReviewTime) == ("20240203", "040506")
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []


def test_unapproved_has_no_review(tmp_path, reference):
    """Review Date, Time and Reviewer Name are type 2C: not there unless approved or rejected."""
    attributes = RtStructAttributes(reviewer="Doe^Jane", reviewed_at=datetime(2024, 2, 3))
    write_rtstruct(structure_set(reference), reference, tmp_path / "rs.dcm", attributes)
    assert not {"ReviewDate", "ReviewTime", "ReviewerName"} & set(pydicom.dcmread(tmp_path / "rs.dcm").dir())


def test_each_structure_may_say_how_it_came_about(tmp_path, reference):
    attributes = RtStructAttributes(
        algorithms={"disc": "SEMIAUTOMATIC", "ring": "MANUAL"}, roi_descriptions={"disc": "two\nlines" + "x" * 1100}
    )
    write_rtstruct(structure_set(reference), reference, tmp_path / "rs.dcm", attributes)
    items = {item.ROIName: item for item in pydicom.dcmread(tmp_path / "rs.dcm").StructureSetROISequence}
    made = {name: items[name].ROIGenerationAlgorithm for name in ("disc", "ring", "island")}
    assert made == {"disc": "SEMIAUTOMATIC", "ring": "MANUAL", "island": "AUTOMATIC"}
    assert items["disc"].ROIDescription == "two lines" + "x" * 1015
    assert "ROIDescription" not in items["ring"]
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []


def test_no_half_written_file(tmp_path, reference, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("Dose3DLib.dicom.attributes._encode", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_rtstruct(structure_set(reference), reference, tmp_path / "out" / "rs.dcm")
    assert [path.name for path in tmp_path.iterdir()] == ["ct"]
