"""Structures whose DVH in a linear dose is known by formula: discs, balls and boxes as contours."""

from __future__ import annotations

import numpy as np
from Dose3DLib.geometry.contours import contours_to_mask
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.structure import Structure


def grid_of(slice_mm: float = 2.0, turn: np.ndarray | None = None) -> Grid:
    """About 100 mm wide around LPS (10, -20, 30); `turn` (3 x 3) turns its axes about this place."""
    spacing = np.array([1.3, 0.9, slice_mm])
    shape = tuple(int(n) for n in np.ceil(100 / spacing)[::-1])
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) * spacing
    affine[:3, 3] = np.array([10.0, -20.0, 30.0]) - affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    return Grid(shape, affine)


def middle_of(grid: Grid) -> np.ndarray:
    """(i, j, k) of the slice nearest the grid's middle, at the middle of its plane."""
    i, j, k = (np.array(grid.shape[::-1]) - 1) / 2
    return np.array([i, j, round(k)])


def circle(grid: Grid, radius_mm: float, points: int = 720) -> np.ndarray:
    """A regular polygon of the circle's own area around the middle of a slice, (i, j)."""
    angle = 2 * np.pi * (np.arange(points) + 0.5) / points
    radius = radius_mm * np.sqrt(2 * np.pi / points / np.sin(2 * np.pi / points))
    _, j, i = grid.spacing_mm
    return middle_of(grid)[:2] + radius * np.column_stack([np.cos(angle) / i, np.sin(angle) / j])


def structure(contours: dict, grid: Grid, name: str = "PTV") -> Structure:
    return Structure(name, contours_to_mask(contours, grid), contours)


def cylinder(grid: Grid, radius_mm: float, slices: int) -> Structure:
    """Circles on `slices` slices (an odd number) around the middle one."""
    middle = int(middle_of(grid)[2])
    return structure({middle + n: [circle(grid, radius_mm)] for n in range(-(slices // 2), slices // 2 + 1)}, grid)


def ball(grid: Grid, radius_mm: float) -> Structure:
    """Each slice has the mean area of the ball's slices within its slab."""
    middle, step = int(middle_of(grid)[2]), grid.slice_distance_mm
    contours = {}
    for n in range(-int(radius_mm / step) - 1, int(radius_mm / step) + 2):
        low, high = np.clip([(n - 0.5) * step, (n + 0.5) * step], -radius_mm, radius_mm)
        square = radius_mm**2 * (high - low) - (high**3 - low**3) / 3
        if square > 0:
            contours[middle + n] = [circle(grid, float(np.sqrt(square / step)))]
    return structure(contours, grid)


def linear_dose(direction: np.ndarray, middle_gy: float, gy_per_mm: float, place_mm: np.ndarray, grid: Grid) -> Volume:
    """`middle_gy` at `place_mm` (LPS), rising along `direction`."""
    k, j, i = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    away = grid.to_lps(np.stack([i, j, k], axis=-1)) - place_mm
    unit = np.asarray(direction, float) / np.linalg.norm(direction)
    return Volume((middle_gy + gy_per_mm * away @ unit).astype(np.float32), grid)


def share_above_of_disc(height: float | np.ndarray, radius: float) -> np.ndarray:
    """Share of a disc beyond a chord at `height` from its middle (circular segment)."""
    x = np.clip(np.asarray(height, float) / radius, -1, 1)
    return (np.arccos(x) - x * np.sqrt(1 - x**2)) / np.pi


def share_above_of_ball(height: float | np.ndarray, radius: float) -> np.ndarray:
    """Share of a ball beyond a plane at `height` from its middle (spherical cap)."""
    x = np.clip(np.asarray(height, float) / radius, -1, 1)
    return (1 - x) ** 2 * (2 + x) / 4
