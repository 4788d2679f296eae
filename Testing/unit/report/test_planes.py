"""Radiological layout of slices, whatever way the array is stored."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.report.planes import anatomy, best_slices, body_box, make_plane, slab_box
from report_cases import axial_grid, ball, head

SHAPE = (5, 6, 7)
LETTERS = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "S", "I"), "sagittal": ("A", "P", "S", "I")}


def _stored(order: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same image of (S, P, L) voxels with its array axes permuted and reversed."""
    grid = Grid.axial(SHAPE, (3.0, 2.0, 1.0), (0.0, 0.0, 0.0))
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE).transpose(order)
    affine = np.array(grid.affine)
    affine[:3, :3] = affine[:3, [2 - order[2], 2 - order[1], 2 - order[0]]]
    for axis, flip in enumerate(flips):
        if flip:
            array = np.flip(array, axis)
            affine[:3, 3] += affine[:3, 2 - axis] * (array.shape[axis] - 1)
            affine[:3, 2 - axis] *= -1
    return Volume(np.ascontiguousarray(array), Grid(array.shape, affine))


def _whole(volume: Volume) -> tuple[tuple[int, int], ...]:
    return tuple((0, n) for n in volume.array.shape)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("name", ["axial", "coronal", "sagittal"])
def test_every_storage_order_gives_the_same_picture(name, order):
    straight = np.arange(np.prod(SHAPE)).reshape(SHAPE)  # [S, P, L]
    for flips in product((False, True), repeat=3):
        volume = _stored(order, flips)
        found = anatomy(volume.grid)
        anatomical = {"axial": 2, "coronal": 1, "sagittal": 0}[name]
        axis, sign = found.axes[anatomical], found.signs[anatomical]
        index = 2 if sign > 0 else volume.array.shape[axis] - 3  # third slice from inferior, front, right
        plane = make_plane(volume.grid, name, index, _whole(volume))
        expected = {"axial": straight[2], "coronal": straight[::-1, 2], "sagittal": straight[::-1, :, 2]}[name]
        assert np.array_equal(plane.cut(volume.array), expected), (order, flips)
        assert plane.letters == LETTERS[name]
        assert plane.position_mm == pytest.approx({"axial": 6.0, "coronal": 4.0, "sagittal": 2.0}[name])
        step = {"axial": (1.0, 2.0), "coronal": (1.0, 3.0), "sagittal": (2.0, 3.0)}[name]
        assert plane.to_mm == pytest.approx(np.diag(step))


def test_a_cut_mask_is_the_cut_of_its_array_in_any_window():
    volume, structures = head(axial_grid())
    windows = [_whole(volume), ((10, 50), (20, 60), (0, 40)), ((0, 5), (0, 5), (0, 5))]
    for window, name, structure in product(windows, LETTERS, structures):
        for index in (0, 15, 30, 45):
            plane = make_plane(volume.grid, name, index, window)
            expected = plane.cut(structure.mask.to_array())
            found = plane.cut_mask(structure.mask)
            assert (found is None and not expected.any()) or np.array_equal(found, expected)


def test_an_oblique_grid_is_named_by_the_nearest_axes():
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.array(axial_grid().affine)
    affine[:3, :3] = turn @ affine[:3, :3]
    found = anatomy(Grid(axial_grid().shape, affine))
    assert found.axes == (2, 1, 0)
    assert found.tilt_degrees == pytest.approx(20)
    assert found.is_oblique
    assert not anatomy(axial_grid()).is_oblique


def test_best_slices_show_each_structure_at_its_largest():
    _, structures = head(axial_grid())
    chosen = best_slices(structures, 0, 2)
    heights = [axial_grid().to_lps(np.array([0, 0, k]))[2] for k in chosen]
    assert heights == pytest.approx([-20, 10], abs=3.1)
    assert chosen == sorted(chosen)
    assert len(set(best_slices(structures, 0, 6))) == 6


def test_best_slices_without_structures_are_in_the_middle():
    grid = axial_grid()
    assert best_slices(StructureSet(grid, ()), 0, 3) == [30]
    assert best_slices(StructureSet(grid, (Structure("A", Mask.empty(grid)),)), 2, 3) == [55]


def test_the_air_around_is_left_out():
    volume, structures = head(axial_grid())
    (k0, k1), (j0, j1), (i0, i1) = body_box(volume.array, structures)
    without_body = StructureSet(volume.grid, structures.structures[1:])
    for box in ((k0, k1), (j0, j1), (i0, i1)), body_box(volume.array, without_body):
        low, high = (volume.grid.to_lps(np.array([b[n] for b in box[::-1]])) for n in (0, 1))
        assert low == pytest.approx([-78] * 3, abs=4)
        assert high == pytest.approx([78] * 3, abs=5.5)


def test_a_thin_part_of_the_body_gets_a_narrow_window():
    volume, structures = head(axial_grid())
    box = body_box(volume.array, structures)
    top = int(axial_grid().to_index(np.array([0, 0, 60.0]))[2])
    narrow = slab_box(structures, 0, [top], box)
    assert narrow[2][1] - narrow[2][0] < 0.75 * (box[2][1] - box[2][0])
    assert narrow[0] == box[0]
    only_organs = StructureSet(volume.grid, structures.structures[1:])
    assert slab_box(only_organs, 0, [top], box) == box


def test_an_image_of_air_is_shown_whole():
    grid = axial_grid()
    assert body_box(np.full(grid.shape, -1000), StructureSet(grid, ())) == tuple((0, n) for n in grid.shape)
    assert ball(grid, (0, 0, 0), 5).any()
