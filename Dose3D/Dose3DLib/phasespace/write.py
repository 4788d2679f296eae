"""`open_writer`: particles into a file of any format; the file appears complete, or not at all.

A new format is one more file in `formats` with a writer class, and a line in `_KINDS`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Protocol

from ..core.errors import InputError
from ..core.output import atomic_output
from .particles import Particles

__all__ = ["FORMATS", "FileFacts", "Writer", "files_of", "format_of", "open_writer"]


@dataclass(frozen=True)
class FileFacts:
    """What a file says beside its particles.

    Parameters
    ----------
    title, coordinate_system:
        free words, one line each.
    histories:
        primary particles that were simulated, to which results are normalised; None when unknown.
    notes:
        sentences for the header, where the format has room for them.
    constants:
        value by name ("z", "weight") of what all particles share; not stored where a format can say it once.
    extras:
        (name, "float32" or "int32") of the `Particles.extras` that every chunk carries.
    count:
        particles to come, where known.
    texts:
        further entries of a header by their IAEA key (MACHINE_TYPE, AUTHORS ...), where the format has such.
    byte_order:
        "little" or "big", where the format can say which.
    """

    title: str = ""
    histories: int | None = None
    coordinate_system: str = ""
    notes: tuple[str, ...] = ()
    constants: Mapping[str, float] = field(default_factory=dict)
    extras: tuple[tuple[str, str], ...] = ()
    count: int | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    byte_order: str = "little"


class Writer(Protocol):
    """Takes particles in pieces. `path` is where the records go; headers go beside it, when `close` is called."""

    def __init__(self, path: Path, facts: FileFacts): ...
    def write(self, particles: Particles) -> None: ...
    def close(self) -> tuple[Path, ...]: ...


@dataclass(frozen=True)
class _Kind:
    """A format: its line of help, where its writer is, and the endings of records with those of their headers."""

    help: str
    writer: str
    endings: Mapping[str, str | None]


_KINDS = {
    "iaea": _Kind("IAEA", "iaea_write:IaeaWriter", {".IAEAphsp": ".IAEAheader", ".phsp": ".header"}),
    "egs-mode0": _Kind("EGSnrc MODE0", "egs:EgsMode0Writer", {".egsphsp1": None, ".egsphsp": None}),
    "egs-mode2": _Kind("EGSnrc MODE2, with ZLAST", "egs:EgsMode2Writer", {".egsphsp1": None, ".egsphsp": None}),
    "topas": _Kind("TOPAS binary", "topas:TopasWriter", {".phsp": ".header"}),
    "topas-ascii": _Kind("TOPAS ASCII", "topas:TopasAsciiWriter", {".phsp": ".header"}),
    "topas-limited": _Kind("TOPAS limited", "topas:TopasLimitedWriter", {".phsp": ".header"}),
    "peneasy": _Kind("penEasy text", "peneasy:PeneasyWriter", {".dat": None}),
    "npy": _Kind("numpy array", "arrays:NpyWriter", {".npy": None}),
    "npz": _Kind("numpy arrays", "arrays:NpzWriter", {".npz": None}),
    "root": _Kind("ROOT tree", "root:RootWriter", {".root": None}),
    "mcpl": _Kind("MCPL", "mcpl:McplWriter", {".mcpl": None, ".mcpl.gz": None}),
}
_FORMAT_OF_ENDING = {".phsp": "topas"}
"""Of an ending that several formats have; else the first one with that ending."""

FORMATS: dict[str, str] = {name: kind.help for name, kind in _KINDS.items()}
"""A line of help by the name of each format that can be written."""


def format_of(path: Path, name: str | None = None) -> str:
    """The format of a file to be written: the one that is named, or the one that the path's ending tells.

    Raises
    ------
    InputError
        an unknown name, an ending that tells nothing, or one that files of this format don't have.
    """
    path = Path(path)
    if name is None:
        endings = [ending for kind in _KINDS.values() for ending in kind.endings]
        ending = _ending(path, endings)
        if ending is None:
            cause = "its ending does not tell the format"
            raise InputError(path, cause, f"end it in {', '.join(dict.fromkeys(endings))}")
        first = next(name for name, kind in _KINDS.items() if ending in kind.endings)
        return _FORMAT_OF_ENDING.get(ending.lower(), first)
    if name not in _KINDS:
        near = get_close_matches(name, FORMATS, n=1)
        remedy = f'did you mean "{near[0]}"?' if near else f"choose from {', '.join(FORMATS)}"
        raise InputError("--format", f'"{name}" is no format', remedy)
    if _ending(path, _KINDS[name].endings) is None:
        cause = f"does not end like a file of {FORMATS[name]}"
        raise InputError(path, cause, f"end it in {' or '.join(_KINDS[name].endings)}")
    return name


def files_of(path: Path, format: str | None = None) -> tuple[Path, ...]:
    """All files that writing to `path` makes: the records, then their header where the format has one."""
    path = Path(path)
    endings = _KINDS[format_of(path, format)].endings
    ending = _ending(path, endings)
    header = endings[ending]
    return (path,) if header is None else (path, path.with_name(path.name[: -len(ending)] + header))


@contextmanager
def open_writer(
    path: Path,
    facts: FileFacts,
    format: str | None = None,
    overwrite: bool = False,
    inputs: Iterable[Path] = (),
) -> Iterator[Writer]:
    """Give a writer for `path`; when the block ends well the files appear under their names, the header last.

    On any exception (cancel included) nothing stays, and what was there before is as it was. `inputs` are files that
    the work reads: none of them is ever replaced.

    Raises
    ------
    InputError
        the ending or the name of the format.
    OutputError
        a file is there already, is an input, cannot be written, or the disk is full.
    """
    kind = _KINDS[format_of(path, format)]
    targets, inputs = files_of(path, format), tuple(inputs)
    with _drafts(targets, overwrite, inputs) as drafts:
        with _told_of(Path(path), drafts[0]):
            writer = _writer_class(kind)(drafts[0], facts)
            try:
                yield writer
            except BaseException:
                with suppress(Exception):  # only to let go of the file, which is removed
                    writer.close()
                raise
            files = writer.close()
        for written, draft in zip(files, drafts, strict=True):
            if written != draft:
                os.replace(written, draft)


@contextmanager
def _drafts(targets: tuple[Path, ...], overwrite: bool, inputs: tuple[Path, ...]) -> Iterator[list[Path]]:
    """Drafts of all targets, which appear in this order; new records go again if their header then fails to appear."""
    existed, appeared = os.path.lexists(targets[0]), False

    def note(kind: type[BaseException] | None, *_: object) -> None:
        nonlocal appeared
        appeared = kind is None

    try:
        with ExitStack() as stack:  # what is entered first appears last
            others = [stack.enter_context(atomic_output(one, overwrite, inputs)) for one in reversed(targets[1:])]
            stack.push(note)
            yield [stack.enter_context(atomic_output(targets[0], overwrite, inputs)), *reversed(others)]
    except BaseException:
        if appeared and not existed:
            targets[0].unlink(missing_ok=True)
        raise


@contextmanager
def _told_of(path: Path, draft: Path) -> Iterator[None]:
    """Faults that a writer finds in what it writes are those of the file that was asked for, not of its draft."""
    try:
        yield
    except InputError as error:
        if error.what != str(draft):
            raise
        raise InputError(path, error.cause, error.remedy) from error


def _ending(path: Path, endings: Iterable[str]) -> str | None:
    """The longest of the endings that the path has, whatever their case."""
    found = [ending for ending in endings if path.name.lower().endswith(ending.lower())]
    return max(found, key=len, default=None)


def _writer_class(kind: _Kind) -> type[Writer]:
    module, _, name = kind.writer.partition(":")
    return getattr(import_module(f".formats.{module}", __package__), name)
