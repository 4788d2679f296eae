from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from builders.structure_builder import grids
from Dose3DLib.core.errors import InputError
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.placing import place_labels, same_voxels_map

GRID = Grid.axial((4, 5, 6), (3.0, 2.0, 1.0), (10.0, 20.0, 30.0))


def full(placed, grid) -> np.ndarray:
    (offset, block), _ = placed
    array = np.zeros(grid.shape, block.dtype)
    array[tuple(slice(o, o + n) for o, n in zip(offset, block.shape, strict=True))] = block
    return array


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_any_order_and_direction_of_axes_comes_home(order, signs):
    """Each voxel keeps its place in millimetres; checked voxel by voxel through the affines."""
    array = np.arange(1, 121).reshape(GRID.shape)
    stored = array.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    affine = np.eye(4)
    columns = [GRID.affine[:3, 2 - axis] for axis in order]
    first = [0 if sign > 0 else n - 1 for sign, n in zip(signs, stored.shape, strict=True)]
    for axis in range(3):
        affine[:3, 2 - axis] = signs[axis] * columns[axis]
    affine[:3, 3] = GRID.affine[:3, 3] + sum(n * c for n, c in zip(first, columns, strict=True))
    source = Grid(stored.shape, affine)
    np.testing.assert_array_equal(full(place_labels(stored, source, GRID, "x"), GRID), array)


def test_a_crop_is_put_back_and_a_larger_image_cut():
    array = np.zeros(GRID.shape, np.uint8)
    array[1:3, 2:4, 3:5] = np.arange(1, 9).reshape(2, 2, 2)
    small = GRID.crop((1, 1, 2), (2, 4, 4))
    placed = place_labels(array[1:3, 1:5, 2:6], small, GRID, "x")
    np.testing.assert_array_equal(full(placed, GRID), array)
    large = GRID.crop((-2, -3, -1), (9, 9, 9))
    padded = np.zeros((9, 9, 9), np.uint8)
    padded[2:6, 3:8, 1:7] = array
    np.testing.assert_array_equal(full(place_labels(padded, large, GRID, "x"), GRID), array)
    padded[0, 0, 0] = 1
    with pytest.raises(InputError, match="x: has 1 labelled voxels outside the CT"):
        place_labels(padded, large, GRID, "x")
    placed = place_labels(padded, large, GRID, "x", resample=True)
    np.testing.assert_array_equal(full(placed, GRID), array)
    assert "1 labelled voxels" in placed[1]


def test_nothing_in_common():
    far = GRID.crop((100, 0, 0), GRID.shape)
    (_, block), note = place_labels(np.zeros(GRID.shape, np.uint8), far, GRID, "x")
    assert block.size == 0
    assert note == ""
    moved = Grid(GRID.shape, GRID.affine + np.eye(4)[:, [3]] * 0 + np.array([[0, 0, 0, 500.3]] * 3 + [[0] * 4]))
    (_, block), _ = place_labels(np.ones(GRID.shape, np.uint8), moved, GRID, "x", resample=True)
    assert block.size == 0


def test_resampling_takes_the_nearest_voxel():
    """Against a plain loop over target voxels, on turned and sheared grids."""
    chosen = grids()
    source, target = chosen["sheared"], chosen["oblique"]
    array = np.random.default_rng(1).integers(0, 5, source.shape).astype(np.uint8)
    result = full(place_labels(array, source, target, "x", resample=True), target)
    k, j, i = np.indices(target.shape)
    index = np.rint(source.to_index(target.to_lps(np.stack([i, j, k], axis=-1)))).astype(int)
    inside = ((index >= 0) & (index < np.array(source.shape[::-1]))).all(axis=-1)
    index[~inside] = 0
    expected = np.where(inside, array[index[..., 2], index[..., 1], index[..., 0]], 0)
    np.testing.assert_array_equal(result, expected)
    assert (expected > 0).mean() > 0.3


def test_refusal_names_the_difference():
    other = Grid.axial((4, 5, 7), (3.0, 2.0, 1.5), (10.0, 20.0, 30.0))
    with pytest.raises(
        InputError, match="7x5x4 against 6x5x4 voxels, 1.5 x 2 x 3 against 1 x 2 x 3 mm, corners up to 4"
    ):
        place_labels(np.zeros(other.shape, np.uint8), other, GRID, "x")
    assert same_voxels_map(other, GRID) is None
