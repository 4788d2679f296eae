"""Field edges and penumbras against fields whose edges are known."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.phasespace.compare.edges import compare_edges, crossings, field_of
from Dose3DLib.phasespace.compare.sides import Side
from scipy.stats import norm

PENUMBRA_OF_SIGMA = 2 * norm.ppf(0.8)
"""A straight edge blurred by a Gaussian falls from 80 % to 20 % within this many sigmas."""


def side_of(x: np.ndarray, y: np.ndarray, history: np.ndarray | None = None) -> Side:
    photons = np.zeros((len(x), 6), np.float32)
    photons[:, 0], photons[:, 1], photons[:, 4:] = x, y, 1.0
    return Side(photons, np.arange(len(x)) if history is None else history, "test", 50.0)


def blurred_field(seed: int, count: int = 300_000, sigma_x: float = 0.1, shift_x: float = 0.0) -> Side:
    """x from -3 to 5, y from -2 to 2 cm, edges blurred."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 5, count) + sigma_x * rng.standard_normal(count) + shift_x
    y = rng.uniform(-2, 2, count) + 0.05 * rng.standard_normal(count)
    return side_of(x, y)


def disc(seed: int, radius: float, count: int = 300_000) -> Side:
    rng = np.random.default_rng(seed)
    r, phi = radius * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
    return side_of(r * np.cos(phi) + 1.0, r * np.sin(phi))


def test_crossings_of_a_curve_without_noise_are_exact_to_a_hundredth_of_the_penumbra():
    limits = np.linspace(-1, 6, 1401)
    middles = (limits[1:] + limits[:-1]) / 2
    found = crossings(37.0 * norm.cdf((4.0 - middles) / 0.2), limits, 4.0)
    assert found == pytest.approx(4.0 + 0.2 * np.array([-1, 0, 1]) * norm.ppf(0.8), abs=2e-3)


def test_a_fluence_that_never_falls_has_no_edge():
    assert np.isnan(crossings(np.ones(100), np.linspace(-1, 5, 101), 3.0)).all()
    assert np.isnan(crossings(np.zeros(100), np.linspace(-1, 5, 101), 3.0)).all()


def test_rectangular_edges_and_penumbras_are_found_in_the_frame_of_the_file():
    edges = compare_edges(blurred_field(1), blurred_field(2, shift_x=0.08), np.random.default_rng(0))
    assert edges.field.is_rectangular
    found = {one.name: one for one in edges.edges}
    assert set(found) == {"x, low", "x, high", "y, low", "y, high"}
    for name, place, sigma in (("x, low", -3, 0.1), ("x, high", 5, 0.1), ("y, low", -2, 0.05), ("y, high", 2, 0.05)):
        one = found[name]
        assert 0 < one.real_error < 0.015, "sub-millimetre"
        assert one.real == pytest.approx(place, abs=4 * one.real_error)
        width = PENUMBRA_OF_SIGMA * sigma
        assert one.penumbra_real == pytest.approx(width, abs=4 * one.penumbra_difference_error)
        assert one.penumbra_real == pytest.approx(width, rel=0.3)
        assert one.difference == pytest.approx(0.08 if name[0] == "x" else 0.0, abs=4 * one.difference_error)
    assert found["x, low"].verdict == "differs"
    assert found["y, low"].verdict == "same"
    assert "differ" in edges.verdict


def test_the_same_field_twice_agrees():
    edges = compare_edges(blurred_field(1), blurred_field(2), np.random.default_rng(0))
    assert {one.verdict for one in edges.edges} <= {"same", "within error"}
    assert edges.verdict.startswith("edges and penumbras agree within 0.5 mm")


def test_a_blurred_edge_is_noticed_by_its_penumbra_alone():
    edges = compare_edges(blurred_field(1, sigma_x=0.05), blurred_field(2, sigma_x=0.25), np.random.default_rng(0))
    x_high = next(one for one in edges.edges if one.name == "x, high")
    assert abs(x_high.difference) < 0.03
    assert x_high.penumbra_difference == pytest.approx(0.2 * PENUMBRA_OF_SIGMA, rel=0.25)
    assert x_high.verdict == "differs"


def test_a_disc_has_one_edge_at_its_radius():
    edges = compare_edges(disc(1, 4.0), disc(2, 4.2), np.random.default_rng(0))
    assert not edges.field.is_rectangular
    (one,) = edges.edges
    assert one.name == "radius"
    assert one.real == pytest.approx(4.0, abs=0.02)
    assert one.difference == pytest.approx(0.2, abs=0.03)
    assert one.verdict == "differs"


def test_scatter_outside_does_not_move_the_field():
    field, rng = blurred_field(3), np.random.default_rng(4)
    scatter = side_of(*rng.uniform(-20, 20, (2, 60_000)))
    both = Side(np.concatenate([field.photons, scatter.photons]), np.arange(360_000), "both", 50.0)
    found = field_of(both)
    assert found.center_cm == pytest.approx((1.0, 0.0), abs=0.03)
    assert found.half_widths_cm == pytest.approx((4.0, 2.0), abs=0.05)


def test_errors_grow_with_the_photons_of_a_history():
    """Photons of one history in one place count as one: errors must be larger by the root of their number."""
    rng = np.random.default_rng(5)
    single = blurred_field(6, 40_000, sigma_x=0.4)
    copies = Side(np.repeat(single.photons, 9, axis=0), np.repeat(np.arange(40_000), 9), "nine", 50.0)
    alone = Side(copies.photons, np.arange(360_000), "independent", 50.0)
    found = [[e.real_error for e in compare_edges(one, one, rng).edges[:2]] for one in (copies, alone)]
    assert 2.0 < np.mean(found[0]) / np.mean(found[1]) < 5.0, "3, but for the grain of the profile"


def test_jaws_of_a_real_file_are_where_the_head_has_them(shared_data):
    """10 x 10 cm at z = 100, focused on the target: 5 x 5 at z = 50."""
    from Dose3DLib.phasespace.photons import history_ids, photon_array
    from Dose3DLib.phasespace.read import open_phase_space

    source = open_phase_space(shared_data / "phasespace_6mv" / "jaws_10x10.IAEAphsp")
    particles = source.read(0, source.count)
    side = Side(photon_array(particles), history_ids(particles.is_new_history), "jaws", 50.0)
    edges = compare_edges(side, side, np.random.default_rng(0))
    assert [abs(one.real) for one in edges.edges] == pytest.approx([2.5] * 4, abs=0.02)
    assert all(one.real_error < 0.015 for one in edges.edges)


def test_a_beam_without_a_width_has_no_edge_and_says_so():
    pencil = side_of(np.zeros(500), np.zeros(500))
    edges = compare_edges(pencil, pencil, np.random.default_rng(0))
    assert {one.verdict for one in edges.edges} == {"not found"}
    assert {one.real for one in edges.edges} == {None}
