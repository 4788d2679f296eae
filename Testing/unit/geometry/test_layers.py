"""Packing of structures into shared label maps."""

from __future__ import annotations

import numpy as np
from builders.structure_builder import grids, structures
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.layers import assign_layers, pack_layers
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet

AXIAL = grids()["axial"]
EMPTY = Structure("Larynx", Mask.empty(AXIAL))


def _unpack(chosen: StructureSet) -> dict[int, np.ndarray]:
    found = {}
    for layer in pack_layers(chosen):
        box = tuple(slice(o, o + n) for o, n in zip(layer.offset, layer.labels.shape, strict=True))
        for index, label in layer.members:
            full = np.zeros(chosen.grid.shape, bool)
            full[box] = layer.labels == label
            found[index] = full
    return found


def test_layers_keep_overlaps_apart():
    chosen = structures(AXIAL)
    layers = assign_layers(chosen)
    array = np.zeros((max(layers) + 1, *AXIAL.shape), int)
    for structure, layer in zip(chosen, layers, strict=True):
        array[layer] += structure.mask.to_array()
    assert array.max() == 1
    assert max(layers) < len(chosen) - 1


def test_every_mask_comes_back_and_an_empty_one_gets_no_label():
    chosen = StructureSet(AXIAL, (EMPTY, *structures(AXIAL)))
    found = _unpack(chosen)
    assert sorted(found) == list(range(1, len(chosen)))
    for index, full in found.items():
        assert np.array_equal(full, chosen.structures[index].mask.to_array()), chosen.names[index]


def test_a_label_map_is_no_larger_than_its_members():
    array = np.zeros(AXIAL.shape, bool)
    array[4, 10:15, 20:26] = True
    (layer,) = pack_layers(StructureSet(AXIAL, (Structure("Ring", Mask.from_array(array, AXIAL)),)))
    assert layer.offset == (4, 10, 20)
    assert layer.labels.shape == (1, 5, 6)
    assert layer.labels.dtype == np.uint8


def test_more_than_255_structures_in_one_label_map():
    grid = Grid.axial((1, 2, 300), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    single = np.ones((1, 1, 1), bool)
    chosen = StructureSet(grid, tuple(Structure(f"S{n}", Mask(grid, (0, 0, n), single)) for n in range(300)))
    (layer,) = pack_layers(chosen)
    assert np.array_equal(layer.labels, np.arange(1, 301)[None, None])


def test_no_structures_no_layers():
    assert pack_layers(StructureSet(AXIAL, ())) == []
    assert pack_layers(StructureSet(AXIAL, (EMPTY,))) == []
