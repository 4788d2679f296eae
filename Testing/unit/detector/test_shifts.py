"""Shifts between acquisitions, judged by trying others and by the variance from first principles."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.detector.posterior import DosePrior, posterior_variance
from Dose3DLib.detector.regions import Region
from Dose3DLib.detector.shifts import (
    diagonal_shifts,
    near_cells,
    pitches_mm,
    plan_shifts,
    shifted,
    variance_after,
)
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure

PRIOR = DosePrior()
PTV = Structure("PTV", Mask.empty(Grid.axial((1, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))))
"""Shifts look at places only."""


def lattice(counts=(3, 3, 3), pitch=(12.0, 12.0, 12.0), degrees: float = 0.0) -> Cells:
    axes = [(np.arange(n) - (n - 1) / 2) * p for n, p in zip(counts, pitch, strict=True)]
    centers = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    return Cells(tuple(map(str, range(len(centers)))), centers @ turn.T, np.full(centers.shape, 10.0), turn)


def box(half_mm, center_mm=(0.0, 0.0, 0.0), count: int = 80, weight: float = 1.0) -> Region:
    points = np.random.default_rng(4).uniform(-1, 1, (count, 3)) * half_mm + np.array(center_mm)
    return Region(PTV, points, points, 8 * float(np.prod(np.broadcast_to(half_mm, 3))), weight)


def test_the_plan_leaves_what_it_says():
    cells, regions = lattice(), [box(16.0), box(8.0, (20, 10, 0), weight=0.3)]
    plan = plan_shifts(cells, regions, 3)
    value, variances = variance_after(cells, plan.shifts_mm, regions)
    both = Cells(
        tuple(map(str, range(81))),
        np.concatenate([shifted(cells, s).centers_mm for s in plan.shifts_mm]),
        np.full((81, 3), 10.0),
        cells.axes,
    )
    wanted = [posterior_variance(region.points_mm, both, PRIOR) for region in regions]
    assert plan.values[-1] == pytest.approx(value)
    assert np.allclose(variances[0], wanted[0])
    assert np.allclose(variances[1], wanted[1])
    assert value * PRIOR.variance_gy2 == pytest.approx((wanted[0].mean() + 0.3 * wanted[1].mean()) / 1.3)
    assert list(plan.values) == sorted(plan.values, reverse=True)
    assert plan.shifts_mm[0].tolist() == [0, 0, 0]


def test_a_second_look_within_a_large_detector_is_between_the_cells():
    """The body-centred lattice is known to be best for isotropic fields: half a pitch along all three axes."""
    cells, regions = lattice((6, 6, 6)), [box(10.0)]
    plan = plan_shifts(cells, regions, 2, reach_mm=12.0)
    inside = np.abs(plan.shifts_mm[1]) % 12
    assert np.allclose(inside, 6, atol=1.6)
    assert plan.values[1] < 0.75 * plan.values[0]


def test_a_small_detector_goes_where_it_was_not():
    cells, regions = lattice((3, 3, 3)), [box((34.0, 15.0, 15.0))]
    plan = plan_shifts(cells, regions, 2)
    assert abs(plan.shifts_mm[1][0]) > 15
    near = plan_shifts(cells, regions, 2, reach_mm=6.0)
    assert np.abs(near.shifts_mm).max() <= 6.0
    assert plan.values[1] < near.values[1]


def test_it_is_better_than_the_diagonal_and_than_standing_still():
    cells, regions = lattice(), [box((30.0, 20.0, 25.0), (5, 0, 0))]
    for frames in (2, 3):
        plan = plan_shifts(cells, regions, frames)
        still, _ = variance_after(cells, np.zeros((frames, 3)), regions)
        diagonal, _ = variance_after(cells, diagonal_shifts(cells, frames), regions)
        assert plan.values[-1] < diagonal < still


def test_shifts_are_along_the_detector():
    cells, turned = lattice(), lattice(degrees=30.0)
    region = box((34.0, 15.0, 15.0))
    rotated = Region(PTV, region.points_mm @ turned.axes.T, region.filled_mm, region.volume_mm3)
    plain, other = plan_shifts(cells, [region], 2), plan_shifts(turned, [rotated], 2)
    assert np.allclose(plain.shifts_mm, other.shifts_mm, atol=1e-6)
    moved = shifted(turned, np.array([6.0, 0, 0])).centers_mm - turned.centers_mm
    assert np.allclose(moved, [6 * np.cos(np.radians(30)), 3.0, 0])


def test_pitches_of_layouts():
    assert pitches_mm(lattice(pitch=(15.4, 14.7, 16.9))) == pytest.approx([15.4, 14.7, 16.9])
    assert pitches_mm(lattice((1, 1, 5), (12, 12, 13.65))) == pytest.approx([10, 10, 13.65])


def test_the_diagonal_has_equal_steps():
    assert np.allclose(diagonal_shifts(lattice(), 3), np.array([[0, 0, 0], [4, 4, 4], [8, 8, 8]]))


def test_far_cells_are_left_out_without_harm():
    cells, regions = lattice((12, 3, 3)), [box(8.0)]
    near = cells.take(near_cells(cells, regions, PRIOR))
    assert len(near) < len(cells)
    whole = posterior_variance(regions[0].points_mm, cells, PRIOR)
    assert np.allclose(posterior_variance(regions[0].points_mm, near, PRIOR), whole, rtol=1e-3)


def test_a_detector_that_sees_nothing_is_moved_to_the_regions():
    cells, regions = lattice(), [box(15.0, (200.0, 0, 0))]
    plan = plan_shifts(cells, regions, 2)
    assert plan.values[0] == pytest.approx(1.0)
    assert plan.values[1] < 0.3
