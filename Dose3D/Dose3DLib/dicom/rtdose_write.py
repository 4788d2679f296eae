"""Dose out as RTDOSE (DICOM PS3.3 A.18.3): relative plane offsets, 16 or 32 bits, rounding stated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import RTDoseStorage, RTPlanStorage, RTStructureSetStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from ..core.errors import InputError
from ..geometry.grid import Volume
from .attributes import add_contribution, clean_text, decimals, derived_dataset, save_dataset, set_image_plane
from .ct import CtReference
from .rtdose import RtDose

__all__ = ["RoiDvh", "RtDoseAttributes", "write_rtdose"]

PERPENDICULAR_TOLERANCE_MM = 0.01
"""RTDOSE planes are stacked along their normal; a sheared grid is refused when its planes shift by more in all."""


@dataclass(frozen=True)
class RoiDvh:
    """Volumes, cm3, of the ROI of this number that receive at least 0, 1, 2 ... times `step_gy`."""

    roi_number: int
    step_gy: float
    volumes_cc: tuple[float, ...]


@dataclass(frozen=True)
class RtDoseAttributes:
    """What the dose is.

    Parameters
    ----------
    bits:
        16 or 32 a voxel.
    grid_scaling:
        Gy a stored unit; None: as fine as the bits allow. A dose that was read and goes out again stays identical with
        its source's scaling and bits.
    plan_uid:
        SOP Instance UID of the RT Plan, which the standard asks for with summation PLAN; "": a new UID is referred to,
        and the notes say so.
    structures_uid:
        SOP Instance UID of the RT Structure Set that `dvhs` are of; an RTDOSE can refer to one in that way only.
    dvhs:
        cumulative dose-volume histograms; without any there is no reference to structures.
    """

    bits: int = 32
    grid_scaling: float | None = None
    dose_type: str = "PHYSICAL"
    summation_type: str = "PLAN"
    plan_uid: str = ""
    structures_uid: str = ""
    dvhs: tuple[RoiDvh, ...] = ()
    series_description: str = "Dose"
    comment: str = ""
    provenance: str = ""

    def __post_init__(self) -> None:
        if self.bits not in (16, 32):
            raise InputError("bits", f"{self.bits} bits a voxel are not possible", "choose 16 or 32")


def write_rtdose(
    volume_gy: Volume,
    path: Path,
    reference: CtReference | Dataset,
    attributes: RtDoseAttributes | None = None,
) -> RtDose:
    """Write a dose in Gy into the study and frame of reference of a CT; an existing file is replaced.

    Returns
    -------
    What was written: the rounded dose and notes on the rounding.

    Raises
    ------
    InputError
        dose that is negative or not a number, a sheared grid or one plane only.
    OutputError
        the file cannot be written.
    """
    attributes, path = attributes or RtDoseAttributes(), Path(path)
    _check(volume_gy, path)
    scaling = _scaling(volume_gy, attributes, path)
    order = _writing_order(volume_gy)
    header = reference.header if isinstance(reference, CtReference) else reference
    dataset = derived_dataset(header, RTDoseStorage, "RTDOSE", attributes.series_description, 1001)
    _add_dose(dataset, attributes, scaling)
    _add_grid(dataset, volume_gy, order, attributes.bits)
    stored = _stored(volume_gy, order, float(scaling), attributes.bits)
    dataset.PixelData = stored.tobytes()
    save_dataset(dataset, path)
    del dataset.PixelData
    written = Volume((stored[np.argsort(order)] * float(scaling)).astype(np.float32), volume_gy.grid)
    return RtDose(written, dataset, _notes(attributes, scaling))


def _check(volume: Volume, path: Path) -> None:
    low, high = float(volume.array.min()), float(volume.array.max())
    if not np.isfinite([low, high]).all():
        raise InputError(path, "the dose holds values that are not numbers", "check where the dose comes from")
    if low < 0:
        raise InputError(path, f"the dose is negative in places ({low:g} Gy)", "set negative values to 0 before")
    grid = volume.grid
    if grid.shape[0] < 2:
        raise InputError(path, "the dose has one plane only", "give a dose of several planes")
    row, column, step = grid.affine[:3, :3].T
    aside = np.linalg.norm(step - grid.normal * (grid.normal @ step)) * grid.shape[0]
    skew = abs(row @ column) / np.linalg.norm(row) / np.linalg.norm(column)
    if aside > PERPENDICULAR_TOLERANCE_MM or skew > 1e-4:
        cause = "the dose grid is sheared, which RTDOSE cannot say"
        raise InputError(path, cause, "resample the dose to a straight grid")


def _scaling(volume: Volume, attributes: RtDoseAttributes, path: Path) -> str:
    """Dose Grid Scaling as the decimal string that is written, so that rounding refers to what readers see."""
    highest, steps = float(volume.array.max()), 2**attributes.bits - 1
    if attributes.grid_scaling is None:
        # One part in 1e8 more, so that the decimal's own rounding never pushes the maximum beyond the last step.
        return format_number_as_ds(max(highest, 1e-6) / steps * (1 + 1e-8))
    if attributes.grid_scaling <= 0 or highest / attributes.grid_scaling > steps:
        cause = f"{highest:g} Gy do not fit {attributes.bits} bits in steps of {attributes.grid_scaling:g} Gy"
        raise InputError(path, cause, "choose a larger grid scaling or 32 bits")
    return format_number_as_ds(attributes.grid_scaling)


def _writing_order(volume: Volume) -> np.ndarray:
    """k of each written plane: offsets grow along cross(row, column)."""
    order = np.arange(volume.grid.shape[0])
    return order if np.linalg.det(volume.grid.affine[:3, :3]) > 0 else order[::-1]


def _stored(volume: Volume, order: np.ndarray, scaling: float, bits: int) -> np.ndarray:
    stored = np.empty(volume.array.shape, "<u2" if bits == 16 else "<u4")
    for plane, k in enumerate(order):
        stored[plane] = np.rint(volume.array[k] / np.float64(scaling))
    return stored


def _add_dose(dataset: Dataset, attributes: RtDoseAttributes, scaling: str) -> None:
    dataset.DoseUnits, dataset.DoseType = "GY", attributes.dose_type
    dataset.DoseSummationType = attributes.summation_type
    dataset.DoseGridScaling = scaling
    if attributes.comment:
        dataset.DoseComment = clean_text(attributes.comment, 64)
    plan = Dataset()
    plan.ReferencedSOPClassUID = RTPlanStorage
    plan.ReferencedSOPInstanceUID = attributes.plan_uid or generate_uid(prefix=None)
    dataset.ReferencedRTPlanSequence = [plan]
    if attributes.structures_uid and attributes.dvhs:
        _add_dvhs(dataset, attributes)
    if attributes.provenance:
        add_contribution(dataset, attributes.provenance)


def _add_dvhs(dataset: Dataset, attributes: RtDoseAttributes) -> None:
    """The RT DVH module (C.8.8.4)."""
    structures = Dataset()
    structures.ReferencedSOPClassUID = RTStructureSetStorage
    structures.ReferencedSOPInstanceUID = attributes.structures_uid
    dataset.ReferencedStructureSetSequence = [structures]
    dataset.DVHSequence = []
    for dvh in attributes.dvhs:
        roi, item = Dataset(), Dataset()
        roi.ReferencedROINumber, roi.DVHROIContributionType = dvh.roi_number, "INCLUDED"
        item.DVHReferencedROISequence = [roi]
        item.DVHType, item.DoseUnits, item.DoseType = "CUMULATIVE", "GY", attributes.dose_type
        item.DVHDoseScaling, item.DVHVolumeUnits = "1", "CM3"
        item.DVHNumberOfBins = len(dvh.volumes_cc)
        item.DVHData = decimals(np.array([[dvh.step_gy, volume] for volume in dvh.volumes_cc]).ravel())
        dataset.DVHSequence.append(item)


def _add_grid(dataset: Dataset, volume: Volume, order: np.ndarray, bits: int) -> None:
    grid = volume.grid
    set_image_plane(dataset, grid)
    dataset.ImagePositionPatient = decimals(grid.to_lps(np.array([0, 0, order[0]])))
    dataset.GridFrameOffsetVector = decimals(abs(grid.slice_distance_mm) * np.arange(len(order)))
    dataset.FrameIncrementPointer = 0x3004000C
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = grid.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0


def _notes(attributes: RtDoseAttributes, scaling: str) -> tuple[str, ...]:
    notes = [f"dose rounded to multiples of {float(scaling):.6g} Gy ({attributes.bits} bits)"]
    if not attributes.plan_uid:
        notes.append("no plan was given; the dose refers to an RT Plan that does not exist")
    return tuple(notes)
