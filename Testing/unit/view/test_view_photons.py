"""Photons of a phase space in the browser's views."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")
from Dose3DLib.scene.phase_space_scene import write_phase_space_scene
from Dose3DLib.view.viewer import THREE_D


@pytest.fixture
def beam(tmp_path, open_viewer):
    """Photons from the origin onto a square in the plane z = 50 cm; those with x > 0 have ten times the energy."""
    x, y = (axis.ravel() for axis in np.meshgrid(*2 * [np.linspace(-5, 5, 21)]))
    length = np.sqrt(x**2 + y**2 + 50**2)
    columns = {"x_cm": x, "y_cm": y, "z_cm": np.full(x.shape, 50.0), "u": x / length, "v": y / length,
               "w": 50 / length, "energy_mev": np.where(x > 0, 6.0, 0.6), "weight": np.ones(x.shape)}  # fmt: skip
    spectrum = {"edges_mev": [0.0, 3.0, 6.0], "weights": [1.0, 1.0]}
    write_phase_space_scene(tmp_path / "a.mrb", columns, "beam", {"rows": {}, "spectrum": spectrum})
    return open_viewer(tmp_path / "a.mrb")


def coloured(pixels: np.ndarray) -> np.ndarray:
    """Pixels that are yellow, the colour of the highest energies, and those that are dark blue, of the lowest."""
    red, green, blue = (pixels[..., channel].astype(int) for channel in range(3))
    return np.array([(red - blue > 60) & (green - blue > 60), (blue - green > 15) & (blue - red > 15)])


def test_points_and_lines_are_there_and_can_be_switched(beam, grab):
    assert [(s.name, s.is_shown) for s in beam.surfaces()] == [("beam photons", True), ("beam photons lines", True)]
    view = beam.views[THREE_D]
    both = grab(view)
    yellow, blue = coloured(both)
    assert yellow.sum() > 50
    assert blue.sum() > 50
    points, lines = beam.surfaces()
    beam.show(lines.key, False)
    without_lines = grab(view)
    assert (np.abs(both.astype(int) - without_lines).max(axis=-1) > 20).sum() > 100
    beam.show(points.key, False)
    assert not coloured(grab(view))[0].any()
