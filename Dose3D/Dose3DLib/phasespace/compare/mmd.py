"""Maximum mean discrepancy of two sides (Gretton et al., JMLR 13, 2012) with a permutation test by blocks of histories.

The kernel, a mixture of Gaussians, is taken by random Fourier features (Rahimi and Recht, NIPS 2007): the distance of
two means of cosines and sines, linear in the number of photons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sides import Side

__all__ = ["PERMUTATIONS", "Mmd", "kernel_features", "mmd_test"]

PERMUTATIONS = 1000
_BLOCKS = 200
_FREQUENCIES = 96
_BANDWIDTHS = (0.1, 0.3, 1.0)
"""Of the Gaussians, in standard deviations times the root of the number of variables."""

_CHUNK = 16384


@dataclass(frozen=True)
class Mmd:
    """The root of the squared discrepancy (biased, so never negative), and its permutation p-value."""

    value: float
    p: float


def mmd_test(
    a: np.ndarray, b: np.ndarray, sides: tuple[Side, Side], rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> Mmd:
    """Discrepancy of two arrays of standardised variables, (n, d) and (m, d), float32.

    Labels are permuted by blocks of whole histories, since photons of a history are alike. The p-value is the share of
    permutations, the given one included, that give at least as much; it is uniform when both sides are the same law.

    Parameters
    ----------
    sides:
        of which a and b are the variables; only their histories are looked at.
    permutations:
        0 where only the value is wanted; p is 1 then.
    """
    frequencies = kernel_features(a.shape[1])
    blocks = [_block_sums(values, side.history, frequencies, rng) for values, side in zip((a, b), sides, strict=True)]
    sums = np.concatenate([one[0] for one in blocks])
    counts = np.concatenate([one[1] for one in blocks])
    first = len(blocks[0][1])
    value = _discrepancies(np.arange(len(counts))[None] < first, sums, counts)[0]
    chosen = rng.permuted(np.tile(np.arange(len(counts)) < first, (permutations, 1)), axis=1)
    at_least = int((_discrepancies(chosen, sums, counts) >= value).sum()) if permutations else 0
    return Mmd(float(value), (1 + at_least) / (1 + permutations))


def kernel_features(size: int) -> np.ndarray:
    """(d, k) frequencies of the kernel over `size` variables: equally many of each Gaussian; always the same ones."""
    directions = np.random.default_rng(2007).standard_normal((size, len(_BANDWIDTHS) * _FREQUENCIES))
    widths = np.repeat(np.array(_BANDWIDTHS) * np.sqrt(size), _FREQUENCIES)
    return (directions / widths).astype(np.float32)


def _block_sums(values: np.ndarray, history: np.ndarray, frequencies: np.ndarray, rng: np.random.Generator) -> tuple:
    """Sums of the features over blocks of whole histories, (blocks, 2 k), and the photons in each."""
    _, dense = np.unique(history, return_inverse=True)
    number = int(dense.max()) + 1
    blocks = min(_BLOCKS, number)
    block = rng.permutation(np.arange(number) % blocks)[dense]
    order = np.argsort(block, kind="stable")
    counts = np.bincount(block, minlength=blocks)
    sums = np.zeros((blocks, 2 * frequencies.shape[1]))
    for start in range(0, len(values), _CHUNK):
        places = order[start : start + _CHUNK]
        phases = values[places] @ frequencies
        inside, where = np.unique(block[places], return_index=True)
        both = np.concatenate([np.cos(phases), np.sin(phases)], axis=1)
        sums[inside] += np.add.reduceat(both, where, axis=0, dtype=np.float64)
    return sums, counts


def _discrepancies(chosen: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Root of the squared discrepancy for each row of a boolean (permutations, blocks): the first side's blocks."""
    first = chosen.astype(np.float64)
    means = first @ sums / (first @ counts)[:, None] - (1 - first) @ sums / ((1 - first) @ counts)[:, None]
    return np.sqrt((means**2).sum(axis=1) / (sums.shape[1] / 2))
