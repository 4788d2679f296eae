"""What `dose3d view` was given: the scene file, the report beside it, and the scene unpacked for reading.

A scene may come from anybody. It is unpacked into a folder of ours, and one that points to files or addresses outside
itself is refused, so that opening it neither shows a file of this machine nor loads anything from the network.
"""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from ..core.errors import InputError, ResourceError

__all__ = ["SceneSource", "find_scene", "unpack_scene"]

_USUAL = ("scene.mrb", "result/scene.mrb")
"""Where a result and a demo keep their scene."""
_REPORT = "report.html"
_POINTERS = ("fileName", "fileListMember", "uri")
"""Attributes of a scene's nodes that name a file; lists of files are numbered (fileListMember0 ...)."""
_REMEDY = "give a scene.mrb or the folder of a result"


@dataclass(frozen=True)
class SceneSource:
    """`scene` is the .mrb; `report` the report.html beside it, or None."""

    scene: Path
    report: Path | None


def find_scene(path: Path) -> SceneSource:
    """The scene that a path means: a .mrb itself, or the one that a result's folder holds.

    Raises
    ------
    InputError
        nothing is there, a folder has no scene, or the file is no MRB.
    """
    try:
        scene = _in_folder(path) if path.is_dir() else path
        if not scene.exists():
            raise InputError(path, "does not exist", _REMEDY)
        _check_is_mrb(scene)
    except OSError as error:
        raise InputError(path, error.strerror or str(error), _REMEDY) from error
    report = scene.parent / _REPORT
    return SceneSource(scene, report if report.is_file() else None)


def _in_folder(folder: Path) -> Path:
    for name in _USUAL:
        if (folder / name).is_file():
            return folder / name
    found = sorted(folder.glob("*.mrb"))
    if not found:
        raise InputError(folder, "holds no scene (scene.mrb)", _REMEDY)
    if len(found) > 1:
        raise InputError(folder, f"holds {len(found)} scenes", f"give one of them, for instance {found[0].name}")
    return found[0]


def _check_is_mrb(scene: Path) -> None:
    with scene.open("rb") as file:
        looks_like_zip = file.read(2) == b"PK"
    if not zipfile.is_zipfile(scene):
        if looks_like_zip:
            raise _damaged(scene, "it ends too early")
        raise InputError(scene, "is no Slicer scene (.mrb)", _REMEDY)


def _damaged(scene: Path, why: str) -> InputError:
    return InputError(scene, f"is damaged ({why})", "write the scene again, or copy it again")


def unpack_scene(scene: Path, folder: Path) -> Path:
    """Unpack a .mrb into an empty folder and return the .mrml in it.

    Raises
    ------
    InputError
        the archive is damaged, holds no scene, or its scene points outside itself.
    ResourceError
        unpacked it would not fit on the disk.
    """
    try:
        with zipfile.ZipFile(scene) as bundle:
            size, free = sum(item.file_size for item in bundle.infolist()), shutil.disk_usage(folder).free
            if size > free:
                cause = f"needs {size / 1e9:.1f} GB unpacked, and {free / 1e9:.1f} GB are free"
                raise ResourceError(scene, cause, "free some space, or set TMPDIR to a larger disk")
            bundle.extractall(folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise _damaged(scene, str(error)) from error
    except OSError as error:
        raise InputError(
            scene, f"cannot be unpacked ({error.strerror or error})", "free some space, or copy it again"
        ) from error
    found = sorted(folder.rglob("*.mrml"))
    if not found:
        raise InputError(scene, "is an archive without a Slicer scene (.mrml)", _REMEDY)
    _check_pointers(scene, found[0])
    return found[0]


def _check_pointers(scene: Path, mrml: Path) -> None:
    """Refuse a scene whose nodes name files outside its own folder."""
    home = mrml.parent.resolve()
    try:
        nodes = list(ElementTree.parse(mrml).iter())
    except ElementTree.ParseError as error:
        raise _damaged(scene, f"{mrml.name} is no XML") from error
    for node in nodes:
        for name, value in node.attrib.items():
            if name.startswith(_POINTERS) and value and not _is_inside(home, unquote(value)):
                raise InputError(scene, f"points to a file outside itself ({value[:80]})", "save it as one .mrb")


def _is_inside(home: Path, name: str) -> bool:
    return "://" not in name and "\0" not in name and (home / name).resolve().is_relative_to(home)
