"""Colours of numbers in a given scene: a table of a node's own, and a legend beside the views."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["COLORS_ROLE", "add_legend", "color_node", "legend_of"]

COLORS_ROLE = "dose3dColors"
"""Role of the reference from a node to the colour table that was made for it."""

_COLORS = 256


def color_node(scene: Any, node: Any, table: np.ndarray, ends: tuple[float, float], units: str) -> Any:
    """The node's own vtkMRMLColorTableNode of 256 colours, made once and changed afterwards.

    Parameters
    ----------
    table:
        RGB 0..255 of equal steps between `ends`, shape (n, 3); the colours are named by their values in `units`.
    """
    made = node.GetNodeReference(COLORS_ROLE) or scene.AddNewNodeByClass(
        "vtkMRMLColorTableNode", f"{node.GetName()} colors"
    )
    made.SetTypeToUser()
    made.SetHideFromEditors(0)
    made.SetNumberOfColors(_COLORS)
    places = np.rint(np.linspace(0, len(table) - 1, _COLORS)).astype(int)
    values = np.linspace(*ends, _COLORS)
    for index, color in enumerate(table[places] / 255.0):
        made.SetColor(index, f"{values[index]:.3g} {units}", *color, 1.0)
    made.GetLookupTable().SetTableRange(0, _COLORS - 1)
    node.SetNodeReferenceID(COLORS_ROLE, made.GetID())
    return made


def add_legend(scene: Any, node: Any, title: str) -> Any:
    """A colour legend that shows with the node; the one that it has is used again."""
    import slicer

    legend = legend_of(node)
    if legend is None:
        # An instance, since a bare scene does not know the class by name.
        legend = scene.AddNode(slicer.vtkMRMLColorLegendDisplayNode())
        legend.SetAndObservePrimaryDisplayNode(node.GetDisplayNode())
        node.AddAndObserveDisplayNodeID(legend.GetID())
    legend.SetTitleText(title)
    legend.SetLabelFormat("%.3g")
    legend.SetMaxNumberOfColors(_COLORS)
    legend.SetNumberOfLabels(6)
    legend.SetVisibility(True)
    return legend


def legend_of(node: Any) -> Any:
    """The colour legend among a node's display nodes, or None."""
    displays = (node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes()))
    return next((one for one in displays if one is not None and one.IsA("vtkMRMLColorLegendDisplayNode")), None)
