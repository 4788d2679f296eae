"""A model of photons without a network: blocks from a formula, each from its number and the seed alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch

BLOCK = 65536
SHA256 = "a" * 64


class FakePhotonModel:
    """Photons from a spot at z = 0 onto a disc in the plane, energies up to 6 MeV, directions towards the place.

    `block` is how many are made at a time; the photons do not depend on it.
    """

    name = "fake"
    plane_cm = 27.0
    histories_per_photon = 2.5
    weight = 0.1
    conditions: tuple = ()
    largest_mev = 6.0

    def __init__(self, block: int = BLOCK, **facts: object):
        self.block = block
        self.facts = {
            "files": [{"name": "open_train.IAEAphsp", "sha256": SHA256}],
            "left_out": {"particles": 0.0005, "energy": 0.0003},
        }
        for name, value in facts.items():
            setattr(self, name, value)

    def blocks(self, seed: int, count: int, device: str = "cpu", conditions: tuple = ()) -> Iterator[torch.Tensor]:
        for start in range(0, count, self.block):
            yield self._photons(seed, start, min(start + self.block, count)).to(device)

    def _photons(self, seed: int, start: int, stop: int) -> torch.Tensor:
        """Photon n from the fractional parts of multiples of n: no state, no order."""
        n = torch.arange(start, stop, dtype=torch.float64) + 1 + 1000.0 * seed
        a, b, c, d = ((n * step) % 1.0 for step in (0.754877666, 0.569840291, 0.61803398875, 0.41421356237))
        radius, angle = 7 * a.sqrt(), 2 * torch.pi * b
        x, y = radius * torch.cos(angle), radius * torch.sin(angle)
        along = torch.stack([x - 0.05 * (d - 0.5), y, torch.full_like(x, self.plane_cm)], dim=1)
        along = along / along.norm(dim=1, keepdim=True)
        energy = self.largest_mev * (1 - 0.99 * c)
        return torch.cat([x[:, None], y[:, None], along, energy[:, None]], dim=1).to(torch.float32)

    def tensor(self, count: int, seed: int, device: str = "cpu", conditions: tuple = ()) -> torch.Tensor:
        return torch.cat(list(self.blocks(seed, count, device, conditions)))
