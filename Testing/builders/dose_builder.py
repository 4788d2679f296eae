"""Doses whose isodoses are known exactly, as volumes, image files and RTDOSE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from Dose3DLib.geometry.grid import Grid, Volume


def ball_dose(
    center_mm=(10.0, -5.0, 20.0), radius_mm: float = 30.0, maximum: float = 60.0, spacing_mm=(2.5, 2.0, 2.0),
    affine_turn: np.ndarray | None = None,
) -> Volume:  # fmt: skip
    """A cone of dose: `maximum` in the middle, falling to 0 at the radius; the isodose of half of it is half as wide.

    `affine_turn` (3 x 3) turns the grid's axes about the centre; the dose stays where it is in the patient.
    """
    shape = (33, 41, 41)
    steps = np.diag(spacing_mm[::-1])
    affine = np.eye(4)
    affine[:3, :3] = steps if affine_turn is None else affine_turn @ steps
    affine[:3, 3] = np.array(center_mm) - affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    grid = Grid(shape, affine)
    k, j, i = np.meshgrid(*map(np.arange, shape), indexing="ij")
    distance = np.linalg.norm(grid.to_lps(np.stack([i, j, k], axis=-1)) - np.array(center_mm), axis=-1)
    return Volume((maximum * np.clip(1 - distance / radius_mm, 0, None)).astype(np.float32), grid)


def write_rtdose_file(dose: Volume, path: Path, **overrides) -> Path:
    """The dose as an RTDOSE by plain pydicom (an axis-aligned grid), 32 bits, 1e-6 Gy a unit."""
    from builders import ct_builder as cb
    from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage, generate_uid

    dataset = cb.header(SOPClassUID=RTDoseStorage, Modality="RTDOSE", RescaleSlope=None, RescaleIntercept=None)
    dataset.SOPInstanceUID = generate_uid()
    affine = dose.grid.affine
    dataset.ImagePositionPatient = cb.ds(affine[:3, 3])
    dataset.ImageOrientationPatient = cb.ds(np.rint([*np.sign(affine[:3, 0]), *np.sign(affine[:3, 1])]))
    k, j, i = dose.grid.spacing_mm
    dataset.PixelSpacing = cb.ds([j, i])
    dataset.GridFrameOffsetVector = cb.ds(np.arange(dose.grid.shape[0]) * k)
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = dose.grid.shape
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit, dataset.PixelRepresentation = 31, 0
    dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    dataset.DoseGridScaling = "0.000001"
    dataset.PixelData = np.rint(dose.array.astype(float) / 1e-6).astype("<u4").tobytes()
    dataset["PixelData"].VR = "OW"
    cb.override(dataset, overrides)
    cb.save(dataset, path, ExplicitVRLittleEndian)
    return path
