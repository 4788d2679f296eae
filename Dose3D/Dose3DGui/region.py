"""A markups ROI of the scene as the box of a task: six numbers in LPS millimetres, and a box around a volume."""

from __future__ import annotations

import numpy as np
from slicer.i18n import tr as _

__all__ = ["fitRoi", "roiNumbers", "roiProblem"]

ANGLE_TOLERANCE = 1e-3
"""Sine of the angle between box and axes: 0.3 mm on a side of 30 cm."""


def roiProblem(roi, volume) -> str:
    """Why a ROI cannot be used with this volume (None: files), or ""."""
    if roi.GetNumberOfControlPoints() < 1 or min(roi.GetSize()) <= 0:
        text = _("The region “{name}” is empty: place it in the views, or choose none.")
    elif not _isAlongAxes(roi):
        text = _(
            "The region “{name}” is oblique, and only boxes along the patient's axes can be used: reset its rotation."
        )
    elif volume is not None and volume.GetTransformNodeID():
        text = _(
            "The CT lies under a transform, where the region “{name}” would be oblique: harden the transform first."
        )
    else:
        return ""
    return text.format(name=roi.GetName())


def roiNumbers(roi) -> tuple[float, ...]:
    """x_min, x_max, y_min, y_max, z_min, z_max in LPS mm, to a hundredth; the ROI's world frame is RAS."""
    ras = [0.0] * 6
    roi.GetRASBounds(ras)
    lps = (-ras[1], -ras[0], -ras[3], -ras[2], ras[4], ras[5])
    return tuple(round(number, 2) + 0.0 for number in lps)


def fitRoi(roi, volume) -> None:
    """Make a new ROI the box around a volume, so that the user has something to drag."""
    ras = [0.0] * 6
    volume.GetRASBounds(ras)
    roi.SetCenter(*[(ras[2 * axis] + ras[2 * axis + 1]) / 2 for axis in range(3)])
    roi.SetSize(*[ras[2 * axis + 1] - ras[2 * axis] for axis in range(3)])
    roi.CreateDefaultDisplayNodes()


def _isAlongAxes(roi) -> bool:
    """Whether each of its axes is along an axis of the patient; which one, and in what direction, is the same box."""
    matrix = roi.GetObjectToWorldMatrix()
    turn = np.abs([[matrix.GetElement(row, column) for column in range(3)] for row in range(3)])
    turn = turn / np.linalg.norm(turn, axis=0)
    return bool((np.minimum(turn, np.abs(turn - 1)) < ANGLE_TOLERANCE).all())
