"""DVHs against formulas: discs, balls and boxes in linear doses, on coarse and turned grids, inside and outside."""

from __future__ import annotations

import numpy as np
import pytest
from builders import dvh_builder as db
from Dose3DLib.dose.dvh import Dvh, band, curve_edges, dose_at, dvh_of
from Dose3DLib.dose.dvh_metrics import figure_of, parse_metric
from Dose3DLib.dose.dvh_set import Doses, figure_rows, structure_dvh
from Dose3DLib.dose.structure_points import StructurePoints, structure_points
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure

COARSE = Grid.axial((30, 30, 30), (6.0, 5.0, 7.0), (-92.0, -95.0, -57.0))
"""Far coarser than the structures, around all of them."""


def turned(degrees=(20, 15, 10)) -> np.ndarray:
    a, b, c = np.radians(degrees)
    return (
        np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        @ np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
        @ np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    )


def dvh(structure, grid, dose, ends=True):
    points = structure_points(structure, grid, min(dose.grid.spacing_mm), ends)
    return dvh_of(points, dose_at(dose, points.places_mm))


def value(found, name, prescription=None):
    return figure_of(found, parse_metric(name), prescription).value


@pytest.mark.parametrize("turn", [np.eye(3), turned()], ids=["axial", "turned"])
def test_a_cylinder_across_a_linear_dose_is_a_circular_segment(turn):
    grid = db.grid_of(turn=turn)
    cylinder = db.cylinder(grid, 14.0, 7)
    place = grid.to_lps(db.middle_of(grid))
    across = turn @ np.array([1.0, 0.0, 0.0])
    found = dvh(cylinder, grid, db.linear_dose(across, 40.0, 1.5, place, COARSE))
    assert found.volume_cc == pytest.approx(np.pi * 14**2 * 7 * 2 / 1000, rel=1e-5)
    doses = np.linspace(20, 60, 41)
    expected = db.share_above_of_disc((doses - 40) / 1.5, 14.0)
    assert np.abs(found.volume_of_dose(doses) / found.volume_cc - expected).max() < 2e-3
    assert value(found, "Mean") == pytest.approx(40, abs=2e-3)
    assert value(found, "D50%") == pytest.approx(40, abs=0.02)
    for name, share in (("D95%", 0.95), ("D2%", 0.02), ("D98%", 0.98)):
        heights = np.linspace(-14, 14, 20001)
        height = np.interp(-share, -db.share_above_of_disc(heights, 14.0), heights)
        assert value(found, name) == pytest.approx(40 + 1.5 * height, abs=0.03), name


def test_a_cylinder_along_a_linear_dose_is_uniform_from_end_to_end():
    grid = db.grid_of(slice_mm=3.0)
    place = grid.to_lps(db.middle_of(grid))
    found = dvh(db.cylinder(grid, 10.0, 5), grid, db.linear_dose((0, 0, 1), 50.0, 2.0, place, COARSE))
    # Slabs reach half a slice beyond the planes: 15 mm of 2 Gy/mm.
    doses = np.linspace(34, 66, 33)
    assert np.abs(found.volume_of_dose(doses) / found.volume_cc - np.clip((65 - doses) / 30, 0, 1)).max() < 0.02
    assert value(found, "D95%") == pytest.approx(36.5, abs=0.2)
    without = dvh(db.cylinder(grid, 10.0, 5), grid, db.linear_dose((0, 0, 1), 50.0, 2.0, place, COARSE), ends=False)
    assert without.volume_cc == pytest.approx(0.8 * found.volume_cc, rel=1e-7)
    assert without.maximum < 62 <= found.maximum


@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 0, 1), (1, -2, 0.5)])
@pytest.mark.parametrize("radius", [4.0, 25.0])
def test_a_ball_in_a_linear_dose_is_a_spherical_cap(direction, radius):
    grid = db.grid_of(slice_mm=1.0)
    place = grid.to_lps(db.middle_of(grid))
    found = dvh(db.ball(grid, radius), grid, db.linear_dose(direction, 30.0, 0.8, place, COARSE))
    assert found.volume_cc == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=1e-4)
    heights = np.linspace(-radius, radius, 81)
    expected = db.share_above_of_ball(heights, radius)
    shares = found.volume_of_dose(30 + 0.8 * heights) / found.volume_cc
    assert np.abs(shares - expected).max() < (0.01 if radius > 10 else 0.025)  # discs of 1 mm for a ball
    assert value(found, "Mean") == pytest.approx(30, abs=0.005)
    assert value(found, "D50%") == pytest.approx(30, abs=0.02)


@pytest.mark.parametrize("dose_gy", [0.0, 20.0, 66.6])
def test_a_uniform_dose_is_itself(dose_gy):
    grid = db.grid_of()
    dose = Volume(np.full(COARSE.shape, dose_gy, np.float32), COARSE)
    found = dvh(db.ball(grid, 9.0), grid, dose)
    for name in ("Mean", "Min", "Max", "D95%", "D2%", "D0.03cc", "D100%"):
        assert value(found, name) == pytest.approx(dose_gy, abs=1e-5), name
    assert value(found, f"V{dose_gy:g}Gy") == 100
    assert value(found, f"V{dose_gy + 0.01:g}Gy") == 0


def test_a_ring_has_a_hole():
    grid = db.grid_of()
    middle = int(db.middle_of(grid)[2])
    ring = db.structure({middle + n: [db.circle(grid, 15.0), db.circle(grid, 9.0)] for n in (-1, 0, 1)}, grid)
    place = grid.to_lps(db.middle_of(grid))
    found = dvh(ring, grid, db.linear_dose((0, 1, 0), 40.0, 1.0, place, COARSE))
    heights = np.linspace(-15, 15, 31)
    outer = 225 * db.share_above_of_disc(heights, 15.0) - 81 * db.share_above_of_disc(heights, 9.0)
    assert np.abs(found.volume_of_dose(40 + heights) / found.volume_cc - outer / (225 - 81)).max() < 3e-3


@pytest.mark.parametrize("dose_spacing", [1.0, 8.0])
def test_a_mask_is_its_voxels(dose_spacing):
    """A box of voxels in a linear dose: uniform from edge to edge, whether voxels are cut finer or put together."""
    grid = Grid.axial((40, 60, 60), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    array = np.zeros(grid.shape, bool)
    array[5:25, 10:50, 20:40] = True  # x from 19.5 to 39.5 mm
    box = Structure("Box", Mask.from_array(array, grid))
    wide = Grid.axial((20, 20, 20), (dose_spacing * 10,) * 3, (-90.0, -90.0, -90.0))
    dose = db.linear_dose((1, 0, 0), 50.0, 1.0, np.array([29.5, 0, 0]), wide)
    found = dvh(box, grid, dose)
    assert found.volume_cc == pytest.approx(20 * 40 * 20 * 2 / 1000, rel=1e-9)
    doses = np.linspace(39, 61, 45)
    assert np.abs(found.volume_of_dose(doses) / found.volume_cc - np.clip((60 - doses) / 20, 0, 1)).max() < 0.03
    assert value(found, "D95%") == pytest.approx(41, abs=0.1)
    assert value(found, "Mean") == pytest.approx(50, abs=1e-3)


def test_a_large_mask_of_fine_voxels_is_put_together():
    grid = Grid.axial((100, 200, 200), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    body = Structure("BODY", Mask.from_array(np.ones(grid.shape, bool), grid))
    points = structure_points(body, grid, 6.0)
    assert len(points.volumes_cc) < 2_000_000
    assert points.volume_cc == pytest.approx(4000)
    weights = points.volumes_cc / points.volume_cc
    assert weights @ points.places_mm == pytest.approx([99.5, 99.5, 49.5], abs=0.01)


def test_random_shapes_against_monte_carlo():
    """A disc with a hole in a bumpy dose: points by chance, inside by matplotlib, dose by RegularGridInterpolator."""
    from matplotlib.path import Path
    from scipy.interpolate import RegularGridInterpolator

    random = np.random.default_rng(7)
    grid = db.grid_of(slice_mm=2.5)
    outer, inner = db.circle(grid, 18.0), db.circle(grid, 6.0) + (4.0, 3.0)
    middle = int(db.middle_of(grid)[2])
    shape = db.structure({middle: [outer, inner], middle + 1: [outer]}, grid)
    axes = [np.arange(n) * s + o for n, s, o in zip((25, 28, 26), (5.0, 4.0, 4.5), (-30.0, -75.0, -45.0), strict=True)]
    array = random.uniform(10, 70, (25, 28, 26)).astype(np.float32)
    dose = Volume(array, Grid.axial(array.shape, (5.0, 4.0, 4.5), (-45.0, -75.0, -30.0)))
    found = dvh(shape, grid, dose)
    index = np.column_stack([random.uniform(low, high, 200_000) for low, high in zip(
        (*outer.min(axis=0), middle - 0.5), (*outer.max(axis=0), middle + 1.5), strict=True)])  # fmt: skip
    is_in = Path(outer).contains_points(index[:, :2])
    is_in &= ~((index[:, 2] < middle + 0.5) & Path(inner).contains_points(index[:, :2]))
    lps = index[is_in] @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    doses = np.sort(RegularGridInterpolator(axes, array)(lps[:, ::-1]))
    levels = np.linspace(10, 70, 61)
    expected = 1 - np.searchsorted(doses, levels) / len(doses)
    assert np.abs(found.volume_of_dose(levels) / found.volume_cc - expected).max() < 6e-3
    for name, share in (("D95%", 5), ("D50%", 50), ("D2%", 98)):
        assert value(found, name) == pytest.approx(np.percentile(doses, share), abs=0.15), name


def half_outside():
    """A ball of 12 mm whose upper half has no dose: the grid ends at its middle."""
    grid = db.grid_of(slice_mm=1.0)
    place = grid.to_lps(db.middle_of(grid))
    ends = Grid.axial((30, 40, 40), (2.0, 3.0, 3.0), (place[0] - 58.5, place[1] - 58.5, place[2] - 59.0))
    return db.ball(grid, 12.0), grid, Volume(np.full(ends.shape, 40.0, np.float32), ends)


def test_outside_the_grid_is_unknown_never_zero():
    found = dvh(*half_outside())
    assert found.unknown_cc == pytest.approx(found.volume_cc / 2, rel=0.01)
    assert value(found, "Min") == 40
    assert value(found, "V20Gy[%]") == pytest.approx(100)
    lowest = {name: figure_of(found, parse_metric(name)) for name in ("D95%", "V20Gy[%]", "Mean", "Max", "V20Gy[cc]")}
    assert lowest["D95%"].low == 0
    assert lowest["D95%"].high == 40  # 95 % of all hold at most the unknown half at any dose and the rest at 40 Gy
    assert lowest["V20Gy[%]"].low == pytest.approx(50, abs=1)
    assert lowest["V20Gy[%]"].high == pytest.approx(100)
    assert lowest["Mean"].low == pytest.approx(20, abs=0.3)
    assert lowest["Mean"].high == lowest["Max"].high == np.inf
    assert lowest["V20Gy[cc]"].high == pytest.approx(found.volume_cc)
    structure, grid, dose = half_outside()
    warnings = structure_dvh(structure, grid, Doses(dose)).warnings
    assert any("the dose grid ends within it; 50 %" in text for text in warnings)


def test_a_sliver_beyond_the_grid_is_rounding():
    points = StructurePoints(np.zeros((3, 3)), np.array([1.0, 1.0, 1e-7]), 3)
    found = dvh_of(points, np.array([10.0, 20.0, np.nan], np.float32))
    assert found.unknown_cc == 0
    assert figure_of(found, parse_metric("Max")).is_sure
    assert dvh_of(points, np.array([np.nan, 20.0, 10.0], np.float32)).unknown_cc == 1


def test_the_outer_half_voxel_has_the_dose_of_its_centre():
    line = Volume(np.arange(1.0, 6.0, dtype=np.float32).reshape(5, 1, 1) * np.ones((1, 3, 3), np.float32),
                  Grid.axial((5, 3, 3), (2.0, 10.0, 10.0), (0.0, 0.0, 0.0)))  # fmt: skip
    places = np.array([[10, 10, z] for z in (-1.01, -0.99, -0.5, 0.0, 1.0, 7.0, 8.9, 9.1)])
    found = dose_at(line, places)
    assert np.isnan(found[[0, 7]]).all()
    assert found[1:7] == pytest.approx([1, 1, 1, 1.5, 4.5, 5])
    assert dose_at(line, places, order=0)[4] in (1.0, 2.0)


def test_doses_that_are_not_numbers_are_unknown():
    grid = db.grid_of()
    array = np.full(COARSE.shape, 30.0, np.float32)
    array[:, :, :15] = np.nan
    found = dvh(db.ball(grid, 20.0), grid, Volume(array, COARSE))
    assert 0 < found.unknown_cc < found.volume_cc
    assert value(found, "Min") == value(found, "Max") == 30


def test_few_voxels_steep_doses_and_single_slices_are_warned_of():
    grid = db.grid_of()
    place = grid.to_lps(db.middle_of(grid))
    k, j, i = np.meshgrid(*map(np.arange, COARSE.shape), indexing="ij")
    x = COARSE.to_lps(np.stack([i, j, k], axis=-1))[..., 0]
    step = Volume(np.where(x < place[0], 0.0, 60.0).astype(np.float32), COARSE)
    warnings = structure_dvh(db.cylinder(grid, 4.0, 1), grid, Doses(step)).warnings
    assert any("voxels of the dose; the grid decides" in text for text in warnings)
    assert any("it lies on 1 slice, so" in text for text in warnings)
    assert any("the dose is steep for its grid" in text for text in warnings)
    fine = Grid.axial((60, 60, 60), (2.0, 2.0, 2.0), (-49.0, -79.0, -29.0))
    gentle = db.linear_dose((1, 0, 0), 50.0, 0.2, place, fine)
    assert structure_dvh(db.ball(grid, 20.0), grid, Doses(gentle)).warnings == ()


def test_slices_that_were_not_drawn_are_told():
    grid = db.grid_of()
    middle = int(db.middle_of(grid)[2])
    skipped = db.structure({middle + n: [db.circle(grid, 15.0)] for n in (-4, -2, 0, 1, 4)}, grid)
    dose = Volume(np.full(COARSE.shape, 30.0, np.float32), COARSE)
    for structure in (skipped, Structure("PTV", skipped.mask)):
        warnings = structure_dvh(structure, grid, Doses(dose)).warnings
        assert any("4 slices between its ends have nothing of it" in text for text in warnings)


def test_curves_differential_and_bands():
    grid = db.grid_of()
    place = grid.to_lps(db.middle_of(grid))
    ball = db.ball(grid, 15.0)
    doses = [db.linear_dose((1, 0, 0), middle, 1.0, place, COARSE) for middle in np.linspace(35, 45, 21)]
    found = structure_dvh(ball, grid, Doses(doses[10], doses[0], tuple(doses)))
    edges = curve_edges(found.dvh.maximum)
    assert edges[0] == 0
    assert edges[-1] > found.dvh.maximum
    assert 200 <= len(edges) <= 700
    parts = found.dvh.differential(edges)
    assert parts.sum() == pytest.approx(found.dvh.volume_cc)
    steps = found.dvh.volume_of_dose(edges)
    assert parts == pytest.approx(steps[:-1] - steps[1:], abs=2e-3 * found.dvh.volume_cc)
    low, high = band(found.samples, np.array([40.0]))
    assert low[0] == pytest.approx(db.share_above_of_ball(4.75, 15.0), abs=0.01)
    assert high[0] == pytest.approx(db.share_above_of_ball(-4.75, 15.0), abs=0.01)
    (row,) = figure_rows(found, [parse_metric("Mean")], None)
    assert row.figure.value - row.reference.value == pytest.approx(5, abs=1e-3)
    assert row.band == pytest.approx((35.25, 44.75), abs=0.01)


def test_a_band_is_of_what_each_dose_knows():
    """Samples that reach further than others are no reason for more than all of the volume."""
    known, half = Dvh(np.array([40.0]), np.array([4.0])), Dvh(np.array([40.0]), np.array([2.0]), 2.0)
    low, high = band([known, half, Dvh(np.zeros(0), np.zeros(0), 4.0)], np.array([30.0, 50.0]))
    assert low.tolist() == high.tolist() == [1.0, 0.0]
    assert np.isnan(band([Dvh(np.zeros(0), np.zeros(0), 4.0)], np.array([1.0]))).all()


def test_an_empty_structure_has_no_points():
    grid = db.grid_of()
    for contours in (None, {}, {3: [np.zeros((2, 2))]}):
        assert len(structure_points(Structure("x", Mask.empty(grid), contours), grid, 2.0).volumes_cc) == 0


def test_bins_are_round():
    assert np.diff(curve_edges(70.0))[0] == pytest.approx(0.2)
    assert np.diff(curve_edges(2.1))[0] == pytest.approx(0.005)
    assert curve_edges(70.0, 0.5)[-1] >= 70.0
