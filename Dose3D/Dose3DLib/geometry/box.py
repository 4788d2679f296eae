"""`Box`: a region of interest in the patient, along the LPS axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from .grid import Grid
from .mask import Mask

__all__ = ["Box", "box_from_numbers"]

_AXES = ("x (right to left)", "y (front to back)", "z (feet to head)")


@dataclass(frozen=True, eq=False)
class Box:
    """All points between two corners, LPS millimetres; a voxel is inside when its centre is."""

    low_mm: np.ndarray
    high_mm: np.ndarray

    def clipped_to(self, grid: Grid, what: str = "region of interest") -> Box:
        """What of the box lies within the voxels of a grid (within the box around it, where the grid is oblique).

        Raises
        ------
        InputError
            no voxel of the grid has its centre in the box; names `what`.
        """
        low, high = _extent_mm(grid)
        clipped = Box(np.maximum(self.low_mm, low), np.minimum(self.high_mm, high))
        if (clipped.low_mm > clipped.high_mm).any() or not clipped._holds_a_voxel(grid):
            limits = ", ".join(f"{a:.1f} to {b:.1f}" for a, b in zip(low, high, strict=True))
            raise InputError(what, "holds no voxel of the CT", f"the CT has x, y, z of {limits} mm (LPS)")
        return clipped

    def cut(self, mask: Mask) -> Mask:
        """The part of a mask whose voxel centres lie in the box."""
        if mask.is_empty:
            return mask
        inside = self._inside(mask.grid, mask.slices)
        return Mask.from_array(mask.block & inside, mask.grid, mask.offset)

    def _holds_a_voxel(self, grid: Grid) -> bool:
        corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
        index = grid.to_index(np.where(corners, self.high_mm, self.low_mm))[:, ::-1]
        size = np.array(grid.shape)
        start = np.clip(np.floor(index.min(axis=0)).astype(int), 0, size)
        stop = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, start, size)
        return bool(self._inside(grid, tuple(slice(a, b) for a, b in zip(start, stop, strict=True))).any())

    def _inside(self, grid: Grid, slices: tuple[slice, ...]) -> np.ndarray:
        """(k, j, i) bool of a block; coordinates are sums of one term an axis, so they are never stored as points."""
        k, j, i = np.ogrid[slices]
        inside = np.ones([s.stop - s.start for s in slices], bool)
        for axis in range(3):
            across, down, through, origin = grid.affine[axis]
            place = across * i + down * j + through * k + origin
            inside &= (place >= self.low_mm[axis]) & (place <= self.high_mm[axis])
        return inside


def box_from_numbers(numbers: Sequence[float], what: str = "region of interest") -> Box:
    """The box of x_min x_max y_min y_max z_min z_max, LPS mm.

    Raises
    ------
    InputError
        not six numbers, or a bound that is not below the other; names `what`.
    """
    if len(numbers) != 6:
        remedy = "give x_min x_max y_min y_max z_min z_max in mm (LPS)"
        raise InputError(what, f"has {len(numbers)} numbers, not six", remedy)
    low, high = np.array(numbers[0::2], dtype=np.float64), np.array(numbers[1::2], dtype=np.float64)
    for name, first, last in zip(_AXES, low, high, strict=True):
        if not first < last:
            raise InputError(what, f"in {name}, {first:g} mm is not below {last:g} mm", "give the lower bound first")
    return Box(low, high)


def _extent_mm(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """LPS corners of the box around all voxels, their halves at the border included."""
    corners = grid.corners_mm()
    half = np.abs(grid.affine[:3, :3]).sum(axis=1) / 2
    return corners.min(axis=0) - half, corners.max(axis=0) + half
