"""Numbers of lines whose columns stand at the same places, as most programs write them: several times numpy's speed.

All rows are taken together, a place of the line at a time. What does not fit exactly is left to `numpy.loadtxt`.
"""

from __future__ import annotations

import numpy as np

__all__ = ["fixed_numbers"]

_NEWLINE, _SPACE, _PLUS, _MINUS, _DOT, _ZERO = 10, 32, 43, 45, 46, 48
_EXPONENTS = (ord("e"), ord("E"))
_MOST_DIGITS = 15
"""So many are whole numbers of float64, and so are powers of ten up to 22: what comes out is rounded once."""
_MOST_EXPONENT = 22
_POWERS = 10.0 ** np.arange(_MOST_EXPONENT + 1)
_BLANK, _SIGN, _DIGIT = 0, 1, 2


def fixed_numbers(data: bytes, columns: int, only: int | None = None) -> np.ndarray | None:
    """(lines, columns) float64 of the text, None where lines differ in length or a field is not written plainly.

    With `only`, (lines,) of that column; the others are not looked at, but for where they stand.
    """
    length = data.find(b"\n") + 1
    if length < 2 * columns or len(data) % length:
        return None
    # A row a place of the line, so that each step runs over memory in order.
    places = np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(-1, length).T)
    if not (places[-1] == _NEWLINE).all():
        return None
    fields = _fields(places[:-1])
    if len(fields) != columns:
        return None
    if only is not None:
        values, fields = np.empty((1, places.shape[1])), fields[only : only + 1]
    else:
        values = np.empty((columns, places.shape[1]))
    for value, (start, stop) in zip(values, fields, strict=True):
        if not _read_field(places[start:stop], value):
            return None
    return values.T if only is None else values[0]


def _fields(places: np.ndarray) -> list[tuple[int, int]]:
    """Where something stands in any line, between places that are blank in all of them."""
    used = (places != _SPACE).any(axis=1).astype(np.int8)
    edges = np.diff(used, prepend=0, append=0)
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def _read_field(field: np.ndarray, value: np.ndarray) -> bool:
    """Put the numbers of a field into `value`; False where they are not all written in the same way."""
    dots = np.flatnonzero((field[:, 0] == _DOT) | (field == _DOT).all(axis=1))
    exponents = np.flatnonzero(np.isin(field[:, 0], _EXPONENTS))
    if len(dots) > 1 or len(exponents) > 1:
        return False
    end = int(exponents[0]) if len(exponents) else len(field)
    dot = int(dots[0]) if len(dots) else end
    if dot > end or end - 1 > _MOST_DIGITS:
        return False
    parts = [_signed(field[:dot])]
    if dot < end:
        parts.append(_digits(field[dot + 1 : end], field[dot]))
    exponent = _exponent(field[end:]) if len(exponents) else 0
    if exponent is None or any(part is None for part in parts):
        return False
    (negative, whole), fraction = parts[0], parts[1] if len(parts) > 1 else 0
    decimals = max(end - dot - 1, 0)
    number = whole * _POWERS[decimals] + fraction
    return _scale(np.where(negative, -number, number), exponent - decimals, value)


def _signed(field: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Blanks, maybe a sign, digits: whether it is negative, and the number."""
    number = np.zeros(field.shape[1])
    negative = np.zeros(field.shape[1], bool)
    before = np.zeros(field.shape[1], np.int8)
    for place in field:
        digit = place - np.uint8(_ZERO)
        kind = np.full(len(place), -1, np.int8)
        kind[place == _SPACE] = _BLANK
        kind[(place == _PLUS) | (place == _MINUS)] = _SIGN
        kind[digit < 10] = _DIGIT
        # In this order only, and one sign at most.
        if (kind < before).any() or ((kind == _SIGN) & (before == _SIGN)).any():
            return None
        negative |= place == _MINUS
        number = np.where(kind == _DIGIT, 10 * number + digit, number)
        before = kind
    return (negative, number) if (before == _DIGIT).all() else None


def _digits(field: np.ndarray, dot: np.ndarray) -> np.ndarray | None:
    """Digits behind a dot."""
    if not len(field) or not (dot == _DOT).all():
        return None
    number = np.zeros(field.shape[1])
    for place in field:
        digit = place - np.uint8(_ZERO)
        if (digit > 9).any():
            return None
        number *= 10
        number += digit
    return number


def _exponent(field: np.ndarray) -> np.ndarray | None:
    """A letter, a sign and digits."""
    if len(field) < 3 or not np.isin(field[0], _EXPONENTS).all():
        return None
    found = _signed(field[1:])
    if found is None or (field[1] == _SPACE).any():
        return None
    negative, number = found
    return np.where(negative, -number, number).astype(np.int64) if len(field) < 7 else None


def _scale(number: np.ndarray, exponent: np.ndarray | int, value: np.ndarray) -> bool:
    """number * 10^exponent; exact powers are taken at once, others by those of float64."""
    size = np.abs(exponent)
    if np.ndim(size) == 0 and size <= _MOST_EXPONENT:
        value[:] = number / _POWERS[size] if exponent < 0 else number * _POWERS[size]
        return True
    exponent = np.broadcast_to(exponent, number.shape)
    size = np.broadcast_to(size, number.shape)
    power = _POWERS[np.minimum(size, _MOST_EXPONENT)]
    value[:] = np.where(exponent < 0, number / power, number * power)
    far = size > _MOST_EXPONENT
    if far.any():
        with np.errstate(over="ignore", under="ignore"):
            value[far] = [float(f"{n:.0f}e{e}") for n, e in zip(number[far], exponent[far], strict=True)]
    return True
