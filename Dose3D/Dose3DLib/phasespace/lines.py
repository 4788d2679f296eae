"""Sharp lines of a spectrum, such as the 511 keV of annihilation: energies that many photons share to the last bit."""

from __future__ import annotations

import numpy as np

__all__ = ["find_lines", "line_of"]

_SAME = 2e-6
"""Relative width of a line: some steps of float32."""
_LEAST_PHOTONS, _LEAST_SHARE = 20, 2e-4
_LEAST_TO_LEARN = 200
_ABOVE_NEIGHBOURS = 20
_MOST_LINES = 16


def find_lines(energy: np.ndarray) -> np.ndarray:
    """Energies [MeV], float32, of the lines of a sample (n,), rising; empty where there is none.

    A line holds far more photons than energies nearby do, and enough to learn where they come from; a spectrum that is
    rounded everywhere has none.
    """
    values, counts = _grouped(energy)
    if len(values) < 3:
        return np.empty(0, np.float32)
    least = max(_LEAST_TO_LEARN, _LEAST_SHARE * len(energy), _ABOVE_NEIGHBOURS * float(np.median(counts)))
    found = values[counts >= least]
    return found if len(found) <= _MOST_LINES else np.empty(0, np.float32)


def line_of(energy: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Which line each energy (n,) lies on, int64; -1 for none."""
    found = np.full(len(energy), -1, np.int64)
    for number, line in enumerate(lines):
        found[np.abs(energy - line) <= _SAME * line] = number
    return found


def _grouped(energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most frequent value of each group of energies that are the same but for rounding, and the group's photons."""
    values, counts = np.unique(energy.astype(np.float32), return_counts=True)
    peaks = np.flatnonzero(counts >= _LEAST_PHOTONS)
    if len(peaks) == 0:
        return values, counts
    kept: dict[int, int] = {}
    for peak in peaks[np.argsort(-counts[peaks], kind="stable")]:
        near = np.abs(values.astype(np.float64) - values[peak]) <= _SAME * values[peak]
        if not any(near[other] for other in kept):
            kept[int(peak)] = int(counts[near].sum())
    totals = counts.copy()
    for peak in peaks:
        totals[peak] = kept.get(int(peak), 0)
    return values, totals
