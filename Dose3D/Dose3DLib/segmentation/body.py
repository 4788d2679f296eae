"""The External contour: everything of the patient, without couch, mask and air around."""

from __future__ import annotations

import numpy as np

from ..geometry.grid import Volume
from ..geometry.mask import Mask
from ..geometry.resample import pool_to

__all__ = ["body_mask"]

_SKIN_HU = -250.0
"""Half way between air and fat is about -550; mattress foam and masks reach -400, skin stays above."""
_COARSE_MM = 3.0
_THIN_MM = 7.0
"""Plates of couch and mask are thinner than this, necks and noses thicker."""
_PART = 0.1
"""A piece (arm, shoulder cut off by the field of view) counts when it has this share of the largest."""
_CRUMB = 0.01
"""Pieces with a smaller share lie on the patient: tubes, markers, folds of the mask."""


def body_mask(volume: Volume) -> Mask:
    """BODY on the CT's own grid; cavities that are closed within a slice (airways, lungs) belong to it."""
    where = _near_body(volume)
    array = volume.array
    slices = Mask.from_array(where, volume.grid).slices
    tissue = (array[slices] > _SKIN_HU) & where[slices]
    for plane in tissue:
        plane |= _enclosed(plane)
    return Mask.from_array(_large_parts(tissue, _CRUMB), volume.grid, tuple(s.start for s in slices))


def _near_body(volume: Volume) -> np.ndarray:
    """Coarse body, one coarse voxel larger, on the fine grid."""
    from scipy import ndimage

    spacing = volume.grid.spacing_mm
    coarse = pool_to(volume, (spacing[0], _COARSE_MM, _COARSE_MM))
    tissue = coarse.array > _SKIN_HU
    rounds = max(1, round(_THIN_MM / 2 / coarse.grid.spacing_mm[1]))
    plane = ndimage.generate_binary_structure(2, 1)[None]
    thick = ndimage.binary_opening(tissue, plane, iterations=rounds)
    body = _large_parts(thick if thick.any() else tissue, _PART)
    body = ndimage.binary_dilation(body, plane, iterations=rounds + 1)
    return _spread(body, volume.array.shape)


def _spread(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Repeat the voxels of a pooled array; rows that pooling dropped at the end repeat the last."""
    for axis, size in enumerate(shape):
        factor = size // coarse.shape[axis] if coarse.shape[axis] else 1
        index = np.minimum(np.arange(size) // max(factor, 1), coarse.shape[axis] - 1)
        if size != coarse.shape[axis]:
            coarse = np.take(coarse, index, axis)
    return coarse


def _large_parts(mask: np.ndarray, share: float) -> np.ndarray:
    """Connected parts that have at least this share of the largest one's voxels."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= share * sizes.max())[labels]


def _enclosed(plane: np.ndarray) -> np.ndarray:
    """Background of a slice that has no way to its border."""
    from scipy import ndimage

    labels, count = ndimage.label(~np.pad(plane, 1))
    if count < 2:
        return np.zeros_like(plane)
    return (labels > 0)[1:-1, 1:-1] & (labels != labels[0, 0])[1:-1, 1:-1]
