"""Tables of a readout: repeats in rows, columns and files; calibrations; what is refused."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from builders.detector_builder import small_layout
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.layout_csv import read_layout, write_layout
from Dose3DLib.detector.raw_csv import calibration_of_layout, read_calibration, read_raw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def saved(tmp_path, text: str, name="raw.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_rows_columns_and_files_are_repeats(tmp_path):
    first = saved(tmp_path, "Channel,Reading 1,Reading 2,note\nb,1,2,x\na,3,4,\nb,5,,\n")
    second = saved(tmp_path, "\ufeffchannel;reading\na;7,5\nb;8,25\n", "second.csv")
    found = read_raw([first, second])
    assert found.names == ("b", "a")
    b, a = found.values.T
    assert sorted(b[np.isfinite(b)]) == [1, 2, 5, 8.25]
    assert sorted(a[np.isfinite(a)]) == [3, 4, 7.5]


def test_cells_serve_as_channels(tmp_path):
    assert read_raw([saved(tmp_path, "cell,reading\nA,1\n")]).names == ("A",)


def test_a_channel_without_any_reading_stays_one(tmp_path):
    found = read_raw([saved(tmp_path, "channel,reading\na,\nb,2\n")])
    assert found.names == ("a", "b")
    assert np.isnan(found.values[:, 0]).all()


def test_simulated_doses_are_readings(tmp_path):
    text = "Cell IdX,Cell IdY,Cell IdZ,X [mm],Y [mm],Z [mm],Dose\n0,0,0,1,2,3,1e-8\n0,0,1,1,2,15,2e-8\n"
    files = [saved(tmp_path, text, name) for name in ("cp-0_D_cell.csv", "again.csv")]
    found = read_raw(files)
    assert found.names == ("Cell_0_0_0", "Cell_0_0_1")
    assert found.values.tolist() == [[1e-8, 2e-8]] * 2
    assert read_raw([tmp_path]).values.tolist() == [[1e-8, 2e-8]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("channel,value\na,1\n", "has no column reading"),
        ("detector,reading\na,1\n", "has no column channel (or cell)"),
        ("channel,reading\n", "has no readings"),
        ("channel,reading\n,1\n", "line 2: the row has no channel"),
        ("channel,reading\na,inf\n", "reading is infinite"),
        ("channel,reading\na,1 nC\n", "'1 nC' in column reading is no number"),
        ("channel,reading\na,=B1\n", "is a spreadsheet formula"),
        ("channel,reading\na,1,5\n", "need ; between them"),
    ],
)
def test_raw_tables_refused(tmp_path, text, words):
    with pytest.raises(InputError) as found:
        read_raw([saved(tmp_path, text)])
    assert words in str(found.value)


def test_repeats_need_the_same_channels(tmp_path):
    files = [saved(tmp_path, "channel,reading\na,1\nb,1\n"), saved(tmp_path, "channel,reading\na,1\nc,1\n", "2.csv")]
    with pytest.raises(InputError, match=r"2\.csv: differs from raw\.csv in its channels \('b' is in one of them only"):
        read_raw(files)


def test_calibration(tmp_path):
    text = "channel;cell;factor;factor_sd_percent;saturation;state\n1;A;0,5;2;4095;\n2;B;;;;dead\n3;C;1,25;;;ok\n"
    found = read_calibration(saved(tmp_path, text))
    assert (found.names, found.cells, found.state) == (("1", "2", "3"), ("A", "B", "C"), ("ok", "dead", "ok"))
    assert np.array_equal(found.factor, [0.5, np.nan, 1.25], equal_nan=True)
    assert np.array_equal(found.factor_sd, [0.02, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(found.saturation, [4095, np.nan, np.nan], equal_nan=True)


def test_calibration_by_cell_alone(tmp_path):
    found = read_calibration(saved(tmp_path, "cell,factor\nA,2\n"))
    assert (found.names, found.cells) == (("A",), ("A",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("channel,gain\n1,2\n", "has no columns factor and channel (or cell)"),
        ("factor\n2\n", "has no columns factor and channel"),
        ("channel,factor\n", "has no rows"),
        ("channel,factor\n1,0\n", "line 2: the factor is not above 0"),
        ("channel,factor\n1,-2\n", "the factor is not above 0"),
        ("channel,factor\n1,\n", "or the state dead"),
        ("channel,factor\n1,2\n1,3\n", "line 3: the channel '1' is there already"),
        ("channel,cell,factor\n1,A,2\n2,A,3\n", "the cell 'A' is there already"),
        ("channel,factor\n,2\n", "the row has no channel"),
        ("channel,factor,state\n1,2,broken\n", "the state 'broken' is unknown"),
        ("channel,factor,factor_sd_percent\n1,2,-1\n", "factor_sd_percent is negative"),
    ],
)
def test_calibrations_refused(tmp_path, text, words):
    with pytest.raises(InputError) as found:
        read_calibration(saved(tmp_path, text))
    assert words in str(found.value)


def layout_with(tmp_path, **facts) -> Layout:
    """Through a file, as users have it: numbers become numbers there."""
    layout = small_layout()
    facts = {name: np.array(column, dtype=str) for name, column in facts.items()}
    write_layout(Layout(layout.cells, layout.placement, layout.layers, 1.0, "mine", facts), tmp_path / "L.csv")
    return read_layout(tmp_path / "L.csv")


def test_a_mapping_workbook_brings_channels_and_factors(tmp_path):
    layout = layout_with(tmp_path, cal_params=["0.8", "", *["1.25"] * 9], pmt_chn=[str(n) for n in range(11)])
    found = calibration_of_layout(layout)
    assert found.names == tuple(map(str, range(11)))
    assert found.cells == layout.cells.labels
    assert found.factor[[0, 2]].tolist() == [0.8, 1.25]
    assert found.state[:3] == ("ok", "dead", "ok")


def test_a_layout_without_factors_has_no_calibration(tmp_path):
    assert calibration_of_layout(small_layout()) is None
    same = layout_with(tmp_path, cal_params=["1"] * 11, pmt_chn=["3"] * 11)
    with pytest.raises(InputError, match="has the channel '3' twice"):
        calibration_of_layout(same)
    for wrong, words in (("-1", "not above 0"), ("x", "are no numbers")):
        with pytest.raises(InputError, match=words):
            calibration_of_layout(layout_with(tmp_path, cal_params=[wrong] * 11))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="ab,;\t\n\"'#=:-+.0123456789enif _mgyxzcldos", max_size=120), st.integers(0, 2))
def test_no_text_makes_it_fail_otherwise(tmp_path, text, kind):
    head = ("", "channel,reading\n", "channel,cell,factor,state\n")[kind]
    for read in (lambda path: read_raw([path]), read_calibration):
        with suppress(InputError):
            read(saved(tmp_path, head + text))
