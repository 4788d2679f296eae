"""Set-ups under a stock: the lattice is chosen, too, and several set-ups know of one another."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.detector.lattice import Lattice
from Dose3DLib.detector.placement import Placement
from Dose3DLib.detector.posterior import posterior_variance
from Dose3DLib.detector.regions import Region, make_region
from Dose3DLib.detector.setups import Stock, candidate_lattices, choose_setups, lattice_candidates
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure

GRID = Grid.axial((40, 40, 40), (3.0, 3.0, 3.0), (-58.5, -58.5, -58.5))


def region(half_mm=(18.0, 18.0, 18.0), center_mm=(0.0, 0.0, 0.0), name: str = "PTV") -> Region:
    k, j, i = np.indices(GRID.shape)
    away = np.abs(GRID.to_lps(np.stack([i, j, k], -1)) - np.array(center_mm))
    return make_region(Structure(name, Mask.from_array((away <= half_mm).all(axis=-1), GRID)), count=150)


def test_candidates_surround_the_regions():
    found = lattice_candidates([region()], Lattice(phase_mm=(6.0, 6.0, 6.0)), Placement())
    assert len(found) == 6**3
    assert np.abs(found.cells.centers_mm).max() == pytest.approx(30.0)
    assert len(set(found.cells.labels)) == len(found)
    assert found.wall_mm == 1.0


def test_a_turned_lattice_is_turned_about_the_patients_long_axis():
    plain, turned = candidate_lattices([region()], Lattice(), Placement(), 1, (0.0, 30.0))
    assert np.allclose(turned.placement.to_lps[:, 1], plain.placement.to_lps[:, 1])
    cosine = turned.placement.to_lps[:, 0] @ plain.placement.to_lps[:, 0]
    assert cosine == pytest.approx(np.cos(np.radians(30)))


def test_the_better_phase_is_taken():
    """A target of one box: the phase that puts a cell into it beats the one that puts eight beside it."""
    small = region((6.0, 6.0, 6.0))
    layouts = candidate_lattices([small], Lattice(), Placement(), 2)
    found = choose_setups(layouts, [small], Stock(1, minimum=1))
    assert np.allclose(found[0].layout.cells.centers_mm, 0, atol=1e-9)
    assert "phase 0, 0, 0" in found[0].layout.name


def test_two_set_ups_tell_what_they_say():
    regions = [region(), region((6.0, 6.0, 6.0), (30.0, 0, 0), "Node")]
    layouts = candidate_lattices(regions, Lattice(), Placement(), 2)
    found = choose_setups(layouts, regions, Stock(12, minimum=2), setups=2)
    cells = [setup.layout.cells for setup in found]
    both = Cells(
        tuple(map(str, range(24))),
        np.concatenate([c.centers_mm for c in cells]),
        np.full((24, 3), 10.0),
        cells[0].axes,
    )
    left = [posterior_variance(r.points_mm, both).mean() / 70.0**2 for r in regions]
    assert found[-1].choice.value == pytest.approx(np.mean(left), rel=1e-6)
    one = choose_setups(layouts, regions, Stock(12, minimum=2))[0].choice.value
    assert found[-1].choice.value < one


def test_columns_are_connected_in_each_set_up():
    regions = [region()]
    layouts = candidate_lattices(regions, Lattice(), Placement(), 1)
    for setup in choose_setups(layouts, regions, Stock(14, 1, column_axis=2), setups=2):
        places = setup.layout.detector_centers_mm()
        for column in {tuple(np.round(xy, 3)) for xy in places[:, :2]}:
            z = np.sort(places[(np.abs(places[:, :2] - column) < 0.01).all(axis=1), 2])
            assert np.allclose(np.diff(z), 12)


def test_more_cells_than_candidates_is_refused():
    layouts = candidate_lattices([region((3.0, 3.0, 3.0))], Lattice(), Placement(), 1)
    with pytest.raises(ValueError, match="of 27 candidates"):
        choose_setups(layouts, [region((3.0, 3.0, 3.0))], Stock(28))
