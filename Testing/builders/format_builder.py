"""Phase spaces of EGSnrc, TOPAS and penEasy made value by value with struct and str: what readers are judged by."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

REST = 0.5109989461
PDG = {1: 22, 2: 11, 3: -11, 4: 2112, 5: 2212}


@dataclass(frozen=True)
class Row:
    """A particle: species of the IAEA codes, kinetic energy in MeV, cm, cosines with the sign of W, flags."""

    species: int = 1
    energy: float = 1.5
    x: float = 1.0
    y: float = -2.0
    z: float = 27.0
    u: float = 0.6
    v: float = 0.0
    up: bool = False
    weight: float = 0.25
    starts: bool = True
    latch: int = 7
    zlast: float = 11.5
    delta: int = 1

    @property
    def w(self) -> float:
        size = (1 - self.u**2 - self.v**2) ** 0.5
        return -size if self.up else size


ROWS: tuple[Row, ...] = (
    Row(),
    Row(2, 0.75, -3.0, 4.0, 27.0, 0.0, 0.8, True, 1.0, False, -8 & 0x9FFFFFFF, -1.0, 0),
    Row(3, 2.25, 5.5, -6.25, 27.0, -0.6, 0.0, False, 0.5, True, 0, 3.0, 4),
    Row(1, 0.5, 0.0, 0.0, 27.0, 0.0, 0.0, False, 0.125, True, 1 << 24, 0.5, 2),
)
"""Photon, electron going up that does not start a history, positron, photon: energies are exact in float32."""

ALL_ROWS = (*ROWS, Row(4, 1.0, starts=False, delta=0), Row(5, 3.5, up=True))


def egs_file(path: Path, mode: int = 0, rows=ROWS, order: str = "<", histories: float = 1000, **claims: int) -> Path:
    """MODE0 or MODE2; `particles` among the claims is what the header says."""
    data = b""
    for row in rows:
        charge = {2: 1 << 30, 3: 1 << 29}.get(row.species, 0)
        energy = row.energy + (REST if charge else 0)
        latch = struct.pack(f"{order}I", (row.latch & 0x9FFFFFFF) | charge)
        values = (-energy if row.starts else energy, row.x, row.y, row.u, row.v, -row.weight if row.up else row.weight)
        data += latch + struct.pack(f"{order}6f", *values) + (struct.pack(f"{order}f", row.zlast) if mode else b"")
    photons = sum(row.species == 1 for row in rows)
    counts = (claims.get("particles", len(rows)), photons)
    head = f"MODE{mode}".encode() + struct.pack(f"{order}iifff", *counts, 6.0, 0.75, histories)
    path.write_bytes(head.ljust(32 if mode else 28, b"\0") + data)
    return path


TOPAS_COLUMNS = (
    ("f4", "Position X [cm]"),
    ("f4", "Position Y [cm]"),
    ("f4", "Position Z [cm]"),
    ("f4", "Direction Cosine X"),
    ("f4", "Direction Cosine Y"),
    ("f4", "Energy [MeV]"),
    ("f4", "Weight"),
    ("i4", "Particle Type (in PDG Format)"),
    ("b1", "Flag to tell if Third Direction Cosine is Negative (1 means true)"),
    ("b1", "Flag to tell if this is the First Scored Particle from this History (1 means true)"),
)


def topas_values(row: Row) -> tuple:
    """A record in TOPAS's order; species 0 is a pseudo-particle."""
    place = (row.x, row.y, row.z, row.u, row.v, row.energy, row.weight)
    return (*place, PDG.get(row.species, 0), int(row.up), int(row.starts))


def pseudo(histories: int) -> Row:
    """Empty histories as TOPAS writes them among the records."""
    return Row(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, False, -float(histories), True)


def topas_header(flavour: str, columns, scored: int, histories: int = 1000, reached: int = 3, extra: str = "") -> str:
    """Header of the binary or ASCII flavour."""
    lines = [f"TOPAS {flavour} Phase Space", "", f"Number of Original Histories: {histories}",
             f"Number of Original Histories that Reached Phase Space: {reached}",
             f"Number of Scored Particles: {scored}"]  # fmt: skip
    if flavour == "ASCII":
        lines += ["", "Columns of data are as follows:"]
        lines += [f"{n:2d}: {name}" for n, (_, name) in enumerate(columns, 1)]
    else:
        lines += [f"Number of Bytes per Particle: {sum(int(kind[1]) for kind, _ in columns)}", ""]
        lines += ["Byte order of each record is as follows:", *(f"{kind}: {name}" for kind, name in columns)]
    return "\n".join([*lines, "", extra, ""])


def topas_binary(folder: Path, rows=ROWS, more=(), values=(), **header) -> Path:
    """STEM.phsp and its header; `more` columns with their letters of struct, the same `values` in each record."""
    columns = (*TOPAS_COLUMNS, *((kind, name) for kind, name, _ in more))
    layout = struct.Struct("<7fibb" + "".join(letter for _, _, letter in more))
    path = folder / "beam.phsp"
    path.write_bytes(b"".join(layout.pack(*topas_values(row), *values) for row in rows))
    text = topas_header("Binary", columns, header.pop("scored", len(rows)), **header)
    path.with_suffix(".header").write_text(text)
    return path


def topas_ascii(folder: Path, rows=ROWS, more=(), values=(), **header) -> Path:
    """As `topas_binary`, in words."""
    columns = (*TOPAS_COLUMNS, *more)
    path = folder / "beam.phsp"
    path.write_text("".join(" ".join(map(repr, topas_values(row))) + "".join(f" {v}" for v in values) + "\n"
                            for row in rows))  # fmt: skip
    text = topas_header("ASCII", columns, header.pop("scored", len(rows)), **header)
    path.with_suffix(".header").write_text(text)
    return path


def topas_limited(folder: Path, rows=ROWS, particles: int | None = None) -> Path:
    """The Limited flavour."""
    path = folder / "beam.phsp"
    data = b""
    for row in rows:
        kind, energy = (-row.species if row.up else row.species), (-row.energy if row.starts else row.energy)
        data += struct.pack("<b7f", kind, energy, row.x, row.y, row.z, row.u, row.v, row.weight)
    path.write_bytes(data)
    count = len(rows) if particles is None else particles
    text = '$TITLE:\nTOPAS Phase Space in "limited" format.\n$RECORD_CONTENTS:\n' + "    1\n" * 7 + "    0\n" * 2
    text += f"$RECORD_LENGTH:\n29\n$ORIG_HISTORIES:\n1000\n$PARTICLES:\n{count}\n$EXTRA_FLOATS:\n0\n$EXTRA_INTS:\n0\n"
    path.with_suffix(".header").write_text(text)
    return path


def peneasy_file(path: Path, rows=ROWS, first: str | None = None, old: bool = False) -> Path:
    """penEasy of 2008, or with the columns of before."""
    lines = [first] if first is not None else [
        "# kpar : e : x : y : z : u : v : w : wght : ilb(5) : DeltaN" if old else
        "# [PHASE SPACE FILE FORMAT penEasy v.2008-05-15]\n"
        "# KPAR : E : X : Y : Z : U : V : W : WGHT : DeltaN : ILB(1..5)"
    ]  # fmt: skip
    for row in rows:
        kind = {2: 1, 1: 2, 3: 3, 5: 4}[row.species]
        numbers = (row.energy * 1e6, row.x, row.y, row.z, row.u, row.v, row.w, row.weight)
        flags = "1 2 3 4 5"
        tail = f"{flags} {row.delta}" if old else f"{row.delta} {flags}"
        lines.append(f"{kind} {' '.join(f'{number:.7e}' for number in numbers)} {tail}")
    path.write_text("\n".join(lines) + "\n")
    return path


def check_rows(particles, rows=ROWS, z: float | None = None, unit: float = 1e-6) -> None:
    """Particles that a reader gives against the rows that were written."""
    assert len(particles) == len(rows)
    for n, row in enumerate(rows):
        assert particles.species[n] == row.species
        assert abs(particles.energy[n] - row.energy) < 1e-6
        assert (particles.x[n], particles.y[n]) == (row.x, row.y)
        assert particles.z[n] == (row.z if z is None else z)
        for own, wanted in ((particles.u, row.u), (particles.v, row.v), (particles.w, row.w)):
            assert abs(own[n] - wanted) < unit
        assert particles.weight[n] == row.weight
        assert particles.is_new_history[n] == row.starts
