"""Simulated doses of cells as G4RT writes them, read as readings.

Per control point there is `cp-<id>_<collection>_cell.csv` or `_voxel.csv`, with columns `Cell IdX` ..., `X [mm]` ...
and `Dose` or `Dose [Gy]` (a fork puts `Label` first): Gy summed over the simulated histories, centres of cells or of
their voxels in the detector frame (dose3d/g4rt, VoxelHit.cc). Its tables of hits join the ids of a cell without a
separator, so cell 1,11,0 and cell 11,1,0 are one there: ids tell nothing, centres do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..geometry.cells import Cells
from .layout import Layout
from .placement import Placement
from .readings import Readings, matched
from .table_text import Table, read_table, read_text

__all__ = ["read_g4rt_doses"]

_SIZE_MM = 10.0
"""Edge of a cell, which the files don't state (dose3d/g4rt, D3DCell.cc)."""
_EDGE_MM = 1e-3
"""A voxel's centre this far outside a cell is in it: rounding."""
_SUM = "Doses of G4RT are sums over the simulated histories; `detector calibrate` brings them to a measured scale."
_CONTROL_POINT = re.compile(r"cp-?(\d+)_(.*)_(cell|voxel)\.csv", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Of one file or of a sum: (m, 3) points in the detector frame, (m,) doses, names of cells, whether of voxels."""

    points_mm: np.ndarray
    dose: np.ndarray
    names: tuple[str, ...]
    ids: tuple[tuple[str, ...], ...]
    is_voxels: bool


def read_g4rt_doses(path: Path, layout: Layout | None = None) -> Readings:
    """The doses of one file, or of all control points in a folder together.

    Parameters
    ----------
    layout:
        says where the detector stands and how large its cells are; rows are given to its cells by their place. Without
        one the cells are cubes of 10 mm (or as large as their voxels reach), the isocentre LPS' origin.

    Raises
    ------
    InputError
        no such files; files of a folder that differ in their cells; places that are in no cell of the layout.
    """
    path = Path(path)
    files = _files(path)
    rows = _read(files[0])
    for file in files[1:]:
        rows = _sum(rows, _read(file), file)
    notes = [_SUM, *_collisions(rows)]
    if len(files) > 1:
        notes.append(f"The doses of {len(files)} control points were added.")
    if layout is None:
        notes.append("G4RT's positions were placed with the isocentre in LPS' origin: give the layout to place them.")
        return _alone(path, rows, tuple(notes))
    if rows.is_voxels:
        return _voxels_in_cells(path, rows, layout, tuple(notes))
    read = _alone(path, rows, tuple(notes), layout.placement, layout.cells)
    return matched(read, layout.cells, path)


def _files(path: Path) -> list[Path]:
    """The file, or a folder's control points in order: of the cells, or where there are none, of the voxels."""
    if not path.is_dir():
        return [path]
    found = [(match, file) for file in path.iterdir() if (match := _CONTROL_POINT.fullmatch(file.name))]
    for kind in ("cell", "voxel"):
        chosen = [(match, file) for match, file in found if match[3].lower() == kind]
        collections = sorted({match[2] for match, _ in chosen})
        if len(collections) > 1:
            cause = f"holds several collections: {', '.join(collections)[:100]}"
            raise InputError(path, cause, "put the files of one into a folder of its own")
        if chosen:
            return [file for _, file in sorted(chosen, key=lambda pair: int(pair[0][1]))]
    raise InputError(path, "holds no cp-*_cell.csv or cp-*_voxel.csv", "give G4RT's output folder, or a file")


def _read(path: Path) -> _Rows:
    table = read_table(path, read_text(path))
    names = [re.sub(r"[^a-z]", "", name.lower()) for name in table.rows[0]]
    if len(table.rows) < 2:
        raise InputError(path, "has no cells", "give a table with a row per cell")
    place = [_at(table, names, (f"{axis}mm",), f"{axis.upper()} [mm]") for axis in "xyz"]
    points = np.stack([_numbers(table, column) for column in place], axis=1)
    dose = _numbers(table, _at(table, names, ("dosegy", "dose"), "Dose"))
    ids = [names.index(f"cellid{axis}") for axis in "xyz" if f"cellid{axis}" in names]
    label = next((names.index(name) for name in ("celllabel", "label") if name in names), None)
    keys = tuple(tuple(row[column].strip() for column in ids) for row in table.rows[1:])
    titles = [row[label].strip() for row in table.rows[1:]] if label is not None else ["" for _ in keys]
    own = [title or "_".join(["Cell", *key]) for title, key in zip(titles, keys, strict=True)]
    return _Rows(points, dose, tuple(own), keys, any(name.startswith("voxelid") for name in names))


def _at(table: Table, names: list[str], wanted: tuple[str, ...], title: str) -> int:
    found = next((names.index(name) for name in wanted if name in names), None)
    if found is None:
        cause = f"has no column {title}; it has {', '.join(table.rows[0])[:100]}"
        raise InputError(table.path, cause, "give a cp-*_cell.csv or cp-*_voxel.csv of G4RT")
    return found


def _numbers(table: Table, column: int) -> np.ndarray:
    values = table.column(column, table.rows[0][column])
    bad = ~np.isfinite(values)
    if bad.any():
        cause = f"{table.rows[0][column]} is not finite"
        raise table.fault(int(bad.argmax()) + 1, cause, "simulate it again, or take the row out")
    return values


def _sum(first: _Rows, second: _Rows, path: Path) -> _Rows:
    """One more control point: the same rows, in any order."""
    if len(first.dose) == len(second.dose) and first.is_voxels == second.is_voxels:
        one, two = (np.lexsort(np.round(rows.points_mm, 3).T) for rows in (first, second))
        if np.abs(first.points_mm[one] - second.points_mm[two]).max() < 2 * _EDGE_MM:
            dose = first.dose.copy()
            dose[one] += second.dose[two]
            return _Rows(first.points_mm, dose, first.names, first.ids, first.is_voxels)
    raise InputError(path, "lists other cells than the control points before it", "give files of one simulation")


def _collisions(rows: _Rows) -> list[str]:
    """G4RT adds the hits of cells whose joined ids are the same text."""
    known: dict[str, tuple[str, ...]] = {}
    for key in dict.fromkeys(rows.ids):
        other = known.setdefault("".join(key), key)
        if other != key:
            pair = f"{', '.join(other)} and {', '.join(key)}"
            return [f"G4RT takes the cells {pair} for one (ids joined without a separator): their doses may be mixed"]
    return []


def _alone(
    path: Path,
    rows: _Rows,
    notes: tuple[str, ...],
    placement: Placement | None = None,
    like: Cells | None = None,
) -> Readings:
    """Readings of the file's own cells; sizes and axes as those of `like`, where given."""
    placement = placement or Placement()
    points, dose, names, sizes = _grouped(rows) if rows.is_voxels else (rows.points_mm, rows.dose, rows.names, None)
    twice = next((name for name, count in zip(*np.unique(names, return_counts=True), strict=True) if count > 1), None)
    if twice is not None:
        raise InputError(path, f"has the cell {str(twice)[:40]!r} twice", "keep one row for each cell")
    if sizes is None:
        edge = _SIZE_MM if like is None else np.median(like.sizes_mm, axis=0)
        sizes = np.broadcast_to(edge, points.shape)
    axes = placement.to_lps if like is None else like.axes
    cells = Cells(tuple(names), placement.lps(points), sizes, axes)
    unknown = np.full(len(dose), np.nan)
    return Readings(cells, dose, np.ones(len(dose)), unknown, "", notes)


def _grouped(rows: _Rows) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], np.ndarray]:
    """Centres, mean doses, names and sizes of the cells whose voxels these are; all voxels of a cell are alike."""
    names, of = np.unique(rows.names, return_inverse=True)
    points, sizes, dose = np.empty((len(names), 3)), np.empty((len(names), 3)), np.empty(len(names))
    for n in range(len(names)):
        mine = rows.points_mm[of == n]
        low, high = mine.min(axis=0), mine.max(axis=0)
        count = np.array([len(np.unique(np.round(mine[:, axis], 3))) for axis in range(3)])
        points[n], dose[n] = (low + high) / 2, rows.dose[of == n].mean()
        sizes[n] = np.where(count > 1, (high - low) * count / np.maximum(count - 1, 1), _SIZE_MM)
    return points, dose, tuple(map(str, names)), sizes


def _voxels_in_cells(path: Path, rows: _Rows, layout: Layout, notes: tuple[str, ...]) -> Readings:
    """Each cell's mean over the voxels that lie in it, whatever their ids say."""
    from scipy.spatial import cKDTree

    cells, points = layout.cells, layout.placement.lps(rows.points_mm)
    scaled = cells.axes / np.median(cells.sizes_mm, axis=0)
    at = cKDTree(cells.centers_mm @ scaled).query(points @ scaled, p=np.inf)[1]
    outside = np.abs((points - cells.centers_mm[at]) @ cells.axes) > cells.sizes_mm[at] / 2 + _EDGE_MM
    if outside.any():
        n = int(outside.any(axis=1).argmax())
        cause = f"a voxel of {rows.names[n][:40]!r} is in no cell of the layout"
        raise InputError(path, cause, "give the layout that was simulated, at its isocentre")
    count = np.bincount(at, minlength=len(cells))
    total = np.bincount(at, rows.dose, minlength=len(cells))
    dose = np.divide(total, count, out=np.full(len(cells), np.nan), where=count > 0)
    if (count == 0).any():
        missing = cells.labels[int((count == 0).argmax())]
        notes = (*notes, f"{int((count == 0).sum())} of the layout's cells have no voxel in the file, {missing} first")
    return Readings(cells, dose, (count > 0).astype(np.float64), np.full(len(cells), np.nan), "", notes)
