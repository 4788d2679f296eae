"""Layouts of others: centres in the detector frame, mm, as G4RT, its forks and GATE read and write them.

Sources: dose3d/g4rt, D3DDetector.cc (positioning CSV, `detector_*_cell_positioning.csv`, `generic_repeater.txt`) and
jhajduga/g4rt (labels, `layer` lines without meaning); the documentation of GATE 9, "generic repeater".
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..geometry.cells import Cells
from .check import fitting_wall, odd_numbers
from .layout import Layout
from .placement import Placement
from .table_text import Table, parse_rows, read_table

__all__ = ["COVER_MM", "make_layout", "read_foreign"]

COVER_MM = 1.0
"""Cover of a G4RT cell on each side (dose3d/g4rt, D3DMLayer.cc); files don't state it."""

_LENGTH_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_ANGLE = {"deg": 1.0, "degree": 1.0, "rad": 180.0 / np.pi}


def read_foreign(path: Path, text: str, placement: Placement, size_mm: float) -> Layout:
    """The layout in the text of a file that is not ours; which form it has is seen from its lines.

    Parameters
    ----------
    placement:
        where the detector frame stands.
    size_mm:
        edge of the cubic cells: none of these files states it.

    Raises
    ------
    InputError
        none of the forms; rows that are not three numbers; placements that move or turn singly; voxels of cells.
    """
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if re.match(r'["\s]*#?\s*component[ _]?name', first, re.IGNORECASE):
        from .workbook import bodies_layout

        # Meshes of a body are longer than fields that the csv module reads; they hold no semicolons or quotes.
        return bodies_layout(path, [line.split(";") for line in text.splitlines() if line.strip()], placement, size_mm)
    if re.search(r"^\s*translation\s+\w+", text, re.IGNORECASE | re.MULTILINE):
        return _read_gate(path, text, placement, size_mm)
    table = parse_rows(path, text)
    if not table.rows:
        raise InputError(path, "has no cells", "give a layout with at least one cell")
    if not _is_layer(table.rows[0]) and any(re.search(r"[^\W\d_eE]", field) for field in table.rows[0]):
        return _read_named(read_table(path, text), placement, size_mm)
    return _read_positions(table, placement, size_mm)


def make_layout(
    path: Path,
    labels: list[str],
    points_mm: np.ndarray,
    placement: Placement,
    size_mm: float | np.ndarray,
    layers: tuple[str, ...] = (),
) -> Layout:
    """A layout from centres in the detector frame, (n, 3); the cover is what G4RT has, or less where there is no room.

    Raises
    ------
    InputError
        a label twice, or a centre that is not finite; names `path`.
    """
    labels = [str(label) for label in labels]
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise InputError(path, f"has the cell {twice[0][:40]!r} twice", "give each cell a name of its own")
    if not np.isfinite(points_mm).all():
        raise InputError(path, "has a centre that is not finite", "give numbers")
    if odd := odd_numbers(points_mm, np.asarray(size_mm)):
        raise InputError(path, odd, "give centres and sizes in mm")
    sizes = np.broadcast_to(np.asarray(size_mm, np.float64), (len(labels), 3))
    cells = Cells(tuple(labels), placement.lps(np.reshape(points_mm, (-1, 3))), sizes, placement.to_lps)
    wall = fitting_wall(cells, COVER_MM)
    notes = [f"The file states no sizes: cubes of {size_mm:g} mm were taken."] if np.ndim(size_mm) == 0 else []
    if 0 < wall < COVER_MM:
        notes.append(f"The cells stand so close that their covers have {wall:g} mm instead of {COVER_MM:g} mm.")
    return Layout(cells, placement, layers, wall, Path(path).stem, {}, tuple(notes))


def _is_layer(row: list[str]) -> bool:
    """G4RT: a line that contains "layer" opens one; whatever follows in other fields is empty."""
    return "layer" in row[0].lower() and not any(field.strip() for field in row[1:])


def _read_positions(table: Table, placement: Placement, size_mm: float) -> Layout:
    """Lines `x,y,z` and `layer_1,,`; blanks between the numbers will do, too."""
    rows, lines, layers, layer = [["x", "y", "z"]], [0], [], ""
    for n, row in enumerate(table.rows):
        if _is_layer(row):
            layer = row[0].strip()
            continue
        rows.append(_three_fields(table, n, row))
        lines.append(table.lines[n])
        layers.append(layer)
    numbers = Table(table.path, {}, rows, lines, table.delimiter)
    points = np.stack([numbers.column(at, name) for at, name in enumerate("xyz")], axis=1)
    return make_layout(table.path, _counted(len(layers)), points, placement, size_mm, tuple(layers))


def _three_fields(table: Table, n: int, row: list[str]) -> list[str]:
    fields = row[0].split() if len(row) == 1 else [field.strip() for field in row]
    while len(fields) > 3 and not fields[-1]:
        fields.pop()
    if len(fields) != 3:
        comma = table.delimiter == "," and len(fields) > 3
        remedy = "numbers with decimal commas need ; between them" if comma else "give x,y,z in mm on each line"
        raise table.fault(n, f"has {len(fields)} numbers, not three", remedy)
    return fields


def _counted(count: int) -> list[str]:
    """cell_001, cell_002 ..."""
    width = max(3, len(str(count)))
    return [f"cell_{n:0{width}d}" for n in range(1, count + 1)]


def _read_named(table: Table, placement: Placement, size_mm: float) -> Layout:
    """Tables with a header: G4RT's positions of cells (`CellPosX[mm]`), or its doses (`X [mm]`)."""
    names = [re.sub(r"[^a-z]", "", name.lower()) for name in table.rows[0]]
    if any(name.startswith("voxelid") for name in names):
        raise InputError(table.path, "lists the voxels of cells", "give the table of the cells")
    at = [_find(names, (f"cellpos{axis}mm", f"pos{axis}mm", f"{axis}mm", f"cellpos{axis}", axis)) for axis in "xyz"]
    if None in at:
        cause = f"has no columns of positions; it has {', '.join(table.rows[0])[:80]}"
        raise InputError(table.path, cause, "give columns x_mm, y_mm, z_mm, or CellPosX[mm] ... CellPosZ[mm]")
    points = np.stack([table.column(place, table.rows[0][place]) for place in at], axis=1)
    points[np.abs(points) < 1e-9] = 0.0  # sums of pitches end at -8.88e-16
    return make_layout(table.path, _labels(table, names), points, placement, size_mm, _layers(table, names))


def _labels(table: Table, names: list[str]) -> list[str]:
    """The column of labels; else `Cell_x_y_z`, with separators (1_11_0 is not 11_1_0); else a number."""
    label, ids = _find(names, ("celllabel", "label", "cell")), _ids(names)
    rows = table.rows[1:]
    if label is not None:
        return [row[label].strip() for row in rows]
    if None in ids:
        return _counted(len(rows))
    return ["_".join(["Cell", *(row[place].strip() for place in ids)]) for row in rows]


def _layers(table: Table, names: list[str]) -> tuple[str, ...]:
    ids = _ids(names)
    return () if None in ids else tuple(f"Layer_{row[ids[1]].strip()}" for row in table.rows[1:])


def _ids(names: list[str]) -> list[int | None]:
    return [_find(names, (f"cellid{axis}", f"id{axis}")) for axis in "xyz"]


def _find(names: list[str], wanted: tuple[str, ...]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _read_gate(path: Path, text: str, placement: Placement, size_mm: float) -> Layout:
    """GATE's generic repeater: `Time s`, `Rotation deg`, `Translation mm`, then time, angle, axis, translation."""
    units, rows = {"time": "s", "rotation": "deg", "translation": "mm"}, []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].replace(",", " ").split()
        if words and words[0].lower() in units:
            units[words[0].lower()] = words[1].lower() if len(words) > 1 else ""
        elif words:
            rows.append(_gate_row(path, number, words))
    if units["translation"] not in _LENGTH_MM or units["rotation"] not in _ANGLE:
        cause = f"has units {units['rotation']!r} and {units['translation']!r}"
        raise InputError(path, cause, "give rotations in deg or rad, translations in mm, cm or m")
    if not rows:
        raise InputError(path, "has no cells", "give a layout with at least one cell")
    numbers = np.array(rows)
    if np.ptp(numbers[:, 0]) > 0:
        raise InputError(path, "moves its copies with time", "give the placements of one moment")
    turn = _common_turn(path, numbers[:, 1] * _ANGLE[units["rotation"]], numbers[:, 2:5])
    points = numbers[:, 5:] * _LENGTH_MM[units["translation"]]
    layout = make_layout(path, _counted(len(rows)), points, placement, size_mm)
    if np.array_equal(turn, np.eye(3)):
        return layout
    cells = Cells(layout.cells.labels, layout.cells.centers_mm, layout.cells.sizes_mm, placement.to_lps @ turn)
    return Layout(cells, placement, layout.layers, fitting_wall(cells, COVER_MM), layout.name, {}, layout.notes)


def _gate_row(path: Path, number: int, words: list[str]) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != 8 or not np.isfinite(values).all():
        cause = f"line {number} is no placement: {' '.join(words)[:60]!r}"
        raise InputError(path, cause, "give time, angle, axis x y z, translation x y z")
    return values


def _common_turn(path: Path, angles_deg: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(3, 3) rotation that all copies share."""
    from scipy.spatial.transform import Rotation

    lengths = np.linalg.norm(directions, axis=1)
    if (np.abs(angles_deg) > 0).any() and (lengths[np.abs(angles_deg) > 0] == 0).any():
        raise InputError(path, "turns about an axis of length 0", "give a direction for each turned copy")
    units = directions / np.where(lengths > 0, lengths, 1.0)[:, None]
    turns = Rotation.from_rotvec(units * np.radians(angles_deg)[:, None]).as_matrix()
    if np.abs(turns - turns[0]).max() > 1e-6:
        raise InputError(path, "turns its copies by different angles", "give cells that stand parallel")
    return np.eye(3) if np.allclose(turns[0], np.eye(3), atol=1e-9) else turns[0]
