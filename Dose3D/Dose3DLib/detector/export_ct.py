"""A CT of the detector: Hounsfield units of cells, covers and what is around them, mixed where a voxel holds several.

A voxel's value is the mean of what it holds by volume, which is what a scanner would show of materials side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..geometry.cells import Cells
from ..geometry.grid import Grid, Volume
from .density import DensityTable, read_density_table
from .layout import Layout
from .materials import Material

__all__ = ["AIR_BORDER_MM", "DetectorHu", "detector_grid", "hu_by_table", "mixed_ct", "with_covers"]

AIR_BORDER_MM = 20.0
"""Air around the surroundings: planning systems look for the outline of a body."""
_ON_GRID = 1e-6
_MOST_VOXELS = 1 << 26
"""Largest CT that is made; shares of its voxels take 0.5 GB each."""
_LARGEST_PLANE = 1024
"""Rows or columns that planning systems still read."""


@dataclass(frozen=True)
class DetectorHu:
    """Hounsfield units: of scintillator, walls, surroundings, and of the air around all."""

    cell: float = 143.0
    wall: float = 123.87
    around: float = 0.0
    air: float = -1000.0


def with_covers(layout: Layout) -> Cells:
    """The cells, each larger by the wall on all sides."""
    cells = layout.cells
    return Cells(cells.labels, cells.centers_mm, cells.sizes_mm + 2 * layout.wall_mm, cells.axes)


def detector_grid(layout: Layout, spacing_mm: float, margin_mm: float) -> tuple[Grid, np.ndarray, np.ndarray]:
    """An axial grid over the detector, its surroundings and a border of air; and the surroundings' corners (LPS).

    The lowest faces of the lowest cell lie on faces of voxels, so that voxels whose size divides cells and pitch hold
    one material each. The surroundings end on faces of voxels, too, at least `margin_mm` beyond the covers.

    Raises
    ------
    InputError
        more voxels than a CT can have.
    """
    corners = with_covers(layout).corners_mm().reshape(-1, 3)
    anchor = layout.cells.corners_mm().reshape(-1, 3).min(axis=0)
    low = anchor - np.ceil((anchor - corners.min(axis=0) + margin_mm) / spacing_mm - _ON_GRID) * spacing_mm
    high = anchor + np.ceil((corners.max(axis=0) + margin_mm - anchor) / spacing_mm - _ON_GRID) * spacing_mm
    border = int(np.ceil(AIR_BORDER_MM / spacing_mm))
    count = np.rint((high - low) / spacing_mm).astype(int) + 2 * border
    if max(count[:2]) > _LARGEST_PLANE or np.prod(count.astype(float)) > _MOST_VOXELS:
        cause = f"gives a CT of {count[0]} x {count[1]} x {count[2]} voxels"
        raise InputError("--spacing", cause, "choose larger voxels or a smaller margin")
    first = low - border * spacing_mm + spacing_mm / 2
    grid = Grid.axial(tuple(int(n) for n in count[::-1]), (spacing_mm,) * 3, tuple(float(v) for v in first))
    return grid, low, high


def mixed_ct(
    grid: Grid, low_mm: np.ndarray, high_mm: np.ndarray, shares: tuple[np.ndarray, np.ndarray], hu: DetectorHu
) -> Volume:
    """HU as whole numbers, int16.

    Parameters
    ----------
    low_mm, high_mm:
        corners of the surroundings, LPS; the grid is axial.
    shares:
        [k, j, i], the share of each voxel in cells, and in cells with their covers.
    """
    cells, covers = shares
    over = float(covers.max(initial=0.0))
    if over > 1 + 1e-6:
        raise InputError(
            "layout", f"cells or covers overlap: a voxel is filled to {100 * over:.3g} %", "move them apart"
        )
    around = box_share(grid, low_mm, high_mm)
    values = hu.air * (1 - around) + hu.around * (around - covers) + hu.wall * (covers - cells) + hu.cell * cells
    return Volume(np.rint(values).astype(np.int16), grid)


def hu_by_table(path: Path, materials: Sequence[Material]) -> list[float]:
    """The HU at which a planning system that has this table gives each material its density (CSV, see `density`).

    Where densities fall on the way, the lowest such HU is taken; what is lighter than all of the table, its lightest.

    Raises
    ------
    InputError
        no such table, or one that ends below a material's density.
    """
    table = read_density_table(path)
    heaviest = max(materials, key=lambda material: material.density)
    if table.density_g_cm3.max() < heaviest.density:
        cause = f"ends at {table.density_g_cm3.max():g} g/cm3, and {heaviest.name} has {heaviest.density:g}"
        raise InputError(path, cause, "give a table that reaches it, or HU by --hu-cell and --hu-wall")
    return [_hu_of_density(table, material.density) for material in materials]


def _hu_of_density(table: DensityTable, density: float) -> float:
    first, second = table.density_g_cm3[:-1], table.density_g_cm3[1:]
    holds = (np.minimum(first, second) <= density) & (density <= np.maximum(first, second))
    if not holds.any():
        return float(table.hu[np.argmin(table.density_g_cm3)])
    n = int(np.argmax(holds))
    share = 0.0 if second[n] == first[n] else (density - first[n]) / (second[n] - first[n])
    return float(table.hu[n] + share * (table.hu[n + 1] - table.hu[n]))


def box_share(grid: Grid, low_mm: np.ndarray, high_mm: np.ndarray) -> np.ndarray:
    """Share of each voxel of an axial grid in a box along the LPS axes, [k, j, i]."""
    ends = np.stack([grid.to_index(low_mm), grid.to_index(high_mm)])
    ends = np.sort(ends, axis=0)
    lines = []
    for axis, count in enumerate(grid.shape[::-1]):
        at = np.arange(count)
        overlap = np.minimum(at + 0.5, ends[1, axis]) - np.maximum(at - 0.5, ends[0, axis])
        lines.append(np.clip(overlap, 0.0, 1.0))
    return lines[2][:, None, None] * lines[1][None, :, None] * lines[0][None, None, :]
