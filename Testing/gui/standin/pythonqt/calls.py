"""Calling Qt: choice of the overload, PythonQt's error texts."""

from __future__ import annotations

from .convert import NoMatch, fit, wrap
from .errors import StandInGap


def choose(forms, arguments) -> list | None:
    """The converted arguments for the form that fits best, None where none does."""
    best, chosen = 0, None
    for form in forms:
        if len(form.parameters) != len(arguments):
            continue
        try:
            pairs = [fit(kind, value) for (kind, _), value in zip(form.parameters, arguments, strict=True)]
        except NoMatch:
            continue
        score = min((score for score, _ in pairs), default=5)
        if score > best:
            best, chosen = score, [value for _, value in pairs]
    return chosen


def converted(name: str, forms, arguments: tuple, keywords: dict) -> list:
    """Arguments as Qt takes them; ValueError with PythonQt's words where no form fits."""
    if not forms:
        raise StandInGap(f"the stand-in does not know the arguments of '{name}'")
    if keywords:
        raise ValueError(f"Called {forms[0]} with keyword arguments, but called slot does not support kwargs.")
    chosen = choose(forms, arguments)
    if chosen is None:
        raise ValueError(_refusal(forms, arguments))
    return chosen


def _refusal(forms, arguments: tuple) -> str:
    if len(forms) > 1:
        known = "\n".join(str(form) for form in forms)
        return (
            f"Could not find matching overload for given arguments:\n{arguments!r}\n"
            f" The following slots are available:\n{known}\n"
        )
    number = "number of " if len(forms[0].parameters) != len(arguments) else ""
    return f"Called {forms[0]} with wrong {number}arguments: {arguments!r}"


def _single(name: str, result):
    """PySide6 gives a tuple where C++ has output parameters, which PythonQt shows in other ways."""
    if type(result) is tuple:
        raise StandInGap(f"{name} has output parameters in C++; the stand-in does not know them")
    return result


def call(function, name: str, forms, arguments: tuple, keywords: dict):
    """Call a function of PySide6 with converted arguments; the result as Python sees it in the desktop."""
    values = converted(name, forms, arguments, keywords)
    try:
        return wrap(_single(name, function(*values)))
    except (RuntimeError, TypeError) as error:
        if getattr(function, "func", function).__class__.__name__ == "function":
            raise  # a slot written in Python says what it has to say
        raise StandInGap(f"PySide6 refuses {name}{tuple(arguments)!r}: {error}") from error
