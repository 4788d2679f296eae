"""Raw readings to Gy: each step against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.raw_csv import Channels, RawReadings
from Dose3DLib.detector.signals import Plan, calibrate

NAN = np.nan


def raw(*rows, names=("c1", "c2", "c3", "c4")) -> RawReadings:
    return RawReadings(names, np.array(rows, float))


def channels(**more) -> Channels:
    columns = {
        "names": ("c1", "c2", "c3", "c4"),
        "cells": ("A", "B", "C", "D"),
        "factor": np.array([0.5, 1.0, 2.0, 4.0]),
        "factor_sd": np.full(4, NAN),
        "saturation": np.full(4, NAN),
        "state": ("ok",) * 4,
    }
    return Channels(**{**columns, **more})


def step(found, name: str) -> str:
    return next(step.text for step in found.steps if step.name == name)


def test_factors_are_those_of_the_channels():
    found = calibrate(raw([10, 10, 10, 10]), channels(), Plan(factor=0.1))
    assert found.dose_gy == pytest.approx([0.5, 1, 2, 4])
    assert found.labels == ("A", "B", "C", "D")
    assert found.channels == ("c1", "c2", "c3", "c4")
    assert np.isnan(found.sd_gy).all()  # read once, nothing said of the error
    assert "0.05 to 0.4 Gy per unit" in step(found, "calibration")


def test_readings_may_go_by_cells_and_in_any_order():
    by_cell = raw([4, 1, 3, 2], names=("D", "A", "C", "B"))
    found = calibrate(by_cell, channels(), Plan())
    assert dict(zip(found.labels, found.dose_gy, strict=True)) == {"D": 16, "A": 0.5, "C": 6, "B": 2}


def test_without_channels_readings_are_of_cells():
    found = calibrate(raw([1, 2, 3, 4]), None, Plan(factor=2))
    assert found.labels == ("c1", "c2", "c3", "c4")
    assert found.dose_gy.tolist() == [2, 4, 6, 8]


def test_repeats_give_mean_and_error_of_the_mean():
    found = calibrate(raw([9, 20, 1, NAN], [11, 20, 3, NAN], [10, 26, NAN, 8]), channels(), Plan())
    assert found.dose_gy == pytest.approx([5, 22, 4, 32])
    assert found.repeats.tolist() == [3, 3, 2, 1]
    expected = [0.5 * 1 / 3**0.5, np.std([20, 20, 26], ddof=1) / 3**0.5, 2 * np.std([1, 3], ddof=1) / 2**0.5]
    assert found.sd_gy[:3] == pytest.approx(expected)
    assert np.isnan(found.sd_gy[3])
    assert "(C)" in step(found, "repeats")  # the widest


def test_a_stated_error_serves_channels_that_were_read_once():
    found = calibrate(raw([9, 20, 1, NAN], [11, NAN, NAN, 8]), channels(), Plan(reading_error=0.02))
    assert found.sd_gy == pytest.approx([0.5 * np.std([9, 11], ddof=1) / 2**0.5, 0.02 * 20, 0.02 * 2, 0.02 * 32])


def test_the_error_of_the_factor_joins_in():
    known = channels(factor_sd=np.array([0.03, NAN, 0.0, 0.03]))
    found = calibrate(raw([10, 10, 10, 10]), known, Plan(reading_error=0.04))
    assert found.sd_gy == pytest.approx([0.05 * 5, 0.04 * 10, 0.04 * 20, 0.05 * 40])
    assert "0 to 3 %" in step(found, "calibration")


def test_background_by_channel_with_its_error_and_time():
    background = raw([2, 4, 6, 8], [4, 4, 6, 8], names=("c4", "c3", "c2", "c1"))
    found = calibrate(raw([10, 10, 10, 10]), channels(), Plan(background=background, background_scale=0.5))
    assert found.background == pytest.approx([4, 3, 2, 1.5])
    assert found.dose_gy == pytest.approx([3, 7, 16, 34])
    with_error = calibrate(raw([10, 10, 10, 10]), channels(), Plan(background=background, reading_error=0.1))
    assert with_error.sd_gy[3] == pytest.approx(4 * np.hypot(1, np.std([2, 4], ddof=1) / 2**0.5))
    assert "times 0.5 for the time of irradiation" in step(found, "background")


def test_one_background_for_all():
    found = calibrate(raw([10, 10, 10, 10]), channels(), Plan(background=3.0))
    assert found.dose_gy == pytest.approx([3.5, 7, 14, 28])


def test_negative_doses_are_kept():
    found = calibrate(raw([1, 10, 10, 10]), channels(), Plan(background=3.0))
    assert found.dose_gy[0] == -1
    assert any("1 cells have a negative dose, down to -1 Gy, which is kept" in text for text in found.warnings)


def test_a_saturated_repeat_spoils_the_cell():
    known = channels(saturation=np.array([NAN, NAN, 50, NAN]))
    found = calibrate(raw([10, 99, 10, 100], [10, 99, 51, 90]), known, Plan(saturation=100))
    assert found.state == ("ok", "ok", "saturated", "saturated")
    assert np.isnan(found.dose_gy).tolist() == [False, False, True, True]
    assert np.isnan(found.sd_gy[2:]).all()
    assert "readings from 50 to 100 on are saturated: 2 channels (C, D)" in step(found, "saturation")
    assert any("2 cells are saturated and have no value: C, D" in text for text in found.warnings)


def test_dead_channels_by_name_by_state_and_by_limit():
    known = channels(state=("ok", "dead", "ok", "ok"), factor=np.array([0.5, NAN, 2, 4]))
    found = calibrate(raw([10, 0, 0.1, 10]), known, Plan(dead=("c4",), dead_below=0.2))
    assert found.state == ("ok", "dead", "dead", "dead")
    assert np.isfinite(found.dose_gy).tolist() == [True, False, False, False]
    assert step(found, "dead channels") == "3 (below 0.2, or named): B, C, D"


def test_a_channel_without_a_reading_is_missing():
    found = calibrate(raw([10, NAN, 10, 10]), channels(), Plan())
    assert found.state == ("ok", "missing", "ok", "ok")
    assert any("1 channels have no reading: B" in text for text in found.warnings)
    fewer = calibrate(raw([10, 10], names=("c1", "c2")), channels(), Plan())
    assert any("2 channels of the calibration have no reading" in text for text in fewer.warnings)


def test_odd_channels_are_named():
    rows = [[10 + n, 10 + n, 7, 10 + 20 * n] for n in (-0.1, 0, 0.1)]
    found = calibrate(raw(*rows), channels(), Plan())
    assert any("the repeats of D spread far more" in text for text in found.warnings)
    assert any("C read the same number each time: dead channels?" in text for text in found.warnings)


def test_rates_fractions_and_reference():
    found = calibrate(raw([1, 1, 1, 1]), channels(), Plan(seconds=30, is_rate=True, fractions=5))
    assert found.dose_gy == pytest.approx(np.array([0.5, 1, 2, 4]) * 30 * 5)
    assert "highest dose rate over 30 s is 240 Gy/min" in step(found, "time")
    assert found.factor == pytest.approx(np.array([0.5, 1, 2, 4]) * 150)
    scaled = calibrate(raw([1, 1, 1, 1]), channels(), Plan(reference=("B", 3.0), reading_error=0.01, fractions=2))
    assert scaled.dose_gy == pytest.approx([3, 6, 12, 24])
    assert scaled.sd_gy == pytest.approx([0.03, 0.06, 0.12, 0.24])


def test_numbers_are_consistent_whatever_was_done():
    """dose = (reading - background) * factor, for whoever checks the file."""
    plan = Plan(background=2.0, factor=0.3, reference=("C", 7.0), seconds=20.0, fractions=3)
    found = calibrate(raw([10, 20, 30, 40], [12, 20, 30, 44]), channels(), plan)
    assert (found.raw - found.background) * found.factor == pytest.approx(found.dose_gy)
    assert [step.name for step in found.steps] == [
        "readings", "repeats", "background", "dead channels", "calibration", "reference", "time", "fractions",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("readings", "known", "plan", "words"),
    [
        (raw([1], names=("x",)), channels(), Plan(), "the channel 'x' has no calibration"),
        (raw([1, 1], names=("c1", "x")), channels(), Plan(), "the channel 'x' has no calibration"),
        (raw([1, 2, 3, 4]), channels(), Plan(background=raw([1], names=("c1",))), "lacks the channel 'c2'"),
        (raw([1, 2, 3, 4]), channels(), Plan(background=raw([1, NAN, 1, 1])), "has no reading of the channel B"),
        (raw([1, 2, 3, 4]), channels(), Plan(dead=("q",)), "'q' is neither a cell nor a channel"),
        (raw([1, 2, 3, 4]), channels(), Plan(dead_below=9), "no channel is left with a dose"),
        (raw([1, 2, 3, 4]), channels(), Plan(reference=("q", 1.0)), "'q' is not among the readings"),
        (raw([0, 2, 3, 4]), channels(), Plan(reference=("A", 1.0)), "'A' has no dose above 0"),
        (raw([1, 2, 3, 4]), channels(state=("dead", *["ok"] * 3)), Plan(reference=("A", 1.0)), "'A' has no dose"),
        (raw([1, 2, 3, 4]), channels(cells=("A", "A", "C", "D")), Plan(), "two channels read the cell 'A'"),
        (raw([NAN] * 4), channels(), Plan(), "no channel is left"),
    ],
)
def test_refused(readings, known, plan, words):
    with pytest.raises(InputError) as found:
        calibrate(readings, known, plan)
    assert words in str(found.value)
