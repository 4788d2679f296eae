"""What a result was made with: versions, settings, inputs, device, seconds. Standard library only."""

from __future__ import annotations

import hashlib
import os
import platform
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import Dose3DLib

from .progress import Progress

__all__ = ["RECORDED_PACKAGES", "file_sha256", "make_provenance", "software_versions"]

RECORDED_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-image",
    "torch",
    "monai",
    "pydicom",
    "highdicom",
    "SimpleITK",
    "nibabel",
    "vtk",
    "slicer-core",
)
"""Distributions whose version can change a result; absent ones are left out."""


def software_versions() -> dict[str, str]:
    """Versions of Dose3D, Python, the system and the packages that can change a result; imports none of them."""
    versions = {"Dose3D": Dose3DLib.__version__, "python": platform.python_version(), "system": platform.platform()}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes as 64 hexadecimal digits, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def make_provenance(task: str, settings: dict[str, Any], progress: Progress, **facts: Any) -> dict[str, Any]:
    """Gather the record that is written with every result.

    Parameters
    ----------
    task:
        the task's command, for instance "segment run".
    settings:
        the task's settings as plain JSON values (`TaskSettings.to_dict()`).
    progress:
        gives the seconds of each step and the warnings so far.
    facts:
        what only the task knows, JSON-able: `inputs` (paths, UIDs, hashes), `device`, `seed`, `model`, ...
    """
    record = {
        "task": task,
        "made_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "research_use_only": True,
        "software": software_versions(),
        "settings": settings,
        **facts,
        "seconds": dict(progress.seconds),
        "warnings": list(progress.warnings),
    }
    return _writable(record)


def _writable(value: Any) -> Any:
    """Texts that UTF-8 can hold: a POSIX path may have bytes that are no text, which then show as `\\udcff`."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_writable(name): _writable(part) for name, part in value.items()}
    return [_writable(part) for part in value] if isinstance(value, list | tuple) else value
