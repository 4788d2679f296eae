"""Models of photons for tests: one that is a formula, and a small real one with random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from Dose3DLib.phasespace.coordinates import fit_coordinates
from Dose3DLib.phasespace.models.registry import model_class
from Dose3DLib.phasespace.photon_model import PhotonModel, save_model

BLOCK = 65536
SHA256 = "a" * 64


FACTS = {
    "histories_per_photon": 2.5,
    "weight": 0.1,
    "files": [{"name": "open_train.IAEAphsp", "sha256": SHA256}],
    "left_out": {"particle_share": 0.0005, "energy_share": 0.0003, "unusable_photon_share": 0.0},
}


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
        self.at_once = block
        self.facts = dict(FACTS)
        for name, value in facts.items():
            setattr(self, name, value)

    def blocks(self, seed: int, count: int, device: str = "cpu", conditions: tuple = ()) -> Iterator[torch.Tensor]:
        for start in range(0, count, self.at_once):
            yield self._photons(seed, start, min(start + self.at_once, count)).to(device)

    def block(self, seed: int, number: int, device: str = "cpu", conditions: tuple = ()) -> torch.Tensor:
        return self._photons(seed, number * BLOCK, (number + 1) * BLOCK).to(device)

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


def small_model(coordinates: str = "physics", spread: float = 1.0, **facts: object) -> PhotonModel:
    """A network of 700 weights that was never trained, in coordinates fitted to the formula's photons.

    `spread` multiplies what comes out of it: above 1 many of its photons are impossible and have to be drawn again.
    """
    fitted = fit_coordinates(FakePhotonModel().tensor(20_000, 0).numpy(), FakePhotonModel.plane_cm, coordinates)
    torch.manual_seed(0)
    conditions = len(facts.get("conditions", ()))
    network = model_class("distilled")(fitted.size, fitted.context + conditions, {"width": 16, "layers": 2})
    with torch.no_grad():
        network.network[-1].weight.mul_(spread)
    return PhotonModel("small", "distilled", fitted, network, {"dose3d": {**FACTS, **facts}})


def save_small_model(folder: Path, model: PhotonModel | None = None) -> Path:
    """A bundle of `small_model`; gives its folder."""
    save_model(folder, model or small_model(), "A test.", "CC0")
    return folder
