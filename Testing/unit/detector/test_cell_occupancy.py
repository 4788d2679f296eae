"""Shares of cells within structures, against formulas and against points counted by an even-odd rule written here."""

from __future__ import annotations

import time

import numpy as np
import pytest
from Dose3DLib.detector.occupancy import cell_occupancy, main_structures, with_covers
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.contours import contours_to_mask
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.occupancy import contours_volume_cc
from Dose3DLib.geometry.structure import Structure, StructureSet
from hypothesis import given, settings
from hypothesis import strategies as st


def _rotation(degrees, axis=2):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    rows = [a for a in range(3) if a != axis]
    matrix[np.ix_(rows, rows)] = [[c, -s], [s, c]]
    return matrix


def _cells(centers, sizes, axes=None):
    centers = np.atleast_2d(np.asarray(centers, float))
    sizes = np.broadcast_to(np.asarray(sizes, float), centers.shape)
    return Cells([f"c{n}" for n in range(len(centers))], centers, sizes, np.eye(3) if axes is None else axes)


def _set(contours, grid, name="A"):
    return StructureSet(grid, (Structure(name, contours_to_mask(contours, grid), contours),))


def _even_odd(polygons, points):
    """True for points (i, j) inside an odd number of polygons' sides to their right."""
    inside = np.zeros(len(points), bool)
    for polygon in polygons:
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            between = (y0 <= points[:, 1]) != (y1 <= points[:, 1])
            with np.errstate(divide="ignore", invalid="ignore"):
                cross = x0 + (points[:, 1] - y0) * (x1 - x0) / (y1 - y0)
            inside ^= between & (points[:, 0] < cross)
    return inside


def _counted(cells, contours, grid):
    """Share of points of a fine raster in each cell that lie in the prisms of the slices; finest across the slices."""
    upright = np.argmax(np.abs(cells.axes.T @ grid.normal))
    steps = [(np.arange(count) + 0.5) / count - 0.5 for count in (300 if a == upright else 37 for a in range(3))]
    inner = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    shares = []
    for center, size in zip(cells.centers_mm, cells.sizes_mm, strict=True):
        points = center + (inner * size) @ cells.axes.T
        height = (points - grid.affine[:3, 3]) @ grid.normal / grid.slice_distance_mm
        inside = np.zeros(len(points), bool)
        for k, polygons in contours.items():
            here = np.flatnonzero(np.rint(height) == k)
            origin = grid.to_lps(np.array([0, 0, k]))
            flat = points[here] - grid.normal * ((points[here] - origin) @ grid.normal)[:, None]  # into the plane
            inside[here] = _even_odd(polygons, grid.to_index(flat)[:, :2])
        shares.append(inside.mean())
    return np.array(shares)


GRID = Grid.axial((9, 40, 50), (3.0, 1.5, 1.25), (-20.0, -30.0, 7.0))


def _blobs(rng, slices):
    """Two stars a slice, nested and crossing, so that the even-odd rule matters."""
    contours = {}
    for k in slices:
        contours[k] = []
        for radius, points in ((12, 17), (6, 9)):
            angle = np.sort(rng.uniform(0, 2 * np.pi, points))
            length = radius * rng.uniform(0.5, 1.3, points)
            contours[k].append(np.column_stack([25 + length * np.cos(angle), 20 + length * np.sin(angle)]))
    return contours


@pytest.mark.parametrize("degrees", [0, 90, 33, -117.3])
def test_staggered_cells_of_any_turn_against_counting(degrees):
    rng = np.random.default_rng(5)
    contours = _blobs(rng, [1, 2, 3, 5, 6])
    middle = GRID.to_lps(np.array([25, 20, 4]))
    cells = _cells(middle + rng.uniform(-14, 14, (7, 3)), rng.uniform(3, 14, (7, 3)), _rotation(degrees))
    found = cell_occupancy(cells, _set(contours, GRID))["A"]
    assert found == pytest.approx(_counted(cells, contours, GRID), abs=4e-3)
    assert 0.05 < found.max() < 1


def test_the_detectors_axes_may_be_permuted():
    """G4RT's y is Superior: the second axis of a cell runs along the slices' normal."""
    contours = _blobs(np.random.default_rng(6), range(9))
    axes = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    cells = _cells(GRID.to_lps(np.array([[25, 20, 4], [31, 12, 2]])), [[4, 9, 6], [7, 5, 11]], axes)
    same = _cells(cells.centers_mm, cells.sizes_mm[:, [0, 2, 1]])
    structures = _set(contours, GRID)
    assert cell_occupancy(cells, structures)["A"] == pytest.approx(cell_occupancy(same, structures)["A"], abs=1e-12)


def test_a_sheared_stack():
    """A tilted gantry: the step from slice to slice is not along their normal."""
    affine = GRID.affine.copy()
    affine[:3, 2] = (0.0, 0.9, 3.0)
    grid = Grid(GRID.shape, affine)
    contours = _blobs(np.random.default_rng(7), range(2, 7))
    cells = _cells(grid.to_lps(np.array([[25, 20, 4], [20, 24, 3]])), [8, 6, 10], _rotation(20))
    assert cell_occupancy(cells, _set(contours, grid))["A"] == pytest.approx(_counted(cells, contours, grid), abs=4e-3)


def test_areas_by_formula():
    """A triangle with legs of 20 and 10 px (25 and 15 mm) in one slice of 3 mm."""
    contours = {4: [np.array([[10.0, 10], [30, 10], [10, 20]])]}
    corner = GRID.to_lps(np.array([10, 10, 4]))
    cells = _cells([corner + [2.5, 1.5, 0], corner + [12.5, 7.5, 0], corner + [12.5, 7.5, 0]],
                   [[5, 3, 3], [25, 15, 3], [25, 15, 30]])  # fmt: skip
    assert cell_occupancy(cells, _set(contours, GRID))["A"] == pytest.approx([1, 0.5, 0.05], abs=1e-12)


def test_cells_that_tile_hold_the_whole_volume():
    contours = _blobs(np.random.default_rng(8), range(1, 8))
    centers = np.stack(np.meshgrid(*(np.arange(-60, 61, 7.3),) * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    axes = _rotation(11)
    cells = _cells(GRID.to_lps(np.array([25, 20, 4])) + centers @ axes.T, 7.3, axes)
    held = (cell_occupancy(cells, _set(contours, GRID))["A"] * cells.volumes_mm3).sum() / 1000
    assert held == pytest.approx(contours_volume_cc(contours, GRID), rel=1e-6)


def test_masks_by_their_voxels():
    rng = np.random.default_rng(9)
    array = rng.random(GRID.shape) < 0.4
    structures = StructureSet(GRID, (Structure("M", Mask.from_array(array, GRID)),))
    low = np.array([3.25, 5.5, 1.75])  # i, j, k of a corner, in voxels from the outer border of the first one
    size = np.array([7.5, 9.25, 4.125])
    spacing = np.array(GRID.spacing_mm[::-1])
    cells = _cells(GRID.to_lps(low + size / 2 - 0.5), size * spacing)
    weights = [np.clip(np.minimum(np.arange(n) + 1, low[a] + size[a]) - np.maximum(np.arange(n), low[a]), 0, None)
               for a, n in enumerate(GRID.shape[::-1])]  # fmt: skip
    expected = np.einsum("kji,k,j,i->", array, weights[2], weights[1], weights[0]) / size.prod()
    assert cell_occupancy(cells, structures)["M"] == pytest.approx([expected], abs=1e-6)


def test_tilted_cells_are_near():
    contours = _blobs(np.random.default_rng(10), range(1, 8))
    axes = _rotation(25, 0) @ _rotation(15, 2)
    cells = _cells(GRID.to_lps(np.array([[25, 20, 4], [33, 22, 3]])), 10, axes)
    assert cell_occupancy(cells, _set(contours, GRID))["A"] == pytest.approx(_counted(cells, contours, GRID), abs=5e-3)


def test_large_sets_are_worked_on_in_parts(monkeypatch):
    contours = _blobs(np.random.default_rng(11), range(1, 8))
    rng = np.random.default_rng(12)
    cells = _cells(GRID.to_lps(np.array([25, 20, 4])) + rng.uniform(-15, 15, (40, 3)), 6)
    whole = cell_occupancy(cells, _set(contours, GRID))["A"]
    monkeypatch.setattr("Dose3DLib.detector.occupancy._LARGEST_STACK", 2000)
    assert cell_occupancy(cells, _set(contours, GRID))["A"] == pytest.approx(whole, abs=1e-6)


def test_nothing_there():
    empty = StructureSet(GRID, (Structure("E", Mask.empty(GRID)),))
    assert cell_occupancy(_cells([0, 0, 0], 10), empty)["E"].tolist() == [0]
    contours = {4: [np.array([[10.0, 10], [30, 10], [10, 20]])]}
    assert cell_occupancy(_cells([500, 0, 0], 10), _set(contours, GRID))["A"].tolist() == [0]
    assert cell_occupancy(_cells(np.zeros((0, 3)), 10), _set(contours, GRID))["A"].shape == (0,)


def test_the_main_structure_is_the_one_that_says_most():
    shares = {"BODY": np.array([1, 1, 0.5, 0.0]), "PTV": np.array([1, 0.4, 0, 0]), "Cord": np.array([0, 0.2, 0.2, 0])}
    volumes = {"BODY": 9000, "PTV": 100, "Cord": 10}
    assert main_structures(shares, volumes, 4).tolist() == ["PTV", "BODY", "BODY", ""]
    assert main_structures({}, {}, 2).tolist() == ["", ""]


def test_covers_belong_to_the_room_of_a_cell():
    assert with_covers(_cells([0, 0, 0], 10), 1).sizes_mm.tolist() == [[12, 12, 12]]


def test_a_body_with_ten_thousand_cells_takes_seconds():
    grid = Grid.axial((100, 400, 400), (3.0, 1.0, 1.0), (-200, -200, 0))
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    outline = np.column_stack([200 + 170 * np.cos(angle), 200 + 110 * np.sin(angle)])
    contours = {k: [outline] for k in range(100)}
    centers = np.stack(np.meshgrid(np.arange(-160, 161, 12), np.arange(-120, 121, 12), np.arange(0, 300, 12)),
                       axis=-1).reshape(-1, 3)  # fmt: skip
    start = time.perf_counter()
    share = cell_occupancy(_cells(centers, 10), StructureSet(grid, (Structure("B", Mask.empty(grid), contours),)))["B"]
    assert time.perf_counter() - start < 20
    assert share.max() == pytest.approx(1)


def _clipped_area(polygon, low, high) -> float:
    """Area of a convex polygon within a rectangle: cut by each side in turn (Sutherland and Hodgman, 1974)."""
    for axis, bound, sign in ((0, low[0], 1), (0, high[0], -1), (1, low[1], 1), (1, high[1], -1)):
        kept = []
        for start, stop in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            a, b = sign * (start[axis] - bound), sign * (stop[axis] - bound)
            if a >= 0:
                kept.append(start)
            if a * b < 0:
                kept.append(start + (stop - start) * a / (a - b))
        if len(kept) < 3:
            return 0.0
        polygon = np.array(kept)
    x, y = (polygon - polygon[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["axial", "prone", "oblique", "sheared"]))
def test_exact_in_grids_of_any_direction(seed, kind):
    """Random triangles, one in each slice, and a random cell: the sum of clipped areas, to single precision."""
    rng = np.random.default_rng(seed)
    turn = {"prone": np.diag([-1.0, -1.0, 1.0]), "oblique": _rotation(35, 0) @ _rotation(-20, 1)}.get(kind, np.eye(3))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(rng.uniform(0.5, 4, 3))
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    if kind == "sheared":
        affine[:3, 2] += [0, rng.uniform(-2, 2), 0]
    grid = Grid((6, 40, 40), affine)
    contours = {k: [rng.uniform(2, 38, (3, 2))] for k in range(6)}
    axes = turn @ _rotation(rng.uniform(0, 360))
    center, size = grid.to_lps(np.append(rng.uniform(8, 32, 2), rng.uniform(0, 5))), rng.uniform(1, 40, 3)
    expected = 0.0
    for k, (polygon,) in contours.items():
        points = grid.to_lps(np.column_stack([polygon, np.full(3, k)])) - center
        height, half = float(points[0] @ grid.normal), grid.slice_distance_mm / 2
        thick = min(height + half, size[2] / 2) - max(height - half, -size[2] / 2)
        expected += max(thick, 0.0) * _clipped_area(points @ axes[:, :2], -size[:2] / 2, size[:2] / 2)
    structures = StructureSet(grid, (Structure("T", Mask.empty(grid), contours),))
    found = cell_occupancy(_cells(center, size, axes), structures)["T"][0]
    assert found == pytest.approx(expected / size.prod(), abs=2e-6)
