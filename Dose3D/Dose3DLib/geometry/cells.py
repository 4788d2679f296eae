"""`Cells`: the boxes that a detector measures in, wherever and however they stand in the patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Cells"]

_UNIT = 1e-6
"""Axes are orthonormal within this."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Boxes in patient space; real detectors are staggered and gapped, so each centre is kept.

    Parameters
    ----------
    labels:
        a name per cell, all different.
    centers_mm:
        (n, 3) LPS.
    sizes_mm:
        (n, 3) full lengths along the boxes' own axes.
    axes:
        (3, 3), columns are the unit vectors in LPS of the boxes' first, second and third axis; all boxes share them.

    Raises
    ------
    ValueError
        shapes that don't fit, values that are not finite, sizes not above 0, equal labels, axes not orthonormal.
    """

    labels: tuple[str, ...]
    centers_mm: np.ndarray
    sizes_mm: np.ndarray
    axes: np.ndarray

    def __post_init__(self) -> None:
        labels = tuple(map(str, self.labels))
        centers, sizes, axes = (np.array(a, np.float64) for a in (self.centers_mm, self.sizes_mm, self.axes))
        if centers.shape != (len(labels), 3) or sizes.shape != centers.shape or axes.shape != (3, 3):
            raise ValueError(f"{len(labels)} labels, centres {centers.shape}, sizes {sizes.shape}, axes {axes.shape}")
        if not (np.isfinite(centers).all() and np.isfinite(sizes).all() and (sizes > 0).all()):
            raise ValueError("centres must be finite, sizes finite and above 0")
        if len(set(labels)) < len(labels):
            raise ValueError("two cells have the same label")
        if not np.allclose(axes.T @ axes, np.eye(3), atol=_UNIT):
            raise ValueError("axes must be orthonormal")
        for name, array in (("centers_mm", centers), ("sizes_mm", sizes), ("axes", axes)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def volumes_mm3(self) -> np.ndarray:
        """(n,)"""
        return self.sizes_mm.prod(axis=1)

    def corners_mm(self) -> np.ndarray:
        """LPS of the corners, shape (n, 8, 3)."""
        signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]) / 2
        return self.centers_mm[:, None] + (signs[None] * self.sizes_mm[:, None]) @ self.axes.T

    def take(self, chosen: np.ndarray) -> Cells:
        """The cells of these indices (or of a boolean array), in that order."""
        at = np.arange(len(self))[chosen]
        return Cells(tuple(self.labels[n] for n in at), self.centers_mm[at], self.sizes_mm[at], self.axes)
