"""The focus of made beams: where they come from, how wide they are there, whichever way they go."""

from __future__ import annotations

import numpy as np
import pytest
from builders.particle_builder import some_particles
from Dose3DLib.phasespace.focus_curve import find_focus
from Dose3DLib.phasespace.particles import Particles


def beam(count=20_000, sigmas=(0.05, 0.08), focus=3.0, planes=(30.0,), sign=1.0, scattered=0.0) -> Particles:
    """Photons from a normal spot at z = `focus` to a square field in the given planes, some from anywhere."""
    rng = np.random.default_rng(3)
    start = rng.normal(size=(2, count)) * np.array(sigmas)[:, None] + [[0.02], [-0.01]]
    start[:, rng.random(count) < scattered] *= 60
    z = rng.choice(planes, count)
    slope = rng.uniform(-0.2, 0.2, (2, count))
    place = start + slope * (z - focus)
    w = 1 / np.sqrt(1 + (slope**2).sum(axis=0))
    numbers = dict(energy=np.ones(count), x=place[0], y=place[1], z=sign * z, u=slope[0] * w, v=slope[1] * w,
                   w=sign * w, weight=np.ones(count))  # fmt: skip
    arrays = {name: values.astype(np.float32) for name, values in numbers.items()}
    return Particles(np.ones(count, np.int8), is_new_history=np.ones(count, bool), **arrays)


@pytest.mark.parametrize("case", [{}, {"planes": (25.0, 30.0, 31.0)}, {"scattered": 0.1}], ids=str)
def test_place_and_width(case):
    found = find_focus(beam(**case))
    assert found.best_z == pytest.approx(3.0, abs=0.05)
    wider = 1.15 if case.get("scattered") else 1.03  # a tenth of scatter moves the quartiles
    assert 0.97 < found.best_x / 0.05 < wider
    assert 0.97 < found.best_y / 0.08 < wider
    assert found.centre == pytest.approx((0.02, -0.01), abs=3e-3)
    assert (np.diff(found.z) > 0).all()
    assert found.sigma_x.argmin() == pytest.approx(30, abs=2)
    assert found.spot_x.sum() * np.diff(found.spot_edges)[0] <= 1 + 1e-9


def test_a_beam_towards_minus_z_is_its_mirror_image():
    up, down = find_focus(beam()), find_focus(beam(sign=-1.0))
    assert down.best_z == pytest.approx(-up.best_z, abs=1e-4)
    assert np.allclose(down.z, -up.z[::-1], atol=1e-4)
    assert np.allclose(down.sigma_x, up.sigma_x[::-1], atol=1e-4)


def test_a_parallel_beam_has_no_focus():
    parallel = beam()
    parallel.u[:], parallel.v[:], parallel.w[:] = 0, 0, 1
    assert find_focus(parallel).is_parallel
    assert not find_focus(beam()).is_parallel


def test_too_few_photons_have_none():
    assert find_focus(beam(99)) is None
    assert find_focus(some_particles(2000, species=(2,))) is None
