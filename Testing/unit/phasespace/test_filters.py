"""Filters against loops over single particles; histories stay histories, whatever is left out and however it is cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.particle_builder import some_particles
from Dose3DLib.phasespace.filters import INCREMENT, HistoryKeeper, Selection, is_possible, kept
from Dose3DLib.phasespace.particles import Particles
from hypothesis import given
from hypothesis import strategies as st


def at(x=0.0, y=0.0, u=0.0, v=0.0, w=1.0, energy=1.0, species=1, count=1) -> Particles:
    numbers = dict(energy=energy, x=x, y=y, z=0.0, u=u, v=v, w=w, weight=1.0)
    arrays = {name: np.full(count, value, np.float32) for name, value in numbers.items()}
    return Particles(np.full(count, species, np.int8), is_new_history=np.ones(count, bool), **arrays)


@pytest.mark.parametrize(
    ("selection", "inside", "outside"),
    [
        (Selection(species=("photon", "positron")), {"species": 3}, {"species": 2}),
        (Selection(energy_mev=(0.5, None)), {"energy": 0.5}, {"energy": 0.4999}),
        (Selection(energy_mev=(None, 0.511)), {"energy": np.float32(0.511)}, {"energy": 0.5111}),
        (Selection(radius_cm=(None, 5)), {"x": 3, "y": -4}, {"x": 3.001, "y": 4}),
        (Selection(radius_cm=(5, None)), {"x": -3, "y": 4}, {"x": 3, "y": 3.999}),
        (Selection(rectangle_cm=(-1, 2, -3, 4)), {"x": 2, "y": -3}, {"x": 2.001, "y": 0}),
        (Selection(rectangle_cm=(-1, 2, -3, 4)), {"x": -1, "y": 4}, {"x": 0, "y": -3.001}),
        (Selection(angle_degrees=(None, 45)), {"u": 0.7071, "w": 0.7072}, {"u": 0.7072, "w": 0.7070}),
        (Selection(angle_degrees=(None, 90)), {"v": 1, "w": 0}, {"v": 0.99995, "w": -0.01}),
        (Selection(angle_degrees=(170, None)), {"w": -1}, {"u": 0.6, "w": -0.8}),
    ],
)
def test_bounds(selection, inside, outside):
    assert selection.mask(at(**inside)).all()
    assert not selection.mask(at(**outside)).any()
    assert selection.words()


def test_small_angles_are_told_apart():
    """Where W rounds to 1: 0.01 degrees are 1.7e-4 of U."""
    found = Selection(angle_degrees=(0.005, 0.02)).mask(at(u=1.745e-4, w=1.0))
    assert found.all()
    assert not Selection(angle_degrees=(0.005, 0.02)).mask(at(u=0, w=1.0)).any()


def test_no_selection_keeps_all():
    assert Selection().mask(some_particles(50)).all()
    assert Selection().words() == ""


def histories_of(flags) -> list[int]:
    return np.cumsum(flags).tolist()


@given(st.data())
def test_histories_whatever_is_left_out_and_however_it_is_cut(data):
    """The kept particles are grouped by their original histories, and nothing else starts one."""
    count = data.draw(st.integers(1, 60))
    flags = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    increments = np.array(data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count)), np.int32)
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=5)))
    whole = replace(some_particles(count), is_new_history=flags, extras={INCREMENT: increments})
    keeper, pieces = HistoryKeeper(), []
    for start, stop in zip([0, *cuts], [*cuts, count], strict=True):
        part = slice(start, stop)
        pieces.append(keeper.select(whole.select(part), chosen[part]))
    found = np.concatenate([piece.is_new_history for piece in pieces])
    numbers = np.concatenate([piece.extras[INCREMENT] for piece in pieces])
    original = [history for history, keep in zip(histories_of(flags), chosen, strict=True) if keep]
    expected = [n == 0 or original[n] != original[n - 1] for n in range(len(original))]
    assert found.tolist() == expected
    since, gathered = 0, []
    for increment, keep in zip(increments.tolist(), chosen, strict=True):
        since += increment
        if keep:
            gathered.append(since)
            since = 0
    assert numbers.tolist() == gathered


@pytest.mark.parametrize("dropped", [(), (0,), (2,), (5,), (0, 1, 2)])
def test_pieces_that_are_kept_whole_after_pieces_that_are_not(dropped):
    """The shortcut for whole pieces must not forget what was left out before them."""
    flags = np.array([True, False, True, True, False, False, False, True])
    whole = replace(some_particles(8), is_new_history=flags, extras={INCREMENT: flags.astype(np.int32)})
    chosen = np.array([n not in dropped for n in range(8)])
    keeper = HistoryKeeper()
    pieces = [keeper.select(whole.select(slice(n, n + 1)), chosen[n : n + 1]) for n in range(8)]
    empty = keeper.select(whole.select(slice(0, 0)), chosen[:0])
    at_once = HistoryKeeper().select(whole, chosen)
    assert len(empty) == 0
    assert np.array_equal(np.concatenate([p.is_new_history for p in pieces]), at_once.is_new_history)
    assert np.array_equal(np.concatenate([p.extras[INCREMENT] for p in pieces]), at_once.extras[INCREMENT])


def test_kept_goes_through_pieces():
    particles = some_particles(1000)
    selection = Selection(species=("photon",))
    pieces = [particles.select(slice(start, start + 37)) for start in range(0, 1000, 37)]
    found = list(kept(pieces, selection))
    assert np.array_equal(np.concatenate([piece.x for piece in found]), particles.x[particles.species == 1])
    group = np.cumsum(particles.is_new_history)[particles.species == 1]
    assert np.concatenate([piece.is_new_history for piece in found]).sum() == len(set(group.tolist()))


@pytest.mark.parametrize(
    "fault",
    [{"energy": 0}, {"energy": -1}, {"energy": np.nan}, {"energy": np.inf}, {"x": np.nan}, {"y": np.inf},
     {"u": np.nan}, {"w": 0}, {"u": 0.5, "w": 1}, {"species": 0}, {"species": 7}],
)  # fmt: skip
def test_what_is_no_particle(fault):
    assert is_possible(at()).all()
    assert not is_possible(at(**fault)).any()
