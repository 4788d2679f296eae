"""Numbers of a dose whose isodoses are balls."""

from __future__ import annotations

import numpy as np
import pytest
from builders.dose_builder import ball_dose
from Dose3DLib.dose.statistics import dose_statistics
from Dose3DLib.geometry.grid import Grid, Volume


def test_volumes_of_balls():
    dose = ball_dose(spacing_mm=(1.8, 1.6, 1.6))
    found = dose_statistics(dose, [15.0, 30.0])
    for level, volume in zip((15.0, 30.0), found.volumes_cc, strict=True):
        radius = 30.0 * (1 - level / 60.0)
        assert volume == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.02)
    assert found.cut_off == (False, False)
    assert found.maximum == pytest.approx(60)
    assert found.maximum_at_mm == pytest.approx((10, -5, 20))


def test_d2cc_is_the_dose_of_the_hottest_two_cc():
    dose = ball_dose(spacing_mm=(1.0, 1.0, 1.0))
    radius = (3 * 2000 / 4 / np.pi) ** (1 / 3)
    assert dose_statistics(dose, []).d2cc == pytest.approx(60 * (1 - radius / 30), abs=0.5)
    flat = np.sort(dose.array.ravel())[::-1]
    assert dose_statistics(dose, []).d2cc == flat[1999]


def test_a_grid_smaller_than_two_cc_has_no_d2cc():
    tiny = Volume(np.ones((2, 2, 2), np.float32), Grid.axial((2, 2, 2), (1, 1, 1), (0, 0, 0)))
    assert dose_statistics(tiny, [0.5]).d2cc is None


def test_an_isodose_that_the_grid_cuts_is_known():
    dose = ball_dose()
    half = Volume(dose.array[:17].copy(), dose.grid.crop((0, 0, 0), (17, 41, 41)))
    assert dose_statistics(half, [30.0]).cut_off == (True,)


def test_negative_voxels_are_counted():
    dose = ball_dose()
    dose.array[0, 0, :3] = -1
    found = dose_statistics(dose, [])
    assert (found.negative, found.minimum) == (3, -1)
