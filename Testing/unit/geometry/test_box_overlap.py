"""Integrals of voxels' basis functions over boxes, against qhull's polyhedra."""

from __future__ import annotations

import numpy as np
import pytest
from builders.box_builder import GRIDS, TURNS, cells_at, middle_of
from Dose3DLib.dose.cell_operator import cell_operator
from Dose3DLib.geometry.box_overlap import box_weights
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection


def dense(cells: Cells, grid: Grid, linear: bool) -> np.ndarray:
    """(cells, voxels)"""
    matrix = np.zeros((len(cells), int(np.prod(grid.shape))))
    for row, column, share in box_weights(cells, grid, linear):
        np.add.at(matrix, (row, column), share)
    return matrix


def overlap_by_qhull(cell: np.ndarray, size: np.ndarray, axes: np.ndarray, low: np.ndarray, grid: Grid) -> np.ndarray:
    """Vertices (LPS) of the cell's part in the unit cube of index space (i, j, k) at `low`, or none."""
    inverse = np.linalg.inv(grid.affine[:3, :3])
    planes = [np.r_[sign * axes[:, a], -sign * axes[:, a] @ cell - size[a] / 2] for a in range(3) for sign in (-1, 1)]
    for a in range(3):
        start = low[a] + inverse[a] @ grid.affine[:3, 3]
        planes += [np.r_[-inverse[a], start], np.r_[inverse[a], -start - 1]]
    planes = np.array(planes)
    inner = deepest(planes)
    return None if inner is None else HalfspaceIntersection(planes, inner).intersections


def deepest(planes: np.ndarray) -> np.ndarray | None:
    norms = np.linalg.norm(planes[:, :3], axis=1)
    found = linprog([0, 0, 0, -1], np.c_[planes[:, :3], norms], -planes[:, 3], bounds=[(None, None)] * 3 + [(0, None)])
    return found.x[:3] if found.status == 0 and found.x[3] > 1e-6 else None


def hill_integral(vertices: np.ndarray, grid: Grid, voxel: np.ndarray) -> float:
    """Of the trilinear hill of a voxel (i, j, k) over a polyhedron in which it is a polynomial (degree 3).

    Tetrahedra between the faces and the middle, each by A. H. Stroud's rule T3:3-1.
    """
    total = 0.0
    points = np.r_[[[0.25] * 4], np.full((4, 4), 1 / 6) + np.eye(4) / 3]
    for face in ConvexHull(vertices).simplices:
        corners = np.r_[[vertices.mean(axis=0)], vertices[face]]
        volume = abs(np.linalg.det(corners[1:] - corners[0])) / 6
        hill = np.clip(1 - np.abs(grid.to_index(points @ corners) - voxel), 0, None).prod(axis=1)
        total += volume * (np.array([-0.8] + [0.45] * 4) @ hill)
    return total


@pytest.mark.parametrize("grid", ["anisotropic", "left-handed", "oblique", "sheared"])
@pytest.mark.parametrize("turn", ["yaw", "any"])
def test_volumes_are_those_of_qhull(grid, turn):
    grid, axes = GRIDS[grid], TURNS[turn]
    size = np.array([4.0, 5.0, 3.0])
    cell = middle_of(grid) + [0.4, -0.7, 0.2]
    row = dense(cells_at(cell, size, axes), grid, linear=False).reshape(grid.shape)
    for k, j, i in np.argwhere(row > 1e-4)[::3]:
        part = overlap_by_qhull(cell, size, axes, np.array([i, j, k]) - 0.5, grid)
        assert row[k, j, i] * size.prod() == pytest.approx(ConvexHull(part).volume, rel=1e-6)


@pytest.mark.parametrize("grid", ["anisotropic", "left-handed", "sheared"])
def test_trilinear_integrals_are_those_of_qhull(grid):
    """The dose of one voxel: its trilinear hill, summed over the eight cubes around its centre."""
    grid, axes = GRIDS[grid], TURNS["any"]
    size = np.array([4.0, 5.0, 3.0])
    cell = middle_of(grid) + [0.4, -0.7, 0.2]
    row = dense(cells_at(cell, size, axes), grid, linear=True).reshape(grid.shape)
    for k, j, i in np.argwhere(row > 1e-3)[::7]:
        total = 0.0
        for low in np.indices((2, 2, 2)).reshape(3, -1).T + [i - 1, j - 1, k - 1]:
            part = overlap_by_qhull(cell, size, axes, low, grid)
            if part is not None:
                total += hill_integral(part, grid, np.array([i, j, k]))
        assert row[k, j, i] * size.prod() == pytest.approx(total, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("model", ["linear", "constant"])
def test_both_ways_agree_where_both_apply(model):
    grid = GRIDS["anisotropic"]
    random = np.random.default_rng(2)
    centers = middle_of(grid) + random.uniform(-15, 15, (40, 3))
    cells = Cells(tuple(map(str, range(40))), centers, random.uniform(0.3, 15, (40, 3)), np.eye(3))
    operator = cell_operator(cells, grid, model)
    general = dense(cells, grid, model == "linear")
    assert general == pytest.approx(operator.fraction[:, None] * operator.matrix.toarray(), abs=1e-12)
