"""qMRMLNodeComboBox: nodes of a scene to choose from.

Facts behind it: nodes present when the scene comes are selected (the first one), nodes that come later are not, unless
the list was empty without any row for actions (Qt then selects the first row by itself). A removed current node gives
way to the next one, or to the last one of the list.
"""

from __future__ import annotations

from PySide6.QtCore import Property, QObject, QSortFilterProxyModel, Qt, Signal, Slot, qWarning
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QSizePolicy, QWidget

from .base import Observers, require_vtk
from .combo_box import ctkComboBox
from .node_list import ACTION_ROLE, ID_ROLE, NodeFilter, qMRMLNodeFactory, qMRMLSceneModel, qMRMLSortFilterProxyModel

SCENE_EVENTS = {
    "NodeAddedEvent": "_on_node_added",
    "NodeAboutToBeRemovedEvent": "_on_node_about_to_be_removed",
    "NodeRemovedEvent": "_on_node_removed",
}
REFRESH_EVENTS = ("EndCloseEvent", "EndImportEvent", "EndRestoreEvent", "EndBatchProcessEvent")


def _switch(key: str, default: bool):
    """A bool property on which the rows for actions depend."""

    def write(self, value: bool):
        self.__dict__[key] = value
        self._show_actions()

    return Property(bool, lambda self: self.__dict__.get(key, default), write)


def _filter(kind, name: str):
    """A property of the filter; writing lists the nodes anew."""

    def write(self, value):
        setattr(self._filter, name, list(value) if isinstance(value, (list, tuple)) else value)
        self._refresh()

    return Property(kind, lambda self: getattr(self._filter, name), write)


class qMRMLNodeComboBox(QWidget):
    """A combo box of the nodes of a scene that fit, with rows to create, rename, edit and delete."""

    currentNodeChanged = Signal((object,), (bool,))
    currentNodeIDChanged = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAddedByUserAction = Signal(object)
    nodeAboutToBeRemoved = Signal(object)
    currentNodeRenamed = Signal(str)
    nodeAboutToBeEdited = Signal(object)

    CPP_SIGNATURES = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
        "nodeAddedByUserAction(vtkMRMLNode*)": "nodeAddedByUserAction",
        "nodeAboutToBeRemoved(vtkMRMLNode*)": "nodeAboutToBeRemoved",
        "nodeAboutToBeEdited(vtkMRMLNode*)": "nodeAboutToBeEdited",
        "setMRMLScene(vtkMRMLScene*)": "setMRMLScene",
        "setCurrentNode(vtkMRMLNode*)": "setCurrentNode",
    }

    addEnabled = _switch("_add_enabled", True)
    removeEnabled = _switch("_remove_enabled", True)
    editEnabled = _switch("_edit_enabled", False)
    renameEnabled = _switch("_rename_enabled", False)
    showHidden = _filter(bool, "hidden")
    showChildNodeTypes = _filter(bool, "children_of_types")
    hideChildNodeTypes = _filter("QStringList", "hidden_types")

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._scene, self._requested, self._emitted_id = None, "", ""
        self._none_enabled, self._none_display, self._select_new = False, "None", True
        self._interaction_tag = "Singleton"
        self._filter, self._labels, self._user_actions = NodeFilter(), {}, []
        self._model = qMRMLSceneModel(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._combo = self._make_combo_box()
        layout.addWidget(self._combo)
        self._factory = qMRMLNodeFactory(self)
        self._proxy = qMRMLSortFilterProxyModel(self)
        self._proxy.setSourceModel(self._model)
        self._combo.setModel(self._proxy)
        self._combo.view()  # the real one has its list from the start, which children() shows
        self._observers = Observers(self)
        self.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Fixed)
        self._combo.currentIndexChanged.connect(self._on_index)
        self._combo.activated.connect(self._on_activated)
        self._show_default_text()
        self.setEnabled(False)

    def _make_combo_box(self) -> QComboBox:
        combo = ctkComboBox(self)
        combo.elideMode = Qt.ElideMiddle.value
        return combo

    # --- the scene

    @Slot(object)
    def setMRMLScene(self, scene) -> None:
        if require_vtk(scene, "vtkMRMLScene") is self._scene:
            return
        before, had_nodes = self._current_id(), self.nodeCount() > 0
        self._observers.remove()
        self._scene = scene
        if scene is not None:
            self._observe_scene()
        blocked = self._combo.blockSignals(True)
        self._list_nodes()
        self._show_rows()
        if had_nodes:
            self._select(before)
        else:
            self._select(self._requested or self._first_id())
        self._combo.blockSignals(blocked)
        self._requested = ""
        self._show_default_text()
        self.setEnabled(scene is not None)
        self._emit_if_changed()

    def _first_id(self) -> str:
        ids = self._model.node_ids()
        return ids[0] if ids and not self._none_enabled else ""

    def _observe_scene(self) -> None:
        for event, method in SCENE_EVENTS.items():
            self._observers.add(self._scene, getattr(self._scene, event), getattr(self, method), with_node=True)
        for event in REFRESH_EVENTS:
            self._observers.add(self._scene, getattr(self._scene, event), self._on_scene_ready)

    @Slot(result=object)
    def mrmlScene(self):
        return self._scene

    def _on_scene_ready(self, _scene) -> None:
        if not self._scene.IsBatchProcessing():
            self._refresh()

    def _on_node_added(self, node) -> None:
        if self._scene.IsBatchProcessing() or not self._filter.fits_type(node):
            return
        self._observe_node(node)
        if self._fits(node):
            self._insert(node)

    def _on_node_about_to_be_removed(self, node) -> None:
        if self._model.row_of(node.GetID() or "") >= 0:
            self.nodeAboutToBeRemoved.emit(node)

    def _on_node_removed(self, node) -> None:
        self._observers.remove(node)
        if not self._scene.IsBatchProcessing():
            self._remove(node.GetID() or "")

    def _on_node_modified(self, node) -> None:
        """A new name, or attributes that let a node in or out. One that is hidden after being listed stays."""
        if self._scene is None or not node.GetID():
            return
        row = self._model.row_of(node.GetID())
        if row < 0:
            if self._fits(node) and not self._scene.IsBatchProcessing():
                self._insert(node)
        elif not self._filter.fits_attributes(node):
            self._remove(node.GetID())
        elif self._model.item(row).text() != node.GetName():
            self._model.item(row).setText(node.GetName() or "")

    # --- the list

    def _fits(self, node) -> bool:
        found = self._filter
        return found.fits_type(node) and found.fits_attributes(node) and found.fits_visibility(node)

    def _scene_nodes(self) -> list:
        if self._scene is None:
            return []
        count = self._scene.GetNumberOfNodes()
        nodes = [self._scene.GetNthNode(number) for number in range(count)]
        return [node for node in nodes if self._filter.fits_type(node)]

    def _observe_node(self, node) -> None:
        if node not in self._observers.subjects():
            self._observers.add(node, "ModifiedEvent", self._on_node_modified)

    def _list_nodes(self) -> None:
        """Make the rows of nodes those of the scene that fit."""
        nodes = self._scene_nodes()
        for node in nodes:
            self._observe_node(node)
        wanted = [node for node in nodes if self._fits(node)]
        ids = {node.GetID() for node in wanted}
        for node_id in self._model.node_ids():
            if node_id not in ids:
                self._model.removeRow(self._model.row_of(node_id))
        for position, node in enumerate(wanted):
            if self._model.row_of(node.GetID()) < 0:
                self._model.insert_node(position, node)

    def _refresh(self) -> None:
        """List all anew; the current node stays where it can."""
        before = self._current_id()
        known = set(self._model.node_ids())
        blocked = self._combo.blockSignals(True)
        self._list_nodes()
        self._show_rows()
        listed = self._model.node_ids()
        self._select(before if before in listed or not before else self._first_id())
        self._combo.blockSignals(blocked)
        for node_id in listed:
            if node_id not in known:
                self.nodeAdded.emit(self._scene.GetNodeByID(node_id))
        self._emit_if_changed()

    def _insert(self, node) -> None:
        before = [other.GetID() for other in self._scene_nodes()]
        listed = self._model.node_ids()
        position = sum(other in listed for other in before[: before.index(node.GetID())])
        self._model.insert_node(position, node)
        self.nodeAdded.emit(node)

    def _remove(self, node_id: str) -> None:
        """Drop a row; when it was the current one, the next node is taken, else the last one, else none."""
        row, current = self._model.row_of(node_id), self._current_id()
        if row < 0:
            return
        blocked = self._combo.blockSignals(True)
        self._model.removeRow(row)
        listed = self._model.node_ids()
        if current != node_id:
            self._select(current)
        else:
            following = self._model.item(row).data(ID_ROLE) if row < self._model.rowCount() else ""
            self._select(following or (listed[-1] if listed else ""))
        self._combo.blockSignals(blocked)
        self._emit_if_changed()

    def _show_rows(self) -> None:
        self._model.show_none(self._none_display if self._none_enabled and self._scene is not None else None)
        self._model.show_actions(self._actions())

    def _show_actions(self) -> None:
        current = self._current_id()
        blocked = self._combo.blockSignals(True)
        self._show_rows()
        self._select(current)
        self._combo.blockSignals(blocked)

    def _actions(self) -> list[tuple[str, str]]:
        """Rows below the nodes: (name of what to do, text)."""
        if self._scene is None:
            return []
        types = self._filter.types
        label = self.nodeTypeLabel(types[0] if len(types) == 1 else "")
        actions = [("rename", f"Rename current {label}")] if self.renameEnabled else []
        actions += [("edit", f"Edit current {label}")] if self.editEnabled else []
        for kind in types if self.addEnabled else []:
            actions.append((f"create {kind}", f"Create new {self.nodeTypeLabel(kind)}"))
            if self.renameEnabled:
                actions.append((f"create-as {kind}", f"Create new {self.nodeTypeLabel(kind)} as..."))
        actions += [("delete", f"Delete current {label}")] if self.removeEnabled else []
        return actions + [(f"user {number}", action.text()) for number, action in enumerate(self._user_actions)]

    def _show_default_text(self) -> None:
        if isinstance(self._combo, ctkComboBox):
            types = self._filter.types
            self._combo.defaultText = f"Select a {self.nodeTypeLabel(types[0] if types else '')}"

    # --- the current node

    def _current_id(self) -> str:
        return self._combo.currentData(ID_ROLE) or ""

    def _select(self, node_id: str) -> None:
        row = self._model.row_of(node_id)
        self._combo.setCurrentIndex(row if row >= 0 else self._model.rows_before() - 1)

    def _on_index(self, row: int) -> None:
        if row >= 0 and self._combo.itemData(row, ID_ROLE) is None:
            blocked = self._combo.blockSignals(True)
            self._select(self._emitted_id)  # a row for an action is never the current one
            self._combo.blockSignals(blocked)
        self._emit_if_changed()

    def _emit_if_changed(self) -> None:
        node = self.currentNode()
        node_id = node.GetID() if node is not None else ""
        if node_id == self._emitted_id:
            return
        self._emitted_id = node_id
        self.currentNodeChanged[object].emit(node)
        self.currentNodeChanged[bool].emit(node is not None)
        self.currentNodeIDChanged.emit(node_id)

    @Slot(object)
    def setCurrentNode(self, node) -> None:
        require_vtk(node, "vtkMRMLNode")
        self.setCurrentNodeID((node.GetID() or "") if node is not None else "")

    @Slot(str)
    def setCurrentNodeID(self, nodeID: str) -> None:
        if self._scene is None:
            self._requested = nodeID
        self._select(nodeID)

    @Slot(int)
    def setCurrentNodeIndex(self, index: int) -> None:
        ids = self._model.node_ids()
        self._select(ids[index] if 0 <= index < len(ids) else "")

    @Slot(result=object)
    def currentNode(self):
        return self._node(self._current_id())

    def _node(self, node_id: str):
        return self._scene.GetNodeByID(node_id) if node_id and self._scene is not None else None

    @Slot(result=int)
    def nodeCount(self) -> int:
        return len(self._model.node_ids())

    @Slot(int, result=object)
    def nodeFromIndex(self, index: int):
        ids = self._model.node_ids()
        return self._node(ids[index]) if 0 <= index < len(ids) else None

    # --- actions

    def _on_activated(self, row: int) -> None:
        action = self._combo.itemData(row, ACTION_ROLE)
        if action is None:
            self.nodeActivated.emit(self._node(self._combo.itemData(row, ID_ROLE) or ""))
            return
        name, _, argument = action.partition(" ")
        {
            "create": self._create,
            "create-as": self._create_as,
            "rename": lambda _: self.renameCurrentNode(),
            "edit": lambda _: self.editCurrentNode(),
            "delete": lambda _: self.removeCurrentNode(),
            "user": lambda number: self._user_actions[int(number)].trigger(),
        }[name](argument)

    def _create(self, kind: str, name: str = "") -> None:
        node = self.addNode(kind)
        if node is None:
            return
        if name:
            node.SetName(name)
        self.setCurrentNode(node)
        self.nodeAddedByUserAction.emit(node)

    def _create_as(self, kind: str) -> None:
        name, accepted = QInputDialog.getText(self, f"Create new {self.nodeTypeLabel(kind)}", "New name:")
        if accepted and name:
            self._create(kind, name)

    @Slot(str, result=object)
    @Slot(result=object)
    def addNode(self, nodeType: str = ""):
        nodeType = nodeType or (self._filter.types[0] if self._filter.types else "")
        if self._scene is None or nodeType not in self._filter.types:
            return None
        node = self._factory.create(self._scene, nodeType)
        if node is None:
            qWarning(f"qMRMLNodeComboBox::addNode() failed with node type {nodeType}")
            return None
        if self._select_new:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    @Slot()
    def removeCurrentNode(self) -> None:
        node = self.currentNode()
        if node is not None:
            self._scene.RemoveNode(node)

    @Slot()
    def editCurrentNode(self) -> None:
        node = self.currentNode()
        self.nodeAboutToBeEdited.emit(node)
        tag = self._interaction_tag
        interaction = self._scene.GetSingletonNode(tag, "vtkMRMLInteractionNode") if tag and self._scene else None
        if interaction is not None:
            interaction.EditNode(node)

    @Slot()
    def renameCurrentNode(self) -> None:
        node = self.currentNode()
        if node is None:
            return
        title = f"Rename {self.nodeTypeLabel(node.GetClassName())}"
        name, accepted = QInputDialog.getText(self, title, "New name:", text=node.GetName() or "")
        if accepted and name:
            node.SetName(name)
            self.currentNodeRenamed.emit(name)

    @Slot(QAction)
    def addMenuAction(self, newAction: QAction) -> None:
        self._user_actions.append(newAction)
        self._show_actions()

    # --- filter and labels

    @Slot(str, str, "QVariant")
    @Slot(str, str)
    def addAttribute(self, nodeType: str, attributeName: str, attributeValue=None) -> None:
        value = None if attributeValue is None else str(attributeValue)
        self._filter.attributes[nodeType, attributeName] = value
        self._factory.attributes[attributeName] = value or ""
        self._refresh()

    @Slot(str, str)
    def removeAttribute(self, nodeType: str, attributeName: str) -> None:
        self._filter.attributes.pop((nodeType, attributeName), None)
        self._factory.attributes.pop(attributeName, None)
        self._refresh()

    @Slot(str, str)
    def setNodeTypeLabel(self, label: str, nodeType: str) -> None:
        self._labels[nodeType] = label
        self._show_default_text()
        self._show_actions()

    @Slot(str, result=str)
    def nodeTypeLabel(self, nodeType: str) -> str:
        known = self._labels.get(nodeType)
        if not known and self._scene is not None and nodeType:
            known = self._scene.GetTypeDisplayNameByClassName(nodeType)
        return known or "node"

    @Slot(result=QSortFilterProxyModel)
    def sortFilterProxyModel(self) -> QObject:
        return self._proxy

    def _set_node_types(self, types) -> None:
        self._filter.types = [kind for kind in types if kind]
        self._show_default_text()
        self._refresh()

    def _set_base_name(self, name: str) -> None:
        if not self._filter.types:
            qWarning("qMRMLNodeComboBox::setBaseName failed: no node types have been set yet")
        self._factory.base_names.update({kind: name for kind in self._filter.types})

    def _base_name(self) -> str:
        types = self._filter.types
        return self._factory.base_names.get(types[0], "") if types else ""

    def _set_none_enabled(self, enabled: bool) -> None:
        self._none_enabled = enabled
        self._show_actions()

    def _set_none_display(self, text: str) -> None:
        self._none_display = text
        self._show_actions()

    nodeTypes = Property("QStringList", lambda self: list(self._filter.types), _set_node_types)
    baseName = Property(str, _base_name, _set_base_name)
    noneEnabled = Property(bool, lambda self: self._none_enabled, _set_none_enabled)
    noneDisplay = Property(str, lambda self: self._none_display, _set_none_display)
    currentNodeID = Property(str, lambda self: self._current_id(), setCurrentNodeID, notify=currentNodeIDChanged)
    currentNodeId = Property(str, lambda self: self._current_id(), setCurrentNodeID)
    selectNodeUponCreation = Property(
        bool, lambda self: self._select_new, lambda self, on: setattr(self, "_select_new", on)
    )
    interactionNodeSingletonTag = Property(
        str, lambda self: self._interaction_tag, lambda self, tag: setattr(self, "_interaction_tag", tag)
    )
    sizeAdjustPolicy = Property(
        int,
        lambda self: self._combo.sizeAdjustPolicy().value,
        lambda self, policy: self._combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy(policy)),
    )
