"""Phase spaces of penEasy (and PENELOPE programs like it): one line of text a particle, energies in eV.

Source: the files that penEasy 2008 and later write (first line `# [PHASE SPACE FILE FORMAT penEasy v.2008-05-15]`):
KPAR E X Y Z U V W WGHT DeltaN ILB(1..5). Before 2008 ILB stood before DeltaN. DeltaN counts the histories since the
last record, empty ones included; those after the last record are not in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import InputError
from ..particles import Particles
from ..phase_space import PhaseSpace
from .records import check_first, file_size, unit_directions
from .text import TextBlocks, lines_of, scientific, whole

if TYPE_CHECKING:
    from ..write import FileFacts

__all__ = ["ILB", "PeneasyWriter", "is_peneasy", "open_peneasy"]

FIRST_LINES = (
    "# [PHASE SPACE FILE FORMAT penEasy v.2008-05-15]\n# KPAR : E : X : Y : Z : U : V : W : WGHT : DeltaN : ILB(1..5)\n"
)

_COLUMNS = ("KPAR", "E", "X", "Y", "Z", "U", "V", "W", "WGHT", "DeltaN", "ILB1", "ILB2", "ILB3", "ILB4", "ILB5")
_OLD_ORDER = (*range(9), 14, *range(9, 14))
"""Where the columns of `_COLUMNS` stand in files from before 2008."""
_DELTA_WIDTH = 12
"""Lines of one length are read faster."""
ILB = (("ILB1", "ILB"), *((f"ILB{n}", f"ILB {n}") for n in range(2, 6)))
"""Names of each of the flags among the extra values: here, and where several are read from IAEA files."""
_SPECIES = np.array([0, 2, 1, 3, 5], np.int8)
_REMEDY = "name a phase space of penEasy, or copy it again"


def is_peneasy(first_bytes: bytes) -> bool:
    """Whether a file that begins so is one: by the first line, else by a line of fifteen numbers."""
    text = first_bytes.decode("latin-1")
    if "penEasy" in text.split("\n", 1)[0] or text.lower().startswith("# kpar"):
        return True
    lines = [line for line in text.split("\n")[:-1] if line.strip() and not line.startswith("#")]
    try:
        return bool(lines) and len([float(word) for word in lines[0].split()]) == len(_COLUMNS)
    except ValueError:
        return False


def open_peneasy(path: Path) -> PhaseSpace:
    """Open a phase space of penEasy. All lines are read once, since only their sum tells the histories.

    Raises
    ------
    InputError
        no such file, another format, or lines that are no particles.
    """
    path = Path(path)
    file_size(path, _REMEDY)
    with path.open("rb") as file:
        start = file.read(4096)
    if not is_peneasy(start):
        raise InputError(path, "does not begin like a phase space of penEasy", _REMEDY)
    order = _OLD_ORDER if start.lower().startswith(b"# kpar") and b"deltan" in start.lower()[:80] else None
    histories = 0

    def look(values: np.ndarray) -> int:
        nonlocal histories
        histories += int(np.clip(np.nan_to_num(values), 0, 1e15).sum())
        return len(values)

    records = TextBlocks(path, len(_COLUMNS), _decoder(order), look=look, look_at=9 if order is None else order[9])
    notes = (*records.notes, *check_first(path, records, _REMEDY))
    layout = [(name, "text", meaning) for name, meaning in zip(_COLUMNS, _MEANINGS, strict=True)]
    return PhaseSpace((path,), "penEasy", "", "", histories or None, tuple(layout), records, {}, notes)


_MEANINGS = ("1 electron, 2 photon, 3 positron", "kinetic, eV", *["position, cm"] * 3, *["direction cosine"] * 3,
             "statistical weight", "histories since the last record", *["flags of PENELOPE"] * 5)  # fmt: skip


def _decoder(order: tuple[int, ...] | None):
    def decode(values: np.ndarray) -> Particles:
        if order is not None:
            values = values[:, order]
        with np.errstate(invalid="ignore", over="ignore"):  # nonsense stays nonsense, and is told by `check_first`
            kind = values[:, 0]
            known = (kind >= 1) & (kind <= 4) & (kind == np.rint(kind))
            species = _SPECIES[np.where(known, kind, 0).astype(np.int64)]
            place = [values[:, n].astype(np.float32) for n in range(2, 5)]
            directions = unit_directions(*values[:, 5:8].T)
            weight = values[:, 8].astype(np.float32)
            extras = {name: values[:, n].astype(np.int32) for n, name in enumerate(_COLUMNS) if n > 9}
            extras = {"incremental history": values[:, 9].astype(np.int32), **extras}
            energy = (values[:, 1] / 1e6).astype(np.float32)
        return Particles(species, energy, *place, *directions, weight, values[:, 9] >= 1, extras)

    return decode


def _flags(particles: Particles, names: tuple[str, ...]) -> np.ndarray:
    """The extra value that has one of these names, else zeros."""
    found = [particles.extras[name] for name in names if name in particles.extras]
    return found[0] if found else np.zeros(len(particles))


class PeneasyWriter:
    """Writes by chunks. Empty histories are put before the first record, so that the sum of DeltaN is right.

    DeltaN comes from the extra "incremental history" where the particles have it, else it is 1 where a history starts;
    ILB from the extras ILB1 to ILB5, also under the names that they have in IAEA files.

    Raises
    ------
    InputError
        neutrons, or particles of no known species.
    """

    def __init__(self, path: Path, facts: FileFacts):
        self._path, self._facts = Path(path), facts
        self._histories = 0
        self._first_delta: tuple[int, int] | None = None
        self._file = self._path.open("wb")
        self._file.write(FIRST_LINES.encode("ascii"))

    def write(self, particles: Particles) -> None:
        """Append particles."""
        if not len(particles):
            return
        kinds = np.array([0, 2, 1, 3, 0, 4])[np.clip(particles.species, 0, 5)]
        if not kinds.all():
            cause = "penEasy holds photons, electrons, positrons and protons only, and there are others"
            raise InputError(self._path, cause, "leave them out by a filter of species")
        delta = self._delta(particles)
        self._histories += int(delta.sum())
        of = particles
        numbers = (of.energy.astype(np.float64) * 1e6, of.x, of.y, of.z, of.u, of.v, of.w, of.weight)
        before = [whole(kinds), *map(scientific, numbers)]
        after = [whole(_flags(of, names)) for names in ILB]
        if self._first_delta is None:
            place = self._file.tell() + sum(column.shape[1] + 1 for column in before)
            self._first_delta = (place, int(delta[0]))
            one = slice(0, 1)
            room = np.full((1, _DELTA_WIDTH), ord(" "), np.uint8)
            self._file.write(lines_of([*(column[one] for column in before), room, *(column[one] for column in after)]))
            before, delta, after = ([c[1:] for c in before], delta[1:], [c[1:] for c in after])
        self._file.write(lines_of([*before, whole(delta, _DELTA_WIDTH), *after]))

    def close(self) -> tuple[Path, ...]:
        """Put the empty histories into the first record, and give the file."""
        with self._file as file:
            if self._first_delta is not None:
                place, delta = self._first_delta
                empty = max((self._facts.histories or 0) - self._histories, 0)
                if delta + empty >= 10**_DELTA_WIDTH:
                    cause = f"{empty:,} empty histories are more than the room left for them holds"
                    raise InputError(self._path, cause, "write another format")
                file.seek(place)
                file.write(f"{delta + empty:>{_DELTA_WIDTH}d}".encode("ascii"))
        return (self._path,)

    @staticmethod
    def _delta(particles: Particles) -> np.ndarray:
        """Histories since the last record: at least one where a history starts, none elsewhere."""
        starts = particles.is_new_history.astype(np.int64)
        known = particles.extras.get("incremental history")
        return starts if known is None else np.maximum(known.astype(np.int64), starts) * starts
