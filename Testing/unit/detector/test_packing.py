"""Boxes that follow a shape, judged by trying all packings of a small case and by shapes with a known answer."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from Dose3DLib.detector.packing import Filling, frame_filling, lattice_packing, pack, with_minimum


def filling(share: np.ndarray, step: float = 2.0) -> Filling:
    return Filling(np.asarray(share, float), np.zeros(3), step, np.eye(3))


def blocks(parts: int = 3) -> np.ndarray:
    """Two layers of rows that slide against one another, as a brick wall: 6 boxes of 3 x 3 x 3 parts."""
    share = np.zeros((14, 14, 8))
    for start in ((1, 1, 1), (4, 1, 1), (3, 4, 1), (6, 4, 1), (2, 2, 4), (5, 2, 4)):
        share[tuple(slice(s, s + parts) for s in start)] = 1
    return share


def test_bricks_are_found_exactly():
    found = pack(filling(blocks()), 3)
    assert found.dice == pytest.approx(1.0)
    assert len(found.centers_mm) == 6
    wanted = {(2.5, 2.5, 2.5), (5.5, 2.5, 2.5), (4.5, 5.5, 2.5), (7.5, 5.5, 2.5), (3.5, 3.5, 5.5), (6.5, 3.5, 5.5)}
    assert {tuple(center / 2) for center in found.centers_mm} == wanted
    assert found.shared_mm3 == pytest.approx(np.full(6, 27 * 8.0))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_any_axis_may_be_that_of_the_layers(order):
    assert pack(filling(np.transpose(blocks(), order)), 3).dice == pytest.approx(1.0)


def test_no_two_boxes_overlap():
    rng = np.random.default_rng(2)
    found = pack(filling(rng.random((13, 12, 11)) ** 2), 3)
    apart = np.abs(found.centers_mm[:, None] - found.centers_mm[None]).max(axis=-1)
    assert len(found.centers_mm) > 5
    assert apart[~np.eye(len(apart), dtype=bool)].min() >= 6.0 - 1e-9


def test_a_row_is_the_best_of_all_rows():
    """One row of 9 parts, boxes of 2: every choice of non-overlapping starts is tried."""
    share = np.zeros((9, 2, 2))
    share[:] = np.random.default_rng(5).random(9)[:, None, None]
    volume, best = share.sum(), 0.0
    for taken in product((False, True), repeat=8):
        starts = np.flatnonzero(taken)
        if len(starts) and (np.diff(starts) >= 2).all():
            shared = sum(share[s : s + 2].sum() for s in starts)
            best = max(best, 2 * shared / (volume + 8 * len(starts)))
    assert pack(filling(share, 1.0), 2).dice == pytest.approx(best)


def test_it_is_never_worse_than_a_lattice():
    k = np.indices((40, 36, 32))
    ball = (((k - np.array([20, 18, 16])[:, None, None, None]) / np.array([15, 12, 10])[:, None, None, None]) ** 2).sum(
        0
    )
    shape = filling(ball < 1)
    free = pack(shape, 6).dice
    phases = list(product((0, 2, 4), repeat=3))
    every = [lattice_packing(shape, 6, [phase]).dice for phase in phases]
    half = [lattice_packing(shape, 6, [phase], 0.5).dice for phase in phases]
    assert free > max(every)
    assert all(a >= b for a, b in zip(every, half, strict=True))
    assert lattice_packing(shape, 6, phases).dice == max(every)


@pytest.mark.parametrize("most", [1, 3, 5])
def test_a_stock_is_kept(most):
    found = pack(filling(blocks()), 3, most)
    assert len(found.centers_mm) <= most
    assert len(found.centers_mm) == 0 or found.dice <= 2 * most / (6 + most) + 1e-9


def test_a_filling_keeps_the_volume_wherever_it_is_turned():
    rng = np.random.default_rng(1)
    places = rng.uniform(-20, 20, (5000, 3)) + [100, -50, 10]
    a = np.radians(30)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    found = frame_filling(places, 64000.0, turn, 12.0, 6)
    assert found.share.sum() * found.step_mm**3 == pytest.approx(64000)
    index = np.argwhere(found.share > 0)
    middle = (found.low_mm + (index + 0.5) * found.step_mm).mean(axis=0)
    assert np.allclose(turn @ middle, [100, -50, 10], atol=1.5)
    assert (found.share[:5] == 0).all()


def test_a_small_target_is_given_boxes_beside_the_others():
    share = np.zeros((30, 30, 30))
    share[4:16, 4:16, 4:16] = 1
    small = np.zeros((30, 30, 30))
    small[20:22, 20:22, 20:22] = 1
    packing = pack(filling(share), 6)
    assert len(packing.centers_mm) == 8
    found = with_minimum(packing, filling(small), 6, 2)
    assert len(found.centers_mm) == 10
    added = found.centers_mm[8:]
    apart = np.abs(found.centers_mm[:, None] - found.centers_mm[None]).max(axis=-1)
    assert apart[~np.eye(10, dtype=bool)].min() >= 12 - 1e-9
    away = np.abs(added - 42).max(axis=1)
    assert away[0] <= 6 - 2  # holds the whole target
    assert away[1] < 6 + 12  # the room beside it
    assert len(with_minimum(found, filling(small), 6, 1).centers_mm) == 10
