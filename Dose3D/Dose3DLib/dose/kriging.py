"""Kriging: the mean of a Gaussian process, given the cells' means with their noise, and its variance.

Prior: mean 0, one standard deviation, the product over the cells' own axes of Matern covariances with smoothness 3/2
(C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning, 2006, section 4.2). Cells are taken as
what they are, averages over boxes. On a lattice all is done axis by axis in closed form; scattered cells need one
factorisation of their covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..geometry.cells import Cells
from ..geometry.grid import Grid
from .cell_operator import CellOperator
from .interpolate import coarse_coordinates, from_lattice, through_axes
from .lattice import CellLattice, cell_lattice, coordinates_along
from .matern import between_means, mean_with_point, point_covariance
from .scale import ScaleProblem

__all__ = ["LEAST_IN_BODY", "Prior", "body_shares", "joined", "kriging", "unseen_share"]

MOST_SCATTERED = 6000
"""Cells off any lattice whose covariance is factorised: 6000 take a quarter of a GB and some seconds."""
LEAST_IN_BODY = 0.3
"""A cell with less in the body says too little of the dose there for its mean to be divided by its share."""
_COARSE_MM = 4.0
_TILE_MM, _MARGIN_MM = 24.0, 24.0
_REACH = 6.0
"""Beyond this many correlation lengths from the outermost cells nothing differs from the prior."""


@dataclass(frozen=True)
class Prior:
    """Of the dose: standard deviation, Gy, and correlation length along each axis, mm."""

    sd_gy: float = 70.0
    length_mm: float = 12.0


def kriging(problem: ScaleProblem, prior: Prior | None = None) -> np.ndarray:
    """The dose [k, j, i], Gy, 0 outside the body.

    Raises
    ------
    InputError
        too many cells that stand on no common lattice.
    """
    prior, axes = prior or Prior(), _axes_of(problem, prior or Prior())
    cells, values, sd = joined(problem)
    if problem.body is not None:
        values = values / np.clip(body_shares(problem), LEAST_IN_BODY, 1.0)
    if axes is None:
        dose = _Scattered(cells, problem.grid, prior, sd).mean(values)
    else:
        dose = axes.mean(axes.lattice.nodes(values))
    return np.where(problem.inside, dose, 0.0)


def unseen_share(problem: ScaleProblem, prior: Prior | None = None) -> np.ndarray:
    """Per voxel the share of the prior's variance that the cells leave, 0 (known) to 1 (not seen), [k, j, i]."""
    prior, axes = prior or Prior(), _axes_of(problem, prior or Prior())
    if axes is not None and axes.is_full:
        return axes.unseen()
    cells, _, sd = joined(problem)
    return _unseen_by_tiles(cells, sd, problem.grid, prior)


def _axes_of(problem: ScaleProblem, prior: Prior) -> _Axes | None:
    """Where all cells are of one acquisition, on a lattice parallel to the grid."""
    if len(problem.operators) > 1:
        return None
    known = problem.known(0)
    lattice = cell_lattice(problem.operators[0].cells.take(known))
    if lattice is None or coordinates_along(problem.operators[0].cells.axes, problem.grid) is None:
        return None
    return _Axes(lattice, problem.operators[0], np.flatnonzero(known), prior, _noise(problem.sd[0][known]))


def _noise(sd: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.asarray(sd, np.float64) ** 2)))


def body_shares(problem: ScaleProblem) -> np.ndarray:
    """For the cells of `joined` the share of each that lies in the body: dose is 0 in the rest of it."""
    body = problem.inside.astype(np.float64)
    parts = [operator.apply(body)[problem.known(a)] for a, operator in enumerate(problem.operators)]
    return np.concatenate(parts)


def joined(problem: ScaleProblem) -> tuple[Cells, np.ndarray, np.ndarray]:
    """All cells that have a value, of all acquisitions, their values and standard deviations, Gy."""
    parts = [(o.cells.take(problem.known(a)), a) for a, o in enumerate(problem.operators)]
    cells = parts[0][0]
    if len(parts) > 1:
        labels = tuple(f"{a}:{label}" for part, a in parts for label in part.labels)
        centers = np.concatenate([part.centers_mm for part, _ in parts])
        cells = Cells(labels, centers, np.concatenate([part.sizes_mm for part, _ in parts]), cells.axes)
    known = [problem.known(a) for _, a in parts]
    return (
        cells,
        np.concatenate([np.asarray(problem.values[a], np.float64)[k] for a, k in enumerate(known)]),
        np.concatenate([np.asarray(problem.sd[a], np.float64)[k] for a, k in enumerate(known)]),
    )


class _Axes:
    """A lattice parallel to the grid: covariances are Kronecker products of one small matrix per axis.

    Cells are the operator's own weighted sums of voxels, so that what is fitted is what the operator measures.
    """

    def __init__(self, lattice: CellLattice, operator: CellOperator, rows: np.ndarray, prior: Prior, noise_gy: float):
        self.lattice, self.is_full = lattice, len(rows) == np.prod(lattice.shape)
        self.order, self.vectors, self.across = [], [], []
        squares = []
        for grid_axis, (axis, at) in enumerate(coordinates_along(operator.cells.axes, operator.grid)):
            _, first = np.unique(lattice.index[:, axis], return_index=True)
            weights = _weights_along(operator, rows[first], grid_axis)
            covariance = point_covariance(at[:, None] - at, prior.length_mm) @ weights.T
            found, vectors = np.linalg.eigh(weights @ covariance)
            squares.append(np.maximum(found, 0.0))
            self.order.append(axis)
            self.vectors.append(vectors)
            self.across.append(covariance @ vectors)
        self.gain = prior.sd_gy**2 / (prior.sd_gy**2 * np.einsum("a,b,c->abc", *squares) + noise_gy**2)

    def mean(self, nodes: np.ndarray) -> np.ndarray:
        turned = through_axes(nodes.transpose(self.order), [vectors.T for vectors in self.vectors])
        return through_axes(turned * self.gain, self.across)

    def unseen(self) -> np.ndarray:
        return np.clip(1.0 - through_axes(self.gain, [matrix**2 for matrix in self.across]), 0.0, 1.0)


def _weights_along(operator: CellOperator, cells: np.ndarray, axis: int) -> np.ndarray:
    """(len(cells), voxels along the axis): weights of cells parallel to the grid, summed over the other two axes."""
    part = operator.matrix[cells].tocoo()
    place = np.unravel_index(part.col, operator.grid.shape)[axis]
    weights = np.zeros((len(cells), operator.grid.shape[axis]))
    np.add.at(weights, (part.row, place), part.data)
    return weights


class _Scattered:
    """Cells anywhere, by a Cholesky factor of their covariance; evaluated on coarse points, from there splined."""

    def __init__(self, cells: Cells, grid: Grid, prior: Prior, sd_gy: np.ndarray):
        from scipy.linalg import cho_factor

        if len(cells) > MOST_SCATTERED:
            cause = f"cannot krige {len(cells):,} cells that stand on no single lattice (at most {MOST_SCATTERED:,})"
            raise InputError("kriging", cause, "choose tikhonov")
        self.cells, self.grid, self.prior = cells, grid, prior
        self.own = cells.centers_mm @ cells.axes
        covariance = np.full((len(cells),) * 2, prior.sd_gy**2)
        for axis in range(3):
            at, width = self.own[:, axis], cells.sizes_mm[:, axis]
            covariance *= between_means(at[:, None] - at, width[:, None], width[None], prior.length_mm)
        covariance[np.diag_indices(len(cells))] += sd_gy**2
        self.factor = cho_factor(covariance, lower=True, overwrite_a=True)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """At all voxels."""
        from scipy.linalg import cho_solve

        weights = cho_solve(self.factor, values) * self.prior.sd_gy**2
        coordinates = _coarse(self.cells, self.grid, self.prior)
        first, second, third = (
            mean_with_point(at[:, None] - self.own[:, axis], self.cells.sizes_mm[:, axis], self.prior.length_mm)
            for axis, at in enumerate(coordinates)
        )
        found = np.stack([(second * (row * weights)) @ third.T for row in first])
        return from_lattice(coordinates, found, self.cells.axes, self.grid)

    def left(self, own_mm: np.ndarray) -> np.ndarray:
        """Share of the prior's variance that is left at points (m, 3) given along the cells' axes."""
        from scipy.linalg import solve_triangular

        across = np.ones((len(own_mm), len(self.cells)))
        for axis in range(3):
            distance = own_mm[:, axis, None] - self.own[:, axis]
            across *= mean_with_point(distance, self.cells.sizes_mm[:, axis], self.prior.length_mm)
        known = solve_triangular(self.factor[0], across.T, lower=True)
        return 1.0 - self.prior.sd_gy**2 * (known**2).sum(axis=0)


def _coarse(cells: Cells, grid: Grid, prior: Prior) -> tuple[np.ndarray, ...]:
    """Coordinates along the cells' axes, over the grid's part that the cells tell something of."""
    reach, own, corners = _REACH * prior.length_mm, cells.centers_mm @ cells.axes, grid.corners_mm() @ cells.axes
    low = np.maximum(own.min(axis=0) - reach, corners.min(axis=0))
    high = np.minimum(own.max(axis=0) + reach, corners.max(axis=0))
    return coarse_coordinates(low, np.maximum(low, high), _COARSE_MM)


def _unseen_by_tiles(cells: Cells, sd_gy: np.ndarray, grid: Grid, prior: Prior) -> np.ndarray:
    """Each tile from the cells in and near it alone: slightly too much is left, never too little."""
    from scipy.spatial import cKDTree

    coordinates, tree = _coarse(cells, grid, prior), cKDTree(cells.centers_mm @ cells.axes)
    found = np.ones([len(at) for at in coordinates])
    parts = [np.split(np.arange(len(at)), np.flatnonzero(np.diff(np.floor(at / _TILE_MM))) + 1) for at in coordinates]
    for block in ((a, b, c) for a in parts[0] for b in parts[1] for c in parts[2]):
        points = np.stack(np.meshgrid(*(at[n] for at, n in zip(coordinates, block, strict=True)), indexing="ij"), -1)
        middle = (points[0, 0, 0] + points[-1, -1, -1]) / 2
        near = np.array(tree.query_ball_point(middle, _TILE_MM / 2 + _MARGIN_MM, p=np.inf), np.int64)
        if near.size:
            local = _Scattered(cells.take(near), grid, prior, sd_gy[near])
            found[np.ix_(*block)] = local.left(points.reshape(-1, 3)).reshape(points.shape[:3])
    return np.clip(from_lattice(coordinates, found, cells.axes, grid), 0.0, 1.0)
