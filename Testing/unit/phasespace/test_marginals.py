"""Marginals of photons against formulas."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.phasespace.marginals import MARGINALS, marginal


def disc(count: int, radius: float = 3.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Photons evenly on a disc, energies evenly in 0..2 MeV, straight downstream; the second half weighs 3."""
    random = np.random.default_rng(seed)
    r, angle = radius * np.sqrt(random.uniform(size=count)), random.uniform(0, 2 * np.pi, count)
    zero = np.zeros(count)
    return {
        "x_cm": r * np.cos(angle), "y_cm": r * np.sin(angle), "z_cm": zero, "u": zero, "v": zero, "w": zero + 1,
        "energy_mev": random.uniform(0, 2, count), "weight": np.where(np.arange(count) < count // 2, 1.0, 3.0),
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name in MARGINALS if name != "Fluence"])
def test_each_set_sums_to_one_in_the_same_bins(name):
    places, (first, second) = marginal(name, [disc(900), disc(500, radius=5.0, seed=1)])
    width = places[1] - places[0]
    assert len(places) == len(first) == len(second) == 80
    assert first.sum() * width == pytest.approx(1.0)
    assert second.sum() * width == pytest.approx(1.0)


def test_an_even_disc_has_even_fluence():
    places, (found,) = marginal("Fluence", [disc(400_000)])
    inside = (places > 0.5) & (places < 2.9)
    assert found[inside] == pytest.approx(1 / (np.pi * 9), rel=0.08)
    rings = np.pi * np.diff(np.append(places - places[0], places[-1] + places[0]) ** 2)
    assert (found * rings).sum() == pytest.approx(1.0)


def test_weights_count():
    low, high = disc(2), disc(2)
    photons = {name: np.concatenate([low[name], high[name]]) for name in low}
    photons |= {"x_cm": np.array([0.0, 0.0, 1.0, 1.0]), "weight": np.array([1.0, 1.0, 2.0, 4.0])}
    places, (found,) = marginal("X", [photons])
    assert found[0] * 0.0125 == pytest.approx(0.25)
    assert found[-1] * 0.0125 == pytest.approx(0.75)
    assert places[0] == pytest.approx(0.00625)


def test_one_value_and_no_photon_at_all():
    places, (found,) = marginal("dZ", [disc(10)])
    assert places[0] < 1 < places[-1]
    assert found.sum() * (places[1] - places[0]) == pytest.approx(1.0)
    _, (nothing,) = marginal("Energy", [disc(0)])
    assert not nothing.any()
