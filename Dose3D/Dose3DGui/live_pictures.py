"""Pictures that a running task draws: each file in its label, drawn again whenever the task says so."""

from __future__ import annotations

from pathlib import Path

import qt

__all__ = ["LivePictures"]

LEAST_WIDTH, MARGINS = 240, 24
"""Pixels; a page that was not shown yet has no width."""


class LivePictures:
    """Shows the pictures of `picture` events, as wide as their labels; a file that is not complete yet is passed over.

    Parameters
    ----------
    labels:
        stem of the file -> QLabel that shows it (its horizontal size policy is Ignored, else it could not shrink).
    """

    def __init__(self, labels: dict[str, object]):
        self._labels = labels
        self.clear()

    def hear(self, event: dict) -> None:
        """Take a `picture` event; others, and files without a label, are nothing to it."""
        if event["event"] == "picture":
            self.show(Path(event["path"]))

    def show(self, path: Path) -> None:
        """Show a file in its label."""
        label = self._labels.get(path.stem)
        # A QPixmap made from a path may come from Qt's cache, although the file was written anew.
        picture = qt.QImage(str(path)) if label is not None else None
        if picture is None or picture.isNull():
            return
        width = _widthFor(label)
        if picture.width() > width:
            picture = picture.scaledToWidth(width, qt.Qt.SmoothTransformation)
        label.setPixmap(qt.QPixmap.fromImage(picture))
        label.setVisible(True)

    def clear(self) -> None:
        """Show nothing."""
        for label in self._labels.values():
            label.clear()
            label.setVisible(False)


def _widthFor(label) -> int:
    """A hidden label knows only what is around it."""
    around = None if label.isVisible() else label.parent()
    return max(label.width if around is None else around.width - MARGINS, LEAST_WIDTH)
