"""Small detectors for tests: staggered, of two sizes, without a symmetry, under names that files must cope with."""

from __future__ import annotations

import numpy as np
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.placement import Placement
from Dose3DLib.geometry.cells import Cells

ISOCENTER = np.array([12.5, -40.25, 301.0])


def small_layout(
    placement: Placement | None = None, wall_mm: float = 1.0, turn: np.ndarray | None = None, name: str = "probe"
) -> Layout:
    """Eleven cells in two layers whose covers touch along faces and along an edge; `turn` moves the cells' axes."""
    placement = placement or Placement(ISOCENTER)
    rows = [[-18, -6, 6], [-6, -6, 6], [6, -6, 6], [-18, -6, 18], [-6, -6, 18], [18, -6, 18]]
    rows += [[-12, 6, 6], [0, 6, 6], [12, 6, 6], [24, 6, 18], [36.5, 8.25, 40]]
    points = np.array(rows, float)
    sizes = np.full(points.shape, 10.0)
    sizes[10] = 8, 6, 12
    labels = tuple(f"D3D_{n % 2}_{n // 6}_{n}" for n in range(9)) + ("Zelle Nr. 9 ä&<", '10"x"')
    layers = ("layer_1",) * 6 + ("layer_2",) * 5
    axes = placement.to_lps if turn is None else placement.to_lps @ turn
    centers = placement.lps(points if turn is None else points @ turn.T)
    return Layout(Cells(labels, centers, sizes, axes), placement, layers, wall_mm, name)


def overlap_depths(centers: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(n, n) how deep boxes along common axes lie in one another, negative where they are apart; brute force."""
    depth = (sizes[:, None] + sizes[None]) / 2 - np.abs(centers[:, None] - centers[None])
    depth = depth.min(axis=2)
    np.fill_diagonal(depth, -np.inf)
    return depth
