"""Small CT series for tests, written with plain pydicom only, so that the library is judged by other code."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
PRONE = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
FEET_FIRST = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def phantom_hu(shape: tuple[int, int, int] = (6, 16, 20)) -> np.ndarray:
    """Air around a body with a bone that is not symmetric: every flip and swap of axes shows. int16 HU [k, j, i]."""
    k, j, i = np.indices(shape)
    array = np.full(shape, -1000, np.int16)
    body = (np.abs(j - shape[1] / 2) < shape[1] * 0.4) & (np.abs(i - shape[2] / 2) < shape[2] * 0.4)
    array[body] = 40 + (k[body] * 7 + j[body] * 3 + i[body]) % 60
    array[: shape[0] // 2 + 1, : shape[1] // 2, : shape[2] // 3][
        body[: shape[0] // 2 + 1, : shape[1] // 2, : shape[2] // 3]
    ] = 900
    return array


def oblique(degrees: tuple[float, float, float] = (20.0, 15.0, 10.0)) -> tuple[float, ...]:
    """Direction cosines of rows and columns turned about x, y and z."""
    a, b, c = np.radians(degrees)
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    turn = rz @ ry @ rx
    return tuple(float(v) for v in np.concatenate([turn[:, 0], turn[:, 1]]))


def positions(
    count: int,
    orientation: tuple[float, ...] = AXIAL,
    distance: float = 2.5,
    origin: tuple[float, float, float] = (-10.0, -20.0, 30.0),
    step: tuple[float, float, float] | None = None,
) -> np.ndarray:
    """First-pixel positions (count, 3) in LPS mm; `step` from slice to slice, by default along the normal."""
    normal = np.cross(orientation[:3], orientation[3:]) * distance
    return np.array(origin) + np.arange(count)[:, None] * np.array(normal if step is None else step)


def ds(values: Any) -> list[str]:
    """Decimal strings of at most 16 characters."""
    return [pydicom.valuerep.format_number_as_ds(float(v)) for v in np.atleast_1d(values)]


def header(**overrides: Any) -> Dataset:
    """Patient, study and series of a CT slice; an override of None removes the attribute."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.Modality = CTImageStorage, "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = "Test^Ärzt", "T1", "", "O"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "20200101", "120000", "1", ""
    dataset.ReferringPhysicianName = dataset.Manufacturer = dataset.PositionReferenceIndicator = ""
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.FrameOfReferenceUID = generate_uid()
    dataset.SeriesNumber, dataset.SeriesDescription, dataset.PatientPosition = 1, "test series", "HFS"
    dataset.KVP, dataset.AcquisitionNumber = "120", 1
    dataset.SliceThickness, dataset.BodyPartExamined = "2.5", "HEADNECK"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "0", "HU"
    override(dataset, overrides)
    return dataset


def override(dataset: Dataset, values: dict[str, Any]) -> None:
    """Set attributes by keyword; None removes."""
    for keyword, value in values.items():
        if value is None:
            dataset.pop(pydicom.tag.Tag(keyword), None)
        else:
            setattr(dataset, keyword, value)


def save(dataset: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian, preamble: bool = True) -> None:
    """Write a file; without `preamble` only the data set, as old archives have it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not preamble:
        pydicom.dcmwrite(
            path, dataset, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian
        )
        return
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", CTImageStorage)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)


def write_series(
    folder: Path,
    array_hu: np.ndarray | None = None,
    *,
    orientation: tuple[float, ...] = AXIAL,
    spacing: tuple[float, float] = (1.3, 0.8),
    places: np.ndarray | None = None,
    rescale: Callable[[int], tuple[float, float]] = lambda k: (1.0, 0.0),
    syntax: str = ExplicitVRLittleEndian,
    compress: str | None = None,
    change: Callable[[int, Dataset], None] = lambda k, dataset: None,
    names: Callable[[int], str] = lambda k: f"{(k * 37 + 5) % 101:03d}.dcm",
    preamble: bool = True,
    **overrides: Any,
) -> list[Path]:
    """Write HU [k, j, i] as one file a slice and return the paths in k order.

    Parameters
    ----------
    spacing:
        of rows and of columns, mm, as in Pixel Spacing.
    places:
        Image Position (Patient) of each slice; default `positions(...)`.
    rescale:
        slope and intercept of slice k; the stored value is (HU - intercept) / slope, rounded.
    compress:
        transfer syntax that pydicom encodes the pixels with.
    change:
        edits the data set of slice k last.
    names:
        file name of slice k; the default is not in slice order.
    overrides:
        attributes of all slices by keyword; None removes one.
    """
    array_hu = phantom_hu() if array_hu is None else array_hu
    places = positions(len(array_hu), orientation) if places is None else places
    base, paths = header(**overrides), []
    for k, place in enumerate(places):
        dataset = copy.deepcopy(base)
        if rescale(k) != (1.0, 0.0):
            dataset.RescaleSlope, dataset.RescaleIntercept = (ds(value)[0] for value in rescale(k))
        dataset.SOPInstanceUID, dataset.InstanceNumber = generate_uid(), (k * 5) % 7
        geometry = {"ImagePositionPatient": ds(place), "ImageOrientationPatient": ds(orientation)}
        geometry |= {"PixelSpacing": ds(spacing), "SliceLocation": str((k * 3) % 5)}
        for keyword in geometry.keys() - overrides.keys():
            setattr(dataset, keyword, geometry[keyword])
        _store(dataset, array_hu[k], rescale(k), big_endian=syntax == ExplicitVRBigEndian)
        if "Rows" in overrides:
            dataset.Rows = overrides["Rows"]
        change(k, dataset)
        paths.append(Path(folder) / names(k))
        if compress:
            _compress(dataset, syntax, compress)
        save(dataset, paths[-1], compress or syntax, preamble or bool(compress))
    return paths


def _store(dataset: Dataset, hu: np.ndarray, rescale: tuple[float, float], big_endian: bool) -> None:
    """Pixels of one slice in the data set's own number format."""
    slope, intercept = rescale
    stored = np.rint((hu - intercept) / slope)
    kind = {0: "u", 1: "i"}[dataset.PixelRepresentation] + str(dataset.BitsAllocated // 8)
    dataset.Rows, dataset.Columns = stored.shape
    dataset.PixelData = np.ascontiguousarray(stored.astype((">" if big_endian else "<") + kind)).tobytes()
    dataset["PixelData"].VR = "OW"


def _compress(dataset: Dataset, syntax: str, compress: str) -> None:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.compress(compress, generate_instance_uid=False)


def write_enhanced(
    path: Path,
    array_hu: np.ndarray | None = None,
    *,
    orientation: tuple[float, ...] = AXIAL,
    spacing: tuple[float, float] = (1.3, 0.8),
    places: np.ndarray | None = None,
    shuffle: bool = True,
    change: Callable[[Dataset], None] = lambda dataset: None,
    compress: str | None = None,
    **overrides: Any,
) -> Path:
    """Write one enhanced multi-frame CT; its frames are stored in another order than their positions."""
    array_hu = phantom_hu() if array_hu is None else array_hu
    places = positions(len(array_hu), orientation) if places is None else places
    order = np.roll(np.arange(len(array_hu))[::-1], 2) if shuffle else np.arange(len(array_hu))
    dataset = header(SOPClassUID=EnhancedCTImageStorage, RescaleSlope=None, RescaleIntercept=None, RescaleType=None)
    dataset.SOPInstanceUID, dataset.InstanceNumber = generate_uid(), 1
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=ds(spacing), SliceThickness="99")]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=ds(orientation))]
    shared.PixelValueTransformationSequence = [_item(RescaleSlope="1", RescaleIntercept="-1024", RescaleType="HU")]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in order:
        frame = Dataset()
        frame.PlanePositionSequence = [_item(ImagePositionPatient=ds(places[k]))]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = array_hu.shape
    dataset.PixelData = (array_hu[order].astype(np.int32) + 1024).astype("<i2").tobytes()
    dataset["PixelData"].VR = "OW"
    override(dataset, overrides)
    change(dataset)
    if compress:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(compress, generate_instance_uid=False)
    save(dataset, path, compress or ExplicitVRLittleEndian)
    return path


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item
