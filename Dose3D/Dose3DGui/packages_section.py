"""The section "Packages" of the module Dose3D: what Python packages are missing, and where they come from."""

from __future__ import annotations

import os

import slicer
from slicer.i18n import tr as _

from . import packages
from .section import Section

__all__ = ["PackagesSection"]


class PackagesSection(Section):
    """Always there, below the functions. The folder of wheels belongs to the machine: Slicer's settings keep it."""

    name = "packages"
    title = _("Packages")
    uiFile = "Dose3DPackages.ui"
    isFunction = False

    def setup(self) -> None:
        self.ui.wheelFolderPath.currentPath = str(packages.wheelFolder() or "")
        self.ui.wheelFolderPath.setEnabled("DOSE3D_WHEELS" not in os.environ)
        self.wire("wheelFolderPath", "currentPathChanged(QString)", self.onWheelFolderChanged)
        self.wire("installPackagesButton", "clicked()", self.onInstallPackagesButton)

    def setParameterNode(self, node) -> None:
        """Nothing of this belongs to a scene; but the page is shown anew, and packages may have come meanwhile."""
        if node is not None:
            self._show()

    def refreshAll(self) -> None:
        """Nothing of this depends on parameters."""

    def onWheelFolderChanged(self, path=None) -> None:
        """Keep the folder for all scenes."""
        slicer.app.settings().setValue(packages.WHEEL_FOLDER_SETTING, self.ui.wheelFolderPath.currentPath)
        self._show()

    def onInstallPackagesButton(self) -> None:
        """Install now what Apply would install first."""
        try:
            packages.ensurePackages()
        except RuntimeError as error:
            self.ui.packagesLabel.text = str(error)
            return
        self._show()

    def _show(self) -> None:
        missing = packages.missingPackages()
        self.ui.installPackagesButton.setEnabled(bool(missing))
        if not missing:
            self.ui.packagesLabel.text = _("All packages are installed.")
            self.ui.installPackagesButton.toolTip = _("Nothing is missing.")
            return
        self.ui.packagesLabel.text = _("Missing: {names}").format(names=", ".join(missing))
        source = packages.wheelFolder() or _("the internet")
        self.ui.installPackagesButton.toolTip = _("Install what is missing from {source}").format(source=source)
