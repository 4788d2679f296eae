"""Holes as keyholes: the same voxels whether polygons are filled together or each for itself."""

from __future__ import annotations

import numpy as np
from Dose3DLib.geometry.contours import contours_to_mask, mask_to_contours
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.keyholes import join_holes
from Dose3DLib.geometry.mask import Mask
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


def mask_of(array):
    return Mask.from_array(array, Grid.axial(array.shape, (2.5, 0.98, 0.98), (-11.0, 3.0, 40.0)))


def filled_one_by_one(contours, grid):
    """As plastimatch fills: the union of the polygons."""
    whole = np.zeros(grid.shape, bool)
    for k, polygons in contours.items():
        for polygon in polygons:
            whole |= contours_to_mask({k: [polygon]}, grid).to_array()
    return whole


def check(array):
    mask = mask_of(array)
    separate = mask_to_contours(mask)
    joined = join_holes(separate)
    assert contours_to_mask(joined, mask.grid).same_voxels(mask)
    assert np.array_equal(filled_one_by_one(joined, mask.grid), array)
    for k, polygons in joined.items():
        assert len(polygons) <= len(separate[k])
        for polygon in polygons:
            steps = polygon - np.roll(polygon, 1, axis=0)
            assert ((steps != 0).sum(axis=1) == 1).all()
    return joined


@settings(max_examples=150, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 2), st.integers(1, 7), st.integers(1, 9)), fill=st.just(True)))
def test_any_mask(array):
    check(array)


def test_dense_masks_with_many_holes():
    rng = np.random.default_rng(2)
    for density in (0.6, 0.8, 0.95):
        check(rng.random((3, 30, 40)) < density)


def test_ring_needs_four_more_points():
    ring = np.ones((1, 7, 7), bool)
    ring[0, 2:5, 2:5] = False
    (polygon,) = check(ring)[0]
    assert len(polygon) == 4 + 4 + 3


def test_holes_on_one_line_and_an_island():
    array = np.ones((1, 9, 15), bool)
    array[0, 2:7, 2:7] = False
    array[0, 4, 4] = True
    array[0, 2, 9:11] = array[0, 4, 9:11] = array[0, 2:5, 13] = False
    assert len(check(array)[0]) == 2


def test_slices_without_holes_are_left_alone():
    contours = mask_to_contours(mask_of(np.ones((2, 3, 3), bool)))
    assert join_holes(contours)[1][0] is contours[1][0]
    assert join_holes({}) == {}
