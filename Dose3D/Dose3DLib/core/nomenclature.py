"""Names of structures: TG-263, what clinics and other tools call them, colours and codes.

The table is `nomenclature.csv` beside this file; `load_user_table` adds a user's own rows of the same form, which win
over the shipped ones. Names follow AAPM TG-263 (Mayo et al., Int J Radiat Oncol Biol Phys 2018;100:1057) but for the
few that users of this program know better (BODY, Mandible), whose TG-263 names (External, Bone_Mandible) are aliases.
Codes are SNOMED CT and DICOM ones as DICOM PS3.16 lists them (CID 4031, 7151, 9502, 9534) or as HL7's map of TG-263.
The category is coded 123037004, as Slicer, dcmqi and most archives have it, not 91723000 of newer editions of PS3.16.
"""

from __future__ import annotations

import colorsys
import csv
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from .errors import InputError

__all__ = [
    "ANATOMICAL_STRUCTURE",
    "INTERPRETED_TYPES",
    "SLICER_TYPE_TAG",
    "TISSUE",
    "Code",
    "Entry",
    "Nomenclature",
    "color_for",
    "interpreted_type_for",
    "load_user_table",
    "lookup",
    "slicer_terminology",
    "standard_name",
]

INTERPRETED_TYPES = (
    *("EXTERNAL", "PTV", "CTV", "GTV", "TREATED_VOLUME", "IRRAD_VOLUME", "BOLUS", "AVOIDANCE", "ORGAN", "MARKER"),
    *("REGISTRATION", "ISOCENTER", "CONTRAST_AGENT", "CAVITY", "BRACHY_CHANNEL", "BRACHY_ACCESSORY", "BRACHY_SRC_APP"),
    *("BRACHY_CHNL_SHLD", "SUPPORT", "FIXATION", "DOSE_REGION", "CONTROL", "DOSE_MEASUREMENT"),
)
"""RT ROI Interpreted Type, DICOM PS3.3 C.8.8.8.1."""

SLICER_TYPE_TAG = "DICOM.RTROIInterpretedType"
"""Under which tag a segment of Slicer keeps its RT ROI Interpreted Type."""

COLUMNS = ("name", "sides", "aliases", "color", "interpreted_type", "category", "type")
_TABLE = Path(__file__).with_name("nomenclature.csv")


@dataclass(frozen=True)
class Code:
    """A coded concept: value, coding scheme designator and meaning (DICOM PS3.3 section 8)."""

    value: str
    scheme: str
    meaning: str


ANATOMICAL_STRUCTURE = Code("123037004", "SCT", "Anatomical Structure")
TISSUE = Code("85756007", "SCT", "Tissue")
_SIDES = {"l": ("L", Code("7771000", "SCT", "Left")), "r": ("R", Code("24028007", "SCT", "Right"))}
_SIDE_WORDS = {"l": "l", "lt": "l", "left": "l", "links": "l", "r": "r", "rt": "r", "right": "r", "rechts": "r"}
_TARGET = re.compile(
    r"[zx_]*(gtv|ctv|itv|ptv)(?!(?!nod|prim|high|low|mid|inter|boost|eval|total|left|right)[a-z]{4}).*", re.IGNORECASE
)
_NO_TARGET = re.compile(
    r"ring|avoid|shell|minus|prv|wall|margin|air|skin|outside|opti|[+-]\s*[\d.]+\s*[cm]m", re.IGNORECASE
)
"""Clinics name targets freely (PTV_70cf, CTVp 54 Gy); what is derived from one for planning is none."""


@dataclass(frozen=True)
class Entry:
    """What the table knows of one structure; `aliases` are as written in the table, `color` is RGB 0..255."""

    name: str
    aliases: tuple[str, ...]
    color: tuple[int, int, int]
    interpreted_type: str
    category: Code
    type: Code
    modifier: Code | None = None


class Nomenclature:
    """Entries that are found by name or alias, whatever their case, blanks, underscores and place of the side.

    Names go before aliases, and all of it before `base`, the table that is asked when this one knows nothing.
    """

    def __init__(self, entries: Iterable[Entry], base: Nomenclature | None = None):
        self.entries = tuple(entries)
        self._base = base
        self._by_key: dict[str, Entry] = {}
        for entry in reversed(self.entries):
            self._by_key.update((_key(alias), entry) for alias in entry.aliases)
        self._by_key.update((_key(entry.name), entry) for entry in reversed(self.entries))

    def lookup(self, name: str) -> Entry | None:
        """The entry of a name or alias; targets with a dose or number (PTV_70) keep their own name; None if unknown."""
        entry = self._by_key.get(_key(name))
        if entry is None and self._base is not None:
            return self._base.lookup(name)
        match = _TARGET.fullmatch(name.strip())
        if entry is None and match and not _NO_TARGET.search(name):
            target = self._by_key.get(match.group(1).lower())
            return replace(target, name=name.strip(), aliases=()) if target else None
        return entry


def lookup(name: str, table: Nomenclature | None = None) -> Entry | None:
    """What the table knows of a structure of this name, None when it knows nothing."""
    return (table or _shipped()).lookup(name)


def standard_name(name: str, table: Nomenclature | None = None) -> str:
    """The standard name of a structure; the name itself when the table does not know it."""
    entry = lookup(name, table)
    return entry.name if entry else name


def color_for(name: str, table: Nomenclature | None = None) -> tuple[int, int, int]:
    """RGB (0..255) of a structure: the table's, else one that depends on the name only, the same every time."""
    entry = lookup(name, table)
    if entry:
        return entry.color
    return _own_color(name)


def interpreted_type_for(name: str, table: Nomenclature | None = None) -> str:
    """RT ROI Interpreted Type of a structure: the table's, else ORGAN."""
    entry = lookup(name, table)
    return entry.interpreted_type if entry else "ORGAN"


def slicer_terminology(name: str) -> str:
    """Slicer's terminology entry: context~category~type~modifier~region context~region~region modifier.

    Each code is `scheme^value^meaning` (vtkSlicerTerminologiesModuleLogic::SerializeTerminologyEntry). A name that the
    table does not know is a tissue, as Slicer's own default says.
    """
    entry = lookup(name)
    codes = (entry.category, entry.type, entry.modifier) if entry else (TISSUE, TISSUE, None)
    parts = ["^^" if code is None else f"{code.scheme}^{code.value}^{code.meaning}" for code in codes]
    contexts = "Segmentation category and type - 3D Slicer General Anatomy list", "Anatomic codes - DICOM master list"
    return "~".join([contexts[0], *parts, contexts[1], "^^", "^^"])


def load_user_table(path: str | Path) -> Nomenclature:
    """The shipped table with a user's rows before it.

    The file is CSV (UTF-8) with a heading; `name` is needed, the columns `sides` (LR for a pair), `aliases` (separated
    by ;), `color` (#RRGGBB; two of them for a pair), `interpreted_type`, `category` and `type` (scheme, value and
    meaning, such as `SCT 10200004 Liver`) may be empty or absent.

    Raises
    ------
    InputError
        naming file, line and column at fault.
    """
    path = Path(path)
    return Nomenclature(_read_table(path), _shipped())


@lru_cache(maxsize=1)
def _shipped() -> Nomenclature:
    return Nomenclature(_read_table(_TABLE))


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    """Letters and digits of a name in lower case, its side last: `LeftParotid`, `Parotid_L`, `PAROTID LT` agree."""
    spaced = re.sub(r"(?<=[^\W\d_])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", " ", name.strip())
    words = [word.casefold() for word in re.split(r"[\W_]+", spaced) if word]
    ends = {0, len(words) - 1}
    sides = [n for n, word in enumerate(words) if word in _SIDE_WORDS and (n in ends or len(word) > 2)]
    if len(words) < 2 or len(sides) != 1:
        return "".join(words)
    side = _SIDE_WORDS[words.pop(sides[0])]
    return f"{''.join(words)}|{side}"


def _read_table(path: Path) -> list[Entry]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_heading(path, reader.fieldnames or [])
            rows = [(reader.line_num, row) for row in reader if any(value for value in row.values())]
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", "give a CSV table of structure names") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"is not a CSV table in UTF-8 ({error})", "save it as CSV, UTF-8") from error
    entries = [entry for line, row in rows for entry in _entries(path, line, row)]
    _refuse_twice(path, entries)
    return entries


def _check_heading(path: Path, heading: Iterable[str]) -> None:
    unknown = [column for column in heading if column not in COLUMNS]
    if unknown or "name" not in heading:
        fault = f"has the column '{unknown[0]}'" if unknown else "has no column 'name'"
        raise InputError(path, fault, f"use the columns {', '.join(COLUMNS)} (only name is needed)")


def _refuse_twice(path: Path, entries: Iterable[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if _key(entry.name) in seen:
            raise InputError(path, f"names '{entry.name}' twice", "keep one row for each structure")
        seen.add(_key(entry.name))


def _entries(path: Path, line: int, row: dict[str, str | None]) -> Iterator[Entry]:
    """One entry a row, two for a pair of sides."""

    def fail(cause: str, remedy: str) -> InputError:
        return InputError(f"{path}, line {line}", cause, remedy)

    cell = {column: (row.get(column) or "").strip() for column in COLUMNS}
    if not cell["name"] or None in row:
        raise fail("has no name" if not cell["name"] else "has more cells than the heading", "mend the row")
    if cell["sides"] not in ("", "L", "R", "LR"):
        raise fail(f"sides is '{cell['sides']}'", "write L, R, LR or nothing")
    interpreted_type = cell["interpreted_type"] or "ORGAN"
    if interpreted_type not in INTERPRETED_TYPES:
        raise fail(f"interpreted_type is '{interpreted_type}'", f"use one of {', '.join(INTERPRETED_TYPES)}")
    try:
        colors = [_parse_color(text) for text in cell["color"].split(";") if text]
        category = _parse_code(cell["category"]) or ANATOMICAL_STRUCTURE
        code = _parse_code(cell["type"]) or TISSUE
    except ValueError as error:
        raise fail(str(error), "write colours as #RRGGBB and codes as SCHEME VALUE MEANING") from None
    aliases = tuple(alias.strip() for alias in cell["aliases"].split(";") if alias.strip())
    entry = Entry(cell["name"], aliases, (0, 0, 0), interpreted_type, category, code)
    for number, side in enumerate(cell["sides"].lower() or [""]):
        name = entry.name + (f"_{_SIDES[side][0]}" if side else "")
        color = colors[min(number, len(colors) - 1)] if colors else _own_color(name)
        suffix = f" {_SIDES[side][0]}" if side else ""
        yield replace(
            entry,
            name=name,
            aliases=tuple(alias + suffix for alias in aliases),
            color=color,
            modifier=_SIDES[side][1] if side else None,
        )


def _own_color(name: str) -> tuple[int, int, int]:
    """A colour that follows from the name alone, for structures that no table gives one."""
    digest = zlib.crc32(_key(name).encode("utf-8"))
    rgb = colorsys.hsv_to_rgb(digest % 360 / 360, 0.55 + digest // 360 % 4 * 0.1, 0.75 + digest // 1440 % 3 * 0.1)
    red, green, blue = (round(255 * part) for part in rgb)
    return red, green, blue


def _parse_color(text: str) -> tuple[int, int, int]:
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", text.strip()):
        raise ValueError(f"color is '{text.strip()}'")
    number = int(text.strip()[1:], 16)
    return number >> 16, number >> 8 & 255, number & 255


def _parse_code(text: str) -> Code | None:
    if not text:
        return None
    parts = text.split(None, 2)
    if len(parts) != 3 or len(parts[1]) > 16 or len(parts[2]) > 64:
        raise ValueError(f"code is '{text}'")
    return Code(parts[1], parts[0], parts[2])
