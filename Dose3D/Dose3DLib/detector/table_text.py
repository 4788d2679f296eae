"""Tables of numbers as people save them: comments, byte-order marks, semicolons, decimal commas; never formulas."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError

__all__ = ["MAXIMUM_ROWS", "Table", "formula_in", "parse_rows", "read_table", "read_text", "three_numbers", "typed"]

MAXIMUM_ROWS = 1_000_000
"""Cells of the largest layout that is read; real detectors have some dozens."""

_FORMULA_STARTS = frozenset("=@+-")
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf|nan", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """Lines of a file, cut into fields.

    Parameters
    ----------
    path:
        the file, for errors.
    comments:
        `# key: value` lines by key in lower case; a comment without a colon has the value "".
    rows:
        fields of each other line that is not blank.
    lines:
        the number of each row in the file, from 1.
    delimiter:
        between fields: "," or ";" or tab.
    """

    path: Path
    comments: dict[str, str]
    rows: list[list[str]]
    lines: list[int]
    delimiter: str

    def column(self, position: int, name: str, missing: float | None = None) -> np.ndarray:
        """(rows below the header,) numbers of one column; `missing` stands for an empty field.

        Raises
        ------
        InputError
            a field that is no number (with its line); decimal points and decimal commas side by side.
        """
        texts = [row[position].strip() for row in self.rows[1:]]
        self._check_points(texts, name)
        values = np.empty(len(texts))
        for n, text in enumerate(texts):
            if not text and missing is not None:
                values[n] = missing
                continue
            value = _number(text)
            if value is None:
                raise self.fault(n + 1, f"{text!r} in column {name} is no number", "give numbers in plain notation")
            values[n] = value
        return values

    def fault(self, row: int, cause: str, remedy: str) -> InputError:
        """An error about `rows[row]`, naming its line."""
        return InputError(self.path, f"line {self.lines[row]}: {cause}", remedy)

    def _check_points(self, texts: list[str], name: str) -> None:
        if any("," in text for text in texts) and any("." in text for text in texts):
            cause = f"column {name} has decimal points and decimal commas side by side"
            raise InputError(self.path, cause, "save it with one of them")


def read_text(path: Path) -> str:
    """A text file in UTF-8 or UTF-16, its byte-order mark removed.

    Raises
    ------
    InputError
        missing, a folder, no such text.
    """
    try:
        content = Path(path).read_bytes()
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return content.decode("utf-16")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", "give a file that you may read") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not text in UTF-8", 'give a CSV file, saved as "CSV UTF-8"') from error
    if "\0" in text:
        raise InputError(path, "is not text", "give a CSV file")
    return text


def read_table(path: Path, text: str) -> Table:
    """A table with a header, each row as long as that.

    Raises
    ------
    InputError
        no header, a column twice, a row too short or too long, a formula, over a million rows.
    """
    table = parse_rows(path, text)
    if not table.rows:
        raise InputError(path, "has no rows", "give a table with a header and a row per cell")
    header = [name.strip() for name in table.rows[0]]
    while header and not header[-1]:
        header.pop()
    table.rows[0] = header
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(path, f"has the column {twice[0]!r} twice", "keep one of them")
    for n, row in enumerate(table.rows[1:], 1):
        table.rows[n] = _fitted(table, n, row, len(header))
    return table


def parse_rows(path: Path, text: str) -> Table:
    """Every line that is neither blank nor a comment, cut into fields by the delimiter of the first.

    Raises
    ------
    InputError
        a formula, a quotation mark that never closes, over a million rows.
    """
    comments: dict[str, str] = {}
    kept: list[str] = []
    lines: list[int] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip().strip(";,\t").strip().strip('"').strip()
        if bare.startswith("#"):
            key, _, value = bare.lstrip("#").partition(":")
            comments[" ".join(key.lower().split())] = value.strip()
        elif bare and not (bare.lower().startswith("sep=") and not kept):  # Excel names its delimiter so
            kept.append(line)
            lines.append(number)
    if len(kept) > MAXIMUM_ROWS + 1000:
        raise _too_many(path, len(kept))
    delimiter = _delimiter(kept)
    rows = _split(path, kept, delimiter)
    table = Table(Path(path), comments, rows, lines, delimiter)
    for n, row in enumerate(rows):
        found = next((field for field in row if formula_in(field)), None)
        if found is not None:
            raise table.fault(
                n, f"{found.strip()[:40]!r} is a spreadsheet formula", "save the values, not the formulas"
            )
    return table


def formula_in(text: str) -> bool:
    """True when a spreadsheet would compute this field instead of showing it."""
    bare = text.strip()
    if bare[:1] not in _FORMULA_STARTS:
        return False
    if bare[:1] in ("=", "@"):
        return True
    return len(bare) > 1 and _number(bare) is None


def three_numbers(path: Path, what: str, text: str, count: int = 3) -> np.ndarray:
    """(count,) numbers from a comment, between blanks (or commas or semicolons).

    Raises
    ------
    InputError
        another count, or no finite numbers.
    """
    parts = [_number(part) for part in re.split(r"[\s,;]+", text.strip()) if part]
    if len(parts) != count or any(part is None or not math.isfinite(part) for part in parts):
        raise InputError(path, f"{what} is {text[:60]!r}", f"give {count} number{'s' if count > 1 else ''}")
    return np.array(parts, np.float64)


def _too_many(path: Path, count: int) -> InputError:
    return InputError(path, f"has {count} rows, more than a million", "give a layout of at most a million cells")


def _delimiter(lines: list[str]) -> str:
    """The one that the first line has; numbers with decimal commas stand between semicolons or tabs."""
    first = lines[0] if lines else ""
    return ";" if ";" in first else "\t" if "\t" in first else ","


def _split(path: Path, lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InputError(path, f"is no CSV table ({error})", "mend the quotation marks") from error
    if len(rows) != len(lines):
        raise InputError(path, "has a field over several lines", "keep each cell on one line")
    return rows


def _fitted(table: Table, n: int, row: list[str], width: int) -> list[str]:
    """Spreadsheets add empty fields at the end; anything else too many or too few is a fault."""
    if len(row) < width or any(field.strip() for field in row[width:]):
        cause = f"has {len(row)} fields, the header {width}"
        comma = table.delimiter == "," and len(row) > width
        remedy = "numbers with decimal commas need ; between them" if comma else "give each row every column"
        raise table.fault(n, cause, remedy)
    return row[:width]


def typed(texts: list[str]) -> np.ndarray:
    """Floats where every text is a number or empty (NaN) and one is a number; else the texts."""
    numbers = [np.nan if not text.strip() else _number(text) for text in texts]
    if None in numbers or not any(text.strip() for text in texts):
        return np.array(texts, dtype=str)
    return np.array(numbers, np.float64)


def _number(text: str) -> float | None:
    """None where the text is no plain number; no underscores, blanks inside, hexadecimal or 1.234,5.

    A field that holds a comma stood between other delimiters or in quotes: the comma is a decimal one.
    """
    text = text.strip()
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    return float(text) if _PLAIN.fullmatch(text) else None
