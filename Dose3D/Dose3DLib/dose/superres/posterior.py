"""Doses that agree with the cells: the network's dose as a Gaussian field, conditioned on what was measured.

The prior is a field around the network's dose: its standard deviation is the network's own, neighbours are correlated
over a few millimetres. Conditioned on the cells' means and their noise (Gaussian process regression) it gives one mean,
which meets the cells within their noise, and any number of samples, by Matheron's rule: a draw of the prior plus the
update that its own misfit asks for (Wilson et al., JMLR 22(105), 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..scale import ScaleProblem

__all__ = ["DoseField"]

_MOST_ITERATIONS = 200
_TOLERANCE = 1e-3
"""Of the update's residual; what it leaves is a thousandth of the misfit."""


@dataclass(frozen=True, eq=False)
class DoseField:
    """A Gaussian field of doses.

    Parameters
    ----------
    problem:
        whose cells it is conditioned on.
    mean:
        [k, j, i] Gy.
    sd:
        [k, j, i] Gy; 0 where no dose may lie.
    length_mm:
        two points so far apart have a correlation of exp(-1/2).
    """

    problem: ScaleProblem
    mean: np.ndarray
    sd: np.ndarray
    length_mm: float

    def conditioned(self) -> np.ndarray:
        """[k, j, i] Gy, the mean given the cells; not below 0."""
        return np.maximum(self.mean + self._update(self._misfit(self.mean)), 0.0)

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """[k, j, i] Gy, a dose that agrees with the cells within their noise; not below 0."""
        drawn = self.mean + self.sd * self._smooth(rng.standard_normal(self.sd.shape).astype(np.float32))
        noise = [rng.standard_normal(s.size) * s for s in self._deviations()]
        return np.maximum(drawn + self._update(self._misfit(drawn, noise)), 0.0)

    def _misfit(self, dose: np.ndarray, noise: Sequence[np.ndarray] = ()) -> np.ndarray:
        rest = []
        for n, operator in enumerate(self.problem.operators):
            known = self.problem.known(n)
            value = self.problem.values[n][known] - operator.apply(dose)[known]
            rest.append(value + (noise[n] if noise else 0.0))
        return np.concatenate(rest)

    def _deviations(self) -> list[np.ndarray]:
        return [self.problem.sd[n][self.problem.known(n)] for n in range(len(self.problem.operators))]

    def _update(self, misfit: np.ndarray) -> np.ndarray:
        """K A' (A K A' + S)^-1 misfit, with K the field's covariance and S the noise of the cells."""
        from scipy.sparse import vstack
        from scipy.sparse.linalg import LinearOperator, cg

        parts = [operator.matrix[self.problem.known(n)] for n, operator in enumerate(self.problem.operators)]
        matrix = vstack(parts, format="csr")
        transposed, variance = matrix.T.tocsr(), np.concatenate(self._deviations()) ** 2

        def product(x: np.ndarray) -> np.ndarray:
            return matrix @ self._covariance(transposed @ x) + variance * x

        near = np.asarray(matrix.multiply(matrix) @ (self.sd.ravel() ** 2)).ravel() + variance
        size = misfit.size
        whole = LinearOperator((size, size), matvec=product, dtype=np.float64)
        ahead = LinearOperator((size, size), matvec=lambda x: x / near, dtype=np.float64)
        found, _ = cg(whole, misfit, rtol=_TOLERANCE, maxiter=_MOST_ITERATIONS, M=ahead)
        return self._covariance(transposed @ found).reshape(self.sd.shape)

    def _covariance(self, flat: np.ndarray) -> np.ndarray:
        weighted = self.sd * flat.reshape(self.sd.shape)
        return (self.sd * self._smooth(self._smooth(weighted.astype(np.float32)))).ravel().astype(np.float64)

    def _smooth(self, array: np.ndarray) -> np.ndarray:
        """A symmetric filter whose square keeps unit variance: white noise becomes a field of variance 1."""
        from scipy.ndimage import correlate1d

        for axis, kernel in enumerate(self._kernels()):
            array = correlate1d(array, kernel, axis=axis, mode="constant")
        return array

    def _kernels(self) -> list[np.ndarray]:
        kernels = []
        for step in self.problem.grid.spacing_mm:
            sigma = self.length_mm / np.sqrt(2) / step
            reach = int(np.ceil(3 * sigma))
            bell = np.exp(-((np.arange(-reach, reach + 1) / sigma) ** 2) / 2) if reach else np.ones(1)
            kernels.append(bell / np.linalg.norm(bell))
        return kernels
