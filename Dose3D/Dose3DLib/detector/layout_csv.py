"""LAYOUT.csv: a row a cell in LPS, its frame in comments, further columns at the end; and the layouts of others."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..geometry.cells import Cells
from .check import FARTHEST_MM, odd_numbers, overlapping_pair
from .layout import Layout
from .placement import Placement
from .table_text import MAXIMUM_ROWS, Table, formula_in, read_table, read_text, three_numbers, typed

__all__ = ["TEXT_FACTS", "check_layout", "is_own_layout", "layout_text", "moved", "read_layout", "write_layout"]

TEXT_FACTS = ("main_structure",)
"""Further columns that are text even when every value looks like a number."""

_POSITION = ("x_mm", "y_mm", "z_mm")
_SIZE = ("size_x_mm", "size_y_mm", "size_z_mm")
_FIXED = ("cell", "layer", *_POSITION, *_SIZE)
_MARK = "dose3d layout"
_BOOKS = (".xlsx", ".xlsm")


def read_layout(path: Path, placement: Placement | None = None, size_mm: float = 10.0) -> Layout:
    """A layout from our own CSV, from G4RT's or GATE's files (`foreign`), or from a mapping workbook (`workbook`).

    Parameters
    ----------
    placement:
        where the detector is put. Without one, ours stands where it says, others with their origin in LPS' origin.
    size_mm:
        edge of the cubes where the file states no size.

    Raises
    ------
    InputError
        no layout; numbers, names or sizes missing, double or not finite; overlapping cells; over a million of them.
    """
    path = Path(path)
    if path.suffix.lower() in _BOOKS:
        from .workbook import read_workbook

        return check_layout(path, read_workbook(path, placement or Placement(), size_mm))
    text = read_text(path)
    if not _is_ours(text):
        from .foreign import read_foreign

        return check_layout(path, read_foreign(path, text, placement or Placement(), size_mm))
    layout = check_layout(path, _read_ours(read_table(path, text), size_mm))
    return layout if placement is None else moved(layout, placement)


def is_own_layout(path: Path) -> bool:
    """True for a file that says itself where its cells stand in the patient; others are placed by who reads them.

    Raises
    ------
    InputError
        the file cannot be read.
    """
    return Path(path).suffix.lower() not in _BOOKS and _is_ours(read_text(path))


def write_layout(layout: Layout, path: Path) -> None:
    """Write LAYOUT.csv; `read_layout` gives the same cells, layers, placement and facts, digit by digit.

    Raises
    ------
    InputError
        a name that a CSV can't hold or that a spreadsheet takes for a formula.
    """
    Path(path).write_text(layout_text(layout, path), encoding="utf-8", newline="")


def moved(layout: Layout, placement: Placement) -> Layout:
    """The same detector elsewhere. Facts are about the old place, so they go."""
    axes = placement.to_lps @ layout.placement.to_lps.T @ layout.cells.axes
    centers = placement.lps(layout.detector_centers_mm())
    cells = Cells(layout.cells.labels, centers, layout.cells.sizes_mm, axes)
    return Layout(cells, placement, layout.layers, layout.wall_mm, layout.name, {}, layout.notes)


def check_layout(path: object, layout: Layout) -> Layout:
    """The layout, when it can be built.

    Raises
    ------
    InputError
        no cell, over a million, two that overlap (their covers, too); names `path`.
    """
    if not len(layout):
        raise InputError(path, "has no cells", "give a layout with at least one cell")
    if len(layout) > MAXIMUM_ROWS:
        raise InputError(path, f"has {len(layout)} cells, more than a million", "give a layout of fewer cells")
    if odd := odd_numbers(layout.cells.centers_mm, layout.cells.sizes_mm):
        raise InputError(path, odd, "give centres and sizes in mm")
    found = overlapping_pair(layout.cells, layout.wall_mm)
    if found is None:
        return layout
    remedy, what = f"give walls of at most {max(0.0, layout.wall_mm - found[2] / 2):.6g} mm", "covers of the cells"
    bare = overlapping_pair(layout.cells)
    if bare is not None:
        found, remedy, what = bare, "move them apart or make them smaller", "cells"
    first, second = (layout.cells.labels[n] for n in found[:2])
    raise InputError(path, f"the {what} {first} and {second} overlap by {found[2]:.4g} mm", remedy)


def layout_text(layout: Layout, path: object = "the layout") -> str:
    """The whole content of LAYOUT.csv."""
    facts = list(layout.facts)
    _check_names(path, [*layout.cells.labels, *layout.layers, *facts])
    if taken := [name for name in facts if name in _FIXED]:
        raise InputError(path, f"the column {taken[0]!r} has a meaning of its own", "rename it")
    columns = [_column(path, layout.facts[name]) for name in facts]
    file = io.StringIO()
    file.write("".join(f"# {line}\n" for line in _head(layout)))
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*_FIXED, *facts])
    numbers = np.hstack([layout.cells.centers_mm, layout.cells.sizes_mm]) + 0.0  # no -0.0
    texts = [[repr(number) for number in row] for row in numbers.tolist()]
    for label, layer, row, *more in zip(layout.cells.labels, layout.layers, texts, *columns, strict=True):
        writer.writerow([label, layer, *row, *more])
    return file.getvalue()


def _head(layout: Layout) -> list[str]:
    matrix = " ".join(map(repr, (layout.placement.to_lps + 0.0).ravel().tolist()))
    isocenter = " ".join(map(repr, (layout.placement.isocenter_mm + 0.0).tolist()))
    lines = [f"{_MARK} 1", f"name: {' '.join(layout.name.split())}", "frame: LPS", f"isocenter_mm: {isocenter}"]
    lines += [f"to_lps: {matrix}", f"wall_mm: {float(layout.wall_mm)!r}"]
    if not np.array_equal(layout.cells.axes, layout.placement.to_lps):
        lines.append(f"axes: {' '.join(map(repr, (layout.cells.axes + 0.0).ravel().tolist()))}")
    return lines


def _check_names(path: object, names: list[str]) -> None:
    for name in names:
        if name != name.strip() or not all(map(str.isprintable, name)) or name.startswith("#"):
            raise InputError(path, f"the name {name[:40]!r} does not fit into a CSV", "rename it")
        if formula_in(name):
            raise InputError(path, f"spreadsheets take the name {name[:40]!r} for a formula", "rename it")


def _column(path: object, values: np.ndarray) -> list[str]:
    array = np.asarray(values)
    if array.dtype.kind in "fiub":
        return [repr(number) for number in (array.astype(np.float64) + 0.0).tolist()]
    texts = list(map(str, array.tolist()))
    _check_names(path, texts)
    return texts


def _is_ours(text: str) -> bool:
    """Known by its first comment, or by a header with our names of the positions."""
    if re.match(rf"[\s\"]*#\s*{_MARK}", text):
        return True
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip(' "').startswith("#"))
    return set(_POSITION) <= {field.strip().strip('"') for field in re.split(r"[,;\t]", next(lines, ""))}


def _read_ours(table: Table, size_mm: float) -> Layout:
    _check_version(table)
    notes: list[str] = []
    header = table.rows[0]
    for name in ("cell", *_POSITION):
        if name not in header:
            raise InputError(table.path, f"has no column {name}", f"its columns are {', '.join(header)[:120]}")
    placement = _placement(table, notes)
    axes = placement.to_lps
    if "axes" in table.comments:
        axes = _matrix(table, "axes")
    labels = tuple(row[header.index("cell")].strip() for row in table.rows[1:])
    centers = np.stack([_finite(table, name) for name in _POSITION], axis=1)
    cells = _cells(table, labels, centers, _sizes(table, size_mm, notes), axes)
    layers = tuple(row[header.index("layer")].strip() for row in table.rows[1:]) if "layer" in header else ()
    facts = {name: _fact(table, name) for name in header if name not in _FIXED}
    name = table.comments.get("name", "") or ("" if "name" in table.comments else table.path.stem)
    return Layout(cells, placement, layers, _wall(table), name, facts, tuple(notes))


def _check_version(table: Table) -> None:
    mark = next((key for key in table.comments if key.startswith(_MARK)), f"{_MARK} 1")
    version = mark.removeprefix(_MARK).strip()
    if version not in ("1", ""):
        raise InputError(table.path, f"is layout format {version!r}, and this program reads 1", "use a newer Dose3D")
    frame = table.comments.get("frame", "LPS")
    if frame.upper() != "LPS":
        raise InputError(table.path, f"is in the frame {frame[:20]!r}", "give positions in LPS (`# frame: LPS`)")


def _placement(table: Table, notes: list[str]) -> Placement:
    isocenter, matrix = np.zeros(3), np.eye(3)
    if "isocenter_mm" in table.comments:
        isocenter = three_numbers(table.path, "isocenter_mm", table.comments["isocenter_mm"])
        if np.abs(isocenter).max() > FARTHEST_MM:
            raise InputError(table.path, f"isocenter_mm is {np.abs(isocenter).max():.3g} mm away", "give it in mm")
    if "to_lps" in table.comments:
        matrix = _matrix(table, "to_lps")
    else:
        notes.append("No to_lps is stated: the detector's axes were taken as those of LPS.")
    return Placement(isocenter, matrix)


def _matrix(table: Table, key: str) -> np.ndarray:
    matrix = three_numbers(table.path, key, table.comments[key], 9).reshape(3, 3)
    if not np.allclose(matrix.T @ matrix, np.eye(3), atol=1e-6):
        raise InputError(table.path, f"{key} is no rotation", "give nine numbers, row by row, of orthonormal axes")
    return matrix


def _wall(table: Table) -> float:
    wall = float(three_numbers(table.path, "wall_mm", table.comments.get("wall_mm", "0"), 1)[0])
    if not 0 <= wall <= FARTHEST_MM:
        raise InputError(table.path, f"wall_mm is {wall:g}", "give a thickness of at least 0 mm")
    return wall


def _finite(table: Table, name: str) -> np.ndarray:
    values = table.column(table.rows[0].index(name), name)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise table.fault(int(bad[0]) + 1, f"{name} is not finite", "give numbers")
    return values


def _sizes(table: Table, size_mm: float, notes: list[str]) -> np.ndarray:
    header = table.rows[0]
    known = [name for name in _SIZE if name in header]
    if not known:
        notes.append(f"No sizes are stated: the cells were taken as cubes of {size_mm:g} mm.")
        return np.full((len(table.rows) - 1, 3), float(size_mm))
    if len(known) < 3:
        raise InputError(table.path, f"has {', '.join(known)} only", f"give all of {', '.join(_SIZE)}")
    sizes = np.stack([_finite(table, name) for name in _SIZE], axis=1)
    bad = np.flatnonzero((sizes <= 0).any(axis=1))
    if len(bad):
        raise table.fault(int(bad[0]) + 1, "the cell has a size that is not above 0", "give full lengths in mm")
    return sizes


def _cells(table: Table, labels: tuple[str, ...], centers: np.ndarray, sizes: np.ndarray, axes: np.ndarray) -> Cells:
    first: dict[str, int] = {}
    for n, label in enumerate(labels, 1):
        if not label:
            raise table.fault(n, "the cell has no name", "give each cell a name of its own")
        if label in first:
            cause = f"the cell {label[:40]!r} is there already, in line {table.lines[first[label]]}"
            raise table.fault(n, cause, "give each cell a name of its own")
        first[label] = n
    return Cells(labels, centers, sizes, axes)


def _fact(table: Table, name: str) -> np.ndarray:
    """Numbers where every field is one (empty: NaN), else the texts."""
    position = table.rows[0].index(name)
    texts = [row[position].strip() for row in table.rows[1:]]
    return np.array(texts, dtype=str) if name in TEXT_FACTS else typed(texts)
