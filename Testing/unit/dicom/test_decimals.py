"""Decimal strings in bulk against Python's own numbers."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from Dose3DLib.dicom.decimals import decode_decimals, encode_decimals
from hypothesis import given, settings
from hypothesis import strategies as st

NUMBERS = st.floats(-99999, 99999, allow_subnormal=False)


def python_text(value, decimals):
    text = f"{round(value * 10**decimals) / 10**decimals:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=9), min_size=1, max_size=4), st.sampled_from([4, 6]))
def test_written_as_python_writes_them(groups, decimals):
    values, ends = np.array(sum(groups, [])), np.cumsum([len(g) for g in groups])
    for group, text in zip(groups, encode_decimals(values, ends, decimals), strict=True):
        assert len(text) % 2 == 0
        parts = text.decode().rstrip(" ").split("\\")
        assert parts == [python_text(value, decimals) for value in group]
        assert all(len(part) <= 16 for part in parts)
        assert all(abs(Decimal(p) - Decimal(v)) < Decimal("1e-4") for p, v in zip(parts, group, strict=True))


TEXTS = st.one_of(
    NUMBERS.map(str),
    st.integers(-(10**15), 10**15).map(str),
    st.decimals(-1000, 1000, places=6).map(str),
    st.sampled_from(["+1", " 2.5", "3e2", "-4E-3", "-.5", "7.", "00012.500", "1234567.12345678", "inf", "1e400"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(TEXTS, max_size=8), max_size=4))
def test_read_as_python_reads_them(groups):
    values, ends = decode_decimals(["\\".join(g).encode() for g in groups])
    assert ends.tolist() == np.cumsum([len(g) for g in groups], dtype=int).tolist()
    assert values.tolist() == [float(text) for group in groups for text in group]


@pytest.mark.parametrize("text", [b"a", b"1..2", b"-", b".", b"--1", b"1-", b"1_0", b"1,5", b"0x1", b"1 2", b"nan"])
def test_no_number_becomes_nan(text):
    values, _ = decode_decimals([b"1\\" + text + b"\\2"])
    assert values[0] == 1
    assert np.isnan(values[1])
    assert values[2] == 2


def test_empty_parts_keep_their_place():
    values, ends = decode_decimals([b"", b"1\\\\2\\", b"  ", b"5 ", b"6\\"])
    assert ends.tolist() == [0, 4, 4, 5, 7]
    assert np.isnan(values).tolist() == [False, True, False, True, False, False, True]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e11])
def test_what_has_no_decimal_string_is_refused(value):
    with pytest.raises(ValueError, match="16 characters"):
        encode_decimals(np.array([1.0, value]), np.array([2]))


def test_batches_join_without_seams():
    values = np.random.default_rng(1).uniform(-300, 300, 100_003).round(4)
    text = encode_decimals(values, np.array([50_000, 100_003]))
    back, ends = decode_decimals(text)
    assert ends.tolist() == [50_000, 100_003]
    assert np.array_equal(back, values)
