"""How long a run lasts and what the learning rate is on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Budget", "cosine_with_warm_up"]


@dataclass(frozen=True)
class Budget:
    """The end of a run: minutes of training time, or a number of steps; at least one of them.

    A budget in steps is deterministic; one in minutes ends at the same time on any machine.
    """

    minutes: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise ValueError("give minutes or steps")

    def spent(self, step: int, seconds: float) -> float:
        """The used share of the budget, 0..1, after `step` steps in `seconds` (resumed parts included)."""
        shares = []
        if self.steps is not None:
            shares.append(step / max(self.steps, 1))
        if self.minutes is not None:
            shares.append(seconds / max(60.0 * self.minutes, 1e-9))
        return min(max(shares), 1.0)


def cosine_with_warm_up(spent: float, warm_up: float = 0.02) -> float:
    """Factor of the learning rate (0..1) at a share of the budget: linear rise, then half a cosine down to zero."""
    if spent < warm_up:
        return max(spent / warm_up, 0.01)
    return 0.5 * (1.0 + math.cos(math.pi * (spent - warm_up) / (1.0 - warm_up)))
