"""Photons -> batches for the shared training loop; the best weights on held-out histories are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..training.seeds import step_generator
from .coordinates import Coordinates
from .training_photons import Pool, TrainingPhotons

if TYPE_CHECKING:
    import torch

    from .models.base import GenerativeModel

__all__ = ["Encoded", "PhotonLearner", "encode_pool", "sliced_distance"]

_POOL_STEPS = 2000
"""Steps between two pools of a file that is larger than memory."""
_DIRECTIONS = 64
_JUDGED, _PRIOR_JUDGED = 20_000, 5000


@dataclass(frozen=True, eq=False)
class Encoded:
    """Points (n, size) and context (n, lines + conditions) as tensors."""

    points: torch.Tensor
    context: torch.Tensor

    def __len__(self) -> int:
        return len(self.points)

    def at(self, places: np.ndarray | slice) -> tuple[torch.Tensor, torch.Tensor]:
        return self.points[places], self.context[places]


def encode_pool(
    pool: Pool, coordinates: Coordinates, conditions: np.ndarray, generator: np.random.Generator
) -> Encoded:
    """Photons of a pool in the model's coordinates; those of unequal weight are drawn anew by their weights.

    `conditions` (files, conditions) holds the scaled conditions of each file.
    """
    import torch

    chosen = slice(None)
    if np.ptp(pool.weight) > 1e-6 * pool.weight.max():
        share = pool.weight.astype(np.float64)
        chosen = generator.choice(len(share), len(share), p=share / share.sum())
    points, lines = coordinates.encode(pool.photons[chosen], generator)
    given = conditions[pool.file[chosen]].astype(np.float32)
    return Encoded(torch.from_numpy(points), torch.from_numpy(np.hstack([lines, given])))


class PhotonLearner:
    """A `training.loop.Learner` for any `GenerativeModel`; one with a `critic` brings it to the loop.

    Parameters
    ----------
    conditions:
        (files, conditions), scaled as the network sees them.
    batch:
        photons a step.
    watch:
        called with the network at each validation: live pictures.
    """

    def __init__(
        self,
        network: GenerativeModel,
        photons: TrainingPhotons,
        coordinates: Coordinates,
        conditions: np.ndarray,
        batch: int,
        device: str = "cpu",
        watch: Callable[[GenerativeModel], None] | None = None,
    ):
        self.network, self.photons, self.coordinates, self.conditions = network, photons, coordinates, conditions
        self.batch, self.device, self.watch = batch, device, watch
        self.held_out = encode_pool(photons.held_out, coordinates, conditions, np.random.default_rng(photons.seed))
        self._pool_number, self._pool = -1, None

    def data(self, step: int = 0) -> Encoded:
        """The pool of a step."""
        number = step // _POOL_STEPS if self.photons.pools > 1 else 0
        if number != self._pool_number:
            generator = np.random.default_rng([self.photons.seed, number, 1])
            self._pool = encode_pool(self.photons.pool(number), self.coordinates, self.conditions, generator)
            self._pool_number = number
        return self._pool

    @property
    def critic(self) -> torch.nn.Module | None:
        """The network's opponent, where it is adversarial."""
        return getattr(self.network, "critic", None)

    @property
    def critic_steps(self) -> int:
        return getattr(self.network, "critic_steps", 0)

    def draw(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Generator]:
        """Points, context and the noise of a step; photons of its own for each step of a critic."""
        generator = step_generator(self.photons.seed, step)
        data = self.data(step)
        points, context = data.at(generator.integers(0, len(data), self.batch * max(1, self.critic_steps)))
        return points.to(self.device), context.to(self.device), self._noise(generator)

    def loss(self, network: GenerativeModel, batch: tuple) -> tuple[torch.Tensor, dict[str, float]]:
        points, context, noise = batch
        return network.loss(points[: self.batch], context[: self.batch], noise)

    def critic_loss(
        self, network: GenerativeModel, batch: tuple, turn: int
    ) -> tuple[torch.Tensor, dict[str, float]]:  # fmt: skip
        points, context, noise = batch
        own = slice(turn * self.batch, (turn + 1) * self.batch)
        return network.critic_loss(points[own], context[own], noise)

    def validate(self, network: GenerativeModel) -> dict[str, float]:
        """Loss of held-out photons, and how far generated ones are from them; `score` where the loss can stop a run."""
        import torch

        points, context = (part.to(self.device) for part in self.held_out.at(slice(_JUDGED)))
        noise = self._noise(np.random.default_rng(self.photons.seed))
        # A prior that is fitted last belongs to what is judged; a few photons are enough to see it.
        network.after_training(points[:_PRIOR_JUDGED], context[:_PRIOR_JUDGED])
        with torch.no_grad():
            loss = float(network.loss(points, context, noise)[0])
            draws = torch.randn((len(points), network.latent_size), generator=noise, device=self.device)
            made = network.sample(draws, context)
        distance = sliced_distance(made.cpu().numpy(), points.cpu().numpy())
        if self.watch is not None:
            self.watch(network)
        score = {"score": -loss} if network.STOPS_EARLY else {}
        return {**score, "loss": loss, "sliced W1": distance}

    def _noise(self, generator: np.random.Generator) -> torch.Generator:
        import torch

        return torch.Generator(self.device).manual_seed(int(generator.integers(2**62)))


def sliced_distance(first: np.ndarray, second: np.ndarray, seed: int = 0) -> float:
    """Mean Wasserstein-1 distance of two samples (n, d) of the same size over random directions."""
    directions = np.random.default_rng(seed).standard_normal((first.shape[1], _DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.abs(np.sort(first @ directions, axis=0) - np.sort(second @ directions, axis=0)).mean())
