"""`write_phase_space_scene`: photons of a phase space as a Slicer scene file that shows them at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .color_nodes import COLORS_ROLE, legend_of
from .mrb import add_views, new_scene, save_scene, store_as
from .phase_space_nodes import FIGURES, add_lines, add_photons, add_spectrum, lines_of
from .plot_nodes import curves_of

__all__ = ["write_phase_space_scene"]

_LINE_CM, _MOST_LINES = 20.0, 1000


def write_phase_space_scene(
    path: Path, columns: Mapping[str, np.ndarray], name: str, figures: Mapping[str, Any]
) -> None:
    """Write a .mrb with points, up to a thousand lines along the flight, and the spectrum; errors as in `mrb`.

    Parameters
    ----------
    columns:
        as of `add_photons`.
    figures:
        as of FIGURES, with `spectrum`.
    """
    path = Path(path)
    application = new_scene()
    scene = application.GetMRMLScene()
    photons = add_photons(scene, dict(columns), f"{name} photons")
    photons.SetAttribute(FIGURES, json.dumps(figures))
    lines = add_lines(scene, photons, _LINE_CM, _MOST_LINES)
    legend_of(lines).SetVisibility(False)  # that of the points says the same
    spectrum = figures["spectrum"]
    chart = add_spectrum(scene, spectrum["edges_mev"], spectrum["weights"], f"{name} spectrum")
    box = _box(lines)
    add_views(scene, box, box)
    store_as(photons, "Photons.vtp")
    store_as(lines_of(photons), "Lines.vtp")
    store_as(photons.GetNodeReference(COLORS_ROLE), "PhotonsColors.ctbl")
    store_as(curves_of(chart)[0].GetTableNode(), "Spectrum.tsv")
    save_scene(scene, path)


def _box(node: Any) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest RAS millimetres of a model; of an empty one a cube of 10 cm around the origin."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    low, high = np.reshape(bounds, (3, 2)).T
    return (low, high) if (low <= high).all() else (np.full(3, -50.0), np.full(3, 50.0))
