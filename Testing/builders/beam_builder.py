"""A small beam with the traits that matter: narrow spot, wide scatter, energy that falls with radius, 511 keV line.

Everything is drawn from formulas, so that tests know the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from Dose3DLib.phasespace.particles import Particles
from Dose3DLib.phasespace.phase_space import PhaseSpace

PLANE_CM, FOCUS_CM, SPOT_CM = 27.0, 0.0, 0.05
LINE_MEV = np.float32(0.51099896)
LINE_SHARE = 0.03


def beam_photons(count: int, seed: int = 0, field_cm: float = 6.0, is_round: bool = True) -> np.ndarray:
    """Photons (count, 6) at z = 27 cm: X, Y, dX, dY, dZ, E; a disc of radius or a square of half side `field_cm`."""
    rng = np.random.default_rng(seed)
    if is_round:
        radius, azimuth = field_cm * np.sqrt(rng.random(count)), rng.uniform(-np.pi, np.pi, count)
        x, y = radius * np.cos(azimuth), radius * np.sin(azimuth)
    else:
        x, y = rng.uniform(-field_cm, field_cm, (2, count))
        radius = np.hypot(x, y)
    spread = np.where(rng.random(count) < 0.1, 2.0, SPOT_CM)
    slope_x, slope_y = (position - spread * rng.standard_normal(count) for position in (x, y))
    slope_x, slope_y = slope_x / (PLANE_CM - FOCUS_CM), slope_y / (PLANE_CM - FOCUS_CM)
    w = 1 / np.sqrt(1 + slope_x**2 + slope_y**2)
    energy = 0.05 + 5.95 * rng.beta(1.5, 4 + 0.3 * radius)
    energy = np.where(rng.random(count) < LINE_SHARE, LINE_MEV, energy)
    return np.column_stack([x, y, slope_x * w, slope_y * w, w, energy]).astype(np.float32)


def beam_particles(photons: np.ndarray, seed: int = 0, plane_cm: float = PLANE_CM, weight: float = 1.0) -> Particles:
    """The same as particles, histories of one to three of them."""
    count = len(photons)
    starts = np.random.default_rng([seed, 7]).random(count) < 0.5
    starts[:1] = True
    x, y, u, v, w, energy = photons.T.copy()
    z, weights = np.full(count, plane_cm, np.float32), np.full(count, weight, np.float32)
    return Particles(np.ones(count, np.int8), energy, x, y, z, u, v, w, weights, starts)


@dataclass
class InMemory:
    """Records for a `PhaseSpace` without a file; `read_marks` notes what was read."""

    particles: Particles
    read_marks: list[tuple[int, int]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.particles)

    def read(self, start: int, stop: int) -> Particles:
        self.read_marks.append((start, stop))
        return self.particles.select(slice(start, stop))

    def take(self, indices: np.ndarray) -> Particles:
        return self.particles.select(indices)


def beam_space(particles: Particles, histories: int | None = 1000, name: str = "beam.IAEAphsp") -> PhaseSpace:
    """An open phase space of particles in memory."""
    return PhaseSpace((Path(name),), "memory", "A test", "", histories, (), InMemory(particles))
