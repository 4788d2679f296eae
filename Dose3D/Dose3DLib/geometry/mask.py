"""`Mask`: a binary structure that keeps only its bounding box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .grid import Grid

__all__ = ["Mask"]


@dataclass(frozen=True, eq=False)
class Mask:
    """A structure on a grid; voxels outside the stored block are False.

    Parameters
    ----------
    grid:
        the whole image's grid.
    offset:
        first voxel (k, j, i) of the block.
    block:
        bool array; shape (0, 0, 0) when the structure is empty.
    """

    grid: Grid
    offset: tuple[int, int, int]
    block: np.ndarray

    def __post_init__(self) -> None:
        ends = [start + n for start, n in zip(self.offset, self.block.shape, strict=True)]
        if (
            self.block.dtype != bool
            or min(self.offset) < 0
            or any(e > n for e, n in zip(ends, self.grid.shape, strict=True))
        ):
            raise ValueError(
                f"block of {self.block.shape} {self.block.dtype} at {self.offset} does not fit {self.grid.shape}"
            )

    @classmethod
    def empty(cls, grid: Grid) -> Mask:
        return cls(grid, (0, 0, 0), np.zeros((0, 0, 0), bool))

    @classmethod
    def from_array(cls, array: np.ndarray, grid: Grid, offset: tuple[int, int, int] = (0, 0, 0)) -> Mask:
        """Trim a (k, j, i) array that starts at voxel `offset` to the bounding box of its True voxels."""
        array = np.asarray(array)
        array = array if array.dtype == bool else array != 0
        box = []
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            hits = np.flatnonzero(array.any(axis=others))
            if hits.size == 0:
                return cls.empty(grid)
            box.append(slice(int(hits[0]), int(hits[-1]) + 1))
        start = tuple(o + s.start for o, s in zip(offset, box, strict=True))
        return cls(grid, start, np.ascontiguousarray(array[tuple(box)]))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Where the block lies in the full array."""
        k, j, i = (slice(o, o + n) for o, n in zip(self.offset, self.block.shape, strict=True))
        return k, j, i

    @property
    def is_empty(self) -> bool:
        return self.block.size == 0 or not self.block.any()

    @property
    def voxels(self) -> int:
        return int(np.count_nonzero(self.block))

    @property
    def volume_cc(self) -> float:
        """Voxel count times voxel volume, cm^3."""
        return self.voxels * self.grid.voxel_volume_mm3 / 1000.0

    def to_array(self) -> np.ndarray:
        """The full (k, j, i) bool array."""
        full = np.zeros(self.grid.shape, bool)
        full[self.slices] = self.block
        return full

    def same_voxels(self, other: Mask) -> bool:
        """True when both mark exactly the same voxels."""
        a, b = (
            Mask.from_array(self.block, self.grid, self.offset),
            Mask.from_array(other.block, other.grid, other.offset),
        )
        return self.grid.shape == other.grid.shape and a.offset == b.offset and np.array_equal(a.block, b.block)
