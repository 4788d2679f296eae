"""From a CT volume to what the network sees, by the same function in training and in use.

One MONAI SpatialResample does the work of Orientation and Spacing at once, since the target is an axis-aligned LPS
grid of the model's spacing; that also covers oblique and sheared stacks, which the two in turn do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.box import Box
from ..geometry.grid import Grid, Volume
from ..geometry.resample import axial_grid, pool_to, resample_array
from .windows import region_grid

if TYPE_CHECKING:
    import torch

__all__ = ["InputSpec", "model_input", "normalize"]

_BODY_THRESHOLD_HU = -400.0
_MARGIN_MM = np.array([10.0, 10.0, 40.0])
"""Around the body, (L, P, S): context for what lies at the ends of the scan."""


@dataclass(frozen=True)
class InputSpec:
    """What a model was trained on.

    Parameters
    ----------
    spacing_mm:
        voxel size (k, j, i) of the axis-aligned LPS grid.
    resolution_mm:
        voxel size (k, j, i) of the scans that it learned from; finer scans are averaged to it first, since a network
        that has seen only coarse scans takes the sharp edges of a fine one for other tissue.
    window_hu:
        values are clipped to this range.
    center_hu, scale_hu:
        then `(hu - center) / scale`, MONAI's NormalizeIntensity with fixed numbers: HU are absolute.
    """

    spacing_mm: tuple[float, float, float]
    resolution_mm: tuple[float, float, float]
    window_hu: tuple[float, float] = (-1000.0, 1400.0)
    center_hu: float = -100.0
    scale_hu: float = 300.0


def model_input(
    volume: Volume, spec: InputSpec, region: Box | None = None, patch: tuple[int, int, int] = (1, 1, 1)
) -> Volume:
    """HU of the body's bounding box on the model's grid, float32; with `region` of what its answer there needs.

    That is more than the region, see `windows.region_grid`; `patch` is the network's window, voxels (k, j, i).

    Where the scan ends within the patient its last slice goes on: taken for air, the cut would be an end of the body
    that no patient has, and the network would lose the cord some centimetres before it.
    """
    coarse = pool_to(volume, spec.resolution_mm)
    grid = axial_grid(*_body_box(coarse), spec.spacing_mm)
    if region is not None:
        grid = region_grid(grid, region, patch)
    array = resample_array(coarse.array[None], coarse.grid, grid, fill=None)[0]
    return Volume(np.ascontiguousarray(array, dtype=np.float32), grid)


def normalize(hu: torch.Tensor, spec: InputSpec) -> torch.Tensor:
    """Clip to the window, then MONAI's NormalizeIntensity."""
    from monai.transforms import NormalizeIntensity

    clipped = hu.clamp(*spec.window_hu)
    return NormalizeIntensity(subtrahend=spec.center_hu, divisor=spec.scale_hu)(clipped)


def _body_box(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """LPS corners (low, high) around everything that is not air; the whole scan when nothing is."""
    grid: Grid = volume.grid
    body = volume.array > _BODY_THRESHOLD_HU
    # One voxel is noise, a row of some dozens in a slice is body or couch.
    ranges = []
    for axis in range(3):
        counts = body.sum(axis=tuple(a for a in range(3) if a != axis))
        hits = np.flatnonzero(counts > 20)
        ranges.append((hits[0], hits[-1]) if hits.size else (0, grid.shape[axis] - 1))
    corners = np.array([[i, j, k] for k in ranges[0] for j in ranges[1] for i in ranges[2]], dtype=np.float64)
    lps = grid.to_lps(corners)
    return lps.min(axis=0) - _MARGIN_MM, lps.max(axis=0) + _MARGIN_MM
