"""A layout as boxes along the axes of a frame: what files of simulations and meshes are written from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from .check import overlapping_pair
from .layout import Layout
from .materials import PMMA, Material
from .placement import Placement

__all__ = ["Boxes", "Surrounding", "boxes_in_frame", "mm", "safe_names", "surrounding_box"]

_ALIGNED = 1e-6
"""Cells whose axes are this close to the frame's are parallel to them: 1 um over a metre."""
_DIGITS = 9
"""Decimals of millimetres in files: a picometre, so that 100.30000000000001 reads 100.3."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes along the axes of a frame, in the layout's order.

    Parameters
    ----------
    labels, layers:
        of the cells.
    centers_mm, sizes_mm:
        (n, 3) in the frame, without covers.
    wall_mm, cover:
        thickness of the cover on each side, and its material.
    """

    labels: tuple[str, ...]
    layers: tuple[str, ...]
    centers_mm: np.ndarray
    sizes_mm: np.ndarray
    wall_mm: float
    cover: Material = PMMA

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def outer_sizes_mm(self) -> np.ndarray:
        """(n, 3), covers included."""
        return self.sizes_mm + 2 * self.wall_mm

    def bounds_mm(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner of all boxes, covers included."""
        half = self.outer_sizes_mm / 2
        return (self.centers_mm - half).min(axis=0), (self.centers_mm + half).max(axis=0)

    def kinds(self) -> tuple[np.ndarray, np.ndarray]:
        """The sizes that occur, (m, 3) in order of first use, and which one each cell has, (n,)."""
        sizes, first, kind = np.unique(self.sizes_mm, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return sizes[order], rank[kind.reshape(-1)]


@dataclass(frozen=True, eq=False)
class Surrounding:
    """A box of a material around all cells: `center_mm` and full lengths `size_mm`, (3,) in the frame."""

    material: Material
    center_mm: np.ndarray
    size_mm: np.ndarray


def boxes_in_frame(layout: Layout, placement: Placement, cover: Material = PMMA) -> Boxes:
    """The cells in the frame that stands in the patient at `placement`.

    Raises
    ------
    InputError
        cells oblique to the frame; cells or covers that overlap.
    """
    turn = placement.to_lps.T @ layout.cells.axes
    order = np.abs(turn).argmax(axis=1)
    if len(set(order)) < 3 or np.abs(np.abs(turn[np.arange(3), order]) - 1).max() > _ALIGNED:
        cause = "its cells stand oblique to the axes of the file"
        raise InputError("layout", cause, "choose another --frame, or write a mesh, a label map or a CT")
    found = overlapping_pair(layout.cells, layout.wall_mm)
    if found is not None:
        first, second = (layout.cells.labels[n] for n in found[:2])
        cause = f"{first} and {second} overlap by {found[2]:.4g} mm, covers included"
        raise InputError("layout", cause, "move them apart or give thinner walls")
    centers = np.round(placement.detector(layout.cells.centers_mm), _DIGITS) + 0.0
    sizes = np.round(layout.cells.sizes_mm[:, order], _DIGITS)
    return Boxes(layout.cells.labels, layout.layers, centers, sizes, float(layout.wall_mm), cover)


def surrounding_box(boxes: Boxes, material: Material, margin_mm: float) -> Surrounding:
    """The box that ends `margin_mm` beyond the outermost covers."""
    low, high = boxes.bounds_mm()
    center, size = (low + high) / 2, high - low + 2 * margin_mm
    return Surrounding(material, np.round(center, _DIGITS) + 0.0, np.round(size, _DIGITS))


def mm(value: float) -> str:
    """A length as files have it: the shortest text of its first nine decimals, no minus before a zero."""
    return repr(round(float(value), _DIGITS) + 0.0)


def safe_names(names: tuple[str, ...], prefix: str = "cell") -> list[str]:
    """Names of letters, digits and underscores that begin with a letter, none equal to another."""
    taken: set[str] = set()
    result = []
    for name in names:
        safe = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
        safe = safe if safe[:1].isalpha() else f"{prefix}_{safe}"
        unique, count = safe, 1
        while unique in taken:
            count += 1
            unique = f"{safe}_{count}"
        taken.add(unique)
        result.append(unique)
    return result
