"""qMRMLSegmentsTableView: the segments of a segmentation, to look at, to select, to show and to hide."""

from __future__ import annotations

from PySide6.QtCore import (
    Property,
    QAbstractItemModel,
    QItemSelection,
    QItemSelectionModel,
    QSortFilterProxyModel,
    Signal,
    Slot,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLineEdit, QTableView, QVBoxLayout, QWidget

from .base import Observers, gap, require_vtk
from .mrml_widget import qMRMLWidget
from .segments_model import (
    COLOR,
    LAYER,
    NAME,
    OPACITY,
    STATUS,
    VISIBILITY,
    qMRMLSegmentsModel,
    qMRMLSortFilterSegmentsProxyModel,
)

SEGMENTATION_EVENTS = ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SegmentsOrderModified")


class qMRMLSegmentsTableView(qMRMLWidget):
    """A table of segments; a double click edits names and opacities, the check boxes show and hide."""

    selectionChanged = Signal(QItemSelection, QItemSelection)
    segmentAboutToBeModified = Signal(str)
    CPP_SIGNATURES = {**qMRMLWidget.CPP_SIGNATURES, "setSegmentationNode(vtkMRMLNode*)": "setSegmentationNode"}

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._model = qMRMLSegmentsModel(self)
        self._model.about_to_modify = self.segmentAboutToBeModified.emit
        self._proxy = qMRMLSortFilterSegmentsProxyModel(self)
        self._proxy.setSourceModel(self._model)
        self._filter = QLineEdit(self)
        self._filter.setPlaceholderText("Filter by name...")
        self._filter.textChanged.connect(self.setTextFilter)
        self._table = QTableView(self)
        self._table.setObjectName("SegmentsTable")
        self._table.setModel(self._proxy)
        self._jump, self._terminology = False, {}
        self._lay_out()
        self._observers = Observers(self)
        self._table.selectionModel().selectionChanged.connect(self._on_selection)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._filter)
        layout.addWidget(self._table)
        self._filter.hide()
        self._table.setSelectionBehavior(QAbstractItemView.SelectRows)
        self._table.verticalHeader().hide()
        header = self._table.horizontalHeader()
        for column in (VISIBILITY, COLOR, OPACITY, STATUS, LAYER):
            header.setSectionResizeMode(column, QHeaderView.ResizeToContents)
        header.setSectionResizeMode(NAME, QHeaderView.Stretch)
        self._table.setColumnHidden(STATUS, True)
        self._table.setColumnHidden(LAYER, True)

    # --- the segmentation

    @Slot(object)
    def setSegmentationNode(self, node) -> None:
        if require_vtk(node, "vtkMRMLSegmentationNode") is self._model.node:
            return
        self._observers.remove()
        self._model.node = node
        if node is not None:
            segmentation = node.GetSegmentation()
            for event in SEGMENTATION_EVENTS:
                self._observers.add(segmentation, getattr(segmentation, event), self._on_changed)
            self._observers.add(node, node.DisplayModifiedEvent, self._on_changed)
        self._model.reload()

    def _on_changed(self, _subject) -> None:
        selected = self.selectedSegmentIDs()
        self._model.reload()
        self._proxy.invalidate()
        if selected and self.selectedSegmentIDs() != selected:
            self.setSelectedSegmentIDs([segment_id for segment_id in selected if segment_id in self._model.ids])

    @Slot(result=object)
    def segmentationNode(self):
        return self._model.node

    @Slot(object)
    def setMRMLScene(self, newScene) -> None:
        if newScene is not self._scene:
            self.setSegmentationNode(None)
        super().setMRMLScene(newScene)

    # --- selection

    def _on_selection(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        self.selectionChanged.emit(selected, deselected)
        if self._jump and self.selectedSegmentIDs():
            self.jumpSlices()

    @Slot(result="QStringList")
    def selectedSegmentIDs(self) -> list[str]:
        rows = sorted(index.row() for index in self._table.selectionModel().selectedRows())
        return [self.segmentIDForRow(row) for row in rows]

    @Slot("QStringList")
    def setSelectedSegmentIDs(self, segmentIDs) -> None:
        selection = QItemSelection()
        for segment_id in segmentIDs:
            row = self.rowForSegmentID(segment_id)
            if row >= 0:
                selection.select(self._proxy.index(row, 0), self._proxy.index(row, self._proxy.columnCount() - 1))
        self._table.selectionModel().select(selection, QItemSelectionModel.ClearAndSelect)

    @Slot()
    def clearSelection(self) -> None:
        self._table.clearSelection()

    @Slot(str, result=int)
    def rowForSegmentID(self, segmentID: str) -> int:
        shown = self.displayedSegmentIDs()
        return shown.index(segmentID) if segmentID in shown else -1

    @Slot(int, result=str)
    def segmentIDForRow(self, row: int) -> str:
        index = self._proxy.mapToSource(self._proxy.index(row, 0))
        return self._model.ids[index.row()] if index.isValid() else ""

    @Slot(result="QStringList")
    def displayedSegmentIDs(self) -> list[str]:
        return [self.segmentIDForRow(row) for row in range(self._proxy.rowCount())]

    # --- what is shown

    @Slot("QStringList")
    def setHideSegments(self, segmentIDs) -> None:
        self._proxy.hidden = list(segmentIDs)
        self._proxy.invalidate()

    @Slot(result="QStringList")
    def hideSegments(self) -> list[str]:
        return list(self._proxy.hidden)

    @Slot(int, bool)
    def setStatusShown(self, status: int, shown: bool) -> None:
        (self._proxy.shown_statuses.add if shown else self._proxy.shown_statuses.discard)(status)
        self._proxy.invalidate()

    @Slot(int, result=bool)
    def statusShown(self, status: int) -> bool:
        return status in self._proxy.shown_statuses

    @Slot(str)
    def setTextFilter(self, textFilter: str) -> None:
        self._proxy.text = textFilter
        self._proxy.invalidate()
        if self._filter.text() != textFilter:
            self._filter.setText(textFilter)

    @Slot()
    def showOnlySelectedSegments(self) -> None:
        selected, display = self.selectedSegmentIDs(), self._model.display()
        if not selected or display is None:
            return
        for segment_id in self.displayedSegmentIDs():
            display.SetSegmentVisibility(segment_id, segment_id in selected)

    @Slot()
    def toggleSelectedSegmentsVisibility(self) -> None:
        display = self._model.display()
        for segment_id in self.selectedSegmentIDs() if display is not None else []:
            display.SetSegmentVisibility(segment_id, not self._model.is_visible(segment_id))

    @Slot()
    @Slot(int)
    def setSelectedSegmentsStatus(self, status: int | None = None) -> None:
        if status is None:
            gap("setSelectedSegmentsStatus() without a status, which the desktop takes from the sender")
        for segment_id in self.selectedSegmentIDs():
            self._model.set_status(segment_id, status)

    @Slot()
    def moveSelectedSegmentsUp(self) -> None:
        self._move(self.selectedSegmentIDs(), -1)

    @Slot()
    def moveSelectedSegmentsDown(self) -> None:
        self._move(self.selectedSegmentIDs()[::-1], 1)

    def _move(self, segment_ids: list[str], step: int) -> None:
        segmentation = self._model.node.GetSegmentation()
        for segment_id in segment_ids:
            place = segmentation.GetSegmentIndex(segment_id) + step
            if 0 <= place < segmentation.GetNumberOfSegments():
                segmentation.SetSegmentIndex(segment_id, place)

    @Slot()
    def clearSelectedSegments(self) -> None:
        gap("qMRMLSegmentsTableView.clearSelectedSegments()")

    @Slot()
    def jumpSlices(self) -> None:
        """Centre the slice views of the scene on the first selected segment."""
        selected = self.selectedSegmentIDs()
        centre = self._model.node.GetSegmentCenterRAS(selected[0]) if selected else None
        if centre is None or self._scene is None:
            return
        for number in range(self._scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
            self._scene.GetNthNodeByClass(number, "vtkMRMLSliceNode").JumpSliceByCentering(*centre)

    @Slot(result=QTableView)
    def tableWidget(self) -> QTableView:
        return self._table

    @Slot(result=QSortFilterProxyModel)
    def sortFilterProxyModel(self) -> QSortFilterProxyModel:
        return self._proxy

    @Slot(result=QAbstractItemModel)
    def model(self) -> QAbstractItemModel:
        return self._model

    @Slot(object, result=str)
    def terminologyTooltipForSegment(self, segment) -> str:
        gap("terminologies")

    # --- switches, all of them also slots

    @Slot(int)
    def setSelectionMode(self, mode: int) -> None:
        self._table.setSelectionMode(QAbstractItemView.SelectionMode(mode))

    @Slot(bool)
    def setHeaderVisible(self, visible: bool) -> None:
        self._table.horizontalHeader().setVisible(visible)

    @Slot(bool)
    def setVisibilityColumnVisible(self, visible: bool) -> None:
        self._table.setColumnHidden(VISIBILITY, not visible)

    @Slot(bool)
    def setColorColumnVisible(self, visible: bool) -> None:
        self._table.setColumnHidden(COLOR, not visible)

    @Slot(bool)
    def setOpacityColumnVisible(self, visible: bool) -> None:
        self._table.setColumnHidden(OPACITY, not visible)

    @Slot(bool)
    def setStatusColumnVisible(self, visible: bool) -> None:
        self._table.setColumnHidden(STATUS, not visible)

    @Slot(bool)
    def setLayerColumnVisible(self, visible: bool) -> None:
        self._table.setColumnHidden(LAYER, not visible)

    @Slot(bool)
    def setReadOnly(self, aReadOnly: bool) -> None:
        self._model.read_only = aReadOnly

    @Slot(bool)
    def setFilterBarVisible(self, visible: bool) -> None:
        self._filter.setVisible(visible)

    @Slot(bool)
    def setJumpToSelectedSegmentEnabled(self, enable: bool) -> None:
        self._jump = enable

    def _shown(column: int):
        return lambda self: not self._table.isColumnHidden(column)

    selectionMode = Property(int, lambda self: self._table.selectionMode().value, setSelectionMode)
    headerVisible = Property(bool, lambda self: not self._table.horizontalHeader().isHidden(), setHeaderVisible)
    visibilityColumnVisible = Property(bool, _shown(VISIBILITY), setVisibilityColumnVisible)
    colorColumnVisible = Property(bool, _shown(COLOR), setColorColumnVisible)
    opacityColumnVisible = Property(bool, _shown(OPACITY), setOpacityColumnVisible)
    statusColumnVisible = Property(bool, _shown(STATUS), setStatusColumnVisible)
    layerColumnVisible = Property(bool, _shown(LAYER), setLayerColumnVisible)
    readOnly = Property(bool, lambda self: self._model.read_only, setReadOnly)
    filterBarVisible = Property(bool, lambda self: not self._filter.isHidden(), setFilterBarVisible)
    textFilter = Property(str, lambda self: self._proxy.text, setTextFilter)
    jumpToSelectedSegmentEnabled = Property(bool, lambda self: self._jump, setJumpToSelectedSegmentEnabled)
    segmentCount = Property(int, lambda self: len(self._model.ids))
