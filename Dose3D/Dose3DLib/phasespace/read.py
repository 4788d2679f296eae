"""`open_phase_space`: the reader that fits a file, whatever its format.

A new format is one more file in `formats` with a function `open_<format>`, and a line in `open_phase_space`.
"""

from __future__ import annotations

from pathlib import Path

from .formats.iaea import open_iaea, pair_of
from .phase_space import CHUNK, PhaseSpace

__all__ = ["CHUNK", "PhaseSpace", "open_phase_space", "pair_of"]


def open_phase_space(path: Path) -> PhaseSpace:
    """Open a phase space by any file of it; no particle is read but the first thousand.

    Raises
    ------
    InputError
        no such file, another format, a part of the pair is missing, or header and records don't go together.
    """
    return open_iaea(Path(path))
