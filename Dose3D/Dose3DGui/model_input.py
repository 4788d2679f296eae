"""A model of photons of a function: one that comes with Dose3D, or a folder."""

from __future__ import annotations

from pathlib import Path

from Dose3DLib.bundles.folder import shipped_bundles
from slicer.i18n import tr as _

from .section import Section, shortText

__all__ = ["ModelInput"]

KIND, BEST = "phase_space", "6mv-flow"


class ModelInput:
    """Widgets PREFIXSelector, PREFIXFolderLabel and PREFIXFolderEdit of a section's .ui.

    The section's parameters have `str` members PREFIXName (a shipped model; "" for the folder) and PREFIXFolder, and
    its `paths` the folder's edit.

    Parameters
    ----------
    first:
        a further entry before the models that stands for none of them (a comparison of files), kept as the name "-".
    """

    def __init__(self, section: Section, prefix: str, first: str = ""):
        self._section, self._prefix = section, prefix
        self._names = (["-"] if first else []) + shipped_bundles(KIND)
        titles = ([first] if first else []) + shipped_bundles(KIND)
        self._selector = getattr(section.ui, f"{prefix}Selector")
        self._selector.addItems([*titles, _("Model in a folder")])
        section.wire(f"{prefix}Selector", "currentIndexChanged(int)", self.onModelChosen)

    def onModelChosen(self, index: int) -> None:
        """A shipped model, or the folder below."""
        if self._section.parameters and not self._section.page.refreshing:
            self.choose(self._names[index] if index < len(self._names) else "")

    @property
    def name(self) -> str:
        return getattr(self._section.currentParameters(), f"{self._prefix}Name")

    @property
    def isFolder(self) -> bool:
        return self.name not in self._names

    @property
    def isModel(self) -> bool:
        """Whether a model is chosen, shipped or in a folder, and not the entry before them."""
        return self.name != "-" or "-" not in self._names

    @property
    def model(self) -> str:
        """What tasks call the model: its name or its folder."""
        return getattr(self._section.currentParameters(), f"{self._prefix}Folder") if self.isFolder else self.name

    def choose(self, name: str, folder: str | None = None) -> None:
        """Choose a shipped model, or ("") the one in a folder."""
        parameters = self._section.currentParameters()
        if folder is not None:
            setattr(parameters, f"{self._prefix}Folder", folder)
        setattr(parameters, f"{self._prefix}Name", name)

    def chooseDefault(self) -> None:
        """The best model, while none is chosen."""
        if not self.name and not self.model and self._names:
            self.choose(BEST if BEST in self._names else self._names[0])

    def problem(self) -> str:
        """Why there is no model, a sentence; "" when there is one."""
        if not self.model:
            return _("Choose the folder of a trained model.")
        if self.isFolder and not (Path(self.model) / "configs" / "metadata.json").is_file():
            return _("{path} holds no model: choose the folder of a trained one.").format(path=shortText(self.model))
        return ""

    def refresh(self) -> None:
        """Bring the widgets to what the parameters say."""
        self._selector.currentIndex = len(self._names) if self.isFolder else self._names.index(self.name)
        for name in ("FolderLabel", "FolderEdit"):
            getattr(self._section.ui, self._prefix + name).setVisible(self.isFolder)
