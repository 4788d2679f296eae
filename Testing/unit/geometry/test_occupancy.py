"""Occupancy and volume against fine subsampling, closed formulas and the polygon area."""

from __future__ import annotations

import math

import numpy as np
import pytest
from Dose3DLib.geometry.contours import contours_to_mask, mask_to_contours
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.occupancy import contours_to_occupancy, contours_volume_cc
from hypothesis import given, settings
from hypothesis import strategies as st

GRID = Grid.axial((3, 24, 30), (2.5, 1.0, 0.8), (5, -7, 100))


def circle(i, j, radius, points=400, turn=1):
    angle = np.linspace(0, turn * 2 * math.pi, points, endpoint=False)
    return np.column_stack([i + radius * np.cos(angle), j + radius * np.sin(angle)])


def full(contours, grid=GRID):
    offset, block = contours_to_occupancy(contours, grid)
    whole = np.zeros(grid.shape)
    whole[tuple(slice(o, o + n) for o, n in zip(offset, block.shape, strict=True))] = block
    return whole


def subsampled(polygons, grid, fine=16):
    """Even-odd at fine x fine points in each pixel, crossing by crossing."""
    _, rows, columns = grid.shape
    y, x = ((np.arange(n * fine) + 0.5) / fine - 0.5 for n in (rows, columns))
    inside = np.zeros((rows * fine, columns * fine), bool)
    for polygon in polygons:
        for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if y1 != y2:
                crossed = (y1 > y) != (y2 > y)
                inside ^= crossed[:, None] & (x[None] < (x1 + (y - y1) * (x2 - x1) / (y2 - y1))[:, None])
    return inside.reshape(rows, fine, columns, fine).mean(axis=(1, 3))


CASES = {
    "disc": ([circle(12.3, 11.1, 7.7)], math.pi * 7.7**2),
    "ring, opposite": ([circle(12, 11, 8), circle(12, 11, 5, turn=-1)], math.pi * (64 - 25)),
    "ring, same orientation": ([circle(12, 11, 8), circle(12, 11, 5)], math.pi * (64 - 25)),
    "overlapping": (
        [np.array([[2, 2], [10, 2], [10, 10], [2, 10.0]]), np.array([[6, 5], [14, 5], [14, 8], [6, 8.0]])],
        64 + 24 - 2 * 12,
    ),
    "crossing itself": ([np.array([[2, 2], [12, 12], [12, 2], [2, 12.0]])], 50),
    "five-pointed star": (None, None),
    "twice the same": ([circle(12, 11, 6), circle(12, 11, 6)], 0),
    "shared edge": (
        [np.array([[2, 2], [8.3, 2], [8.3, 9], [2, 9.0]]), np.array([[8.3, 2], [12, 2], [12, 9], [8.3, 9.0]])],
        70,
    ),
    "thin sliver": ([np.array([[1, 1], [25, 1.01], [1, 1.02]])], 0.24),
}
STAR = circle(12, 11, 9, 5)[[0, 2, 4, 1, 3]] + 0.123
CASES["five-pointed star"] = ([STAR], None)


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    polygons, area = CASES[name]
    found = full({1: polygons})
    assert np.abs(found[1] - subsampled(polygons, GRID)).max() < 0.09
    assert np.abs(found[1] - subsampled(polygons, GRID)).mean() < 2e-3
    assert found[0].max() == found[2].max() == 0
    volume = contours_volume_cc({1: polygons}, GRID)
    assert volume == pytest.approx(found.sum() * GRID.voxel_volume_mm3 / 1000, rel=1e-5, abs=1e-7)
    if area is not None:
        assert volume == pytest.approx(area * 2.5 * 0.8 / 1000, rel=1e-3, abs=1e-9)


def test_pixel_edges_give_whole_voxels():
    rng = np.random.default_rng(4)
    array = rng.random(GRID.shape) < 0.5
    mask = Mask.from_array(array, GRID)
    contours = mask_to_contours(mask)
    assert np.array_equal(full(contours), array)
    assert contours_volume_cc(contours, GRID) == pytest.approx(mask.volume_cc, rel=1e-9)


POINTS = st.tuples(st.floats(-4, 12), st.floats(-4, 12))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(POINTS, min_size=3, max_size=7).map(np.array), min_size=1, max_size=3))
def test_any_polygons(polygons):
    polygons = [np.round(p * 16) / 16 + 0.0137 for p in polygons]
    grid = Grid.axial((1, 9, 8), (1, 1, 1), (0, 0, 0))
    assert np.abs(full({0: polygons}, grid)[0] - subsampled(polygons, grid, 24)).max() < 0.25
    assert np.abs(full({0: polygons}, grid)[0] - subsampled(polygons, grid, 24)).mean() < 0.01


def test_nested_discs_of_the_even_odd_rule():
    radii = [10.5, 9.1, 7.2, 4.4, 1.3]
    polygons = [circle(14.2, 11.9, r, 1000) for r in radii]
    area = sum((-1) ** n * math.pi * r * r for n, r in enumerate(radii))
    assert full({0: polygons}).sum() == pytest.approx(area, rel=1e-3)


def test_parts_outside_count_for_the_volume_only():
    square = np.array([[-100.5, -100.5], [9.5, -100.5], [9.5, 9.5], [-100.5, 9.5]])
    assert full({2: [square]}).sum() == pytest.approx(100)
    assert contours_volume_cc({2: [square]}, GRID) == pytest.approx(110 * 110 * 2 / 1000)
    slanted = np.array([[-20.5, 2.5], [19.5, 2.5], [19.5, 22.5]])
    assert full({2: [slanted]}).sum() == pytest.approx(400 - 100)


def test_nothing():
    assert contours_to_occupancy({}, GRID)[1].shape == (0, 0, 0)
    assert contours_to_occupancy({0: [np.zeros((2, 2))], 9: [circle(5, 5, 3)]}, GRID)[1].size == 0
    assert contours_volume_cc({}, GRID) == 0
    assert contours_to_occupancy({1: [circle(500, 5, 3)]}, GRID)[1].size == 0


def test_mask_and_occupancy_agree_inside_and_outside():
    contours = {k: [circle(14, 11, 6 + k), circle(13, 10, 3)] for k in range(3)}
    occupancy, mask = full(contours), contours_to_mask(contours, GRID).to_array()
    assert mask[occupancy > 0.9999].all()
    assert not mask[occupancy == 0].any()
