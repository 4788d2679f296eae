"""Lines of numbers: read by blocks of a few megabytes, whatever the size of the file, and written without a loop."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ...core.errors import InputError
from ..particles import Particles
from .fixed_text import fixed_numbers
from .records import Blocks

__all__ = ["TextBlocks", "lines_of", "scientific", "whole"]

PIECE = 4 << 20
"""Bytes of text that are read at a time."""

_LONGEST_LINE = 1 << 16


class TextBlocks(Blocks):
    """A file of lines with the same number of columns each.

    Parameters
    ----------
    path, columns:
        the file and how many columns a line has.
    decode:
        makes `Particles` from the (n, columns wanted) float64 numbers of some lines.
    wanted:
        columns that are numbers and are read; all by default.
    look:
        called once with the numbers of each block, in order; gives how many particles they hold. Without it lines are
        only counted, which is faster; with it, comments (#) may stand between records.
    look_at:
        the column that `look` is given, (n,) then, where one will do.

    Attributes
    ----------
    notes:
        sentences for the user.

    Raises
    ------
    InputError
        a line that is too long, or, with `look`, one that cannot be read.
    """

    def __init__(
        self,
        path: Path,
        columns: int,
        decode: Callable[[np.ndarray], Particles],
        wanted: tuple[int, ...] | None = None,
        look: Callable[[np.ndarray], int] | None = None,
        look_at: int | None = None,
    ):
        self.path, self.columns, self.notes = path, columns, []
        self._decode, self._look, self._look_at = decode, look, look_at
        self._wanted = wanted or tuple(range(columns))
        self._places: list[tuple[int, int, int]] = []
        counts = [self._examine(*piece) for piece in _pieces(path)]
        self._places.append((0, 0, 0))  # what a file without records is read from
        super().__init__(np.cumsum([0, *counts, *([] if counts else [0])]))

    def load(self, block: int) -> Particles:
        """Parse a block."""
        start, length, line = self._places[block]
        with self.path.open("rb") as file:
            file.seek(start)
            particles = self._decode(self._numbers(file.read(length), line))
        if len(particles) != self._firsts[block + 1] - self._firsts[block]:
            cause = f"behind line {line} there are lines that are neither particles nor empty"
            raise InputError(self.path, cause, "copy the file again, or take them out")
        return particles

    def _examine(self, start: int, data: bytes, line: int) -> int:
        """Note where a block is; how many particles it holds."""
        data = self._without_rest(data)
        self._places.append((start, len(data), line))
        if self._look is not None:
            return self._look(self._numbers(data, line, self._look_at))
        return _count_lines(data)

    def _without_rest(self, data: bytes) -> bytes:
        """A file that was cut off ends within a line."""
        if data.endswith(b"\n"):
            return data
        head, _, last = data.rpartition(b"\n")
        if not last.strip() or len(last.split()) == self.columns:
            return data
        self.notes.append(f"the file ends within a line: its last {len(last)} bytes are left out")
        return head + b"\n" if head else b""

    def _numbers(self, data: bytes, line: int, only: int | None = None) -> np.ndarray:
        """(lines, wanted) float64, or (lines,) of `only` one column."""
        if not data.strip():
            return np.empty((0, len(self._wanted)) if only is None else 0)
        if len(self._wanted) == self.columns and (values := fixed_numbers(data, self.columns, only)) is not None:
            return values
        values = self._loaded(data, line)
        return values if only is None else values[:, only]

    def _loaded(self, data: bytes, line: int) -> np.ndarray:
        """The same by numpy, whatever the places of the columns."""
        wanted = self._wanted if len(self._wanted) < self.columns else None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numpy tells that there were only comments
                values = np.loadtxt(io.BytesIO(data), np.float64, usecols=wanted, ndmin=2)
        except (ValueError, IndexError, OverflowError) as error:
            raise self._unreadable(data, line) from error
        if values.size and values.shape[1] != len(self._wanted):
            raise self._unreadable(data, line)
        return values.reshape(-1, len(self._wanted))

    def _unreadable(self, data: bytes, line: int) -> InputError:
        """The first line that is none, found by a slow look at each."""
        lines = enumerate(data.split(b"\n"), line)
        at = next((n for n, text in lines if not self._is_good(text)), line)
        cause = f"line {at} does not have the {self.columns} columns of numbers that lines of this format have"
        return InputError(self.path, cause, "copy the file again, or mend the line")

    def _is_good(self, text: bytes) -> bool:
        words = text.partition(b"#")[0].split()
        try:
            return not words or (len(words) == self.columns and all(float(words[n]) is not None for n in self._wanted))
        except ValueError:
            return False


def _pieces(path: Path) -> Iterator[tuple[int, bytes, int]]:
    """(offset, whole lines, number of the first of them) of the file."""
    with path.open("rb") as file:
        line = 1
        while True:
            start = file.tell()
            data = file.read(PIECE)
            if data and not data.endswith(b"\n"):
                rest = file.readline(_LONGEST_LINE)
                if len(rest) == _LONGEST_LINE:
                    raise InputError(path, f"line {line} or a later one is endless", "this is no text; copy it again")
                data += rest
            if not data:
                return
            yield start, data, line
            line += data.count(b"\n")


def _count_lines(data: bytes) -> int:
    """Lines with something in them."""
    letters = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(letters == 10)
    lengths = np.diff(ends, prepend=-1) - 1
    # A line of one character is a carriage return or a space, never ten numbers.
    count = int(np.count_nonzero(lengths > 1))
    return count + bool(data[data.rfind(b"\n") + 1 :].strip())


_FOUR_DIGITS = np.array([list(f"{n:04d}".encode()) for n in range(10_000)], np.uint8)
_TWO_DIGITS = _FOUR_DIGITS[:100, 2:]
_LEAST = -60
_POWERS = np.array([float(f"1e{n}") for n in range(_LEAST, 70)])


def scientific(values: np.ndarray) -> np.ndarray:
    """(n, 15) letters such as `-1.23456789e+01`: the nine digits that bring every float32 back."""
    with np.errstate(invalid="ignore"):  # some NaN are signals
        values = np.asarray(values, np.float64)
    size = np.abs(values)
    finite = np.isfinite(size)
    size = np.where(finite & (size > 0), size, 1.0)
    exponent = np.floor(np.log10(size)).astype(np.int64)
    digits = np.rint(size * _POWERS[8 - exponent - _LEAST])
    exponent += (digits >= 1e9).astype(np.int64) - (digits < 1e8)
    digits = np.rint(size * _POWERS[8 - exponent - _LEAST]).astype(np.int64)
    nothing = values == 0
    digits[nothing], exponent[nothing] = 0, 0
    text = _letters(digits, exponent, np.signbit(values))
    for odd in np.flatnonzero(~finite):
        text[odd] = list(f"{values[odd]!s:>15}".encode())
    return text


def _letters(digits: np.ndarray, exponent: np.ndarray, negative: np.ndarray) -> np.ndarray:
    first, rest = np.divmod(digits.astype(np.uint32), np.uint32(100_000_000))
    high, low = np.divmod(rest, np.uint32(10_000))
    text = np.empty((len(digits), 15), np.uint8)
    text[:, 0] = np.where(negative, ord("-"), ord(" "))
    text[:, 1] = first + ord("0")
    text[:, 2] = ord(".")
    text[:, 3:7] = _FOUR_DIGITS[high]
    text[:, 7:11] = _FOUR_DIGITS[low]
    text[:, 11] = ord("e")
    text[:, 12] = np.where(exponent < 0, ord("-"), ord("+"))
    text[:, 13:] = _TWO_DIGITS[np.abs(exponent)]
    return text


def whole(values: np.ndarray, width: int = 1) -> np.ndarray:
    """(n, width) letters of whole numbers, right-aligned, as wide as the longest or wider."""
    values = np.asarray(values, np.int64)
    different, places = np.unique(values, return_inverse=True)
    texts = [str(value) for value in different.tolist()] or [""]
    width = max(width, *map(len, texts))
    table = np.array([list(text.rjust(width).encode()) for text in texts], np.uint8).reshape(len(texts), width)
    return table[places.reshape(-1)]


def lines_of(columns: list[np.ndarray]) -> bytes:
    """Lines of columns of letters, a space between two."""
    if not len(columns[0]):
        return b""
    space = np.full((len(columns[0]), 1), ord(" "), np.uint8)
    parts = [part for column in columns for part in (column, space)]
    parts[-1] = np.full_like(space, ord("\n"))
    return np.concatenate(parts, axis=1).tobytes()
