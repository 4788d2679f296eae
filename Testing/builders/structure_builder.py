"""Grids and structures that the tests of files share: every geometry a CT may have, and shapes that are easily lost."""

from __future__ import annotations

import numpy as np
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet


def grids() -> dict[str, Grid]:
    axial = Grid.axial((7, 64, 80), (2.5, 1.3, 0.8), (-31.7, -250.123456, -718.25))
    a, b, c = np.radians((20, 15, 10))
    turn = (
        np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        @ np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
        @ np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    )
    oblique, sheared, flipped = (axial.affine.copy() for _ in range(3))
    oblique[:3, :3] = turn @ oblique[:3, :3]
    tilt = np.radians(15)
    sheared[:3, 1] = 1.3 * np.array([0, np.cos(tilt), np.sin(tilt)])
    flipped[:3, 0] *= -1
    return {
        "axial": axial,
        "oblique": Grid(axial.shape, oblique),
        "sheared": Grid(axial.shape, sheared),
        "feet_first": Grid(axial.shape, flipped @ np.diag([1, 1, -1, 1])),
    }


def structures(grid: Grid) -> StructureSet:
    """Overlapping discs, a ring, a single voxel at the corner, an island in a hole, and a name no file can have."""
    k, j, i = np.indices(grid.shape)
    far = (j - 30) ** 2 + (i - 40) ** 2
    shapes = {
        "Parotid_L": far < 400,
        "Parotid/R:*": (far < 600) & (far > 100) & (k > 1),
        "µ Łódź 日本": ((far < 300) & (far > 100)) | (far < 20),
        "SpinalCord": (k == 6) & (j == 63) & (i == 79),
        "BODY": np.ones(grid.shape, bool),
        "Con": (i < 3) & (k == 0),
    }
    kinds = {"BODY": "EXTERNAL", "Con": "AVOIDANCE"}
    return StructureSet(
        grid,
        tuple(
            Structure(name, Mask.from_array(array, grid), None, (10 * n, 200, 250 - n), kinds.get(name, "ORGAN"))
            for n, (name, array) in enumerate(shapes.items())
        ),
    )


def same(a: StructureSet, b: StructureSet) -> None:
    """Assert the same names, voxels, colours and types on the same grid."""
    assert a.grid.same_as(b.grid)
    assert sorted(a.names) == sorted(b.names)
    for structure in a:
        other = b[structure.name]
        assert structure.mask.same_voxels(other.mask), structure.name
        assert (structure.color, structure.interpreted_type) == (other.color, other.interpreted_type), structure.name
