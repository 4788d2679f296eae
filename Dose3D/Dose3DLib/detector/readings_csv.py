"""CELLS.csv: a row a cell with its dose; positions in LPS. Simulated doses of G4RT are read, too (`g4rt_doses`)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..geometry.cells import Cells
from .check import overlapping_pair
from .layout import Layout
from .readings import Readings, matched
from .table_text import MAXIMUM_ROWS, Table, formula_in, read_table, read_text, three_numbers

__all__ = ["read_readings", "readings_text", "write_readings"]

_MARK = "dose3d cells"
_POSITION = ("x_mm", "y_mm", "z_mm")
_SIZE = ("size_x_mm", "size_y_mm", "size_z_mm")
_FIXED = ("cell", *_POSITION, "dose_gy", "fraction", *_SIZE, "sd_gy")
_OTHER_UNITS = {"cgy": 0.01, "mgy": 0.001}
_DEFAULT_SIZE_MM = 10.0


def read_readings(path: Path, layout: Layout | None = None) -> Readings:
    """The doses of cells from CELLS.csv or from G4RT's output (a `_cell.csv`, a `_voxel.csv` or the folder of them).

    Parameters
    ----------
    layout:
        whose cells they are: readings are brought into its order by label or, where labels differ, by centre. Needed
        for G4RT's output whenever the detector does not stand with its isocentre in LPS' origin, and for files without
        positions.

    Raises
    ------
    InputError
        no such table; a cell twice or not of the layout; numbers missing or not finite; doses in another unit; no
        cell, or over a million.
    """
    path = Path(path)
    if path.is_dir():
        from .g4rt_doses import read_g4rt_doses

        return read_g4rt_doses(path, layout)
    table = read_table(path, read_text(path))
    table = Table(path, table.comments, [_plain_header(table.rows[0]), *table.rows[1:]], table.lines, table.delimiter)
    if any(name.startswith("x [mm]") for name in table.rows[0]):
        from .g4rt_doses import read_g4rt_doses

        return read_g4rt_doses(path, layout)
    return _read_ours(table, layout)


def write_readings(
    readings: Readings, path: Path, more: Mapping[str, Sequence[str]] | None = None, comments: Sequence[str] = ()
) -> None:
    """Write CELLS.csv; `read_readings` gives the same readings, digit by digit. See `readings_text`."""
    Path(path).write_text(readings_text(readings, more, comments, path), encoding="utf-8", newline="")


def readings_text(
    readings: Readings,
    more: Mapping[str, Sequence[str]] | None = None,
    comments: Sequence[str] = (),
    path: object = "the readings",
) -> str:
    """The whole content of CELLS.csv; a cell without a value has an empty dose.

    Parameters
    ----------
    more:
        further columns of texts by name, which `read_readings` passes over.
    comments:
        lines for people, put after the format's own.

    Raises
    ------
    InputError
        a text that a CSV can't hold or that a spreadsheet takes for a formula; names `path`.
    """
    more = {} if more is None else more
    _check_texts(path, [*readings.cells.labels, *more, *(text for column in more.values() for text in column)])
    with_sd = bool(np.isfinite(readings.sd_gy).any())
    file = io.StringIO()
    file.write("".join(f"# {line}\n" for line in (*_head(readings), *comments)))
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*(_FIXED if with_sd else _FIXED[:-1]), *more])
    cells = readings.cells
    numbers = [cells.centers_mm, readings.dose_gy[:, None], readings.fraction[:, None], cells.sizes_mm]
    rows = np.hstack([*numbers, readings.sd_gy[:, None]] if with_sd else numbers) + 0.0  # no -0.0
    for label, row, *texts in zip(cells.labels, rows.tolist(), *more.values(), strict=True):
        writer.writerow([label, *("" if value != value else repr(value) for value in row), *texts])
    return file.getvalue()


def _head(readings: Readings) -> list[str]:
    axes = " ".join(map(repr, (readings.cells.axes + 0.0).ravel().tolist()))
    lines = [f"{_MARK} 1", "frame: LPS", f"to_lps: {axes}"]
    return [*lines, f"frame_of_reference_uid: {readings.frame}"] if readings.frame else lines


def _check_texts(path: object, texts: list[str]) -> None:
    for text in texts:
        if text != text.strip() or not all(map(str.isprintable, text)) or text.startswith("#"):
            raise InputError(path, f"the text {text[:40]!r} does not fit into a CSV", "rename it")
        if formula_in(text):
            raise InputError(path, f"spreadsheets take {text[:40]!r} for a formula", "rename it")


def _plain_header(header: list[str]) -> list[str]:
    """Names as we write them, whatever their case and blanks: spreadsheets are edited by hand."""
    return [" ".join(name.lower().split()) for name in header]


def _read_ours(table: Table, layout: Layout | None) -> Readings:
    _check_kind(table)
    labels = _labels(table)
    dose, sd, notes = _doses(table)
    if layout is None and not any(name in table.rows[0] for name in _SIZE):
        notes.append(f"No sizes are stated: the cells were taken as cubes of {_DEFAULT_SIZE_MM:g} mm.")
    cells, frame = _cells(table, labels, layout), table.comments.get("frame_of_reference_uid", "")
    readings = Readings(cells, dose, _fraction(table, dose), sd, frame, tuple(notes))
    if layout is not None:
        return matched(readings, layout.cells, table.path)
    _refuse_overlap(table.path, cells)
    return readings


def _refuse_overlap(path: Path, cells: Cells) -> None:
    found = overlapping_pair(cells)
    if found is not None:
        first, second = (cells.labels[n][:40] for n in found[:2])
        cause = f"the cells {first} and {second} overlap by {found[2]:.4g} mm"
        raise InputError(
            path, cause, "give the readings of each set-up in a file of its own, or mend sizes and positions"
        )


def _check_kind(table: Table) -> None:
    header = table.rows[0]
    if "cell" not in header:
        raise InputError(table.path, "has no column cell", f"its columns are {', '.join(header)[:120]}")
    mark = next((key for key in table.comments if key.startswith(_MARK)), f"{_MARK} 1")
    if mark.removeprefix(_MARK).strip() not in ("1", ""):
        raise InputError(table.path, f"is of the format {mark[:30]!r}, and this program reads 1", "use a newer Dose3D")
    frame = table.comments.get("frame", "LPS")
    if frame.upper() != "LPS":
        raise InputError(table.path, f"is in the frame {frame[:20]!r}", "give positions in LPS (`# frame: LPS`)")
    count = len(table.rows) - 1
    if not count:
        raise InputError(table.path, "has no cells", "give a row per cell")
    if count > MAXIMUM_ROWS:
        raise InputError(table.path, f"has {count} rows, more than a million", "give fewer cells")


def _labels(table: Table) -> tuple[str, ...]:
    position, first = table.rows[0].index("cell"), {}
    for n, row in enumerate(table.rows[1:], 1):
        label = row[position].strip()
        if not label:
            raise table.fault(n, "the cell has no name", "give each cell the name that it has in the layout")
        if label in first:
            cause = f"the cell {label[:40]!r} is there already, in line {table.lines[first[label]]}"
            raise table.fault(n, cause, "keep one row for each cell; `detector calibrate` averages repeated readings")
        first[label] = n
    return tuple(first)


def _doses(table: Table) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Gy, its standard deviation in Gy, and notes."""
    header = table.rows[0]
    unit, factor = next(((u, f) for u, f in _OTHER_UNITS.items() if f"dose_{u}" in header), ("gy", 1.0))
    if f"dose_{unit}" not in header:
        other = next((name for name in header if name.startswith(("dose", "reading"))), None)
        cause = "has no column dose_gy" + (f", and {other[:30]!r} is no absorbed dose in Gy" if other else "")
        raise InputError(table.path, cause, "turn raw readings or percent into Gy first (`detector calibrate`)")
    if unit != "gy" and "dose_gy" in header:
        raise InputError(table.path, f"has both dose_gy and dose_{unit}", "keep one of them")
    dose = _column(table, f"dose_{unit}") * factor
    sd = np.full(len(dose), np.nan)
    if f"sd_{unit}" in header:
        sd = _column(table, f"sd_{unit}") * factor
        _refuse(table, sd < 0, f"sd_{unit} is negative", "give standard deviations of at least 0")
    notes = [] if unit == "gy" else [f"Doses are in {unit[:-2]}Gy and were taken times {factor:g}."]
    return dose, sd, notes


def _column(table: Table, name: str) -> np.ndarray:
    """Numbers; NaN for an empty field or a written nan."""
    values = table.column(table.rows[0].index(name), name, missing=np.nan)
    _refuse(table, np.isinf(values), f"{name} is infinite", "give numbers, or leave the field empty")
    return values


def _refuse(table: Table, bad: np.ndarray, cause: str, remedy: str) -> None:
    if bad.any():
        raise table.fault(int(bad.argmax()) + 1, cause, remedy)


def _fraction(table: Table, dose: np.ndarray) -> np.ndarray:
    """A measured dose without a fraction is that of the whole cell."""
    if "fraction" not in table.rows[0]:
        return np.where(np.isnan(dose), 0.0, 1.0)
    values = _column(table, "fraction")
    values = np.where(np.isnan(values), np.where(np.isnan(dose), 0.0, 1.0), values)
    _refuse(table, (values < 0) | (values > 1), "fraction is not 0 to 1", "give the share of the cell with a dose")
    return values


def _cells(table: Table, labels: tuple[str, ...], layout: Layout | None) -> Cells:
    """The cells as the file has them; a file without positions has those of the layout."""
    present = [name for name in _POSITION if name in table.rows[0]]
    if not present:
        return _cells_of_layout(table, labels, layout)
    if len(present) < 3:
        raise InputError(table.path, f"has {', '.join(present)} only", f"give all of {', '.join(_POSITION)}")
    axes = layout.cells.axes if layout is not None else _axes(table)
    return Cells(labels, _finite(table, _POSITION), _sizes(table), axes)


def _cells_of_layout(table: Table, labels: tuple[str, ...], layout: Layout | None) -> Cells:
    if layout is None:
        raise InputError(table.path, f"has no columns {', '.join(_POSITION)}", "give its layout as well")
    index = {label: n for n, label in enumerate(layout.cells.labels)}
    unknown = np.array([label not in index for label in labels])
    if unknown.any():
        name = labels[int(unknown.argmax())]
        cause = f"the cell {name[:40]!r} is not in the layout"
        raise table.fault(int(unknown.argmax()) + 1, cause, "give labels of the layout, or positions")
    return layout.cells.take(np.array([index[label] for label in labels]))


def _axes(table: Table) -> np.ndarray:
    if "to_lps" not in table.comments:
        return np.eye(3)
    axes = three_numbers(table.path, "to_lps", table.comments["to_lps"], 9).reshape(3, 3)
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-6):
        raise InputError(table.path, "to_lps is no rotation", "give nine numbers, row by row, of orthonormal axes")
    return axes


def _finite(table: Table, names: tuple[str, ...]) -> np.ndarray:
    values = np.stack([table.column(table.rows[0].index(name), name) for name in names], axis=1)
    _refuse(table, ~np.isfinite(values).all(axis=1), "a position or a size is not finite", "give numbers in mm")
    return values


def _sizes(table: Table) -> np.ndarray:
    present = [name for name in _SIZE if name in table.rows[0]]
    if not present:
        return np.full((len(table.rows) - 1, 3), _DEFAULT_SIZE_MM)
    if len(present) < 3:
        raise InputError(table.path, f"has {', '.join(present)} only", f"give all of {', '.join(_SIZE)}")
    sizes = _finite(table, _SIZE)
    _refuse(table, (sizes <= 0).any(axis=1), "the cell has a size that is not above 0", "give full lengths in mm")
    return sizes
