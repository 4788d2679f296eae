"""The smallest change of a dose after which each cell's mean is the measured one within its noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .scale import ScaleProblem

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["misfit", "project"]

_ROUNDS = 4
"""Clipping at 0 Gy spoils some means again; so often both are done in turn."""
_LEAST_IN_BODY = 0.01
"""A cell with less of it in the body says nothing of the dose there: its value is left alone."""
_STEPS = 24
_CLOSE = 0.02


def misfit(problem: ScaleProblem, dose: np.ndarray) -> float:
    """Root mean square over all cells of (mean of the dose minus measured mean) / standard deviation."""
    parts = [
        ((o.apply(dose) - v) / sd)[problem.known(a)]
        for a, (o, v, sd) in enumerate(zip(problem.operators, problem.values, problem.sd, strict=True))
    ]
    left = np.concatenate(parts)
    return float(np.sqrt(np.mean(left**2))) if left.size else 0.0


def project(problem: ScaleProblem, dose: np.ndarray, level: float = 1.0) -> np.ndarray:
    """The dose [k, j, i] nearest to this one (least squares over voxels of the body) with a misfit of at most `level`.

    It is nowhere negative and 0 outside the body. Where the body leaves a cell no voxel, that cell is left as it is.
    """
    dose = np.where(problem.inside, np.maximum(dose, 0.0), 0.0)
    matrix, values, sd = _stacked(problem)
    if not len(values):
        return dose
    inside = problem.inside.ravel()
    for _ in range(_ROUNDS):
        rest = values - matrix @ dose.ravel()
        if np.sqrt(np.mean((rest / sd) ** 2)) <= level * (1 + _CLOSE):
            break
        change = matrix.T @ _multipliers(matrix, rest, sd, level)
        dose = np.maximum(dose.ravel() + change * inside, 0.0).reshape(dose.shape)
    return dose


def _stacked(problem: ScaleProblem) -> tuple[csr_matrix, np.ndarray, np.ndarray]:
    """Rows of all cells that have a value and some of the body, with voxels outside the body left out."""
    from scipy.sparse import diags, vstack

    known = [problem.known(a) for a in range(len(problem.operators))]
    parts = zip(problem.operators, known, strict=True)
    matrix = vstack([operator.matrix[k] for operator, k in parts], format="csr")
    matrix = matrix @ diags(problem.inside.ravel().astype(np.float64))
    values, sd = (
        np.concatenate([np.asarray(one, np.float64)[k] for one, k in zip(given, known, strict=True)])
        for given in (problem.values, problem.sd)
    )
    reached = np.asarray(matrix.sum(axis=1)).ravel() > _LEAST_IN_BODY
    return matrix[reached].tocsr(), values[reached], sd[reached]


def _multipliers(matrix: csr_matrix, rest: np.ndarray, sd: np.ndarray, level: float) -> np.ndarray:
    """y of the change A' y: (A A' + t N) y = rest leaves t N y; t is the one that leaves a misfit of `level`."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import cg

    product, noise = (matrix @ matrix.T).tocsr(), diags(sd**2)
    scale = float(product.diagonal().mean() / np.mean(sd**2))
    low, high, y = -12.0, 12.0, None
    for _ in range(_STEPS):
        t = scale * 2.0 ** ((low + high) / 2)
        system = (product + t * noise).tocsr()
        y, _ = cg(system, rest, x0=y, rtol=1e-4, maxiter=200, M=diags(1 / system.diagonal()))
        left = float(np.sqrt(np.mean((t * sd * y) ** 2)))
        if abs(left - level) < _CLOSE * level / 2:
            break
        low, high = ((low + high) / 2, high) if left < level else (low, (low + high) / 2)
    return y
