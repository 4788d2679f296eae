"""Agreement of two versions of a structure set, against SimpleITK's overlap measures and plain point sets."""

from __future__ import annotations

import numpy as np
import pytest
from builders.structure_builder import grids, structures
from Dose3DLib.geometry.agreement import agreement_of, compare_masks, compare_sets, lowest_slices, slice_counts
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet

sitk = pytest.importorskip("SimpleITK")

GRID = Grid.axial((9, 40, 50), (2.5, 1.5, 0.8), (-20, 10, 5))


def pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two blobs that overlap in part, at random places."""
    generator = np.random.default_rng(seed)
    index = np.indices(GRID.shape)
    blobs = []
    for _ in range(2):
        middle = np.array([4, 20, 25]) + generator.integers(-3, 4, 3)
        radius = generator.integers(2, 4), generator.integers(8, 14), generator.integers(8, 14)
        blobs.append(sum(((index[a] - middle[a]) / radius[a]) ** 2 for a in range(3)) < 1)
    return blobs[0], blobs[1]


def mask(array: np.ndarray) -> Mask:
    return Mask.from_array(array, GRID)


@pytest.mark.parametrize("seed", range(8))
def test_dice_and_volumes_are_those_of_simpleitk(seed):
    before, after = pair(seed)
    found = compare_masks("A", mask(before), mask(after))
    measures = sitk.LabelOverlapMeasuresImageFilter()
    images = [sitk.GetImageFromArray(array.astype(np.uint8)) for array in (before, after)]
    measures.Execute(*images)
    assert found.dice == pytest.approx(measures.GetDiceCoefficient(1), abs=1e-12)
    voxel = 2.5 * 1.5 * 0.8 / 1000
    assert found.before_cc == pytest.approx(before.sum() * voxel)
    assert found.after_cc == pytest.approx(after.sum() * voxel)
    assert found.added_cc == pytest.approx(len(points(after) - points(before)) * voxel)
    assert found.removed_cc == pytest.approx(len(points(before) - points(after)) * voxel)
    assert found.added_cc - found.removed_cc == pytest.approx(found.after_cc - found.before_cc)
    assert found.state == "changed"
    assert found.is_changed


def points(array: np.ndarray) -> set:
    return {tuple(point) for point in np.argwhere(array)}


@pytest.mark.parametrize("seed", range(8))
def test_slices_are_those_that_differ_lowest_first(seed):
    before, after = pair(seed)
    found = compare_masks("A", mask(before), mask(after)).slices
    wanted = {}
    for k in range(GRID.shape[0]):
        a, b = points(before[k]), points(after[k])
        if a != b:
            wanted[k] = (2 * len(a & b) / (len(a) + len(b)), len(a ^ b) * 1.5 * 0.8)
    assert {one.index: (one.dice, pytest.approx(one.changed_mm2)) for one in found} == wanted
    keys = [(one.dice, -one.changed_mm2) for one in found]
    assert keys == sorted(keys)


def test_one_voxel_is_a_change():
    before, _ = pair(0)
    after = before.copy()
    after[4, 20, 25] ^= True
    found = compare_masks("A", mask(before), mask(after))
    assert found.is_changed
    assert [one.index for one in found.slices] == [4]
    assert found.slices[0].changed_mm2 == pytest.approx(1.2)
    same = compare_masks("A", mask(before), mask(before.copy()))
    assert (same.state, same.dice, same.slices, same.is_changed) == ("unchanged", 1.0, (), False)


def test_moved_by_a_voxel_is_a_change_though_the_volume_is_the_same():
    before, _ = pair(0)
    found = compare_masks("A", mask(before), mask(np.roll(before, 1, axis=2)))
    assert found.state == "changed"
    assert found.before_cc == found.after_cc
    assert found.added_cc == found.removed_cc > 0


def test_apart_and_empty():
    first, last = np.zeros((2, *GRID.shape), bool)
    first[0, :3, :3] = last[8, 30:, 40:] = True
    apart = compare_masks("A", mask(first), mask(last))
    assert (apart.dice, apart.state) == (0.0, "changed")
    assert [one.index for one in apart.slices] == [8, 0], "of equal Dice the larger change comes first"
    nothing = Mask.empty(GRID)
    assert compare_masks("A", nothing, mask(first)).state == "added"
    assert compare_masks("A", mask(first), nothing).state == "removed"
    none = compare_masks("A", nothing, nothing)
    assert (none.state, none.dice, none.slices) == ("unchanged", 1.0, ())


def test_counting_slab_by_slab_gives_the_same():
    before, after = pair(3)
    counts = np.concatenate([slice_counts(before[k : k + 2], after[k : k + 2]) for k in range(0, 9, 2)])
    assert agreement_of("A", counts, GRID) == compare_masks("A", mask(before), mask(after))


def test_area_of_a_sheared_slice_is_that_of_its_pixels():
    grid = grids()["sheared"]
    before, after = np.zeros((2, *grid.shape), bool)
    before[2, 5:9, 5:9] = True
    after[2, 5:9, 5:10] = True
    found = compare_masks("A", Mask.from_array(before, grid), Mask.from_array(after, grid))
    assert found.slices[0].changed_mm2 == pytest.approx(4 * 1.3 * 0.8)


def test_sets_are_compared_by_name():
    before, after = pair(1)
    third = np.zeros_like(before)
    third[:2, :4, :4] = True

    def made(**arrays: np.ndarray) -> StructureSet:
        return StructureSet(GRID, tuple(Structure(name, mask(array)) for name, array in arrays.items()))

    earlier = made(Same=before, Edited=before, Gone=third, Old=after, Emptied=before, Never=np.zeros_like(before))
    later = made(New=third | before, Edited=after, Fresh=after, Same=before, Emptied=np.zeros_like(before))
    found = compare_sets(earlier, later)
    assert [(one.name, one.state, one.former_name) for one in found] == [
        ("New", "added", ""),
        ("Edited", "changed", ""),
        ("Fresh", "renamed", "Old"),
        ("Same", "unchanged", ""),
        ("Emptied", "removed", ""),
        ("Gone", "removed", ""),
        ("Never", "unchanged", ""),
    ]
    assert found[2].dice == 1.0
    assert not found[2].is_changed
    listed = lowest_slices(found)
    assert {name for name, _ in listed} == {"New", "Edited", "Emptied", "Gone"}
    assert [one.dice for _, one in listed] == sorted(one.dice for _, one in listed)


def test_other_grids_are_refused():
    a, b = (structures(grids()[name]) for name in ("axial", "oblique"))
    with pytest.raises(ValueError, match="different grids"):
        compare_sets(a, b)
