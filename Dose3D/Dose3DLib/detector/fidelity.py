"""How faithfully the cells of a layout stand for structures: volumes, Dice, coverage, distance of the surfaces.

A cell stands for its box, the walls included, since that is the room it takes in the detector; what it measures is the
scintillator within. Dice is 2|A and B| / (|A| + |B|) (L. R. Dice, Ecology 26, 1945).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.cells import Cells
from ..geometry.structure import Structure
from .layout import Layout
from .posterior import DosePrior, posterior_variance
from .regions import make_region, occupied_voxels, shares_of_boxes

__all__ = ["StructureFidelity", "layout_fidelity", "surface_distances"]

_PARTS, _COARSEST_MM = 8, 2.0
"""Surfaces are compared on a grid of so many parts to the shortest edge of a box, and of at most this step."""
_MOST_PARTS = 4_000_000
_PLACES = 1000


@dataclass(frozen=True)
class StructureFidelity:
    """A structure and the cells that stand for it.

    Parameters
    ----------
    name:
        of the structure.
    volume_cc, boxes_cc, shared_cc:
        of the structure, of the boxes of its cells, and of what these share.
    cells:
        how many stand for it.
    touching:
        how many cells it reaches into, however little.
    dice:
        of boxes and structure.
    coverage, covered_by_any, seen:
        share of the structure in the boxes of its cells, in those of all cells, and in the scintillators of all cells.
    surface_mean_mm, surface_95_mm:
        distance of the two surfaces, both ways: mean and 95th percentile; NaN without cells.
    left:
        mean variance of the dose in it that all cells leave, as a share of what it was before.
    """

    name: str
    volume_cc: float
    boxes_cc: float
    shared_cc: float
    cells: int
    touching: int
    dice: float
    coverage: float
    covered_by_any: float
    seen: float
    surface_mean_mm: float
    surface_95_mm: float
    left: float

    @property
    def volume_error(self) -> float:
        """(boxes - structure) / structure."""
        return self.boxes_cc / self.volume_cc - 1


def layout_fidelity(
    layout: Layout, structure: Structure, share: float = 0.5, prior: DosePrior | None = None
) -> tuple[StructureFidelity, np.ndarray]:
    """The figures of one structure, and which cells stand for it, (n,) bool: those that it fills by `share` at least.

    Raises
    ------
    ValueError
        the structure is empty.
    """
    region, prior = make_region(structure, count=_PLACES), prior or DosePrior()
    cells, wall = layout.cells, layout.wall_mm
    filled = shares_of_boxes(structure, cells, wall)
    lengths = cells.sizes_mm + 2 * wall
    boxes = lengths.prod(axis=1) / 1000
    own = filled >= share - 1e-9
    volume, boxes_cc, shared = region.volume_mm3 / 1000, float(boxes[own].sum()), float((filled * boxes)[own].sum())
    mean, high = np.nan, np.nan
    if own.any():
        mean, high = surface_distances(structure, Cells((*cells.take(own).labels,), cells.centers_mm[own],
                                                        lengths[own], cells.axes))  # fmt: skip
    left = posterior_variance(region.points_mm, cells, prior).mean() / prior.variance_gy2
    scintillators = shares_of_boxes(structure, cells) * cells.volumes_mm3 / 1000
    return StructureFidelity(
        structure.name, volume, boxes_cc, shared, int(own.sum()), int((filled > 0).sum()),
        2 * shared / (volume + boxes_cc), shared / volume, min(1.0, float((filled * boxes).sum()) / volume),
        min(1.0, float(scintillators.sum()) / volume), float(mean), float(high), float(left),
    ), own  # fmt: skip


def surface_distances(structure: Structure, boxes: Cells) -> tuple[float, float]:
    """Mean and 95th percentile of the distances from each surface to the other, mm.

    Surfaces are voxels at the rim on a grid along the boxes' axes; it is coarser for large structures.
    """
    from scipy.ndimage import binary_erosion, distance_transform_edt

    low, counts, step = _frame(structure, boxes)
    rims = []
    for mask in (_structure_mask(structure, boxes.axes, low, counts, step), _boxes_mask(boxes, low, counts, step)):
        rims.append(mask & ~binary_erosion(mask))
    if not rims[0].any() or not rims[1].any():
        return np.nan, np.nan
    away = [distance_transform_edt(~rim, sampling=step) for rim in rims]
    both = np.concatenate([away[1][rims[0]], away[0][rims[1]]])
    return float(both.mean()), float(np.percentile(both, 95))


def _frame(structure: Structure, boxes: Cells) -> tuple[np.ndarray, np.ndarray, float]:
    """First centre (3,), counts (3,) and step of a grid along the boxes' axes that holds both, with a margin."""
    grid = structure.mask.grid
    offset, block = occupied_voxels(structure)
    ends = np.array([[o - 0.5, o + n - 0.5] for o, n in zip(offset, block.shape, strict=True)])
    corners = np.array([[i, j, k] for k in ends[0] for j in ends[1] for i in ends[2]])
    places = grid.to_lps(corners) @ boxes.axes
    centers, halves = boxes.centers_mm @ boxes.axes, boxes.sizes_mm / 2
    low = np.minimum(places.min(axis=0), (centers - halves).min(axis=0))
    high = np.maximum(places.max(axis=0), (centers + halves).max(axis=0))
    step = min(_COARSEST_MM, float(boxes.sizes_mm.min()) / _PARTS)
    step = max(step, float(np.prod(high - low) / _MOST_PARTS) ** (1 / 3))
    # An odd shift: box faces must not fall onto centres of parts.
    return low - 2.5 * step, np.ceil((high - low) / step).astype(int) + 5, step


def _structure_mask(
    structure: Structure, axes: np.ndarray, low: np.ndarray, counts: np.ndarray, step: float
) -> np.ndarray:
    """(x, y, z) bool: parts at least half filled, read linearly between voxel centres."""
    from scipy.ndimage import map_coordinates

    offset, block = occupied_voxels(structure)
    padded, start = np.pad(block, 1), np.array(offset) - 1
    found = np.zeros(counts, bool)
    y, z = (low[a] + step * np.arange(counts[a]) for a in (1, 2))
    for n in range(counts[0]):  # a plane at a time: places of all parts would take a gigabyte
        plane = np.stack(np.broadcast_arrays(low[0] + n * step, y[:, None], z[None, :]), -1) @ axes.T
        index = structure.mask.grid.to_index(plane)[..., ::-1] - start
        found[n] = map_coordinates(padded, np.moveaxis(index, -1, 0), order=1, mode="constant") >= 0.5
    return found


def _boxes_mask(boxes: Cells, low: np.ndarray, counts: np.ndarray, step: float) -> np.ndarray:
    """(x, y, z) bool: parts whose centre lies in a box."""
    found = np.zeros(counts, bool)
    centers, halves = boxes.centers_mm @ boxes.axes, boxes.sizes_mm / 2
    first = np.ceil((centers - halves - low) / step - 1e-6).astype(int)
    last = np.floor((centers + halves - low) / step + 1e-6).astype(int)
    for a, b in zip(first, last + 1, strict=True):
        found[a[0] : b[0], a[1] : b[1], a[2] : b[2]] = True
    return found
