"""Sliding window over a volume, by MONAI's `sliding_window_inference`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..training.precision import autocast
from .preprocess import InputSpec, normalize

if TYPE_CHECKING:
    import torch

__all__ = ["predict_logits"]


def predict_logits(
    network: torch.nn.Module,
    hu: np.ndarray,
    spec: InputSpec,
    patch: tuple[int, int, int],
    *,
    device: str = "cpu",
    precision: str = "float32",
    batch: int = 1,
    overlap: float = 0.25,
) -> np.ndarray:
    """Logits (organ, k, j, i), float32, of an image in HU (k, j, i) on the model's grid."""
    import torch
    from monai.inferers import sliding_window_inference

    image = torch.as_tensor(normalize(torch.from_numpy(hu)[None, None], spec)).to(device)
    with torch.inference_mode(), autocast(precision, device):
        logits = sliding_window_inference(image, patch, batch, network, overlap=overlap, mode="gaussian", progress=False)
    return logits[0].float().cpu().numpy()
