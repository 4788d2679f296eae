"""Structures packed into as few label maps as their overlaps allow: what a Slicer segmentation stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.mask import Mask
from ..geometry.structure import StructureSet

__all__ = ["Layer", "pack_layers"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One shared label map.

    Parameters
    ----------
    offset:
        first voxel (k, j, i) of the block in the whole grid.
    labels:
        (k, j, i) uint8 or uint16; 0 is background.
    members:
        (index of the structure in its set, label value), in order.
    """

    offset: tuple[int, int, int]
    labels: np.ndarray
    members: tuple[tuple[int, int], ...]


def pack_layers(structures: StructureSet) -> list[Layer]:
    """Give each structure the first layer where it meets nobody; empty structures get none.

    Overlapping structures land in different layers, so every mask comes back voxel for voxel, and eight organs inside a
    body take two label maps instead of nine: that is what decides the time and size of a scene.
    """
    groups: list[list[int]] = []
    canvases: list[np.ndarray] = []
    for index, structure in enumerate(structures):
        if structure.mask.is_empty:
            continue
        where = structure.mask.slices
        home = next((n for n, c in enumerate(canvases) if not c[where][structure.mask.block].any()), None)
        if home is None:
            home = len(groups)
            groups.append([])
            canvases.append(np.zeros(structures.grid.shape, np.uint16 if len(structures) > 255 else np.uint8))
        groups[home].append(index)
        canvases[home][where][structure.mask.block] = len(groups[home])
    return [_trim(structures, group, canvas) for group, canvas in zip(groups, canvases, strict=True)]


def _trim(structures: StructureSet, group: list[int], canvas: np.ndarray) -> Layer:
    """Cut a canvas to the box of its members."""
    masks: list[Mask] = [structures.structures[index].mask for index in group]
    start = tuple(min(m.offset[axis] for m in masks) for axis in range(3))
    stop = tuple(max(m.offset[axis] + m.block.shape[axis] for m in masks) for axis in range(3))
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    members = tuple((index, label) for label, index in enumerate(group, start=1))
    return Layer(start, np.ascontiguousarray(canvas[box]), members)
