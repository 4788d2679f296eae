"""What can rightly be said of a dose without structures: its maximum and where, D2cc, volumes inside levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.grid import Volume

__all__ = ["DoseStatistics", "dose_statistics"]

_HOT_CC = 2.0


@dataclass(frozen=True)
class DoseStatistics:
    """Of all voxels of a grid; a mean over a grid depends on how much air it holds, so there is none.

    Parameters
    ----------
    maximum, minimum:
        of single voxels.
    maximum_at_mm:
        LPS centre of the voxel of the maximum (the first one where several have it).
    d2cc:
        lowest dose of the 2 cm3 of voxels with the highest dose, None where the grid is smaller.
    volumes_cc:
        cm3 of the voxels with at least each level.
    cut_off:
        for each level, whether the grid ends inside the isodose: then its volume is a part of the true one.
    negative:
        number of voxels below 0.
    """

    maximum: float
    minimum: float
    maximum_at_mm: tuple[float, float, float]
    d2cc: float | None
    volumes_cc: tuple[float, ...]
    cut_off: tuple[bool, ...]
    negative: int


def dose_statistics(dose: Volume, levels: Sequence[float]) -> DoseStatistics:
    """Statistics of a dose and the volumes inside its levels, by counting voxels."""
    array, voxel_cc = dose.array, dose.grid.voxel_volume_mm3 / 1000
    k, j, i = np.unravel_index(int(array.argmax()), array.shape)
    place = dose.grid.to_lps(np.array([i, j, k]))
    hot = int(np.ceil(_HOT_CC / voxel_cc - 1e-9))
    flat = array.ravel()
    d2cc = float(np.partition(flat, flat.size - hot)[flat.size - hot]) if hot <= flat.size else None
    return DoseStatistics(
        float(array.max()),
        float(array.min()),
        (float(place[0]), float(place[1]), float(place[2])),
        d2cc,
        tuple(float(np.count_nonzero(array >= level) * voxel_cc) for level in levels),
        tuple(_is_cut(array, level) for level in levels),
        int(np.count_nonzero(array < 0)),
    )


def _is_cut(array: np.ndarray, level: float) -> bool:
    """Whether a voxel of the outermost layer has the level."""
    return any(bool((array.take(end, axis=axis) >= level).any()) for axis in range(3) for end in (0, -1))
