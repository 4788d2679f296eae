"""Sliding window over a volume, by MONAI's `sliding_window_inference`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.progress import Progress
from ..training.precision import autocast
from .preprocess import InputSpec, normalize
from .windows import OVERLAP, window_count

if TYPE_CHECKING:
    import torch

__all__ = ["Execution", "predict_logits"]


@dataclass(frozen=True)
class Execution:
    """Where and how the network runs: torch device, `float32` or `bfloat16`, windows at a time, their overlap."""

    device: str = "cpu"
    precision: str = "float32"
    batch: int = 1
    overlap: float = OVERLAP


def predict_logits(
    network: torch.nn.Module,
    hu: np.ndarray,
    spec: InputSpec,
    patch: tuple[int, int, int],
    execution: Execution | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Logits (organ, k, j, i), float32, of an image in HU (k, j, i) on the model's grid.

    Progress is reported, and a cancel noticed, at every window.
    """
    import torch
    from monai.inferers import sliding_window_inference

    how = execution or Execution()
    image = torch.as_tensor(normalize(torch.from_numpy(hu)[None, None], spec)).to(how.device)
    predictor = (
        _reporting(network, window_count(hu.shape, patch, how.overlap) / how.batch, progress) if progress else network
    )
    with torch.inference_mode(), autocast(how.precision, how.device):
        logits = sliding_window_inference(image, patch, how.batch, predictor, overlap=how.overlap, mode="gaussian")
    return logits[0].float().cpu().numpy()


def _reporting(network: torch.nn.Module, calls: float, progress: Progress) -> Callable[[torch.Tensor], torch.Tensor]:
    done = 0

    def predict(windows: torch.Tensor) -> torch.Tensor:
        nonlocal done
        progress.report(done / max(calls, 1))
        done += 1
        return network(windows)

    return predict
