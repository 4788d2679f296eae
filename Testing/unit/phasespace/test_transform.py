"""Planes by similar triangles; angles by what IEC 61217 says in words about single rays."""

from __future__ import annotations

import numpy as np
import pytest
from builders.particle_builder import some_particles
from Dose3DLib.phasespace.particles import Particles
from Dose3DLib.phasespace.transform import Rotation, reaches_plane, to_plane


def ray(place, direction) -> Particles:
    numbers = dict(zip(("x", "y", "z", "u", "v", "w"), [*place, *direction], strict=True), energy=1.0, weight=1.0)
    arrays = {name: np.array([value], np.float32) for name, value in numbers.items()}
    return Particles(np.ones(1, np.int8), is_new_history=np.ones(1, bool), **arrays)


def place_of(particles: Particles) -> list[float]:
    return [float(getattr(particles, name)[0]) for name in "xyz"]


def direction_of(particles: Particles) -> list[float]:
    return [float(getattr(particles, name)[0]) for name in "uvw"]


def test_similar_triangles():
    """A ray from the origin through (3, 4, 25) is at (6, 8, 50) and (-1.2, -1.6, -10)."""
    direction = np.array([3, 4, 25]) / np.linalg.norm([3, 4, 25])
    for z in (50.0, -10.0, 25.0):
        found = to_plane(ray((3, 4, 25), direction), z)
        assert place_of(found) == pytest.approx([3 * z / 25, 4 * z / 25, z], rel=1e-6)
        assert direction_of(found) == pytest.approx(direction.tolist())


def test_there_and_back_again():
    particles = some_particles(2000)
    particles = particles.select(np.abs(particles.w) > 0.1)
    back = to_plane(to_plane(to_plane(particles, 27.0), 127.0), 27.0)
    straight = to_plane(particles, 27.0)
    assert np.abs(back.x - straight.x).max() < 2e-4  # float32 of a kilometre's tenth
    assert np.array_equal(back.energy, particles.energy)


def test_what_runs_along_the_plane_never_reaches_it():
    along = ray((1, 2, 27), (1, 0, 0))
    assert not reaches_plane(along, 30.0).any()
    assert reaches_plane(along, 27.0).all()
    assert place_of(to_plane(along, 27.0)) == [1, 2, 27]
    assert reaches_plane(ray((1, 2, 27), (0.6, 0, -0.8)), 30.0).all()


CENTRAL = ((0, 0, 40), (0, 0, 1))
"""On the axis, 60 cm before the isocentre."""


@pytest.mark.parametrize(
    ("gantry", "source"),
    [(0, (0, 0, 1)), (90, (1, 0, 0)), (180, (0, 0, -1)), (270, (-1, 0, 0)), (-90, (-1, 0, 0))],
)
def test_the_gantry_turns_clockwise_for_who_faces_it(gantry, source):
    """At 0 the source is above, at 90 at +X, right of who faces the gantry; the beam goes to the isocentre."""
    found = Rotation(gantry_degrees=gantry).apply(ray(*CENTRAL))
    assert place_of(found) == pytest.approx([60 * c for c in source], abs=1e-5)
    assert direction_of(found) == pytest.approx([-c for c in source], abs=1e-6)


def test_the_isocentre_is_at_the_distance_of_source_and_axis():
    at_source = ray((0, 0, 2), (0, 0, 1))
    assert place_of(Rotation(source_axis_cm=90, source_z_cm=2).apply(at_source)) == pytest.approx([0, 0, 90])


def test_the_collimator_turns_counter_clockwise_as_seen_from_the_source():
    """Seen from above with X to the right and Y up: +X goes to +Y at 90 degrees."""
    off_axis = ray((5, 0, 100), (0, 0, 1))
    assert place_of(Rotation().apply(off_axis)) == pytest.approx([5, 0, 0], abs=1e-6)
    assert place_of(Rotation(collimator_degrees=90).apply(off_axis)) == pytest.approx([0, 5, 0], abs=1e-5)
    # The gantry comes after: the collimator's Y is the axis about which it turns.
    both = Rotation(gantry_degrees=90, collimator_degrees=90)
    assert place_of(both.apply(off_axis)) == pytest.approx([0, 5, 0], abs=1e-5)


def test_nothing_is_mirrored():
    for angles in ((0, 0), (30, 77), (200, 181)):
        matrix = Rotation(*angles).matrix
        assert np.linalg.det(matrix) == pytest.approx(1)
        assert np.allclose(matrix @ matrix.T, np.eye(3))


def test_y_points_away_from_the_gantry_in_a_right_handed_file():
    assert place_of(Rotation().apply(ray((0, 5, 100), (0, 0, 1)))) == pytest.approx([0, -5, 0])
    assert place_of(Rotation(collimator_degrees=180).apply(ray((0, 5, 100), (0, 0, 1)))) == pytest.approx(
        [0, 5, 0], abs=1e-5
    )


def test_rays_through_the_isocentre_stay_such():
    """Whatever the angles: the distance of a ray from the isocentre and the angle between rays do not change."""
    particles = some_particles(500)
    turned = Rotation(73, 41).apply(particles)

    def nearest(p, centre):
        place = np.stack([p.x, p.y, p.z]).astype(float) - np.array(centre, float)[:, None]
        return np.linalg.norm(np.cross(place.T, np.stack([p.u, p.v, p.w]).T.astype(float)), axis=1)

    assert np.allclose(nearest(turned, (0, 0, 0)), nearest(particles, (0, 0, 100)), atol=1e-4)
    length = turned.u.astype(float) ** 2 + turned.v.astype(float) ** 2 + turned.w.astype(float) ** 2
    assert np.abs(length - 1).max() < 1e-6
