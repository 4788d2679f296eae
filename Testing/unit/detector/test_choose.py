"""Choosing cells under a stock, judged by trying every choice, and by the rules that each result must keep."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from Dose3DLib.detector.choose import choose_cells
from Dose3DLib.detector.posterior import DosePrior, posterior_variance
from Dose3DLib.detector.regions import (
    Region,
    filled_places,
    make_region,
    mean_variance,
    redrawn,
    shares_of_boxes,
)
from Dose3DLib.detector.rules import Rules, columns_along, make_rules
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure

PRIOR = DosePrior()
GRID = Grid.axial((40, 40, 40), (3.0, 3.0, 3.0), (-58.5, -58.5, -58.5))


def ball(radius_mm: float, center_mm=(0.0, 0.0, 0.0), name: str = "PTV") -> Structure:
    k, j, i = np.indices(GRID.shape)
    places = GRID.to_lps(np.stack([i, j, k], -1))
    inside = ((places - np.array(center_mm)) ** 2).sum(axis=-1) <= radius_mm**2
    return Structure(name, Mask.from_array(inside, GRID))


def lattice(counts=(6, 6, 6), pitch: float = 12.0, size: float = 10.0) -> Cells:
    axes = [(np.arange(n) - (n - 1) / 2) * pitch for n in counts]
    centers = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    return Cells(tuple(map(str, range(len(centers)))), centers, np.full(centers.shape, size), np.eye(3))


def left(cells: Cells, regions: list[Region]) -> float:
    return mean_variance(regions, [posterior_variance(r.points_mm, cells, PRIOR) for r in regions])


def test_the_variance_is_what_the_chosen_cells_leave():
    regions = [make_region(ball(20)), make_region(ball(12, (25, 0, 0), "Cord"), 0.3, is_target=False)]
    found = choose_cells(lattice(), regions, 20)
    chosen = lattice().take(found.chosen)
    assert len(set(found.chosen)) == 20
    assert found.value == pytest.approx(left(chosen, regions) / PRIOR.variance_gy2, rel=1e-6)
    assert found.value <= found.greedy_value


def test_no_choice_of_three_is_better():
    cells, regions = lattice((3, 3, 2)), [make_region(ball(14, (4, 3, 1)), count=150)]
    found = choose_cells(cells, regions, 3)
    best = min(left(cells.take(np.array(three)), regions) for three in combinations(range(len(cells)), 3))
    assert found.value * PRIOR.variance_gy2 <= best * 1.0005


def test_chosen_cells_tell_more_than_a_block_or_a_draw():
    cells, regions = lattice(), [make_region(ball(30))]
    found = left(cells.take(choose_cells(cells, regions, 24).chosen), regions)
    nearest = np.argsort(np.linalg.norm(cells.centers_mm, axis=1), kind="stable")[:24]
    rng = np.random.default_rng(0)
    draws = [left(cells.take(rng.choice(len(cells), 24, replace=False)), regions) for _ in range(10)]
    assert found < 0.95 * left(cells.take(nearest), regions)
    assert found < 0.95 * min(draws)


def test_a_small_target_gets_its_minimum():
    """5 cc beside 113 cc, in a corner of the lattice, and with a weight that would leave it without a cell."""
    large, small = make_region(ball(30, (-12, 0, 0))), make_region(ball(10.6, (24, 20, 18), "small"), 1e-6)
    cells = lattice()
    without = choose_cells(cells, [large, small], 16).chosen
    rules = make_rules(cells, [large, small], 3, wall_mm=1.0)
    found = choose_cells(cells, [large, small], 16, rules)
    share = shares_of_boxes(small.structure, cells, 1.0)
    members = next(q.members for q in rules.quotas if q.name == "small")
    assert np.count_nonzero(members[without]) < 3
    assert np.count_nonzero(members[found.chosen]) >= 3
    assert share[found.chosen].max() == share.max()
    assert found.notes == ()


def test_a_target_smaller_than_a_cell_gets_its_minimum():
    tiny = make_region(ball(2.0, (6.5, 6.5, 6.5), "tiny"))
    rules = make_rules(lattice(), [make_region(ball(30)), tiny], 2)
    assert next(q for q in rules.quotas if q.name == "tiny").members.sum() == 2
    found = choose_cells(lattice(), [make_region(ball(30)), tiny], 5, rules)
    assert all(np.count_nonzero(quota.members[found.chosen]) >= 2 for quota in rules.quotas)


def test_columns_stay_connected():
    cells, regions = lattice(), [make_region(ball(14, (-20, 0, -14))), make_region(ball(14, (-20, 0, 20)))]
    rules = make_rules(cells, regions, 3, column_axis=2)
    for count in (7, 20):
        chosen = choose_cells(cells, regions, count, rules).chosen
        for column in {tuple(xy) for xy in cells.centers_mm[chosen][:, :2]}:
            z = np.sort(cells.centers_mm[chosen][(cells.centers_mm[chosen][:, :2] == column).all(axis=1), 2])
            assert np.allclose(np.diff(z), 12.0)
    assert len(choose_cells(cells, regions, 20, rules).chosen) == 20


def test_a_gap_ends_a_column():
    z = [0.0, 12.0, 24.0, 60.0, 72.0]
    cells = Cells(tuple("abcde"), np.array([[0.0, 0.0, n] for n in z]), np.full((5, 3), 10.0), np.eye(3))
    column, level = columns_along(cells, 2)
    assert column.tolist() == [0, 0, 0, 1, 1]
    assert level.tolist() == [0, 1, 2, 0, 1]
    assert len(set(columns_along(cells, 0)[0])) == 5


def test_dense_candidates_never_overlap():
    cells, regions = lattice((9, 9, 9), pitch=6.0), [make_region(ball(22))]
    rules = make_rules(cells, regions, 2, wall_mm=1.0)
    centers = cells.centers_mm[choose_cells(cells, regions, 14, rules).chosen]
    apart = np.abs(centers[:, None] - centers[None]).max(axis=-1)[~np.eye(14, dtype=bool)]
    assert apart.min() >= 12.0 - 1e-9


def test_where_no_more_fit_it_says_so():
    cells = lattice((3, 3, 3), pitch=4.0)
    regions = [make_region(ball(22))]
    found = choose_cells(cells, regions, 9, make_rules(cells, regions, 1, wall_mm=1.0))
    assert len(found.chosen) == 1
    assert "1 cells instead of 9" in found.notes[0]


def test_a_second_set_up_goes_where_the_first_was_not():
    cells, regions = lattice(), [make_region(ball(30))]
    first = choose_cells(cells, regions, 20)
    second = choose_cells(cells, regions, 20, before=[cells.take(first.chosen)])
    assert not set(first.chosen) & set(second.chosen)
    both = left(cells.take(np.concatenate([first.chosen, second.chosen])), regions)
    assert second.value == pytest.approx(both / PRIOR.variance_gy2)
    assert second.value < 0.9 * first.value


def test_more_cells_than_candidates_is_refused():
    with pytest.raises(ValueError, match="65 cells of 64"):
        choose_cells(lattice((4, 4, 4)), [make_region(ball(20))], 65)


def test_places_of_a_region_fill_it():
    structure = ball(20)
    places, volume = filled_places(structure)
    assert volume == pytest.approx(structure.mask.volume_cc * 1000)
    assert len(places) == structure.mask.voxels * 8
    assert np.allclose(places.mean(axis=0), 0, atol=0.05)
    assert len(make_region(structure).points_mm) == int(volume / 125)
    assert len(make_region(structure, count=40).points_mm) == 40


def test_a_choice_is_no_better_at_other_places():
    """It must not fit itself to the places that it was made with."""
    region = make_region(ball(30))
    cells = lattice()
    found = choose_cells(cells, [region], 40)
    other = left(cells.take(found.chosen), [redrawn(region, 7)]) / PRIOR.variance_gy2
    assert other == pytest.approx(found.value, rel=0.04)


def test_redrawn_places_are_others_of_the_same_region():
    region = make_region(ball(20))
    other = redrawn(region, 1)
    assert len(other.points_mm) == len(region.points_mm)
    assert not np.allclose(other.points_mm, region.points_mm)
    assert np.array_equal(redrawn(region, 0).points_mm, region.points_mm)


def test_contours_are_the_truth_of_a_region():
    square = np.array([[10.2, 10.0], [20.2, 10.0], [20.2, 15.0], [10.2, 15.0]])
    structure = Structure("Box", Mask.empty(GRID), {k: [square] for k in range(5, 9)})
    places, volume = filled_places(structure)
    assert volume == pytest.approx(10 * 5 * 4 * 27)
    assert len(places) * 27 / 8 == pytest.approx(volume, rel=0.01)
    low, high = places.min(axis=0), places.max(axis=0)
    assert np.allclose((low + high) / 2, GRID.to_lps(np.array([15.2, 12.5, 6.5])), atol=1.5)


def test_shares_of_boxes_are_volumes():
    slab = Structure("Slab", Mask.from_array(np.indices(GRID.shape)[2] < 20, GRID))
    cells = Cells(
        ("in", "half", "out"), np.array([[-20.0, 0, 0], [0, 0, 0], [20, 0, 0]]), np.full((3, 3), 12.0), np.eye(3)
    )
    assert np.allclose(shares_of_boxes(slab, cells), [1, 0.5, 0], atol=1e-6)
    assert np.allclose(shares_of_boxes(slab, cells, 1.0), [1, 0.5, 0], atol=1e-6)


def test_rules_shrink_with_their_candidates():
    cells = lattice()
    rules = make_rules(cells, [make_region(ball(20))], 2, column_axis=1)
    kept = np.array([3, 9, 100])
    small = rules.take(kept)
    assert small.size == 3
    assert np.array_equal(small.column, rules.column[kept])
    assert np.array_equal(small.quotas[0].members, rules.quotas[0].members[kept])
    assert Rules(3).free([1]).tolist() == [True, False, True]
