"""One process at a time in a folder. The system lets go of the lock with the process, however that ends."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import OutputError

__all__ = ["only_one"]

_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


@contextmanager
def only_one(folder: Path, cause: str, remedy: str) -> Iterator[None]:
    """Hold `folder/lock`; the folder exists. On a disk that knows no locks (some networks') nothing is held.

    Raises
    ------
    OutputError
        with this cause and remedy: another process holds it.
    """
    with (folder / "lock").open("ab") as file:
        try:
            _lock(file)
        except OSError as error:
            if error.errno in _TAKEN:
                raise OutputError(folder, cause, remedy) from error
        yield


def _lock(file: IO[bytes]) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
