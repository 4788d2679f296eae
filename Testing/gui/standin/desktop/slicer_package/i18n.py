"""Texts of the user interface; the stand-in has no translations."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["getContext", "tr", "translate"]

FILEPATH_TO_CONTEXT: dict[str, str] = {}


def translate(context: str, text: str) -> str:
    """The text in the language of the application."""
    import slicer

    return slicer.app.translate(context, text)


def getContext(sourceFile: str) -> str:
    """The name under which the texts of a file are translated: the file's, without its ending."""
    return FILEPATH_TO_CONTEXT.setdefault(sourceFile, Path(sourceFile).stem)


def tr(text: str) -> str:
    """The text in the language of the application, in the context of the calling file."""
    return translate(getContext(sys._getframe(1).f_code.co_filename), text)
