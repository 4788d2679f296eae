"""The discrepancy against its kernel computed pair by pair, and the law of its p-value."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.phasespace.compare.mmd import mmd_test
from Dose3DLib.phasespace.compare.sides import Side

BANDWIDTHS = (0.1, 0.3, 1.0)


def sides_of(a: np.ndarray, b: np.ndarray, per_history: int = 1) -> tuple[Side, Side]:
    return tuple(Side(np.zeros((len(v), 6), np.float32), np.arange(len(v)) // per_history, "x") for v in (a, b))


def exact_mmd(a: np.ndarray, b: np.ndarray) -> float:
    """The biased estimate by all pairs, with the mean of three Gaussian kernels."""
    both = np.concatenate([a, b])
    square = ((both[:, None] - both[None]) ** 2).sum(axis=2)
    kernel = np.mean([np.exp(-square / (2 * h**2 * a.shape[1])) for h in BANDWIDTHS], axis=0)
    n = len(a)
    return float(np.sqrt(kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()))


@pytest.mark.parametrize(("shift", "size"), [(0.5, 6), (1.0, 6), (0.4, 2)])
def test_value_against_all_pairs(shift, size):
    a, b = np.random.default_rng(0).standard_normal((2, 1500, size)).astype(np.float32)
    b += np.float32(shift)
    found = mmd_test(a, b, sides_of(a, b), np.random.default_rng(1))
    assert found.value == pytest.approx(exact_mmd(a, b), rel=0.15)
    assert found.p < 0.005


def test_p_is_uniform_when_the_laws_are_equal():
    found = []
    for seed in range(40):
        a, b = np.random.default_rng(seed).standard_normal((2, 400, 3)).astype(np.float32)
        found.append(mmd_test(a, b, sides_of(a, b), np.random.default_rng(seed)).p)
    assert 0.35 < np.mean(found) < 0.65
    assert 0 < np.sum(np.array(found) < 0.25) < 20


def test_blocks_keep_photons_of_a_history_together():
    """With photons taken as independent, twenty alike of each history would look like a difference of the laws."""
    rng = np.random.default_rng(5)
    p_values = {1: [], 20: []}
    for seed in range(8):
        a, b = (np.repeat(rng.standard_normal((150, 2)), 20, axis=0).astype(np.float32) for _ in range(2))
        for per_history, found in p_values.items():
            found.append(mmd_test(a, b, sides_of(a, b, per_history), np.random.default_rng(seed)).p)
    assert np.mean(p_values[20]) > 0.25
    assert np.mean(p_values[1]) < 0.1


def test_the_same_generator_gives_the_same_p():
    a, b = np.random.default_rng(6).standard_normal((2, 300, 2)).astype(np.float32)
    first, second = (mmd_test(a, b, sides_of(a, b), np.random.default_rng(9)) for _ in range(2))
    assert first == second
