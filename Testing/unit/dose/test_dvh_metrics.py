"""Names of figures, their units, and their values of a DVH of a few parts."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.dose.dvh import Dvh
from Dose3DLib.dose.dvh_metrics import figure_of, parse_metric

TEN = Dvh(np.arange(1.0, 11.0), np.full(10, 0.5))
"""1 to 10 Gy in half a cc each."""


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("D95%", "D95%[Gy]"),
        ("d95%[%]", "D95%[%]"),
        ("D0.03cc", "D0.03cc[Gy]"),
        ("D0,03cm3", "D0.03cc[Gy]"),
        ("V20Gy", "V20Gy[%]"),
        ("V2000cGy[cc]", "V20Gy[cc]"),
        ("V95%[%]", "V95%[%]"),
        ("CV18.4Gy", "CV18.4Gy[cc]"),
        ("Dmean", "Mean[Gy]"),
        ("MAX[gy]", "Max[Gy]"),
        ("Volume", "Volume[cc]"),
    ],
)
def test_names(text, label):
    assert parse_metric(text).label == label
    assert parse_metric(label) == parse_metric(text)


@pytest.mark.parametrize(
    "text", ["", "D95", "V20", "D101%", "V20Gy[Gy]", "D95%[cc]", "Mean[cc]", "EUD", "D-5%", "Volume[%]"]
)
def test_no_names(text):
    with pytest.raises(InputError, match="write D95%"):
        parse_metric(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Mean", 5.5),
        ("Max", 10.0),
        ("Min", 1.0),
        ("V5Gy", 60.0),
        ("V5Gy[cc]", 3.0),
        ("V10.5Gy", 0.0),
        ("CV5Gy", 2.0),
        ("CV5Gy[%]", 40.0),
        ("V50%", 60.0),  # of 10 Gy
        ("Mean[%]", 55.0),
        ("D50%", 5.5),
        ("D0.25cc", 10.0),
        ("D99cc", 1.0),
        ("Volume", 5.0),
    ],
)
def test_values(name, value):
    found = figure_of(TEN, parse_metric(name), 10.0)
    assert found.value == pytest.approx(value)
    assert found.is_sure


def test_percent_of_the_prescription_needs_one():
    for name in ("V95%", "D95%[%]", "Mean[%]", "CV50%"):
        assert parse_metric(name).needs_prescription
        assert figure_of(TEN, parse_metric(name)) is None
    for name in ("D95%", "V20Gy[%]", "Volume"):
        assert not parse_metric(name).needs_prescription


@pytest.mark.parametrize("name", ["D50%", "D1cc", "V5Gy", "V5Gy[cc]", "CV5Gy", "Mean", "Min", "Max"])
@pytest.mark.parametrize("unknown", [0.0, 6.0, 20.0])
def test_bounds_hold_whatever_the_unknown_part_gets(name, unknown):
    """The unknown parts, filled with no dose or a huge one, give the bounds; a dose between lies within."""
    known = Dvh(np.arange(1.0, 11.0), np.full(10, 0.5), unknown_cc=1.0)
    bounds = figure_of(known, parse_metric(name))
    doses = np.sort([*np.arange(1.0, 11.0), unknown, unknown])
    full = figure_of(Dvh(doses, np.full(12, 0.5)), parse_metric(name))
    assert bounds.low - 1 <= full.value <= bounds.high + 1  # a part is 1 Gy wide here
    assert not bounds.is_sure


def test_no_dose_no_figure():
    nothing = Dvh(np.zeros(0), np.zeros(0), 3.0)
    assert nothing.is_empty
    assert figure_of(nothing, parse_metric("Mean")) is None
    assert figure_of(nothing, parse_metric("Volume")).value == 3
