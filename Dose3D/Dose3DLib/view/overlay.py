"""A volume laid in colours over another one, and its scale: dose in Gy, as a rule."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Overlay", "looks_like_dose", "unit_of"]

_STOPS = ((0, 0, 140), (0, 80, 255), (0, 210, 230), (60, 220, 80), (245, 235, 40), (255, 130, 0), (215, 0, 0))
"""Blue over green and yellow to red, evenly spaced: the order of colours that treatment planning is used to."""
_COLORS, _TICKS = 256, 5
_GREYS = ("Grey", "InvertedGrey", "")
_FLOOR = 0.1
"""Share of the scale's top below which nothing is laid over the image, at first."""


def looks_like_dose(node: Any) -> bool:
    """Whether a volume says that it is dose, by an attribute or by its unit."""
    words = [name for name in node.GetAttributeNames() or () if node.GetAttribute(name) not in ("0", "")]
    return unit_of(node) in ("Gy", "cGy") or any("dose" in word.lower().split(".", 1)[-1] for word in words)


def unit_of(node: Any) -> str:
    """The unit that a volume states (`Gy`), or an empty string; none is assumed."""
    coded = node.GetVoxelValueUnits()
    stated = coded.GetCodeValue() if coded is not None else ""
    for name in node.GetAttributeNames() or ():
        if "unit" in name.lower():
            stated = stated or node.GetAttribute(name)
    return {"gy": "Gy", "gray": "Gy", "cgy": "cGy"}.get((stated or "").strip().lower(), (stated or "").strip())


class Overlay:
    """Colours of one volume while it lies over another; `undress` gives its own look back.

    A volume that brings colours of its own keeps them and its window; a grey one gets dose colours from 0 to its
    highest value.
    """

    def __init__(self, node: Any):
        self.node, self.unit, self.opacity = node, unit_of(node), 0.5
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        self._display = node.GetDisplayNode()
        self._own = self._display.GetScene().CreateNodeByClass(self._display.GetClassName())
        self._own.UnRegister(None)
        self._own.Copy(self._display)
        low, high = node.GetImageData().GetScalarRange()
        self.highest = float(high) if high > low else float(low) + 1.0
        color = self._display.GetColorNode()
        if color is None or color.GetName() in _GREYS:
            self._display.SetAndObserveColorNodeID(_dose_colors(node.GetScene()).GetID())
            self._low, self._top = min(0.0, float(low)), self.highest
            if self.is_signed:
                self._top = self.highest = max(self.highest, -self._low)
                self._low = -self._top
        else:
            half = self._display.GetWindow() / 2
            self._low, self._top = self._display.GetLevel() - half, self._display.GetLevel() + half
        self._floor = 0.0 if self.is_signed else _FLOOR
        self._apply()

    def undress(self) -> None:
        """Give the volume the look back that it had."""
        self._display.Copy(self._own)

    @property
    def is_signed(self) -> bool:
        """Whether the scale has a negative half, as a difference has: then it stays symmetric and hides nothing."""
        return self._low < 0

    @property
    def top(self) -> float:
        """The value of the scale's last colour, in the volume's unit."""
        return self._top

    @top.setter
    def top(self, value: float) -> None:
        self._top = max(value, 1e-6 if self.is_signed else self._low + 1e-6)
        self._low = -self._top if self.is_signed else self._low
        self._apply()

    @property
    def floor(self) -> float:
        """Share of the scale, 0 to 1, below which nothing is laid over the image."""
        return self._floor

    @floor.setter
    def floor(self, value: float) -> None:
        self._floor = 0.0 if self.is_signed else value
        self._apply()

    def _apply(self) -> None:
        display = self._display
        was = display.StartModify()
        display.SetAutoWindowLevel(0)
        display.SetWindowLevel(self._top - self._low, (self._top + self._low) / 2)
        display.SetAutoThreshold(0)
        display.SetThreshold(self._low + self._floor * (self._top - self._low), max(self.highest, self._top) * 2 + 1)
        display.SetApplyThreshold(1 if self._floor > 0 else 0)
        display.EndModify(was)

    def scale(self) -> dict[str, Any]:
        """The scale for a page: colours from low to high as `#rrggbb`, ticks as texts from low to high, the unit."""
        colors = [self._color(share) for share in np.linspace(0, 1, 33)]
        values = np.linspace(self._low, self._top, _TICKS)
        digits = max(0, min(4, 2 - int(np.floor(np.log10(max(abs(self._top), abs(self._low), 1e-4))))))
        return {"colors": colors, "ticks": [f"{value:.{digits}f}" for value in values], "unit": self.unit}

    def _color(self, share: float) -> str:
        table = self._display.GetColorNode().GetScalarsToColors()
        low, high = table.GetRange()
        rgb = [0.0, 0.0, 0.0]
        table.GetColor(low + share * (high - low), rgb)
        return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def _dose_colors(scene: Any) -> Any:
    """The scene's table of dose colours; made on first use."""
    tag, class_name = "Dose3DOverlay", "vtkMRMLColorTableNode"
    table = scene.GetSingletonNode(tag, class_name)
    if table is not None:
        return table
    table = scene.AddNewNodeByClass(class_name, "Dose3D overlay")
    table.SetSingletonTag(tag)
    table.SetTypeToUser()
    table.SetNumberOfColors(_COLORS)
    places = np.linspace(0, 1, len(_STOPS))
    parts = [np.interp(np.linspace(0, 1, _COLORS), places, part) / 255 for part in np.transpose(_STOPS)]
    for index, (red, green, blue) in enumerate(zip(*parts, strict=True)):
        table.SetColor(index, str(index), red, green, blue, 1.0)
    return table
