"""DICOM Segmentations out (PS3.3 A.51): BINARY, one segment a structure, overlaps kept, only frames that hold voxels.

highdicom makes the object from a single frame a segment; the frames of all slices are then filled in here, since
highdicom wants all segments of all slices as one array, which for 100 structures of a CT are 5 GB.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DS

import Dose3DLib

from ..core import nomenclature
from ..core.errors import InputError
from ..geometry.structure import Structure, StructureSet
from .attributes import (
    MANUFACTURER,
    MODEL_NAME,
    add_contribution,
    check_structures,
    clean_text,
    copy_patient_and_study,
    save_dataset,
)
from .ct import CtReference, ImageReference

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

__all__ = ["SegAttributes", "TYPE_PREFIX", "write_seg"]

TYPE_PREFIX = "RT ROI Interpreted Type: "
"""Begins the Segment Description, which keeps what SEG has no attribute for."""

ALGORITHMS = ("AUTOMATIC", "SEMIAUTOMATIC", "MANUAL")
_SOURCE_PURPOSE = ("121322", "DCM", "Source image for image processing operation")
_DERIVATION = ("113076", "DCM", "Segmentation")


@dataclass(frozen=True)
class SegAttributes:
    """What the object says about itself; patient, study and frame of reference come from the CT.

    Parameters
    ----------
    series_description, series_number:
        of the new series.
    algorithm, algorithm_name:
        Segment Algorithm Type (AUTOMATIC, SEMIAUTOMATIC, MANUAL) and Name.
    provenance:
        how it was made; at most 1024 characters, written as Contribution Description.
    """

    series_description: str = "Dose3D segmentation"
    series_number: int = 1001
    algorithm: str = "AUTOMATIC"
    algorithm_name: str = "Dose3D"
    provenance: str = ""

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise InputError("segment algorithm type", f"'{self.algorithm}' is unknown", f"use one of {ALGORITHMS}")


def write_seg(
    structures: StructureSet, reference: CtReference, path: Path, attributes: SegAttributes | None = None
) -> tuple[str, ...]:
    """Write structures as a BINARY Segmentation of a CT series; an existing file is replaced.

    Returns
    -------
    tuple of str
        sentences for the user: the structures left out because they are empty.

    Raises
    ------
    InputError
        a name that is empty, used twice or over 64 characters; another grid than the CT's; nothing to write.
    OutputError
        the file cannot be written.
    """
    attributes = attributes or SegAttributes()
    check_structures(structures, reference.grid)
    empty = [s.name for s in structures if s.mask.is_empty]
    filled = [s for s in structures if not s.mask.is_empty]
    if not filled:
        raise InputError("structures", "are all empty", "give at least one structure with voxels")
    dataset = _object(filled, reference, attributes)
    frames = [(n, k) for n, s in enumerate(filled) for k in range(s.mask.slices[0].start, s.mask.slices[0].stop)]
    frames = [(n, k) for n, k in frames if filled[n].mask.block[k - filled[n].mask.offset[0]].any()]
    _fill_frames(dataset, frames, reference)
    dataset.PixelData = _packed(filled, frames)
    save_dataset(dataset, path, ExplicitVRLittleEndian)
    return (f"left out because empty: {', '.join(empty)}",) if empty else ()


def _object(filled: list[Structure], reference: CtReference, attributes: SegAttributes) -> Dataset:
    """The Segmentation with one frame a segment, all else complete."""
    import highdicom

    source = _source_image(reference)
    patient_name, source.PatientName = source.PatientName, ""  # highdicom has its own ideas of names
    grid = reference.grid
    distance_mm = grid.slice_distance_mm
    dataset = highdicom.seg.Segmentation(
        [source],
        np.ones((1, *grid.shape[1:], len(filled)), np.uint8),
        "BINARY",
        [_description(s, n, attributes) for n, s in enumerate(filled, 1)],
        generate_uid(prefix=None),
        attributes.series_number,
        generate_uid(prefix=None),
        1,
        MANUFACTURER,
        MODEL_NAME,
        Dose3DLib.__version__,
        "none",
        content_description="Research use only",
        content_label="SEGMENTATION",
        pixel_measures=highdicom.PixelMeasuresSequence(grid.spacing_mm[1:], distance_mm, distance_mm),
        series_description=clean_text(attributes.series_description, 64),
    )
    source.PatientName = patient_name
    _mend(dataset, source, filled, reference)
    add_contribution(dataset, attributes.provenance)
    return dataset


def _mend(dataset: Dataset, source: Dataset, filled: list[Structure], reference: CtReference) -> None:
    """What highdicom has no argument for: UTF-8, side of an organ, references to all slices, the CT's own texts."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    copy_patient_and_study(source, dataset)
    dataset.SeriesDate, dataset.SeriesTime = dataset.InstanceCreationDate, dataset.InstanceCreationTime
    dataset.ContentDate, dataset.ContentTime = dataset.InstanceCreationDate, dataset.InstanceCreationTime
    for item, structure in zip(dataset.SegmentSequence, filled, strict=True):
        entry = nomenclature.lookup(structure.name)
        if entry and entry.modifier:
            code = _code(entry.modifier.value, entry.modifier.scheme, entry.modifier.meaning)
            item.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [code]
        item.SegmentDescription = f"{TYPE_PREFIX}{structure.interpreted_type}"
    series = Dataset()
    series.SeriesInstanceUID = str(reference.header.SeriesInstanceUID)
    series.ReferencedInstanceSequence = _referenced(reference)
    dataset.ReferencedSeriesSequence = [series]
    _mend_shared(dataset.SharedFunctionalGroupsSequence[0], reference)


def _mend_shared(shared: Dataset, reference: CtReference) -> None:
    """From one source image highdicom takes the slices for 1 mm apart, and it shares the number of a single segment."""
    measures = shared.PixelMeasuresSequence[0]
    measures.SpacingBetweenSlices = DS(reference.grid.slice_distance_mm, auto_format=True)
    shared.pop("SegmentIdentificationSequence", None)


def _source_image(reference: CtReference) -> Dataset:
    """A stand-in for the CT's first slice: identity and geometry, no more, whatever the CT's own header lacks."""
    grid = reference.grid
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    copy_patient_and_study(reference.header, image)
    image.SOPClassUID = CTImageStorage
    # highdicom refers to it as the source of the segmentation, so it must be an image that there is.
    image.SOPInstanceUID = next(slice_.sop_instance_uid for slice_ in reference.slices if slice_)
    image.SeriesInstanceUID = str(reference.header.SeriesInstanceUID)
    image.Modality = "CT"
    image.Rows, image.Columns = grid.shape[1:]
    image.ImagePositionPatient = _decimals(grid.affine[:3, 3])
    axes = grid.affine[:3, :2] / np.linalg.norm(grid.affine[:3, :2], axis=0)
    image.ImageOrientationPatient = _decimals(axes.T.ravel())
    image.PixelSpacing = _decimals(grid.spacing_mm[1:])
    image.SliceThickness = DS(grid.slice_distance_mm, auto_format=True)
    return image


def _decimals(numbers: Any) -> list[DS]:
    return [DS(float(number) + 0.0, auto_format=True) for number in numbers]


def _description(structure: Structure, number: int, attributes: SegAttributes) -> SegmentDescription:
    import highdicom
    from pydicom.sr.codedict import codes

    entry = nomenclature.lookup(structure.name)
    category = entry.category if entry else nomenclature.TISSUE
    kind = entry.type if entry else nomenclature.TISSUE
    automatic = attributes.algorithm != "MANUAL"
    algorithm = highdicom.AlgorithmIdentificationSequence(
        clean_text(attributes.algorithm_name, 64) or "Dose3D", codes.DCM.ArtificialIntelligence, Dose3DLib.__version__
    )
    return highdicom.seg.SegmentDescription(
        number,
        structure.name.strip(),
        highdicom.sr.CodedConcept(category.value, category.scheme, category.meaning),
        highdicom.sr.CodedConcept(kind.value, kind.scheme, kind.meaning),
        attributes.algorithm,
        algorithm if automatic else None,
        tracking_uid=generate_uid(prefix=None),
        tracking_id=structure.name.strip(),
        display_color=highdicom.color.CIELabColor.from_rgb(*structure.color),
    )


def _referenced(reference: CtReference) -> list[Dataset]:
    """One item an image file, in the order of the slices."""
    files = {(image.sop_class_uid, image.sop_instance_uid): None for image in reference.slices if image}
    return [_instance(class_uid, instance_uid) for class_uid, instance_uid in files]


def _instance(class_uid: str, instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = class_uid, instance_uid
    return item


def _fill_frames(dataset: Dataset, frames: list[tuple[int, int]], reference: CtReference) -> None:
    """Per-frame Functional Groups for (segment index, slice k); parts that frames share are the same object."""
    places = sorted({k for _, k in frames})
    rank = {k: n for n, k in enumerate(places, 1)}
    positions = {k: _position(reference, k) for k in places}
    sources = {k: _derivation(reference.slices[k]) for k in places}
    numbers = [_segment_identification(n) for n in range(1, len(dataset.SegmentSequence) + 1)]
    groups = []
    for n, k in frames:
        content = Dataset()
        content.DimensionIndexValues = [n + 1, rank[k]]
        group = Dataset()
        group.FrameContentSequence = [content]
        group.PlanePositionSequence = positions[k]
        group.DerivationImageSequence = sources[k]
        group.SegmentIdentificationSequence = numbers[n]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.NumberOfFrames = len(groups)


def _position(reference: CtReference, k: int) -> list[Dataset]:
    item = Dataset()
    item.ImagePositionPatient = _decimals(reference.grid.to_lps(np.array([0, 0, k])))
    return [item]


def _derivation(image: ImageReference | None) -> list[Dataset]:
    """Which CT slice a frame was drawn on (PS3.3 C.7.6.16.2.6); none for a slice that was interpolated."""
    if image is None:
        return []
    source = _instance(image.sop_class_uid, image.sop_instance_uid)
    if image.frame_number is not None:
        source.ReferencedFrameNumber = image.frame_number
    source.PurposeOfReferenceCodeSequence = [_code(*_SOURCE_PURPOSE)]
    source.SpatialLocationsPreserved = "YES"
    item = Dataset()
    item.SourceImageSequence = [source]
    item.DerivationCodeSequence = [_code(*_DERIVATION)]
    return [item]


def _segment_identification(number: int) -> list[Dataset]:
    item = Dataset()
    item.ReferencedSegmentNumber = number
    return [item]


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _packed(filled: list[Structure], frames: list[tuple[int, int]]) -> bytes:
    """All frames as bits, first pixel in the lowest bit (PS3.5 8.1.1), padded to an even number of bytes.

    Frames follow one another without padding, so eight at a time are packed: these always fill whole bytes.
    """
    rows, columns = filled[0].mask.grid.shape[1:]
    parts = []
    for start in range(0, len(frames), 8):
        chunk = np.zeros((min(8, len(frames) - start), rows, columns), bool)
        for plane, (n, k) in zip(chunk, frames[start : start + 8], strict=True):
            mask = filled[n].mask
            plane[mask.slices[1:]] = mask.block[k - mask.offset[0]]
        parts.append(np.packbits(chunk.ravel(), bitorder="little").tobytes())
    data = b"".join(chain(parts))
    return data + b"\0" * (len(data) % 2)
