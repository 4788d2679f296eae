"""Whether cells stand on a rectilinear lattice: where they do, everything is done axis by axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.cells import Cells
from ..geometry.grid import Grid

__all__ = ["CellLattice", "cell_lattice", "coordinates_along", "fill_missing"]

_SAME_MM = 0.05
"""Coordinates that differ by less are one plane of cells: layouts are written with two decimals."""
_LEAST_FILLED = 0.7
"""A staggered detector fills half of the lattice that holds its centres, or less; it is taken as scattered."""
_PARALLEL = 1e-6


@dataclass(frozen=True, eq=False)
class CellLattice:
    """Cells on planes along their own three axes; the planes' distances may differ (detectors have gaps).

    Parameters
    ----------
    coordinates_mm:
        per own axis the planes' coordinates, ascending; LPS = axes @ coordinates.
    index:
        (n, 3) plane of each cell along each own axis.
    """

    coordinates_mm: tuple[np.ndarray, np.ndarray, np.ndarray]
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        a, b, c = map(len, self.coordinates_mm)
        return a, b, c

    def nodes(self, values: np.ndarray) -> np.ndarray:
        """Values of cells (n,) at the lattice's nodes; nodes without a cell, or with one without a value, filled."""
        nodes = np.full(self.shape, np.nan)
        nodes[tuple(self.index.T)] = values
        return fill_missing(nodes)


def cell_lattice(cells: Cells) -> CellLattice | None:
    """The lattice of these cells; None where there is none that is filled for the most part."""
    own = cells.centers_mm @ cells.axes
    planes = [_planes(own[:, axis]) for axis in range(3)]
    nodes = np.prod([float(len(coordinates)) for coordinates, _ in planes])
    index = np.stack([number for _, number in planes], axis=1)
    if not len(cells) or len(cells) < _LEAST_FILLED * nodes or len(np.unique(index, axis=0)) < len(cells):
        return None
    return CellLattice(tuple(coordinates for coordinates, _ in planes), index)


def _planes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean coordinate of each plane, and each cell's plane."""
    order = np.argsort(values, kind="stable")
    number = np.empty(len(values), np.int64)
    number[order] = np.concatenate([[0], np.cumsum(np.diff(values[order]) > _SAME_MM)])[: len(values)]
    return np.bincount(number, values) / np.maximum(np.bincount(number), 1), number


def coordinates_along(axes: np.ndarray, grid: Grid) -> tuple[tuple[int, np.ndarray], ...] | None:
    """For the grid's axes k, j, i: which of the orthonormal `axes` (columns) runs along it, and the voxels' mm on that.

    None where the grid stands oblique to them.
    """
    steps = (grid.affine[:3, :3].T @ axes)[::-1]  # rows k, j, i; columns the axes
    order = np.abs(steps).argmax(axis=1)
    along = steps[np.arange(3), order]
    aside = steps.copy()
    aside[np.arange(3), order] = 0.0
    if len(set(order.tolist())) < 3 or np.abs(aside).max() > _PARALLEL * np.abs(along).min():
        return None
    origin = grid.affine[:3, 3] @ axes
    return tuple((int(a), origin[a] + step * np.arange(n)) for a, step, n in zip(order, along, grid.shape, strict=True))


def fill_missing(nodes: np.ndarray) -> np.ndarray:
    """NaN nodes of a lattice from their neighbours: each the mean of those beside it (Laplace's equation).

    Where nothing is known all are 0.
    """
    missing = np.isnan(nodes)
    if not missing.any():
        return nodes
    if missing.all():
        return np.zeros_like(nodes)
    from scipy.sparse import diags
    from scipy.sparse.linalg import spsolve

    links = _links(nodes.shape)
    hidden, known = missing.ravel(), ~missing.ravel()
    laplace = diags(np.asarray(links.sum(axis=1)).ravel()) - links
    filled = nodes.ravel().copy()
    filled[hidden] = spsolve(laplace[hidden][:, hidden].tocsc(), links[hidden][:, known] @ filled[known])
    return filled.reshape(nodes.shape)


def _links(shape: tuple[int, ...]):
    """1 where two nodes are neighbours, CSR."""
    from scipy.sparse import coo_matrix

    number = np.arange(np.prod(shape)).reshape(shape)
    first = np.concatenate([np.moveaxis(number, a, 0)[:-1].ravel() for a in range(3)])
    second = np.concatenate([np.moveaxis(number, a, 0)[1:].ravel() for a in range(3)])
    half = coo_matrix((np.ones(first.size), (first, second)), (number.size, number.size)).tocsr()
    return half + half.T
