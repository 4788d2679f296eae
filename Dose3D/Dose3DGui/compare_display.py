"""Two compared doses in the scene: maps of gamma and of the difference on the reference's grid, and what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import slicer
from Dose3DLib.dose.colors import difference_colors, gamma_colors
from Dose3DLib.scene.dose_nodes import DoseLook, style_difference
from slicer.i18n import tr as _

from .maps import loadMap, removeMap, showLayers
from .scene_inputs import isInScene, setProvenance
from .scene_results import provenanceOf

__all__ = ["areMaps", "factsOf", "removeMaps", "setMapLayers", "showMaps"]

DIFFERENCE, BENEATH = "dose3dDifference", "dose3dBeneath"
"""Roles of the references from the gamma map to the difference, and to the volume that both lie over."""
FACTS = "Dose3D.Comparison"
COLORS = 256
MOST_PERCENT = 99.5
"""Of the differences lie within the colours; a few voxels at the skin would make the rest pale."""


def showMaps(result, beneath, transformed):
    """Add both maps of a result of `dose compare`; returns the gamma map.

    `beneath` (or None) is the volume that the slices show under them, `transformed` (or None) the reference's node,
    whose transform they follow.
    """
    folder = Path(result.output)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    criteria, units = summary["criteria"], summary["units"]
    highest = criteria["highest"]
    gamma = loadMap(folder / "gamma.nrrd", _("Gamma {label}").format(label=criteria["label"]))
    look = DoseLook(gamma_colors(COLORS, highest), 0.0, highest, 0.0, "1", _("Gamma"))
    style_difference(slicer.mrmlScene, gamma, look)
    difference = loadMap(folder / "difference.nrrd", _("Evaluated minus reference"))
    limit = float(np.nanpercentile(np.abs(slicer.util.arrayFromVolume(difference)), MOST_PERCENT)) or 1e-3
    look = DoseLook(difference_colors(COLORS), -limit, limit, None, units, _("Difference"))
    style_difference(slicer.mrmlScene, difference, look)
    for node in (gamma, difference):
        setProvenance(node, **provenanceOf(folder))
        if transformed is not None:
            node.SetAndObserveTransformNodeID(transformed.GetTransformNodeID())
    gamma.SetNodeReferenceID(DIFFERENCE, difference.GetID())
    gamma.SetNodeReferenceID(BENEATH, beneath.GetID() if beneath is not None else None)
    gamma.SetAttribute(FACTS, json.dumps(result.summary, default=str))
    return gamma


def areMaps(node) -> bool:
    """Whether a volume is a gamma map that Dose3D brought."""
    return isInScene(node) and bool(node.GetAttribute(FACTS))


def factsOf(node) -> dict[str, str]:
    """What the job printed of a comparison; {} of any other node."""
    return json.loads(node.GetAttribute(FACTS)) if areMaps(node) else {}


def setMapLayers(node, showsDifference: bool, opacity: float) -> None:
    """One of the two maps in all slice views, over the volume beneath; only that one has its legend."""
    beneath, difference = node.GetNodeReference(BENEATH), node.GetNodeReference(DIFFERENCE)
    shown = difference if showsDifference and isInScene(difference) else node
    showLayers(shown, (node, difference), beneath, opacity)


def removeMaps(node) -> None:
    """Take both maps out of the scene."""
    for volume in (node.GetNodeReference(DIFFERENCE), node):
        removeMap(volume)
