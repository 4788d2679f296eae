"""Volumes of numbers over an image: read as they are, shown in the slices with one legend, taken out again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import slicer
from Dose3DLib.scene.color_nodes import COLORS_ROLE, legend_of
from slicer.i18n import tr as _

from .scene_inputs import isInScene
from .scene_results import removeWithDisplay

__all__ = ["loadMap", "removeMap", "showLayers"]


def loadMap(path: Path, name: str):
    """A volume node of an image file, by Slicer's own reader: the library's refuses voxels that are not numbers.

    Raises
    ------
    RuntimeError
        it could not be read.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    if not storage.ReadData(node):
        slicer.mrmlScene.RemoveNode(node)
        raise RuntimeError(_("{path} could not be read.").format(path=path))
    return node


def showLayers(shown, maps: Iterable, beneath, opacity: float) -> None:
    """One of the maps in all slice views, over `beneath` where that is in the scene; only that one has its legend."""
    if isInScene(beneath):
        slicer.util.setSliceViewerLayers(background=beneath, foreground=shown, foregroundOpacity=opacity)
    else:
        slicer.util.setSliceViewerLayers(background=shown, foreground=None)
    for volume in filter(isInScene, {*maps, beneath} - {None}):
        legend = legend_of(volume)
        if legend is not None:
            legend.SetVisibility(volume is shown)
            legend.Modified()  # a view that has just got the volume looks for its legend only then


def removeMap(node) -> None:
    """Take a volume and what colours it out of the scene, where it is still there."""
    if not isInScene(node):
        return
    colors = node.GetNodeReference(COLORS_ROLE)
    removeWithDisplay(node)
    if colors is not None:
        slicer.mrmlScene.RemoveNode(colors)
