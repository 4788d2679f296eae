"""Small measured doses: a hot ball in a cylinder of a body, and cells on a lattice."""

from __future__ import annotations

import numpy as np
from Dose3DLib.dose.cell_operator import cell_operator
from Dose3DLib.dose.scale import ScaleProblem
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet

GRID = Grid.axial((20, 24, 28), (2.5, 3.5, 3.5), (-47.25, -40.25, -23.75))


def points(grid: Grid = GRID) -> np.ndarray:
    """LPS of the voxel centres, (k, j, i, 3)."""
    k, j, i = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    return grid.to_lps(np.stack([i, j, k], axis=-1))


def ball_dose(grid: Grid = GRID) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dose [Gy], body and target: 20 Gy in the body, 70 in a ball of 14 mm, with a penumbra of 6 mm."""
    at = points(grid)
    radius = np.linalg.norm(at - [5.0, -4.0, 2.0], axis=-1)
    body = np.hypot(at[..., 0], at[..., 1]) < 36
    dose = np.where(body, 20 + 50 / (1 + np.exp((radius - 14) / 1.5)), 0.0)
    return dose, body, radius < 14


def lattice_cells(pitch_mm: float = 12.0, size_mm: float = 10.0, shift_mm=(0.0, 0.0, 0.0), reach: int = 3) -> Cells:
    steps = np.arange(-reach, reach + 1) * pitch_mm
    z, y, x = np.meshgrid(steps[2:-2] if reach > 2 else steps, steps, steps, indexing="ij")
    centers = np.stack([x, y, z], axis=-1).reshape(-1, 3) + shift_mm
    return Cells(tuple(map(str, range(len(centers)))), centers, np.full((len(centers), 3), size_mm), np.eye(3))


def ball_problem(
    frames: int = 1, noise: float = 0.01, known_body: bool = True, with_plan: bool = False
) -> ScaleProblem:
    dose, body, target = ball_dose()
    rng, operators, values, sd = np.random.default_rng(3), [], [], []
    for shift in ((0.0, 0.0, 0.0), (6.0, 6.0, 6.0))[:frames]:
        operator = cell_operator(lattice_cells(shift_mm=shift), GRID, "constant")
        exact = operator.apply(dose)
        operators.append(operator)
        values.append(exact * (1 + noise * rng.standard_normal(exact.shape)))
        sd.append(np.maximum(noise * np.abs(exact), 0.05))
    structures = (Structure("PTV70", Mask.from_array(target, GRID), interpreted_type="PTV"),)
    return ScaleProblem(
        tuple(operators), tuple(values), tuple(sd), GRID, body if known_body else None,
        Volume(np.where(body, 0, -1000).astype(np.int16), GRID), StructureSet(GRID, structures),
        Volume((1.02 * dose).astype(np.float32), GRID) if with_plan else None,
    )  # fmt: skip
