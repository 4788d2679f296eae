"""The independent judge of RTSTRUCT files: plain pydicom, slice by slice, edge by edge; shares no code with Dose3D."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom


class Plane:
    """One CT slice as its header describes it (DICOM PS3.3 C.7.6.2.1.1)."""

    def __init__(self, dataset):
        self.uid = str(dataset.SOPInstanceUID)
        self.position = np.array([float(v) for v in dataset.ImagePositionPatient])
        orientation = np.array([float(v) for v in dataset.ImageOrientationPatient])
        self.row, self.column = orientation[:3], orientation[3:]
        self.between_rows, self.between_columns = (float(v) for v in dataset.PixelSpacing)
        self.normal = np.cross(self.row, self.column)
        self.shape = dataset.Rows, dataset.Columns

    def distance(self, points):
        return (points - self.position) @ self.normal

    def pixels(self, points):
        """Column and row of points, pixel centres at whole numbers."""
        away = points - self.position
        return away @ self.row / self.between_columns, away @ self.column / self.between_rows


def read_planes(folder: Path) -> list[Plane]:
    """The slices of a series of one file each, sorted along their normal."""
    planes = [Plane(pydicom.dcmread(file, stop_before_pixels=True)) for file in Path(folder).iterdir()]
    return sorted(planes, key=lambda plane: plane.position @ planes[0].normal)


def decode(path: Path, planes: list[Plane]) -> dict[str, np.ndarray]:
    """Mask [k, j, i] of each ROI: pixel centre, even-odd over the contours of a slice."""
    dataset = pydicom.dcmread(path)
    names = {roi.ROINumber: str(roi.ROIName) for roi in dataset.StructureSetROISequence}
    masks = {}
    for item in dataset.ROIContourSequence:
        mask = np.zeros((len(planes), *planes[0].shape), bool)
        for contour in item.get("ContourSequence", []):
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            points = np.array([float(v) for v in contour.ContourData]).reshape(-1, 3)
            assert len(points) == contour.NumberOfContourPoints
            distances = [np.abs(plane.distance(points)).max() for plane in planes]
            k = int(np.argmin(distances))
            assert distances[k] < 1e-3
            if "ContourImageSequence" in contour:
                assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID == planes[k].uid
            toggle(mask[k], *planes[k].pixels(points))
        masks[names[item.ReferencedROINumber]] = mask
    return masks


def toggle(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Flip all pixels whose centre has the polygon around it (ray to the right, edge by edge)."""
    rows, columns = np.arange(image.shape[0])[:, None], np.arange(image.shape[1])[None]
    for x1, y1, x2, y2 in zip(x, y, np.roll(x, -1), np.roll(y, -1), strict=True):
        if y1 != y2:
            image ^= ((y1 > rows) != (y2 > rows)) & (columns < x1 + (rows - y1) * (x2 - x1) / (y2 - y1))
