"""Python packages for 3D Slicer: asked for at Apply, installed once, Slicer's own numpy and vtk left as they are.

PyTorch comes through the extension "PyTorch", which finds the build that fits the graphics card; the others through
`slicer.packaging` where Slicer has it, else through `slicer.util.pip_install`. A clinic without internet puts wheels
into a folder and names it: see `wheelFolder`.
"""

from __future__ import annotations

import importlib.metadata
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import slicer
from slicer.i18n import tr as _

__all__ = [
    "WHEEL_FOLDER_SETTING",
    "ensurePackages",
    "missingPackages",
    "packagesAdvice",
    "requirementsPath",
    "wheelFolder",
]

KEPT_PACKAGES = ("numpy", "scipy", "SimpleITK", "torch", "vtk", "opencv-python-headless")
"""What Slicer or another extension relies on: pip may use, but never replace it."""

TORCH_REQUIREMENT = ">=2.8"

WHEEL_FOLDER_SETTING = "Dose3D/WheelFolder"
"""Key in Slicer's settings; the environment variable DOSE3D_WHEELS comes before it."""


def requirementsPath() -> Path:
    """The list of packages, beside the module files in the source tree and in an installed extension alike."""
    return Path(__file__).resolve().parents[1] / "Resources" / "Dose3D-requirements.txt"


def wheelFolder() -> Path | None:
    """The folder that wheels are installed from instead of the internet, or None."""
    named = os.environ.get("DOSE3D_WHEELS") or slicer.util.settingsValue(WHEEL_FOLDER_SETTING, "")
    return Path(named) if named else None


def missingPackages() -> list[str]:
    """The requirements that this Python does not fulfil, PyTorch first; looks at their metadata, imports nothing."""
    wanted = [f"torch{TORCH_REQUIREMENT}", *_requirementLines()]
    return [line for line in wanted if not _isFulfilled(line)]


def packagesAdvice() -> str:
    """What a page says while packages are missing; an empty string when all are there."""
    missing = missingPackages()
    if not missing:
        return ""
    names = ", ".join(_requirement(line).name for line in missing[:3]) + (", ..." if len(missing) > 3 else "")
    if wheelFolder():
        return _("Apply will first install {names} from {folder}.").format(names=names, folder=wheelFolder())
    return _("Apply will first offer to download Python packages ({names}).").format(names=names)


def ensurePackages() -> None:
    """Install what is missing after asking the user; does nothing when all is there, or while Slicer tests.

    Raises
    ------
    RuntimeError
        the user declined, or an installation failed; says what to do. Slicer stays usable either way.
    """
    if not _mayInstall() or not missingPackages():
        return
    folder = wheelFolder()
    if folder is not None:
        _installFromFolder(folder)
    else:
        _ensureTorch()
        _ensureOthers()
    if left := missingPackages():
        text = _("These packages are still missing, so nothing was started: {names}. {remedy}")
        raise RuntimeError(text.format(names=", ".join(left), remedy=_offlineRemedy()))


def _mayInstall() -> bool:
    """Not while Slicer runs tests, which must not wait for an answer or for the internet."""
    return not slicer.app.testingEnabled()


def _ensureTorch() -> None:
    if _isFulfilled(f"torch{TORCH_REQUIREMENT}"):
        return
    try:
        import PyTorchUtils
    except ImportError as error:
        message = _(
            "PyTorch is missing: install the extension PyTorch in Slicer's Extensions Manager, restart Slicer and "
            "press Apply again. {remedy}"
        )
        raise RuntimeError(message.format(remedy=_offlineRemedy())) from error
    logic = PyTorchUtils.PyTorchUtilsLogic()
    with _saidAsAdvice("PyTorch"):
        torch = logic.installTorch(askConfirmation=True, torchVersionRequirement=TORCH_REQUIREMENT)
    if torch is None:
        raise RuntimeError(_("PyTorch was not installed, so nothing was started."))


def _ensureOthers() -> None:
    """The packages of the list; what Slicer relies on is pinned to the version that is there."""
    with _constraints() as constraints:
        try:
            from slicer import packaging
        except ImportError:
            _pipInstallOthers(constraints)
            return
        requirements = packaging.load_requirements(requirementsPath())
        with _saidAsAdvice(_("The packages")):
            packaging.pip_ensure(requirements, constraints=constraints, requester="Dose3D")


def _pipInstallOthers(constraints: Path) -> None:
    """As Slicer before 5.10 does it; asks first, since a download may be large."""
    missing = [line for line in missingPackages() if not line.startswith("torch")]
    question = _("Dose3D needs these Python packages, to be downloaded now: {names}").format(names=", ".join(missing))
    if not slicer.util.confirmOkCancelDisplay(question):
        raise RuntimeError(_("The packages were not installed, so nothing was started."))
    with _saidAsAdvice(_("The packages")), slicer.util.WaitCursor():
        slicer.util.pip_install([*missing, "--constraint", str(constraints)])


def _installFromFolder(folder: Path) -> None:
    if not any(folder.glob("*.whl")):
        text = _(
            "{folder} holds no wheels: put them there (pip download, on a machine with internet), or clear the setting."
        )
        raise RuntimeError(text.format(folder=folder))
    offline = ["--no-index", "--find-links", str(folder)]
    with _constraints() as constraints, _saidAsAdvice(_("The wheels")), slicer.util.WaitCursor():
        slicer.util.pip_install([*missingPackages(), *offline, "--constraint", str(constraints)])


@contextmanager
def _saidAsAdvice(what: str):
    """Turn whatever an installer raises into one sentence with a remedy; pip's own words are in Slicer's log."""
    try:
        yield
    except Exception as error:
        text = _("{what} could not be installed ({reason}). {remedy}")
        raise RuntimeError(text.format(what=what, reason=error, remedy=_offlineRemedy())) from error


def _offlineRemedy() -> str:
    return _(
        "Check the network or the proxy and press Apply again; without internet put the wheels into a folder and "
        "name it in the module Dose3D, section Packages."
    )


@contextmanager
def _constraints():
    """Path of a constraints file that pins what pip must not replace."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "constraints.txt"
        path.write_text("\n".join(_keptPins()) + "\n", encoding="utf-8")
        yield path


def _keptPins() -> list[str]:
    replaced = {_requirement(line).name for line in missingPackages()}  # such as a PyTorch that is too old
    versions = ((name, _version(name)) for name in KEPT_PACKAGES if name not in replaced)
    return [f"{name}=={version}" for name, version in versions if version]


def _requirementLines() -> list[str]:
    lines = (line.split("#")[0].strip() for line in requirementsPath().read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _isFulfilled(line: str) -> bool:
    wanted = _requirement(line)
    version = _version(wanted.name)
    return bool(version) and wanted.specifier.contains(version, prereleases=True)


def _requirement(line: str):
    try:
        from packaging.requirements import Requirement
    except ImportError:  # every pip carries it
        from pip._vendor.packaging.requirements import Requirement
    return Requirement(line)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
