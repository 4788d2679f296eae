"""Windows of the sliding window, against MONAI's own list."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.geometry.box import box_from_numbers
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.segmentation.windows import region_grid, window_count, window_starts
from monai.data.utils import dense_patch_slices
from monai.inferers.utils import _get_scan_interval

PATCH = (64, 48, 40)


def monai_starts(shape):
    """Starts by axis, of MONAI's sliding window on an image no smaller than the window."""
    interval = _get_scan_interval(shape, PATCH, 3, (0.25,) * 3)
    slices = dense_patch_slices(shape, PATCH, interval)
    return [sorted({one[axis].start for one in slices}) for axis in range(3)], len(slices)


@pytest.mark.parametrize("shape", [(64, 48, 40), (65, 84, 41), (200, 131, 100), (112, 85, 130)])
def test_windows_are_those_of_monai(shape):
    starts, count = monai_starts(shape)
    assert [window_starts(n, p) for n, p in zip(shape, PATCH, strict=True)] == starts
    assert window_count(shape, PATCH) == count


def test_image_below_a_window_takes_one():
    assert window_starts(20, 64) == [0]


@pytest.mark.parametrize("seed", range(12))
def test_part_for_a_region_has_the_windows_of_the_whole_image(seed):
    generator = np.random.default_rng(seed)
    shape = tuple(int(n) for n in generator.integers(30, 240, 3))
    grid = Grid.axial(shape, (2.5, 3.0, 3.0), (-100, 50, 7))
    corners = grid.to_lps(generator.uniform(-20, np.array(shape[::-1]) + 20, (2, 3)))
    low, high = np.minimum(*corners), np.maximum(*corners) + 1
    part = region_grid(grid, box_from_numbers(np.stack([low, high], axis=1).ravel()), PATCH)
    offset = np.rint(grid.to_index(part.affine[:3, 3]))[::-1].astype(int)
    first = np.clip(np.floor(grid.to_index(low)), 0, np.array(shape[::-1]) - 1)[::-1]
    last = np.clip(np.ceil(grid.to_index(high)), 0, np.array(shape[::-1]) - 1)[::-1]
    for axis in range(3):
        whole, ours = window_starts(shape[axis], PATCH[axis]), window_starts(part.shape[axis], PATCH[axis])
        moved = [int(start + offset[axis]) for start in ours]
        seeing = [s for s in whole if s <= last[axis] and s + PATCH[axis] > first[axis]]
        assert set(seeing) <= set(moved) <= set(whole)
        assert offset[axis] <= first[axis]
        assert last[axis] < offset[axis] + part.shape[axis]
