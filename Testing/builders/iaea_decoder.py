"""Decodes IAEA phase spaces with re and struct alone: what writers are judged by. Source: report INDC(NDS)-0484."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

NAMES = ("x", "y", "z", "u", "v", "w", "weight")


@dataclass(frozen=True)
class Decoded:
    """Blocks of the header as lists of lines without comments; a dictionary of raw values for each record."""

    blocks: dict[str, list[str]]
    records: list[dict[str, float]]

    def number(self, key: str) -> int:
        return int(self.blocks[key][0])

    def constants(self) -> dict[str, float]:
        """By name, as the flags order them."""
        flags = [int(line) for line in self.blocks["RECORD_CONTENTS"][:7]]
        absent = [name for name, flag in zip(NAMES, flags, strict=True) if not flag]
        return dict(zip(absent, map(float, self.blocks["RECORD_CONSTANT"]), strict=True))


def decode_header(path: Path) -> dict[str, list[str]]:
    """Of a header in UTF-8, or in Latin-1 as old programs write it."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    blocks: dict[str, list[str]] = {}
    for found in re.finditer(r"^\$(\w+):[ \t]*\n(.*?)(?=^\$|\Z)", text, re.S | re.M):
        assert found[1] not in blocks, f"${found[1]} comes twice"
        lines = [line.split("//")[0].strip() for line in found[2].splitlines()]
        blocks[found[1]] = [line for line in lines if line]
    return blocks


def decode(path: Path) -> Decoded:
    """Both files of a pair, by the records' name; a size that does not fit raises struct.error."""
    blocks = decode_header(path.with_suffix(".IAEAheader"))
    contents = [int(line) for line in blocks["RECORD_CONTENTS"]]
    stored = [name for name, flag in zip(NAMES, contents[:7], strict=True) if flag and name != "w"]
    floats, longs = contents[7:9]
    names = ["type", "energy", *stored, *(f"float {n}" for n in range(floats)), *(f"long {n}" for n in range(longs))]
    order = {"1234": "<", "4321": ">"}[blocks["BYTE_ORDER"][0]]
    record = struct.Struct(f"{order}bf{len(stored)}f{floats}f{longs}i")
    assert record.size == int(blocks["RECORD_LENGTH"][0])
    data = path.read_bytes()
    assert len(data) == int(blocks["CHECKSUM"][0])
    return Decoded(blocks, [dict(zip(names, values, strict=True)) for values in record.iter_unpack(data)])
