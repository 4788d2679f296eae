"""`write_dose_scene`: CT, dose, isodoses and a difference as a Slicer scene file that shows them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry.grid import LPS_TO_RAS, Volume
from .color_nodes import COLORS_ROLE
from .dose_nodes import DoseLook, Isodose, add_difference, add_dose, add_isodoses
from .mrb import add_views, new_scene, save_scene, store_as
from .nodes import ScenePatient, add_patient, add_volume

__all__ = ["DoseScene", "write_dose_scene"]

_DOSE_OVER_CT = 0.45
"""Opacity of the dose over a CT: both must be seen."""


@dataclass(frozen=True, eq=False)
class DoseScene:
    """What the scene holds.

    Parameters
    ----------
    dose, look, isodoses:
        the dose, its colours, its surfaces.
    ct:
        the image beneath, on any grid; None shows the dose alone.
    difference, difference_look:
        on the dose's grid, NaN where there is none; it is there but not shown.
    center_mm:
        LPS place that the slice views cut through.
    """

    dose: Volume
    look: DoseLook
    isodoses: Sequence[Isodose]
    name: str
    center_mm: tuple[float, float, float]
    patient: ScenePatient
    ct: Volume | None = None
    difference: Volume | None = None
    difference_look: DoseLook | None = None


def write_dose_scene(path: Path, content: DoseScene) -> None:
    """Write a .mrb; errors as in `mrb.write_scene`."""
    path = Path(path)
    application = new_scene()
    scene = application.GetMRMLScene()
    image = None if content.ct is None else add_volume(scene, content.ct, content.patient.series_description or "CT")
    dose = add_dose(scene, content.dose, content.name, content.look)
    surfaces = add_isodoses(scene, content.dose.array, content.isodoses, dose)
    nodes = [node for node in (image, dose, *surfaces) if node is not None]
    if content.difference is not None:
        difference = add_difference(scene, content.difference, f"{content.name} difference", content.difference_look)
        difference.GetNthDisplayNode(1).SetVisibility(False)
        _store(difference, "Difference")
        nodes.append(difference)
    add_patient(scene, content.patient, nodes)
    _add_views(scene, content)
    _show(scene, image, dose)
    if image is not None:
        store_as(image, "CT.nrrd")
    _store(dose, "Dose")
    for number, node in enumerate(surfaces, 1):
        store_as(node, f"Isodose{number}.vtp")
    save_scene(scene, path)


def _store(node: Any, stem: str) -> None:
    """Voxels and colours; the plain text form of colours is what all versions of Slicer 5 read."""
    store_as(node, f"{stem}.nrrd")
    store_as(node.GetNodeReference(COLORS_ROLE), f"{stem}Colors.ctbl")


def _add_views(scene: Any, content: DoseScene) -> None:
    """Slice views that hold CT and dose and cut through the given place."""
    corners = content.dose.grid.corners_mm()
    if content.ct is not None:
        corners = np.concatenate([corners, content.ct.grid.corners_mm()])
    corners = corners @ LPS_TO_RAS[:3, :3]
    whole = corners.min(axis=0), corners.max(axis=0)
    center = np.array(content.center_mm) @ LPS_TO_RAS[:3, :3]
    dose = content.dose.grid.corners_mm() @ LPS_TO_RAS[:3, :3]
    half = (dose.max(axis=0) - dose.min(axis=0)) / 2
    add_views(scene, whole, (center - half, center + half))


def _show(scene: Any, image: Any, dose: Any) -> None:
    """The dose in colours over the CT, or alone."""
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        composite = scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        composite.SetBackgroundVolumeID((image or dose).GetID())
        if image is not None:
            composite.SetForegroundVolumeID(dose.GetID())
            composite.SetForegroundOpacity(_DOSE_OVER_CT)
    selection = scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    if selection is not None:
        selection.SetActiveVolumeID((image or dose).GetID())
