"""ctkMessageBox: a message box that may be answered once for all."""

from __future__ import annotations

from PySide6.QtCore import Property, QSettings, Slot
from PySide6.QtWidgets import QCheckBox, QMessageBox, QWidget


class ctkMessageBox(QMessageBox):
    """With a settings key that holds a button, exec() returns that button and shows nothing."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._box, self._key = None, ""
        self._wanted = False
        self._roles = [QMessageBox.AcceptRole.value]
        self.finished.connect(self.onFinished)

    def _stored_button(self) -> int:
        """The number of the button under the key, or 0."""
        value = QSettings().value(self._key) if self._key else None
        try:
            return int(value)  # a str after a restart
        except (TypeError, ValueError):
            return 0

    @Slot(bool)
    def setDontShowAgain(self, dontShow: bool) -> None:
        self._wanted = dontShow
        if self._box is not None:
            self._box.setChecked(dontShow)
        if self._key and not dontShow:
            QSettings().remove(self._key)

    @Slot(int)
    def onFinished(self, resultCode: int) -> None:
        """Remember the answer where that was asked for."""
        button = self.clickedButton()
        role = self.buttonRole(button).value if button is not None else None
        if self._key and self._is_wanted() and role in self._roles:
            QSettings().setValue(self._key, resultCode)

    @Slot(int)
    def addDontShowAgainButtonRole(self, role: int) -> None:
        self._roles.append(role)

    def _is_wanted(self) -> bool:
        return self._box.isChecked() if self._box is not None else self._wanted

    def _set_key(self, key: str) -> None:
        self._key = key
        if self._stored_button():
            self._wanted = True
            if self._box is not None:
                self._box.setChecked(True)

    def _set_visible(self, visible: bool) -> None:
        if visible and self._box is None:
            self._box = QCheckBox("Don't show this message again", self)
            self._box.setChecked(self._wanted)
            self.setCheckBox(self._box)
        elif not visible and self._box is not None:
            self._wanted = self._box.isChecked()
            self.setCheckBox(None)
            self._box = None

    def exec(self) -> int:
        stored = self._stored_button()
        if stored and self._is_wanted():
            return stored
        return super().exec()

    dontShowAgain = Property(bool, _is_wanted, setDontShowAgain)
    dontShowAgainVisible = Property(bool, lambda self: self._box is not None, _set_visible)
    dontShowAgainSettingsKey = Property(str, lambda self: self._key, _set_key)
    dontShowAgainButtonRoles = Property(
        "QVariantList", lambda self: list(self._roles), lambda self, roles: setattr(self, "_roles", list(roles))
    )
