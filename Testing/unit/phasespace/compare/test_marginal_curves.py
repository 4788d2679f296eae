"""Marginals of both sides as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from Dose3DLib.phasespace.compare.marginal_curves import marginal_curves
from Dose3DLib.phasespace.compare.sides import Side


def side(count: int, largest_mev: float, name: str) -> Side:
    random = np.random.default_rng(count)
    photons = random.uniform(0, 1, (count, 6)).astype(np.float32)
    photons[:, 5] *= largest_mev
    return Side(photons, np.arange(count), name, 27.0)


@pytest.mark.parametrize("count", [3000, 700_001])  # the second is thinned
def test_both_sides_in_the_same_bins(count):
    curves = json.loads(json.dumps(marginal_curves(side(count, 6.0, "real"), side(2000, 3.0, "made"))))
    assert list(curves) == ["Energy", "X", "Y", "dX", "dY", "dZ", "Fluence"]
    energy = curves["Energy"]
    places, original, generated = (np.array(energy[name]) for name in ("places", "original", "generated"))
    assert original == pytest.approx(1 / 6, rel=0.6)
    assert generated[places < 2.9] == pytest.approx(1 / 3, rel=0.6)
    assert not generated[places > 3.1].any()
    assert (original.sum() * (places[1] - places[0])) == pytest.approx(1.0)
    assert (energy["x"], energy["y"]) == ("energy (MeV)", "share per MeV")
