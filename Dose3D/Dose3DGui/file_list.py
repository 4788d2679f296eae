"""Several files of a function: a path that is added, the list, a button that takes one out."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _

from .section import Section, shortText

__all__ = ["FileList"]


class FileList:
    """Widgets PREFIXPathEdit, PREFIXAddButton, PREFIXList and PREFIXRemoveButton of a section's .ui.

    Parameters
    ----------
    member:
        of the section's parameters, `list[str]`: the files in their order.
    emptyText:
        what is to be done while there is none, a sentence.
    """

    def __init__(self, section: Section, prefix: str, member: str, emptyText: str = ""):
        self._section, self._member = section, member
        self._emptyText = emptyText or _("Add at least one phase space to the list.")
        names = ("PathEdit", "AddButton", "List", "RemoveButton")
        self._edit, self._add, self._list, self._remove = (getattr(section.ui, prefix + name) for name in names)
        section.wire(f"{prefix}AddButton", "clicked()", self.onAddButton)
        section.wire(f"{prefix}RemoveButton", "clicked()", self.onRemoveButton)
        section.wire(f"{prefix}PathEdit", "currentPathChanged(QString)", self.onPathTyped)
        section.wire(f"{prefix}List", "currentRowChanged(int)", self.onRowChosen)

    @property
    def paths(self) -> list[str]:
        return list(getattr(self._section.currentParameters(), self._member))

    def problem(self) -> str:
        """Why the files will not do, a sentence; "" when they will."""
        if not self.paths:
            return self._emptyText
        missing = [path for path in self.paths if not Path(path).is_file()]
        return _("{path} is no file: remove it from the list.").format(path=shortText(missing[0])) if missing else ""

    # Handlers

    def onAddButton(self) -> None:
        """Put the path into the list, once."""
        path = self._edit.currentPath.strip()
        if path not in self.paths:
            setattr(self._section.parameters, self._member, [*self.paths, path])
        self._edit.currentPath = ""

    def onRemoveButton(self) -> None:
        """Take the chosen file out of the list."""
        row = self._list.currentRow
        setattr(self._section.parameters, self._member, [p for n, p in enumerate(self.paths) if n != row])

    def onPathTyped(self, path=None) -> None:
        """A path may be added when it is a file."""
        self._showButtons()

    def onRowChosen(self, row: int) -> None:
        """The chosen file may be removed."""
        self._showButtons()

    # What the page shows

    def refresh(self) -> None:
        """Bring the list to what the parameters say."""
        shown = [self._list.item(row).text() for row in range(self._list.count)]
        if shown != self.paths:
            self._list.clear()
            self._list.addItems(self.paths)
        self._showButtons()

    def _showButtons(self) -> None:
        isFile = Path(self._edit.currentPath.strip()).is_file()
        self._add.setEnabled(isFile)
        self._add.toolTip = _("Put this file into the list") if isFile else _("Choose a file first.")
        isChosen = self._list.currentRow >= 0
        self._remove.setEnabled(isChosen)
        self._remove.toolTip = (
            _("Take the chosen file out of the list") if isChosen else _("Choose a file of the list.")
        )
