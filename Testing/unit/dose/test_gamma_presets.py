"""Criteria as people write them, and by name."""

from __future__ import annotations

import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.dose.gamma_presets import PRESETS, parse_gamma


@pytest.mark.parametrize("text", ["3/1.5", " 3 / 1.5 ", "3%/1.5mm", "3 %/1.5 mm", "3.0/1.50"])
def test_percent_and_mm(text):
    criteria = parse_gamma(text, False, None, None).criteria
    assert (criteria.dose_percent, criteria.distance_mm, criteria.threshold_percent) == (3.0, 1.5, 10.0)
    assert criteria.label == "3 %/1.5 mm global"


def test_what_is_given_goes_before_the_plain_values():
    criteria = parse_gamma("2/2", True, 25.0, 66.0).criteria
    assert criteria.is_local
    assert (criteria.threshold_percent, criteria.normalisation) == (25.0, 66.0)


def test_tg218_has_its_limits_with_its_own_criteria_only():
    preset = parse_gamma("TG218", False, None, None)
    assert preset.criteria.label == "3 %/2 mm global"
    assert (preset.tolerance_percent, preset.action_percent) == (95.0, 90.0)
    assert parse_gamma("tg218", False, 10.0, None).tolerance_percent == 95.0, "the same threshold, said"
    for others in ((True, None, None), (False, 5.0, None), (False, None, 60.0)):
        changed = parse_gamma("tg218", *others)
        assert changed.tolerance_percent is None
        assert changed.source.startswith("after AAPM TG-218")


def test_the_groups_own():
    criteria = parse_gamma("dose3d", False, None, None).criteria
    assert (criteria.label, criteria.threshold_percent) == ("3 %/1.5 mm local", 20.0)


def test_each_preset_has_a_source():
    assert all(preset.source and preset.name == name for name, preset in PRESETS.items())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "3/",
        "/2",
        "3/2/1",
        "a/b",
        "-3/2",
        "3/-2",
        "0/2",
        "3/0",
        "51/2",
        "3/31",
        "nan/2",
        "3,0/2",
        "=3/2",
        "tg219",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(InputError, match="--gamma"):
        parse_gamma(text, False, None, None)
