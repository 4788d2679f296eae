"""The mapping workbook of a phantom: which scintillator sits where, and on which fibre and channel it is read.

Columns as in jhajduga/g4rt, `build_db_from_fusion_export.py`: the sheet `scintillator_mapping_db` has a row for each
body of the CAD model; a scintillator is a row with an `SC_id`, or, where none is filled in, a component `D3DF_SC_Cell`.
An .xlsx file is a zip of XML (ECMA-376), which the standard library reads.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ..core.errors import InputError
from .foreign import make_layout
from .layout import Layout
from .placement import Placement
from .table_text import MAXIMUM_ROWS, typed

__all__ = ["SHEET", "bodies_layout", "read_sheet", "read_workbook"]

SHEET = "scintillator_mapping_db"

_LARGEST_PART = 512 << 20
"""Bytes of an unpacked part: meshes make the group's workbooks some megabytes, a zip bomb is more."""

_KEPT = ("fiber_id", "pmt_chn", "cal_params", "physical_material", "component_name")
"""Columns that go with the cells as facts, where they are filled in."""

_DAMAGED = (zipfile.BadZipFile, zlib.error, LookupError, ValueError, RuntimeError, EOFError, StopIteration)

_CELL_COMPONENT = "D3DF_SC_Cell"


def read_workbook(path: Path, placement: Placement, size_mm: float) -> Layout:
    """The scintillators of a workbook, in the frame of its model.

    Raises
    ------
    InputError
        no .xlsx file, no such sheet, or none of its rows is a scintillator with a centre.
    """
    return bodies_layout(path, read_sheet(path, SHEET), placement, size_mm)


def bodies_layout(path: Path, rows: list[list[str]], placement: Placement, size_mm: float) -> Layout:
    """The layout in rows whose first is the header; centres `Co_M_*`, boxes `Bb_Min_*` and `Bb_Max_*` in mm."""
    names = [_plain(name) for name in rows[0]] if rows else []
    place = {name: n for n, name in enumerate(names)}
    centers = [place.get(f"com{axis}") for axis in "xyz"]
    if None in centers:
        raise InputError(path, "has no columns Co_M_X, Co_M_Y, Co_M_Z", "give the mapping workbook of a phantom")
    filled = [[*row, *[""] * (len(names) - len(row))] for row in rows[1:]]
    kept, notes = _scintillators(filled, place)
    if not kept:
        raise InputError(path, "has no row with an SC_id", "fill in SC_id, or name the components D3DF_SC_Cell")
    points = _numbers(path, kept, centers, "the centre")
    sizes = _box_sizes(path, kept, place)
    layout = make_layout(path, _ids(kept, place), points, placement, size_mm if sizes is None else sizes)
    texts = {name: [row[place[_plain(name)]].strip() for row in kept] for name in _KEPT if _plain(name) in place}
    facts = {name: typed(column) for name, column in texts.items() if any(column)}
    return Layout(layout.cells, placement, (), layout.wall_mm, layout.name, facts, (*layout.notes, *notes))


def _plain(name: str) -> str:
    """`Co_M_X`, `CoM_x` and `CO_M X` are one column."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _scintillators(rows: list[list[str]], place: dict[str, int]) -> tuple[list[list[str]], list[str]]:
    number = place.get("scid")
    kept = [] if number is None else [row for row in rows if row[number].strip().lower() not in ("", "nan", "<na>")]
    if kept:
        return kept, []
    name = place.get("componentname")
    kept = [] if name is None else [row for row in rows if _CELL_COMPONENT in row[name]]
    return kept, [f"No SC_id is filled in: the components {_CELL_COMPONENT} were taken, numbered as they come."]


def _ids(rows: list[list[str]], place: dict[str, int]) -> list[str]:
    number = place.get("scid")
    ids = [] if number is None else [row[number].strip() for row in rows]
    return ids if any(ids) else [f"cell_{n:03d}" for n in range(1, len(rows) + 1)]


def _box_sizes(path: Path, rows: list[list[str]], place: dict[str, int]) -> np.ndarray | None:
    at = [place.get(f"bb{end}{axis}") for end in ("min", "max") for axis in "xyz"]
    if None in at:
        return None
    box = _numbers(path, rows, at, "the box")
    sizes = np.round(box[:, 3:] - box[:, :3], 6)
    if (sizes <= 0).any():
        raise InputError(path, "has a scintillator whose box has no volume", "give Bb_Min below Bb_Max, mm")
    return sizes


def _numbers(path: Path, rows: list[list[str]], at: list[int], what: str) -> np.ndarray:
    """(rows, columns) floats; workbooks of the group hold numbers as text, some with decimal commas."""
    values = np.empty((len(rows), len(at)))
    for n, row in enumerate(rows):
        for m, column in enumerate(at):
            text = row[column].strip()
            try:
                values[n, m] = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
            except ValueError:
                raise InputError(path, f"has {text[:30]!r} in {what} of a scintillator", "give numbers in mm") from None
    return values


def read_sheet(path: Path, sheet: str) -> list[list[str]]:
    """Texts of all cells of a sheet by row, "" where a cell is empty; what a formula last gave counts as its value.

    Raises
    ------
    InputError
        no .xlsx file, no such sheet, a formula without a stored value.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            part = _sheet_part(path, archive, sheet)
            shared = _shared_texts(path, archive)
            return list(_rows(path, _parse(path, archive, part), shared))
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", "give an .xlsx file") from error
    except _DAMAGED as error:
        raise InputError(path, f"is no .xlsx workbook ({str(error)[:60]})", "save it as .xlsx once more") from error


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _parse(path: Path, archive: zipfile.ZipFile, part: str) -> ElementTree.Element:
    if archive.getinfo(part).file_size > _LARGEST_PART:
        raise InputError(path, f"unpacks to over {_LARGEST_PART >> 20} MiB", "give a smaller workbook")
    text = archive.read(part)
    if b"<!DOCTYPE" in text[:1000]:  # no workbook has entities of its own
        raise ValueError("document type in XML")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error


def _sheet_part(path: Path, archive: zipfile.ZipFile, sheet: str) -> str:
    """The file of a sheet: workbook.xml names it, its relations say where it lies."""
    book = _parse(path, archive, "xl/workbook.xml")
    sheets = {item.get("name", ""): item for item in book.iter() if _local(item) == "sheet"}
    if sheet not in sheets:
        raise InputError(path, f"has no sheet {sheet!r}", f"its sheets are {', '.join(sheets)[:100]}")
    relation = next(value for key, value in sheets[sheet].attrib.items() if key.endswith("}id"))
    relations = _parse(path, archive, "xl/_rels/workbook.xml.rels")
    target = next(item.get("Target", "") for item in relations if item.get("Id") == relation)
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _shared_texts(path: Path, archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    items = [item for item in _parse(path, archive, "xl/sharedStrings.xml") if _local(item) == "si"]
    return ["".join(part.text or "" for part in item.iter() if _local(part) == "t") for item in items]


def _rows(path: Path, root: ElementTree.Element, shared: list[str]) -> Iterator[list[str]]:
    rows = [row for row in root.iter() if _local(row) == "row"]
    if len(rows) > MAXIMUM_ROWS:
        raise InputError(path, f"has {len(rows)} rows, more than a million", "give a smaller workbook")
    for row in rows:
        texts: list[str] = []
        for cell in row:
            column = _column(cell.get("r", ""), len(texts))
            texts += [""] * (column - len(texts))
            texts.append(_cell_text(path, cell, shared))
        yield texts


def _column(reference: str, following: int) -> int:
    """Number of a column from "AB12", from 0; cells without a reference follow each other."""
    letters = re.match(r"[A-Z]{1,3}", reference)
    if not letters:
        return following
    number = 0
    for letter in letters.group():
        number = 26 * number + ord(letter) - 64
    return max(number - 1, following)


def _cell_text(path: Path, cell: ElementTree.Element, shared: list[str]) -> str:
    parts = {_local(part): part for part in cell}
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return "".join(part.text or "" for part in cell.iter() if _local(part) == "t")
    value = parts.get("v")
    text = "" if value is None else value.text or ""
    if "f" in parts and not text:
        remedy = "open and save it in a spreadsheet program, or paste the values"
        raise InputError(path, f"has a formula without a value in {cell.get('r', '?')}", remedy)
    if kind == "e":
        raise InputError(path, f"has the error {text[:20]!r} in {cell.get('r', '?')}", "mend that cell")
    return shared[int(text)] if kind == "s" and text else text
