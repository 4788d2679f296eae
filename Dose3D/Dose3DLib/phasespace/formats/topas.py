"""Phase spaces of TOPAS: binary, ASCII and Limited, each of a `.phsp` and a `.header` file.

Energy is positive and the start of a history a flag of its own (Limited: signs, as in the IAEA format). Empty histories
may stand in the file as pseudo-particles of type 0 with weight -n: they are left out, and n is known as histories.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import InputError
from ..particles import Particles
from ..phase_space import PhaseSpace
from .iaea import pair_of
from .records import (
    BLOCK,
    Blocks,
    MappedRecords,
    check_first,
    file_size,
    pdg_of_species,
    species_of_pdg,
    with_third_cosine,
)
from .text import TextBlocks, lines_of, scientific, whole
from .topas_header import COLUMNS, LIMITED, OWN_EXTRAS, TopasHeader, parse_header, read_text

if TYPE_CHECKING:
    from ..write import FileFacts

__all__ = ["TopasAsciiWriter", "TopasLimitedWriter", "TopasWriter", "open_topas"]

_REMEDY = "check that header and records belong together, or copy both again"
_WIDTHS = {"i4": 11, "b1": 1}
"""Of numbers in ASCII: lines of one length are read faster."""
_NAMES = {-11: "e+", 11: "e-", 22: "gamma", 2112: "neutron", 2212: "proton"}


def open_topas(path: Path) -> PhaseSpace:
    """Open a phase space of TOPAS by either of its two files.

    Raises
    ------
    InputError
        a part of the pair is missing, another format, or header and records don't go together.
    """
    path, header_path = pair_of(Path(path))
    header = parse_header(read_text(header_path), header_path)
    size = file_size(path, _REMEDY)
    if header.flavour == "ASCII":
        records, empty, notes = _ascii(path, header)
    else:
        records, empty, notes = _binary(path, header, size)
    histories, more = _histories(header, empty)
    notes = (*notes, *_count_notes(header, records.count), *more, *check_first(path, records, _REMEDY))
    texts = {name: str(count) for name, count in header.counts.items()}
    kind = f"TOPAS {header.flavour}"
    return PhaseSpace((path, header_path), kind, header.title, "", histories, _layout(header), records,
                      texts, notes, stated_mev=header.highest_mev)  # fmt: skip


def _layout(header: TopasHeader) -> tuple[tuple[str, str, str], ...]:
    """Short names of what is known, with TOPAS's own as the meaning."""
    roles = {n: role for role, n in header.roles.items()}
    kinds = [_TYPE_NAMES.get(kind.lstrip("<|"), "text") for _, kind in header.columns]
    return tuple((roles.get(n, name), kind, name if n in roles else "")
                 for n, ((name, _), kind) in enumerate(zip(header.columns, kinds, strict=True)))  # fmt: skip


_TYPE_NAMES = {"f4": "float32", "f8": "float64", "i4": "int32", "i8": "int64", "i1": "int8"}


def _binary(path: Path, header: TopasHeader, size: int) -> tuple[MappedRecords | _Sieved, int, list[str]]:
    """Records, empty histories that stand among them, notes."""
    limited = header.flavour == "Limited"
    dtype = LIMITED if limited else np.dtype(list(header.columns))
    count, rest = divmod(size, dtype.itemsize)
    notes = [f"the file ends within a record: its last {rest} bytes are left out"] if rest else []
    if count == 0:
        raise InputError(path, f"holds {size} bytes, less than a record ({dtype.itemsize})", "copy it again")
    records = MappedRecords(path, dtype, _decode_limited if limited else _decoder(header), 0, count)
    if limited or not _may_hold_pseudo(header, count):
        return records, 0, notes
    sieved = _Sieved(records, header.columns[header.roles["pdg"]][0], header.columns[header.roles["weight"]][0])
    return (sieved, sieved.empty, notes) if sieved.count < count else (records, 0, notes)


def _may_hold_pseudo(header: TopasHeader, count: int) -> bool:
    """TOPAS does not count pseudo-particles among the scored ones; some converters do, by species."""
    zero = header.counts.get("Number of particles with PDG code zero", 0)
    return header.particles is None or header.particles < count or zero > 0


class _Sieved(Blocks):
    """Records without the pseudo-particles between them.

    Attributes
    ----------
    empty:
        histories that the pseudo-particles stand for.
    """

    def __init__(self, records: MappedRecords, pdg: str, weight: str):
        self._records, self._pdg, self.empty = records, pdg, 0
        counts = [0]
        for start in range(0, records.count, BLOCK):
            piece = records.map[start : start + BLOCK]
            codes = np.array(piece[pdg])
            counts.append(np.count_nonzero(codes))
            self.empty += _empty(piece[weight][codes == 0])
        super().__init__(np.cumsum(counts))

    def load(self, block: int) -> Particles:
        piece = np.array(self._records.map[block * BLOCK : (block + 1) * BLOCK])
        return self._records.decode(piece[piece[self._pdg] != 0])


def _empty(weights: np.ndarray) -> int:
    """Histories of pseudo-particles, from their weights -n."""
    weights = -np.asarray(weights, np.float64)
    return int(np.rint(weights[np.isfinite(weights) & (weights > 0)]).sum())


def _ascii(path: Path, header: TopasHeader) -> tuple[TextBlocks, int, list[str]]:
    """As `_binary`; where lines and scored particles agree, lines are only counted."""
    wanted = tuple(n for n, (_, kind) in enumerate(header.columns) if kind)
    names = [header.columns[n][0] for n in wanted]
    pdg, weight = (names.index(header.columns[header.roles[role]][0]) for role in ("pdg", "weight"))
    decode = _decoder(header)
    empty = 0

    def particles(values: np.ndarray) -> Particles:
        values = values[values[:, pdg] != 0]
        return decode({name: values[:, n] for n, name in enumerate(names)})

    def look(values: np.ndarray) -> int:
        nonlocal empty
        empty += _empty(values[values[:, pdg] == 0, weight])
        return int(np.count_nonzero(values[:, pdg]))

    width = len(header.columns)
    records = TextBlocks(path, width, particles, wanted)
    if _may_hold_pseudo(header, records.count):
        records = TextBlocks(path, width, particles, wanted, look=look)
    return records, empty, records.notes


def _decoder(header: TopasHeader):
    """Particles from columns by their names: of an array of records, or of a dict of arrays."""
    names = {role: header.columns[n][0] for role, n in header.roles.items()}
    extras = {
        name: np.int32 if _is_whole(name, kind) else np.float32
        for n, (name, kind) in enumerate(header.columns)
        if kind and n not in header.roles.values()
    }

    def decode(columns) -> Particles:
        with np.errstate(invalid="ignore", over="ignore"):  # nonsense stays nonsense, and is told by `check_first`
            single = {role: np.asarray(columns[names[role]]).astype(np.float32)
                      for role in ("x", "y", "z", "u", "v", "energy", "weight")}  # fmt: skip
            backwards, starts = (np.asarray(columns[names[role]]) != 0 for role in ("backwards", "starts"))
            species = species_of_pdg(np.asarray(columns[names["pdg"]]))
            more = {name: np.asarray(columns[name]).astype(kind) for name, kind in extras.items()}
            u, v, w = with_third_cosine(single["u"], single["v"], backwards)
        return Particles(species, single["energy"], single["x"], single["y"], single["z"], u, v, w,
                         single["weight"], starts, more)  # fmt: skip

    return decode


def _is_whole(name: str, kind: str) -> bool:
    return OWN_EXTRAS.get(name, kind).lstrip("<|")[0] in "ib"


def _decode_limited(records: np.ndarray) -> Particles:
    energy = records["energy"].astype(np.float32)
    code = records["type"].astype(np.int16)
    x, y, z, u, v, weight = (records[name].astype(np.float32) for name in ("x", "y", "z", "u", "v", "weight"))
    return Particles(np.abs(code).astype(np.int8), np.abs(energy), x, y, z, *with_third_cosine(u, v, code < 0),
                     weight, np.signbit(energy))  # fmt: skip


def _histories(header: TopasHeader, empty: int) -> tuple[int | None, list[str]]:
    """Original histories, with the empty ones that only the records tell."""
    histories, reached = header.histories, header.reached
    if histories is None:
        return None, ["the header holds no number of histories"]
    if empty and histories < (reached or 0) + empty:
        total = max(histories, reached or 0) + empty
        note = (
            f"the header says {histories:,} histories; {empty:,} empty ones stand among the records: {total:,} in all"
        )
        return total, [note]
    if reached and histories == reached:
        return histories, [
            "by the header every original history reached the phase space: converters lose the empty ones, and then "
            "results per history are too large"
        ]
    return histories, []


def _count_notes(header: TopasHeader, count: int) -> list[str]:
    if header.particles in (None, count):
        return []
    return [
        f"the header says {header.particles} particles, the file holds {count}: the file is right. "
        "The header's number of histories may be that of another file."
    ]


class TopasWriter:
    """Writes the binary flavour by chunks, the header last; extras only where TOPAS has such a column.

    Raises
    ------
    InputError
        particles of no known species.
    """

    flavour = "Binary"

    def __init__(self, path: Path, facts: FileFacts):
        self._path, self._facts = Path(path), facts
        self._extras = [name for name, _ in facts.extras if name in OWN_EXTRAS and self.flavour != "Limited"]
        self._starts, self._species = 0, {}
        self._file = self._path.open("wb")

    def write(self, particles: Particles) -> None:
        """Append particles."""
        codes = pdg_of_species(particles.species, self._path)
        self._file.write(self._bytes(particles, codes))
        self._starts += int(np.count_nonzero(particles.is_new_history))
        for code in np.unique(codes).tolist():
            energy = particles.energy[codes == code]
            number, low, high = self._species.get(code, (0, np.inf, 0.0))
            self._species[code] = (number + len(energy), min(low, float(energy.min())), max(high, float(energy.max())))

    def close(self) -> tuple[Path, ...]:
        """Write the header, and give both files."""
        self._file.close()
        header = self._path.with_suffix(".header")
        header.write_text(self._header(), encoding="utf-8", newline="\n")
        return (self._path, header)

    def _columns(self) -> list[tuple[str, str]]:
        kinds = {"pdg": "i4", "backwards": "b1", "starts": "b1"}
        columns = [(name, kinds.get(role, "f4")) for role, name in COLUMNS.items()]
        return [*columns, *((name, OWN_EXTRAS[name]) for name in self._extras)]

    def _values(self, particles: Particles, codes: np.ndarray) -> list[np.ndarray]:
        """In the order of the columns."""
        of = particles
        fields = [of.x, of.y, of.z, of.u, of.v, of.energy, of.weight, codes, np.signbit(of.w), of.is_new_history]
        return [*fields, *(of.extras[name] for name in self._extras)]

    def _bytes(self, particles: Particles, codes: np.ndarray) -> bytes:
        dtype = np.dtype([(name, "i1" if kind == "b1" else f"<{kind}") for name, kind in self._columns()])
        records = np.empty(len(particles), dtype)
        for name, values in zip(dtype.names, self._values(particles, codes), strict=True):
            records[name] = values
        return records.tobytes()

    @property
    def _histories(self) -> int:
        # The number that the particles show is the least that there were.
        return self._starts if self._facts.histories is None else self._facts.histories

    def _header(self) -> str:
        number = sum(values[0] for values in self._species.values())
        lines = [f"TOPAS {self.flavour} Phase Space", "", f"Number of Original Histories: {self._histories}",
                 f"Number of Original Histories that Reached Phase Space: {self._starts}",
                 f"Number of Scored Particles: {number}", *self._described(), ""]  # fmt: skip
        found = sorted(self._species.items())
        lines += [f"Number of {_NAMES[code]}: {values[0]}" for code, values in found] + [""]
        lines += [f"Minimum Kinetic Energy of {_NAMES[code]}: {values[1]:g} MeV" for code, values in found] + [""]
        lines += [f"Maximum Kinetic Energy of {_NAMES[code]}: {values[2]:g} MeV" for code, values in found]
        return "\n".join(lines) + "\n"

    def _described(self) -> list[str]:
        columns = self._columns()
        length = sum(int(kind[1]) for _, kind in columns)
        lines = [f"Number of Bytes per Particle: {length}", "", "Byte order of each record is as follows:"]
        return [*lines, *(f"{kind}: {name}" for name, kind in columns)]


class TopasAsciiWriter(TopasWriter):
    """Writes the ASCII flavour: nine digits, so that every float32 comes back."""

    flavour = "ASCII"

    def _bytes(self, particles: Particles, codes: np.ndarray) -> bytes:
        kinds = [kind for _, kind in self._columns()]
        values = self._values(particles, codes)
        return lines_of(
            [scientific(v) if kind == "f4" else whole(v, _WIDTHS[kind]) for v, kind in zip(values, kinds, strict=True)]
        )

    def _described(self) -> list[str]:
        columns = self._columns()
        width = len(str(len(columns)))
        return ["", "Columns of data are as follows:",
                *(f"{n:{width}d}: {name}" for n, (name, _) in enumerate(columns, 1))]  # fmt: skip


class TopasLimitedWriter(TopasWriter):
    """Writes the Limited flavour: 29 bytes a particle, for codes that read the old IAEA layout."""

    flavour = "Limited"

    def _bytes(self, particles: Particles, codes: np.ndarray) -> bytes:
        records = np.empty(len(particles), LIMITED)
        records["type"] = np.where(np.signbit(particles.w), -particles.species, particles.species)
        records["energy"] = np.where(particles.is_new_history, -particles.energy, particles.energy)
        for name in ("x", "y", "z", "u", "v", "weight"):
            records[name] = getattr(particles, name)
        return records.tobytes()

    def _header(self) -> str:
        number = sum(values[0] for values in self._species.values())
        flags = [f"    {flag}     // {name} is stored ?"
                 for name, flag in zip(("X", "Y", "Z", "U", "V", "W", "Weight"), [1] * 7, strict=True)]  # fmt: skip
        title = " ".join(f'TOPAS Phase Space in "limited" format. {self._facts.title}'.split())
        lines = ["$TITLE:", title, "$RECORD_CONTENTS:", *flags, "    0     // Extra floats stored ?",
                 "    0     // Extra longs stored ?", "$RECORD_LENGTH:", str(LIMITED.itemsize), "$ORIG_HISTORIES:",
                 str(self._histories), "$PARTICLES:", str(number), "$EXTRA_FLOATS:", "0", "$EXTRA_INTS:",
                 "0"]  # fmt: skip
        return "\n".join(lines) + "\n"
