"""Lines with columns at the same places: whatever is read in one go is what float() reads, word by word."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.phasespace.formats.fixed_text import fixed_numbers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

QUICK = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
FORMATS = ("{:15.8e}", "{:+14.7E}", "{:12.6f}", "{:8.3f}", "{:<9d}", "{:6d}", "{:012.4f}", "{:5.1f}", "{:3d}", "{:.0f}")


def words(data: bytes) -> np.ndarray:
    return np.array([[float(word) for word in line.split()] for line in data.splitlines()])


def lines(kinds: list[str], rows: list[list[float]]) -> bytes:
    return b"".join(
        (
            " ".join(kind.format(int(value) if "d" in kind else value) for kind, value in zip(kinds, row, strict=True))
        ).encode()
        + b"\n"
        for row in rows
    )


@st.composite
def tables(draw):
    kinds = draw(st.lists(st.sampled_from(FORMATS), min_size=1, max_size=5))
    number = st.one_of(st.floats(-999, 999), st.integers(-99, 99).map(float), st.floats(0, 1e-30), st.just(-0.0))
    return kinds, draw(st.lists(st.lists(number, min_size=len(kinds), max_size=len(kinds)), min_size=1, max_size=6))


@QUICK
@given(table=tables())
def test_it_is_what_float_reads(table):
    kinds, rows = table
    data = lines(kinds, rows)
    found = fixed_numbers(data, len(kinds))
    if found is not None:
        assert np.array_equal(found, words(data))
        assert np.array_equal(fixed_numbers(data, len(kinds), len(kinds) - 1), words(data)[:, -1])


@QUICK
@given(table=tables(), data=st.data())
def test_damaged_lines_are_left_alone_or_right(table, data):
    kinds, rows = table
    text = bytearray(lines(kinds, rows))
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.sampled_from(list(b" 0123456789.-+eE\n#xD\t")))
    found = fixed_numbers(bytes(text), len(kinds))
    if found is not None:
        assert np.array_equal(found, words(bytes(text)))


@pytest.mark.parametrize("kind", ["{:15.8e}", "{:+14.7E}", "{:12.6f}", "{:6d}"])
def test_what_programs_write_is_taken(kind):
    """A test that everything is left to numpy would be one that nothing can fail."""
    rows = [[value] * 3 for value in (1.5, -2.25, 0.0, -300.0, 0.125)]
    assert fixed_numbers(lines([kind] * 3, rows), 3) is not None


@pytest.mark.parametrize(
    "text",
    ["", "\n", "1 2\n3 4", "1 2\n3\n", "1 2\n34\n", "1 nan\n2 inf\n", "1 2e\n3 4e\n", "1 .\n2 .\n", "1 -\n2 -\n",
     "1 1 2\n1 2 3\n", "1 --2\n3 --4\n", "1 1.2.3\n2 2.3.4\n", "1 0x1\n2 0x2\n", "1234567890123456789 1\n" * 2],
)  # fmt: skip
def test_what_is_left_to_numpy(text):
    assert fixed_numbers(text.encode(), 2) is None


def test_far_exponents_are_exact():
    values = [1e-40, -1.2345678e-38, 3.4028235e38, 1.5e30, 2.5e-23]
    data = "".join(f"{value:15.8e} {-value:15.8e}\n" for value in values).encode()
    assert np.array_equal(fixed_numbers(data, 2), words(data))
