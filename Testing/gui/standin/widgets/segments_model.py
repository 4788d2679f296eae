"""The table behind qMRMLSegmentsTableView: one row a segment."""

from __future__ import annotations

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt
from PySide6.QtGui import QColor
from vtkmodules.vtkCommonCore import mutable

COLUMNS = ("Visibility", "Color", "Opacity", "Name", "Status", "Layer")
VISIBILITY, COLOR, OPACITY, NAME, STATUS, LAYER = range(len(COLUMNS))

STATUS_TEXTS = ("Not started", "In progress", "Completed", "Flagged")
STATUS_TAG = "Segmentation.Status"
STATUS_TAG_VALUES = ("notstarted", "inprogress", "completed", "flagged")


class qMRMLSegmentsModel(QAbstractTableModel):
    """Visibility as a check box, colour as a swatch, then numbers and names; what can be edited is written back."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.node, self.read_only = None, False
        self.ids: list[str] = []
        self.about_to_modify = lambda segment_id: None

    def reload(self) -> None:
        """Read the segments anew; rows that stay keep their selection."""
        ids = list(self.node.GetSegmentation().GetSegmentIDs()) if self.node is not None else []
        if ids == self.ids:
            if ids:
                self.dataChanged.emit(self.index(0, 0), self.index(len(ids) - 1, len(COLUMNS) - 1))
            return
        self.beginResetModel()
        self.ids = ids
        self.endResetModel()

    def segment(self, segment_id: str):
        return self.node.GetSegmentation().GetSegment(segment_id)

    def display(self):
        return self.node.GetDisplayNode() if self.node is not None else None

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 (an invalid index never changes)
        return 0 if parent.isValid() else len(self.ids)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.DisplayRole):
        if orientation == Qt.Horizontal and role == Qt.DisplayRole:
            return COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole):
        segment_id = self.ids[index.row()]
        if self.segment(segment_id) is None:  # removed, and the table not yet told
            return None
        column = index.column()
        if role in (Qt.DisplayRole, Qt.EditRole):
            return self._text(segment_id, column)
        if role == Qt.CheckStateRole and column == VISIBILITY:
            return (Qt.Checked if self.is_visible(segment_id) else Qt.Unchecked).value
        if role == Qt.DecorationRole and column == COLOR:
            return QColor.fromRgbF(*self.segment(segment_id).GetColor())
        return None

    def _text(self, segment_id: str, column: int):
        if column == NAME:
            return self.segment(segment_id).GetName()
        if column == OPACITY:
            display = self.display()
            return f"{display.GetSegmentOpacity3D(segment_id):.2f}" if display is not None else ""
        if column == STATUS:
            return STATUS_TEXTS[self.status(segment_id)]
        if column == LAYER:
            return str(self.node.GetSegmentation().GetLayerIndex(segment_id))
        return None

    def is_visible(self, segment_id: str) -> bool:
        display = self.display()
        return display is not None and bool(display.GetSegmentVisibility(segment_id))

    def status(self, segment_id: str) -> int:
        """0 to 3; a segment without the tag has not been started."""
        value = mutable("")
        self.segment(segment_id).GetTag(STATUS_TAG, value)
        return STATUS_TAG_VALUES.index(str(value)) if str(value) in STATUS_TAG_VALUES else 0

    def set_status(self, segment_id: str, status: int) -> None:
        self.about_to_modify(segment_id)
        self.segment(segment_id).SetTag(STATUS_TAG, STATUS_TAG_VALUES[status])

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        flags = Qt.ItemIsEnabled | Qt.ItemIsSelectable
        if index.column() == VISIBILITY:
            flags |= Qt.ItemIsUserCheckable
        if index.column() in (NAME, OPACITY) and not self.read_only:
            flags |= Qt.ItemIsEditable
        return flags

    def setData(self, index: QModelIndex, value, role: int = Qt.EditRole) -> bool:
        segment_id, column = self.ids[index.row()], index.column()
        if role == Qt.CheckStateRole and column == VISIBILITY and self.display() is not None:
            self.display().SetSegmentVisibility(segment_id, Qt.CheckState(value) == Qt.Checked)
            return True
        if role != Qt.EditRole or self.read_only:
            return False
        if column == NAME and str(value).strip():
            self.about_to_modify(segment_id)
            self.segment(segment_id).SetName(str(value).strip())
            return True
        return column == OPACITY and self._set_opacity(segment_id, value)

    def _set_opacity(self, segment_id: str, value) -> bool:
        try:
            opacity = min(max(float(value), 0.0), 1.0)
        except ValueError:
            return False
        if self.display() is None:
            return False
        self.display().SetSegmentOpacity3D(segment_id, opacity)
        return True


class qMRMLSortFilterSegmentsProxyModel(QSortFilterProxyModel):
    """Leaves out hidden segments, statuses that are not shown, and names without the filter's text."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.text, self.hidden = "", []
        self.shown_statuses = {0, 1, 2, 3}

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        model = self.sourceModel()
        segment_id = model.ids[row]
        segment = model.segment(segment_id)
        if segment is None or segment_id in self.hidden or model.status(segment_id) not in self.shown_statuses:
            return False
        return self.text.lower() in (segment.GetName() or "").lower()
