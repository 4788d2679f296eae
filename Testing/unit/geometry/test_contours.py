"""Masks to pixel-edge polygons and back, judged by a slow point-in-polygon decoder that shares no code with them."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.geometry.contours import contours_to_mask, mask_to_contours
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

RING = np.pad(np.ones((7, 7), bool), 2)
RING[4:7, 4:7] = False
ISLAND = RING.copy()
ISLAND[5, 5] = True
TOUCHING = np.zeros((6, 6), bool)
TOUCHING[1:3, 1:3] = TOUCHING[3:5, 3:5] = True
HOLES_TOUCH = np.pad(np.ones((4, 4), bool), 1)
HOLES_TOUCH[2, 2] = HOLES_TOUCH[3, 3] = False
SHAPES = {
    "one voxel": np.pad(np.ones((1, 1), bool), 2),
    "full": np.ones((5, 4), bool),
    "ring": RING,
    "island in hole": ISLAND,
    "touching corners": TOUCHING,
    "touching corners, mirrored": TOUCHING[:, ::-1],
    "holes that touch": HOLES_TOUCH,
    "holes that touch, mirrored": HOLES_TOUCH[:, ::-1],
    "checkerboard": np.indices((7, 8)).sum(axis=0) % 2 == 0,
    "line": np.pad(np.ones((1, 6), bool), 1),
    "diagonal": np.eye(6, dtype=bool),
    "thin ring": np.pad(np.ones((3, 3), bool), 1) & ~np.pad(np.ones((1, 1), bool), 2),
}


def even_odd(polygons, rows, columns):
    """Centre by centre, crossing by crossing (the textbook's loop), on pixel coordinates."""
    inside = np.zeros((rows, columns), bool)
    for polygon in polygons:
        for (x1, y1), (x2, y2) in zip(polygon.tolist(), np.roll(polygon, -1, axis=0).tolist(), strict=True):
            for j in range(rows):
                if (y1 > j) == (y2 > j):
                    continue
                for i in range(columns):
                    if i < x1 + (j - y1) * (x2 - x1) / (y2 - y1):
                        inside[j, i] ^= True
    return inside


def decode_slowly(contours, shape):
    return np.stack([even_odd(contours.get(k, []), *shape[1:]) for k in range(shape[0])])


def signed_area(polygon):
    following = np.roll(polygon, -1, axis=0)
    return float(np.sum(polygon[:, 0] * following[:, 1] - following[:, 0] * polygon[:, 1])) / 2


def mask_of(array):
    return Mask.from_array(array, Grid.axial(array.shape, (2.5, 0.98, 0.98), (-11.0, 3.0, 40.0)))


@pytest.mark.parametrize("name", SHAPES)
def test_shape_survives_both_decoders(name):
    array = np.stack([SHAPES[name], np.zeros_like(SHAPES[name]), SHAPES[name]])
    mask = mask_of(array)
    contours = mask_to_contours(mask)
    assert sorted(contours) == [0, 2]
    assert np.array_equal(decode_slowly(contours, array.shape), array)
    assert np.array_equal(contours_to_mask(contours, mask.grid).to_array(), array)


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 9))))
def test_any_mask_survives_both_decoders(array):
    mask = mask_of(array)
    contours = mask_to_contours(mask)
    assert np.array_equal(decode_slowly(contours, array.shape), array)
    assert contours_to_mask(contours, mask.grid).same_voxels(mask)


@settings(max_examples=60, deadline=None)
@given(arrays(bool, (2, 6, 6)))
def test_polygons_are_sound(array):
    """Areas add up to the pixels, steps alternate between row and column, no point is needless or visited twice."""
    contours = mask_to_contours(mask_of(array))
    for k in range(2):
        polygons = contours.get(k, [])
        assert sum(signed_area(p) for p in polygons) == array[k].sum()
        for polygon in polygons:
            steps = np.roll(polygon, -1, axis=0) - polygon
            along_row = steps[:, 1] == 0
            assert ((steps != 0).sum(axis=1) == 1).all()
            assert (along_row != np.roll(along_row, 1)).all()
            assert min(polygon[:, ::-1].tolist()) in polygon[:2, ::-1].tolist()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.floats(-3, 9), st.floats(-3, 9)), min_size=1, max_size=7).map(np.array),
        min_size=1, max_size=3,
    )
)  # fmt: skip
def test_any_polygons_are_filled_even_odd(polygons):
    """Off the pixel centres: there the last bit of the arithmetic decides."""
    polygons = [np.round(p * 8) / 8 + (np.sqrt(2) / 50, np.pi / 100) for p in polygons]
    grid = Grid.axial((1, 7, 6), (1, 1, 1), (0, 0, 0))
    assert np.array_equal(contours_to_mask({0: polygons}, grid).to_array()[0], even_odd(polygons, 7, 6))


def test_holes_run_the_other_way():
    areas = [signed_area(p) for p in mask_to_contours(mask_of(ISLAND[None]))[0]]
    assert areas == [49.0, -9.0, 1.0]


def test_centre_on_an_edge_belongs_to_one_side_only():
    grid = Grid.axial((1, 8, 8), (1, 1, 1), (0, 0, 0))
    left = np.array([[0, 0], [3, 0], [3, 4], [0, 4.0]])
    right = left + (3, 0)
    a, b = (contours_to_mask({0: [p]}, grid).to_array() for p in (left, right))
    assert a.sum() == b.sum() == 12
    assert not (a & b).any()
    noisy = left + np.random.default_rng(3).normal(0, 1e-10, left.shape)
    assert np.array_equal(contours_to_mask({0: [noisy]}, grid).to_array(), a)


def test_keyhole_channel_leaves_no_trace():
    grid = Grid.axial((1, 12, 12), (1, 1, 1), (0, 0, 0))
    outer, inner = [(1.2, 1.2), (10.2, 1.2), (10.2, 10.2), (1.2, 10.2)], [(4, 4), (4, 7.3), (7.3, 7.3), (7.3, 4)]
    keyhole = np.array([*outer, outer[0], *inner, inner[0], outer[0]])
    two = [np.array(outer), np.array(inner)]
    assert contours_to_mask({0: [keyhole]}, grid).same_voxels(contours_to_mask({0: two}, grid))


def test_contour_larger_than_the_image_is_cut_off():
    grid = Grid.axial((1, 4, 5), (1, 1, 1), (0, 0, 0))
    huge = np.array([[-1e300, -1e300], [1e300, -1e300], [1e300, 1e300], [-1e300, 1e300]])
    assert contours_to_mask({0: [huge]}, grid).to_array().all()
    assert contours_to_mask({0: [huge / 1e299 + 100]}, grid).is_empty


TRIANGLE = np.zeros((3, 2))


@pytest.mark.parametrize("contours", [{2: [TRIANGLE]}, {-1: [TRIANGLE]}, {0: [TRIANGLE + np.nan]}])
def test_impossible_contours_are_refused(contours):
    with pytest.raises(ValueError, match=r"contours"):
        contours_to_mask(contours, Grid.axial((2, 4, 5), (1, 1, 1), (0, 0, 0)))


def test_nothing_becomes_nothing():
    grid = Grid.axial((2, 4, 5), (1, 1, 1), (0, 0, 0))
    assert mask_to_contours(Mask.empty(grid)) == {}
    assert contours_to_mask({}, grid).is_empty
    assert contours_to_mask({1: [np.zeros((0, 2)), np.array([[1.0, 1.0]])]}, grid).is_empty


def test_many_slices_are_traced_in_pieces(monkeypatch):
    rng = np.random.default_rng(5)
    mask = mask_of(rng.random((9, 20, 20)) < 0.5)
    whole = mask_to_contours(mask)
    monkeypatch.setattr("Dose3DLib.geometry.contours.CHUNK_PIXELS", 1000)
    pieces = mask_to_contours(mask)
    assert sorted(whole) == sorted(pieces)
    assert all(np.array_equal(a, b) for k in whole for a, b in zip(whole[k], pieces[k], strict=True))
