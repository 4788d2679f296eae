"""Particles with a rule for each value, every species among them."""

from __future__ import annotations

import numpy as np
from Dose3DLib.phasespace.particles import Particles


def some_particles(count: int = 100, seed: int = 1, species: tuple[int, ...] = (1, 2, 3, 4, 5)) -> Particles:
    """Random particles that can be: unit vectors up and down, energies to 6 MeV, histories of 1 to 4; extra values."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(3, count))
    direction /= np.linalg.norm(direction, axis=0)
    u, v, w = direction.astype(np.float32)
    starts = np.concatenate([[True], rng.random(count - 1) < 0.4]) if count else np.zeros(0, bool)
    return Particles(
        species=rng.choice(species, count).astype(np.int8),
        energy=rng.uniform(0.01, 6, count).astype(np.float32),
        x=rng.uniform(-7, 7, count).astype(np.float32),
        y=rng.uniform(-7, 7, count).astype(np.float32),
        z=rng.uniform(26, 28, count).astype(np.float32),
        u=u,
        v=v,
        w=w,
        weight=rng.uniform(0.01, 2, count).astype(np.float32),
        is_new_history=starts,
        extras={
            "ZLAST": rng.uniform(0, 20, count).astype(np.float32),
            "incremental history": (starts * rng.integers(1, 5, count)).astype(np.int32),
            "LATCH": rng.integers(-(2**31), 2**31, count).astype(np.int32),
        },
    )


EXTRAS = (("ZLAST", "float32"), ("incremental history", "int32"), ("LATCH", "int32"))
"""The extra values of `some_particles` as a writer wants to be told."""
