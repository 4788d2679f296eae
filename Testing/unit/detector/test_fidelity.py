"""How cells stand for structures, judged by boxes and balls with known volumes and distances."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.detector.fidelity import layout_fidelity, surface_distances
from Dose3DLib.detector.layout import Layout
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure

GRID = Grid.axial((60, 60, 60), (2.0, 2.0, 2.0), (-59.0, -59.0, -59.0))


def cells_at(centers: np.ndarray, size: float = 10.0, axes: np.ndarray | None = None) -> Cells:
    axes = np.eye(3) if axes is None else axes
    return Cells(tuple(map(str, range(len(centers)))), centers, np.full(np.shape(centers), size), axes)


def lattice(counts=(4, 4, 4), pitch: float = 12.0) -> np.ndarray:
    axes = [(np.arange(n) - (n - 1) / 2) * pitch for n in counts]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)


def block(low, high, name: str = "PTV") -> Structure:
    k, j, i = np.indices(GRID.shape)
    places = GRID.to_lps(np.stack([i, j, k], -1))
    return Structure(name, Mask.from_array(((places > low) & (places < high)).all(axis=-1), GRID))


def test_a_block_of_whole_boxes_is_matched():
    layout = Layout(cells_at(lattice()), wall_mm=1.0)
    found, own = layout_fidelity(layout, block(-12, 12))
    assert found.cells == 8 == own.sum() == found.touching
    assert found.volume_cc == pytest.approx(24**3 / 1000)
    assert found.boxes_cc == pytest.approx(found.volume_cc)
    assert found.dice == pytest.approx(1.0, abs=0.002)
    assert found.coverage == pytest.approx(1.0, abs=0.002)
    assert found.seen == pytest.approx(1000 / 1728, abs=0.03)
    assert found.surface_mean_mm < 0.6
    assert found.volume_error == pytest.approx(0, abs=1e-9)
    assert 0 < found.left < 0.3


def test_half_a_box_too_many():
    """A block of 30 mm x 24 x 24 and boxes of 36: 12 boxes share 8 whole and 4 half ones."""
    layout = Layout(cells_at(lattice((5, 4, 4))), wall_mm=1.0)
    found, _ = layout_fidelity(layout, block((-18, -12, -12), (12, 12, 12)))
    assert found.cells == 12
    assert found.dice == pytest.approx(2 * 30 / (30 + 36), abs=0.01)
    strict, _ = layout_fidelity(layout, block((-18, -12, -12), (12, 12, 12)), share=0.7)
    assert (strict.cells, strict.touching) == (8, 12)


def test_a_structure_beside_the_cells():
    found, own = layout_fidelity(Layout(cells_at(lattice() + [0, 0, 200])), block(-12, 12))
    assert found.cells == 0 == own.sum()
    assert found.dice == found.coverage == found.covered_by_any == found.seen == 0
    assert np.isnan(found.surface_mean_mm)
    assert found.left == pytest.approx(1.0, abs=1e-6)


def test_surfaces_of_a_box_in_a_box_are_their_gap_apart():
    outer = cells_at(np.zeros((1, 3)), 60.0)
    mean, high = surface_distances(block(-20, 20), outer)
    assert high >= mean
    assert mean == pytest.approx(11.5, abs=1.5)  # 10 mm at the faces, up to 17 mm at the corners
    assert high < 18


def test_oblique_boxes_keep_their_figures():
    a = np.radians(35)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    k, j, i = np.indices(GRID.shape)
    places = GRID.to_lps(np.stack([i, j, k], -1)) @ turn
    turned = Structure("PTV", Mask.from_array((np.abs(places) < 18).all(axis=-1), GRID))
    found, _ = layout_fidelity(Layout(cells_at(lattice((5, 5, 5)) @ turn.T, axes=turn), wall_mm=1.0), turned)
    assert found.cells == 27
    assert found.dice > 0.96
    assert found.surface_mean_mm < 1.0


def test_contours_are_the_truth():
    square = np.array([[20.2, 20.0], [39.2, 20.0], [39.2, 39.0], [20.2, 39.0]])
    structure = Structure("Thin", Mask.empty(GRID), {k: [square] for k in range(24, 36)})
    found, _ = layout_fidelity(Layout(cells_at(lattice()), wall_mm=1.0), structure)
    assert found.volume_cc == pytest.approx(38 * 38 * 24 / 1000)


def test_an_empty_structure_is_refused():
    with pytest.raises(ValueError, match="is empty"):
        layout_fidelity(Layout(cells_at(lattice())), Structure("none", Mask.empty(GRID)))
