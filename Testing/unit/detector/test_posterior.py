"""The variance that cells leave, judged by numerical integration and by drawn fields."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.detector import posterior
from Dose3DLib.detector.posterior import DosePrior, Posterior, posterior_variance
from Dose3DLib.geometry.cells import Cells

PRIOR = DosePrior(2.0, 12.0, 0.1)


def turned(degrees: float) -> np.ndarray:
    a = np.radians(degrees)
    return np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])


def some_cells(count: int = 6, degrees: float = 25.0, seed: int = 1) -> Cells:
    rng = np.random.default_rng(seed)
    centers, sizes = rng.uniform(-30, 30, (count, 3)), rng.uniform(4, 14, (count, 3))
    return Cells(tuple(map(str, range(count))), centers, sizes, turned(degrees))


def places_in(cells: Cells, n: int, count: int = 24) -> np.ndarray:
    """Midpoints of equal parts of cell n, LPS."""
    part = (np.arange(count) + 0.5) / count - 0.5
    grid = np.stack(np.meshgrid(part, part, part, indexing="ij"), -1).reshape(-1, 3)
    return cells.centers_mm[n] + (grid * cells.sizes_mm[n]) @ cells.axes.T


def kernel(a: np.ndarray, b: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Straight from the definition, along the cells' axes."""
    apart = np.abs((a @ axes)[:, None] - (b @ axes)[None]) * np.sqrt(3) / 12.0
    return 4.0 * ((1 + apart) * np.exp(-apart)).prod(axis=-1)


def test_the_covariance_of_a_place_and_a_cell_is_the_mean_of_the_kernel():
    cells, points = some_cells(), np.random.default_rng(2).uniform(-30, 30, (5, 3))
    points[0] = cells.centers_mm[3]
    wanted = np.stack([kernel(points, places_in(cells, n), cells.axes).mean(axis=1) for n in range(6)], axis=1)
    assert np.allclose(PRIOR.points_cells(points, cells), wanted, rtol=2e-3)


def test_the_covariance_of_two_cells_is_the_mean_of_the_kernel():
    cells = some_cells(3)
    wanted = [
        [kernel(places_in(cells, a, 10), places_in(cells, b, 10), cells.axes).mean() for a in range(3)]
        for b in range(3)
    ]
    assert np.allclose(PRIOR.cells_cells(cells, cells), wanted, rtol=1e-2)


def test_the_variance_is_the_error_of_the_best_linear_estimate():
    """Fields drawn on points of cells: the estimate's mean squared error is the variance that was foretold."""
    cells, rng = some_cells(4, 0.0), np.random.default_rng(5)
    points = cells.centers_mm + rng.uniform(-6, 6, (4, 3))
    inside = np.concatenate([places_in(cells, n, 5) for n in range(4)])
    every = np.concatenate([inside, points])
    cov = kernel(every, every, np.eye(3))
    fields = np.linalg.cholesky(cov + 1e-9 * np.eye(len(every))) @ rng.standard_normal((len(every), 20000))
    readings = fields[:500].reshape(4, 125, -1).mean(axis=1) + 0.1 * rng.standard_normal((4, 20000))
    weights = np.linalg.lstsq(readings.T, fields[500:].T, rcond=None)[0]
    error = ((fields[500:] - weights.T @ readings) ** 2).mean(axis=1)
    assert np.allclose(posterior_variance(points, cells, PRIOR), error, rtol=0.06)


def test_cells_may_come_in_parts():
    cells, points = some_cells(12), np.random.default_rng(3).uniform(-30, 30, (40, 3))
    whole = posterior_variance(points, cells, PRIOR)
    growing = Posterior(points, PRIOR)
    for part in (slice(0, 5), slice(5, 6), slice(6, 12)):
        foretold = growing.after(cells.take(part))
        growing.add(cells.take(part))
        assert np.allclose(growing.variance, foretold)
    assert np.allclose(growing.variance, whole)
    assert (whole > 0).all()
    assert (whole < PRIOR.variance_gy2).all()


def test_no_cells_leave_everything_unknown():
    assert posterior_variance(np.zeros((2, 3)), some_cells().take(slice(0, 0)), PRIOR) == pytest.approx([4.0, 4.0])


def test_a_cell_measured_twice_tells_little_more():
    cells = some_cells(1)
    once, twice = Posterior(cells.centers_mm, PRIOR), Posterior(cells.centers_mm, PRIOR)
    once.add(cells)
    twice.add(cells)
    twice.add(cells)
    half = posterior_variance(cells.centers_mm, cells, DosePrior(2.0, 12.0, 0.1 / np.sqrt(2)))
    assert twice.variance == pytest.approx(half)
    assert 0 < once.variance[0] - twice.variance[0] < 0.01


def test_many_cells_are_screened_by_the_near_ones(monkeypatch):
    axis = np.arange(7) * 12.0
    centers = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    cells = Cells(tuple(map(str, range(343))), centers, np.full((343, 3), 10.0), np.eye(3))
    points = np.random.default_rng(1).uniform(0, 72, (30, 3))
    whole = posterior_variance(points, cells, PRIOR)
    monkeypatch.setattr(posterior, "_LOCAL_ABOVE", 100)
    near = posterior_variance(points, cells, PRIOR)
    assert (near >= whole - 1e-9).all()
    assert np.allclose(near, whole, rtol=0.01)


def test_cells_of_different_axes_are_not_mixed():
    with pytest.raises(ValueError, match="same axes"):
        PRIOR.cells_cells(some_cells(2, 0), some_cells(2, 30))


def test_a_prior_needs_positive_numbers():
    with pytest.raises(ValueError, match="above 0"):
        DosePrior(noise_gy=0.0)


def test_alike_cells_and_tiny_noise_are_no_trouble():
    """Doses alike over 20 cm, read to 1 mGy: rounding must not make the covariance of 200 cells singular."""
    prior = DosePrior(1000.0, 200.0, 0.001)
    cells = some_cells(200, seed=3)
    left = posterior_variance(cells.centers_mm[:20], cells, prior)
    assert np.isfinite(left).all()
    assert (left < 1e-2 * prior.variance_gy2).all()
