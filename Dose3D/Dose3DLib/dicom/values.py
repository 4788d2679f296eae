"""Values of foreign data sets: present and sound, absent, or an `InputError` that names file and attribute."""

from __future__ import annotations

import math
import re
from pathlib import Path

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset

from ..core.errors import InputError

__all__ = ["LARGEST_SANE_VALUE", "number", "numbers", "required_numbers", "tag_name", "text"]

LARGEST_SANE_VALUE = 1e6
"""Coordinates (mm), slopes and intercepts beyond this are damage, not data."""

CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
EXPORT_AGAIN = "export the series again from its source"


def tag_name(keyword: str) -> str:
    """Name and tag as a reader of a DICOM dump knows them: `Image Position (Patient) (0020,0032)`."""
    tag = tag_for_keyword(keyword)
    return f"{dictionary_description(tag)} ({tag >> 16:04x},{tag & 0xFFFF:04x})"


def text(dataset: Dataset, keyword: str) -> str:
    """The value as one line without padding; "" when absent, empty or unreadable (texts never decide geometry)."""
    try:
        value = dataset.get(keyword)
    except Exception:  # pydicom raises all kinds on damaged values
        return ""
    if value is None:
        return ""
    parts = value if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue" else [value]
    return "\\".join(CONTROL_CHARACTERS.sub(" ", str(part)).strip() for part in parts)


def numbers(dataset: Dataset, keyword: str, count: int, file: Path) -> tuple[float, ...] | None:
    """`count` finite numbers; None when the attribute is absent or empty.

    Raises
    ------
    InputError
        another count, not a number, NaN, infinite or beyond `LARGEST_SANE_VALUE`.
    """
    try:
        value = dataset.get(keyword)
        if value is None or value == "" or (hasattr(value, "__len__") and len(value) == 0):
            return None
        parts = value if hasattr(value, "__iter__") and not isinstance(value, str | bytes) else [value]
        found = tuple(float(part) for part in parts)
    except Exception as error:  # pydicom raises all kinds on damaged values
        raise InputError(file, f"{tag_name(keyword)} is not a number", EXPORT_AGAIN) from error
    if len(found) != count:
        raise InputError(file, f"{tag_name(keyword)} has {len(found)} values instead of {count}", EXPORT_AGAIN)
    if not all(math.isfinite(v) and abs(v) <= LARGEST_SANE_VALUE for v in found):
        raise InputError(file, f"{tag_name(keyword)} has the absurd value {list(found)}", EXPORT_AGAIN)
    return found


def required_numbers(dataset: Dataset, keyword: str, count: int, file: Path) -> tuple[float, ...]:
    """Like `numbers`, and absence is an error, too: a guess would put the image somewhere else."""
    found = numbers(dataset, keyword, count, file)
    if found is None:
        raise InputError(file, f"{tag_name(keyword)} is missing", "export the series again with its geometry")
    return found


def number(dataset: Dataset, keyword: str, file: Path, default: float | None = None) -> float | None:
    """One finite number, or `default` when absent."""
    found = numbers(dataset, keyword, 1, file)
    return default if found is None else found[0]
