"""LPS affines to Slicer's IJK-to-RAS, with the shear split off."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.scene.frame import orthogonal_frame
from scene_cases import make_grid


@pytest.mark.parametrize("kind", ["axial", "oblique"])
def test_an_orthogonal_grid_keeps_its_own_matrix(kind):
    grid = make_grid(kind)
    ijk_to_ras, transform = orthogonal_frame(grid)
    assert transform is None
    lps = grid.to_lps(np.array([3.0, 4.0, 5.0]))
    assert ijk_to_ras @ [3, 4, 5, 1] == pytest.approx([-lps[0], -lps[1], lps[2], 1])


def test_a_sheared_grid_is_orthogonal_under_a_transform_that_gives_it_back():
    grid = make_grid("sheared")
    ijk_to_ras, transform = orthogonal_frame(grid)
    steps = ijk_to_ras[:3, :3]
    assert steps.T @ steps == pytest.approx(np.diag(np.diag(steps.T @ steps)))
    assert np.linalg.norm(steps[:, 2]) == pytest.approx(grid.slice_distance_mm)
    lps = grid.to_lps(np.array([7.0, 2.0, 9.0]))
    assert transform @ ijk_to_ras @ [7, 2, 9, 1] == pytest.approx([-lps[0], -lps[1], lps[2], 1])
