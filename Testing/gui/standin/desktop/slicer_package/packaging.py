"""Python packages, as far as modules ask for them: what is required, what is there. Installing is not stood in for."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from packaging.requirements import Requirement
from standin.pythonqt import StandInGap

__all__ = ["isPipInstallInProgress", "load_requirements", "pip_check", "pip_ensure", "pip_install", "pip_uninstall"]


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements of a file, without comments and blank lines."""
    lines = (line.split("#")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def pip_check(req, _seen=None) -> bool:
    """Whether a requirement, or each of a list, is fulfilled."""
    if isinstance(req, list):
        return all(pip_check(one) for one in req)
    wanted = Requirement(str(req))
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return wanted.specifier.contains(version, prereleases=True)


def isPipInstallInProgress() -> bool:
    return False


def pip_ensure(
    requirements,
    constraints=None,
    skip_packages=None,
    prompt_install=True,
    prompt_restart=True,
    requester=None,
    skip_in_testing=True,
    show_progress=True,
):
    """Does nothing while testing, nor when all is there."""
    import slicer

    if skip_in_testing and slicer.app.testingEnabled():
        return None
    listed = requirements if isinstance(requirements, list) else [requirements]
    if not all(pip_check(one) for one in listed):
        raise StandInGap("pip_ensure: the stand-in installs nothing")
    return []


def pip_install(requirements, **options):
    raise StandInGap("pip_install: the stand-in installs nothing")


def pip_uninstall(requirements, **options):
    raise StandInGap("pip_uninstall: the stand-in removes nothing")
