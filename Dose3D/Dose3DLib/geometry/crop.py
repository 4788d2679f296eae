"""A part of a grid, and images and structures on it."""

from __future__ import annotations

import numpy as np

from .cells import Cells
from .grid import Grid, Volume
from .mask import Mask
from .resample import sample_inside
from .structure import Structure, StructureSet

__all__ = ["Block", "block_around", "crop_structures", "crop_volume", "uncrop"]

Block = tuple[slice, slice, slice]
"""Along k, j, i."""

_HALF = 0.5


def block_around(cells: Cells, grid: Grid, margin_mm: float) -> Block | None:
    """The voxels of the grid that lie within `margin_mm` of the cells' bounding box along its axes; None for none."""
    index = grid.to_index(cells.corners_mm().reshape(-1, 3))[:, ::-1]
    margin = margin_mm / np.array(grid.spacing_mm)
    low = np.floor(index.min(axis=0) - margin).astype(int)
    high = np.ceil(index.max(axis=0) + margin).astype(int)
    parts = [slice(max(a, 0), min(b + 1, n)) for a, b, n in zip(low, high, grid.shape, strict=True)]
    return None if any(p.stop <= p.start for p in parts) else (parts[0], parts[1], parts[2])


def crop_volume(volume: Volume, grid: Grid, block: Block) -> Volume:
    """An image on the block of `grid`: its own voxels where it lies on that grid, else linear (NaN outside it)."""
    small = grid.crop(tuple(s.start for s in block), tuple(s.stop - s.start for s in block))
    if volume.grid.same_as(grid):
        return Volume(volume.array[block], small)
    return Volume(sample_inside(volume, small), small)


def crop_structures(structures: StructureSet, grid: Grid, block: Block) -> StructureSet:
    """Masks on the block of `grid`; from another grid a voxel belongs where linear interpolation is at least 0.5."""
    small = grid.crop(tuple(s.start for s in block), tuple(s.stop - s.start for s in block))
    kept = []
    for one in structures:
        whole = Volume(one.mask.to_array().astype(np.float32), structures.grid)
        part = np.nan_to_num(crop_volume(whole, grid, block).array) >= _HALF
        mask = Mask.from_array(part, small)
        kept.append(Structure(one.name, mask, None, one.color, one.interpreted_type, one.number))
    return StructureSet(small, tuple(kept), structures.notes)


def uncrop(array: np.ndarray, grid: Grid, block: Block, fill: float = 0.0) -> Volume:
    """The block's values on the whole grid, float32, `fill` elsewhere."""
    full = np.full(grid.shape, fill, np.float32)
    full[block] = array
    return Volume(full, grid)
