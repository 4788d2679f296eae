"""Levels in percent and in Gy, and their colours."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.dose.colors import DoseColors, difference_colors, gamma_colors
from Dose3DLib.dose.levels import make_levels


def test_percent_of_a_prescription():
    levels, notes, _ = make_levels((95, 50, 110), False, 60.0, 64.0)
    assert [(level.dose, level.percent) for level in levels] == [(30.0, 50), (57.0, 95)]
    assert levels[1].label == "95 % (57 Gy)"
    assert notes == ("no isodose of 110 % (66 Gy): the highest dose is 64 Gy",)


def test_gy():
    levels, notes, _ = make_levels((20.0, 10.0, 20.0), True, 60.0, 64.0)
    assert [level.label for level in levels] == ["10 Gy", "20 Gy"]
    assert notes == ()


def test_standard_levels_leave_out_what_is_not_reached():
    levels, notes, _ = make_levels((), False, 60.0, 60.0)
    assert [level.percent for level in levels] == [10, 30, 50, 70, 80, 90, 95]
    assert notes == ()


@pytest.mark.parametrize(
    ("asked", "in_gy", "words"),
    [
        ((), True, "are missing"),
        ((0.0, 5.0), False, "no isodose level"),
        ((200.0,), False, "all above the highest dose"),
        (tuple(range(1, 30)), False, "20 are possible"),
    ],
)
def test_refused(asked, in_gy, words):
    with pytest.raises(InputError, match=words):
        make_levels(asked, in_gy, 60.0, 60.0)


def test_neighbouring_levels_can_be_told_apart():
    """CIE76 distance of neighbours; 2.3 is just noticeable, this is plain."""
    from skimage.color import rgb2lab

    levels, _, colors = make_levels((), False, 60.0, 66.0)
    lab = rgb2lab(np.array([[level.color for level in levels]]) / 255.0)[0]
    assert np.linalg.norm(np.diff(lab, axis=0), axis=1).min() > 15
    assert all(colors.of(level.dose) == level.color for level in levels)


def test_table_is_the_colours_of_its_doses():
    colors = DoseColors((10.0, 20.0), 30.0)
    assert tuple(colors.table(np.array([10.0]))[0]) == colors.of(10.0)
    assert colors.table(np.array([-5.0, 0.0])).tolist()[0] == colors.table(np.array([0.0])).tolist()[0]


def test_differences_are_blue_white_red():
    table = difference_colors(257).astype(int)
    assert table[0][2] > table[0][0]
    assert table[-1][0] > table[-1][2]
    assert len(set(table[128].tolist())) == 1


@pytest.mark.parametrize("highest", [2.0, 5.0])
def test_a_gamma_of_one_is_white_whatever_the_highest_is(highest):
    table = gamma_colors(1001, highest).astype(int)
    lightness = table.sum(axis=1)
    assert lightness[round(1000 / highest)] == lightness.max() > lightness[0]
    assert table[0][2] > table[0][0]
    assert table[-1][0] > table[-1][2]
