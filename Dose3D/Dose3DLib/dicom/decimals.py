"""Decimal strings (DS) in bulk: millions of contour coordinates between text and numbers without a Python loop."""

from __future__ import annotations

import numpy as np

__all__ = ["decode_decimals", "encode_decimals"]

BATCH = 1 << 15
"""Numbers a step: the working arrays stay in the processor's cache."""

LONGEST = 16
"""Characters of a decimal string at most (DICOM PS3.5 section 6.2)."""

_DOT, _MINUS, _PLUS, _ZERO, _BACKSLASH = b".-+0\\"


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
    buffer = np.frombuffer(b"\\".join(filled), np.uint8)
    stops = np.append(np.flatnonzero(buffer == _BACKSLASH), len(buffer)) if filled else np.zeros(0, np.int64)
    starts = np.append(0, stops[:-1] + 1) if filled else stops
    values = np.empty(len(stops))
    for first in range(0, len(stops), BATCH):
        part = slice(first, first + BATCH)
        values[part] = _numbers(buffer, starts[part], stops[part])
    counts = [text.count(b"\\") + 1 if text else 0 for text in texts]
    return values, np.cumsum(counts, dtype=np.int64)


def _numbers(buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Plain numbers ([-]digits[.digits]) digit by digit from the right; all others one by one."""
    lengths = stops - starts
    total, power = np.zeros(len(starts), np.int64), np.ones(len(starts), np.int64)
    digits, divisor = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
    negative, odd = np.zeros(len(starts), bool), lengths > LONGEST
    for n in range(int(min(lengths.max(initial=0), LONGEST))):
        present = n < lengths
        character = buffer[np.where(present, stops - 1 - n, 0)]
        digit = (character - _ZERO).astype(np.uint8)
        is_digit = present & (digit < 10)
        total += np.where(is_digit, digit * power, 0)
        power = np.where(is_digit, power * 10, power)
        digits += is_digit
        is_dot = present & (character == _DOT)
        odd |= is_dot & (divisor > 0)
        divisor = np.where(is_dot, power, divisor)
        first = present & (n == lengths - 1) & (character == _MINUS)
        negative |= first
        odd |= present & ~(is_digit | is_dot | first)
    odd |= (digits == 0) | (digits > 15)
    values = total / np.maximum(divisor, 1)
    values = np.where(negative, -values, values)
    for n in np.flatnonzero(odd).tolist():
        values[n] = _number(buffer[starts[n] : stops[n]].tobytes())
    return values


def _number(text: bytes) -> float:
    try:
        return float(text) if b"_" not in text else np.nan
    except ValueError:
        return np.nan
