"""What a structure says of itself."""

import numpy as np
import pytest
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure

EMPTY = Mask.empty(Grid((2, 2, 2), np.eye(4)))


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("PTV70", "ORGAN", True), ("ctv_High", "", True), ("zPTV", "ORGAN", True), (" GTVp", "", True),
        ("ITV", "", True), ("Boost", "CTV", True), ("Boost", "ptv", True),
        ("Brainstem", "ORGAN", False), ("Not_PTV", "ORGAN", False),
        ("Body", "EXTERNAL", False),
    ],
)  # fmt: skip
def test_targets_are_known_by_type_or_name(name, kind, expected):
    assert Structure(name, EMPTY, interpreted_type=kind).is_target is expected
