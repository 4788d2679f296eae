"""Seeds: every random draw of step n follows from (seed, n), so that a resumed run repeats an uninterrupted one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["seed_everything", "step_generator", "step_state"]


def step_generator(seed: int, step: int) -> np.random.Generator:
    """A numpy generator of its own for one step."""
    return np.random.default_rng([seed, step])


def step_state(seed: int, step: int) -> np.random.RandomState:
    """The same for MONAI's random transforms, which take a legacy RandomState."""
    return np.random.RandomState(np.random.SeedSequence([seed, step]).generate_state(4))


def seed_everything(seed: int) -> torch.Generator:
    """Seed torch's global generator (dropout, weight initialisation); returns it."""
    import torch

    return torch.manual_seed(seed)
