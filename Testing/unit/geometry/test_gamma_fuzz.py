"""Gamma on any pair of grids: what holds whatever these are; and on real doses, voxel for voxel, against all places."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from Dose3DLib.geometry import gamma_search
from Dose3DLib.geometry.gamma import GammaCriteria, gamma_at_places, gamma_index, passing_share
from Dose3DLib.geometry.grid import Grid, Volume
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation


@st.composite
def grids(draw, least: int = 1) -> Grid:
    shape = draw(st.tuples(*[st.integers(least, 7)] * 3))
    spacing = np.array(draw(st.tuples(*[st.floats(0.7, 5.0)] * 3)))
    turn = Rotation.from_euler("xyz", draw(st.tuples(*[st.floats(-180, 180)] * 3)), degrees=True).as_matrix()
    if draw(st.booleans()):
        turn = turn @ np.diag([1.0, 1.0, -1.0])
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    middle = np.array(draw(st.tuples(*[st.floats(-3, 3)] * 3)))
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    return Grid(shape, affine)


def noise(grid: Grid, seed: int) -> Volume:
    return Volume(50 + 5 * np.random.default_rng(seed).standard_normal(grid.shape), grid)


@pytest.mark.parametrize("least", [1, 10**9], ids=["compiled", "NumPy"])
@settings(max_examples=40, deadline=None)
@given(ours=grids(), theirs=grids(2), seed=st.integers(0, 99), is_local=st.booleans())
def test_what_holds_on_any_grids(least, ours, theirs, seed, is_local):
    if least == 1:
        pytest.importorskip("warp")
    reference, evaluated = noise(ours, seed), noise(theirs, seed + 1)
    criteria = GammaCriteria(3, 2, is_local, threshold_percent=0, highest=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gamma_search, "_COMPILED_FROM", least)
        gamma = gamma_index(reference, evaluated, criteria)
        passes = gamma_index(reference, evaluated, criteria, is_pass_only=True)
        itself = gamma_index(evaluated, evaluated, criteria)
    k, j, i = np.indices(ours.shape)
    index = theirs.to_index(ours.to_lps(np.stack([i, j, k], axis=-1)))
    last = np.array(theirs.shape[::-1]) - 1
    clear = 1e-2  # voxels this near to the border may be either
    inside = ((index > clear) & (index < last - clear)).all(axis=-1)
    outside = ((index < -clear) | (index > last + clear)).any(axis=-1)
    assert np.isfinite(gamma[inside]).all()
    assert np.isnan(gamma[outside]).all()
    width = 0.03 * (reference.array if is_local else reference.array.max())
    there = map_coordinates(evaluated.array, np.moveaxis(index, -1, 0)[::-1], order=1, mode="nearest")
    at_place = np.minimum(np.abs(there - reference.array) / width, 3)
    known = np.isfinite(gamma) & inside
    assert (gamma[known] <= at_place[known] + 1e-6).all(), "the same place is one of the places"
    # No place is nearer in dose than the evaluated dose goes.
    beyond = np.maximum(np.maximum(evaluated.array.min() - reference.array, reference.array - evaluated.array.max()), 0)
    assert (gamma[known] >= np.minimum(beyond / width, 3)[known] - 1e-6).all()
    assert ((gamma[known] <= 1) == (passes[known] <= 1)).all()
    assert (itself == 0).all() or np.nanmax(itself) < 1e-6


def test_single_places_are_those_of_the_grid():
    grid = Grid.axial((5, 6, 7), (2.0, 2.5, 3.0), (-6, -6, -6))
    reference, evaluated = noise(grid, 0), noise(grid, 1)
    gamma = gamma_index(reference, evaluated)
    k, j, i = np.indices(grid.shape)
    places = grid.to_lps(np.stack([i, j, k], axis=-1)).reshape(-1, 3)
    assert gamma_at_places(places, reference.array.ravel(), evaluated) == pytest.approx(gamma.ravel(), nan_ok=True)
    lost = reference.array.ravel().copy()
    lost[3] = np.nan
    assert np.isnan(gamma_at_places(places, lost, evaluated)[3])


def test_eclipse_voxels_pass_as_all_places_around_them_say(shared_data):
    """Each voxel by itself, not only their share: 200 of them, all places of a lattice of 0.1 mm up to 3 mm."""
    folder = shared_data / "dicom_slicerrt_eclipse"
    day1, day2 = (sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"EclipseEnt_Dose{name}.nrrd"))).astype(float)
                  for name in ("", "_Day2"))  # fmt: skip
    grid = Grid.axial(day1.shape, (2.5, 2.5, 2.5), (0, 0, 0))
    points = np.random.default_rng(4).choice(np.flatnonzero(day1 >= 0.1 * day1.max()), 200, replace=False)
    gamma = gamma_index(Volume(day1, grid), Volume(day2, grid), GammaCriteria(3, 3), points=points).ravel()[points]
    line = np.arange(-30, 31) / 10
    steps = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    steps = steps[np.square(steps).sum(axis=1) <= 9.0 + 1e-9]
    far = np.square(steps / 3).sum(axis=1)
    searched = []
    for index in points:
        at = np.array(np.unravel_index(index, day1.shape))[:, None] + steps.T / 2.5
        dose = map_coordinates(day2, at, order=1, mode="nearest")
        searched.append(np.sqrt((far + ((dose - day1.flat[index]) / (0.03 * day1.max())) ** 2).min()))
    searched = np.array(searched)
    assert (gamma <= searched + 2e-3).all()
    apart = (gamma <= 1) != (searched <= 1)
    assert (searched[apart] < 1.02).all(), "only what the steps of the lattice miss"
    assert abs(passing_share(gamma) - (searched <= 1).mean()) <= 0.005
