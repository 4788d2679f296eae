"""Packing of structures into shared label maps."""

from __future__ import annotations

import numpy as np
from Dose3DLib.geometry.structure import StructureSet
from Dose3DLib.scene.layers import pack_layers
from scene_cases import make_case, make_grid


def _unpack(structures: StructureSet) -> dict[int, np.ndarray]:
    found = {}
    for layer in pack_layers(structures):
        box = tuple(slice(o, o + n) for o, n in zip(layer.offset, layer.labels.shape, strict=True))
        for index, label in layer.members:
            full = np.zeros(structures.grid.shape, bool)
            full[box] = layer.labels == label
            found[index] = full
    return found


def test_every_mask_comes_back_and_an_empty_one_gets_no_layer():
    _, structures = make_case()
    found = _unpack(structures)
    assert sorted(found) == [0, 1, 2, 3]
    for index, full in found.items():
        assert np.array_equal(full, structures.structures[index].mask.to_array()), structures.names[index]


def test_structures_that_do_not_meet_share_a_layer():
    _, structures = make_case()
    # The dot lies outside the body and joins it; ring and hook overlap each other and the body.
    assert [[index for index, _ in layer.members] for layer in pack_layers(structures)] == [[0, 3], [1], [2]]


def test_a_layer_is_no_larger_than_its_members():
    _, structures = make_case()
    ring = pack_layers(structures)[1]
    assert ring.offset == (4, 4, 3)
    assert ring.labels.shape == (1, 5, 5)
    assert ring.labels.dtype == np.uint8


def test_an_empty_set_has_no_layers():
    assert pack_layers(StructureSet(make_grid("axial"), ())) == []
