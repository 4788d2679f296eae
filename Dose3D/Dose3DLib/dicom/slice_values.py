"""The values of one slice file, without the series around it: to see whether an image still shows its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.errors import Dose3DError
from .frames import frames_of
from .pixels import rescaled_slice
from .scan import read_header

__all__ = ["slice_values"]


def slice_values(path: Path) -> np.ndarray | None:
    """Stored values by slope and intercept, float32 [row, column], padding included; None where it is no slice."""
    file = read_header(Path(path))
    if isinstance(file, str):
        return None
    try:
        frames = frames_of(file)
        return rescaled_slice(frames[0]) if len(frames) == 1 else None
    except Dose3DError:
        return None
