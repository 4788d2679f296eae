"""Removes identity from data sets after the Basic Application Level Confidentiality Profile (DICOM PS3.15 Annex E).

For CT, RTSTRUCT, RTDOSE, RTPLAN and SEG. UIDs and the patient's pseudonym follow from the originals by a keyed hash
(HMAC-SHA-256), so that objects of a patient still refer to one another, also when they are processed on other days, and
nobody without the salt can go back. Faces in the pixels are not removed: head CTs need more than this.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import SegmentationStorage

from ..core.errors import InputError
from ..core.nomenclature import lookup
from ..core.output import atomic_output
from .deidentify_table import (
    CLEANED_NAMES,
    DATES_OF_THE_STUDY,
    DUMMY,
    EMPTY,
    FIRST_CODED_GROUP,
    FIXED_CODES,
    KEPT_TEXT,
    PATIENT_CHARACTERISTICS,
    PIXELS,
    REMOVED,
    REMOVED_GROUPS,
    STANDARD_CODING_SCHEMES,
    TYPE_1_DATES,
)
from .frames import ENHANCED_CLASSES
from .pixels import transfer_syntax_of
from .values import text

__all__ = ["DeidentifyOptions", "deidentify", "deidentify_file", "new_uid", "pseudonym"]

METHOD = "Dose3D: DICOM PS3.15 Basic Profile, text removed unless known"
STANDARD_UID = "1.2.840.10008."
NUMERIC = frozenset({"DS", "IS", "FD", "FL", "US", "SS", "UL", "SL", "UV", "SV", "AT"})
BYTES = frozenset({"OB", "OW", "OF", "OD", "OL", "OV"})
CONTOUR_DATA = Tag("ContourData")
PLAIN_NUMBERS = re.compile(rb"[0-9eE+\-. \\]*")
"""Millions of coordinates stay as the bytes that they are, once it is clear that they are nothing but numbers."""
TARGET = re.compile(r"[zx_]*([gcip]tv)(.*)", re.IGNORECASE)
TARGET_DETAILS = re.compile(r"[pnsvb]{0,2}[ _^!-]*(\d{1,4}([.,]\d{1,2})?)?([ _]?c?gy)?", re.IGNORECASE)
"""Targets are named freely; of their names only kind, dose and number stay."""
CODE_STRING = re.compile(r"[A-Z0-9 _]{0,16}")
SHORTEST_IDENTIFIER = 3
"""Parts of names and numbers below this length are too common to search for."""
SEARCHED = ("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "PatientBirthDate",
            "AccessionNumber", "InstitutionName", "ReferringPhysicianName", "PhysiciansOfRecord", "OperatorsName",
            "PerformingPhysicianName", "StationName")  # fmt: skip
MAX_SHIFT_DAYS = 3650


@dataclass(frozen=True)
class DeidentifyOptions:
    """What may stay beyond the basic profile.

    Parameters
    ----------
    salt:
        secret of at least 16 characters; the same salt gives the same UIDs and pseudonyms.
    patient_id:
        pseudonym to use; "" derives one from the original ID and the salt.
    shift_dates:
        keep the study's dates, moved by the same number of days for all objects of a patient; default: removed.
    keep_structure_names:
        keep names that the nomenclature knows, as their standard names; all others become "ROI 7".
    keep_patient_characteristics:
        keep sex, age, size and weight.
    """

    salt: str
    patient_id: str = ""
    shift_dates: bool = False
    keep_structure_names: bool = True
    keep_patient_characteristics: bool = False

    def __post_init__(self) -> None:
        if len(self.salt) < 16:
            raise InputError("salt", "it is shorter than 16 characters", "choose a long secret, such as a random one")


def new_uid(uid: str, salt: str) -> str:
    """The UID that takes the place of `uid`: always the same for a salt, below the root 2.25 (PS3.5 B.2)."""
    return f"2.25.{int.from_bytes(_digest(salt, 'uid', uid)[:16], 'big')}"


def pseudonym(patient_id: str, salt: str) -> str:
    """`D3D-` and 12 hexadecimal digits that follow from the patient's ID and the salt."""
    return f"D3D-{_digest(salt, 'patient', patient_id).hex()[:12].upper()}"


def _digest(salt: str, purpose: str, value: str) -> bytes:
    return hmac.new(salt.encode(), f"{purpose}\0{value}".encode(), hashlib.sha256).digest()


def deidentify_file(source: Path, target: Path, options: DeidentifyOptions) -> None:
    """Write a file without identity; preamble and meta information are new, too.

    Raises
    ------
    InputError
        no DICOM object, or text is burned into its pixels.
    OutputError
        the target exists or cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(source, force=True)
        except Exception as error:  # pydicom raises all kinds on damaged files
            raise InputError(source, "the file cannot be read as DICOM", "name a DICOM file") from error
        clean = deidentify(dataset, options)
        with atomic_output(target) as draft:
            _save(clean, draft, source)


def _save(clean: Dataset, draft: Path, source: Path) -> None:
    try:
        clean.save_as(draft, enforce_file_format=True)
    except OSError:
        raise
    except Exception as error:  # pydicom raises all kinds on values that it cannot write
        cause = f"its attributes cannot be written again ({' '.join(str(error).split())[:200]})"
        raise InputError(source, cause, "leave this file out") from error


def deidentify(dataset: Dataset, options: DeidentifyOptions) -> Dataset:
    """A new data set without identity; pixels are shared with the old one, which stays as it is.

    Raises
    ------
    InputError
        no SOP Class or Instance UID, or text is burned into the pixels (Burned In Annotation is YES).
    """
    what = text(dataset, "SOPInstanceUID")
    if not text(dataset, "SOPClassUID") or not what:
        raise InputError(dataset.get("filename") or "data set", "this is no DICOM object", "name a DICOM file")
    if text(dataset, "BurnedInAnnotation").upper() == "YES":
        raise InputError(what, "text is burned into its pixels", "leave this image out")
    clean = _Cleaner(dataset, options).clean(dataset)
    _add_identity(clean, dataset, options)
    _add_meta(clean, dataset)
    return clean


class _Cleaner:
    """Walks one object; knows its own texts that must not survive anywhere."""

    def __init__(self, root: Dataset, options: DeidentifyOptions):
        self._options = options
        self._class = text(root, "SOPClassUID")
        self._identifiers = _identifiers(root)
        self._shift = _shift_days(text(root, "PatientID"), options.salt)
        dated = self._class in ENHANCED_CLASSES or self._class == SegmentationStorage
        self._dummies = {**DUMMY, **(TYPE_1_DATES if dated else {})}

    def clean(self, dataset: Dataset) -> Dataset:
        result = Dataset()
        for tag in list(dataset.keys()):
            if tag.is_private or tag.group in REMOVED_GROUPS or tag.group & 0xFF00 in (0x5000, 0x6000):
                continue
            if tag == CONTOUR_DATA and _is_plain(dataset):
                result[tag] = dataset.get_item(tag)
                continue
            try:
                element = self._element(dataset[tag], dataset)
            except Exception:  # pydicom raises all kinds on damaged values; what cannot be read is removed
                continue
            if element is not None:
                result.add(element)
        return result

    def _element(self, element: DataElement, dataset: Dataset) -> DataElement | None:
        keyword, vr = element.keyword, element.VR
        if not keyword:
            return None
        if self._options.keep_patient_characteristics and keyword in PATIENT_CHARACTERISTICS:
            return self._unless_identifying(element)
        if self._options.shift_dates and keyword in DATES_OF_THE_STUDY:
            return self._shifted(element)
        if keyword in REMOVED:
            return None
        if keyword in self._dummies:
            return DataElement(element.tag, vr, self._dummies[keyword])
        if keyword in EMPTY:
            return DataElement(element.tag, vr, None if vr == "SQ" else "")
        if keyword in CLEANED_NAMES:
            return DataElement(element.tag, vr, self._clean_name(element, dataset))
        return self._by_representation(element)

    def _by_representation(self, element: DataElement) -> DataElement | None:
        keyword, vr = element.keyword, element.VR
        if vr == "SQ":
            return DataElement(element.tag, "SQ", [self._item(item) for item in element.value])
        if vr == "UI":
            return DataElement(element.tag, "UI", self._uids(element))
        if NUMERIC.intersection(vr.split(" or ")):
            _check_numbers(element)
            return _copied(element)
        if vr == "CS":
            return _copied(element) if self._is_code(element) else None
        if BYTES.intersection(vr.split(" or ")):
            return element if keyword in PIXELS else None
        return self._unless_identifying(element) if keyword in KEPT_TEXT else None

    def _is_code(self, element: DataElement) -> bool:
        """Whether a code string has a code's form and is none of the patient's texts (where any code may stand)."""
        parts = [str(part) for part in _parts(element)]
        if not all(CODE_STRING.fullmatch(part) for part in parts):
            return False
        if element.keyword in FIXED_CODES or element.tag.group >= FIRST_CODED_GROUP:
            return True
        return self._identifiers.isdisjoint(" ".join(parts).casefold().replace("_", " ").split())

    def _uids(self, element: DataElement) -> list[str]:
        uids = [str(part) for part in _parts(element)]
        return [uid if not uid or uid.startswith(STANDARD_UID) else new_uid(uid, self._options.salt) for uid in uids]

    def _item(self, item: Dataset) -> Dataset:
        if "CodingSchemeDesignator" not in item or text(item, "CodingSchemeDesignator") in STANDARD_CODING_SCHEMES:
            return self.clean(item)
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "REMOVED", "99DOSE3D", "removed"
        return code

    def _clean_name(self, element: DataElement, dataset: Dataset) -> str:
        entry = lookup(str(element.value)) if self._options.keep_structure_names else None
        name = entry.name if entry is not None else ""
        kind = CLEANED_NAMES[element.keyword]
        target = TARGET.match(name)
        if target and not TARGET_DETAILS.fullmatch(target[2]):
            kind, name = target[1].upper(), ""
        if name and not self._identifies(name):
            return name
        number = text(dataset, "ROINumber") or text(dataset, "SegmentNumber")
        return f"{kind} {number}".strip()

    def _unless_identifying(self, element: DataElement) -> DataElement | None:
        if not any(self._identifies(str(part)) for part in _parts(element)):
            return _copied(element)
        return DataElement(element.tag, element.VR, "REMOVED") if element.keyword in KEPT_TEXT else None

    def _identifies(self, value: str) -> bool:
        value = value.casefold()
        return any(identifier in value for identifier in self._identifiers)

    def _shifted(self, element: DataElement) -> DataElement | None:
        value = str(element.value or "")
        if element.VR == "TM" or not value:
            known = re.fullmatch(r"(\d{2}){0,3}(\.\d{1,6})?", value)
            return DataElement(element.tag, element.VR, value) if known else None
        found = re.fullmatch(r"(\d{8})(\d{0,6}(?:\.\d{1,6})?)(?:[+-]\d{4})?", value)
        if found is None:
            return None
        day = datetime.datetime.strptime(found[1], "%Y%m%d") - datetime.timedelta(days=self._shift)
        return DataElement(element.tag, element.VR, f"{day:%Y%m%d}{found[2]}")


def _is_plain(dataset: Dataset) -> bool:
    raw = dataset.get_item(CONTOUR_DATA)
    return isinstance(raw, RawDataElement) and raw.value is not None and bool(PLAIN_NUMBERS.fullmatch(raw.value))


def _parts(element: DataElement) -> list:
    value = element.value
    if value is None:
        return []
    return list(value) if element.VM > 1 else [value]


def _check_numbers(element: DataElement) -> None:
    """A DS or IS is text in the file: anything that is not a number might be a name."""
    for part in _parts(element):
        if part != "":
            float(part)


def _copied(element: DataElement) -> DataElement:
    # A new element, since setting a value later would change the old data set's element, too.
    return DataElement(element.tag, element.VR, element.value, already_converted=True)


def _identifiers(root: Dataset) -> set[str]:
    """Words of the patient's and staff's names, numbers and dates, in lower case."""
    words: set[str] = set()
    for keyword in SEARCHED:
        value = text(root, keyword).casefold()
        words.update(re.split(r"[\s^=\\,;]+", value))
    return {word for word in words if len(word) >= SHORTEST_IDENTIFIER}


def _shift_days(patient_id: str, salt: str) -> int:
    return 1 + int.from_bytes(_digest(salt, "dates", patient_id)[:4], "big") % MAX_SHIFT_DAYS


def _add_identity(clean: Dataset, dataset: Dataset, options: DeidentifyOptions) -> None:
    name = options.patient_id or pseudonym(text(dataset, "PatientID"), options.salt)
    clean.PatientName, clean.PatientID = f"{name}^", name
    clean.PatientIdentityRemoved = "YES"
    clean.DeidentificationMethod = METHOD
    codes = [("113100", "Basic Application Confidentiality Profile")]
    if options.keep_structure_names:
        codes.append(("113105", "Clean Descriptors Option"))
    if options.shift_dates:
        codes.append(("113107", "Retain Longitudinal Temporal Information Modified Dates Option"))
    if options.keep_patient_characteristics:
        codes.append(("113108", "Retain Patient Characteristics Option"))
    clean.DeidentificationMethodCodeSequence = [_dicom_code(*code) for code in codes]
    clean.LongitudinalTemporalInformationModified = "MODIFIED" if options.shift_dates else "REMOVED"


def _dicom_code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _add_meta(clean: Dataset, dataset: Dataset) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = clean.SOPClassUID, clean.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax_of(dataset)
    clean.file_meta = meta
