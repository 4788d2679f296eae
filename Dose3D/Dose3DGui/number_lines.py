"""Numbers and names that a user writes into one line of a page."""

from __future__ import annotations

import re

from slicer.i18n import tr as _

__all__ = ["namesIn", "numbersIn", "numbersProblem"]


def numbersIn(text: str) -> tuple[float, ...]:
    """The numbers of a line, with blanks or semicolons between them; a comma within a number is a decimal point.

    Raises
    ------
    ValueError
        something else than finite numbers.
    """
    words = re.split(r"[\s;]+|,\s+", text.strip(" ,;"))
    numbers = tuple(float(word.replace(",", ".")) for word in words if word)
    if any(not abs(number) < float("inf") for number in numbers):
        raise ValueError(text)
    return numbers


def numbersProblem(text: str, what: str, counts: tuple[int, ...]) -> str:
    """Why a line is not so many numbers, a sentence; "" when it is one of the counts, or empty."""
    try:
        found = numbersIn(text)
    except ValueError:
        return _("{what}: write numbers with blanks between them.").format(what=what)
    if found and len(found) not in counts:
        wanted = _(" or ").join(map(str, counts))
        return _("{what}: write {wanted} numbers, not {count}.").format(what=what, wanted=wanted, count=len(found))
    return ""


def namesIn(text: str) -> tuple[str, ...]:
    """The names of a line, with semicolons between them: names of structures hold blanks and commas."""
    return tuple(name.strip() for name in text.split(";") if name.strip())
