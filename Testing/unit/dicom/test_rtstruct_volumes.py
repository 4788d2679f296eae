"""Volumes of contours against the area of the polygons in the file (shoelace formula in space, plain pydicom)."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from Dose3DLib.dicom.ct import read_ct_reference
from Dose3DLib.dicom.rtstruct import read_rtstruct
from Dose3DLib.geometry.occupancy import contours_to_occupancy, contours_volume_cc

SLICE_MM = {"a_iso1mm_80": 1.0, "b_aniso_64x80": 2.5, "c_oblique_64": 1.0, "d_gantry15_64": np.cos(np.radians(15))}


def area_vector(points):
    """Half the sum of cross products: the polygon's normal times its area (LPS, mm^2)."""
    away = points - points[0]
    return np.cross(away[:-1], away[1:]).sum(axis=0) / 2


def depth(point, others):
    """How many of the other polygons of the plane hold a point (seen along the patient's axis)."""
    count = 0
    for polygon in others:
        (x1, y1), (x2, y2) = polygon[:, :2].T, np.roll(polygon[:, :2], -1, axis=0).T
        cut = (y1 > point[1]) != (y2 > point[1])
        crossings = x1[cut] + (point[1] - y1[cut]) * (x2[cut] - x1[cut]) / (y2[cut] - y1[cut])
        count += int((crossings > point[0]).sum()) % 2
    return count


def area_mm2(contours):
    """Even-odd area of one plane whose polygons don't cross: polygons in polygons are subtracted, and so on."""
    polygons = [np.array([float(v) for v in c.ContourData]).reshape(-1, 3) for c in contours]
    total = 0.0
    for n, polygon in enumerate(polygons):
        others = polygons[:n] + polygons[n + 1 :]
        total += (-1) ** depth(polygon[0], others) * np.linalg.norm(area_vector(polygon))
    return total


@pytest.mark.parametrize("phantom", SLICE_MM)
def test_polygon_area_times_slice_distance(shared_data, phantom):
    folder = shared_data / "dicom_phantom" / phantom
    reference = read_ct_reference(folder / "ct")
    found = read_rtstruct(folder / "rs_exact.dcm", reference)
    dataset = pydicom.dcmread(folder / "rs_exact.dcm")
    names = {roi.ROINumber: str(roi.ROIName) for roi in dataset.StructureSetROISequence}
    for item in dataset.ROIContourSequence:
        planes = {}
        for contour in item.ContourSequence:
            planes.setdefault(contour.ContourImageSequence[0].ReferencedSOPInstanceUID, []).append(contour)
        expected_cc = sum(map(area_mm2, planes.values())) * SLICE_MM[phantom] / 1000
        contours = found[names[item.ReferencedROINumber]].contours
        _, occupancy = contours_to_occupancy(contours, reference.grid)
        covered_cc = float(occupancy.sum(dtype=np.float64)) * reference.grid.voxel_volume_mm3 / 1000
        assert covered_cc == pytest.approx(expected_cc, rel=1e-4)
        assert contours_volume_cc(contours, reference.grid) == pytest.approx(expected_cc, rel=1e-4)
        assert occupancy.min() >= 0
        assert occupancy.max() <= 1
