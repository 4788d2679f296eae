"""Values of foreign data sets: present and sound, absent, or an `InputError` that names file and attribute."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from ..core.errors import InputError

__all__ = ["LARGEST_SANE_VALUE", "number", "numbers", "required_numbers", "tag_name", "text"]

LARGEST_SANE_VALUE = 1e6
"""Coordinates (mm), slopes and intercepts beyond this are damage, not data."""

ASCII = frozenset({"CS", "DS", "IS", "UI"})
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
EXPORT_AGAIN = "export the series again from its source"


def tag_name(keyword: str) -> str:
    """Name and tag as a reader of a DICOM dump knows them: `Image Position (Patient) (0020,0032)`."""
    tag = tag_for_keyword(keyword)
    return f"{dictionary_description(tag)} ({tag >> 16:04x},{tag & 0xFFFF:04x})"


def text(dataset: Dataset, keyword: str) -> str:
    """The value as one line without padding; "" when absent, empty or unreadable (texts never decide geometry)."""
    try:
        value = _parts(dataset, keyword)
    except Exception:  # pydicom raises all kinds on damaged values
        return ""
    return "\\".join(CONTROL_CHARACTERS.sub(" ", str(part)).strip() for part in value)


@cache
def _tag(keyword: str) -> tuple[BaseTag, bool]:
    """Tag, and whether its value is ASCII in the file."""
    tag = Tag(keyword)
    return tag, dictionary_VR(tag) in ASCII


def _parts(dataset: Dataset, keyword: str) -> list[Any]:
    """Values of an attribute, [] when absent or empty; numbers and codes in text are split here.

    pydicom's own conversion of each decimal string costs more than all the rest of reading a header.
    """
    tag, is_ascii = _tag(keyword)
    if tag not in dataset:
        return []
    raw = dataset.get_item(tag)
    if is_ascii and isinstance(raw, RawDataElement):
        value = (raw.value or b"").rstrip(b" \0").decode("ascii", errors="replace")
        return value.split("\\") if value else []
    value = dataset[tag].value
    if isinstance(value, MultiValue | list | tuple):
        return list(value)
    return [] if value is None or value in ("", b"") else [value]


def numbers(dataset: Dataset, keyword: str, count: int, file: Path) -> tuple[float, ...] | None:
    """`count` finite numbers; None when the attribute is absent or empty.

    Raises
    ------
    InputError
        another count, not a number, NaN, infinite or beyond `LARGEST_SANE_VALUE`.
    """
    try:
        found = tuple(float(part) for part in _parts(dataset, keyword))
    except Exception as error:  # pydicom raises all kinds on damaged values
        raise InputError(file, f"{tag_name(keyword)} is not a number", EXPORT_AGAIN) from error
    if not found:
        return None
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
