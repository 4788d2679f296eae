"""Which name a label of a label map has: tables of Slicer, ITK-SNAP, nnU-Net, TotalSegmentator, plain CSV or JSON."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import InputError

__all__ = ["Label", "as_labels", "find_names_file", "labels_from_caret", "read_names"]

_VALUE_COLUMNS = ("label", "value", "labelvalue", "index", "id", "number", "no")
_NAME_COLUMNS = ("name", "structure", "roi", "organ", "labelname", "class")


@dataclass(frozen=True)
class Label:
    """A structure of a label map: the label values that make it up (several in nnU-Net's regions) and what is known."""

    name: str
    values: tuple[int, ...]
    color: tuple[int, int, int] | None = None
    interpreted_type: str | None = None


def as_labels(names: Mapping[int, str] | Iterable[Label]) -> list[Label]:
    """Labels from a plain dictionary {value: name}, or as they are."""
    if isinstance(names, Mapping):
        return [Label(str(name), (int(value),)) for value, name in names.items()]
    return list(names)


def find_names_file(image: Path) -> Path | None:
    """The table that lies beside a label map: its own name with another ending, else nnU-Net's dataset.json."""
    stem = re.sub(r"(\.nii)?\.[^.]+$", "", image.name)
    own = [image.with_name(stem + ending) for ending in (".json", ".csv", ".tsv", ".ctbl", ".label", ".txt")]
    folders = (image.parent, image.parent.parent)
    return next((path for path in (*own, *(folder / "dataset.json" for folder in folders)) if path.is_file()), None)


def read_names(path: str | Path) -> list[Label]:
    """Read a table of names; its kind is seen from its ending and content.

    JSON: {"1": "Liver"}, {"Liver": 1}, nnU-Net's dataset.json (regions, too). CSV or TSV: a value and a name, with or
    without a heading, colours as r, g, b if given. Text: ITK-SNAP's label description or Slicer's .ctbl. The background
    (value 0) is left out.

    Raises
    ------
    InputError
        not such a table, a name without a value, a value or name given twice.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not text in UTF-8", "give a JSON, CSV, .ctbl or ITK-SNAP table of names") from error
    try:
        rows = list(_from_json(text) if path.suffix.lower() == ".json" else _from_lines(text))
        _check(rows)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            path, f"is not a table of label names ({error})", "docs/structures.md shows the forms"
        ) from error
    return [label for label in rows if label.values != (0,)]


def labels_from_caret(xml: str) -> list[Label]:
    """The label table that TotalSegmentator (--ml) and Connectome Workbench write into a NIfTI header."""
    from xml.etree import ElementTree

    try:
        found = ElementTree.fromstring(xml[: xml.rindex(">") + 1]).iter("Label")
        labels = [Label((item.text or "").strip(), (int(item.get("Key", "0")),), _caret_color(item)) for item in found]
    except (ElementTree.ParseError, ValueError):
        return []
    return [label for label in labels if label.values != (0,) and label.name]


def _caret_color(item: Any) -> tuple[int, int, int] | None:
    parts = [item.get(part) for part in ("Red", "Green", "Blue")]
    return _color(parts) if None not in parts else None


def _check(labels: list[Label]) -> None:
    if not labels:
        raise ValueError("it has no rows")
    names: set[str] = set()
    values: set[tuple[int, ...]] = set()
    for label in labels:
        if not label.name.strip():
            raise ValueError(f"label {label.values[0]} has an empty name")
        if min(label.values) < 0:
            raise ValueError(f"'{label.name}' has the negative label {min(label.values)}")
        if label.name in names or label.values in values:
            raise ValueError(f"'{label.name}' or its label {label.values[0]} is there twice")
        names.add(label.name)
        values.add(label.values)


def _from_json(text: str) -> Iterator[Label]:
    content = json.loads(text, object_pairs_hook=_no_key_twice)
    if isinstance(content, dict) and isinstance(content.get("labels"), dict):
        content = content["labels"]
    if not isinstance(content, dict):
        raise ValueError("a JSON object {value: name} is wanted")
    for key, value in content.items():
        if re.fullmatch(r"-?\d+", key) and isinstance(value, str):
            yield Label(value, (int(key),))
        elif isinstance(value, list) and value:
            yield Label(key, tuple(_whole(part) for part in value))
        elif key != "ignore":
            yield Label(key, (_whole(value),))


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a label or name is there twice")
    return dict(pairs)


def _whole(value: Any) -> int:
    number = int(value)
    if isinstance(value, bool) or number != float(value):
        raise ValueError(f"{value!r} is not a whole number")
    return number


def _from_lines(text: str) -> Iterator[Label]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return
    if re.match(r'\s*\d+(\s+[\d.]+){6}\s+".*"\s*$', lines[0]):
        yield from (_itk_snap(line) for line in lines)
    elif "," not in lines[0] and "\t" not in lines[0] and ";" not in lines[0]:
        yield from (_slicer_color_table(line) for line in lines)
    else:
        separator = max(",;\t", key=lines[0].count)
        yield from _from_table(list(csv.reader(lines, delimiter=separator)))


def _itk_snap(line: str) -> Label:
    """IDX R G B A VIS MSH "NAME"."""
    numbers, name = line.split('"')[0].split(), line.split('"')[1]
    return Label(name, (_whole(numbers[0]),), _color(numbers[1:4]))


def _slicer_color_table(line: str) -> Label:
    """Value, name, then R G B A; a name with blanks has _ for them or stands in quotes, as Slicer writes it."""
    match = re.fullmatch(r'\s*(\d+)\s+(?:"([^"]*)"|(.+?))((?:\s+\d+(?:\.\d+)?){3,4})?\s*', line)
    if not match:
        raise ValueError(f"the line '{line.strip()[:40]}' is not 'value name red green blue'")
    color = _color(match.group(4).split()[:3]) if match.group(4) else None
    return Label(match.group(2) if match.group(2) is not None else match.group(3), (int(match.group(1)),), color)


def _from_table(rows: list[list[str]]) -> Iterator[Label]:
    heading = [re.sub(r"[\W_]", "", cell).lower() for cell in rows[0]]
    value_at = next((heading.index(name) for name in _VALUE_COLUMNS if name in heading), None)
    name_at = next((heading.index(name) for name in _NAME_COLUMNS if name in heading), None)
    color_at = _color_columns(heading)
    if value_at is not None and name_at is not None:
        rows = rows[1:]
    elif len(rows[0]) >= 2 and re.fullmatch(r"\s*\d+\s*", rows[0][0]):
        value_at, name_at = 0, 1
    elif len(rows[0]) >= 2 and re.fullmatch(r"\s*\d+\s*", rows[0][1]):
        value_at, name_at = 1, 0
    else:
        raise ValueError("a column with the label and one with the name are wanted")
    for number, row in enumerate(rows, 1):
        if max(value_at, name_at) >= len(row):
            raise ValueError(f"row {number} has too few cells")
        color = _color([row[at] for at in color_at]) if color_at and max(color_at) < len(row) else None
        yield Label(row[name_at].strip(), (_whole(row[value_at].strip()),), color)


def _color_columns(heading: list[str]) -> list[int]:
    for names in (("red", "green", "blue"), ("r", "g", "b"), ("colorr", "colorg", "colorb")):
        if all(name in heading for name in names):
            return [heading.index(name) for name in names]
    return []


def _color(parts: Iterable[str]) -> tuple[int, int, int] | None:
    """RGB 0..255 from texts of 0..255 or, when none is above 1, of 0..1."""
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return None
    if 0 < max(numbers) <= 1:
        numbers = [255 * number for number in numbers]
    red, green, blue = (min(255, max(0, round(number))) for number in numbers)
    return red, green, blue
