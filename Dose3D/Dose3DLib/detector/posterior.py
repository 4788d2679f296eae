"""What a set of cells leaves unknown: the variance of the dose at places, given the cells' means (Gaussian process).

The dose is taken as a zero-mean field whose covariance is the product over the three axes of a Matern-3/2 kernel
(C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning, MIT Press 2006, eqs. 2.26 and 4.17).
The axes are those of the cells, so that a mean over a cell is a product of three integrals, which are exact here.
The variance depends on where cells are and never on what they measure: a layout can be judged before it is built.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.cells import Cells

__all__ = ["DosePrior", "Posterior", "posterior_variance"]

_LOCAL_ABOVE = 1500
"""With more cells than this each place sees its nearest ones only: the far ones are screened by the near."""
_NEAREST = 128
_ROUNDING = 1e-8
"""Of the prior's variance: covariances of many alike cells are singular to this."""


@dataclass(frozen=True)
class DosePrior:
    """What is believed of a dose before anything is measured.

    Parameters
    ----------
    sd_gy:
        standard deviation of the dose at a place, Gy.
    length_mm:
        length of the Matern-3/2 kernel along each axis.
    noise_gy:
        standard deviation of a cell's reading, Gy.
    """

    sd_gy: float = 70.0
    length_mm: float = 12.0
    noise_gy: float = 0.7

    def __post_init__(self) -> None:
        if not (self.sd_gy > 0 and self.length_mm > 0 and self.noise_gy > 0):
            raise ValueError(f"sd, length and noise must be above 0: {self}")

    @property
    def variance_gy2(self) -> float:
        return self.sd_gy**2

    @property
    def noise_gy2(self) -> float:
        """Variance of a reading, with what rounding adds to the cells' covariances."""
        return self.noise_gy**2 + _ROUNDING * self.variance_gy2

    def points_cells(self, points_mm: np.ndarray, cells: Cells) -> np.ndarray:
        """Covariance of the dose at LPS places (p, 3) with the cells' means, (p, n) Gy^2."""
        return self._product(points_mm @ cells.axes, None, cells.centers_mm @ cells.axes, cells.sizes_mm)

    def cells_cells(self, first: Cells, second: Cells) -> np.ndarray:
        """Covariance of the means of two sets of cells with the same axes, (n, m) Gy^2, without noise."""
        if not np.allclose(first.axes, second.axes, atol=1e-6):
            raise ValueError("cells that are taken together need the same axes")
        axes = first.axes
        return self._product(first.centers_mm @ axes, first.sizes_mm, second.centers_mm @ axes, second.sizes_mm)

    def _product(
        self, first: np.ndarray, first_size: np.ndarray | None, second: np.ndarray, second_size: np.ndarray
    ) -> np.ndarray:
        found = np.full((len(first), len(second)), self.variance_gy2)
        for axis in range(3):
            # Detectors are lattices: few different positions along an axis, so that the kernel is evaluated for these.
            at, length, which = _different(second[:, axis], second_size[:, axis])
            if first_size is None:
                found *= self._point_mean(first[:, None, axis] - at, length)[:, which]
            else:
                own, own_length, own_which = _different(first[:, axis], first_size[:, axis])
                means = self._mean_mean(own[:, None] - at, own_length[:, None], length)
                found *= means[own_which[:, None], which[None, :]]
        return found

    def _point_mean(self, apart: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Mean of the kernel over an interval of `length` whose middle is `apart` from a place."""
        return (self._first(apart + length / 2) - self._first(apart - length / 2)) / length

    def _mean_mean(self, apart: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Mean of the kernel over two intervals of lengths a and b whose middles are `apart`."""
        far, near = (a + b) / 2, (a - b) / 2
        outer = self._second(apart + far) + self._second(apart - far)
        return (outer - self._second(apart + near) - self._second(apart - near)) / (a * b)

    def _first(self, t: np.ndarray) -> np.ndarray:
        """Integral from 0 to t of the kernel (1 + c|u|) exp(-c|u|), c = sqrt(3) / length."""
        c, size = np.sqrt(3.0) / self.length_mm, np.abs(t)
        return np.sign(t) * (2 / c - (2 / c + size) * np.exp(-c * size))

    def _second(self, t: np.ndarray) -> np.ndarray:
        """An even function whose second derivative is the kernel."""
        c, size = np.sqrt(3.0) / self.length_mm, np.abs(t)
        return 2 * size / c + (3 / c**2 + size / c) * np.exp(-c * size)


def _different(places: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different pairs of place and length, and which of them each is; equal within 1e-6 mm."""
    pairs = np.round(places, 6) + 1j * np.round(lengths, 6)  # one complex number sorts far faster than two columns
    found, which = np.unique(pairs, return_inverse=True)
    return found.real, found.imag, which.reshape(-1)


class Posterior:
    """Variance of the dose at fixed places, while sets of cells are added.

    Parameters
    ----------
    points_mm:
        (p, 3) LPS.
    prior:
        of the dose and of the cells' noise.
    """

    def __init__(self, points_mm: np.ndarray, prior: DosePrior):
        self.points_mm, self.prior = np.asarray(points_mm, np.float64), prior
        self.cells: list[Cells] = []
        self.variance = np.full(len(self.points_mm), prior.variance_gy2)
        self._white = np.zeros((0, len(self.points_mm)))
        self._factor = np.zeros((0, 0))

    def after(self, cells: Cells) -> np.ndarray:
        """The variance (p,) Gy^2 if these cells were added: nothing changes."""
        return self.variance - (self._step(cells)[1] ** 2).sum(axis=0)

    def add(self, cells: Cells) -> None:
        """Take these cells as measured, once more where they have been already."""
        beside, white, corner = self._step(cells)
        count = len(self._factor)
        factor = np.zeros((count + len(cells),) * 2)
        factor[:count, :count], factor[count:, :count], factor[count:, count:] = self._factor, beside.T, corner
        self._factor, self._white = factor, np.vstack([self._white, white])
        self.variance = self.variance - (white**2).sum(axis=0)
        self.cells.append(cells)

    def _step(self, cells: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The new rows of the Cholesky factor, and of the whitened covariance with the places (m, p)."""
        from scipy.linalg import solve_triangular

        between = self.prior.points_cells(self.points_mm, cells).T
        own = self.prior.cells_cells(cells, cells) + np.eye(len(cells)) * self.prior.noise_gy2
        beside = np.zeros((0, len(cells)))
        if self.cells:
            others = np.vstack([self.prior.cells_cells(before, cells) for before in self.cells])
            beside = solve_triangular(self._factor, others, lower=True)
            own = own - beside.T @ beside
            between = between - beside.T @ self._white
        corner = np.linalg.cholesky(own)
        return beside, solve_triangular(corner, between, lower=True), corner


def posterior_variance(points_mm: np.ndarray, cells: Cells, prior: DosePrior | None = None) -> np.ndarray:
    """Variance of the dose at LPS places given the means over cells, (p,) Gy^2.

    Above 1500 cells each place is given its nearest 128: the result is then slightly too large, never too small.
    """
    prior = prior or DosePrior()
    points = np.asarray(points_mm, np.float64)
    if len(cells) > _LOCAL_ABOVE:
        return _local_variance(points, cells, prior)
    posterior = Posterior(points, prior)
    return posterior.after(cells) if len(cells) else posterior.variance


def _local_variance(points: np.ndarray, cells: Cells, prior: DosePrior) -> np.ndarray:
    from scipy.spatial import cKDTree

    _, nearest = cKDTree(cells.centers_mm).query(points, _NEAREST)
    found = np.empty(len(points))
    for n, chosen in enumerate(nearest):
        near = cells.take(chosen)
        between = prior.points_cells(points[n : n + 1], near)[0]
        own = prior.cells_cells(near, near) + np.eye(_NEAREST) * prior.noise_gy2
        found[n] = prior.variance_gy2 - between @ np.linalg.solve(own, between)
    return found
