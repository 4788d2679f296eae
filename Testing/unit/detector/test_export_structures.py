"""Cells as structures: areas by the shoelace formula, voxels by a plain test of each centre."""

from __future__ import annotations

import numpy as np
import pytest
from builders.detector_builder import small_layout
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.export_structures import MOST_STRUCTURES, cell_structures, chosen_grouping, outline_structure
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.placement import Placement
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid

TURN = np.linalg.qr(np.random.default_rng(8).normal(size=(3, 3)))[0]
TURN *= np.sign(np.linalg.det(TURN))


def grid_over(layout: Layout, spacing=(0.31, 2.2, 2.3), tilt: bool = False) -> Grid:
    low, high = layout.cells.corners_mm().min(axis=(0, 1)) - 8, layout.cells.corners_mm().max(axis=(0, 1)) + 8
    count = np.ceil((high - low) / spacing[::-1]).astype(int)
    grid = Grid.axial(tuple(count[::-1]), spacing, tuple(low))
    if not tilt:
        return grid
    affine = grid.affine.copy()
    affine[1, 2] = -0.05  # sheared stack
    affine[1, 3] += 6
    return Grid(grid.shape, affine)


def inside(layout: Layout, grid: Grid, row: int) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    local = (grid.to_lps(np.stack([i, j, k], -1)) - layout.cells.centers_mm[row]) @ layout.cells.axes
    return (np.abs(local) < layout.cells.sizes_mm[row] / 2).all(axis=-1)


def area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


def far_from_faces(layout: Layout, grid: Grid, row: int) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    local = (grid.to_lps(np.stack([i, j, k], -1)) - layout.cells.centers_mm[row]) @ layout.cells.axes
    return (np.abs(np.abs(local) - layout.cells.sizes_mm[row] / 2) > 1e-5).all(axis=-1)


@pytest.mark.parametrize("turn", [None, TURN], ids=["along the axes", "oblique"])
@pytest.mark.parametrize("tilt", [False, True], ids=["straight", "sheared"])
def test_voxels_and_outlines_are_the_boxes(turn, tilt):
    layout = small_layout(turn=turn)
    grid = grid_over(layout, tilt=tilt)
    found = cell_structures(layout, grid, "cell")
    assert found.names == list(layout.cells.labels)
    for row, structure in enumerate(found):
        sure = far_from_faces(layout, grid, row)
        assert np.array_equal(structure.mask.to_array()[sure], inside(layout, grid, row)[sure])
        volume = sum(area(p) for polygons in structure.contours.values() for p in polygons) * grid.voxel_volume_mm3
        assert volume == pytest.approx(layout.cells.volumes_mm3[row], rel=0.06)  # slices sample the box
    total = sum(area(p) for s in found for polygons in s.contours.values() for p in polygons) * grid.voxel_volume_mm3
    assert total == pytest.approx(layout.cells.volumes_mm3.sum(), rel=0.03)


def test_outlines_are_exact_rectangles():
    layout = small_layout()
    grid = grid_over(layout)
    structure = cell_structures(layout, grid, "cell").structures[10]
    for k, polygons in structure.contours.items():
        (polygon,) = polygons
        lps = grid.to_lps(np.column_stack([polygon, np.full(len(polygon), k)]))
        local = (lps - layout.cells.centers_mm[10]) @ layout.cells.axes
        assert len(polygon) == 4
        assert np.abs(np.sort(np.abs(local[:, [0, 2]]), axis=0) - np.array([4, 6])).max() < 1e-6


def test_cells_that_touch_share_no_voxel():
    """Faces on voxel centres: each centre belongs to one cell, none to two."""
    points = np.array([[10.0 * a, 10.0 * b, 10.0 * c] for a in range(2) for b in range(2) for c in range(2)])
    labels = tuple(f"c{n}" for n in range(8))
    layout = Layout(Cells(labels, points, np.full((8, 3), 10.0), np.eye(3)), Placement(np.zeros(3), np.eye(3)))
    grid = Grid.axial((30, 30, 30), (1.0, 1.0, 1.0), (-9.0, -9.0, -9.0))
    found = cell_structures(layout, grid, "cell")
    assert sum(s.mask.to_array().astype(int) for s in found).max() == 1
    assert all(s.mask.voxels == 1000 for s in found)
    assert all(len(s.contours) == 10 for s in found)


def test_groups():
    layout = small_layout()
    grid = grid_over(layout)
    layers = cell_structures(layout, grid, "layer")
    whole = cell_structures(layout, grid, "whole")
    cells = cell_structures(layout, grid, "cell")
    assert layers.names == ["layer_1", "layer_2"]
    assert whole.names == ["probe"]
    assert whole["probe"].mask.voxels == sum(s.mask.voxels for s in cells) == sum(s.mask.voxels for s in layers)
    assert len({s.color for s in cells}) == len(cells)


def test_how_many_structures():
    def layout_of(count, layers):
        points = np.column_stack([np.arange(count) * 12.0, np.zeros((count, 2))])
        cells = Cells(tuple(map(str, range(count))), points, np.full((count, 3), 10.0), np.eye(3))
        return Layout(cells, Placement(), tuple(str(n % layers) for n in range(count)))

    assert chosen_grouping(layout_of(MOST_STRUCTURES, 1), None) == ("cell", ())
    chosen, notes = chosen_grouping(layout_of(MOST_STRUCTURES + 1, 4), None)
    assert chosen == "layer"
    assert "257 cells are written as 4 structures" in notes[0]
    assert chosen_grouping(layout_of(MOST_STRUCTURES + 1, 1), None)[0] == "whole"
    with pytest.raises(InputError, match="257 cells are more structures than the 256"):
        chosen_grouping(layout_of(MOST_STRUCTURES + 1, 4), "cell")


def test_cells_beyond_the_ct_are_refused():
    layout = small_layout()
    grid = grid_over(layout)
    with pytest.raises(InputError, match=r"\d+ of 11 cells reach beyond the CT, \S+ for one"):
        cell_structures(layout, grid.crop((0, 0, 0), (grid.shape[0] - 40, *grid.shape[1:])), "cell")


def test_the_outline_comes_first():
    layout = small_layout()
    grid = grid_over(layout)
    low, high = layout.cells.corners_mm().min(axis=(0, 1)) - 5, layout.cells.corners_mm().max(axis=(0, 1)) + 5
    found = outline_structure(cell_structures(layout, grid, "cell"), low, high)
    first = found.structures[0]
    assert (first.name, first.interpreted_type, len(found)) == ("External", "EXTERNAL", 12)
    volume = sum(area(p) for polygons in first.contours.values() for p in polygons) * grid.voxel_volume_mm3
    assert volume == pytest.approx(np.prod(high - low), rel=0.03)
    assert len({s.number for s in found}) == 12
