"""The list behind a node combo box: which nodes of a scene it holds, and in which order."""

from __future__ import annotations

from PySide6.QtCore import QObject, QSortFilterProxyModel, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel

ID_ROLE = Qt.UserRole + 1
ACTION_ROLE = Qt.UserRole + 2


class NodeFilter:
    """Which nodes are listed: types, children of types, attributes, hidden ones."""

    def __init__(self):
        self.types: list[str] = []
        self.children_of_types = True
        self.hidden_types: list[str] = []
        self.hidden = False
        self.attributes: dict[tuple[str, str], str | None] = {}

    def fits_type(self, node) -> bool:
        name = node.GetClassName()
        if name in self.hidden_types:
            return False
        if not self.types or name in self.types:
            return True
        return self.children_of_types and any(node.IsA(kind) for kind in self.types)

    def fits_attributes(self, node) -> bool:
        wanted = [(key, value) for (kind, key), value in self.attributes.items() if node.IsA(kind)]
        return all(_has(node.GetAttribute(key), value) for key, value in wanted)

    def fits_visibility(self, node) -> bool:
        return self.hidden or not node.GetHideFromEditors()


def _has(present: str | None, wanted: str | None) -> bool:
    return present is not None and (wanted is None or present == wanted)


class qMRMLSceneModel(QStandardItemModel):
    """Rows: perhaps one for no node, then the nodes, then actions. A row carries a node's ID or an action's name."""

    def rows_before(self) -> int:
        """1 when there is a row for no node."""
        first = self.item(0)
        return int(first is not None and first.data(ID_ROLE) == "")

    def node_ids(self) -> list[str]:
        ids = [self.item(row).data(ID_ROLE) for row in range(self.rowCount())]
        return [node_id for node_id in ids if node_id]

    def row_of(self, node_id: str) -> int:
        """Row of a node, or -1."""
        for row in range(self.rowCount()):
            if node_id and self.item(row).data(ID_ROLE) == node_id:
                return row
        return -1

    def show_none(self, text: str | None) -> None:
        """The row for no node: its text, or None for no such row."""
        if text is None:
            if self.rows_before():
                self.removeRow(0)
        elif self.rows_before():
            self.item(0).setText(text)
        else:
            self.insertRow(0, _item(text, ""))

    def insert_node(self, position: int, node) -> None:
        self.insertRow(self.rows_before() + position, _item(node.GetName() or "", node.GetID()))

    def show_actions(self, actions: list[tuple[str, str]]) -> None:
        """Replace what stands below the nodes by a separator and (name, text) pairs."""
        first = self.rows_before() + len(self.node_ids())
        self.removeRows(first, self.rowCount() - first)
        if actions:
            self.appendRow(_separator())
        for name, text in actions:
            item = QStandardItem(text)
            item.setData(name, ACTION_ROLE)
            self.appendRow(item)


def _item(text: str, node_id: str) -> QStandardItem:
    item = QStandardItem(text)
    item.setData(node_id, ID_ROLE)
    return item


def _separator() -> QStandardItem:
    item = QStandardItem("")
    item.setData("separator", Qt.AccessibleDescriptionRole)
    item.setFlags(Qt.NoItemFlags)
    return item


class qMRMLNodeFactory(QObject):
    """Makes the nodes that a user asks for."""

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self.base_names: dict[str, str] = {}
        self.attributes: dict[str, str] = {}

    def create(self, scene, class_name: str):
        """A new node of that class in the scene, or None when there is no such class."""
        node = scene.CreateNodeByClass(class_name)
        if node is None:
            return None
        node.UnRegister(None)  # CreateNodeByClass hands over a reference of its own
        base = self.base_names.get(class_name) or scene.GetTagByClassName(class_name) or ""
        node.SetName(scene.GetUniqueNameByString(base))
        for key, value in self.attributes.items():
            node.SetAttribute(key, value)
        return scene.AddNode(node)


class qMRMLSortFilterProxyModel(QSortFilterProxyModel):
    """Between list and combo box; the list is already filtered."""
