"""Regions of interest: which voxels lie in them, on straight, oblique and sheared grids, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from builders.structure_builder import grids
from Dose3DLib.core.errors import InputError
from Dose3DLib.geometry.box import box_from_numbers
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask

GRIDS = grids()
CT = Grid.axial((10, 20, 30), (3.0, 2.0, 1.0), (-10.0, -20.0, 100.0))


@pytest.mark.parametrize("name", GRIDS)
def test_cut_keeps_the_voxels_whose_centres_lie_inside(name):
    grid = GRIDS[name]
    k, j, i = np.indices(grid.shape)
    points = grid.to_lps(np.stack([i, j, k], axis=-1))
    low, high = np.percentile(points.reshape(-1, 3), 30, axis=0), np.percentile(points.reshape(-1, 3), 65, axis=0)
    box = box_from_numbers([*np.stack([low, high], axis=1).ravel()])
    array = (i + j) % 3 > 0
    found = box.cut(Mask.from_array(array, grid)).to_array()
    assert found.any()
    assert np.array_equal(found, array & (points >= low).all(axis=-1) & (points <= high).all(axis=-1))
    assert box.cut(Mask.empty(grid)).is_empty


def test_box_is_clipped_to_the_voxels_of_the_ct():
    clipped = box_from_numbers((-500, 0, -19, 500, 90, 110)).clipped_to(CT)
    assert clipped.low_mm.tolist() == [-10.5, -19, 98.5]
    assert clipped.high_mm.tolist() == [0, 19, 110]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((1, 2, 3, 4, 5), "has 5 numbers, not six; give x_min x_max y_min y_max z_min z_max in mm (LPS)"),
        ((1, 2, 3, 4, 6, 5), "in z (feet to head), 6 mm is not below 5 mm; give the lower bound first"),
        ((2, 2, 3, 4, 5, 6), "in x (right to left), 2 mm is not below 2 mm"),
        ((1, 2, 300, 400, 100, 110), "holds no voxel of the CT; the CT has x, y, z of -10.5 to 19.5, -21.0 to 19.0,"),
        ((0.2, 0.4, 0, 4, 100, 110), "holds no voxel of the CT"),
    ],
)
def test_bad_boxes_are_refused_in_one_line(numbers, words):
    with pytest.raises(InputError) as raised:
        box_from_numbers(numbers, "--roi").clipped_to(CT, "--roi")
    assert str(raised.value).startswith("--roi: ")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_corner_of_the_box_around_an_oblique_ct_holds_no_voxel():
    grid = GRIDS["oblique"]
    low = grid.corners_mm().min(axis=0)
    numbers = np.stack([low, low + 1], axis=1).ravel()
    with pytest.raises(InputError, match="holds no voxel"):
        box_from_numbers(numbers).clipped_to(grid)
