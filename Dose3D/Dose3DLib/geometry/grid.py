"""`Grid` and `Volume`: arrays that know where they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["LPS_TO_RAS", "SAME_GRID_TOLERANCE_MM", "Grid", "Volume"]

SAME_GRID_TOLERANCE_MM = 1e-3
"""Two grids whose corner voxels agree within this are the same: header noise is below, half a pixel far above."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""4 x 4, its own inverse: NIfTI, Slicer's files and its scene count to the right and to the front."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A stack of slices in patient space: orthogonal, oblique or sheared (tilted gantry).

    Parameters
    ----------
    shape:
        number of (slices, rows, columns) = (k, j, i).
    affine:
        4 x 4, maps (i, j, k, 1) of voxel centres to LPS millimetres. Columns need not be orthogonal.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
            raise ValueError(f"affine must be a regular 4 x 4 matrix, got {affine}")
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"shape must be three positive numbers, got {self.shape}")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", shape)

    @classmethod
    def axial(
        cls, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], origin_mm: tuple[float, float, float]
    ) -> Grid:
        """An axis-aligned grid; `spacing_mm` is (k, j, i), `origin_mm` the LPS centre of voxel (0, 0, 0)."""
        affine = np.diag([*spacing_mm[::-1], 1.0])
        affine[:3, 3] = origin_mm
        return cls(shape, affine)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Lengths of the (k, j, i) steps; in a sheared stack the k step is longer than the slice distance."""
        k, j, i = np.linalg.norm(self.affine[:3, :3], axis=0)[::-1]
        return float(k), float(j), float(i)

    @property
    def normal(self) -> np.ndarray:
        """Unit normal of the slices, pointing to growing k."""
        normal = np.cross(self.affine[:3, 0], self.affine[:3, 1])
        normal = normal / np.linalg.norm(normal)
        return normal if normal @ self.affine[:3, 2] > 0 else -normal

    @property
    def slice_distance_mm(self) -> float:
        """Distance of neighbouring slices along the normal."""
        return float(self.normal @ self.affine[:3, 2])

    @property
    def voxel_volume_mm3(self) -> float:
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def is_sheared(self) -> bool:
        """True when the slice step is not along the normal (more than 0.01 mm aside over the whole stack)."""
        step = self.affine[:3, 2]
        aside = step - self.normal * (self.normal @ step)
        return float(np.linalg.norm(aside)) * self.shape[0] > 0.01

    def to_lps(self, ijk: np.ndarray) -> np.ndarray:
        """Map (..., 3) indices (i, j, k) to LPS millimetres."""
        return np.asarray(ijk, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_index(self, lps_mm: np.ndarray) -> np.ndarray:
        """Map (..., 3) LPS millimetres to continuous indices (i, j, k)."""
        inverse = np.linalg.inv(self.affine[:3, :3])
        return (np.asarray(lps_mm, dtype=np.float64) - self.affine[:3, 3]) @ inverse.T

    def crop(self, offset: tuple[int, int, int], shape: tuple[int, int, int]) -> Grid:
        """The grid of a block that starts at voxel `offset` (k, j, i)."""
        affine = self.affine.copy()
        affine[:3, 3] = self.to_lps(np.array(offset[::-1]))
        return Grid(shape, affine)

    def corners_mm(self) -> np.ndarray:
        """LPS centres of the eight corner voxels, shape (8, 3)."""
        k, j, i = (n - 1 for n in self.shape)
        return self.to_lps(np.array([[a * i, b * j, c * k] for a in (0, 1) for b in (0, 1) for c in (0, 1)]))

    def same_as(self, other: Grid, tolerance_mm: float = SAME_GRID_TOLERANCE_MM) -> bool:
        """True when shape and the position of every voxel agree within the tolerance."""
        if self.shape != other.shape:
            return False
        return bool(np.abs(self.corners_mm() - other.corners_mm()).max() <= tolerance_mm)


@dataclass(frozen=True, eq=False)
class Volume:
    """An image in patient space: `array` has the grid's shape [k, j, i]; a CT holds Hounsfield units."""

    array: np.ndarray
    grid: Grid

    def __post_init__(self) -> None:
        if tuple(self.array.shape) != self.grid.shape:
            raise ValueError(f"array has shape {self.array.shape}, its grid {self.grid.shape}")
