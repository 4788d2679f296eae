"""Overlap is told from holes, islands, neighbours and keyholes."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.geometry.contours import mask_to_contours
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.overlap import overlapping_slices

GRID = Grid.axial((2, 20, 20), (1, 1, 1), (0, 0, 0))


def square(i, j, size):
    return np.array([[i, j], [i + size, j], [i + size, j + size], [i, j + size]]) + 0.1


@pytest.mark.parametrize(
    ("polygons", "expected"),
    [
        ([square(2, 2, 8), square(6, 6, 8)], [1]),
        ([square(2, 2, 8), square(4, 4, 3)], []),
        ([square(2, 2, 8), square(4, 4, 3), square(5, 5, 1)], []),
        ([square(2, 2, 8), square(10, 2, 8)], []),
        ([square(2, 2, 8), square(2, 2, 8)], []),
        ([square(2, 2, 8), square(8, 3, 1), square(9, 3, 3)], [1]),
        ([square(2, 2, 8)], []),
    ],
)
def test_overlap(polygons, expected):
    assert overlapping_slices({1: polygons}, GRID) == expected


def test_a_mask_never_overlaps_itself():
    mask = Mask.from_array(np.random.default_rng(0).random((2, 12, 12)) < 0.5, GRID.crop((0, 0, 0), (2, 12, 12)))
    assert overlapping_slices(mask_to_contours(mask), GRID) == []


def test_a_file_of_noise_costs_little(monkeypatch):
    monkeypatch.setattr("Dose3DLib.geometry.overlap.MOST_PAIRS", 2)
    assert overlapping_slices({0: [square(2, 2, 8), square(6, 6, 8), square(4, 4, 6)]}, GRID) == []
