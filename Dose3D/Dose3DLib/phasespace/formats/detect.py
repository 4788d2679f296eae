"""Which format a file has: by what is in it or in the header beside it, never by its ending alone.

`.phsp` may be a phase space of Varian or the IAEA, or any of three flavours of TOPAS: the header decides.
"""

from __future__ import annotations

from pathlib import Path

from ...core.errors import InputError
from .arrays import is_npy, is_npz
from .egs import is_egs
from .iaea import pair_of
from .mcpl import is_mcpl
from .peneasy import is_peneasy
from .root import is_root
from .topas_header import is_topas, read_text

__all__ = ["KNOWN", "kind_of"]

KNOWN = "IAEA, EGSnrc, TOPAS, penEasy, numpy, ROOT (GATE) or MCPL"
_BY_CONTENT = {"egs": is_egs, "mcpl": is_mcpl, "npy": is_npy, "npz": is_npz, "root": is_root, "peneasy": is_peneasy}
_HEADERS = (".iaeaheader", ".header")
_RECORDS = (".iaeaphsp", ".phsp")
_LOOKED_AT = 4096


def kind_of(path: Path) -> str:
    """The format of a file, a key of `read.READERS`.

    Raises
    ------
    InputError
        no such file, or a part of a pair is missing, or nothing tells the format.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _HEADERS and (kind := _by_content(path)):
        return kind
    if suffix in (*_HEADERS, *_RECORDS):
        return "topas" if is_topas(read_text(pair_of(path)[1])) else "iaea"
    if suffix == ".gz":
        raise InputError(path, "is compressed", "decompress it first (gunzip); only MCPL is read compressed")
    raise InputError(path, "is a phase space of no known format", f"name one of {KNOWN}")


def _by_content(path: Path) -> str | None:
    try:
        if not path.is_file():
            raise InputError(path, "is a folder" if path.is_dir() else "does not exist", "name a phase space")
        with path.open("rb") as file:
            first = file.read(_LOOKED_AT)
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "check the path") from error
    return next((kind for kind, fits in _BY_CONTENT.items() if fits(first)), None)
