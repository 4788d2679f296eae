"""Cells of a detector in the scene: coloured boxes, what is known of them, and the file that they came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from Dose3DLib.scene.detector_nodes import add_cells, cell_centers, color_cells, columns_of
from slicer.i18n import tr as _

from .cameras import lookAlong
from .maps import removeMap
from .scene_inputs import isInScene, setProvenance
from .scene_results import provenanceOf
from .tables import FactsTable

if TYPE_CHECKING:
    from Dose3DLib.detector.layout import Layout
    from Dose3DLib.detector.readings import Readings
    from Dose3DLib.geometry.cells import Cells

    from .section import Section

__all__ = ["LAYOUT", "READINGS", "CellsResult", "areCells", "fileProvenance", "lastCellsFile", "showLayout",
           "showReadings"]  # fmt: skip

LAYOUT, READINGS = "layout", "readings"
KIND, FILE, ROWS = "Dose3D.Cells", "Dose3D.CellsFile", "Dose3D.CellsRows"
"""Attributes: which of the two kinds, the file on the disk, JSON of what the job printed."""
FROM_FRONT, HEAD_UP = (-1.5, 3.6, 1.5), (0.0, 0.0, 1.0)
"""RAS: along an axis boxes would hide those behind them."""


class CellsResult:
    """A section's result: what is known, colours, removal.

    Widgets PREFIXTable, PREFIXCellsSelector and PREFIXRemoveButton of the section's .ui; its parameters have
    `PREFIXShown` (vtkMRMLModelNode) and `PREFIXColumn` (str).
    """

    def __init__(self, section: Section, prefix: str):
        self._section, self._prefix = section, prefix
        self._facts = FactsTable(self._widget("Table"))
        section.wire(f"{prefix}CellsSelector", "currentIndexChanged(int)", self.onColumnChosen)
        section.wire(f"{prefix}RemoveButton", "clicked()", self.onRemoveButton)

    # Handlers

    def onColumnChosen(self, index: int) -> None:
        """Colour the cells by another number."""
        if index >= 0 and self._section.parameters and not self._section.page.refreshing:
            setattr(self._section.parameters, f"{self._prefix}Column", self._widget("CellsSelector").itemText(index))

    def onRemoveButton(self) -> None:
        """Take the cells out of the scene; their file stays."""
        removeMap(self.node)
        self._section.page.panel.say(_("Removed from the scene; the file stays."))
        self._section.page.onParametersChanged()

    # What is shown

    @property
    def node(self):
        """The cells that the section shows, or None."""
        found = self._member("Shown")
        return found if areCells(found) else None

    def take(self, node) -> None:
        """Show other cells; those before go where they came from the same file."""
        before = self.node
        if before is not None and before.GetAttribute(FILE) == node.GetAttribute(FILE):
            removeMap(before)
        parameters = self._section.currentParameters()
        setattr(parameters, f"{self._prefix}Shown", node)
        setattr(parameters, f"{self._prefix}Column", columns_of(node)[0])
        _lookAt(node)

    def refresh(self) -> None:
        """Bring table, choice of colours and the cells to what the parameters say."""
        node = self.node
        columns = columns_of(node) if node is not None else []
        self._facts.show(json.loads(node.GetAttribute(ROWS) or "{}") if node is not None else {})
        selector, column = self._widget("CellsSelector"), self._member("Column")
        if [selector.itemText(index) for index in range(selector.count)] != columns:
            selector.clear()
            selector.addItems(columns)
        if column in columns:
            selector.currentIndex = columns.index(column)
            if node.GetDisplayNode().GetActiveScalarName() != column:
                color_cells(slicer.mrmlScene, node, column)
        texts = {
            "CellsSelector": _("What the colours of the cells say, in 3-D and in the slices"),
            "RemoveButton": _("Take the cells out of the scene; their file stays"),
        }
        for name, text in texts.items():
            self._widget(name).setEnabled(node is not None)
            self._widget(name).toolTip = text if node is not None else _("No cells were shown yet.")

    def _member(self, name: str):
        return getattr(self._section.currentParameters(), f"{self._prefix}{name}")

    def _widget(self, name: str):
        return getattr(self._section.ui, f"{self._prefix}{name}")


def showLayout(layout: Layout, path: Path, rows: dict[str, Any], provenance: dict[str, str]):
    """Add a detector's cells, coloured by their layers, or by the first number that is known of each."""
    names = list(dict.fromkeys(layout.layers))
    columns = {_factTitle(name): values for name, values in layout.facts.items() if values.dtype.kind in "fiub"}
    numbers = np.array([names.index(layer) + 1 for layer in layout.layers])
    columns |= {_("layer"): numbers, _("number of the cell"): np.arange(1, len(layout) + 1)}
    return _show(LAYOUT, layout.cells, columns, layout.name or path.stem, path, rows, provenance)


def showReadings(readings: Readings, path: Path, rows: dict[str, Any], provenance: dict[str, str]):
    """Add measured cells, coloured by their doses; those without a value are grey."""
    columns = {_("dose (Gy)"): readings.dose_gy, _("share in the dose's grid"): readings.fraction}
    if np.isfinite(readings.sd_gy).any():
        columns[_("standard deviation (Gy)")] = readings.sd_gy
    return _show(READINGS, readings.cells, columns, path.stem, path, rows, provenance)


def fileProvenance(result) -> dict[str, str]:
    """What a result that is one file says of itself, as a node carries it."""
    return provenanceOf(Path(result.output).parent, result.files["provenance"])


def areCells(node) -> bool:
    """Whether a node of the scene is cells that Dose3D brought."""
    return isInScene(node) and bool(node.GetAttribute(KIND))


def lastCellsFile(kind: str) -> str:
    """The file of the layout or the readings that came last into the scene and is still there; "" without one."""
    models = slicer.util.getNodesByClass("vtkMRMLModelNode")
    paths = [node.GetAttribute(FILE) for node in models if node.GetAttribute(KIND) == kind]
    return next((path for path in reversed(paths) if Path(path).is_file()), "")


def _show(kind: str, cells: Cells, columns: dict, name: str, path: Path, rows: dict, provenance: dict[str, str]):
    node = add_cells(slicer.mrmlScene, cells, columns, name)
    for attribute, value in ((KIND, kind), (FILE, str(path)), (ROWS, json.dumps(rows, default=str))):
        node.SetAttribute(attribute, value)
    setProvenance(node, **provenance)
    return node


def _factTitle(name: str) -> str:
    """What a column of LAYOUT.csv is called for users."""
    known = {"mean_hu": _("mean (HU)"), "density_g_cm3": _("density (g/cm3)")}
    structure = name.partition(":")[2]
    return _("share in {structure}").format(structure=structure) if structure else known.get(name, name)


def _lookAt(node) -> None:
    """The slices through the cell nearest to the middle of all, the 3-D views at all of them from above and aside."""
    centers = cell_centers(node)
    middle = centers[np.linalg.norm(centers - centers.mean(axis=0), axis=1).argmin()]
    for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        view.JumpSliceByCentering(*middle)
    lookAlong(node, FROM_FRONT, HEAD_UP)
