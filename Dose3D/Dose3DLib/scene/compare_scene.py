"""`write_compare_scene`: two doses, their difference and gamma, isodoses and profiles as a Slicer scene file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry.grid import LPS_TO_RAS, Volume
from ..geometry.structure import StructureSet
from .color_nodes import COLORS_ROLE
from .dose_nodes import DoseLook, Isodose, add_difference, add_dose, add_isodoses
from .mrb import add_views, new_scene, save_scene, store_as
from .nodes import ScenePatient, add_patient, add_segmentation, add_volume
from .plot_nodes import Curve, add_chart, curves_of

__all__ = ["CompareScene", "ProfileCurves", "add_profiles", "write_compare_scene"]

_DOSE_OVER_CT = 0.45


@dataclass(frozen=True, eq=False)
class ProfileCurves:
    """Doses along one axis: title, mm, and a curve a dose."""

    title: str
    at_mm: np.ndarray
    curves: Sequence[Curve]


@dataclass(frozen=True, eq=False)
class CompareScene:
    """What the scene holds.

    Parameters
    ----------
    volumes:
        file stem, name and look of the reference and of the evaluated dose (the first two), then of difference and
        gamma, which are NaN where there is none. Shown is the last one.
    isodoses:
        of the reference.
    center_mm:
        LPS place that the slice views cut through.
    """

    volumes: Sequence[tuple[str, str, Volume, DoseLook]]
    isodoses: Sequence[Isodose]
    profiles: Sequence[ProfileCurves]
    center_mm: tuple[float, float, float]
    patient: ScenePatient
    ct: Volume | None = None
    structures: StructureSet | None = None


def add_profiles(scene: Any, profiles: Sequence[ProfileCurves], units: str = "Gy") -> list[Any]:
    """A chart for each axis; the first one becomes the active chart of the plot views."""
    charts = [add_chart(scene, one.title, ("Position (mm)", f"Dose ({units})"), one.at_mm, one.curves)
              for one in profiles]  # fmt: skip
    selection = scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    if selection is not None and charts:
        selection.SetActivePlotChartID(charts[0].GetID())
    return charts


def write_compare_scene(path: Path, content: CompareScene) -> None:
    """Write a .mrb; errors as in `mrb.write_scene`."""
    application = new_scene()
    scene = application.GetMRMLScene()
    image = None if content.ct is None else add_volume(scene, content.ct, content.patient.series_description or "CT")
    nodes = _add_volumes(scene, content)
    surfaces = add_isodoses(scene, content.volumes[0][2].array, content.isodoses, nodes[0])
    segmentation = None
    if content.structures is not None:
        segmentation = add_segmentation(scene, content.structures, "Structures", None)
        store_as(segmentation, "Structures.seg.nrrd")
    others = [node for node in (image, segmentation) if node is not None]
    add_patient(scene, content.patient, [*others, *nodes, *surfaces])
    _add_views(scene, content)
    _show(scene, image, nodes)
    if image is not None:
        store_as(image, "CT.nrrd")
    for number, node in enumerate(surfaces, 1):
        store_as(node, f"Isodose{number}.vtp")
    for number, chart in enumerate(add_profiles(scene, content.profiles, content.volumes[0][3].units), 1):
        store_as(curves_of(chart)[0].GetTableNode(), f"Profile{number}.tsv")
    save_scene(scene, Path(path))


def _add_volumes(scene: Any, content: CompareScene) -> list[Any]:
    nodes = []
    for number, (stem, name, volume, look) in enumerate(content.volumes):
        node = (add_dose if number < 2 else add_difference)(scene, volume, name, look)
        store_as(node, f"{stem}.nrrd")
        store_as(node.GetNodeReference(COLORS_ROLE), f"{stem}Colors.ctbl")
        nodes.append(node)
    for node in nodes[:-1]:
        node.GetNthDisplayNode(1).SetVisibility(False)  # one legend at a time
    return nodes


def _add_views(scene: Any, content: CompareScene) -> None:
    corners = content.volumes[0][2].grid.corners_mm() @ LPS_TO_RAS[:3, :3]
    half = (corners.max(axis=0) - corners.min(axis=0)) / 2
    center = np.array(content.center_mm) @ LPS_TO_RAS[:3, :3]
    add_views(scene, (corners.min(axis=0), corners.max(axis=0)), (center - half, center + half))


def _show(scene: Any, image: Any, nodes: Sequence[Any]) -> None:
    """Gamma over the CT, or over the reference dose."""
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        composite = scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        composite.SetBackgroundVolumeID((image or nodes[0]).GetID())
        composite.SetForegroundVolumeID(nodes[-1].GetID())
        composite.SetForegroundOpacity(_DOSE_OVER_CT if image is not None else 1.0)
    selection = scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    if selection is not None:
        selection.SetActiveVolumeID((image or nodes[0]).GetID())
