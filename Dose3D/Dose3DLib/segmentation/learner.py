"""Patches of patients in memory -> batches for the shared training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..training.precision import autocast
from ..training.seeds import step_generator, step_state
from .loss import partial_dice_ce
from .preprocess import InputSpec, normalize

if TYPE_CHECKING:
    import torch

    from .augment import Augmentation

__all__ = ["PatchLearner", "Sampling", "TrainingCase"]


@dataclass(frozen=True)
class Sampling:
    """How batches are made: size of a patch (k, j, i), patches in a batch, number format, seed, share of patches that
    lie anywhere instead of around an organ."""

    patch: tuple[int, int, int] = (64, 64, 64)
    batch: int = 2
    precision: str = "float32"
    seed: int = 0
    background_share: float = 0.15


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """One patient on the model's grid.

    Parameters
    ----------
    hu:
        int16 (k, j, i).
    labels:
        uint16 (k, j, i), bit n set where organ n is.
    known:
        bool (organs,), False where the organ was not drawn.
    """

    name: str
    hu: np.ndarray
    labels: np.ndarray
    known: np.ndarray
    voxels: dict[int, np.ndarray] = field(default_factory=dict)

    def voxels_of(self, organ: int) -> np.ndarray:
        """Flat indices of an organ's voxels, kept after the first call."""
        if organ not in self.voxels:
            self.voxels[organ] = np.flatnonzero(self.labels.ravel() >> np.uint16(organ) & np.uint16(1)).astype(np.int32)
        return self.voxels[organ]


class PatchLearner:
    """A `training.loop.Learner` for organs with partial labels.

    Each patch is drawn around a random voxel of a random organ (every organ equally often, so that the rarely drawn
    ones are seen as often as the others), and a share of them anywhere.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        cases: list[TrainingCase],
        spec: InputSpec,
        sampling: Sampling,
        augmentation: Augmentation | None = None,
        validation: Callable[[torch.nn.Module], dict[str, float]] | None = None,
    ):
        self.network, self.cases, self.spec, self.sampling = network, cases, spec, sampling
        self.augmentation, self.validation = augmentation, validation
        organs = cases[0].known.size
        self._having = [[n for n, case in enumerate(cases) if case.voxels_of(o).size] for o in range(organs)]

    def draw(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images (b, 1, k, j, i), truths (b, organ, k, j, i) and known organs (b, organ) of one step."""
        import torch

        rng, state = step_generator(self.sampling.seed, step), step_state(self.sampling.seed, step)
        images, truths, known = [], [], []
        for _ in range(self.sampling.batch):
            case, center = self._choose(rng)
            image, labels = self._patch(case, center)
            if self.augmentation is not None:
                image, labels = self.augmentation(image, labels, state)
            images.append(image)
            truths.append(_unpack(labels, case.known.size))
            known.append(torch.from_numpy(case.known))
        return torch.stack(images), torch.stack(truths), torch.stack(known)

    def loss(self, network: torch.nn.Module, batch: tuple) -> tuple[torch.Tensor, dict[str, float]]:
        images, truths, known = batch
        with autocast(self.sampling.precision, images.device.type):
            logits = network(_channels_last(images))
        return partial_dice_ce(logits, truths, known), {}

    def validate(self, network: torch.nn.Module) -> dict[str, float]:
        return self.validation(network) if self.validation else {}

    def _choose(self, rng: np.random.Generator) -> tuple[TrainingCase, np.ndarray]:
        if rng.random() < self.sampling.background_share:
            case = self.cases[rng.integers(len(self.cases))]
            return case, rng.integers(case.hu.shape)
        organ = rng.choice([o for o, having in enumerate(self._having) if having])
        case = self.cases[rng.choice(self._having[organ])]
        voxel = rng.choice(case.voxels_of(int(organ)))
        quarter = np.array(self.sampling.patch) // 4
        jitter = rng.integers(-quarter, quarter + 1)
        return case, np.array(np.unravel_index(voxel, case.hu.shape)) + jitter

    def _patch(self, case: TrainingCase, center: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised image and bit-coded labels (1, k, j, i); air and nothing beyond the scan."""
        import torch

        hu = np.full(self.sampling.patch, -1000, np.int16)
        labels = np.zeros(self.sampling.patch, np.uint16)
        inside, outside = [], []
        for middle, size, extent in zip(center, self.sampling.patch, case.hu.shape, strict=True):
            start = int(np.clip(middle - size // 2, min(0, extent - size), max(0, extent - size)))
            low, high = max(start, 0), min(start + size, extent)
            inside.append(slice(low, high))
            outside.append(slice(low - start, high - start))
        hu[tuple(outside)] = case.hu[tuple(inside)]
        labels[tuple(outside)] = case.labels[tuple(inside)]
        image = normalize(torch.from_numpy(hu.astype(np.float32))[None], self.spec)
        return torch.as_tensor(image), torch.from_numpy(labels.astype(np.float32))[None]


def _unpack(labels: torch.Tensor, organs: int) -> torch.Tensor:
    """Bit-coded (1, k, j, i) -> (organ, k, j, i) of 0 and 1."""
    import torch

    bits = labels[0].round().to(torch.int32)
    return torch.stack([(bits >> organ) & 1 for organ in range(organs)]).float()


def _channels_last(images: torch.Tensor) -> torch.Tensor:
    import torch

    return images.contiguous(memory_format=torch.channels_last_3d)
