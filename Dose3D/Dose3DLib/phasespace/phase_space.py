"""`PhaseSpace`: an open file of particles, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from .particles import Particles

__all__ = ["CHUNK", "PhaseSpace"]

CHUNK = 1 << 18
"""Particles decoded at a time: about 10 MB."""


class _Records(Protocol):
    count: int

    def read(self, start: int, stop: int) -> Particles: ...
    def take(self, indices: np.ndarray) -> Particles: ...


@dataclass(frozen=True, eq=False)
class PhaseSpace:
    """An open phase space, of any format.

    Parameters
    ----------
    files:
        all that belong to it, the records first.
    kind:
        name of the format.
    title, coordinate_system:
        the file's own words, maybe empty.
    histories:
        primary particles that were simulated, None when unknown; records are fewer or more.
    layout:
        (field, type, meaning) of a record, in order.
    header:
        names and texts of all else that the file says about itself.
    notes:
        sentences for the user.
    constants:
        value by name (x, y, z, u, v, weight) of what all particles share and no record holds.
    stated_mev:
        highest kinetic energy that the file says it holds, None where it does not; particles may differ.
    is_plane_known:
        False where neither the file nor who opened it said at which z the particles are; it is then 0.
    """

    files: tuple[Path, ...]
    kind: str
    title: str
    coordinate_system: str
    histories: int | None
    layout: tuple[tuple[str, str, str], ...]
    records: _Records
    header: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    constants: Mapping[str, float] = field(default_factory=dict)
    stated_mev: float | None = None
    is_plane_known: bool = True

    @property
    def count(self) -> int:
        return self.records.count

    def read(self, start: int, stop: int) -> Particles:
        """The particles from `start` up to `stop`, not included."""
        return self.records.read(start, min(stop, self.count))

    def take(self, indices: np.ndarray) -> Particles:
        """The particles at some places."""
        return self.records.take(indices)

    def chunks(self, size: int = CHUNK) -> Iterator[Particles]:
        """All particles in order, `size` at a time."""
        for start in range(0, self.count, size):
            yield self.read(start, start + size)

    def sample(self, number: int, generator: np.random.Generator) -> Particles:
        """`number` particles drawn at random without repetition (all when there are fewer), in the file's order."""
        if number >= self.count:
            return self.read(0, self.count)
        return self.take(np.sort(generator.choice(self.count, number, replace=False, shuffle=False)))
