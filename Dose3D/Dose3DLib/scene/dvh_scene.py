"""`write_dvh_scene`: CT, dose, structures and their DVHs as a Slicer scene file, chart and table included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry.grid import LPS_TO_RAS, Volume
from ..geometry.structure import StructureSet
from .color_nodes import COLORS_ROLE
from .dose_nodes import DoseLook, add_dose
from .mrb import add_views, new_scene, save_scene, store_as
from .nodes import ScenePatient, add_patient, add_segmentation, add_volume
from .plot_nodes import Curve, add_chart, curves_of

__all__ = ["DvhScene", "add_dvh", "write_dvh_scene"]

_DOSE_OVER_CT = 0.45


@dataclass(frozen=True, eq=False)
class DvhScene:
    """What the scene holds.

    Parameters
    ----------
    curves:
        name, RGB 0..255, and percent of the volume at each of `doses`.
    doses:
        (n,) Gy.
    ct:
        the image beneath, on any grid.
    """

    dose: Volume
    look: DoseLook
    structures: StructureSet
    name: str
    curves: Sequence[tuple[str, tuple[int, int, int], np.ndarray]]
    doses: np.ndarray
    patient: ScenePatient
    ct: Volume | None = None


def add_dvh(
    scene: Any, name: str, doses: np.ndarray, curves: Sequence[tuple[str, tuple[int, int, int], np.ndarray]]
) -> Any:
    """Add a chart of cumulative DVHs in the structures' colours; it becomes the active chart of the plot views."""
    chart = add_chart(scene, name, ("Dose (Gy)", "Volume (%)"), doses, [Curve(title, y) for title, _, y in curves])
    for series, (_, color, _) in zip(curves_of(chart), curves, strict=True):
        series.SetColor(*(part / 255 for part in color))
    chart.SetLegendVisibility(True)
    selection = scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    if selection is not None:
        selection.SetActivePlotChartID(chart.GetID())
    return chart


def write_dvh_scene(path: Path, content: DvhScene) -> None:
    """Write a .mrb; errors as in `mrb.write_scene`."""
    application = new_scene()
    scene = application.GetMRMLScene()
    image = None if content.ct is None else add_volume(scene, content.ct, content.patient.series_description or "CT")
    dose = add_dose(scene, content.dose, content.name, content.look)
    segmentation = add_segmentation(scene, content.structures, "Structures", None)
    add_patient(scene, content.patient, [node for node in (image, dose, segmentation) if node is not None])
    _add_views(scene, content)
    _show(scene, image, dose)
    chart = add_dvh(scene, f"DVH {content.name}", content.doses, content.curves)
    if image is not None:
        store_as(image, "CT.nrrd")
    store_as(dose, "Dose.nrrd")
    store_as(dose.GetNodeReference(COLORS_ROLE), "DoseColors.ctbl")
    store_as(segmentation, "Structures.seg.nrrd")
    if curves_of(chart):
        store_as(curves_of(chart)[0].GetTableNode(), "DVH.tsv")
    save_scene(scene, Path(path))


def _add_views(scene: Any, content: DvhScene) -> None:
    dose = content.dose.grid.corners_mm() @ LPS_TO_RAS[:3, :3]
    low, high = dose.min(axis=0), dose.max(axis=0)
    add_views(scene, (low, high), (low, high))


def _show(scene: Any, image: Any, dose: Any) -> None:
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        composite = scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        composite.SetBackgroundVolumeID((image or dose).GetID())
        if image is not None:
            composite.SetForegroundVolumeID(dose.GetID())
            composite.SetForegroundOpacity(_DOSE_OVER_CT)
    selection = scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    if selection is not None:
        selection.SetActiveVolumeID((image or dose).GetID())
