"""Phase spaces in MCPL, format version 3: cm, MeV, ms. Read through the package mcpl; also compressed, `.mcpl.gz`.

Source of what is written: T. Kittelmann et al., Monte Carlo Particle Lists: MCPL, Comput. Phys. Commun. 218 (2017) 17.
MCPL knows no histories. What is written here says in a comment that user flag 1 starts one, and gives their number as
the statistic `stat:sum:original_histories`, which tools of MCPL add up when they merge files.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import InputError, ResourceError
from ..particles import Particles
from ..phase_space import PhaseSpace
from .records import BLOCK, Blocks, check_first, file_size, pdg_of_species, species_of_pdg

if TYPE_CHECKING:
    from ..write import FileFacts

__all__ = ["McplWriter", "is_mcpl", "open_mcpl"]

HISTORY_COMMENT = "userflags: 1 where the first particle of a history stands, else 0"
HISTORIES = "original_histories"
_REMEDY = "name a file of MCPL, or copy it again"
_RECORD = np.dtype([("position", "<f4", 3), ("packed", "<f4", 3), ("time", "<f4"), ("weight", "<f4"), ("pdg", "<i4"),
                    ("flags", "<u4")])  # fmt: skip
_COMPRESSED = b"\x1f\x8b"


def is_mcpl(first_bytes: bytes) -> bool:
    """Whether a file that begins so is one, compressed or not."""
    if first_bytes.startswith(_COMPRESSED):
        try:
            first_bytes = gzip.GzipFile(fileobj=io.BytesIO(first_bytes)).read(4)
        except (OSError, EOFError, zlib.error):
            return False
    return first_bytes.startswith(b"MCPL")


def open_mcpl(path: Path) -> PhaseSpace:
    """Open a file of MCPL, read by pieces; what is compressed can be read forwards only, and so is slow to pick from.

    Raises
    ------
    InputError
        no such file, another format, or bytes that cannot be particles.
    ResourceError
        there is no package mcpl.
    """
    path = Path(path)
    size = file_size(path, _REMEDY)
    with path.open("rb") as file:
        if not is_mcpl(file.read(4096)):
            raise InputError(path, "is no file of MCPL", _REMEDY)
    reader = _Reader(path)
    header = reader.file
    count, notes = _count(path, header, size)
    flags = header.opt_userflags and HISTORY_COMMENT in header.comments
    records = _McplRecords(reader, count, flags)
    notes += check_first(path, records, _REMEDY)
    if not flags:
        notes.append("the file does not say which particles share a history: each is taken as one of its own")
    histories = header.stat_sum.get(HISTORIES)
    if histories is None:
        notes.append("the file holds no number of histories")
    comments = [text for text in header.comments if not text.startswith("stat:") and text != HISTORY_COMMENT]
    texts = {"SOURCE": header.sourcename, **{f"COMMENT_{n}": text for n, text in enumerate(comments, 1)}}
    return PhaseSpace((path,), "MCPL", comments[0] if comments else "", "",
                      None if histories is None else round(histories), _layout(header), records, texts,
                      tuple(notes))  # fmt: skip


def _layout(header: Any) -> tuple[tuple[str, str, str], ...]:
    number = "float32" if header.opt_singleprec else "float64"
    rows = [(name, number, "position, cm") for name in "xyz"]
    rows += [("direction", f"3 {number}", "packed with the energy, MeV"), ("time", number, "ms")]
    rows.append(("weight", "constant" if header.opt_universalweight else number, "statistical weight"))
    rows.append(("pdgcode", "constant" if header.opt_universalpdgcode else "int32", "species"))
    return (*rows, *([("userflags", "uint32", "")] if header.opt_userflags else []))


def _count(path: Path, header: Any, size: int) -> tuple[int, list[str]]:
    """Particles that there are, and notes; of a file that was not closed the package counts them itself."""
    count = int(header.nparticles)
    with path.open("rb") as file:
        if file.read(2) == _COMPRESSED:
            return count, []
    held = (size - int(header.headersize)) // int(header.particlesize)
    if held == count:
        return count, []
    if held < count:
        cause = f"is cut off: the header says {count} particles, the file holds {held}"
        raise InputError(path, cause, "copy it again, or mend it by `mcpltool --repair`")
    return count, [f"the file holds more than the {count} particles of its header, which are read"]


class _Reader:
    """Numbers of MCPL at any place, by the package, which reads forwards only.

    Raises
    ------
    InputError
        bytes that the package cannot read.
    ResourceError
        there is no such package.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            import mcpl
        except ImportError as error:
            raise ResourceError("mcpl", "is not installed", "install it (pip install mcpl)") from error
        self._open = lambda: mcpl.MCPLFile(str(path), blocklength=BLOCK)
        self.file = self._safely(self._open)
        self._next = 0

    def block(self, number: int) -> Any:
        """The block of that number, None behind the end."""
        if number < self._next:
            self.file, self._next = self._safely(self._open), 0
        while self._next <= number:
            block = self._safely(self.file.read_block)
            self._next += 1
        return block

    def _safely(self, call: Any) -> Any:
        """The package prints warnings, and meets damaged bytes with errors of every kind."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return call()
        except Exception as error:
            cause = f"cannot be read as MCPL ({' '.join(str(error).split()) or type(error).__name__})"
            raise InputError(self.path, cause, _REMEDY) from error


class _McplRecords(Blocks):
    """Particles, a block of the package at a time."""

    def __init__(self, reader: _Reader, count: int, flags: bool):
        self._reader, self._flags = reader, flags
        super().__init__(np.minimum(np.arange(0, count + BLOCK, BLOCK), count) if count else np.zeros(2))

    def load(self, block: int) -> Particles:
        number = int(self._firsts[block + 1] - self._firsts[block])
        found = self._reader.block(block)
        if found is None or len(found) < number:
            raise InputError(self._reader.path, "is cut off", "copy it again")
        with np.errstate(invalid="ignore", over="ignore"):  # nonsense stays nonsense, and is told by `check_first`
            single = [self._one(getattr(found, name), number)
                      for name in ("ekin", "x", "y", "z", "ux", "uy", "uz", "weight")]  # fmt: skip
        species = species_of_pdg(np.broadcast_to(found.pdgcode, len(found))[:number])
        starts = np.ones(number, bool)
        if self._flags:
            starts = (np.asarray(found.userflags)[:number] & 1) == 1
        return Particles(species, *single, starts)

    @staticmethod
    def _one(values: Any, number: int) -> np.ndarray:
        """A weight that all share comes as one number."""
        return np.array(np.broadcast_to(values, max(np.size(values), number))[:number], np.float32)


class McplWriter:
    """Writes by chunks, in single precision; a path that ends in .gz is compressed when all is there.

    Raises
    ------
    InputError
        particles of no known species.
    """

    def __init__(self, path: Path, facts: FileFacts):
        self._path, self._facts = Path(path), facts
        compressed = self._path.suffix.lower() == ".gz"
        self._part = self._path.with_name(self._path.name + ".part") if compressed else self._path
        self._count = self._starts = 0
        self._file = self._part.open("wb")
        self._file.write(self._header())

    def write(self, particles: Particles) -> None:
        """Append particles."""
        records = np.zeros(len(particles), _RECORD)
        for n, axis in enumerate("xyz"):
            records["position"][:, n] = getattr(particles, axis)
        records["packed"] = packed(particles)
        records["weight"] = particles.weight
        records["pdg"] = pdg_of_species(particles.species, self._path)
        records["flags"] = particles.is_new_history
        self._file.write(records.tobytes())
        self._count += len(particles)
        self._starts += int(np.count_nonzero(particles.is_new_history))

    def close(self) -> tuple[Path, ...]:
        """Write the header again with the counts, and give the file."""
        try:
            with self._file as file:
                file.seek(0)
                file.write(self._header())
            if self._part != self._path:
                with self._part.open("rb") as plain, gzip.open(self._path, "wb", 6) as file:
                    shutil.copyfileobj(plain, file, 1 << 20)
        finally:
            if self._part != self._path:
                self._part.unlink(missing_ok=True)
        return (self._path,)

    def _header(self) -> bytes:
        """The same length whatever the counts."""
        # The number that the particles show is the least that there were.
        histories = self._starts if self._facts.histories is None else self._facts.histories
        texts = [text for text in (self._facts.title, *self._facts.notes) if text]
        comments = [*texts, HISTORY_COMMENT, f"stat:sum:{HISTORIES}:{histories:24d}"]
        options = (len(comments), 0, 1, 0, 1, 0, _RECORD.itemsize, 0)
        start = b"MCPL003L" + struct.pack("<Q5Ii2I", self._count, *options)
        return start + b"".join(_counted(text) for text in ("Dose3D", *comments))


def _counted(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack("<I", len(data)) + data


def packed(particles: Particles) -> np.ndarray:
    """(n, 3) float64: direction and energy, by the projection of the paper's appendix.

    The two smaller cosines are kept, the largest is left out and its sign put on the energy; where X or Y is the
    largest, the inverse of Z stands for it, by whose size above 1 readers know.
    """
    u, v, w = (getattr(particles, cosine).astype(np.float64) for cosine in "uvw")
    first, second, largest = u.copy(), v.copy(), w.copy()
    along_x = np.abs(u) > np.maximum(np.abs(v), np.abs(w))
    along_y = ~along_x & (np.abs(v) > np.abs(w))
    with np.errstate(divide="ignore"):
        inverse = 1 / w
    first[along_x], largest[along_x] = inverse[along_x], u[along_x]
    second[along_y], largest[along_y] = inverse[along_y], v[along_y]
    return np.stack([first, second, np.copysign(particles.energy.astype(np.float64), largest)], axis=1)
