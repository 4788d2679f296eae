"""Cells over a smooth dose in a ball-shaped body, with everything known in closed form."""

from __future__ import annotations

import numpy as np
from Dose3DLib.dose.cell_operator import cell_operator
from Dose3DLib.dose.scale import ScaleProblem
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid

__all__ = ["ball_problem", "lattice_cells", "places", "small_grid", "smooth_dose"]


def small_grid(spacing_mm: float = 3.0, count: int = 32) -> Grid:
    """A cube around the origin."""
    edge = -(count - 1) / 2 * spacing_mm
    return Grid.axial((count,) * 3, (spacing_mm,) * 3, (edge,) * 3)


def places(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y, z (LPS mm) of all voxels, [k, j, i] each."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    return tuple(np.moveaxis(grid.to_lps(np.stack([i, j, k], axis=-1)), -1, 0))


def lattice_cells(count: int = 6, pitch_mm: float = 12.0, shift_mm: tuple[float, ...] = (0, 0, 0)) -> Cells:
    """Cubes of 10 mm around the origin."""
    at = (np.arange(count) - (count - 1) / 2) * pitch_mm
    centers = np.stack(np.meshgrid(at, at, at, indexing="ij"), axis=-1).reshape(-1, 3) + np.array(shift_mm)
    return Cells(tuple(f"c{n}" for n in range(len(centers))), centers, np.full_like(centers, 10.0), np.eye(3))


def smooth_dose(grid: Grid) -> np.ndarray:
    """A broad hill of 60 Gy beside the middle."""
    x, y, z = places(grid)
    return 60 * np.exp(-((x - 6) ** 2 + (y + 4) ** 2 + 1.5 * z**2) / 2 / 22**2)


def ball_problem(
    shifts_mm: tuple[tuple[float, ...], ...] = ((0, 0, 0),), noise: float = 0.0, radius_mm: float = 33.0
) -> tuple[ScaleProblem, np.ndarray]:
    """The problem with its body known, and the true dose: the hill within a ball, 0 outside."""
    grid = small_grid()
    x, y, z = places(grid)
    body = x**2 + y**2 + z**2 < radius_mm**2
    truth = np.where(body, smooth_dose(grid), 0.0)
    operators = tuple(cell_operator(lattice_cells(7, shift_mm=shift), grid) for shift in shifts_mm)
    exact = [operator.apply(truth) for operator in operators]
    rng = np.random.default_rng(4)
    values = tuple(v * (1 + noise * rng.standard_normal(len(v))) for v in exact)
    sd = tuple(np.maximum(max(noise, 0.01) * np.abs(v), 0.05) for v in exact)
    return ScaleProblem(operators, values, sd, grid, body), truth
