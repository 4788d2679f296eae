"""Python packages for 3D Slicer: asked for at Apply, installed once, Slicer's own numpy left as it is."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import tempfile
from pathlib import Path

import slicer
from slicer.i18n import tr as _

__all__ = ["ensurePackages", "requirementsPath"]

KEPT_PACKAGES = ("numpy", "scipy", "SimpleITK", "torch", "vtk")
"""What Slicer or another extension relies on: pip may use, but never replace it."""

TORCH_REQUIREMENT = ">=2.8"


def requirementsPath() -> Path:
    """The list of packages, beside the module files in the source tree and in an installed extension alike."""
    return Path(__file__).resolve().parents[1] / "Resources" / "Dose3D-requirements.txt"


def ensurePackages() -> None:
    """Install what is missing after asking the user; does nothing when all is there, or while Slicer tests.

    Raises
    ------
    RuntimeError
        the user declined, or PyTorch is missing and its extension, too.
    """
    if slicer.app.testingEnabled():
        return
    _ensureTorch()
    from slicer import packaging

    requirements = packaging.load_requirements(requirementsPath())
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(_keptPins()), encoding="utf-8")
        packaging.pip_ensure(requirements, constraints=constraints, requester="Dose3D")


def _ensureTorch() -> None:
    if importlib.util.find_spec("torch") is not None:
        return
    try:
        import PyTorchUtils
    except ImportError as error:
        message = _("PyTorch is missing: install the extension PyTorch, then press Apply again.")
        raise RuntimeError(message) from error
    logic = PyTorchUtils.PyTorchUtilsLogic()
    if logic.installTorch(askConfirmation=True, torchVersionRequirement=TORCH_REQUIREMENT) is None:
        raise RuntimeError(_("PyTorch was not installed, so nothing was started."))


def _keptPins() -> list[str]:
    pins = []
    for name in KEPT_PACKAGES:
        try:
            pins.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return pins
