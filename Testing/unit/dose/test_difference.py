"""Differences on other grids, judged by SimpleITK's resampling."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders.dose_builder import ball_dose
from Dose3DLib.core.errors import InputError
from Dose3DLib.dose.difference import dose_difference
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.resample import sample_points

FLIP = np.diag([-1.0, 1.0, -1.0])


def turned(degrees: float) -> np.ndarray:
    a = np.radians(degrees)
    return np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])


def to_sitk(volume: Volume) -> sitk.Image:
    image = sitk.GetImageFromArray(volume.array.astype(np.float64))
    steps = volume.grid.affine[:3, :3]
    spacing = np.linalg.norm(steps, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((steps / spacing).ravel().tolist())
    image.SetOrigin(volume.grid.affine[:3, 3].tolist())
    return image


@pytest.mark.parametrize("turn", [None, FLIP, turned(20.0), FLIP @ turned(-35.0)])
def test_as_simpleitk_resamples(turn):
    first = ball_dose()
    second = ball_dose(maximum=50.0, spacing_mm=(3.0, 1.5, 2.5), affine_turn=turn)
    found = dose_difference(first, second)
    judge = sitk.Resample(to_sitk(second), to_sitk(first), sitk.Transform(), sitk.sitkLinear, -1e6, sitk.sitkFloat64)
    other = sitk.GetArrayFromImage(judge)
    known = np.isfinite(found.volume.array)
    # ITK's image ends half a voxel beyond the outermost centres, ours at them.
    assert not (known & (other < -1e5)).any()
    assert 0.3 < known.mean() < 1
    assert np.abs(found.volume.array - (first.array - other))[known].max() < 1e-4
    assert found.outside == pytest.approx(1 - known.mean())


def test_one_grid_is_subtracted_voxel_by_voxel():
    first, second = ball_dose(), ball_dose(maximum=59.0)
    found = dose_difference(first, second)
    assert found.same_grid
    assert np.array_equal(found.volume.array, first.array - second.array)
    assert (found.outside, found.lowest) == (0, 0)
    assert found.highest == pytest.approx(1.0)
    assert found.mean_absolute == pytest.approx(float((first.array - second.array).mean()), rel=1e-4)


def test_outside_is_not_zero():
    first = ball_dose()
    small = first.grid.crop((5, 5, 5), (10, 20, 20))
    second = Volume(first.array[5:15, 5:25, 5:25].copy(), small)
    found = dose_difference(first, second)
    assert np.isnan(found.volume.array[0]).all()
    assert np.count_nonzero(np.isfinite(found.volume.array)) == 10 * 20 * 20
    assert np.nanmax(np.abs(found.volume.array)) < 1e-4


def test_noise_of_headers_keeps_the_border():
    first = ball_dose()
    affine = first.grid.affine.copy()
    affine[:3, 3] += 1.5e-3
    found = dose_difference(first, Volume(first.array, Grid(first.grid.shape, affine)))
    assert not found.same_grid
    assert found.outside == 0


def test_nowhere_in_common():
    first = ball_dose()
    with pytest.raises(InputError, match="nowhere on the grid"):
        dose_difference(first, ball_dose(center_mm=(900.0, 0.0, 0.0)))


def test_linear_between_voxels():
    volume = Volume(np.arange(8, dtype=np.float32).reshape(2, 2, 2), Grid.axial((2, 2, 2), (1, 1, 1), (0, 0, 0)))
    found = sample_points(volume, np.array([[0.5, 0.5, 0.5], [0, 0, 1], [1.1, 0, 0]]))
    assert found[:2].tolist() == [3.5, 4.0]
    assert np.isnan(found[2])
