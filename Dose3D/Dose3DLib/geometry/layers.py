"""Structures packed into as few label maps as their overlaps allow: what Slicer's segmentations and .seg.nrrd store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .structure import Structure, StructureSet

__all__ = ["Layer", "assign_layers", "pack_layers"]


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


def assign_layers(structures: StructureSet) -> list[int]:
    """For each structure the first layer in which it overlaps nothing that came before."""
    taken: list[np.ndarray] = []
    result = []
    for structure in structures:
        where, block = structure.mask.slices, structure.mask.block
        layer = next((n for n, layer in enumerate(taken) if not (layer[where] & block).any()), len(taken))
        if layer == len(taken):
            taken.append(np.zeros(structures.grid.shape, bool))
        taken[layer][where] |= block
        result.append(layer)
    return result


def pack_layers(structures: StructureSet) -> list[Layer]:
    """A label map for each of `assign_layers`; empty structures get no label.

    Every mask comes back voxel for voxel, and eight organs inside a body take two label maps instead of nine: that is
    what decides the time and size of a scene.
    """
    groups: dict[int, list[int]] = {}
    for index, (structure, layer) in enumerate(zip(structures, assign_layers(structures), strict=True)):
        if not structure.mask.is_empty:
            groups.setdefault(layer, []).append(index)
    return [_pack(structures.structures, groups[layer]) for layer in sorted(groups)]


def _pack(structures: tuple[Structure, ...], group: list[int]) -> Layer:
    """One label map in the box of its members."""
    masks = [structures[index].mask for index in group]
    start = np.min([mask.offset for mask in masks], axis=0)
    stop = np.max([np.add(mask.offset, mask.block.shape) for mask in masks], axis=0)
    labels = np.zeros(tuple(stop - start), np.uint8 if len(group) < 256 else np.uint16)
    for label, mask in enumerate(masks, start=1):
        where = tuple(slice(o, o + n) for o, n in zip(np.subtract(mask.offset, start), mask.block.shape, strict=True))
        labels[where][mask.block] = label
    return Layer(tuple(int(n) for n in start), labels, tuple((n, label) for label, n in enumerate(group, start=1)))
