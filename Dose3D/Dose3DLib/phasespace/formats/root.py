"""Phase spaces as ROOT trees, as GATE 10 writes and reads them: a branch a column, mm and MeV. Through uproot.

Written are the branches that GATE's PhaseSpaceSource looks for unless it is told others: PrePositionLocal_X ...,
PreDirectionLocal_X ..., KineticEnergy, Weight, PDGCode; besides EventID, which counts the histories. The tree comes
first in the file, since GATE takes the first key; the number of histories and the unit of lengths follow as texts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import InputError, ResourceError
from ..particles import Particles
from ..phase_space import PhaseSpace
from .columns import EXTRAS, UNITS, ColumnDecoder, starts_of_events
from .records import BLOCK, Blocks, check_first, file_size, pdg_of_species

if TYPE_CHECKING:
    from ..write import FileFacts

__all__ = ["BRANCHES", "RootWriter", "is_root", "open_root"]

TREE = "PhaseSpace"
_REMEDY = "name a ROOT file with a tree of particles, such as GATE's PhaseSpaceActor writes"
BRANCHES: dict[str, str] = {
    "energy": "KineticEnergy",
    **{axis: f"PrePositionLocal_{axis.upper()}" for axis in "xyz"},
    **{cosine: f"PreDirectionLocal_{axis}" for cosine, axis in zip("uvw", "XYZ", strict=True)},
    "weight": "Weight",
    "species": "PDGCode",
}
"""Field of `Particles` -> the branch it is written to."""
_BASKET = 4 * BLOCK


def is_root(first_bytes: bytes) -> bool:
    """Whether a file that begins so is one of ROOT."""
    return first_bytes.startswith(b"root")


def open_root(path: Path, unit: str | None = None, plane: float | None = None) -> PhaseSpace:
    """Open the first tree of particles of a ROOT file, read by pieces.

    Parameters
    ----------
    path:
        the file.
    unit:
        of lengths, mm, cm or m; by default the one that the file says, else mm.
    plane:
        Z in cm, where there is no such branch.

    Raises
    ------
    InputError
        no such file, no ROOT file, no tree with the branches of a phase space, or an unknown unit.
    ResourceError
        there is no uproot.
    """
    path = Path(path)
    file_size(path, _REMEDY)
    with path.open("rb") as file:
        if not is_root(file.read(4)):
            raise InputError(path, "is no ROOT file", _REMEDY)
    try:
        file = _uproot().open(path)
        tree, names = _tree_of(file, path)
        said = _text(file, "length_unit")
        decoder = ColumnDecoder(names, unit or said or "mm", plane, path, said=unit is None and said is not None)
        records = _TreeRecords(path, tree, decoder)
        notes = [*decoder.notes, *check_first(path, records, _REMEDY)]
        histories = _text(file, "histories")
        histories = int(histories) if histories and histories.isdecimal() else None
    except (InputError, ResourceError):
        raise
    except Exception as error:  # uproot meets damaged bytes with errors of every kind
        raise InputError(path, f"cannot be read as a ROOT file ({type(error).__name__})", _REMEDY) from error
    if histories is None:
        notes.append("the file holds no number of histories")
    layout = tuple((name, str(tree[name].typename), "") for name in decoder.wanted)
    return PhaseSpace((path,), "ROOT", _title(tree), "", histories, layout, records, {"TREE": str(tree.name)},
                      tuple(notes), decoder.constants, is_plane_known=decoder.is_plane_known)  # fmt: skip


def _title(tree: Any) -> str:
    """Trees without a title have their name there."""
    return "" if tree.title in (tree.name, TREE) else str(tree.title)


def _uproot() -> Any:
    try:
        import uproot
    except ImportError as error:
        raise ResourceError("uproot", "is not installed", "install it (pip install uproot)") from error
    return uproot


def _tree_of(file: Any, path: Path) -> tuple[Any, list[str]]:
    """The first tree that has an energy and positions, with the names of its branches of numbers."""
    trees = [file[name] for name, kind in file.classnames(cycle=False).items() if kind == "TTree"]
    for tree in trees:
        names = [name for name in tree.keys(recursive=False) if _is_number(tree[name])]
        try:
            ColumnDecoder(names, "mm", 0.0, path)
        except InputError:
            continue
        return tree, names
    cause = "holds no tree" if not trees else "holds no tree with energies, positions and directions"
    raise InputError(path, cause, _REMEDY)


def _is_number(branch: Any) -> bool:
    dtype = getattr(branch.interpretation, "numpy_dtype", None)
    return dtype is not None and dtype.kind in "fiub" and "AsDtype" in type(branch.interpretation).__name__


class _TreeRecords(Blocks):
    """Entries of a tree, a block at a time."""

    def __init__(self, path: Path, tree: Any, decoder: ColumnDecoder):
        self._path, self._tree, self._decoder = path, tree, decoder
        count = int(tree.num_entries)
        super().__init__(np.minimum(np.arange(0, count + _BASKET, _BASKET), count) if count else np.zeros(2))

    def load(self, block: int) -> Particles:
        start, stop = int(self._firsts[block]), int(self._firsts[block + 1])
        before = max(start - 1, 0)
        try:
            arrays = self._tree.arrays(self._decoder.wanted, entry_start=before, entry_stop=stop, library="np")
        except Exception as error:  # as above: a damaged basket
            raise InputError(self._path, f"is damaged ({type(error).__name__})", "copy it again") from error
        skip = start - before
        return self._decoder(lambda name: arrays[name][skip:], self._starts(arrays, skip))

    def _starts(self, arrays: dict[str, np.ndarray], skip: int) -> np.ndarray | None:
        """Where the event is another than that of the entry before; the first of the file starts one."""
        names = self._decoder.names
        if "event" not in names or "starts" in names:
            return None
        ids = [arrays[names[role]] for role in ("event", "run") if role in names]
        changed = starts_of_events([(one[1:], one[:-1]) for one in ids])
        return changed if skip else np.concatenate([[True], changed])[: len(ids[0])]


def _text(file: Any, name: str) -> str | None:
    """One of the texts that `RootWriter` adds."""
    try:
        return str(file[name])
    except KeyError:
        return None


class RootWriter:
    """Writes one tree by chunks, in mm."""

    def __init__(self, path: Path, facts: FileFacts):
        self._path, self._facts, self._event = Path(path), facts, 0
        self._extras = [name for name, _ in facts.extras if name in EXTRAS]
        kinds = {np.float32: "float32", np.int32: "int32"}
        branches = dict.fromkeys(BRANCHES.values(), "float32") | {BRANCHES["species"]: "int32", "EventID": "int64"}
        branches |= {name: kinds[EXTRAS[name]] for name in self._extras}
        self._file = _uproot().recreate(self._path)
        self._tree = self._file.mktree(TREE, branches, title=facts.title or TREE)

    def write(self, particles: Particles) -> None:
        """Append particles.

        Raises
        ------
        InputError
            particles of no known species.
        """
        if not len(particles):
            return
        columns = {name: getattr(particles, role) for role, name in BRANCHES.items()}
        for axis in "xyz":
            columns[BRANCHES[axis]] = (columns[BRANCHES[axis]] / np.float64(UNITS["mm"])).astype(np.float32)
        columns[BRANCHES["species"]] = pdg_of_species(particles.species, self._path)
        columns["EventID"] = self._event + np.cumsum(particles.is_new_history, dtype=np.int64)
        self._event = int(columns["EventID"][-1])
        columns |= {name: particles.extras[name].astype(EXTRAS[name]) for name in self._extras}
        self._tree.extend(columns)

    def close(self) -> tuple[Path, ...]:
        """Add the number of histories, and give the file."""
        # The number that the particles show is the least that there were.
        histories = self._event if self._facts.histories is None else self._facts.histories
        with self._file as file:
            file["histories"] = str(histories)
            file["length_unit"] = "mm"
        return (self._path,)
