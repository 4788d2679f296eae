"""A dose found from cells, in the scene: like any other dose, with a map of how sure it is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import slicer
from Dose3DLib.dose.colors import difference_colors
from Dose3DLib.dose.levels import make_levels
from Dose3DLib.dose.statistics import dose_statistics
from Dose3DLib.scene.dose_nodes import DoseLook, style_difference
from Dose3DLib.scene.nodes import scalar_volume
from slicer.i18n import tr as _

from .dose_display import CT, MADE, DoseDisplay
from .maps import loadMap, removeMap, showLayers
from .scene_inputs import isInScene, setProvenance
from .scene_results import provenanceOf

__all__ = ["ScaleDisplay"]

HALF_WIDTH = "dose3dHalfWidth"
"""Role of the reference from a dose to the map of how sure it is."""
FACTS = "Dose3D.Scaling"
COLORS = 256


class ScaleDisplay(DoseDisplay):
    """Shows results of `dose scale`; the function "Show a dose" knows their doses as well."""

    def showScaled(self, dose, name: str, facts: dict, maps: Path, gridNode):
        """Add a dose (`Volume` in Gy) with isodoses and the map of the report's folder; returns the node.

        `gridNode` (or None) is the volume that the slices show beneath and whose transform the dose follows.
        """
        node = scalar_volume(slicer.mrmlScene, dose, name)
        node.SetAttribute(MADE, "dose scale")
        halfWidth = loadMap(maps / "half_width_95.nrrd", _("{dose}, half width of 95 %").format(dose=name))
        top = float(np.nanmax(slicer.util.arrayFromVolume(halfWidth), initial=0.0)) or 1e-3
        look = DoseLook(difference_colors(2 * COLORS)[COLORS:], 0.0, top, None, "Gy", _("95 % half width"))
        style_difference(slicer.mrmlScene, halfWidth, look)
        for volume in (node, halfWidth):
            setProvenance(volume, **provenanceOf(maps))
            if gridNode is not None:
                volume.SetAndObserveTransformNodeID(gridNode.GetTransformNodeID())
        self.dress(node, _summary(dose), gridNode)
        node.SetNodeReferenceID(HALF_WIDTH, halfWidth.GetID())
        node.SetAttribute(FACTS, json.dumps(facts, default=str))
        return node

    def isScaled(self, node) -> bool:
        """Whether a volume is a dose that was found from cells."""
        return isInScene(node) and bool(node.GetAttribute(FACTS))

    def facts(self, node) -> dict[str, str]:
        """What the job printed; {} of any other node."""
        return json.loads(node.GetAttribute(FACTS)) if self.isScaled(node) else {}

    def setLayers(self, node, opacity: float, showsDifference: bool) -> None:
        """The dose, or how sure it is, over the CT in all slice views."""
        halfWidth = node.GetNodeReference(HALF_WIDTH)
        shown = halfWidth if showsDifference and isInScene(halfWidth) else node
        showLayers(shown, (node, halfWidth), node.GetNodeReference(CT), opacity)

    def remove(self, node) -> None:
        """Take dose, isodoses and map out of the scene."""
        removeMap(node.GetNodeReference(HALF_WIDTH))
        super().remove(node)


def _summary(dose) -> dict:
    """As summary.json of `dose show` has it; levels in percent of the highest dose."""
    top = float(dose.array.max())
    levels, _notes, _colors = make_levels((), False, top, top)
    found = dose_statistics(dose, [level.dose for level in levels])
    rows = zip(levels, found.volumes_cc, found.cut_off, strict=True)
    return {
        "units": "Gy",
        "maximum": found.maximum,
        "maximum_at_lps_mm": list(found.maximum_at_mm),
        "d2cc": found.d2cc,
        "levels": [{**asdict(one), "label": one.label, "volume_cc": cc, "cut_by_grid": cut} for one, cc, cut in rows],
    }
