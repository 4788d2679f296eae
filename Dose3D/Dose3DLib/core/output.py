"""Atomic output: a result folder or file appears complete, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError

__all__ = ["atomic_output"]


@contextmanager
def atomic_output(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `target` to write to; rename it to `target` when the block ends well.

    The block may make a file or a folder of that path. On any exception (cancel included) what was written is removed.

    Raises
    ------
    OutputError
        `target` exists and `overwrite` is False, its parent cannot be written, or the disk is full.
    """
    target = Path(target)
    if target.exists() and not overwrite:
        raise OutputError(target, "exists already", "choose another output or add --overwrite")
    room = _make_room(target)
    draft = room / target.name
    try:
        yield draft
        _replace(draft, target)
    except OSError as error:
        if error.filename is None or str(error.filename).startswith(str(room)) or error.errno == 28:
            raise OutputError(target, error.strerror or str(error), "free some space or choose another output") from error
        raise
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _make_room(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", dir=target.parent))
    except OSError as error:
        raise OutputError(target, error.strerror or str(error), "choose a folder that you may write to") from error


def _replace(draft: Path, target: Path) -> None:
    if not draft.exists():
        return
    if target.is_dir() and not target.is_symlink():
        old = draft.parent / ".replaced"
        os.replace(target, old)
        try:
            os.replace(draft, target)
        except OSError:
            os.replace(old, target)
            raise
        return
    os.replace(draft, target)
