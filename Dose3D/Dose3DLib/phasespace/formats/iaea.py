"""Opens IAEA phase spaces: finds the pair of files, reads the header, maps the records."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import InputError
from ..phase_space import PhaseSpace
from .iaea_header import EXTRA_FLOATS, EXTRA_LONGS, IaeaHeader, read_header
from .iaea_records import IaeaRecords, record_dtype

__all__ = ["open_iaea", "pair_of"]

_PAIRS = {".iaeaphsp": ".iaeaheader", ".phsp": ".header"}
_REMEDY = "name one of a pair of files that end in .IAEAphsp and .IAEAheader, or .phsp and .header"


def open_iaea(path: Path) -> PhaseSpace:
    """Open an IAEA phase space by either file of the pair.

    Raises
    ------
    InputError
        another format, a part of the pair is missing, or header and records don't go together.
    """
    path, header_path = pair_of(Path(path))
    header = read_header(header_path)
    records = IaeaRecords(path, header)
    return PhaseSpace(
        files=(path, header_path),
        kind="IAEA",
        title=header.title,
        coordinate_system=header.coordinate_system,
        histories=header.histories,
        layout=_layout(header),
        records=records,
        header=dict(header.texts),
        notes=(*header.notes, *records.notes),
        constants={name: value for name, value in header.constants.items() if name != "w"},
        stated_mev=header.highest_mev,
    )


def pair_of(path: Path) -> tuple[Path, Path]:
    """Records and header of an IAEA pair by one of the two, whatever the case of their names."""
    if path.name.lower().endswith(".gz"):
        raise InputError(path, "is compressed", "decompress it first (gunzip): particles are read at their places")
    suffix = path.suffix.lower()
    if suffix not in (*_PAIRS, *_PAIRS.values()):
        raise InputError(path, "does not end like an IAEA phase space", _REMEDY)
    try:
        if not path.is_file():
            raise InputError(path, "is a folder" if path.is_dir() else "does not exist", _REMEDY)
        beside = [
            other for other in path.parent.iterdir() if other.stem.lower() == path.stem.lower() and other.is_file()
        ]
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "check the path") from error
    others = {**_PAIRS, **{header: records for records, header in _PAIRS.items()}}
    # Headers of .phsp are called .header by Varian, and .IAEAheader by some sites.
    wanted = [others[suffix], *(name for name in others if (name in _PAIRS) != (suffix in _PAIRS))]
    beside.sort(key=lambda other: (other.stem != path.stem, other.name))
    found = next((one for name in wanted for one in beside if one.suffix.lower() == name), None)
    if found is None:
        raise InputError(path, f"there is no {path.stem}{others[suffix]} beside it", _REMEDY)
    return (path, found) if suffix in _PAIRS else (found, path)


def _layout(header: IaeaHeader) -> tuple[tuple[str, str, str], ...]:
    meanings = {"type": "species; negative when W is negative", "energy": "kinetic, MeV; negative starts a history"}
    meanings |= dict.fromkeys("xyz", "position, cm") | dict.fromkeys("uv", "direction cosine")
    meanings |= {"weight": "statistical weight"}
    meanings |= {name: "last interaction, cm" for name in EXTRA_FLOATS.values() if name.endswith("LAST")}
    meanings |= {EXTRA_LONGS[1]: "histories since the last record", "LATCH": "flags of EGS", "ILB": "flags of PENELOPE"}
    dtype = record_dtype(header)
    rows = [(name, {"i1": "int8", "f4": "float32", "i4": "int32"}[dtype[name].str[1:]], meanings.get(name, ""))
            for name in dtype.names]  # fmt: skip
    constants = [(name, "constant", f"{value:g}") for name, value in header.constants.items()]
    return (*rows, *constants)
