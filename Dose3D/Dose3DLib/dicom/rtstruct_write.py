"""RT Structure Sets out: exact pixel-edge contours that every reader decodes to the same voxels (DICOM PS3.3 A.19)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RTStructureSetStorage

from ..core.errors import InputError
from ..core.nomenclature import Code, lookup
from ..geometry.contours import mask_to_contours
from ..geometry.keyholes import join_holes
from ..geometry.structure import PlanarContours, Structure, StructureSet
from .attributes import add_contribution, check_person_name, check_structures, clean_text, derived_dataset, save_dataset
from .contour_items import LONGEST_EXPLICIT_VALUE, ROI_CONTOUR_SEQUENCE, ContourTexts, roi_contour_sequence
from .ct import CtReference, ImageReference
from .decimals import encode_decimals

__all__ = ["RtStructAttributes", "write_rtstruct"]

EDGE_DECIMALS = 4
"""Contours along pixel edges stay half a pixel away from all centres: 0.05 um of rounding cannot matter."""

CONTOUR_DECIMALS = 6
"""Contours that came from a file may pass close to pixel centres and keep more digits."""

_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management, retired, but what planning systems expect in RT Referenced Study Sequence."""

APPROVAL = ("UNAPPROVED", "APPROVED", "REJECTED")
ALGORITHMS = ("AUTOMATIC", "SEMIAUTOMATIC", "MANUAL", "")


@dataclass(frozen=True)
class RtStructAttributes:
    """What the object says about itself; the patient, study and frame of reference come from the CT.

    Parameters
    ----------
    label, name, description:
        Structure Set Label (at most 16 characters, not empty), Name (64), Description (1024).
    series_description, series_number:
        of the new series.
    approval_status, reviewer, reviewed_at:
        UNAPPROVED, APPROVED or REJECTED; the last two need the reviewer's name and have a time, now where none is
        given (Review Date, Time and Reviewer Name are there for these two only, DICOM PS3.3 C.8.8.16).
    keyholes:
        True joins holes to the outline around them, which every reader fills right; False writes them as contours of
        their own, which readers that fill each contour for itself (plastimatch) take for solid. Contours that came
        from a file stay as they are.
    algorithm:
        ROI Generation Algorithm: AUTOMATIC, SEMIAUTOMATIC, MANUAL or "" (unknown).
    algorithms, roi_descriptions:
        the same for single structures by name, and what their ROI Description says (1024 characters).
    provenance:
        how it was made (model, settings, inputs); at most 1024 characters, written as Contribution Description.
    """

    label: str = "Dose3D"
    name: str = "Dose3D structures"
    description: str = "Research use only"
    series_description: str = "Dose3D structures"
    series_number: int = 1000
    approval_status: str = "UNAPPROVED"
    reviewer: str = ""
    reviewed_at: datetime | None = None
    keyholes: bool = True
    algorithm: str = "AUTOMATIC"
    algorithms: Mapping[str, str] = field(default_factory=dict)
    roi_descriptions: Mapping[str, str] = field(default_factory=dict)
    provenance: str = ""

    def __post_init__(self) -> None:
        if not clean_text(self.label, 16) or len(self.label) > 16:
            raise InputError("structure set label", f"'{self.label}' is empty or over 16 characters", "shorten it")
        if self.approval_status not in APPROVAL:
            raise InputError("approval status", f"'{self.approval_status}' is unknown", f"use {', '.join(APPROVAL)}")
        if self.approval_status != "UNAPPROVED" and not clean_text(self.reviewer, 64):
            raise InputError("approval status", f"{self.approval_status} needs a reviewer", "name the reviewer")
        if self.reviewer:
            check_person_name(self.reviewer)
        for algorithm in (self.algorithm, *self.algorithms.values()):
            if algorithm not in ALGORITHMS:
                raise InputError("ROI generation algorithm", f"'{algorithm}' is unknown", f"use one of {ALGORITHMS}")


def write_rtstruct(
    structures: StructureSet, reference: CtReference, path: Path, attributes: RtStructAttributes | None = None
) -> tuple[str, ...]:
    """Write structures as an RTSTRUCT that refers to a CT series.

    Structures with contours are written with these contours, others with polygons along the edges of their voxels.
    An existing file is replaced.

    Returns
    -------
    tuple of str
        sentences for the user: the structures left out because they are empty.

    Raises
    ------
    InputError
        a name that is empty, used twice, over 64 characters or not writable; another grid than the CT's; nothing to
        write.
    OutputError
        the file cannot be written.
    """
    attributes = attributes or RtStructAttributes()
    check_structures(structures, reference.grid)
    outlines = [(s, _outline(s, attributes.keyholes)) for s in structures]
    empty = [s.name for s, outline in outlines if not outline]
    outlines = [(s, outline) for s, outline in outlines if outline]
    if not outlines:
        raise InputError("structures", "are all empty", "give at least one structure with voxels")
    numbered = zip(_numbers(outlines), outlines, strict=True)
    encoded = [(s, _contour_texts(s, number, reference, outline)) for number, (s, outline) in numbered]
    explicit = max(max(map(len, roi.texts)) for _, roi in encoded) <= LONGEST_EXPLICIT_VALUE
    contours = roi_contour_sequence([roi for _, roi in encoded], explicit)
    dataset = _dataset(encoded, reference, attributes)
    syntax = ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
    save_dataset(dataset, path, syntax, (ROI_CONTOUR_SEQUENCE, contours))
    return (f"left out because empty: {', '.join(empty)}",) if empty else ()


def _outline(structure: Structure, keyholes: bool) -> PlanarContours:
    if structure.contours:
        return structure.contours
    contours = mask_to_contours(structure.mask)
    return join_holes(contours) if keyholes else contours


def _numbers(outlines: list[tuple[Structure, PlanarContours]]) -> list[int]:
    """ROI numbers: those of the source when all are known and different, else 1, 2, ..."""
    numbers = [structure.number for structure, _ in outlines]
    if None not in numbers and len(set(numbers)) == len(numbers) and min(numbers) >= 0:
        return numbers
    return list(range(1, len(outlines) + 1))


def _contour_texts(structure: Structure, number: int, reference: CtReference, outline: PlanarContours) -> ContourTexts:
    """One structure's polygons in patient coordinates (LPS, mm) as decimal strings."""
    polygons = [(k, polygon) for k in sorted(outline) for polygon in outline[k]]
    slices, counts = [k for k, _ in polygons], [len(polygon) for _, polygon in polygons]
    if slices[0] < 0 or slices[-1] >= len(reference.slices) or min(counts) < 3:
        cause = "has contours beyond the CT's slices or of under 3 points"
        raise InputError(f"structure '{structure.name}'", cause, "mend its contours")
    points = np.empty((sum(counts), 3))
    points[:, :2] = np.concatenate([polygon for _, polygon in polygons])
    points[:, 2] = np.repeat(slices, counts)
    decimals = CONTOUR_DECIMALS if structure.contours else EDGE_DECIMALS
    try:
        texts = encode_decimals(reference.grid.to_lps(points).ravel(), 3 * np.cumsum(counts), decimals)
    except ValueError as error:
        raise InputError(f"structure '{structure.name}'", str(error), "mend its contours") from error
    red, green, blue = (int(min(max(part, 0), 255)) for part in structure.color)
    return ContourTexts(number, (red, green, blue), texts, counts, [reference.slices[k] for k in slices])


def _dataset(
    encoded: list[tuple[Structure, ContourTexts]], reference: CtReference, attributes: RtStructAttributes
) -> Dataset:
    """Everything but ROI Contour Sequence."""
    dataset = derived_dataset(
        reference.header, RTStructureSetStorage, "RTSTRUCT", attributes.series_description, attributes.series_number
    )
    add_contribution(dataset, attributes.provenance)
    dataset.StructureSetLabel = clean_text(attributes.label, 16)
    dataset.StructureSetName = clean_text(attributes.name, 64)
    dataset.StructureSetDescription = clean_text(attributes.description, 1024)
    dataset.StructureSetDate, dataset.StructureSetTime = dataset.InstanceCreationDate, dataset.InstanceCreationTime
    numbered = [(structure, roi.number) for structure, roi in encoded]
    frame_uid = dataset.FrameOfReferenceUID
    dataset.ReferencedFrameOfReferenceSequence = [_frame_item(reference, dataset)]
    dataset.StructureSetROISequence = [_roi_item(s, n, frame_uid, attributes) for s, n in numbered]
    dataset.RTROIObservationsSequence = [
        _observation_item(structure, number, n) for n, (structure, number) in enumerate(numbered, 1)
    ]
    dataset.ApprovalStatus = attributes.approval_status
    if attributes.approval_status != "UNAPPROVED":
        when = attributes.reviewed_at or datetime.now()
        dataset.ReviewDate, dataset.ReviewTime = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
        dataset.ReviewerName = clean_text(attributes.reviewer, 64)
    return dataset


def _frame_item(reference: CtReference, dataset: Dataset) -> Dataset:
    """Frame of reference -> study -> series -> all images (DICOM PS3.3 C.8.8.5)."""
    series = Dataset()
    series.SeriesInstanceUID = str(reference.header.SeriesInstanceUID)
    series.ContourImageSequence = [_image_item(image) for image in reference.slices if image is not None]
    study = Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = _STUDY_CLASS, dataset.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = dataset.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _image_item(image: ImageReference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.sop_class_uid, image.sop_instance_uid
    if image.frame_number is not None:
        item.ReferencedFrameNumber = image.frame_number
    return item


def _roi_item(structure: Structure, number: int, frame_uid: str, attributes: RtStructAttributes) -> Dataset:
    item = Dataset()
    item.ROINumber = number
    item.ReferencedFrameOfReferenceUID = frame_uid
    item.ROIName = structure.name.strip()
    if description := clean_text(attributes.roi_descriptions.get(structure.name), 1024):
        item.ROIDescription = description
    item.ROIGenerationAlgorithm = attributes.algorithms.get(structure.name, attributes.algorithm)
    return item


def _observation_item(structure: Structure, number: int, observation: int) -> Dataset:
    item = Dataset()
    item.ObservationNumber = observation
    item.ReferencedROINumber = number
    entry = lookup(structure.name)
    if entry is not None:
        item.RTROIIdentificationCodeSequence = [_code_item(entry.type)]
    kind = structure.interpreted_type
    item.RTROIInterpretedType = kind if re.fullmatch("[A-Z0-9_ ]{0,16}", kind) else ""
    item.ROIInterpreter = ""
    return item


def _code_item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning
    return item
