"""Nothing of a patient's identity survives in the bytes, and what is left is valid and still refers to one another."""

from __future__ import annotations

import io
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from builders import ct_builder as cb
from builders.dciodvfy import dciodvfy_errors
from Dose3DLib.core.errors import InputError, OutputError
from Dose3DLib.dicom.ct import read_ct
from Dose3DLib.dicom.deidentify import DeidentifyOptions, deidentify, deidentify_file, new_uid
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.datadict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    RTDoseStorage,
    RTPlanStorage,
    RTStructureSetStorage,
    SegmentationStorage,
    generate_uid,
)

SALT = "a long secret for the tests"
SECRET = "Geheim"
BIRTHDAY = "19610203"
UID = "1.2.99.61020.3"
VALUES = {
    "AE": "GEHEIM", "AS": "061Y", "CS": "Geheim", "DA": BIRTHDAY, "DT": BIRTHDAY + "101112", "TM": "101112.131415",
    "LO": "von Geheim", "LT": "Frau Geheim war da", "PN": "Geheim^Anna", "SH": "Geheim 1", "ST": "Geheim",
    "UC": "Geheim", "UT": "Geheim", "UR": "http://geheim.example", "UI": UID,
    "OB": b"Geheim", "OW": b"Geheim", "UN": b"Geheim",
}  # fmt: skip
CLASSES = [
    CTImageStorage, EnhancedCTImageStorage, RTStructureSetStorage, RTDoseStorage, RTPlanStorage, SegmentationStorage,
]  # fmt: skip


def everything(sop_class: str, nested: bool = True) -> Dataset:
    """A data set with every public attribute of the dictionary, each holding something that identifies."""
    dataset = Dataset()
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        if tag >> 16 in (0x0000, 0x0002, 0x0004, 0xFFFE) or not keyword or tag & 0xFFFF == 0:
            continue
        if vr == "SQ" and nested:
            dataset.add(
                DataElement(tag, "SQ", [everything(sop_class, nested=False)] if keyword in SOME_NESTED else [code()])
            )
        elif vr in VALUES and keyword != "PixelData":
            dataset.add(DataElement(tag, vr, VALUES[vr]))
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, UID + ".1"
    dataset.SpecificCharacterSet, dataset.BurnedInAnnotation = "ISO_IR 192", "NO"
    dataset.PatientID, dataset.Modality = "P-61020-3", "CT"
    block = dataset.private_block(0x0011, "GEHEIM SOFTWARE", create=True)
    block.add_new(1, "LO", "Geheim^Anna")
    return dataset


SOME_NESTED = {
    "RequestAttributesSequence", "ROIContourSequence", "SegmentSequence", "BeamSequence", "ReferencedImageSequence",
    "PerFrameFunctionalGroupsSequence", "StructureSetROISequence", "ContributingEquipmentSequence",
}  # fmt: skip


def code() -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "GEH", "99GEHEIM", "Geheim"
    return item


def in_bytes(dataset: Dataset) -> bytes:
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def identifying() -> Dataset:
    return everything(CTImageStorage)


@pytest.mark.parametrize(
    ("sop_class", "keep"), [(uid, False) for uid in CLASSES] + [(CTImageStorage, True)], ids=lambda value: str(value)
)
def test_no_attribute_of_the_dictionary_gives_the_patient_away(identifying, sop_class, keep):
    identifying.SOPClassUID = sop_class
    options = DeidentifyOptions(SALT, shift_dates=keep, keep_patient_characteristics=keep)
    data = in_bytes(deidentify(identifying, options))
    lower = data.lower()
    assert b"geheim" not in lower
    assert b"anna" not in lower
    assert BIRTHDAY.encode() not in data
    assert UID.encode() not in data
    assert b"61020" not in data
    if not keep:
        assert b"061Y" not in data
        assert b"101112" not in data


def test_the_test_data_holds_what_is_searched_for(identifying):
    source = Dataset(identifying)
    source.file_meta = pydicom.dataset.FileMetaDataset()
    data = in_bytes(source)
    assert data.lower().count(b"geheim") > 1000
    assert data.count(UID.encode()) > 50


def test_preamble_and_meta_information_are_new(tmp_path):
    path = cb.write_series(tmp_path / "ct", cb.phantom_hu((2, 8, 8)))[0]
    data = path.read_bytes()
    path.write_bytes(b"Geheim".ljust(128, b"\0") + data[128:])
    dataset = pydicom.dcmread(path)
    dataset.file_meta.SourceApplicationEntityTitle = "GEHEIM"
    dataset.file_meta.ImplementationVersionName = "GEHEIM"
    dataset.save_as(path)
    deidentify_file(path, tmp_path / "clean.dcm", DeidentifyOptions(SALT))
    assert b"geheim" not in (tmp_path / "clean.dcm").read_bytes().lower()
    assert b"\xc3\x84rzt" not in (tmp_path / "clean.dcm").read_bytes()


def test_a_clean_ct_reads_as_before_and_objects_still_belong_together(tmp_path):
    array = cb.phantom_hu()
    study = generate_uid()
    paths = cb.write_series(tmp_path / "ct", array, StudyInstanceUID=study, orientation=cb.oblique())
    options = DeidentifyOptions(SALT)
    for path in paths:
        deidentify_file(path, tmp_path / "clean" / path.name, options)
        assert dciodvfy_errors(tmp_path / "clean" / path.name) == []
    before, after = read_ct(tmp_path / "ct"), read_ct(tmp_path / "clean")
    assert np.array_equal(after.volume.array, array)
    assert after.volume.grid.same_as(before.volume.grid)
    for old, new in zip(before.reference.slices, after.reference.slices, strict=True):
        assert new.sop_instance_uid == new_uid(old.sop_instance_uid, SALT)
    other = cb.header(SOPClassUID=RTDoseStorage, StudyInstanceUID=study, SOPInstanceUID=generate_uid())
    assert deidentify(other, options).StudyInstanceUID == after.reference.header.StudyInstanceUID
    assert deidentify(other, options).PatientID == after.reference.header.PatientID
    elsewhere = deidentify(other, DeidentifyOptions(SALT + "2"))
    assert elsewhere.StudyInstanceUID != after.reference.header.StudyInstanceUID
    assert elsewhere.PatientID != after.reference.header.PatientID


def test_uids_are_valid_and_standard_ones_stay():
    for n in range(200):
        uid = new_uid(f"1.2.3.{n}", SALT)
        assert pydicom.uid.UID(uid).is_valid
        assert len(uid) <= 64
    dataset = cb.header(SOPInstanceUID="1.2.3")
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CTImageStorage, "1.2.3.4"
    dataset.ReferencedImageSequence = [reference]
    clean = deidentify(dataset, DeidentifyOptions(SALT))
    assert clean.SOPClassUID == CTImageStorage
    assert clean.ReferencedImageSequence[0].ReferencedSOPClassUID == CTImageStorage
    assert clean.ReferencedImageSequence[0].ReferencedSOPInstanceUID == new_uid("1.2.3.4", SALT)


def test_method_is_stated():
    options = DeidentifyOptions(SALT, shift_dates=True, keep_patient_characteristics=True)
    clean = deidentify(cb.header(SOPInstanceUID="1.2.3"), options)
    assert clean.PatientIdentityRemoved == "YES"
    assert "PS3.15" in clean.DeidentificationMethod
    codes = [item.CodeValue for item in clean.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113105", "113107", "113108"]
    assert clean.LongitudinalTemporalInformationModified == "MODIFIED"
    assert clean.PatientSex == "O"
    assert deidentify(cb.header(SOPInstanceUID="1.2.3"), DeidentifyOptions(SALT)).PatientSex == ""


def test_the_original_is_untouched():
    dataset = everything(CTImageStorage, nested=False)
    before = str(dataset)
    deidentify(dataset, DeidentifyOptions(SALT))
    assert str(dataset) == before


def test_dates_move_together():
    options = DeidentifyOptions(SALT, shift_dates=True)
    first = deidentify(cb.header(SOPInstanceUID="1.2.3", StudyDate="20200101", SeriesDate="20200311"), options)
    second = deidentify(cb.header(SOPInstanceUID="1.2.4", StudyDate="20200301"), options)
    days = [pydicom.valuerep.DA(value) for value in (first.StudyDate, first.SeriesDate, second.StudyDate)]
    assert (days[1] - days[0]).days == 70
    assert (days[2] - days[0]).days == 60
    assert first.StudyDate < "20200101"
    assert first.StudyTime == "120000"
    stranger = deidentify(cb.header(SOPInstanceUID="1.2.3", StudyDate="20200101", PatientID="other"), options)
    assert stranger.StudyDate != first.StudyDate


def structure_set(*names: str) -> Dataset:
    dataset = cb.header(SOPClassUID=RTStructureSetStorage, Modality="RTSTRUCT", SOPInstanceUID="1.2.3")
    dataset.StructureSetLabel, dataset.StructureSetName = "Geheim", "Geheim"
    items = []
    for number, name in enumerate(names, start=1):
        item = Dataset()
        item.ROINumber, item.ROIName, item.ROIDescription = number, name, "Geheim"
        items.append(item)
    dataset.StructureSetROISequence = items
    return dataset


def test_known_structure_names_stay_as_standard_names():
    source = structure_set(
        "Brainstem", "Rückenmark Frau Geheim", "PTV Meier", "spinal cord", "PTV_70Gy", "GTV 19610203"
    )
    clean = deidentify(source, DeidentifyOptions(SALT))
    names = [item.ROIName for item in clean.StructureSetROISequence]
    assert names == ["Brainstem", "ROI 2", "PTV 3", "SpinalCord", "PTV_70Gy", "GTV 6"]
    assert all("ROIDescription" not in item for item in clean.StructureSetROISequence)
    assert clean.StructureSetLabel == "REMOVED"
    assert "StructureSetName" not in clean
    none = deidentify(source, DeidentifyOptions(SALT, keep_structure_names=False))
    assert [item.ROIName for item in none.StructureSetROISequence] == [f"ROI {n}" for n in range(1, 7)]


def test_a_structure_named_like_the_patient():
    source = structure_set("Brainstem", "Mandible")
    source.PatientName = "Brainstem^Anna"
    names = [item.ROIName for item in deidentify(source, DeidentifyOptions(SALT)).StructureSetROISequence]
    assert names == ["ROI 1", "Mandible"]


def test_a_name_hidden_in_a_code():
    dataset = cb.header(SOPInstanceUID="1.2.3", PatientName="Plan^Otto", BodyPartExamined="OTTO", ScanOptions="HELICAL")
    dataset.DoseSummationType = "PLAN"
    clean = deidentify(dataset, DeidentifyOptions(SALT))
    assert "BodyPartExamined" not in clean
    assert clean.ScanOptions == "HELICAL"
    assert clean.DoseSummationType == "PLAN"


def test_a_name_hidden_in_a_number():
    dataset = cb.header(SOPInstanceUID="1.2.3")
    dataset._dict[pydicom.tag.Tag("SliceThickness")] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag("SliceThickness"), "DS", 6, b"Geheim", 0, False, True
    )
    clean = deidentify(dataset, DeidentifyOptions(SALT))
    assert "SliceThickness" not in clean


def test_ambiguous_representations_of_implicit_files(tmp_path):
    array = cb.phantom_hu((2, 8, 8))
    paths = cb.write_series(
        tmp_path / "ct", array, syntax="1.2.840.10008.1.2", change=lambda k, d: d.add_new(0x00280120, "SS", -2000)
    )
    for path in paths:
        deidentify_file(path, tmp_path / "clean" / path.name, DeidentifyOptions(SALT))
        assert pydicom.dcmread(tmp_path / "clean" / path.name).PixelPaddingValue == -2000
    assert np.array_equal(read_ct(tmp_path / "clean").volume.array, array)


@pytest.mark.parametrize("name", ["rtplan.dcm", "CT_small.dcm", "rtdose_rle.dcm", "MR_small_bigendian.dcm"])
def test_files_of_others_stay_as_valid_as_they_were(name, tmp_path):
    source = get_testdata_file(name)
    deidentify_file(source, tmp_path / name, DeidentifyOptions(SALT))
    old, new = pydicom.dcmread(source), pydicom.dcmread(tmp_path / name)
    if "PixelData" in old:
        assert np.array_equal(new.pixel_array, old.pixel_array)
    if name != "rtdose_rle.dcm":
        assert len(dciodvfy_errors(tmp_path / name)) <= len(dciodvfy_errors(source))
    for keyword in ("PatientName", "PatientID", "InstitutionName", "StudyInstanceUID"):
        value = str(old.get(keyword, ""))
        assert not value or value.encode() not in (tmp_path / name).read_bytes()


def test_real_structure_set_and_dose(shared_data, tmp_path):
    folder = shared_data / "openkbp_dicom" / "pt_226"
    for name in ("RTSTRUCT.dcm", "RTDOSE.dcm"):
        deidentify_file(folder / name, tmp_path / name, DeidentifyOptions(SALT))
        assert dciodvfy_errors(tmp_path / name) == []
        assert b"pt_226" not in (tmp_path / name).read_bytes()
    old, new = pydicom.dcmread(folder / "RTSTRUCT.dcm"), pydicom.dcmread(tmp_path / "RTSTRUCT.dcm")
    assert len(new.ROIContourSequence) == len(old.ROIContourSequence)
    assert (
        new.ROIContourSequence[0].ContourSequence[0].ContourData
        == old.ROIContourSequence[0].ContourSequence[0].ContourData
    )


def test_segmentation_of_highdicom_stays_valid(tmp_path):
    paths = cb.write_series(tmp_path / "ct", cb.phantom_hu())
    images = [pydicom.dcmread(path) for path in paths]
    mask = np.zeros((6, 16, 20), bool)
    mask[2:4, 5:9, 6:11] = True
    brain = highdicom.seg.SegmentDescription(
        1, "Geheim", pydicom.sr.codedict.codes.SCT.Organ, pydicom.sr.codedict.codes.SCT.Brain, "MANUAL"
    )
    segmentation = highdicom.seg.Segmentation(
        images, mask, "BINARY", [brain], generate_uid(), 5, generate_uid(), 1, "maker", "model", "1", "GEHEIM-7",
        content_creator_name="Geheim^Anna", omit_empty_frames=False,
    )  # fmt: skip
    segmentation.save_as(tmp_path / "seg.dcm")
    deidentify_file(tmp_path / "seg.dcm", tmp_path / "clean.dcm", DeidentifyOptions(SALT))
    assert dciodvfy_errors(tmp_path / "clean.dcm") == []
    assert b"geheim" not in (tmp_path / "clean.dcm").read_bytes().lower()
    clean = highdicom.seg.segread(tmp_path / "clean.dcm")
    assert np.array_equal(clean.pixel_array, segmentation.pixel_array)
    assert clean.SegmentSequence[0].SegmentLabel == "Segment 1"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(start=st.floats(0, 1), damage=st.binary(min_size=1, max_size=12), length=st.floats(0, 2))
def test_damaged_files_are_cleaned_or_refused(tmp_path_factory, start, damage, length):
    folder = tmp_path_factory.mktemp("damaged")
    data = bytearray(Path(get_testdata_file("rtplan.dcm")).read_bytes())
    position = int(start * (len(data) - len(damage)))
    data[position : position + len(damage)] = damage
    (folder / "in.dcm").write_bytes(data[: int(length * len(data))])
    try:
        deidentify_file(folder / "in.dcm", folder / "out.dcm", DeidentifyOptions(SALT))
    except InputError:
        assert not (folder / "out.dcm").exists()
    else:
        assert b"Last^First" not in (folder / "out.dcm").read_bytes()


def test_refusals(tmp_path):
    with pytest.raises(InputError, match="burned into its pixels"):
        deidentify(cb.header(SOPInstanceUID="1.2.3", BurnedInAnnotation="YES"), DeidentifyOptions(SALT))
    with pytest.raises(InputError, match="no DICOM object"):
        deidentify(Dataset(), DeidentifyOptions(SALT))
    with pytest.raises(InputError, match="shorter than 16"):
        DeidentifyOptions("short")
    (tmp_path / "x").write_text("hello")
    with pytest.raises(InputError):
        deidentify_file(tmp_path / "x", tmp_path / "y", DeidentifyOptions(SALT))
    path = cb.write_series(tmp_path / "ct", cb.phantom_hu((2, 8, 8)))[0]
    with pytest.raises(OutputError, match="exists"):
        deidentify_file(path, tmp_path / "x", DeidentifyOptions(SALT))
