"""What all derived objects (RTSTRUCT, SEG, RTDOSE) share: patient and study of the CT, equipment, provenance, file."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

import Dose3DLib

from ..core.errors import InputError
from ..core.output import atomic_output
from ..geometry.grid import Grid
from ..geometry.structure import StructureSet

__all__ = [
    "LONGEST_NAME",
    "MANUFACTURER",
    "MODEL_NAME",
    "add_contribution",
    "check_person_name",
    "check_structures",
    "clean_text",
    "copy_patient_and_study",
    "decimals",
    "derived_dataset",
    "save_dataset",
    "set_image_plane",
]

MANUFACTURER = "Dose3D consortium"
MODEL_NAME = "Dose3D"

LONGEST_NAME = 64
"""Characters of a ROI name or a segment label (value representation LO)."""

_TEXT_LIMITS = {"PatientName": 64, "PatientID": 64, "IssuerOfPatientID": 64, "StudyDescription": 64, "StudyID": 16,
                "AccessionNumber": 16, "ReferringPhysicianName": 64, "PositionReferenceIndicator": 64,
                "DeidentificationMethod": 64}  # fmt: skip
_TYPE_2 = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
           "AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator")  # fmt: skip
_TYPE_3 = ("IssuerOfPatientID", "StudyDescription", "PatientIdentityRemoved", "DeidentificationMethod",
           "PatientAge", "PatientSize", "PatientWeight")  # fmt: skip
_PATTERNS = {
    "PatientBirthDate": r"\d{8}",
    "StudyDate": r"\d{8}",
    "StudyTime": r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?",
    "PatientSex": "[MFO]",
    "PatientAge": r"\d{3}[DWMY]",
    "PatientIdentityRemoved": "YES|NO",
    "PatientSize": r"[-+\d.eE]{1,16}",
    "PatientWeight": r"[-+\d.eE]{1,16}",
}
"""Values of another form are left empty: a derived object must be valid even where its CT is not."""


def clean_text(value: object, limit: int) -> str:
    """A text without control characters and backslashes (which would make two values of it), cut to `limit`."""
    return re.sub(r"[\x00-\x1f\x7f\\]+", " ", "" if value is None else str(value)).strip()[:limit].rstrip()


def check_person_name(name: str, what: str = "reviewer") -> None:
    """Refuse what no person name (value representation PN, DICOM PS3.5 6.2) can hold; names `what`.

    Raises
    ------
    InputError
        over 64 characters, a backslash, an equals sign or a control character, or more than five parts between carets.
    """
    if len(name) > LONGEST_NAME:
        raise InputError(what, f"has {len(name)} characters, DICOM allows {LONGEST_NAME}", "shorten it")
    if re.search(r"[\x00-\x1f\x7f\\=\ud800-\udfff]", name):
        raise InputError(what, "holds a backslash, an equals sign or a control character", "leave it out")
    if name.count("^") > 4:
        raise InputError(what, "has more than five parts between carets", "write FAMILY^GIVEN^MIDDLE^PREFIX^SUFFIX")


def check_structures(structures: StructureSet, grid: Grid) -> None:
    """Refuse what no object that refers to the CT of `grid` can hold as it is; every writer begins with this.

    Raises
    ------
    InputError
        another grid; a name that is empty, used twice, over 64 characters, or holds a backslash or a control character.
    """
    if not structures.grid.same_as(grid):
        raise InputError("structures", "do not lie on the grid of the CT", "resample them to the CT first")
    for name, count in Counter(name.strip() for name in structures.names).items():
        what = f"structure '{name[:80]}'"
        if not name:
            raise InputError("structures", "one has an empty name", "name it")
        if count > 1:
            raise InputError(what, f"{count} structures have this name", "give each its own name")
        if len(name) > LONGEST_NAME:
            raise InputError(what, f"the name has {len(name)} characters, DICOM allows {LONGEST_NAME}", "shorten it")
        if re.search(r"[\x00-\x1f\x7f\\\ud800-\udfff]", name):
            raise InputError(what, "the name holds a backslash or a control character", "rename it")


def copy_patient_and_study(header: Dataset, target: Dataset) -> None:
    """Copy Patient, General Study, Patient Study and Frame of Reference (DICOM PS3.3 C.7.1.1, C.7.2, C.7.4.1).

    Type 2 attributes that the header lacks become empty, type 1 UIDs new ones; texts are decoded, so that the target
    may use another character set than the header.
    """
    for keyword in _TYPE_2:
        setattr(target, keyword, _value(header, keyword))
    for keyword in _TYPE_3:
        if value := _value(header, keyword):
            setattr(target, keyword, value)
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        setattr(target, keyword, str(header.get(keyword) or generate_uid(prefix=None)))


def _value(header: Dataset, keyword: str) -> str:
    try:
        found = header.get(keyword)
    except Exception:  # pydicom raises all kinds on damaged values
        return ""
    if isinstance(found, pydicom.multival.MultiValue):
        found = "; ".join(str(part) for part in found)
    text = clean_text(found, _TEXT_LIMITS.get(keyword, 64))
    return text if re.fullmatch(_PATTERNS.get(keyword, ".*"), text) else ""


def derived_dataset(
    header: Dataset, sop_class_uid: str, modality: str, description: str, series_number: int
) -> Dataset:
    """A new object in a series of its own in the CT's study: Patient, Study, Series, Equipment, SOP Common filled.

    Parameters
    ----------
    header:
        of the CT, see `copy_patient_and_study`.
    sop_class_uid, modality:
        of the new object.
    description:
        Series Description, at most 64 characters.
    series_number:
        of the new series.
    """
    now = datetime.now()
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class_uid, generate_uid(prefix=None)
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    copy_patient_and_study(header, dataset)
    dataset.Modality = modality
    dataset.SeriesInstanceUID = generate_uid(prefix=None)
    dataset.SeriesNumber, dataset.InstanceNumber = series_number, 1
    dataset.SeriesDate, dataset.SeriesTime = dataset.InstanceCreationDate, dataset.InstanceCreationTime
    dataset.SeriesDescription = clean_text(description, 64)
    dataset.OperatorsName = ""
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, MODEL_NAME
    dataset.SoftwareVersions = Dose3DLib.__version__
    return dataset


def decimals(values: np.ndarray) -> list[str]:
    """Decimal strings of at most 16 characters, without the tails of binary fractions and without -0."""
    return [format_number_as_ds(float(value)) for value in np.round(values, 12) + 0.0]


def set_image_plane(dataset: Dataset, grid: Grid) -> None:
    """Orientation, Pixel Spacing and Slice Thickness of a grid's slices, mm (DICOM PS3.3 C.7.6.2)."""
    row, column = grid.affine[:3, 0], grid.affine[:3, 1]
    across, down = np.linalg.norm(row), np.linalg.norm(column)
    dataset.ImageOrientationPatient = decimals(np.concatenate([row / across, column / down]))
    dataset.PixelSpacing = decimals(np.array([down, across]))
    dataset.SliceThickness = decimals(np.array([abs(grid.slice_distance_mm)]))[0]


def add_contribution(dataset: Dataset, description: str) -> None:
    """Say in Contributing Equipment (DICOM PS3.3 C.12.1.1.5) that Dose3D made this object, and how.

    `description` is cut to 1024 characters, the limit of its value representation.
    """
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = "109102", "DCM", "Processing Equipment"
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [purpose]
    item.Manufacturer, item.ManufacturerModelName = MANUFACTURER, MODEL_NAME
    item.SoftwareVersions = Dose3DLib.__version__
    item.ContributionDateTime = datetime.now().strftime("%Y%m%d%H%M%S")
    item.ContributionDescription = clean_text(description, 1024)
    dataset.ContributingEquipmentSequence = [item]


def save_dataset(
    dataset: Dataset,
    path: Path,
    transfer_syntax: str = ExplicitVRLittleEndian,
    encoded: tuple[int, bytes] | None = None,
) -> None:
    """Write a DICOM file with file meta information; it appears complete or not at all and replaces an older one.

    Parameters
    ----------
    dataset:
        without file meta information.
    path:
        of the file.
    transfer_syntax:
        UID of an uncompressed little endian one.
    encoded:
        tag and bytes of one element that is encoded already (tag and length included) and put in its place.

    Raises
    ------
    OutputError
        the folder is not writable or the disk is full.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax
    dataset.file_meta = meta
    with atomic_output(Path(path), overwrite=True) as draft, draft.open("wb") as file:
        if encoded is None:
            pydicom.dcmwrite(file, dataset, enforce_file_format=True)
            return
        tag, content = encoded
        before = dataset[:tag]
        before.file_meta = meta
        pydicom.dcmwrite(file, before, enforce_file_format=True)
        file.write(content)
        file.write(_encode(dataset[tag + 1 :], transfer_syntax, dataset.SpecificCharacterSet))


def _encode(dataset: Dataset, transfer_syntax: str, character_set: str) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, UID(transfer_syntax).is_implicit_VR
    write_dataset(buffer, dataset, character_set)
    return buffer.getvalue()
