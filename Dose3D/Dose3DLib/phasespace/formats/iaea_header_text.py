"""Writes the header of an IAEA phase space, INDC(NDS)-0484 (2006): what a reader needs, then what people want."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from ..write import FileFacts
from .iaea_header import EXTRA_FLOATS, EXTRA_LONGS, VARIABLES
from .statistics import Statistics

__all__ = ["constant_survives", "constant_text", "header_text"]

_SPECIES = {1: "PHOTONS", 2: "ELECTRONS", 3: "POSITRONS", 4: "NEUTRONS", 5: "PROTONS"}
_MANDATORY_TEXTS = ("TRANSPORT_PARAMETERS", "MACHINE_TYPE", "MONTE_CARLO_CODE_VERSION",
                    "GLOBAL_PHOTON_ENERGY_CUTOFF", "GLOBAL_PARTICLE_ENERGY_CUTOFF")  # fmt: skip
_OPTIONAL_TEXTS = ("BEAM_NAME", "FIELD_SIZE", "NOMINAL_SSD", "MC_INPUT_FILENAME", "VARIANCE_REDUCTION_TECHNIQUES",
                   "INITIAL_SOURCE_DESCRIPTION", "PUBLISHED_REFERENCE", "AUTHORS", "INSTITUTION",
                   "LINK_VALIDATION")  # fmt: skip
_BYTE_ORDERS = {"little": 1234, "big": 4321}


def constant_text(value: float) -> str:
    """A constant as headers have it: with four decimals, as the report's own routines write it."""
    return f"{value:.4f}"


def constant_survives(value: float) -> bool:
    """True where four decimals give back the same float32 as the value itself."""
    return np.float32(float(constant_text(value))) == np.float32(value)


def header_text(
    facts: FileFacts, stored: Iterable[str], constants: Mapping[str, float], record_length: int, found: Statistics
) -> str:
    """The header of a file of `found`, whose records hold the variables `stored` and `facts.extras`."""
    blocks = [
        ("IAEA_INDEX", ["0     // no entry of the IAEA's database"]),
        ("TITLE", [_one_line(facts.title)]),
        ("FILE_TYPE", ["0"]),
        ("CHECKSUM", [str(record_length * found.count)]),
        ("RECORD_CONTENTS", _contents(tuple(stored), facts.extras)),
        ("RECORD_CONSTANT", _constants(constants)),
        ("RECORD_LENGTH", [str(record_length)]),
        ("BYTE_ORDER", [str(_BYTE_ORDERS[facts.byte_order])]),
        ("ORIG_HISTORIES", [str(_histories(facts, found))]),
        ("PARTICLES", [str(found.count)]),
        *((_SPECIES[code], [str(found.species[code].count)]) for code in sorted(found.species)),
        *((key, _text_lines(facts.texts.get(key, ""))) for key in _MANDATORY_TEXTS),
        ("COORDINATE_SYSTEM_DESCRIPTION", [_one_line(facts.coordinate_system)]),
        *((key, _text_lines(facts.texts[key])) for key in _OPTIONAL_TEXTS if facts.texts.get(key)),
        ("ADDITIONAL_NOTES", _notes(facts)),
        ("STATISTICAL_INFORMATION_PARTICLES", _species_lines(found)),
        ("STATISTICAL_INFORMATION_GEOMETRY", _geometry_lines(found)),
    ]
    return "\n\n".join("\n".join([f"${key}:", *lines]) for key, lines in blocks) + "\n"


def _contents(stored: tuple[str, ...], extras: tuple[tuple[str, str], ...]) -> list[str]:
    floats = [name for name, kind in extras if kind == "float32"]
    longs = [name for name, kind in extras if kind == "int32"]
    lines = [f"    {int(name in stored)}     // {_label(name)} is stored ?" for name in VARIABLES]
    lines += [f"    {len(floats)}     // Extra floats stored ?", f"    {len(longs)}     // Extra longs stored ?"]
    for names, meanings in ((floats, EXTRA_FLOATS), (longs, EXTRA_LONGS)):
        codes = {meaning: code for code, meaning in meanings.items()}
        lines += [f"    {codes.get(_kind_of(name), 0)}     // {_one_line(name)}" for name in names]
    return lines


def _kind_of(name: str) -> str:
    """The meaning of an extra value by its name, without the number of a second one: "ZLAST 2", "ILB3"."""
    return re.sub(r"\s*\d+$", "", name)


def _label(name: str) -> str:
    return "Weight" if name == "weight" else name.upper()


def _constants(constants: Mapping[str, float]) -> list[str]:
    return [f"  {constant_text(constants[name])}     // Constant {_label(name)}"
            for name in VARIABLES if name in constants]  # fmt: skip


def _histories(facts: FileFacts, found: Statistics) -> int:
    return found.new_histories if facts.histories is None else facts.histories


def _notes(facts: FileFacts) -> list[str]:
    unknown = "The number of simulated histories is not known: that of the histories in the file stands for it."
    notes = [*facts.notes, *([unknown] if facts.histories is None else [])]
    return [*_text_lines(facts.texts.get("ADDITIONAL_NOTES", "")), *map(_one_line, notes)]


def _species_lines(found: Statistics) -> list[str]:
    lines = ["//        Weight        Wmin       Wmax       <E>         Emin         Emax    Particle"]
    for code in sorted(found.species):
        one = found.species[code]
        figures = (one.weight, *one.weights, one.mean_energy, *one.energies)
        lines.append("  ".join(f"{figure:12.7g}" for figure in figures) + f"   {_SPECIES[code]}")
    return lines


def _geometry_lines(found: Statistics) -> list[str]:
    return [f"  {low:.4f}  {high:.4f}" for low, high in found.extents.values()]


def _text_lines(text: str) -> list[str]:
    return [line for line in map(_one_line, text.splitlines()) if line]


def _one_line(text: str) -> str:
    """Text that no reader takes for a key or a comment: neither may stand at the start of a line."""
    return " ".join(text.split()).lstrip("$/ ")
