"""Parts of grids, judged by indices and places."""

from __future__ import annotations

import numpy as np
import pytest
from builders.scale_builder import lattice_cells, places, small_grid
from Dose3DLib.geometry.crop import block_around, crop_structures, crop_volume, uncrop
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet


def test_the_block_holds_the_cells_and_the_margin():
    grid = small_grid(2.0, 60)
    block = block_around(lattice_cells(2, shift_mm=(10, -6, 0)), grid, 8.0)
    x, y, z = (np.unique(at[block]) for at in places(grid))
    # Cells reach 11 mm from their middle, the margin 8 mm more, and voxels are whole.
    for at, middle in ((x, 10), (y, -6), (z, 0)):
        assert middle - 19 - 2.1 < at[0] <= middle - 19
        assert middle + 19 <= at[-1] < middle + 19 + 2.1


def test_no_block_where_no_cell_is():
    assert block_around(lattice_cells(2, shift_mm=(500, 0, 0)), small_grid(), 5.0) is None


def test_on_the_same_grid_voxels_are_kept():
    grid = small_grid()
    volume = Volume(np.arange(32**3, dtype=np.float32).reshape(32, 32, 32), grid)
    block = (slice(3, 9), slice(0, 5), slice(20, 32))
    small = crop_volume(volume, grid, block)
    assert np.array_equal(small.array, volume.array[3:9, 0:5, 20:32])
    assert np.allclose(small.grid.to_lps(np.zeros(3)), grid.to_lps(np.array([20, 0, 3])))
    back = uncrop(small.array, grid, block, fill=-1)
    assert np.array_equal(back.array[block], small.array)
    assert (back.array == -1).sum() == 32**3 - small.array.size


def test_from_another_grid_a_linear_field_is_exact():
    grid, other = small_grid(), Grid.axial((50, 50, 50), (2.0, 2.0, 2.0), (-49.0, -49.0, -49.0))
    x, y, z = places(other)
    block = (slice(4, 28),) * 3
    small = crop_volume(Volume(x + 2 * y - z, other), grid, block)
    a, b, c = places(grid)
    assert np.allclose(small.array, (a + 2 * b - c)[block], atol=1e-3)


def test_structures_keep_their_names_types_and_volume():
    other = Grid.axial((60, 60, 60), (1.5, 1.5, 1.5), (-44.0, -44.0, -44.0))
    x, y, z = places(other)
    ball = Structure("PTV", Mask.from_array(x**2 + y**2 + z**2 < 20**2, other), None, (1, 2, 3), "PTV", 7)
    found = crop_structures(StructureSet(other, (ball,)), small_grid(), (slice(2, 30),) * 3)["PTV"]
    assert (found.interpreted_type, found.number, found.color) == ("PTV", 7, (1, 2, 3))
    assert found.mask.volume_cc == pytest.approx(4 / 3 * np.pi * 2**3, rel=0.03)
    assert found.mask.grid.shape == (28, 28, 28)
