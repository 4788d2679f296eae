"""LPS grids in Slicer's terms: an IJK-to-RAS matrix and, for a sheared stack, the transform above it.

A Slicer volume may hold any regular IJK-to-RAS matrix in memory, but its tools, its volume rendering and ITK under its
readers expect orthogonal directions. Slicer's own DICOM import therefore loads a tilted-gantry stack as an orthogonal
volume under an acquisition transform. The same is done here, with a linear transform, which is exact for a constant
shear (a grid transform would only approximate it): volume and segmentation are orthogonal, and both lie under one
transform that shears them to where the patient is. Hardening it in Slicer gives the sheared matrix itself.
"""

from __future__ import annotations

import numpy as np

from ..geometry.grid import LPS_TO_RAS, Grid

__all__ = ["SHEAR_TOLERANCE_MM", "orthogonal_frame"]

SHEAR_TOLERANCE_MM = 0.01
"""A grid whose far corner moves less than this when made orthogonal is orthogonal: rounding of headers is below."""


def orthogonal_frame(grid: Grid) -> tuple[np.ndarray, np.ndarray | None]:
    """Split a grid's affine into an orthogonal IJK-to-RAS matrix and the transform to RAS above it.

    Returns
    -------
    ijk_to_ras, transform:
        4 x 4 each, millimetres; `transform @ ijk_to_ras` is the grid in RAS. `transform` is None where the grid is
        orthogonal already.
    """
    exact = LPS_TO_RAS @ grid.affine
    directions, steps = np.linalg.qr(exact[:3, :3])
    orthogonal = exact.copy()
    orthogonal[:3, :3] = directions * np.diag(steps)
    extent = np.array(grid.shape[::-1])
    if np.abs(np.triu(steps, 1) @ extent).max() <= SHEAR_TOLERANCE_MM:
        return exact, None
    return orthogonal, exact @ np.linalg.inv(orthogonal)
