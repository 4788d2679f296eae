"""Probabilities on the model's grid -> one clean mask an organ on the CT's grid, by MONAI's transforms."""

from __future__ import annotations

import numpy as np

from ..geometry.grid import Grid, Volume
from ..geometry.mask import Mask
from ..geometry.resample import resample_array

__all__ = ["boundary_confidence", "clean_probability", "mask_on_grid", "organ_probability"]

_SMALLEST_MM3 = 400.0
"""Parts under 0.4 cm^3 are noise: the smallest of these organs in the training data has 0.5 cm^3."""
_MARGIN = 2
_LIKE_SIZE = 0.15
"""A second part counts when it has this share of all that is kept; less is a spot elsewhere."""


def organ_probability(logits: Volume) -> Volume:
    """MONAI's Activations (sigmoid) in the box around where an organ is, so that what follows works on little.

    Two voxels of margin keep what lies around the surface; one voxel when the organ is nowhere.
    """
    import torch
    from monai.transforms import Activations

    hits = np.argwhere(logits.array >= 0)
    low = np.maximum(hits.min(axis=0) - _MARGIN, 0) if hits.size else np.zeros(3, int)
    high = np.minimum(hits.max(axis=0) + _MARGIN + 1, logits.array.shape) if hits.size else np.ones(3, int)
    block = np.ascontiguousarray(logits.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))])
    probability = Activations(sigmoid=True)(torch.from_numpy(block)[None])[0].numpy()
    return Volume(probability, logits.grid.crop(tuple(int(n) for n in low), probability.shape))


def clean_probability(probability: np.ndarray, voxel_mm3: float, parts: int = 1) -> np.ndarray:
    """Keep the largest connected part, without holes and crumbs; up to `parts` of them when they are of like size.

    Takes and returns probabilities (k, j, i) in 0..1. What is dropped becomes 0, what is filled 1; the values around
    the border of the kept part stay, so that the surface keeps its position between voxels.
    """
    import torch
    from monai.transforms import AsDiscrete, FillHoles, KeepLargestConnectedComponent, RemoveSmallObjects

    found = AsDiscrete(threshold=0.5)(torch.from_numpy(probability)[None]).bool()
    if not found.any():
        return probability
    kept = KeepLargestConnectedComponent(is_onehot=False, num_components=parts)(found.to(torch.uint8))
    kept = FillHoles(applied_labels=[1])(kept)
    kept = RemoveSmallObjects(max(2, round(_SMALLEST_MM3 / voxel_mm3), round(_LIKE_SIZE * int(kept.sum()))))(kept)
    kept = np.asarray(kept[0]) > 0
    clean = np.where(np.asarray(found[0]) & ~kept, 0.0, probability)
    clean[kept & (probability < 0.5)] = 1.0
    return clean.astype(np.float32)


def mask_on_grid(probability: Volume, target: Grid) -> Mask:
    """Voxels of `target` whose centre has a probability of at least 0.5, linear between the voxels of `probability`.

    Only the box around the organ is resampled, so a 512 x 512 CT costs little more than a coarse one.
    """
    hits = np.argwhere(probability.array >= 0.5)
    if hits.size == 0:
        return Mask.empty(target)
    low, high = hits.min(axis=0) - 1, hits.max(axis=0) + 1
    corners = np.array([[i, j, k] for k in (low[0], high[0]) for j in (low[1], high[1]) for i in (low[2], high[2])])
    index = target.to_index(probability.grid.to_lps(corners))[:, ::-1]
    size = np.array(target.shape)
    start = np.clip(np.floor(index.min(axis=0)).astype(int), 0, size - 1)
    stop = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, start + 1, size)
    offset, shape = tuple(int(n) for n in start), tuple(int(n) for n in stop - start)
    values = resample_array(probability.array[None], probability.grid, target.crop(offset, shape))[0]
    return Mask.from_array(values >= 0.5, target, offset)


def boundary_confidence(probability: np.ndarray) -> float:
    """How sharply the network draws the organ's edge: mean distance of the probability from 0.5 on its surface, 0..1.

    The surface voxels are those of MONAI's LabelToContour. Near 1 the network is sure of each voxel, near 0 it wavers.
    """
    import torch
    from monai.transforms import LabelToContour

    found = probability >= 0.5
    if not found.any():
        return 0.0
    padded = np.pad(found, 1)
    edge = np.asarray(LabelToContour()(torch.from_numpy(padded.astype(np.float32))[None])[0])[1:-1, 1:-1, 1:-1] > 0
    return float(np.abs(2.0 * probability[edge & found] - 1.0).mean())
