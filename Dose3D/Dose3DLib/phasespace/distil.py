"""Teach a small network what a flow does: pairs of noise and the flow's answer, and real photons beside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress
from ..training.seeds import step_generator
from .learner import PhotonLearner

if TYPE_CHECKING:
    import torch

    from .models.base import GenerativeModel

__all__ = ["Distiller"]

_PAIRS = 1_000_000
_PAIRS_A_PHOTON = 10
_HELD_OUT = 10_000
_PIECE = 1 << 13
_REAL_EVERY = 4


class Distiller:
    """A `training.loop.Learner`: squared distance to the flow's answer, and sliced Wasserstein distance to photons.

    The flow's answers to a million draws of noise (fewer where it learned from few photons) are computed once and kept
    in `room`, so that a resumed run has them.
    """

    def __init__(self, learner: PhotonLearner, teacher: GenerativeModel, room: Path, progress: Progress):
        self._learner, self.network = learner, learner.network
        if (teacher.size, teacher.context) != (self.network.size, self.network.context):
            raise InputError(room, "its teacher has other coordinates or conditions", "give a flow of the same files")
        # A flow that has seen few photons has not more to say than so many pairs tell.
        pairs = min(_PAIRS, max(2 * _HELD_OUT, _PAIRS_A_PHOTON * len(learner.data())))
        self._pairs = _kept_pairs(room / "pairs.safetensors", learner, teacher, progress, pairs)

    def draw(self, step: int) -> tuple[Any, ...]:
        """A batch of pairs: noise, context, answer; and now and then one of photons, which costs more."""
        generator = step_generator(self._learner.photons.seed + 1, step)
        chosen = generator.integers(_HELD_OUT, len(self._pairs[0]), self._learner.batch)
        pairs = tuple(part[chosen].to(self._learner.device) for part in self._pairs)
        return pairs, self._learner.draw(step) if step % _REAL_EVERY == 0 else None

    def loss(self, network: GenerativeModel, batch: tuple) -> tuple[torch.Tensor, dict[str, float]]:
        (noise, context, answer), real = batch
        distance = (network.sample(noise, context) - answer).square().mean()
        loss = distance if real is None else distance + network.loss(*real)[0]
        return loss, {"to the flow": float(distance.detach())}

    def validate(self, network: GenerativeModel) -> dict[str, float]:
        """Of pairs that training does not see: how far from the flow's answer. It decides when to stop."""
        import torch

        noise, context, answer = (part[:_HELD_OUT].to(self._learner.device) for part in self._pairs)
        with torch.no_grad():
            distance = float((network.sample(noise, context) - answer).square().mean())
        return {**self._learner.validate(network), "score": -distance, "to the flow": distance}


def _kept_pairs(
    path: Path, learner: PhotonLearner, teacher: GenerativeModel, progress: Progress, count: int
) -> tuple[torch.Tensor, ...]:
    from safetensors.torch import load_file, save_file

    names = ("noise", "context", "answer")
    if not path.exists():
        made = dict(zip(names, _pairs(learner, teacher, progress, count), strict=True))
        draft = path.with_suffix(".part")
        save_file({name: part.contiguous() for name, part in made.items()}, draft)
        draft.replace(path)
    kept = load_file(path)
    return tuple(kept[name] for name in names)


def _pairs(
    learner: PhotonLearner, teacher: GenerativeModel, progress: Progress, count: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noise, the contexts of real photons, and what the flow makes of them."""
    import torch

    data, seed = learner.data(), learner.photons.seed
    chosen = np.random.default_rng([seed, 2]).integers(0, len(data), count)
    context = data.context[chosen]
    noise = torch.randn((count, teacher.latent_size), generator=torch.Generator().manual_seed(seed))
    teacher = teacher.to(learner.device).eval()
    answers = []
    with torch.inference_mode():
        for start in range(0, count, _PIECE):
            piece = slice(start, start + _PIECE)
            progress.report(0.0, f"the flow's photons: {start:,} of {count:,}")
            answers.append(teacher.sample(noise[piece].to(learner.device), context[piece].to(learner.device)).cpu())
    return noise, context, torch.cat(answers)
