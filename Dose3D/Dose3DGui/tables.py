"""Small tables of texts on a page, to be read and not edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

__all__ = ["ROW_HEIGHT", "FactsTable", "fillTable", "prepareTable"]

ROW_HEIGHT = 22
MOST_ROWS = 12
"""A longer table scrolls."""


def prepareTable(table, titles: list[str]) -> None:
    """Titles, no row numbers, the last column as wide as there is room."""
    table.setColumnCount(len(titles))
    table.setHorizontalHeaderLabels(titles)
    table.verticalHeader().setVisible(False)
    table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
    table.horizontalHeader().setStretchLastSection(True)
    table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    table.setWordWrap(False)
    table.setVisible(False)


def fillTable(table, rows: Sequence[Sequence[str]], colors: Sequence[tuple[int, int, int]] = ()) -> None:
    """Show these rows, all at once where they are few; `colors` are patches before the first text of each row."""
    table.setRowCount(len(rows))
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            if colors and column == 0:
                item.setData(qt.Qt.DecorationRole, qt.QColor(*colors[row]))
            table.setItem(row, column, item)
    table.resizeColumnToContents(0)
    height = (min(MOST_ROWS, len(rows)) + 1) * ROW_HEIGHT + 8
    table.setMinimumHeight(height)
    table.setMaximumHeight(height)
    table.setVisible(bool(rows))


class FactsTable:
    """A table of names and values, filled anew only when these have changed."""

    def __init__(self, table):
        prepareTable(table, [_("What"), _("Value")])
        self._table = table
        self._filled: list[tuple[str, str]] | None = None

    def show(self, facts: Mapping[str, Any]) -> None:
        """Show these; an empty mapping hides the table."""
        rows = [
            (str(name), f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in facts.items()
        ]
        if rows != self._filled:
            self._filled = rows
            fillTable(self._table, rows)
