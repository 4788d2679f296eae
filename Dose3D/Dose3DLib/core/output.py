"""Atomic output: a result folder or file appears complete, or not at all."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import OutputError

__all__ = [
    "MODEL_MARK",
    "RESULT_MARK",
    "atomic_output",
    "is_finished",
    "keep_journal",
    "output_in_place",
    "remove_drafts",
]

RESULT_MARK, MODEL_MARK = "provenance.json", "configs/metadata.json"
"""What a result and a model bundle of ours hold: each is replaced by its like only, and no other folder ever."""

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
FULL_BYTES = 64 << 10
"""With less than this free, a failed write is taken for one on a full disk, whatever the library that wrote says."""

_journals: list[Path] = []


@contextmanager
def atomic_output(
    target: Path, overwrite: bool = False, inputs: Iterable[Path] = (), mark: str = RESULT_MARK
) -> Iterator[Path]:
    """Give a temporary path beside `target` to write to; rename it to `target` when the block ends well.

    The block may make a file or a folder of that path. On any exception (cancel included) what was written is removed.
    `inputs` are the files and folders that the work reads: none of them is ever replaced. `mark` is the file by which a
    folder that may be replaced is known.

    Raises
    ------
    OutputError
        `target` exists and `overwrite` is False, it is or holds one of the inputs, its parent cannot be written, the
        disk is full, or `target` is a folder that nobody means to replace: the one you are in, your home, one above
        them, or one without results.
    """
    target = Path(target)
    _check_target(target, overwrite, mark)
    _spare_inputs(target, inputs)
    room, made = _make_room(target)
    draft = room / target.name
    try:
        with _disk_errors(target, room):
            yield draft
            _check_target(target, overwrite, mark)  # somebody else may have written it meanwhile
            _replace(draft, target)
        with suppress(OSError):  # the output is complete, whatever befalls the journal
            _note(target, room, made, finished=True)
    finally:
        shutil.rmtree(room, ignore_errors=True)
        _remove_if_empty(made)


@contextmanager
def output_in_place(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write to; it goes again unless the block ends well (after a kill by `remove_drafts`).

    For results whose parts note down where they lie. Where that is not needed, `atomic_output` is the better choice.

    Raises
    ------
    OutputError
        there is a file or a folder that is not empty, it cannot be written, or the disk is full.
    """
    folder = Path(folder)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(folder, "exists already", "choose another output")
        made = _missing(folder.parent)
        _note(folder, folder, made, finished=False)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, error.strerror or str(error), "choose a folder that you may write to") from error
    try:
        with _disk_errors(folder, folder):
            yield folder
            _note(folder, folder, made, finished=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_if_empty(made)
        raise


@contextmanager
def _disk_errors(target: Path, place: Path) -> Iterator[None]:
    """Turn errors of writing below `place` into errors of the output that was named."""
    try:
        yield
    except OutputError as error:
        if not Path(error.what).is_relative_to(place):
            raise
        raise OutputError(target, error.cause, error.remedy) from error
    except OSError as error:
        ours = error.filename is None or str(error.filename).startswith(str(place))
        full = _says_full(error) or (ours and _is_full(place))
        if full or ours:
            cause = os.strerror(errno.ENOSPC) if full else error.strerror or str(error).partition("\n")[0][:200]
            raise OutputError(target, cause, "free some space or choose another output") from error
        raise


def _is_full(place: Path) -> bool:
    with suppress(OSError):
        return shutil.disk_usage(place).free < FULL_BYTES
    return False


def _says_full(error: BaseException | None) -> bool:
    """Libraries wrap the system's error in one of their own."""
    while error is not None:
        if getattr(error, "errno", None) in FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def _check_target(target: Path, overwrite: bool, mark: str) -> None:
    try:
        exists = target.exists()
    except OSError as error:  # a folder on the way that may not be entered
        raise OutputError(target, error.strerror or str(error), "choose a folder that you may write to") from error
    place, kept = target.resolve(), (Path.cwd(), Path(os.path.expanduser("~")).resolve())
    if exists and any(place == one or place in one.parents for one in kept):
        raise OutputError(target, "is a folder that holds more than results", "name a new folder in it")
    if target.is_dir() and any(target.iterdir()) and not (target / mark).is_file():
        kind = "result" if mark == RESULT_MARK else "model"
        cause = f"is a folder that is no {kind} of Dose3D (no {mark} in it)"
        raise OutputError(target, cause, "choose another output, or empty it yourself")
    if exists and not overwrite:
        raise OutputError(target, "exists already", "choose another output or add --overwrite")


def _spare_inputs(target: Path, inputs: Iterable[Path]) -> None:
    """With overwriting allowed, a result may stand where an input lies: what it was made from would be lost."""
    if not os.path.lexists(target):
        return
    place = target.resolve()
    for path in inputs:
        if place == path.resolve() or place in path.resolve().parents:
            cause = "is an input itself" if place == path.resolve() else f"holds the input {path.name}"
            raise OutputError(target, f"{cause}, which would be lost", "choose another output")


def _make_room(target: Path) -> tuple[Path, list[Path]]:
    """A temporary folder beside `target`, and the folders above that had to be made for it."""
    try:
        made = _missing(target.parent)
        room = target.parent / f".{target.name[:40]}.{secrets.token_hex(4)}"
        _note(target, room, made, finished=False)
        room.mkdir(mode=0o700, parents=True)
        return room, made
    except OSError as error:
        raise OutputError(target, error.strerror or str(error), "choose a folder that you may write to") from error


def _missing(folder: Path) -> list[Path]:
    """Of this folder and those above it the ones that do not exist, from the bottom up."""
    return [place for place in (folder, *folder.parents) if not place.exists()]


def _remove_if_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _replace(draft: Path, target: Path) -> None:
    if not draft.exists():
        return
    if os.path.lexists(target) and (draft.is_dir() or (target.is_dir() and not target.is_symlink())):
        old = draft.parent / ".replaced"
        os.replace(target, old)
        try:
            os.replace(draft, target)
        except OSError:
            os.replace(old, target)
            raise
        return
    os.replace(draft, target)


def keep_journal(path: Path) -> None:
    """From now on write down in `path` each temporary folder before it is made, and each output that is complete.

    A process that is killed can't tidy up; who started it does so with `remove_drafts`.
    """
    _journals[:] = [Path(path).absolute()]


def remove_drafts(journal: Path) -> None:
    """Remove the temporary folders that a killed process left; what it was just replacing comes back."""
    lines = _read_journal(journal)
    kept = {line["room"] for line in lines if line["finished"] and line["room"] == line["target"]}
    for line in lines:
        if line["room"] in kept:
            continue
        target, room = Path(line["target"]), Path(line["room"])
        replaced = room / ".replaced"
        if replaced.exists() and not target.exists():
            os.replace(replaced, target)
        shutil.rmtree(room, ignore_errors=True)
        _remove_if_empty(map(Path, line["made"]))


def is_finished(journal: Path, target: Path) -> bool:
    """True when the process of this journal has completed this output (outputs that are parts of it don't count)."""
    place = str(Path(target).absolute())
    return any(line["finished"] and line["target"] == place for line in _read_journal(journal))


def _note(target: Path, room: Path, made: list[Path], finished: bool) -> None:
    for journal in _journals:
        places = {"target": str(target.absolute()), "room": str(room.absolute())}
        line = {**places, "made": [str(folder.absolute()) for folder in made], "finished": finished}
        with journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _read_journal(journal: Path) -> list[dict[str, Any]]:
    """The complete lines of a journal; the last one may be torn when its process was killed."""
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True) if journal.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]
