"""Headers of TOPAS phase spaces: three flavours, told apart by the first line, never by the names of the files.

The flavours Binary and ASCII list their columns; Limited has a few keys of the IAEA header.
Source: documentation of TOPAS (Phase Space Scorer) and headers of OpenTOPAS 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import InputError

__all__ = ["COLUMNS", "LIMITED", "OWN_EXTRAS", "TopasHeader", "is_topas", "parse_header", "read_text"]

COLUMNS: dict[str, str] = {
    "x": "Position X [cm]",
    "y": "Position Y [cm]",
    "z": "Position Z [cm]",
    "u": "Direction Cosine X",
    "v": "Direction Cosine Y",
    "energy": "Energy [MeV]",
    "weight": "Weight",
    "pdg": "Particle Type (in PDG Format)",
    "backwards": "Flag to tell if Third Direction Cosine is Negative (1 means true)",
    "starts": "Flag to tell if this is the First Scored Particle from this History (1 means true)",
}
"""What a record must hold -> name of the column, in TOPAS's order."""

OWN_EXTRAS: dict[str, str] = {
    "TOPAS Time [s]": "f4",
    "Time of Flight [ns]": "f4",
    "Run ID": "i4",
    "Event ID": "i4",
    "Track ID": "i4",
    "Parent ID": "i4",
    "Charge [e+]": "f4",
    "Initial Kinetic Energy [MeV]": "f4",
    "Vertex Position X [cm]": "f4",
    "Vertex Position Y [cm]": "f4",
    "Vertex Position Z [cm]": "f4",
    "Initial Direction Cosine X": "f4",
    "Initial Direction Cosine Y": "f4",
    "Initial Direction Cosine Z": "f4",
    "Seed Part 1": "i4",
    "Seed Part 2": "i4",
    "Seed Part 3": "i4",
    "Seed Part 4": "i4",
}
"""Further columns that TOPAS knows, with their types."""

LIMITED = np.dtype([("type", "i1"), ("energy", "<f4"), ("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("u", "<f4"),
                    ("v", "<f4"), ("weight", "<f4")])  # fmt: skip
"""A record of the Limited flavour: type with the sign of W, energy negative where a history starts."""

_LARGEST_BYTES = 4 << 20
_REMEDY = "name the .phsp or .header file of a TOPAS phase space, or copy the pair again"
_ROLES = {name.split(" [")[0].lower(): role for role, name in COLUMNS.items()}
_NEW_LINE = re.compile(r"^\s*([a-z]\d*)\s*:\s*(\S.*)$")
_OLD_LINE = re.compile(r"^\s*(\d+)\s*-\s*(\d+)\s*:\s*(\S.*)$")
_ASCII_LINE = re.compile(r"^\s*(\d+)\s*:\s*(\S.*)$")
_COUNT = re.compile(r"^\s*(Number of [^:]*):\s*(\d+)\s*$")
_TYPES = {"f4": "<f4", "f8": "<f8", "i4": "<i4", "i8": "<i8", "i1": "i1", "b1": "i1"}


@dataclass(frozen=True)
class TopasHeader:
    """What a header says.

    Parameters
    ----------
    flavour:
        "Binary", "ASCII" or "Limited".
    columns:
        (name, numpy type) in order; the type of a column of ASCII is "f8", or "" where it holds words.
    counts:
        `Number of ...` by its words.
    histories, reached, particles:
        original histories, those that reached the phase space, records without pseudo-particles; None if not said.
    title:
        words of the Limited flavour.
    highest_mev:
        highest kinetic energy by the header, None if not said.
    """

    flavour: str
    columns: tuple[tuple[str, str], ...]
    counts: Mapping[str, int]
    histories: int | None
    reached: int | None
    particles: int | None
    title: str = ""
    highest_mev: float | None = None

    @property
    def roles(self) -> dict[str, int]:
        """Number of the column by its key in `COLUMNS`."""
        return {role: n for n, (name, _) in enumerate(self.columns) if (role := _role(name))}


def is_topas(text: str) -> bool:
    """Whether a header is one of TOPAS: Limited has keys of the IAEA format, but neither its index nor a byte order."""
    start = text.lstrip("\ufeff \r\n\t")
    if re.match(r"TOPAS (Binary|ASCII)\b", start, re.IGNORECASE):
        return True
    keys = set(re.findall(r"^\s*\$([A-Z_]+)", text, re.MULTILINE))
    limited = "TOPAS" in start[:400] and "limited" in start[:400].lower()
    return "RECORD_LENGTH" in keys and not keys & {"IAEA_INDEX", "BYTE_ORDER"} and (limited or "EXTRA_INTS" in keys)


def read_text(path: Path) -> str:
    """The text of a header.

    Raises
    ------
    InputError
        it cannot be read, or is too large for a header.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(path, "is too large for a header", _REMEDY)
        return path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "check the path") from error


def parse_header(text: str, source: object = "header") -> TopasHeader:
    """Make a header from its text.

    Raises
    ------
    InputError
        no header of TOPAS, or columns that no phase space has.
    """
    if not is_topas(text):
        raise InputError(source, "is no header of a TOPAS phase space", _REMEDY)
    if text.lstrip("\ufeff \r\n\t").startswith("$"):
        return _limited(text, source)
    flavour = "ASCII" if "ascii" in text.lstrip()[:30].lower() else "Binary"
    columns = _ascii_columns(text) if flavour == "ASCII" else _binary_columns(text, source)
    counts = {match.group(1): int(match.group(2)) for line in text.splitlines() if (match := _COUNT.match(line))}
    header = TopasHeader(
        flavour, columns, counts, counts.get("Number of Original Histories"),
        counts.get("Number of Original Histories that Reached Phase Space"),
        counts.get("Number of Scored Particles"), highest_mev=_highest(text),
    )  # fmt: skip
    _check(header, source)
    return header


def _highest(text: str) -> float | None:
    found = re.findall(r"^\s*Maximum Kinetic Energy of [^:]*:\s*([\d.eE+-]+)\s*MeV", text, re.MULTILINE)
    try:
        return max(map(float, found), default=None)
    except ValueError:
        return None


def _limited(text: str, source: object) -> TopasHeader:
    found = dict(re.findall(r"^\s*\$([A-Z_]+):?[ \t]*\r?\n[ \t]*([^\r\n]*)", text, re.MULTILINE))

    def number(key: str) -> int | None:
        digits = re.match(r"\d+", found.get(key, ""))
        return int(digits.group()) if digits else None

    length = number("RECORD_LENGTH")
    if length != LIMITED.itemsize:
        cause = f"says records of {length} bytes, and TOPAS's Limited ones have {LIMITED.itemsize}"
        raise InputError(source, cause, _REMEDY)
    columns = tuple((name, LIMITED[name].str) for name in LIMITED.names)
    return TopasHeader("Limited", columns, {}, number("ORIG_HISTORIES"), None, number("PARTICLES"),
                       found.get("TITLE", "").strip())  # fmt: skip


def _binary_columns(text: str, source: object) -> tuple[tuple[str, str], ...]:
    """Lines such as `f4: Position X [cm]`, of old versions ` 0- 3: Position X [cm]`."""
    columns = []
    for line in text.splitlines():
        if match := _NEW_LINE.match(line):
            columns.append((match.group(2).strip(), _type(match.group(1), source)))
        elif match := _OLD_LINE.match(line):
            length, name = int(match.group(2)) - int(match.group(1)) + 1, match.group(3).strip()
            letter = "b" if length == 1 else "i" if name.startswith(("Particle Type", "Run", "Event", "Track", "Parent",
                                                                     "Seed")) else "f"  # fmt: skip
            columns.append((name, _type(f"{letter}{length}", source)))
    return _with_names(columns)


def _type(letters: str, source: object) -> str:
    if letters not in _TYPES:
        raise InputError(source, f'has a column of type "{letters}", which is unknown', _REMEDY)
    return _TYPES[letters]


def _ascii_columns(text: str) -> tuple[tuple[str, str], ...]:
    columns = [match.group(2).strip() for line in text.splitlines() if (match := _ASCII_LINE.match(line))]
    return _with_names([(name, "" if "Process Name" in name else "f8") for name in columns])


def _with_names(columns: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """A name that comes twice gets a number."""
    seen: dict[str, int] = {}
    unique = []
    for name, kind in columns:
        seen[name] = seen.get(name, 0) + 1
        unique.append((name if seen[name] == 1 else f"{name} {seen[name]}", kind))
    return tuple(unique)


def _role(name: str) -> str | None:
    return _ROLES.get(name.split(" [")[0].lower())


def _check(header: TopasHeader, source: object) -> None:
    missing = [COLUMNS[role] for role in COLUMNS if role not in header.roles]
    if missing:
        raise InputError(source, f'lists no column "{missing[0]}"', _REMEDY)
    for role in ("x", "y", "z", "energy"):
        name = header.columns[header.roles[role]][0]
        unit = "[MeV]" if role == "energy" else "[cm]"
        if "[" in name and not name.endswith(unit):
            raise InputError(source, f'has a column "{name}" whose unit is not {unit}', _REMEDY)
