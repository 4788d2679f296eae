"""What a layout cannot see: how much of the dose's possible detail the cells leave unknown, place by place.

The share of the prior variance (see `kriging`) that stays when all cells are measured: 0 where the dose is known to
within the noise, 1 where no cell tells anything. It depends on where cells stand, not on what they read; no method can
take it away without further knowledge, such as a plan, a body or trained experience.
"""

from __future__ import annotations

import numpy as np

from .kriging import Prior, unseen_share
from .scale import ScaleProblem

__all__ = ["SEEN_BELOW", "null_space_map", "seen_volume_share"]

SEEN_BELOW = 0.5
"""A voxel of which less than half of the variance is left is said to be seen."""


def null_space_map(problem: ScaleProblem, prior: Prior | None = None) -> np.ndarray:
    """[k, j, i], 0 seen to 1 unseen."""
    return unseen_share(problem, prior)


def seen_volume_share(unseen: np.ndarray, inside: np.ndarray) -> float:
    """Share of the voxels inside that are seen."""
    return float((unseen[inside] < SEEN_BELOW).mean()) if inside.any() else 0.0
