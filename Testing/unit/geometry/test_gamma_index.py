"""Gamma against formulas, a search in small steps by SciPy, and SlicerRT's gamma of two Eclipse doses."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from Dose3DLib.core.errors import InputError
from Dose3DLib.geometry import gamma_search
from Dose3DLib.geometry.gamma import GammaCriteria, gamma_index, gamma_on_axes, passing_share
from Dose3DLib.geometry.grid import Grid, Volume
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import gaussian_filter, map_coordinates

CRITERIA = GammaCriteria(3.0, 3.0, threshold_percent=0.0, highest=10.0)
AXIS = np.arange(-80, 80.1, 5.0)


@pytest.fixture(params=["NumPy", "compiled"])
def search(request, monkeypatch):
    """Every test that takes it runs with both forms of the search."""
    if request.param == "compiled":
        pytest.importorskip("warp")
    monkeypatch.setattr(gamma_search, "_COMPILED_FROM", 1 if request.param == "compiled" else 10**9)
    return request.param


def turned(angles_deg: tuple[float, float, float]) -> np.ndarray:
    """Rotation about x, then y, then z."""
    result = np.eye(3)
    for axis, angle in enumerate(np.radians(angles_deg)):
        one, (a, b) = np.eye(3), [i for i in range(3) if i != axis]
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        result = one @ result
    return result


def grid_of(shape, spacing_kji, center=(0.0, 0.0, 0.0), rotation=None) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if rotation is None else rotation) * np.array(spacing_kji[::-1])
    affine[:3, 3] = np.array(center) - affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    return Grid(shape, affine)


def sampled(grid: Grid, dose) -> Volume:
    """A dose, a function of LPS places (..., 3), at the voxel centres."""
    k, j, i = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    return Volume(dose(grid.to_lps(np.stack([i, j, k], axis=-1))), grid)


def test_two_flat_doses_differ_by_their_dose_alone(search):
    gamma = gamma_on_axes([AXIS, AXIS], np.full((33, 33), 100.0), np.full((33, 33), 101.5), CRITERIA)
    assert gamma == pytest.approx(np.full((33, 33), 0.5), abs=1e-9)


def test_shifted_slopes_in_one_two_and_three_dimensions(search):
    """gamma of two parallel planes is their distance: |offset| / sqrt(dd^2 + (slope dta)^2) in the units of each."""
    slopes, axis = (0.3, 0.2, 0.1), np.arange(-20, 20.1, 5.0)
    for dimensions in (1, 2, 3):
        places = np.meshgrid(*[axis] * dimensions, indexing="ij")
        reference = 100 + sum(slope * one for slope, one in zip(slopes, places, strict=False))
        gamma = gamma_on_axes([axis] * dimensions, reference, reference + 2.0, CRITERIA)
        dose = 0.03 * reference.max()
        steepness = np.sqrt(sum(slope**2 for slope in slopes[:dimensions]))
        inner = gamma[(slice(2, -2),) * dimensions]
        assert inner == pytest.approx(np.full(inner.shape, 2.0 / np.hypot(dose, steepness * 3.0)), rel=1e-9)


@pytest.mark.parametrize("angles", [(0, 0, 0), (90, 0, 180), (180, 0, 0), (20, -35, 50)])
@pytest.mark.parametrize("is_local", [False, True])
def test_a_slope_on_unequal_grids_however_they_are_turned(search, angles, is_local):
    """The same formula; the evaluated grid is coarser, anisotropic, flipped, or oblique to the reference."""
    slope = np.array([0.5, -0.3, 0.2])
    reference = sampled(grid_of((7, 8, 9), (3.0, 2.0, 1.5)), lambda x: 50 + x @ slope)
    grid = grid_of((20, 22, 24), (2.5, 4.0, 3.1), (1.3, -0.7, 0.4), turned(angles))
    evaluated = sampled(grid, lambda x: 51.7 + x @ slope)
    gamma = gamma_index(reference, evaluated, GammaCriteria(3, 2, is_local, threshold_percent=0))
    width = 0.03 * (reference.array if is_local else reference.array.max())
    expected = 1.7 / np.hypot(width, 2 * np.linalg.norm(slope)) * np.ones(reference.array.shape)
    assert gamma == pytest.approx(expected, rel=1e-6)


def test_a_dose_moved_by_a_little_less_than_the_distance_passes_and_by_more_fails(search):
    """A steep edge, oblique to both grids: only distance counts."""
    normal = np.array([2.0, -1.0, 2.0]) / 3

    def edge(shift):
        return lambda x: 50 * (1 + np.clip((x @ normal - shift) / 4, -1, 1))

    criteria = GammaCriteria(0.01, 2, threshold_percent=0, highest=3)
    reference = sampled(grid_of((5, 5, 5), (1.0, 1.0, 1.0)), edge(0.0))
    for shift in (1.5, 2.5):
        evaluated = sampled(grid_of((41, 41, 41), (0.5, 0.5, 0.5)), edge(shift))
        gamma = gamma_index(reference, evaluated, criteria)
        # The middle of the slope is far from its ends, where trilinear voxels round it off.
        assert gamma[2, 2, 2] == pytest.approx(shift / 2, rel=2e-3)


def stepwise(reference: Volume, evaluated: Volume, at: np.ndarray, criteria: GammaCriteria, step_mm: float):
    """Gamma at flat indices by trying all places on a fine lattice: an upper bound, too high by about its step."""
    width = criteria.dose_percent / 100 * reference.array.max()
    reach = criteria.distance_mm * criteria.highest
    line = np.arange(-reach, reach + step_mm / 2, step_mm)
    offsets = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    offsets = offsets[np.linalg.norm(offsets, axis=1) <= reach]
    far = np.square(offsets / criteria.distance_mm).sum(axis=1)
    result = []
    for index in at:
        k, j, i = np.unravel_index(index, reference.array.shape)
        places = reference.grid.to_lps(np.array([i, j, k])) + offsets
        ijk = evaluated.grid.to_index(places)
        last = np.array(evaluated.array.shape[::-1]) - 1
        known = ((ijk >= 0) & (ijk <= last)).all(axis=1)
        dose = map_coordinates(evaluated.array, ijk[known].T[::-1], order=1, mode="nearest")
        result.append(np.sqrt((far[known] + ((dose - reference.array.flat[index]) / width) ** 2).min()))
    return np.minimum(result, criteria.highest)


@pytest.mark.parametrize("roughness", [0.0, 1.0])
def test_against_all_places_of_a_fine_lattice(search, roughness):
    """A smooth dose, and one of pure noise whose cells are twisted as no real dose is; oblique, unequal grids."""
    rng = np.random.default_rng(5)

    def volume(grid):
        noise = rng.standard_normal(grid.shape)
        smooth = gaussian_filter(noise, 2) / gaussian_filter(noise, 2).std()
        return Volume(60 + 6 * (roughness * noise + (1 - roughness) * smooth), grid)

    reference = volume(grid_of((12, 12, 12), (2.0, 2.0, 2.0)))
    evaluated = volume(grid_of((14, 16, 18), (2.4, 2.2, 1.9), rotation=turned((10, 20, 30))))
    criteria = GammaCriteria(3, 2, highest=1.5)
    at = rng.choice(reference.array.size, 40, replace=False)
    gamma = gamma_index(reference, evaluated, criteria, points=at).ravel()[at]
    known = np.isfinite(gamma)
    assert known.sum() > 20
    searched = stepwise(reference, evaluated, at[known], criteria, 0.1)
    assert (gamma[known] <= searched + 2e-3).all(), "no place of the lattice is nearer"
    assert (searched - gamma[known]).max() < 0.12, "and the lattice has one nearly as near"
    assert np.median(searched - gamma[known]) < 0.03


def test_warp_is_used_where_it_is_installed():
    pytest.importorskip("warp")
    assert gamma_search._compiled(gamma_search.Lattice([AXIS], AXIS**2), 2.0, 0.0) is not None


def test_both_searches_agree_where_cells_are_twisted(monkeypatch):
    pytest.importorskip("warp")
    rng = np.random.default_rng(9)
    reference, evaluated = (Volume(rng.random((9, 10, 11)) * 30 + 40, grid_of((9, 10, 11), (2, 2.5, 3))) for _ in "ab")
    found = []
    for least in (1, 10**9):
        monkeypatch.setattr(gamma_search, "_COMPILED_FROM", least)
        found.append(gamma_index(reference, evaluated, GammaCriteria(2, 3)))
    assert found[0] == pytest.approx(found[1], abs=4e-3)
    assert ((found[0] <= 1) == (found[1] <= 1)).all()
    assert 0.02 < passing_share(found[0]) < 0.98


@pytest.mark.parametrize(("shift", "scale"), [(1.5, 1.0), (0.0, 1.02), (1.0, 1.02), (4.0, 0.95)])
def test_shifted_gaussians_against_a_search_in_small_steps(search, shift: float, scale: float):
    axis = np.linspace(-30, 30, 31)
    reference, evaluated = (100 * s * np.exp(-((axis - d) ** 2) / 200) for s, d in ((1.0, 0.0), (scale, shift)))
    gamma = gamma_on_axes([axis], reference, evaluated, GammaCriteria(3.0, 3.0))
    steps = np.linspace(-6, 6, 4801)
    for at, dose, found in zip(axis, reference, gamma, strict=True):
        if dose < 10:
            assert np.isnan(found)
            continue
        there = np.interp(at + steps, axis, evaluated, left=np.inf, right=np.inf)
        searched = np.sqrt((steps / 3) ** 2 + ((there - dose) / 3.0) ** 2).min()
        assert found == pytest.approx(min(searched, 2.0), abs=3e-3)


def test_in_the_plane_it_is_that_of_a_bilinear_search(search):
    axis = np.linspace(-30, 30, 41)
    a, b = np.meshgrid(axis, axis, indexing="ij")
    reference, evaluated = (100 * s * np.exp(-((a - d) ** 2 + b**2) / 200) for s, d in ((1.0, 0.0), (1.02, 1.5)))
    gamma = gamma_on_axes([axis, axis], reference, evaluated, GammaCriteria(3.0, 3.0))
    between = RegularGridInterpolator((axis, axis), evaluated, bounds_error=False, fill_value=np.inf)
    steps = np.stack(np.meshgrid(*[np.linspace(-6, 6, 241)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    for i, j in ((20, 20), (20, 26), (24, 15), (30, 22)):
        there = between(np.array([axis[i], axis[j]]) + steps)
        searched = np.sqrt((np.square(steps).sum(axis=1) / 9 + ((there - reference[i, j]) / 3.0) ** 2).min())
        assert searched - 0.01 < gamma[i, j] <= searched + 1e-9


def test_uneven_axes_and_one_of_each_dose(search):
    axis, other = np.cumsum([0, 1.0, 2.5, 0.7, 3.0, 1.2, 2.2]), np.linspace(-1, 12, 9) ** 1
    other[3] += 0.6
    gamma = gamma_on_axes([axis], 40 + 2 * axis, 41 + 2 * other, CRITERIA, evaluated_axes=[other])
    width = 0.03 * (40 + 2 * axis[-1])
    assert gamma[1:-1] == pytest.approx(np.full(5, 1 / np.hypot(width, 6)), rel=1e-6)


def test_an_axis_of_one_point_changes_nothing(search):
    reference = 100 * np.exp(-(AXIS**2) / 800)
    evaluated = 100 * np.exp(-((AXIS - 2) ** 2) / 800)
    line = gamma_on_axes([AXIS], reference, evaluated, CRITERIA)
    sheet = gamma_on_axes([np.array([30.0]), AXIS], reference[None], evaluated[None], CRITERIA)
    assert sheet[0] == pytest.approx(line)


def test_flipped_axes_give_the_same_gamma_at_the_same_place(search):
    rng = np.random.default_rng(2)
    grid = grid_of((6, 7, 8), (2.0, 2.0, 2.0))
    a, b = (Volume(rng.random(grid.shape) * 20 + 40, grid) for _ in range(2))
    flip = grid.affine.copy()
    flip[:3, 0], flip[:3, 2] = -flip[:3, 0], -flip[:3, 2]
    flip[:3, 3] = grid.to_lps(np.array([7, 0, 5]))
    other = Volume(b.array[::-1, :, ::-1].copy(), Grid(grid.shape, flip))
    assert gamma_index(a, other, GammaCriteria(3, 3)) == pytest.approx(gamma_index(a, b, GammaCriteria(3, 3)), abs=4e-3)


def test_pass_only_agrees_with_gamma(search):
    rng = np.random.default_rng(3)
    grid = grid_of((9, 9, 9), (2.5, 2.5, 2.5))
    a, b = (Volume(gaussian_filter(rng.random(grid.shape) * 200, 1) + 20, grid) for _ in range(2))
    for criteria in (GammaCriteria(3, 3), GammaCriteria(3, 3, grid_points_only=True)):
        gamma, quick = gamma_index(a, b, criteria), gamma_index(a, b, criteria, is_pass_only=True)
        assert ((gamma <= 1) == (quick <= 1)).all()
        assert set(quick[quick > 1]) == {2.0}
        assert 0.1 < passing_share(gamma) < 0.9


def test_who_gets_a_gamma():
    grid = grid_of((4, 5, 6), (2.0, 2.0, 2.0))
    reference = Volume(np.linspace(0, 119, 120).reshape(4, 5, 6), grid)
    evaluated = Volume(reference.array + 1.0, grid)
    mask = np.zeros(grid.shape, bool)
    mask[2:] = True
    gamma = gamma_index(reference, evaluated, GammaCriteria(3, 2, threshold_percent=50), mask, np.array([30, 70, 119]))
    assert np.flatnonzero(np.isfinite(gamma)).tolist() == [70, 119]
    over = gamma_index(reference, evaluated, GammaCriteria(3, 2, threshold_percent=50, normalisation=200.0))
    assert np.isfinite(over).sum() == 20, "100 and more of 200"
    reference.array[3, 4, 5] = np.nan
    assert np.isnan(gamma_index(reference, evaluated)[3, 4, 5])
    with pytest.raises(ValueError, match="the mask has shape"):
        gamma_index(reference, evaluated, mask=mask[0])
    with pytest.raises(ValueError, match="flat indices"):
        gamma_index(reference, evaluated, points=np.array([120]))


def test_outside_the_evaluated_grid_and_beside_nan_nothing_is_known(search):
    grid = grid_of((5, 5, 5), (2.0, 2.0, 2.0))
    reference = Volume(np.full(grid.shape, 60.0), grid)
    part = Volume(np.full((3, 5, 5), 60.0), grid.crop((1, 0, 0), (3, 5, 5)))
    gamma = gamma_index(reference, part)
    assert np.isnan(gamma[[0, 4]]).all()
    assert (gamma[1:4] == 0).all()
    hole = Volume(reference.array.copy(), grid)
    hole.array[2, 2, 2] = np.nan
    gamma = gamma_index(reference, hole)
    assert np.isnan(gamma[2, 2, 2])
    assert (np.delete(gamma.ravel(), 62) == 0).all()
    far = Volume(reference.array, grid_of((5, 5, 5), (2.0, 2.0, 2.0), (500.0, 0, 0)))
    assert np.isnan(gamma_index(reference, far)).all()


def test_where_there_is_no_dose_there_is_no_gamma():
    assert np.isnan(gamma_on_axes([AXIS], np.zeros(33), np.ones(33))).all()
    local = GammaCriteria(3, 3, is_local=True, threshold_percent=0)
    assert np.isnan(gamma_on_axes([AXIS], np.zeros(33), np.ones(33), local)).all()


def test_sheared_slices_are_refused_as_the_evaluated_dose():
    grid = grid_of((4, 4, 4), (2.0, 2.0, 2.0))
    affine = grid.affine.copy()
    affine[:3, 2] = (0, 0.5, 2)
    sheared = Volume(np.full((4, 4, 4), 60.0), Grid((4, 4, 4), affine))
    with pytest.raises(InputError, match="sheared"):
        gamma_index(Volume(sheared.array, grid), sheared)
    assert np.nanmax(gamma_index(sheared, Volume(sheared.array, grid))) == 0


def test_doses_lie_on_their_axes():
    with pytest.raises(ValueError, match="grid of its axes"):
        gamma_on_axes([AXIS], np.ones(33), np.ones(32))
    with pytest.raises(ValueError, match="increase"):
        gamma_on_axes([AXIS[::-1]], np.ones(33), np.ones(33))


@pytest.mark.parametrize("wrong", [{"dose_percent": 0}, {"distance_mm": np.nan}, {"threshold_percent": -1},
                                   {"highest": 0}, {"normalisation": 0.0}, {"threshold_percent": 101}])  # fmt: skip
def test_criteria_that_mean_nothing(wrong):
    with pytest.raises(ValueError, match="must be"):
        GammaCriteria(**wrong)


def test_passing_share_counts_only_points_with_a_gamma():
    assert passing_share(np.array([0.2, 1.0, 1.01, np.nan])) == pytest.approx(2 / 3)
    assert np.isnan(passing_share(np.array([np.nan])))


def test_a_search_can_be_ended():
    class Ended(Exception):
        pass

    def end(share):
        raise Ended

    grid = grid_of((5, 5, 5), (2.0, 2.0, 2.0))
    with pytest.raises(Ended):
        gamma_index(Volume(np.ones(grid.shape), grid), Volume(np.ones(grid.shape), grid), report=end)


def test_eclipse_doses_as_slicerrt_found_them(shared_data):
    """Grid points only, as plastimatch does; between grid points more points pass."""
    folder = shared_data / "dicom_slicerrt_eclipse"
    names = ("EclipseEnt_Dose", "EclipseEnt_Dose_Day2", "GammaVolume_EclipseEnt_Day1Day2_Baseline")
    first, second, baseline = (sitk.ReadImage(str(folder / f"{name}.nrrd")) for name in names)
    grid = grid_of(first.GetSize()[::-1], first.GetSpacing()[::-1])
    day1, day2 = (Volume(sitk.GetArrayFromImage(one), grid) for one in (first, second))
    assert np.allclose(first.GetDirection(), second.GetDirection())
    gamma = gamma_index(day1, day2, GammaCriteria(3, 3, grid_points_only=True))
    assert np.abs(np.nan_to_num(gamma) - sitk.GetArrayFromImage(baseline)).max() < 1e-6
    assert passing_share(gamma) == pytest.approx(0.809, abs=5e-4)
    assert passing_share(gamma_index(day1, day2, GammaCriteria(3, 3), is_pass_only=True)) == pytest.approx(
        0.907, abs=5e-4
    )
