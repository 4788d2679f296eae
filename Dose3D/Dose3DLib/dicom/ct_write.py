"""A Volume out as a CT Image Storage series, one file a slice (DICOM PS3.3 A.3).

Used for CTs that did not come from DICOM (NIfTI, NRRD, phantoms), so that structures have a series to refer to.
"""

from __future__ import annotations

import copy
import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

import Dose3DLib

from ..core.errors import InputError
from ..core.output import atomic_output
from ..core.progress import Progress
from ..geometry.grid import Volume
from .attributes import MANUFACTURER, MODEL_NAME, copy_patient_and_study, decimals, set_image_plane
from .ct import CtReference, ImageReference

__all__ = ["PatientAttributes", "write_ct"]

INT16 = np.iinfo(np.int16)
RIGHT_ANGLE_TOLERANCE = 1e-4
"""Cosine between rows and columns; more cannot be said by Image Orientation (Patient)."""


@dataclass(frozen=True)
class PatientAttributes:
    """Whose image it is and how it is called; all plain text, "" where unknown.

    `study_date` is YYYYMMDD ("" means today). With a `uid_seed` all UIDs follow from it, so that a phantom keeps its
    identity; without, they are random.
    """

    patient_name: str = "Anonymous^Patient"
    patient_id: str = "anonymous"
    sex: str = ""
    birth_date: str = ""
    study_description: str = ""
    series_description: str = "CT"
    body_part: str = "HEADNECK"
    patient_position: str = "HFS"
    image_comments: str = ""
    study_date: str = ""
    uid_seed: str = ""


def write_ct(
    volume: Volume,
    folder: Path,
    patient: PatientAttributes | None = None,
    progress: Progress | None = None,
    beside: CtReference | None = None,
) -> CtReference:
    """Write HU as int16, slope 1, intercept 0, Explicit VR Little Endian; `folder` appears complete or not at all.

    Oblique and sheared stacks are exact: each slice has its own position (decimals of at most 16 characters, error
    below 1 um). Floats are rounded to whole HU, which the notes say. With `beside` the series belongs to the patient,
    the study and the frame of reference of that CT: both have the same coordinates.

    Returns
    -------
    The written series with the volume's own grid and k order, also when that is left-handed; `read_ct` of the folder
    then gives the same voxels with k reversed.

    Raises
    ------
    InputError
        values that are not numbers or beyond int16, rows and columns not at right angles, one slice only.
    OutputError
        the folder exists or cannot be written.
    """
    progress, folder = progress or Progress(), Path(folder)
    notes = _check(volume, folder)
    dataset = _series_header(volume, patient or PatientAttributes())
    if beside is not None:
        copy_patient_and_study(beside.header, dataset)
    seed = (patient or PatientAttributes()).uid_seed
    order = _writing_order(volume)
    references: list[ImageReference] = [None] * len(order)  # type: ignore[list-item]
    header = None
    with atomic_output(folder) as draft:
        draft.mkdir()
        for number, k in enumerate(order, start=1):
            progress.report(number / len(order), f"slice {number} of {len(order)}")
            uid = _uid(seed, f"image {number}")
            _fill_slice(dataset, volume, k, number, uid)
            dataset.save_as(draft / f"CT_{number:04d}.dcm", enforce_file_format=True)
            references[k] = ImageReference(CTImageStorage, uid, None)
            header = header or _without_pixels(dataset)
    return CtReference(volume.grid, header, tuple(references), notes)


def _check(volume: Volume, folder: Path) -> tuple[str, ...]:
    array, affine = volume.array, volume.grid.affine
    remedy = "check where the image comes from"
    if volume.grid.shape[0] < 2:
        raise InputError(folder, "an image of one slice has no slice distance", "give at least two slices")
    row, column = (affine[:3, n] / np.linalg.norm(affine[:3, n]) for n in (0, 1))
    if abs(row @ column) > RIGHT_ANGLE_TOLERANCE:
        cause = "rows and columns are not at right angles, which DICOM cannot say"
        raise InputError(folder, cause, "resample the image")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise InputError(folder, "the image holds values that are not numbers", remedy)
    if low < INT16.min or high > INT16.max:
        cause = f"values from {low:g} to {high:g} do not fit 16-bit Hounsfield units"
        raise InputError(folder, cause, remedy)
    if array.dtype.kind == "f" and not all(np.array_equal(part, np.rint(part)) for part in array):
        return ("Hounsfield units were rounded to whole numbers for DICOM",)
    return ()


def _uid(seed: str, what: str) -> str:
    return generate_uid(entropy_srcs=[seed, what] if seed else None)


def _writing_order(volume: Volume) -> list[int]:
    """k from the lowest to the highest position along cross(row, column), as readers sort."""
    count = volume.grid.shape[0]
    forward = np.linalg.det(volume.grid.affine[:3, :3]) > 0
    return list(range(count)) if forward else list(range(count - 1, -1, -1))


def _series_header(volume: Volume, patient: PatientAttributes) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    _add_patient_and_study(dataset, patient)
    _add_series(dataset, patient)
    _add_image(dataset, volume, patient)
    return dataset


def _add_patient_and_study(dataset: Dataset, patient: PatientAttributes) -> None:
    now = datetime.datetime.now()
    date = patient.study_date or now.strftime("%Y%m%d")
    time = "120000" if patient.study_date else now.strftime("%H%M%S")
    for prefix in ("Study", "Series", "Acquisition", "Content", "InstanceCreation"):
        setattr(dataset, f"{prefix}Date", date)
        setattr(dataset, f"{prefix}Time", time)
    dataset.PatientName = patient.patient_name
    dataset.PatientID = patient.patient_id
    dataset.PatientBirthDate = patient.birth_date
    dataset.PatientSex = patient.sex
    dataset.StudyInstanceUID = _uid(patient.uid_seed, "study")
    dataset.StudyID = "1"
    dataset.StudyDescription = patient.study_description
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""


def _add_series(dataset: Dataset, patient: PatientAttributes) -> None:
    dataset.Modality = "CT"
    dataset.SeriesInstanceUID = _uid(patient.uid_seed, "series")
    dataset.SeriesNumber = 1
    dataset.SeriesDescription = patient.series_description
    dataset.BodyPartExamined = patient.body_part
    dataset.PatientPosition = patient.patient_position
    dataset.OperatorsName = ""
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, MODEL_NAME
    dataset.SoftwareVersions = Dose3DLib.__version__
    dataset.FrameOfReferenceUID = _uid(patient.uid_seed, "frame of reference")
    dataset.PositionReferenceIndicator = ""


def _add_image(dataset: Dataset, volume: Volume, patient: PatientAttributes) -> None:
    dataset.SOPClassUID = CTImageStorage
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    dataset.AcquisitionNumber = 1
    dataset.KVP = None
    if patient.image_comments:
        dataset.ImageComments = patient.image_comments
    set_image_plane(dataset, volume.grid)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = volume.grid.shape[1:]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "HU"
    dataset.WindowCenter, dataset.WindowWidth = "40", "400"


def _fill_slice(dataset: Dataset, volume: Volume, k: int, number: int, uid: str) -> None:
    dataset.SOPInstanceUID = uid
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = decimals(volume.grid.to_lps(np.array([0, 0, k])))
    array = volume.array[k]
    values = array if array.dtype.kind in "iu" else np.rint(array)
    dataset.PixelData = np.ascontiguousarray(values.astype("<i2")).tobytes()


def _without_pixels(dataset: Dataset) -> Dataset:
    header = Dataset({element.tag: element for element in dataset if element.keyword != "PixelData"})
    header.file_meta = dataset.file_meta
    return copy.deepcopy(header)
