"""Checkpoints: everything that a run needs to go on, written so that an interruption never leaves half a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..core.errors import InputError

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, dictionaries and lists of them) to `path` atomically."""
    import torch

    draft = path.with_name(path.name + ".part")
    with draft.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint, None when there is none. Only tensors and plain values are unpickled (`weights_only`)."""
    import torch

    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file; all mean the same to the user
        raise InputError(path, "the checkpoint is damaged or not ours", "delete it to start anew") from error
