"""Regular lattices of cells: size and pitch per axis, rows and layers shifted, any orientation, any phase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..geometry.cells import Cells
from .placement import Placement

__all__ = ["Lattice", "lattice_cells", "lattice_in_box", "turned"]

_MOST_CELLS = 1_000_000


@dataclass(frozen=True)
class Lattice:
    """Where cells may stand, in the detector frame; layers lie in its x-z plane and are stacked along y, as in G4RT.

    Cell (a, b, c) has its centre at phase + (a, b, c) * pitch. Odd layers (b) are moved by `layer_shift_mm` along x,
    odd rows (c) by `row_shift_mm`, and both add up. In dose3d/g4rt, D3DDetector.cc, MRowShift moves odd layers and
    MLayerShift odd rows; the names here say what is moved.

    Parameters
    ----------
    size_mm, pitch_mm:
        full lengths of a cell, and distances of centres, along x, y, z.
    phase_mm:
        centre of cell (0, 0, 0).
    gap_every, gap_mm:
        service gaps: after so many cells along x, y, z (0: never) the next ones stand so much farther away.
    """

    size_mm: tuple[float, float, float] = (10.0, 10.0, 10.0)
    pitch_mm: tuple[float, float, float] = (12.0, 12.0, 12.0)
    phase_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    row_shift_mm: float = 0.0
    layer_shift_mm: float = 0.0
    gap_every: tuple[int, int, int] = (0, 0, 0)
    gap_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        for size, pitch in zip(self.size_mm, self.pitch_mm, strict=True):
            if size <= 0:
                raise InputError("--size", f"{size:g} mm is no size", "give full lengths above 0 mm")
            if pitch < size - 1e-9:
                cause = f"cells {pitch:g} mm apart that are {size:g} mm long overlap"
                raise InputError("--pitch", cause, "give a pitch of at least size plus two walls")

    @property
    def wall_mm(self) -> float:
        """The thickest cover for which there is room on every side."""
        return min((p - s) / 2 for p, s in zip(self.pitch_mm, self.size_mm, strict=True))

    def centers_mm(self, index: np.ndarray) -> np.ndarray:
        """(..., 3) whole numbers (a, b, c) to centres in the detector frame."""
        index = np.asarray(index)
        every, gap = np.asarray(self.gap_every), np.asarray(self.gap_mm, np.float64)
        centers = np.asarray(self.phase_mm, np.float64) + index * np.asarray(self.pitch_mm, np.float64)
        centers += np.where(every > 0, index // np.maximum(every, 1), 0) * gap
        centers[..., 0] += (index[..., 1] % 2) * self.layer_shift_mm + (index[..., 2] % 2) * self.row_shift_mm
        return centers


def turned(placement: Placement, angle_deg: float, axis: str = "y") -> Placement:
    """The detector turned about one of its own axes, counter-clockwise seen from the axis' end; the isocentre stays."""
    from scipy.spatial.transform import Rotation

    if angle_deg % 360 == 0:
        return placement
    return Placement(
        placement.isocenter_mm, placement.to_lps @ Rotation.from_euler(axis, angle_deg, degrees=True).as_matrix()
    )


def lattice_cells(lattice: Lattice, index: np.ndarray, placement: Placement, first: np.ndarray | None = None) -> Cells:
    """Cells of (n, 3) indices (a, b, c), named by them as G4RT does: `Layer_b_Cell_a_b_c`, counted from `first`."""
    index = np.asarray(index, np.int64).reshape(-1, 3)
    counted = index if first is None else index - first
    labels = tuple(f"Layer_{b}_Cell_{a}_{b}_{c}" for a, b, c in counted.tolist())
    centers = np.round(placement.lps(lattice.centers_mm(index)), 9)
    return Cells(labels, centers, np.tile(np.asarray(lattice.size_mm, np.float64), (len(index), 1)), placement.to_lps)


def lattice_in_box(lattice: Lattice, low_mm: np.ndarray, high_mm: np.ndarray) -> np.ndarray:
    """(n, 3) indices of all cells that touch a box in the detector frame, by layers (b), rows (c), then along x (a).

    Raises
    ------
    InputError
        over a million of them.
    """
    low, high, size = (np.asarray(v, np.float64) for v in (low_mm, high_mm, lattice.size_mm))
    first, last = _range(lattice, low - size / 2, high + size / 2)
    count = np.maximum(last - first + 1, 0)
    if float(count.astype(np.float64).prod()) > _MOST_CELLS:
        cause = f"a lattice of {' x '.join(map(str, count))} cells has more than a million"
        raise InputError("--pitch", cause, "give larger cells or a smaller structure")
    b, c, a = np.meshgrid(*(np.arange(first[n], last[n] + 1) for n in (1, 2, 0)), indexing="ij")
    index = np.stack([a.ravel(), b.ravel(), c.ravel()], axis=1)
    centers = lattice.centers_mm(index)
    touching = ((centers - size / 2 < high) & (centers + size / 2 > low)).all(axis=1)
    return index[touching]


def _range(lattice: Lattice, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last index per axis whose centre can lie between the bounds; a few more where there are gaps."""
    every, gap = np.asarray(lattice.gap_every), np.asarray(lattice.gap_mm, np.float64)
    step = np.asarray(lattice.pitch_mm, np.float64) + np.where(every > 0, gap / np.maximum(every, 1), 0.0)
    shifts = (0.0, lattice.row_shift_mm, lattice.layer_shift_mm, lattice.row_shift_mm + lattice.layer_shift_mm)
    aside = np.array([[max(shifts), 0.0, 0.0], [min(shifts), 0.0, 0.0]])
    phase, spare = np.asarray(lattice.phase_mm, np.float64), np.where(gap > 0, every, 0)
    first = np.ceil((low - aside[0] - phase) / step).astype(np.int64) - spare
    return first, np.floor((high - aside[1] - phase) / step).astype(np.int64) + spare
