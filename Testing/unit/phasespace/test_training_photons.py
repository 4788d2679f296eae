"""Photons for training: whole histories held out, pools, weights, what is left out, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.beam_builder import beam_particles, beam_photons, beam_space
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.coordinates import fit_coordinates
from Dose3DLib.phasespace.learner import encode_pool, sliced_distance
from Dose3DLib.phasespace.training_photons import Pool, TrainingPhotons


def marked_space(count: int = 40_000):
    """Each photon's energy says its history: 0.001 MeV times its number."""
    particles = beam_particles(beam_photons(count))
    numbers = np.cumsum(particles.is_new_history)
    particles.energy[:] = 1e-3 * numbers
    return beam_space(particles), numbers


def test_no_history_is_on_both_sides_and_nothing_is_lost():
    space, numbers = marked_space()
    photons = TrainingPhotons([space], seed=3)
    held, kept = ({round(1000 * float(e)) for e in pool.photons[:, 5]} for pool in (photons.held_out, photons.pool(0)))
    assert held.isdisjoint(kept)
    assert held | kept == set(numbers.tolist())
    assert len(photons.held_out.photons) + len(photons.pool(0).photons) == space.count
    assert 0.03 < len(photons.held_out.photons) / space.count < 0.08


def test_the_same_seed_holds_out_the_same():
    space, _ = marked_space()
    first, second, other = (TrainingPhotons([space], seed=seed).held_out.photons for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first[:100], other[:100])


def test_a_file_larger_than_memory_comes_in_pools_that_differ_and_repeat():
    space, _ = marked_space(80_000)
    photons = TrainingPhotons([space], seed=1, pool_size=20_000)
    assert photons.pools == 4
    sizes = [len(photons.pool(number).photons) for number in range(4)]
    assert max(sizes) < 25_000
    again = TrainingPhotons([space], seed=1, pool_size=20_000)
    assert np.array_equal(photons.pool(2).photons, again.pool(2).photons)
    assert not np.array_equal(photons.pool(1).photons, photons.pool(2).photons)


def test_what_is_no_photon_is_left_out_and_counted():
    particles = beam_particles(beam_photons(20_000))
    particles.species[::10] = 2
    photons = TrainingPhotons([beam_space(particles, 5000)])
    share = particles.energy[::10].sum() / particles.energy.sum()
    assert photons.left_out.to_dict()["particle_share"] == pytest.approx(0.1)
    assert photons.left_out.to_dict()["energy_share"] == pytest.approx(share, rel=1e-4)
    assert photons.histories_per_photon == pytest.approx(5000 / 18_000)


def test_photons_that_cannot_be_learned_are_left_out():
    particles = beam_particles(beam_photons(20_000))
    particles.w[:100] *= -1
    particles.energy[200:210] = np.nan
    particles.u[300:305] = particles.v[300:305] = particles.w[300:305] = 0
    photons = TrainingPhotons([beam_space(particles)])
    assert photons.left_out.unusable == 115
    assert np.isfinite(photons.pool(0).photons).all()


def test_unequal_weights_are_learned_by_drawing_anew():
    photons = beam_photons(20_000)
    weight = np.where(photons[:, 0] > 0, 3.0, 1.0).astype(np.float32)
    coordinates = fit_coordinates(photons, 27.0, "raw")
    pool = Pool(photons, np.zeros(len(photons), np.int64), weight)
    found = encode_pool(pool, coordinates, np.empty((1, 0)), np.random.default_rng(0))
    raw = found.points.numpy() * coordinates.deviation + coordinates.mean
    assert (raw[:, 0] > 0).mean() == pytest.approx(0.75, abs=0.01)


def test_files_of_unknown_histories_have_no_normalisation():
    space = beam_space(beam_particles(beam_photons(5000)), histories=None)
    assert TrainingPhotons([space]).histories_per_photon is None


def other_plane():
    photons = beam_photons(5000)
    return [beam_space(beam_particles(photons)), beam_space(beam_particles(photons, plane_cm=50), name="b.IAEAphsp")]


def of_weight(value: float):
    return [beam_space(beam_particles(beam_photons(5000), weight=value))]


def without_photons():
    particles = beam_particles(beam_photons(5000))
    return [beam_space(replace(particles, species=np.full(5000, 2, np.int8)))]


BAD = {
    "other planes": (other_plane, "z = 50"),
    "negative weight": (lambda: of_weight(-1.0), "negative weight"),
    "weight nought": (lambda: of_weight(0.0), "only 0 photons"),
    "no photons": (without_photons, "holds no photons"),
    "one photon": (lambda: [beam_space(beam_particles(beam_photons(1)))], "only 1 photons"),
    "few photons": (lambda: [beam_space(beam_particles(beam_photons(500)))], "photons to learn from"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_cannot_be_learned_are_refused(name):
    make, words = BAD[name]
    with pytest.raises(InputError, match=words):
        TrainingPhotons(make())


def test_sliced_distance_of_shifted_normals():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 20_000, 3))
    assert sliced_distance(first, second) < 0.02
    # The mean of |cos| of a random direction in three dimensions is one half.
    assert sliced_distance(first, second + [1.0, 0.0, 0.0]) == pytest.approx(0.5, abs=0.08)
