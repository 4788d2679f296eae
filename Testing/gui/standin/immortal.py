"""None, True and False that cannot die, as in Python 3.12 and later.

PySide6 6.12 is built for that: each call that returns nothing takes a reference to None away. On Python 3.11 the
process ends after some ten thousand calls with "none_dealloc: deallocating None".
"""

from __future__ import annotations

import ctypes
import sys

MANY = 1 << 40


def make_immortal() -> None:
    """Give the three objects more references than a session can lose."""
    if sys.version_info >= (3, 12) or sys.getrefcount(None) > MANY // 2:
        return
    for thing in (None, True, False):
        ctypes.c_ssize_t.from_address(id(thing)).value += MANY
