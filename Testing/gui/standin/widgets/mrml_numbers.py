"""qMRMLSliderWidget, qMRMLSpinBox, qMRMLRangeWidget and qMRMLCoordinatesWidget: numbers that follow a scene's units."""

from __future__ import annotations

import enum

from PySide6.QtCore import Property, QFlag, Qt, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QWidget

from .base import Observers, gap, require_vtk, stored
from .coordinates import ctkCoordinatesWidget
from .range_widget import ctkRangeWidget
from .slider import ctkSliderWidget
from .spin_box import ctkDoubleSpinBox

UNIT_KEYS = {"None": 0, "Prefix": 1, "Suffix": 2, "Precision": 4, "MinimumValue": 8, "MaximumValue": 16, "Scaling": 32}
UNIT_KEYS_AND_ALL = {**UNIT_KEYS, "All": 63}
DEFAULT_UNIT_PROPERTIES = 39
"""Prefix, suffix, precision and scaling."""
SPIN_BOX_UNIT_PROPERTIES = 31
"""All but scaling."""

SCENE_SIGNATURE = {"setMRMLScene(vtkMRMLScene*)": "setMRMLScene"}


class Units:
    """Applies the unit of a quantity, which the scene's selection node names, to a widget."""

    def __init__(self, widget):
        self.widget, self.scene, self.quantity = widget, None, ""
        self.properties = DEFAULT_UNIT_PROPERTIES
        self._observers = Observers(widget)

    def set_scene(self, scene) -> bool:
        """Whether it is another one."""
        if require_vtk(scene, "vtkMRMLScene") is self.scene:
            return False
        self.scene = scene
        self.update()
        return True

    def set_quantity(self, quantity: str) -> bool:
        if quantity == self.quantity:
            return False
        self.quantity = quantity
        self.update()
        return True

    def set_properties(self, properties: int) -> None:
        self.properties = properties
        self.update()

    def update(self, *_) -> None:
        """Prefix, suffix and decimals of the unit; without a quantity or a unit nothing is touched."""
        self._observers.remove()
        unit = self._unit()
        if unit is None:
            return
        self._observers.add(unit, "ModifiedEvent", self.update)
        if self.properties & UNIT_KEYS["Scaling"] and unit.GetDisplayCoefficient() != 1.0:
            gap("units that scale the value")
        if self.properties & UNIT_KEYS["MinimumValue"]:
            self.widget.minimum = unit.GetMinimumValue()
        if self.properties & UNIT_KEYS["MaximumValue"]:
            self.widget.maximum = unit.GetMaximumValue()
        if self.properties & UNIT_KEYS["Prefix"]:
            self.widget.prefix = unit.GetPrefix() or ""
        if self.properties & UNIT_KEYS["Suffix"]:
            self.widget.suffix = unit.GetSuffix() or ""
        if self.properties & UNIT_KEYS["Precision"]:
            self.widget.setDecimals(unit.GetPrecision())

    def _unit(self):
        if self.scene is None or not self.quantity:
            return None
        selection = self.scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
        return selection.GetUnitNode(self.quantity) if selection is not None else None


class qMRMLSliderWidget(ctkSliderWidget):
    """A slider widget with units."""

    CPP_SIGNATURES = SCENE_SIGNATURE
    UnitAwareProperty = QFlag(enum.IntFlag("UnitAwareProperty", UNIT_KEYS_AND_ALL))
    UnitAwareProperties = QFlag(enum.IntFlag("UnitAwareProperties", UNIT_KEYS_AND_ALL))

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._units = Units(self)

    @Slot(object)
    def setMRMLScene(self, scene) -> None:
        self._units.set_scene(scene)

    @Slot(result=object)
    def mrmlScene(self):
        return self._units.scene

    @Slot(str)
    def setQuantity(self, baseName: str) -> None:
        self._units.set_quantity(baseName)

    @Slot(int)
    def setUnitAwareProperties(self, flags: int) -> None:
        self._units.set_properties(flags)

    @Slot(int)
    def setOrientation(self, orientation: int) -> None:
        if orientation != Qt.Horizontal.value:
            gap("a vertical qMRMLSliderWidget")

    quantity = Property(str, lambda self: self._units.quantity, setQuantity)
    unitAwareProperties = Property(int, lambda self: self._units.properties, setUnitAwareProperties)
    orientation = Property(int, lambda self: Qt.Horizontal.value, setOrientation)


class qMRMLSpinBox(ctkDoubleSpinBox):
    """A spin box with units, which also limit its value."""

    CPP_SIGNATURES = SCENE_SIGNATURE
    UnitAwareProperty = QFlag(enum.IntFlag("UnitAwareProperty", UNIT_KEYS))
    UnitAwareProperties = QFlag(enum.IntFlag("UnitAwareProperties", UNIT_KEYS))

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._units = Units(self)
        self._units.properties = SPIN_BOX_UNIT_PROPERTIES

    @Slot(object)
    def setMRMLScene(self, scene) -> None:
        self._units.set_scene(scene)

    @Slot(result=object)
    def mrmlScene(self):
        return self._units.scene

    @Slot(str)
    def setQuantity(self, baseName: str) -> None:
        self._units.set_quantity(baseName)

    @Slot(int)
    def setUnitAwareProperties(self, flags: int) -> None:
        self._units.set_properties(flags)

    quantity = Property(str, lambda self: self._units.quantity, setQuantity)
    unitAwareProperties = Property(int, lambda self: self._units.properties, setUnitAwareProperties)


class qMRMLRangeWidget(ctkRangeWidget):
    """A range widget with units; its scene is a property."""

    CPP_SIGNATURES = SCENE_SIGNATURE

    minimumHandlePalette = stored(QPalette, "_minimum_handle_palette", QPalette())
    maximumHandlePalette = stored(QPalette, "_maximum_handle_palette", QPalette())

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._units = Units(self)

    @Slot(QPalette)
    def setMinimumHandlePalette(self, palette: QPalette) -> None:
        self.minimumHandlePalette = palette

    @Slot(QPalette)
    def setMaximumHandlePalette(self, palette: QPalette) -> None:
        self.maximumHandlePalette = palette

    @Slot(object)
    def setMRMLScene(self, scene) -> None:
        self._units.set_scene(scene)

    @Slot(str)
    def setQuantity(self, baseName: str) -> None:
        self._units.set_quantity(baseName)

    mrmlScene = Property(object, lambda self: self._units.scene, setMRMLScene)
    quantity = Property(str, lambda self: self._units.quantity, setQuantity)


class qMRMLCoordinatesWidget(ctkCoordinatesWidget):
    """Coordinates with units."""

    mrmlSceneChanged = Signal(object)
    quantityChanged = Signal(str)
    CPP_SIGNATURES = {
        **ctkCoordinatesWidget.CPP_SIGNATURES,
        **SCENE_SIGNATURE,
        "mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged",
    }
    UnitAwareProperty = QFlag(enum.IntFlag("UnitAwareProperty", UNIT_KEYS_AND_ALL))
    UnitAwareProperties = QFlag(enum.IntFlag("UnitAwareProperties", UNIT_KEYS_AND_ALL))

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._units, self._told_properties = Units(self), False

    prefix, suffix = "", ""  # coordinates show none; taken from the unit and dropped

    @Slot(object)
    def setMRMLScene(self, scene) -> None:
        if self._units.set_scene(scene):
            self.mrmlSceneChanged.emit(scene)

    @Slot(result=object)
    def mrmlScene(self):
        return self._units.scene

    @Slot(str)
    def setQuantity(self, baseName: str) -> None:
        if self._units.set_quantity(baseName):
            self.quantityChanged.emit(baseName)

    @Slot(int)
    def setUnitAwareProperties(self, flags: int) -> None:
        self._told_properties = True
        self._units.set_properties(flags)

    def _unit_properties(self) -> int:
        return self._units.properties if self._told_properties else gap("unitAwareProperties before they are set")

    quantity = Property(str, lambda self: self._units.quantity, setQuantity, notify=quantityChanged)
    unitAwareProperties = Property(int, _unit_properties, setUnitAwareProperties)
