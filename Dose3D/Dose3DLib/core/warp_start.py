"""NVIDIA Warp, which compiles kernels when they are first used, started without its greetings."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["start_warp"]


def start_warp() -> None:
    """Start Warp; no harm when it runs already.

    Raises
    ------
    ImportError
        it is not installed.
    """
    import warp

    warp.config.quiet = True
    warp.config.log_level = logging.ERROR
    with _without_native_errors():
        warp.init()


@contextmanager
def _without_native_errors() -> Iterator[None]:
    """Warp's compiled part writes on standard error, past Python, that there is no GPU; which is no error here."""
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # an application without standard error
        yield
        return
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
