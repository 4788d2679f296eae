"""Checkpoints: everything that a run needs to go on, written so that an interruption never leaves half a file."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path
from typing import Any

from ..core.errors import InputError

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, dictionaries and lists of them) to `path` atomically.

    Raises
    ------
    OSError
        such as a full disk; the checkpoint before it stays.
    """
    import torch

    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb", buffering=0) as file:
            honest = _Honest(file)
            try:
                torch.save(state, honest)
            except RuntimeError as error:  # what torch makes of a write that failed
                raise honest.fault or error from error
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


class _Honest:
    """A file that writes all or fails, and remembers why."""

    def __init__(self, file: FileIO):
        self._file = file
        self.fault: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while len(rest):
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.fault = error
            raise
        return size

    def flush(self) -> None:
        """Nothing is held back."""


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint, None when there is none. Only tensors and plain values are unpickled (`weights_only`)."""
    import torch

    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file; all mean the same to the user
        raise InputError(path, "the checkpoint is damaged or not ours", "delete it to start anew") from error
