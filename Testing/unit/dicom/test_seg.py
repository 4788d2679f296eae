"""DICOM SEG in and out: judged by plain pydicom, by highdicom's reader and by dciodvfy; foreign files by highdicom."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from builders import ct_builder as cb
from builders.dciodvfy import dciodvfy_errors
from builders.structure_builder import structures
from Dose3DLib.core.errors import InputError
from Dose3DLib.dicom.ct import read_ct_reference
from Dose3DLib.dicom.seg import SegAttributes, read_seg, write_seg
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from pydicom.sr.codedict import codes

highdicom = pytest.importorskip("highdicom")

TILT = (1.0, 0.0, 0.0, 0.0, float(np.cos(0.26)), float(np.sin(0.26)))
SHAPE = (7, 64, 80)


@pytest.fixture(scope="module")
def cts(tmp_path_factory) -> dict[str, Path]:
    """Folders of CT series: oblique, tilted gantry, coronal, an odd number of pixels, enhanced multi-frame."""
    room = tmp_path_factory.mktemp("cts")
    air = np.zeros(SHAPE)
    cb.write_series(room / "oblique", air, orientation=cb.oblique())
    cb.write_series(room / "tilted", air, orientation=TILT, places=cb.positions(7, step=(0, 0, 2.5)))
    cb.write_series(room / "coronal", air, orientation=cb.CORONAL)
    cb.write_series(room / "odd", np.zeros((7, 65, 81)))
    cb.write_enhanced(room / "enhanced" / "ct.dcm", air)
    return {folder.name: folder for folder in room.iterdir()}


def chosen_on(ct: Path) -> tuple[StructureSet, object]:
    reference = read_ct_reference(ct)
    return structures(reference.grid), reference


def same(found: StructureSet, wanted: StructureSet) -> None:
    assert found.names == wanted.names
    for structure in wanted:
        other = found[structure.name]
        assert other.mask.same_voxels(structure.mask), structure.name
        assert (other.color, other.interpreted_type) == (structure.color, structure.interpreted_type)


@pytest.mark.parametrize("name", ["oblique", "tilted", "coronal", "odd", "enhanced"])
def test_round_trip_judges_and_validity(tmp_path, cts, name):
    chosen, reference = chosen_on(cts[name])
    path = tmp_path / "ł.dcm"
    assert write_seg(chosen, reference, path, SegAttributes(provenance="test µ")) == ()
    same(read_seg(path, reference), chosen)
    assert dciodvfy_errors(path) == []
    _judge_by_pydicom(path, chosen, reference)
    _judge_by_highdicom(path, chosen, reference)


def test_a_single_segment_and_the_distance_of_slices(tmp_path, cts):
    """Readers that trust Spacing Between Slices place the frames right, also where slices between them are empty."""
    chosen, reference = chosen_on(cts["oblique"])
    array = np.zeros(chosen.grid.shape, bool)
    array[[1, 4], 10:20, 30:44] = True
    one = StructureSet(chosen.grid, (Structure("only", Mask.from_array(array, chosen.grid)),))
    write_seg(one, reference, tmp_path / "s.dcm")
    assert dciodvfy_errors(tmp_path / "s.dcm") == []
    shared = pydicom.dcmread(tmp_path / "s.dcm").SharedFunctionalGroupsSequence[0]
    assert float(shared.PixelMeasuresSequence[0].SpacingBetweenSlices) == pytest.approx(2.5)
    volume = highdicom.seg.segread(tmp_path / "s.dcm").get_volume(combine_segments=True)
    centers = chosen.grid.to_lps(np.array([[35.0, 15, k] for k in (1, 2, 4)]))
    index = volume.map_reference_to_indices(centers, round_output=True)
    assert volume.array[tuple(index.T)].tolist() == [1, 0, 1]


def _judge_by_pydicom(path: Path, chosen: StructureSet, reference) -> None:
    """Place each frame by its position on the slice that lies there; references must name that very slice."""
    dataset = pydicom.dcmread(path)
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    places = chosen.grid.to_lps(np.array([[0, 0, k] for k in range(chosen.grid.shape[0])]))
    arrays = {n: np.zeros(chosen.grid.shape, bool) for n in range(1, len(chosen) + 1)}
    for frame, group in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        distance = np.linalg.norm(places - place, axis=1)
        k = int(np.argmin(distance))
        assert distance[k] < 1e-4
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == reference.slices[k].sop_instance_uid
        assert source.get("ReferencedFrameNumber") == reference.slices[k].frame_number
        arrays[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber][k] = frame
    for number, structure in enumerate(chosen, 1):
        np.testing.assert_array_equal(arrays[number], structure.mask.to_array())
        item = dataset.SegmentSequence[number - 1]
        assert item.SegmentLabel == structure.name
    assert all(len(str(v)) <= 16 for v in _decimals(dataset))


def _decimals(dataset: pydicom.Dataset):
    for element in dataset.iterall():
        if element.VR == "DS" and element.value is not None:
            yield from (element.value if element.VM > 1 else [element.value])


def _judge_by_highdicom(path: Path, chosen: StructureSet, reference) -> None:
    seg = highdicom.seg.segread(path)
    uids = [item.sop_instance_uid for item in reference.slices]
    settings = {"combine_segments": False, "assert_missing_frames_are_empty": True}
    if reference.slices[0].frame_number is not None:
        frames = [item.frame_number for item in reference.slices]
        array = seg.get_pixels_by_source_frame(uids[0], frames, **settings)
    else:
        array = seg.get_pixels_by_source_instance(uids, **settings)
    for n, structure in enumerate(chosen):
        np.testing.assert_array_equal(array[..., n] != 0, structure.mask.to_array())
        color = seg.get_segment_description(n + 1).RecommendedDisplayCIELabValue
        assert tuple(highdicom.color.CIELabColor.from_dicom_value(color).to_rgb()) == structure.color


def test_codes_algorithm_and_identity(tmp_path, cts):
    chosen, reference = chosen_on(cts["oblique"])
    write_seg(chosen, reference, tmp_path / "s.dcm", SegAttributes(algorithm_name="a model", provenance="how µ"))
    dataset = pydicom.dcmread(tmp_path / "s.dcm")
    parotid = dataset.SegmentSequence[0]
    code = parotid.SegmentedPropertyTypeCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("45289007", "SCT")
    assert code.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue == codes.SCT.Left.value
    assert parotid.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "123037004"
    assert (parotid.SegmentAlgorithmType, parotid.SegmentAlgorithmName) == ("AUTOMATIC", "a model")
    assert parotid.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "a model"
    assert str(dataset.PatientName) == "Test^Ärzt"
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert dataset[keyword].value == reference.header[keyword].value
    assert dataset.SeriesInstanceUID != reference.header.SeriesInstanceUID
    assert dataset.ContributingEquipmentSequence[0].ContributionDescription == "how µ"
    referenced = [i.ReferencedSOPInstanceUID for i in dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence]
    assert referenced == [image.sop_instance_uid for image in reference.slices]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["ONKO", "", "A^B^C^D^E", "日本=x", "a, b"])
def test_any_patient_name_passes_without_a_word(tmp_path, name):
    cb.write_series(tmp_path / "ct", np.zeros(SHAPE), PatientName=name)
    chosen, reference = chosen_on(tmp_path / "ct")
    write_seg(chosen, reference, tmp_path / "s.dcm")
    assert str(pydicom.dcmread(tmp_path / "s.dcm").PatientName) == name


def test_empty_ones_are_named_and_left_out(tmp_path, cts):
    chosen, reference = chosen_on(cts["odd"])
    none = Structure("Gone", Mask.empty(chosen.grid))
    notes = write_seg(StructureSet(chosen.grid, (none, *chosen.structures)), reference, tmp_path / "s.dcm")
    assert notes == ("left out because empty: Gone",)
    assert read_seg(tmp_path / "s.dcm", reference).names == chosen.names
    with pytest.raises(InputError, match="all empty"):
        write_seg(StructureSet(chosen.grid, (none,)), reference, tmp_path / "t.dcm")
    assert not (tmp_path / "t.dcm").exists()


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (("A", "A "), "2 structures have this name"),
        ((" ",), "empty name"),
        (("x" * 65,), "65 characters"),
        (("a\\b",), "backslash"),
        (("a\nb",), "control character"),
    ],
)
def test_names_that_dicom_cannot_hold(tmp_path, cts, names, cause):
    chosen, reference = chosen_on(cts["odd"])
    mask = chosen["Con"].mask
    with pytest.raises(InputError, match=cause):
        write_seg(StructureSet(chosen.grid, tuple(Structure(n, mask) for n in names)), reference, tmp_path / "s.dcm")


def test_another_grid_is_not_written(tmp_path, cts):
    chosen, _ = chosen_on(cts["odd"])
    with pytest.raises(InputError, match="grid of the CT"):
        write_seg(chosen, read_ct_reference(cts["oblique"]), tmp_path / "s.dcm")


def foreign(ct: Path, kind: str = "BINARY", **settings) -> pydicom.Dataset:
    """A SEG as highdicom itself makes it: two segments, the second on few slices."""
    images = sorted((pydicom.dcmread(f) for f in ct.iterdir()), key=lambda i: float(i.ImagePositionPatient[2]))
    for image in images:
        image.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    array = np.zeros((len(images), images[0].Rows, images[0].Columns, 2), np.uint8)
    array[1:4, 10:30, 20:50, 0] = 1
    array[5, 3, 4, 1] = 1
    value = {"BINARY": array, "FRACTIONAL": np.clip(array * 0.5 + 0.3 * array[..., [0]], 0, 1).astype(np.float32)}
    labels = array[..., 0] + 2 * array[..., 1]
    describe = [
        highdicom.seg.SegmentDescription(n, name, codes.SCT.Organ, codes.SCT.Liver, "MANUAL")
        for n, name in ((1, "Leber µ"), (2, "Dot"))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return highdicom.seg.Segmentation(
            images, value.get(kind, labels), kind, describe, "1.2.3.4", 5, "1.2.3.5", 1, "m", "n", "o", "p", **settings
        )


def voxels(found: StructureSet) -> dict[str, tuple]:
    return {s.name: (s.mask.offset, s.mask.block.shape, s.mask.voxels) for s in found}


BLOCKS = {"Leber µ": ((1, 10, 20), (3, 20, 30), 1800), "Dot": ((5, 3, 4), (1, 1, 1), 1)}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("BINARY", {}),
        ("BINARY", {"omit_empty_frames": False}),
        ("LABELMAP", {}),
        ("FRACTIONAL", {"max_fractional_value": 200}),
        ("FRACTIONAL", {"transfer_syntax_uid": pydicom.uid.RLELossless}),
        ("LABELMAP", {"transfer_syntax_uid": pydicom.uid.RLELossless}),
    ],
)
def test_foreign_files(tmp_path, cts, kind, settings):
    if kind == "LABELMAP" and not hasattr(highdicom.seg.SegmentationTypeValues, "LABELMAP"):
        pytest.skip("needs a highdicom that writes LABELMAP")
    foreign(cts["oblique"], kind, **settings).save_as(tmp_path / "f.dcm")
    found = read_seg(tmp_path / "f.dcm", read_ct_reference(cts["oblique"]))
    assert voxels(found) == BLOCKS
    assert any("fractional" in note for note in found.notes) == (kind == "FRACTIONAL")


def changed(tmp_path: Path, ct: Path, change) -> Path:
    dataset = foreign(ct)
    change(dataset)
    dataset.save_as(tmp_path / "c.dcm", enforce_file_format=False)
    return tmp_path / "c.dcm"


def test_frames_in_any_order_and_turned(tmp_path, cts):
    """Frames stored backwards, and rows that run the other way with the position to match."""

    def turn(dataset):
        frames = dataset.pixel_array[::-1, ::-1]
        groups = list(dataset.PerFrameFunctionalGroupsSequence)[::-1]
        plane = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
        cosines = np.array(plane.ImageOrientationPatient, float)
        plane.ImageOrientationPatient = cb.ds([*cosines[:3], *-cosines[3:]])
        for group in groups:
            place = group.PlanePositionSequence[0]
            last = np.array(place.ImagePositionPatient, float) + (SHAPE[1] - 1) * 1.3 * cosines[3:]
            place.ImagePositionPatient = cb.ds(last)
        dataset.PerFrameFunctionalGroupsSequence = groups
        dataset.PixelData = np.packbits(frames.ravel(), bitorder="little").tobytes()

    found = read_seg(changed(tmp_path, cts["oblique"], turn), read_ct_reference(cts["oblique"]))
    assert voxels(found) == BLOCKS


def test_another_grid_is_refused_or_resampled(tmp_path, cts):
    def move(dataset):
        for group in dataset.PerFrameFunctionalGroupsSequence:
            place = group.PlanePositionSequence[0]
            place.ImagePositionPatient = cb.ds(np.array(place.ImagePositionPatient, float) + 0.3)

    path, reference = changed(tmp_path, cts["odd"], move), read_ct_reference(cts["odd"])
    with pytest.raises(InputError, match=r"another grid than the CT \(a frame lies 0\.52 mm"):
        read_seg(path, reference)
    found = read_seg(path, reference, resample=True)
    assert voxels(found) == BLOCKS
    assert "resampled" in found.notes[0]


def test_a_finer_seg_is_resampled(tmp_path, cts):
    """A SEG of half the pixel size and slice distance: each CT voxel gets the label at its centre."""
    fine = tmp_path / "fine"
    grid = read_ct_reference(cts["odd"]).grid
    places = grid.affine[:3, 3] + np.arange(13)[:, None] * grid.affine[:3, 2] / 2
    header = pydicom.dcmread(next(cts["odd"].iterdir()))
    same_frame = {"FrameOfReferenceUID": header.FrameOfReferenceUID}
    cb.write_series(fine, np.zeros((13, 129, 161)), spacing=(0.65, 0.4), places=places, **same_frame)
    chosen, reference = chosen_on(fine)
    write_seg(chosen, reference, tmp_path / "s.dcm")
    found = read_seg(tmp_path / "s.dcm", read_ct_reference(cts["odd"]), resample=True)
    for structure in chosen:
        np.testing.assert_array_equal(
            found[structure.name].mask.to_array(), structure.mask.to_array()[::2, ::2, ::2], structure.name
        )


def _remove(keyword: str):
    return lambda dataset: delattr(dataset, keyword)


def _set(keyword: str, value):
    return lambda dataset: setattr(dataset, keyword, value)


def _frame(change):
    return lambda dataset: change(dataset.PerFrameFunctionalGroupsSequence[0])


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (_set("PatientID", "X"), "another patient (X) than the CT (T1)"),
        (_set("FrameOfReferenceUID", "1.2.3"), "another frame of reference (1.2.3)"),
        (_set("SOPClassUID", pydicom.uid.CTImageStorage), "is a CT Image Storage, no Segmentation"),
        (_set("SegmentSequence", []), "describes no segment"),
        (_remove("PerFrameFunctionalGroupsSequence"), "lacks a needed attribute"),
        (_remove("PixelData"), "lacks a needed attribute"),
        (_set("PixelData", b"\0" * 100), "has 100 of "),
        (_set("NumberOfFrames", 3), "describes 4 frames and holds 3"),
        (_set("BitsAllocated", 32), "with 32 bits"),
        (_frame(_remove("PlanePositionSequence")), "lacks a needed attribute"),
        (_frame(lambda g: setattr(g.SegmentIdentificationSequence[0], "ReferencedSegmentNumber", 9)), "not describe"),
        (_frame(_remove("SegmentIdentificationSequence")), "not describe"),
    ],
)
def test_damaged_or_wrong_files(tmp_path, cts, change, cause):
    path = changed(tmp_path, cts["oblique"], change)
    with pytest.raises(InputError, match=re.escape(cause)) as caught:
        read_seg(path, read_ct_reference(cts["oblique"]))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_no_dicom_at_all(tmp_path, cts):
    reference = read_ct_reference(cts["odd"])
    (tmp_path / "x.dcm").write_text("nothing")
    for path, cause in ((tmp_path / "x.dcm", "not a readable DICOM"), (tmp_path / "none.dcm", "No such file")):
        with pytest.raises(InputError, match=cause):
            read_seg(path, reference)


def test_lenient_reading_says_what_it_let_pass(tmp_path, cts):
    path = changed(tmp_path, cts["oblique"], _set("PatientID", "X"))
    found = read_seg(path, read_ct_reference(cts["oblique"]), lenient=True)
    assert voxels(found) == BLOCKS
    assert "another patient (X)" in found.notes[0]


def test_equal_labels_get_numbers(tmp_path, cts):
    path = changed(tmp_path, cts["oblique"], lambda d: setattr(d.SegmentSequence[1], "SegmentLabel", "Leber µ"))
    found = read_seg(path, read_ct_reference(cts["oblique"]))
    assert found.names == ["Leber µ", "Leber µ_2"]
    assert "called 'Leber µ_2'" in found.notes[0]


def test_an_organ_outside_the_ct(tmp_path, cts):
    """A CT of fewer slices: voxels beyond it are never dropped in silence."""
    chosen, reference = chosen_on(cts["odd"])
    write_seg(chosen, reference, tmp_path / "s.dcm")
    short = reference.grid.crop((0, 0, 0), (5, 65, 81))
    fewer = type(reference)(Grid(short.shape, short.affine), reference.header, reference.slices[:5], ())
    with pytest.raises(InputError, match="outside the CT"):
        read_seg(tmp_path / "s.dcm", fewer)
    found = read_seg(tmp_path / "s.dcm", fewer, resample=True)
    np.testing.assert_array_equal(found["BODY"].mask.to_array(), True)
    assert any("were cut off" in note for note in found.notes)


def test_changed_bytes_end_in_one_line(tmp_path, cts):
    """Seeded damage to the header: a structure set or an InputError, nothing else."""
    reference = read_ct_reference(cts["oblique"])
    foreign(cts["oblique"]).save_as(tmp_path / "f.dcm")
    content, dice, refusals = (tmp_path / "f.dcm").read_bytes(), np.random.default_rng(5), []
    for _ in range(60):
        data = bytearray(content)
        for at in dice.integers(132, 6000, dice.integers(1, 12)):
            data[at] = dice.integers(256)
        (tmp_path / "d.dcm").write_bytes(bytes(data))
        try:
            read_seg(tmp_path / "d.dcm", reference, lenient=True, resample=True)
        except InputError as error:
            refusals.append(str(error))
    assert refusals
    assert [line for line in refusals if "\n" in line or "d.dcm" not in line] == []
