"""Doses along the patient's axes through a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.grid import Volume
from ..geometry.resample import sample_points

__all__ = ["Profile", "profiles"]

_MOST = 2000
_STEPS_A_VOXEL = 2


@dataclass(frozen=True, eq=False)
class Profile:
    """Doses along one axis.

    Parameters
    ----------
    axis:
        0, 1, 2 for x, y, z of LPS.
    at_mm:
        (n,) coordinate along the axis.
    doses:
        one (n,) array per dose, trilinear; NaN outside its grid.
    """

    axis: int
    at_mm: np.ndarray
    doses: tuple[np.ndarray, ...]

    @property
    def name(self) -> str:
        return ("x (to the left)", "y (to the back)", "z (to the head)")[self.axis]


def profiles(doses: Sequence[Volume], center_mm: tuple[float, float, float]) -> tuple[Profile, ...]:
    """Along x, y and z through an LPS place, over the box of the first dose's grid."""
    corners = doses[0].grid.corners_mm()
    step = min(min(dose.grid.spacing_mm) for dose in doses) / _STEPS_A_VOXEL
    found = []
    for axis in range(3):
        low, high = corners[:, axis].min(), corners[:, axis].max()
        at = np.linspace(low, high, int(np.clip(np.ceil((high - low) / step) + 1, 2, _MOST)))
        places = np.tile(np.array(center_mm, float), (len(at), 1))
        places[:, axis] = at
        found.append(Profile(axis, at, tuple(sample_points(dose, places) for dose in doses)))
    return tuple(found)
