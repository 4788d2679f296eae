"""Where the dose is wanted: places in targets and organs, with a weight for each structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.cells import Cells
from ..geometry.occupancy import contours_to_occupancy
from ..geometry.structure import Structure, StructureSet
from .occupancy import cell_occupancy, with_covers

__all__ = ["Region", "filled_places", "make_region", "mean_variance", "occupied_voxels", "redrawn", "shares_of_boxes"]

FINEST_MM = 1.5
"""Voxels are split into parts of at most this for volumes in boxes."""
PLACE_MM, FEWEST_AND_MOST = 5.0, (200, 4000)
"""A place for each cube of this edge: with fewer a choice of cells fits itself to the places, not to the structure."""
MOST_PLACES = 400_000
"""Of a structure with more parts than this a regular subset stands for all."""


@dataclass(frozen=True, eq=False)
class Region:
    """A structure in which the dose is wanted.

    Parameters
    ----------
    structure:
        itself.
    points_mm:
        (p, 3) LPS places that stand for it, drawn evenly over its volume.
    filled_mm:
        (m, 3) LPS places close together that fill it, each of the same volume.
    volume_mm3:
        of the structure.
    weight:
        of its mean variance among the regions.
    is_target:
        targets have a minimum of cells.
    """

    structure: Structure
    points_mm: np.ndarray
    filled_mm: np.ndarray
    volume_mm3: float
    weight: float = 1.0
    is_target: bool = True

    @property
    def name(self) -> str:
        return self.structure.name


def make_region(
    structure: Structure, weight: float = 1.0, is_target: bool = True, count: int | None = None, seed: int = 0
) -> Region:
    """The region of a structure, with up to `count` places drawn by `seed`; one each 5 mm where None.

    Raises
    ------
    ValueError
        the structure is empty.
    """
    filled, volume = filled_places(structure)
    if not len(filled):
        raise ValueError(f"{structure.name} is empty")
    if count is None:
        count = int(np.clip(volume / PLACE_MM**3, *FEWEST_AND_MOST))
    return Region(structure, _drawn(filled, count, seed), filled, volume, weight, is_target)


def redrawn(region: Region, seed: int, count: int | None = None) -> Region:
    """The same with other places: what was chosen by some is judged at others."""
    return replace(region, points_mm=_drawn(region.filled_mm, count or len(region.points_mm), seed))


def _drawn(filled: np.ndarray, count: int, seed: int) -> np.ndarray:
    """One of each stratum in scan order: as even as a regular subset, without its alignment with a lattice of cells."""
    count = min(count, len(filled))
    edges = np.linspace(0, len(filled), count + 1)
    chosen = edges[:-1] + np.random.default_rng(seed).uniform(size=count) * np.diff(edges)
    return filled[np.minimum(chosen.astype(int), len(filled) - 1)]


def occupied_voxels(structure: Structure) -> tuple[tuple[int, int, int], np.ndarray]:
    """First voxel (k, j, i) and share of each voxel of a block, 0 to 1: from contours where there are any."""
    if structure.contours:
        return contours_to_occupancy(structure.contours, structure.mask.grid)
    return structure.mask.offset, structure.mask.block.astype(np.float32)


def filled_places(structure: Structure) -> tuple[np.ndarray, float]:
    """LPS centres (m, 3) of equal parts that fill a structure, and its volume in mm3.

    A voxel that is covered in part gives that share of its parts, at least one somewhere in the structure.
    """
    grid = structure.mask.grid
    offset, block = occupied_voxels(structure)
    at = np.argwhere(block > 0)
    if not len(at):
        return np.zeros((0, 3)), 0.0
    share = block[tuple(at.T)].astype(np.float64)
    volume = float(share.sum()) * grid.voxel_volume_mm3
    parts = [max(1, int(np.ceil(mm / FINEST_MM))) for mm in grid.spacing_mm]
    inner = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / n - 0.5 for n in parts), indexing="ij"), -1).reshape(-1, 3)
    step = max(1, int(np.ceil(len(at) * len(inner) / MOST_PLACES)))
    if step > 1:
        at, share = at[::step], share[::step]
    kept = _shared(share, len(inner))
    places = (at[:, None] + np.array(offset) + inner[None])[kept]
    return grid.to_lps(places[:, ::-1]), volume


def _shared(share: np.ndarray, parts: int) -> np.ndarray:
    """(n, parts) bool: that many parts of each voxel, the rounding carried on to the next one."""
    total = np.cumsum(share * parts)
    count = np.diff(np.floor(total + 0.5), prepend=0.0)
    if count.sum() == 0:
        count[int(np.argmax(share))] = 1
    # Which parts: spread by a fixed permutation, since nothing is known of where in the voxel the structure is.
    order = np.random.default_rng(parts).permutation(parts)
    return order[None, :] < count[:, None]


def shares_of_boxes(structure: Structure, cells: Cells, wall_mm: float = 0.0) -> np.ndarray:
    """Share of each cell's box, its walls included, that the structure fills, (n,)."""
    alone = StructureSet(structure.mask.grid, (structure,))
    return cell_occupancy(with_covers(cells, wall_mm), alone)[structure.name]


def mean_variance(regions: Sequence[Region], variances: Sequence[np.ndarray]) -> float:
    """The weighted mean over regions of the mean variance in each."""
    weights = np.array([region.weight for region in regions])
    return float(weights @ [v.mean() for v in variances] / weights.sum())
