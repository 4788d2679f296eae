"""qMRMLCheckableNodeComboBox: several nodes of a scene to choose."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QWidget

from .base import require_vtk
from .combo_box import ctkCheckableComboBox
from .node_combo_box import qMRMLNodeComboBox
from .node_list import ID_ROLE


class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """The same with a check box for each node and without rows for actions."""

    checkedNodesChanged = Signal()
    CPP_SIGNATURES = {
        **qMRMLNodeComboBox.CPP_SIGNATURES,
        "check(vtkMRMLNode*)": "check",
        "uncheck(vtkMRMLNode*)": "uncheck",
    }

    def __init__(self, parent: QWidget | None = None):
        self._add_enabled = self._remove_enabled = False
        super().__init__(parent)
        self._combo.setCheckableModel(self._proxy)

    def _make_combo_box(self) -> QComboBox:
        combo = ctkCheckableComboBox(self)
        combo.checkedIndexesChanged.connect(self.checkedNodesChanged)
        return combo

    def _nodes(self, *states: Qt.CheckState) -> list:
        rows = [self._model.row_of(node_id) for node_id in self._model.node_ids()]
        items = [self._model.item(row) for row in rows]
        return [self._node(item.data(ID_ROLE)) for item in items if item.checkState() in states]

    @Slot(object)
    def check(self, node) -> None:
        self.setCheckState(node, Qt.Checked.value)

    @Slot(object)
    def uncheck(self, node) -> None:
        self.setCheckState(node, Qt.Unchecked.value)

    @Slot(result="QVariantList")
    def checkedNodes(self) -> list:
        return self._nodes(Qt.Checked)

    @Slot(result="QVariantList")
    def uncheckedNodes(self) -> list:
        return self._nodes(Qt.Unchecked, Qt.PartiallyChecked)

    @Slot(result=bool)
    def allChecked(self) -> bool:
        return len(self.checkedNodes()) == self.nodeCount()

    @Slot(result=bool)
    def noneChecked(self) -> bool:
        return not self.checkedNodes()

    def _item(self, node):
        row = self._model.row_of((node.GetID() or "") if require_vtk(node, "vtkMRMLNode") is not None else "")
        return self._model.item(row) if row >= 0 else None

    @Slot(object, result=int)
    def checkState(self, node) -> int:
        item = self._item(node)
        return item.checkState().value if item is not None else Qt.Unchecked.value

    @Slot(object, int)
    def setCheckState(self, node, check: int) -> None:
        item = self._item(node)
        if item is not None:
            item.setCheckState(Qt.CheckState(check))

    @Slot(object, bool)
    def setUserCheckable(self, node, userCheckable: bool) -> None:
        item = self._item(node)
        if item is not None:
            item.setCheckable(userCheckable)
