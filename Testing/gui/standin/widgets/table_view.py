"""qMRMLTableView: the table of a table node."""

from __future__ import annotations

from PySide6.QtCore import (
    Property,
    QAbstractItemModel,
    QAbstractTableModel,
    QModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtWidgets import QTableView, QWidget

from .base import Observers, gap, require_vtk, stored


class qMRMLTableModel(QAbstractTableModel):
    """Cells of a vtkTable; the names of the columns are its first row."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.node, self.transposed = None, False

    def table(self):
        return self.node.GetTable() if self.node is not None else None

    def reload(self) -> None:
        self.beginResetModel()
        self.endResetModel()

    def _shape(self) -> tuple[int, int]:
        table = self.table()
        if table is None:
            return 0, 0
        columns = table.GetNumberOfColumns()
        return (table.GetNumberOfRows() + 1 if columns else 0), columns

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 (an invalid index never changes)
        return 0 if parent.isValid() else self._shape()[int(self.transposed)]

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else self._shape()[int(not self.transposed)]

    def _place(self, index: QModelIndex) -> tuple[int, int]:
        """(row of the table or -1 for the names, column)."""
        row, column = (index.column(), index.row()) if self.transposed else (index.row(), index.column())
        return row - 1, column

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole):
        if role not in (Qt.DisplayRole, Qt.EditRole) or self.table() is None:
            return None
        row, column = self._place(index)
        if row < 0:
            return self.table().GetColumnName(column)
        return self.node.GetCellText(row, column)

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        flags = super().flags(index)
        locked = self.node is None or self.node.GetLocked()
        return flags if locked else flags | Qt.ItemIsEditable

    def setData(self, index: QModelIndex, value, role: int = Qt.EditRole) -> bool:
        if role != Qt.EditRole or self.table() is None:
            return False
        row, column = self._place(index)
        if row < 0:
            self.node.RenameColumn(column, str(value))
            return True
        return bool(self.node.SetCellText(row, column, str(value)))


class qMRMLTableView(QTableView):
    """Shows a table node and edits it where it is not locked."""

    mrmlSceneChanged = Signal(object)
    selectionChanged = Signal()
    CPP_SIGNATURES = {
        "mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged",
        "setMRMLScene(vtkMRMLScene*)": "setMRMLScene",
        "setMRMLTableNode(vtkMRMLTableNode*)": "setMRMLTableNode",
        "setMRMLTableNode(vtkMRMLNode*)": "setMRMLTableNode",
        "setMRMLTableViewNode(vtkMRMLTableViewNode*)": "setMRMLTableViewNode",
    }

    firstRowLocked = stored(bool, "_first_row_locked", False)
    firstColumnLocked = stored(bool, "_first_column_locked", False)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._scene, self._view_node = None, None
        self._table_model = qMRMLTableModel(self)
        self._proxy = QSortFilterProxyModel(self)
        self._proxy.setSourceModel(self._table_model)
        self.setModel(self._proxy)
        self.selectionModel().selectionChanged.connect(lambda *_: self.selectionChanged.emit())
        self._observers = Observers(self)

    @Slot(object)
    def setMRMLScene(self, newScene) -> None:
        if require_vtk(newScene, "vtkMRMLScene") is self._scene:
            return
        self._scene = newScene
        if newScene is None:
            self.setMRMLTableNode(None)
        self.mrmlSceneChanged.emit(newScene)

    @Slot(result=object)
    def mrmlScene(self):
        return self._scene

    @Slot(object)
    def setMRMLTableNode(self, tableNode) -> None:
        self._observers.remove()
        self._table_model.node = require_vtk(tableNode, "vtkMRMLTableNode")
        if tableNode is not None:
            self._observers.add(tableNode, "ModifiedEvent", self._on_modified)
        self._table_model.reload()

    def _on_modified(self, _node) -> None:
        self._table_model.reload()

    @Slot(result=object)
    def mrmlTableNode(self):
        return self._table_model.node

    @Slot(object)
    def setMRMLTableViewNode(self, newTableViewNode) -> None:
        self._view_node = require_vtk(newTableViewNode, "vtkMRMLTableViewNode")
        table_id = newTableViewNode.GetTableNodeID() if newTableViewNode is not None else None
        self.setMRMLTableNode(self._scene.GetNodeByID(table_id) if table_id and self._scene is not None else None)

    @Slot(result=object)
    def mrmlTableViewNode(self):
        return self._view_node

    @Slot(result=QAbstractItemModel)
    def tableModel(self) -> QAbstractItemModel:
        return self._table_model

    @Slot(result=QSortFilterProxyModel)
    def sortFilterProxyModel(self) -> QSortFilterProxyModel:
        return self._proxy

    @Slot(bool)
    def setTransposed(self, transposed: bool) -> None:
        self._table_model.transposed = transposed
        self._table_model.reload()

    @Slot(bool)
    def setFirstRowLocked(self, locked: bool) -> None:
        self.firstRowLocked = locked

    @Slot(bool)
    def setFirstColumnLocked(self, locked: bool) -> None:
        self.firstColumnLocked = locked

    transposed = Property(bool, lambda self: self._table_model.transposed, setTransposed)

    @Slot()
    def copySelection(self) -> None:
        gap("qMRMLTableView.copySelection()")

    @Slot()
    def pasteSelection(self) -> None:
        gap("qMRMLTableView.pasteSelection()")

    @Slot()
    def plotSelection(self) -> None:
        gap("qMRMLTableView.plotSelection()")

    @Slot()
    def insertRow(self) -> None:
        gap("qMRMLTableView.insertRow()")

    @Slot()
    def insertColumn(self) -> None:
        gap("qMRMLTableView.insertColumn()")

    @Slot()
    def deleteRow(self) -> None:
        gap("qMRMLTableView.deleteRow()")

    @Slot()
    def deleteColumn(self) -> None:
        gap("qMRMLTableView.deleteColumn()")
