"""Measured doses -> batches for the shared training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...training.precision import autocast
from ...training.seeds import step_generator
from .network import BASE_CHANNEL, PATCH, SPREAD_UNIT, decode

if TYPE_CHECKING:
    import torch

__all__ = ["DoseCase", "DoseLearner", "Sampling"]


@dataclass(frozen=True, eq=False)
class DoseCase:
    """One measurement of one patient.

    Parameters
    ----------
    image:
        (channels, k, j, i), see `inputs.CHANNELS`.
    truth:
        [k, j, i], in shares of `inputs.dose_scale`.
    weight:
        [k, j, i], how much a voxel counts.
    """

    image: np.ndarray
    truth: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Sampling:
    """How batches are made.

    Parameters
    ----------
    patch:
        (k, j, i) voxels.
    batch:
        patches in a batch.
    fresh_every, kept:
        a new case is measured every so many steps, and patches come from so many of the latest.
    certainty, edges:
        weights of the terms that teach how sure the dose is, and that count large errors, which lie at edges, more.
    """

    patch: tuple[int, int, int] = PATCH
    batch: int = 1
    fresh_every: int = 8
    kept: int = 32
    certainty: float = 0.1
    edges: float = 0.05
    precision: str = "float32"
    seed: int = 0


class DoseLearner:
    """A `training.loop.Learner`; `measure(n)` makes case number n, always the same one."""

    def __init__(
        self,
        network: torch.nn.Module,
        measure: Callable[[int], DoseCase],
        sampling: Sampling,
        validation: Callable[[torch.nn.Module], dict[str, float]] | None = None,
    ):
        self.network, self.measure, self.sampling, self.validation = network, measure, sampling, validation
        self._cases: dict[int, DoseCase] = {}

    def draw(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images (b, channels, k, j, i), truths and weights (b, k, j, i) of one step."""
        import torch

        rng, parts = step_generator(self.sampling.seed, step), []
        latest = step // self.sampling.fresh_every
        for _ in range(self.sampling.batch):
            case = self._case(latest - int(rng.integers(0, min(self.sampling.kept, latest + 1))), latest)
            parts.append(_patch(case, self.sampling.patch, rng))
        return tuple(torch.from_numpy(np.stack(p).astype(np.float32)) for p in zip(*parts, strict=True))

    def loss(self, network: torch.nn.Module, batch: tuple) -> tuple[torch.Tensor, dict[str, float]]:
        """Absolute and, for edges, squared error in units of 1 %, and its likelihood under the stated spread."""
        import torch

        images, truth, weight = batch
        images = images.to(memory_format=torch.channels_last_3d)
        with autocast(self.sampling.precision, images.device.type):
            outputs = network(images)
        dose, spread = decode(images, outputs)
        error, total = (dose - truth).abs(), weight.sum().clamp_min(1e-6)
        mean = (weight * error).sum() / total / SPREAD_UNIT
        likelihood = (weight * (error.detach() / spread + (spread / SPREAD_UNIT).log())).sum() / total
        squared = (weight * (error / SPREAD_UNIT) ** 2).sum() / total
        base = (weight * (images[:, BASE_CHANNEL] - truth).abs()).sum() / total / SPREAD_UNIT
        loss = mean + self.sampling.edges * squared + self.sampling.certainty * likelihood
        return loss, {"percent": float(mean.detach()), "of_classical": float(mean.detach() / base.clamp_min(1e-6))}

    def validate(self, network: torch.nn.Module) -> dict[str, float]:
        return self.validation(network) if self.validation else {}

    def _case(self, number: int, latest: int) -> DoseCase:
        for old in [n for n in self._cases if n <= latest - self.sampling.kept]:
            del self._cases[old]
        if number not in self._cases:
            self._cases[number] = self.measure(number)
        return self._cases[number]


def _patch(case: DoseCase, size: tuple[int, int, int], rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """A patch around a random voxel that counts, mirrored and turned by quarters in the axial plane."""
    where = np.flatnonzero(case.weight > 0.5)
    center = np.unravel_index(int(where[rng.integers(where.size)]) if where.size else 0, case.weight.shape)
    jitter = [int(rng.integers(-s // 3, s // 3 + 1)) for s in size]
    first = [
        int(np.clip(c + d - s // 2, 0, max(n - s, 0)))
        for c, d, s, n in zip(center, jitter, size, case.weight.shape, strict=True)
    ]
    parts = [_cut(a, first, size) for a in (case.image, case.truth[None], case.weight[None])]
    turns, mirrored = int(rng.integers(4)), rng.random(3) < [0.5, 0.5, 0.0]
    turned = [_turned(part, turns, tuple(mirrored)) for part in parts]
    return turned[0], turned[1][0], turned[2][0]


def _cut(array: np.ndarray, first: list[int], size: tuple[int, int, int]) -> np.ndarray:
    """The block of a channel-first array; beyond the border its last values, with no weight of their own."""
    block = array[(slice(None), *(slice(f, f + s) for f, s in zip(first, size, strict=True)))]
    short = [s - n for s, n in zip(size, block.shape[1:], strict=True)]
    return np.pad(block, [(0, 0), *((0, n) for n in short)], mode="edge" if array.shape[0] > 1 else "constant")


def _turned(array: np.ndarray, turns: int, mirrored: tuple[bool, ...]) -> np.ndarray:
    axes = tuple(axis + 1 for axis, mirror in enumerate(mirrored) if mirror)
    return np.ascontiguousarray(np.rot90(np.flip(array, axes), turns, (2, 3)))
