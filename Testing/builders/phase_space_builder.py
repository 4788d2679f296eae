"""IAEA phase spaces made byte by byte with struct: what readers are judged by."""

from __future__ import annotations

import struct
from pathlib import Path

HEADER = """\
$IAEA_INDEX:
0 // test
$TITLE:
{title}
$FILE_TYPE:
0
$CHECKSUM:
{checksum}
$RECORD_CONTENTS:
    1     // X is stored ?
    1     // Y is stored ?
    0     // Z is stored ?
    1     // U is stored ?
    1     // V is stored ?
    1     // W is stored ?
    0     // Weight is stored ?
    1     // Extra floats stored ?
    1     // Extra longs stored ?
    3     // ZLAST
    2     // LATCH
$RECORD_CONSTANT:
   27.0000 // Constant Z
    0.5000 // Constant Weight
$RECORD_LENGTH:
29
$BYTE_ORDER:
{byte_order}
$ORIG_HISTORIES:
1000   // electrons
$PARTICLES:
{particles}
$PHOTONS:
{particles}
$COORDINATE_SYSTEM_DESCRIPTION:
Z along the beam
$AUTHORS:
J\xf3zef
"""

Record = tuple[int, float, float, float, float, float, float, int]
"""Type code with the sign of W, energy with the sign of the history, x, y, u, v, ZLAST, LATCH."""

RECORDS: tuple[Record, ...] = (
    (1, -1.5, 1.0, 2.0, 0.6, 0.0, 0.25, 7),
    (-1, 0.5, -3.0, 4.0, 0.0, 0.6, 0.5, -8),
    (2, -2.0, 5.0, -6.0, 0.0, 0.0, 11.0, 1 << 30),
    (3, 0.511, 0.5, 0.25, -0.8, 0.6, 12.0, 0),
)


def write_phase_space(folder: Path, records=RECORDS, order: str = "<", stem: str = "beam", **texts: object) -> Path:
    """Write STEM.IAEAphsp and its header; gives the path of the records."""
    data = b"".join(struct.pack(f"{order}bffffffi", *record) for record in records)
    path = folder / f"{stem}.IAEAphsp"
    path.write_bytes(data)
    values = {"title": "A test", "checksum": len(data), "particles": len(records)}
    values["byte_order"] = 1234 if order == "<" else 4321
    header = HEADER.format(**{**values, **texts})
    path.with_suffix(".IAEAheader").write_bytes(header.encode("latin-1"))
    return path


def beam_records(count: int = 400) -> list[Record]:
    """Photons of a point source 27 cm away on a square field of 8 cm, energies 0.5 to 5.5 MeV, with a rule for each."""
    records = []
    for n in range(count):
        x, y = (n * 37 % 81) / 10 - 4.0, (n * 53 % 81) / 10 - 4.0
        length = (x * x + y * y + 27.0**2) ** 0.5
        energy = 0.5 + 5.0 * (n * 29 % 100) / 100
        records.append((1, -energy if n % 2 == 0 else energy, x, y, x / length, y / length, 0.0, 2))
    return records
