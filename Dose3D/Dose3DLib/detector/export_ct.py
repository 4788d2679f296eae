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
from .layout import Layout
from .materials import Material
from .table_text import read_table, read_text

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
    """The HU at which a planning system that has this table gives each material its density.

    The table is a CSV with the columns hu and density (g/cm3), both growing; between rows it is linear, as planning
    systems read it. What is lighter or denser than its ends gets the HU of that end.

    Raises
    ------
    InputError
        no such columns, fewer than two rows, HU that don't grow or densities that fall.
    """
    path = Path(path)
    table = read_table(path, read_text(path))
    header = [name.strip().lower() for name in table.rows[0]]
    at = [next((n for n, name in enumerate(header) if name.startswith(wanted)), None) for wanted in ("hu", "density")]
    if None in at:
        cause = f"has no columns hu and density; it has {', '.join(header)[:80]}"
        raise InputError(path, cause, "give a CSV with the header hu,density and a row a point")
    hu, density = (table.column(place, header[place]) for place in at)
    if len(hu) < 2 or not (np.isfinite(hu).all() and np.isfinite(density).all()):
        raise InputError(path, f"has {len(hu)} points", "give at least two pairs of hu,density")
    if (np.diff(hu) <= 0).any() or (np.diff(density) < 0).any() or (density < 0).any():
        raise InputError(path, "HU must grow from row to row, and densities must not fall", "sort the table by HU")
    keep = np.concatenate([[True], np.diff(density) > 0])
    return [float(np.interp(material.density, density[keep], hu[keep])) for material in materials]


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
