"""The difference of two doses on the grid of the first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..geometry.grid import Volume
from ..geometry.resample import sample_inside

__all__ = ["Difference", "dose_difference"]


@dataclass(frozen=True, eq=False)
class Difference:
    """First dose minus second, in the units of both.

    Parameters
    ----------
    volume:
        float32 on the first one's grid; NaN where the second one has no value.
    outside:
        share of the first one's voxels that lie outside the second's grid.
    same_grid:
        both have one grid; nothing was resampled.
    lowest, highest, mean_absolute:
        over the voxels that both have.
    """

    volume: Volume
    outside: float
    same_grid: bool
    lowest: float
    highest: float
    mean_absolute: float


def dose_difference(first: Volume, second: Volume) -> Difference:
    """Subtract the second dose, resampled linearly at the voxel centres of the first.

    Raises
    ------
    InputError
        the grids have no voxel in common.
    """
    same = first.grid.same_as(second.grid)
    other = second.array if same else sample_inside(second, first.grid)
    array = (first.array.astype(np.float64) - other).astype(np.float32)
    inside = np.isfinite(array)
    if not inside.any():
        cause = "lies nowhere on the grid of the first dose"
        raise InputError("the second dose", cause, "give two doses of one patient in one position")
    values = array[inside].astype(np.float64)
    return Difference(
        Volume(array, first.grid),
        float(1 - inside.mean()),
        same,
        float(values.min()),
        float(values.max()),
        float(np.abs(values).mean()),
    )
