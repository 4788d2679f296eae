"""Between grids: an image onto another grid, by MONAI's SpatialResample, plain pooling or SciPy.

Affines of `resample_array` map (k, j, i): MONAI's affines follow the order of the array's axes.
"""

from __future__ import annotations

import numpy as np

from .grid import Grid, Volume

__all__ = ["axial_grid", "pool_to", "resample_array", "sample_inside", "sample_points"]

_REVERSE = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=np.float64)

_EDGE_VOXELS = 1e-3
"""Points this little outside the outermost voxel centres, as rounding of headers makes them, are inside."""


def axial_grid(low_mm: np.ndarray, high_mm: np.ndarray, spacing_mm: tuple[float, float, float]) -> Grid:
    """The axis-aligned LPS grid of (k, j, i) spacing whose voxel centres span the box from `low_mm` to `high_mm`."""
    steps = np.array(spacing_mm[::-1])
    counts = np.maximum(np.ceil((np.asarray(high_mm) - low_mm) / steps).astype(int) + 1, 1)
    return Grid.axial(tuple(int(n) for n in counts[::-1]), spacing_mm, tuple(float(v) for v in low_mm))


def pool_to(volume: Volume, spacing_mm: tuple[float, float, float]) -> Volume:
    """Average whole numbers of neighbouring pixels and slices so that voxels are not much finer than `spacing_mm`.

    A coarse grid that reads single voxels of a fine one would see its noise; the mean sees what a coarse scan shows.
    """
    import torch

    factors = [
        max(1, min(int(want / have + 0.25), n))
        for want, have, n in zip(spacing_mm, volume.grid.spacing_mm, volume.array.shape, strict=True)
    ]
    if max(factors) == 1:
        return volume
    source = torch.from_numpy(np.ascontiguousarray(volume.array))[None, None].to(torch.float32)
    pooled = torch.nn.functional.avg_pool3d(source, factors)[0, 0].numpy()
    affine = volume.grid.affine.copy()
    affine[:3, 3] = volume.grid.to_lps(np.array([(f - 1) / 2 for f in factors[::-1]]))
    affine[:3, :3] *= factors[::-1]
    return Volume(pooled, Grid(pooled.shape, affine))


def resample_array(array: np.ndarray, source: Grid, target: Grid, fill: float | None = 0.0) -> np.ndarray:
    """Values of channel-first `array` (c, k, j, i) on `source` at the voxel centres of `target`, float32.

    Linear in each axis; points outside the source become `fill`, or with None the value of the nearest voxel at its
    border.
    """
    import torch
    from monai.data import MetaTensor
    from monai.transforms import SpatialResample

    level, padding = (0.0, "border") if fill is None else (fill, "zeros")
    tensor = MetaTensor(torch.as_tensor(array, dtype=torch.float32) - level, affine=_REVERSE @ source.affine @ _REVERSE)
    resample = SpatialResample(mode="bilinear", padding_mode=padding, align_corners=False, dtype=torch.float32)
    moved = resample(tensor, dst_affine=_REVERSE @ target.affine @ _REVERSE, spatial_size=target.shape)
    return np.asarray(moved) + level


def sample_inside(volume: Volume, target: Grid) -> np.ndarray:
    """Linear values at the voxel centres of `target`, float32 [k, j, i]; NaN outside the outermost voxel centres.

    In double precision and slice by slice; not for networks but for numbers that are subtracted.
    """
    rows, columns = target.shape[1:]
    j, i = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    values = np.empty(target.shape, np.float32)
    for k in range(target.shape[0]):
        values[k] = sample_points(volume, target.to_lps(np.stack([i, j, np.full_like(i, k)], axis=-1)))
    return values


def sample_points(volume: Volume, lps_mm: np.ndarray) -> np.ndarray:
    """Linear values at (..., 3) LPS millimetres, float32 (...); NaN outside the outermost voxel centres."""
    from scipy.ndimage import map_coordinates

    indices = np.moveaxis(volume.grid.to_index(lps_mm), -1, 0)[::-1]
    last = np.array(volume.array.shape, float).reshape(3, *[1] * (indices.ndim - 1)) - 1
    inside = ((indices >= -_EDGE_VOXELS) & (indices <= last + _EDGE_VOXELS)).all(axis=0)
    values = map_coordinates(volume.array, np.clip(indices, 0, last), np.float32, order=1, mode="nearest")
    values[~inside] = np.nan
    return values
