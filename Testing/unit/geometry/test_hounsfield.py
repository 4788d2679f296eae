"""Values that are odd for a CT are said."""

from __future__ import annotations

import pytest
from Dose3DLib.geometry.hounsfield import odd_values


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-1024, 3071, []),
        (0, 2000, ["no voxel is below 0"]),
        (-1000, 1e30, ["values reach 1e+30"]),
        (-32768, 5000, ["values reach 5000", "values go down to -32768"]),
    ],
)
def test_odd_values(low, high, words):
    notes = odd_values(low, high)
    assert len(notes) == len(words)
    assert all(note.startswith(word) for note, word in zip(notes, words, strict=True))
