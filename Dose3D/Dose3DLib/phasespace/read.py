"""`open_phase_space`: the reader that fits a file, whatever its format.

A new format is one more file in `formats` with a function `open_<format>`, a line in `READERS` and one in `detect`.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ..core.errors import InputError
from .formats.detect import kind_of
from .formats.iaea import pair_of
from .phase_space import CHUNK, PhaseSpace

__all__ = ["CHUNK", "READERS", "PhaseSpace", "kind_of", "open_phase_space", "pair_of"]

READERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "iaea": ("iaea:open_iaea", ()),
    "egs": ("egs:open_egs", ("plane",)),
    "topas": ("topas:open_topas", ()),
    "peneasy": ("peneasy:open_peneasy", ()),
    "npy": ("arrays:open_npy", ("plane", "unit")),
    "npz": ("arrays:open_npz", ("plane", "unit")),
    "root": ("root:open_root", ("plane", "unit")),
    "mcpl": ("mcpl:open_mcpl", ()),
}
"""Format -> its function, and what it has to be told, if anything, because such files don't say it."""


def open_phase_space(path: Path, plane: float | None = None, unit: str | None = None) -> PhaseSpace:
    """Open a phase space by any file of it; no particle is read but the first thousand (of text all lines are seen).

    Parameters
    ----------
    path:
        any file of it; what is in it tells the format.
    plane:
        Z in cm, where the format does not hold it (EGSnrc, arrays without that column).
    unit:
        mm, cm or m, where the format does not say the unit of lengths (arrays, ROOT); by default mm.

    Raises
    ------
    InputError
        no such file, an empty one, another format, a part of the pair is missing, or header and records don't go
        together.
    ResourceError
        the package that reads such files is not installed.
    """
    path = Path(path)
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(path, "is empty", "copy it again")
    function, options = READERS[kind_of(path)]
    module, _, name = function.partition(":")
    given = {"plane": plane, "unit": unit}
    told = {option: given[option] for option in options if given[option] is not None}
    return getattr(import_module(f".formats.{module}", __package__), name)(path, **told)
