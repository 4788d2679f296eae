"""The header of an IAEA phase space, report INDC(NDS)-0484 (2006): keys `$KEY:` with lines up to the next `$`.

Headers are written by hand and by many programs: keys come in any order and case, comments follow values, letters may
be Latin-1, lines may end as on Windows, and sizes may be those of another file. What decides how bytes are read is
checked strictly; the rest becomes a note.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...core.errors import InputError

__all__ = ["EXTRA_FLOATS", "EXTRA_LONGS", "VARIABLES", "IaeaHeader", "parse_header", "read_header"]

VARIABLES = ("x", "y", "z", "u", "v", "w", "weight")
"""In the order of the header's flags and constants; lengths cm."""

EXTRA_FLOATS = {0: "generic", 1: "XLAST", 2: "YLAST", 3: "ZLAST"}
EXTRA_LONGS = {0: "generic", 1: "incremental history", 2: "LATCH", 3: "ILB"}
"""Meaning of the extra values by the type that the header gives: last interaction, cm; flags of EGS, of PENELOPE."""

_BYTE_ORDERS = {1234: "<", 4321: ">"}
_SPECIES_KEYS = {"PHOTONS": 1, "ELECTRONS": 2, "POSITRONS": 3, "NEUTRONS": 4, "PROTONS": 5}
_NUMBER_KEYS = {"FILE_TYPE", "CHECKSUM", "RECORD_CONTENTS", "RECORD_CONSTANT", "RECORD_LENGTH", "BYTE_ORDER",
                "ORIG_HISTORIES", "PARTICLES", *_SPECIES_KEYS}  # fmt: skip
_LARGEST_BYTES = 4 << 20
_MOST_EXTRAS = 100
_KEY = re.compile(r"^\s*\$([A-Za-z0-9_]+)\s*:?(.*)$")
_REMEDY = "mend the header or copy it again from where the file came from"


@dataclass(frozen=True)
class IaeaHeader:
    """What a header says, and what was odd about it.

    Parameters
    ----------
    stored:
        names of `VARIABLES` that each record holds, in their order (w is never stored, only its sign).
    constants:
        value by name of those that no record holds; w only where the header says that it is constant.
    extra_floats, extra_longs:
        their names, in order; a second one of a name gets a number.
    record_length:
        bytes, as the contents make it.
    byte_order:
        "<" or ">".
    histories:
        primary particles that were simulated; None where the header does not say so.
    particles, species:
        numbers of records the header claims, in all and by type code; the file decides.
    checksum:
        size of the file in bytes, as the header claims it.
    texts:
        all other keys with their text, in order.
    notes:
        sentences for the user.
    """

    stored: tuple[str, ...]
    constants: Mapping[str, float]
    extra_floats: tuple[str, ...]
    extra_longs: tuple[str, ...]
    record_length: int
    byte_order: str
    histories: int | None
    particles: int | None
    species: Mapping[int, int]
    checksum: int | None
    texts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return " ".join(self.texts.get("TITLE", "").split())

    @property
    def coordinate_system(self) -> str:
        """The header's own words on where the axes point; often empty."""
        return " ".join(self.texts.get("COORDINATE_SYSTEM_DESCRIPTION", "").split())

    @property
    def highest_mev(self) -> float | None:
        """The highest energy of its statistics, which some headers lack: the sixth number of a species' line."""
        lines = self.texts.get("STATISTICAL_INFORMATION_PARTICLES", "").splitlines()
        words = [line.split() for line in lines]
        found = [_number(line[5]) for line in words if len(line) > 6 and line[6].upper() in _SPECIES_KEYS]
        return max((energy for energy in found if energy), default=None)


def read_header(path: Path) -> IaeaHeader:
    """Read a header file.

    Raises
    ------
    InputError
        no such file, no IAEA header, an event generator, or contents that don't say how records are built.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(path, "is too large for a header", "name the .IAEAheader file")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "check the path") from error
    return parse_header(_decode(data), path)


def parse_header(text: str, source: object = "header") -> IaeaHeader:
    """Make a header from its text; errors as in `read_header`, naming `source`."""
    blocks, notes = _blocks(text)
    if "RECORD_CONTENTS" not in blocks:
        if "TOPAS" in text[:200].upper():
            raise InputError(source, "is a header of TOPAS of an unknown kind", "mend its first line or copy it again")
        raise InputError(source, "is no IAEA header (there is no $RECORD_CONTENTS)", "name the .IAEAheader file")
    reader = _Reader(blocks, notes, source)
    if reader.integer("FILE_TYPE", 0) != 0:
        cause = "describes an event generator ($FILE_TYPE is not 0), which holds no particles"
        raise InputError(source, cause, "give a phase space of particles")
    stored, floats, longs = _contents(reader)
    constants = _constants(reader, stored)
    length = 5 + 4 * (len([name for name in stored if name != "w"]) + len(floats) + len(longs))
    _check_length(reader, length)
    species = {code: count for key, code in _SPECIES_KEYS.items() if (count := reader.integer(key)) is not None}
    return IaeaHeader(
        stored, constants, floats, longs, length, _byte_order(reader), _histories(reader), reader.integer("PARTICLES"),
        species, reader.integer("CHECKSUM"), _texts(blocks), tuple(notes),
    )  # fmt: skip


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _blocks(text: str) -> tuple[dict[str, list[str]], list[str]]:
    """Lines by key in capitals, the first block of a key that comes twice, and notes."""
    blocks: dict[str, list[str]] = {}
    notes: list[str] = []
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").split("\n"):
        match = _KEY.match(line)
        if match is None:
            if not line.lstrip().startswith("//"):
                lines.append(line.rstrip())
            continue
        key, rest = match[1].upper(), match[2].strip()
        lines = [rest] if rest else []
        if key in blocks:
            notes.append(f"the header has ${key} more than once; the first is used")
        else:
            blocks[key] = lines
    return blocks, notes


class _Reader:
    """Numbers of a header's blocks; whatever follows a number on its line is a comment."""

    def __init__(self, blocks: dict[str, list[str]], notes: list[str], source: object):
        self._blocks, self.notes, self.source = blocks, notes, source

    def fault(self, key: str, cause: str) -> InputError:
        return InputError(self.source, f"${key} {cause}", _REMEDY)

    def numbers(self, key: str) -> list[float]:
        """One a line; blank lines are left out."""
        found = []
        for line in self._blocks.get(key, []):
            words = line.partition("//")[0].split()
            if not words:
                continue
            try:
                number = float(words[0].replace("D", "E").replace("d", "e"))
            except ValueError as error:
                raise self.fault(key, f'holds "{words[0][:40]}", which is no number') from error
            if not math.isfinite(number):
                raise self.fault(key, f'holds "{words[0][:40]}", which is not finite')
            found.append(number)
        return found

    def integer(self, key: str, default: int | None = None) -> int | None:
        """The first number of a block; counts pass 2^31."""
        for line in self._blocks.get(key, []):
            words = line.partition("//")[0].split()
            if words:
                return self._whole(key, words[0])
        return default

    def _whole(self, key: str, word: str) -> int:
        try:
            return int(word)
        except ValueError:
            pass
        try:
            value = float(word)
            if value.is_integer():
                return int(value)
        except (ValueError, OverflowError):
            pass
        raise self.fault(key, f'is "{word[:40]}", which is no whole number')


def _contents(reader: _Reader) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Stored variables, names of the extra floats and of the extra longs."""
    key = "RECORD_CONTENTS"
    numbers = reader.numbers(key)
    if len(numbers) < 9 or any(n != int(n) for n in numbers):
        raise reader.fault(key, "must hold nine whole numbers: X Y Z U V W weight, extra floats, extra longs")
    flags, (n_floats, n_longs), kinds = numbers[:7], map(int, numbers[7:9]), [int(n) for n in numbers[9:]]
    if any(flag not in (0, 1) for flag in flags) or not (
        0 <= n_floats <= _MOST_EXTRAS and 0 <= n_longs <= _MOST_EXTRAS
    ):
        raise reader.fault(key, "holds flags other than 0 and 1, or an impossible number of extra values")
    stored = tuple(name for name, flag in zip(VARIABLES, flags, strict=True) if flag)
    missing = n_floats + n_longs - len(kinds)
    if missing > 0:
        reader.notes.append("the header does not say what all extra values of a record mean")
        kinds += [0] * missing
    floats = [EXTRA_FLOATS.get(kind, f"float type {kind}") for kind in kinds[:n_floats]]
    longs = [EXTRA_LONGS.get(kind, f"long type {kind}") for kind in kinds[n_floats : n_floats + n_longs]]
    names = _numbered([*_generic(floats, "float"), *_generic(longs, "long")])
    return stored, names[:n_floats], names[n_floats:]


def _generic(names: list[str], kind: str) -> list[str]:
    return [f"generic {kind}" if name == "generic" else name for name in names]


def _numbered(names: list[str]) -> tuple[str, ...]:
    return tuple(n if n not in names[:at] else f"{n} {names[:at].count(n) + 1}" for at, n in enumerate(names))


def _constants(reader: _Reader, stored: tuple[str, ...]) -> dict[str, float]:
    """The constants stand in the order of the variables, only for those that are not stored."""
    absent = [name for name in VARIABLES if name not in stored]
    found = dict(zip(absent, reader.numbers("RECORD_CONSTANT"), strict=False))
    for name in absent:
        if name not in found and name not in ("w", "weight"):
            raise reader.fault("RECORD_CONSTANT", f"lacks the {name.upper()} of all particles, which no record holds")
    if "weight" in absent and not found.get("weight"):
        written = "0 (too small for four decimals?)" if "weight" in found else "missing"
        reader.notes.append(f"the constant weight is {written} in the header; 1 is used")
        found["weight"] = 1.0
    return found


def _check_length(reader: _Reader, length: int) -> None:
    said = reader.integer("RECORD_LENGTH")
    if said is not None and said != length:
        reader.notes.append(
            f"the header says {said} bytes a record, its list of contents makes {length}; {length} is used"
        )


def _byte_order(reader: _Reader) -> str:
    order = reader.integer("BYTE_ORDER")
    if order is None:
        reader.notes.append("the header has no $BYTE_ORDER; little endian is assumed")
        return "<"
    if order not in _BYTE_ORDERS:
        raise reader.fault("BYTE_ORDER", f"is {order}; 1234 (little endian) and 4321 (big endian) can be read")
    return _BYTE_ORDERS[order]


def _histories(reader: _Reader) -> int | None:
    count = reader.integer("ORIG_HISTORIES")
    if count is None or count <= 0:
        reader.notes.append(
            "the header does not say how many histories were simulated: nothing can be normalised to them"
        )
        return None
    return count


def _texts(blocks: dict[str, list[str]]) -> dict[str, str]:
    texts = {key: "\n".join(lines).strip() for key, lines in blocks.items() if key not in _NUMBER_KEYS}
    return {key: text for key, text in texts.items() if text}
