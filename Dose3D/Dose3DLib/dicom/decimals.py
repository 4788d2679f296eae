"""Decimal strings (DS) in bulk: millions of contour coordinates between text and numbers without a Python loop."""

from __future__ import annotations

import numpy as np

__all__ = ["decode_decimals", "encode_decimals"]

BATCH = 1 << 14
"""Numbers a step: the working arrays stay in the processor's cache."""

LONGEST = 16
"""Characters of a decimal string at most (DICOM PS3.5 section 6.2)."""

_DOT, _MINUS, _ZERO, _BACKSLASH = (np.uint8(code) for code in b".-0\\")
_POWERS = 10.0 ** np.arange(LONGEST)


def encode_decimals(values: np.ndarray, ends: np.ndarray, decimals: int = 4) -> list[bytes]:
    """Write groups of numbers as backslash-separated fixed-point text without needless zeros, padded to even length.

    Parameters
    ----------
    values:
        all numbers, shape (n,); below 1e9 in size with 4 decimals, so that no text exceeds 16 characters.
    ends:
        end of each group in `values`, ascending.
    decimals:
        digits after the point; the largest rounding error is half a unit of the last one.

    Raises
    ------
    ValueError
        a number is not finite or too large for 16 characters.
    """
    scaled = np.rint(np.asarray(values, dtype=np.float64) * 10.0**decimals)
    if not (np.abs(scaled) < 10.0 ** (LONGEST - 2)).all():
        raise ValueError("a coordinate is not finite or has more than 16 characters as a decimal string")
    pieces, lengths = [], []
    for start in range(0, len(scaled), BATCH):
        text, keep = _digits(scaled[start : start + BATCH].astype(np.int64), decimals)
        pieces.append(text[keep].tobytes())
        lengths.append(np.count_nonzero(keep, axis=1))
    whole = b"".join(pieces)
    stops = np.concatenate([[0], *lengths]).cumsum()[ends].tolist()
    groups = [whole[a + 1 : b] for a, b in zip([0, *stops[:-1]], stops, strict=True)]
    return [group + b" " if len(group) % 2 else group for group in groups]


def _digits(scaled: np.ndarray, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    """Characters (separator, sign, digits, point, digits) of each number in a row, and which of them to keep."""
    rest = np.abs(scaled)
    rest = rest.astype(np.uint32) if rest.max(initial=0) < 2**32 else rest.astype(np.uint64)
    whole_digits = max(1, len(str(int(rest.max(initial=0)))) - decimals)
    width = 2 + whole_digits + 1 + decimals
    text, keep = np.empty((len(rest), width), np.uint8), np.zeros((len(rest), width), bool)
    text[:, 0], keep[:, 0] = _BACKSLASH, True
    text[:, 1], keep[:, 1] = _MINUS, scaled < 0
    needed = np.zeros(len(rest), bool)
    for column in range(width - 1, 1, -1):
        if column == width - 1 - decimals:
            text[:, column], keep[:, column] = _DOT, needed
            continue
        if column == width - 2 - decimals:
            keep[:, column] = True
        elif column < width - 2 - decimals:
            keep[:, column] = rest > 0
        quotient = rest // 10
        digit = rest - quotient * 10
        rest = quotient
        text[:, column] = digit + _ZERO
        if column > width - 1 - decimals:
            needed |= digit > 0
            keep[:, column] = needed
    return text, keep


def decode_decimals(texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Read backslash-separated decimal strings.

    Returns
    -------
    values:
        all numbers of all texts, float64; NaN where there is no number.
    ends:
        end of each text's numbers in `values`. An empty text has none.
    """
    texts = [text.rstrip(b" \0") for text in texts]
    filled = [text for text in texts if text]
    buffer = np.frombuffer(b"0" * LONGEST + b"\\".join(filled) + b"\0", np.uint8)
    ends = np.flatnonzero(buffer == _BACKSLASH) - LONGEST
    stops = np.append(ends, len(buffer) - LONGEST - 1) if filled else np.zeros(0, np.int64)
    starts = np.append(0, stops[:-1] + 1) if filled else stops
    values = np.empty(len(stops))
    for first in range(0, len(stops), BATCH):
        part = slice(first, first + BATCH)
        values[part] = _numbers(buffer, starts[part], stops[part])
    counts = [text.count(b"\\") + 1 if text else 0 for text in texts]
    return values, np.cumsum(counts, dtype=np.int64)


def _numbers(buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Plain numbers ([-]digits[.digits]) all at once, one column of 16 characters a number; all others one by one.

    `buffer` has 16 characters before those that `starts` and `stops` count, and one after.
    """
    lengths = stops - starts
    negative = buffer[starts + LONGEST] == _MINUS
    text = _windows(buffer)[stops].view(np.uint8).reshape(-1, LONGEST).T.copy()
    place = np.arange(LONGEST, dtype=np.uint8)[:, None]
    text[place < (LONGEST - np.minimum(lengths, LONGEST) + negative).astype(np.uint8)] = _ZERO
    dots = text == _DOT
    digits = text - _ZERO
    plain = (dots | (digits < 10)).all(axis=0) & (lengths <= LONGEST) & (lengths > negative)
    dot = (dots * place).sum(axis=0, dtype=np.uint8)  # 0 without a dot: a leading one is not plain
    plain &= (dots.sum(axis=0, dtype=np.uint8) <= 1) & (text[0] != _DOT) & (text[-1] != _DOT)
    digits[1:] = np.where(place[1:] <= dot, digits[:-1], digits[1:])
    digits[0] *= dot == 0
    values = _horner(digits) / _POWERS[np.where(plain & (dot > 0), LONGEST - 1 - dot, 0)]
    values = np.where(negative, -values, values)
    for n in np.flatnonzero(~plain).tolist():
        values[n] = _number(buffer[starts[n] + LONGEST : stops[n] + LONGEST].tobytes())
    return values


def _windows(buffer: np.ndarray) -> np.ndarray:
    """The 16 characters from each position on, as one item each (a view)."""
    return np.ndarray(len(buffer) - LONGEST + 1, f"V{LONGEST}", buffer, strides=(1,))


def _horner(digits: np.ndarray) -> np.ndarray:
    """Columns of 16 digits as whole numbers, pairs first: small integers are quicker."""
    pairs = digits[0::2] * np.uint8(10) + digits[1::2]
    fours = pairs[0::2] * np.uint16(100) + pairs[1::2]
    eights = fours[0::2] * np.uint32(10_000) + fours[1::2]
    return eights[0] * np.uint64(100_000_000) + eights[1]


def _number(text: bytes) -> float:
    try:
        return float(text) if b"_" not in text else np.nan
    except ValueError:
        return np.nan
